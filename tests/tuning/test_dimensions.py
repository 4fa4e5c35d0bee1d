"""One hyperparameter: its values, their positions, its grid."""

import pytest

from tuning.dimensions import Choice, Fixed, Float, Int, as_own, count, fault_of, grid_values, position_of, value_at

EVERY_KIND = [
    Fixed("x", 3),
    Choice("x", ("adam", "sgd", "muon")),
    Choice("x", (8, 16, 64), ordered=True),
    Int("x", 3, 12),
    Int("x", 1, 1000, scale="log"),
    Int("x", 1, 1000, scale="reverse_log"),
    Int("x", 16, 256, scale="log", step=2),
    Int("x", 6, 12, step=3),
    Float("x", 0.0, 0.5),
    Float("x", 1e-5, 0.1, scale="log"),
    Float("x", 1e-5, 0.1, scale="reverse_log"),
    Float("x", 0.1, 0.9, step=0.1),
    Float("x", 1e-4, 1.0, scale="log", step=10.0),
    Float("x", 2.0, 2.0),
]


@pytest.mark.parametrize("dimension", EVERY_KIND, ids=str)
def test_every_position_has_a_value_of_the_dimension(dimension):
    """From 0 to 1, both included, no position falls out of the range."""
    assert all(fault_of(dimension, value_at(dimension, at / 200)) == "" for at in range(201))


@pytest.mark.parametrize("dimension", EVERY_KIND, ids=str)
def test_a_value_lies_where_it_was_drawn(dimension):
    """The position of a value gives that value again."""
    for at in (0.0, 0.1, 0.37, 0.5, 0.93, 1.0):
        value = value_at(dimension, at)
        again = value_at(dimension, position_of(dimension, value))
        assert again == value or again == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("dimension", EVERY_KIND, ids=str)
def test_a_grid_has_both_ends_in_order(dimension):
    """What a grid takes of a range begins at its lower end and ends at its upper one."""
    values = grid_values(dimension)
    if isinstance(dimension, Int | Float):
        assert (values[0], values[-1]) == (dimension.low, dimension.high) and list(values) == sorted(set(values))
    else:
        assert values == dimension.values


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        (Float("x", 0.0, 1.0, step=0.2), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (Float("x", 0.1, 0.7, step=0.1), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        (Float("x", 1e-4, 1.0, scale="log"), (1e-4, 1e-3, 1e-2, 0.1, 1.0)),
        (Float("x", 0.0, 1.0, grid=3), (0.0, 0.5, 1.0)),
        (Int("x", 1, 3), (1, 2, 3)),
        (Int("x", 16, 256, scale="log", step=2), (16, 32, 64, 128, 256)),
        (Int("x", 0, 100), (0, 25, 50, 75, 100)),
        (Int("x", 0, 100, step=50), (0, 50, 100)),
    ],
)
def test_grids_are_the_numbers_a_user_expects(dimension, values):
    """Steps come out without the dust of floats, and ranges are cut evenly on their scale."""
    assert grid_values(dimension) == pytest.approx(values, rel=1e-9) and count(Float("x", 0.0, 1.0, step=0.2)) == 6


def test_draws_on_a_log_scale_are_even_in_orders_of_magnitude():
    """A tenth of the positions is a tenth of the way in logarithms."""
    assert value_at(Float("x", 1e-5, 1.0, scale="log"), 0.4) == pytest.approx(1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.6, -0.1, "0.1", None, True])
def test_what_is_no_value_of_a_range_is_named(value):
    """NaN, the outside of the range, texts and truths are no numbers from 0 to 0.5."""
    assert "must be" in fault_of(Float("x", 0.0, 0.5), value)


def test_a_value_between_steps_is_refused_with_the_nearest():
    """0.25 is none of 0, 0.1, 0.2 and so on."""
    assert "nearest: 0.2" in fault_of(Float("x", 0.0, 0.5, step=0.1), 0.25)


def test_values_take_the_spelling_of_their_dimension():
    """A whole number is a float where floats are searched, so that equal combinations are equal texts."""
    assert repr(as_own(Float("x", 0.0, 2.0), 1)) == "1.0"
    assert repr(as_own(Choice("x", (1.0, 2.0)), 1)) == "1.0"
