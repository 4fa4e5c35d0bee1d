"""Files that are never seen half-written."""

import pytest

from zoo.atomic import atomic_path, write_atomic


def test_content_replaces_the_old(tmp_path):
    """After a write the file holds the new content, and nothing else is in the folder."""
    path = tmp_path / "state.json"
    write_atomic(path, "old")
    write_atomic(path, "new")
    assert path.read_text() == "new" and [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_failing_write_leaves_the_old(tmp_path):
    """An exception half-way keeps the old content and removes the temporary file."""
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_temporary_name_keeps_the_suffix(tmp_path):
    """Keras decides the format by the suffix, so the temporary file has the same."""
    with atomic_path(tmp_path / "model.keras") as temporary:
        temporary.write_text("x")
        assert temporary.suffix == ".keras" and temporary.parent == tmp_path


def test_file_has_ordinary_permissions(tmp_path):
    """The file is as readable as one that was simply opened for writing."""
    (tmp_path / "plain").write_text("x")
    write_atomic(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode
