"""Methods as phases: which stages learn, at what rate, and what is refused."""

import pytest

from finetune.config import make_config
from finetune.transfer.methods import METHODS, phases_of
from zoo.errors import ConfigError

STAGES = ("stem", "stage1", "stage2", "stage3", "head")


def phases(method, **settings):
    """Return the phases of a method on a network of four stages."""
    settings = {"epochs": 30, "patience": 5, "learning_rate": 0.01, "model": "net"} | settings
    return phases_of(make_config({"method": method} | settings), STAGES)


def test_head_alone_learns():
    """Method head is one phase, in which nothing below the head learns."""
    (phase,) = phases("head")
    assert (phase.stages, phase.epochs, phase.learning_rate) == (("head",), 30, 0.01)


def test_phases_of_ones_own():
    """Each says which stages learn and begin anew, by number, names or all; what it leaves out is the run's."""
    own = [{"epochs": 3}, {"name": "mine", "stages": "stage3, stage1", "reinit": ["stage3"], "learning_rate": "1e-4"}]
    first, second, third = phases("auto", phases=[*own, {"stages": "all", "reinit": 1, "schedule": "cosine"}])
    assert (first.name, first.stages, first.epochs, first.learning_rate) == ("phase 1", ("head",), 3, 0.01)
    assert (second.name, second.stages, second.reinit) == ("mine", ("stage1", "stage3", "head"), ("stage3",))
    assert (second.learning_rate, second.epochs, second.schedule) == (1e-4, 30, None)
    assert (third.stages, third.reinit, third.schedule) == (STAGES, ("stage3",), "cosine")


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"stages": 5}, r"phase 1: stages is 5: there are 4 before the head \(stem, stage1, stage2, stage3\)"),
        ({"name": "x", "stages": "stage4"}, "phase x: stages: there is no 'stage4'; accepted: stem, .*Nearest: stage3"),
        ({"stages": 1, "reinit": 2}, "phase 1: stage2 begin from random weights, and so have to be among its stages"),
        ({"epoch": 3}, "phases 1: epoch is no setting there"),
        ({"epochs": 0}, "phases 1: epochs should be greater than or equal to 1"),
    ],
)
def test_impossible_phases_are_refused(phase, message):
    """The phase is named, and what there is instead."""
    with pytest.raises(ConfigError, match=message):
        phases("auto", phases=[phase])


def test_phases_and_a_method_are_too_much():
    """A list of phases is a method of its own, which needs one."""
    with pytest.raises(ConfigError, match="phases are those of method custom; received method=head"):
        phases("head", phases=[{}])
    assert make_config({"phases": [{}]}).method == "custom"
    with pytest.raises(ConfigError, match="method custom needs phases"):
        phases("custom")


def test_second_phase_is_finer():
    """Two phases: the head, then two thirds of the stages too, at three tenths of the rate."""
    first, second = phases("two_phase")
    assert first.stages == ("head",) and second.stages == ("stage1", "stage2", "stage3", "head")
    assert second.learning_rate == pytest.approx(0.003)
    assert (first.epochs, second.epochs) == (5, 15) and phases("two_phase", epochs=2)[0].epochs == 2


@pytest.mark.parametrize("method", ["two_phase", "gradual", "full"])
def test_pretrained_stages_learn_in_one_cycle(method):
    """It goes to its end, where the rate is 0; a schedule of the user's is taken as it is, with the run's patience."""
    phase, asked = phases(method)[-1], phases(method, schedule="cosine")[-1]
    assert (phase.schedule, phase.to_the_end, phase.patience) == ("one_cycle", True, phase.epochs)
    assert (asked.schedule, asked.to_the_end, asked.patience) == (None, False, 5)


def test_gradual_takes_one_stage_more_at_a_time():
    """Each phase of gradual has one stage more than the one before."""
    assert [len(phase.stages) for phase in phases("gradual", unfreeze=4)] == [1, 2, 3, 4, 5]
    assert len({phase.name for phase in phases("gradual", unfreeze=4)}) == 5


def test_all_learns_at_once():
    """Method full has one phase with every stage."""
    (phase,) = phases("full")
    assert phase.stages == STAGES and phase.reinit == ()


def test_upper_stages_begin_anew():
    """Method reinit draws the last stages anew; more may learn than are drawn."""
    (phase,) = phases("reinit", unfreeze=3, reinit=2)
    assert phase.stages == ("stage1", "stage2", "stage3", "head") and phase.reinit == ("stage2", "stage3")


@pytest.mark.parametrize("setting", [{"unfreeze": 5}, {"reinit": 5}])
def test_more_stages_than_there_are_is_refused(setting):
    """The message says how many there are, and their names."""
    with pytest.raises(ConfigError, match="net has 4 stages before its head .stem, stage1, stage2, stage3."):
        phases("reinit", **setting)


def test_what_is_drawn_anew_must_learn():
    """Stages of random weights that stay frozen would be noise in the middle of the network."""
    with pytest.raises(ConfigError, match="reinit=3.*unfreeze=1"):
        phases("reinit", unfreeze=1, reinit=3)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ends_with_its_head(method):
    """Whatever else learns, the head does, in every phase."""
    assert all(phase.stages[-1] == "head" for phase in phases(method))
