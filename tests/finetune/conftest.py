"""One small finished run on real weights, made once and shared by all tests that only read it."""

import pytest
from small_pictures import SETTINGS, make_pictures


@pytest.fixture
def pictures(tmp_path):
    """A fresh folder of three classes with ten pictures each."""
    return make_pictures(tmp_path / "pictures")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A finished run on thirty small pictures."""
    import finetune

    folder = tmp_path_factory.mktemp("small")
    make_pictures(folder / "pictures")
    settings = SETTINGS | {"cache_dir": folder / "cache", "run_dir": folder / "run"}
    return finetune.fit(folder / "pictures", verbose=0, **settings)
