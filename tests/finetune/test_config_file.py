"""Config files without the surprises of their formats."""

import pytest

from finetune.config import make_config
from finetune.config_file import read_config_file
from zoo.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    """Write text under a name and read it as a config file."""

    def read(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_config_file(path)

    return read


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "epochs: 5\nlearning_rate: 1e-3  # small\nstrict: no\n"),
        ("a.yml", "\ufeffepochs: '5'\nlearning_rate: 0.001\nstrict: false\n"),
        ("a.json", '{"epochs": 5, "learning_rate": 1e-3, "strict": false}'),
        ("a.toml", "epochs = 5\nlearning_rate = 1e-3\nstrict = false\n"),
    ],
)
def test_formats_mean_the_same(read, name, text):
    """The same settings in YAML, JSON and TOML make the same config."""
    values, places = read(name, text)
    config = make_config(values, places=places)
    assert (config.epochs, config.learning_rate, config.strict) == (5, 1e-3, False)


@pytest.mark.parametrize("word", ["no", "on", "012", "12:30", "null", "1e3", "~", "2026-11-21"])
def test_yaml_words_stay_text(read, word):
    """What YAML 1.1 would turn into False, 10, 750 or None stays what the user wrote."""
    values, places = read("a.yaml", f"model: {word}\n")
    assert make_config(values, places=places).model == word


def test_unknown_key_has_line_and_nearest(read):
    """A mistyped key is found by its line."""
    values, places = read("fit.yaml", "epochs: 5\nlearning_rte: 1e-3\n")
    with pytest.raises(ConfigError, match=r"fit.yaml line 2: unknown setting 'learning_rte'. Nearest: learning_rate"):
        make_config(values, places=places)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "seed: 1\nepochs: 2\nseed: 3\n", r"line 3: seed is set a second time; first on a.yaml line 1"),
        ("a.json", '{"seed": 1, "seed": 2}', "seed is set twice"),
        ("a.toml", "seed = 1\nseed = 2\n", "not TOML .*line 2"),
        ("a.yaml", "data: !!python/object/apply:os.system [id]\n", "tag .*python/object"),
        ("a.yaml", "model: !mine x\n", "tag !mine is not accepted"),
        ("a.yaml", "a: &x 1\nb: *x\n", "line 1: anchors and aliases"),
        ("a.yaml", "model: {name: x}\n", "line 1: .*a value or a list of values"),
        ("a.yaml", "- 1\n- 2\n", "must hold lines"),
        ("a.yaml", "model: 'x\n", "not YAML"),
        ("a.json", '{"seed": 1,\n]', "line 2: not JSON"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"model": [["x"]]}', "must be a value or a list of values"),
        ("a.json", "[1]", "must hold an object"),
        ("a.toml", "strict = True\n", "line 1.*lower case"),
        ("a.toml", 'data = "C:\\Users"\n', "line 1.*single quotes"),
        ("a.yaml", b"model: \xff\n", "not UTF-8"),
        ("a.txt", "seed: 1", "ends in .yaml"),
    ],
)
def test_faulty_files_are_refused(read, name, text, message):
    """Everything but flat, unique, plain values is refused with the place."""
    with pytest.raises(ConfigError, match=message):
        read(name, text)


def test_alias_bomb_is_refused_before_it_grows(read):
    """Nine levels of nine aliases cost nothing."""
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{','.join([f'*a{i}'] * 9)}]\n" for i in range(9))
    with pytest.raises(ConfigError, match="anchors and aliases"):
        read("a.yaml", bomb)


def test_missing_and_huge_files_are_refused(tmp_path):
    """A path that is no config file says so."""
    with pytest.raises(ConfigError, match="No such file"):
        read_config_file(tmp_path / "none.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="no config file"):
        read_config_file(tmp_path / "huge.yaml")


def test_empty_yaml_is_no_setting(read):
    """A file of comments sets nothing."""
    assert read("a.yaml", "# later\n") == ({}, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"ignore": ["id", "no"], "units": [64, 32]}'),
        ("a.yaml", "ignore: [id, no]\nunits:\n  - 64\n  - 32\n"),
        ("a.toml", 'ignore = ["id", "no"]\nunits = [64, 32]\n'),
    ],
)
def test_lists_of_values_are_read(name, text, tmp_path):
    """Fields that take several values have them as a list, in each format; YAML's no stays a text."""
    (tmp_path / name).write_text(text)
    values, places = read_config_file(tmp_path / name)
    config = make_config(values, places=places)
    assert config.ignore == ("id", "no") and config.units == (64, 32)


def test_every_field_of_a_config_can_be_read_back(tmp_path):
    """What a run writes as config.json is a config file."""
    config = make_config({"data": "d", "numeric": ("a",), "units": (3, 4), "seed": 5})
    (tmp_path / "config.json").write_text(config.model_dump_json())
    values, places = read_config_file(tmp_path / "config.json")
    assert make_config(values, places=places) == config


def test_list_for_a_single_value_names_the_field(tmp_path):
    """A list where one value is due is a fault of that field."""
    (tmp_path / "a.json").write_text('{"epochs": [1, 2]}')
    values, places = read_config_file(tmp_path / "a.json")
    with pytest.raises(ConfigError, match="epochs"):
        make_config(values, places=places)


@pytest.mark.parametrize("file", ["a.yaml", "a.json", "a.toml"])
def test_phases_are_a_list_of_records(tmp_path, file):
    """The one setting that is nested reads the same from every format, and comes back from what a run writes down."""
    text = {
        "a.yaml": "phases:\n  - epochs: 3\n  - {stages: [top, stage7], learning_rate: 1e-4}\n",
        "a.json": '{"phases": [{"epochs": 3}, {"stages": ["top", "stage7"], "learning_rate": 1e-4}]}',
        "a.toml": "[[phases]]\nepochs = 3\n[[phases]]\nstages = ['top', 'stage7']\nlearning_rate = 1e-4\n",
    }
    (tmp_path / file).write_text(text[file])
    config = make_config(read_config_file(tmp_path / file)[0])
    first, second = config.phases
    assert (first.epochs, second.stages, second.learning_rate) == (3, ("top", "stage7"), 1e-4)
    (tmp_path / "b.json").write_text(config.model_dump_json())
    assert make_config(read_config_file(tmp_path / "b.json")[0]) == config


def test_name_twice_in_a_phase_is_refused(tmp_path):
    """YAML would silently take the last."""
    (tmp_path / "a.yaml").write_text("phases:\n  - epochs: 3\n    epochs: 4\n")
    with pytest.raises(ConfigError, match="a.yaml line 3: epochs is set a second time"):
        read_config_file(tmp_path / "a.yaml")
