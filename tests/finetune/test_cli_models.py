"""`finetune models`: what its help looks like, and faults that are seen before anything is built."""

import pytest

from finetune.cli import cli, run_command


@pytest.fixture
def run(capfd):
    """Run `finetune` with arguments; return exit code, stdout and stderr."""

    def run(*arguments):
        code = run_command(cli, [str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return run


def test_examples_in_the_help_have_a_line_each(run):
    """Click joins the lines of a paragraph unless it is told not to."""
    lines = [line.strip() for line in run("models", "--help")[1].splitlines()]
    assert "finetune models import FILE --name T  bring weights of your own under a tag" in lines


def test_plot_into_a_missing_folder_is_refused(run, tmp_path):
    """The folder is missed before the model is built."""
    code, out, err = run("models", "resnet18", "--plot", tmp_path / "none" / "plot.png")
    assert (code, out) == (2, "") and "there is no folder" in err


@pytest.mark.keras
def test_import_under_a_model_names_its_tags(run, tmp_path):
    """A model's name is no tag; the answer lists the model's tags."""
    code, _, err = run("models", "import", tmp_path / "x.pth", "--name", "resnet50")
    assert code == 2 and "resnet50.torchvision_v1, resnet50.torchvision_v2" in err
