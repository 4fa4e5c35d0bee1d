"""Method auto: the number of pictures, the model and the machine decide, and the alternative is said."""

import re

import pytest

from finetune.transfer.auto_method import Machine, choose_method

LAPTOP, GPU = Machine(2, gpu=False), Machine(8, gpu=True)
LITE, RESNET = 4_652_008, 25_557_032


def choose(fewest, total, parameters=LITE, image_size=224, machine=LAPTOP):
    """Return the method and its reason."""
    work = {"parameters": parameters, "image_size": image_size, "machine": machine}
    return choose_method(fewest, total, **work, unit="a class")


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({"fewest": 49, "total": 200}, "head"),
        ({"fewest": 49, "total": 200, "machine": GPU}, "head"),
        ({"fewest": 50, "total": 400}, "two_phase"),
        ({"fewest": 100, "total": 1_000}, "head"),
        ({"fewest": 100, "total": 1_000, "image_size": 96}, "two_phase"),
        ({"fewest": 50, "total": 500, "parameters": RESNET}, "head"),
        ({"fewest": 100, "total": 10_000, "parameters": RESNET, "machine": GPU}, "two_phase"),
        ({"fewest": 5_000, "total": 50_000, "machine": GPU}, "full"),
        ({"fewest": 5_000, "total": 50_000}, "head"),
    ],
)
def test_pictures_model_and_machine_decide(given, method):
    """Few pictures and slow machines freeze the network; many pictures on a GPU let all of it learn."""
    assert choose(**given)[0] == method


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fewest": 49, "total": 200}, "from 49 pictures a class .* from 50 on also two_phase"),
        ({"fewest": 50, "total": 400}, r"about \d+ minutes more; sooner: head"),
        ({"fewest": 100, "total": 200_000, "parameters": RESNET}, r"two_phase would be .* take about \d+ hours more"),
        ({"fewest": 5_000, "total": 50_000, "machine": GPU}, "sooner: two_phase"),
    ],
)
def test_reason_says_the_alternative(given, words):
    """With what it costs, or from when on it would be taken."""
    why = choose(**given)[1]
    assert re.search(words, why), why
