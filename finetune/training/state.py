"""The state of a phase as plain arrays and numbers: all that decides how it goes on, and back into the model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np

from finetune.training.epochs import Progress
from zoo.errors import RunStateError


@dataclass(frozen=True)
class State:
    """A phase between two steps.

    Attributes:
        arrays: by name: variables of the model (seeds of random layers among them), the optimizer and the metrics, and
            the weights of the best epoch.
        numbers: the progress, as JSON can hold it; none where a phase begins again with the weights alone.
    """

    arrays: Mapping[str, np.ndarray]
    numbers: Mapping[str, object]


def snapshot(model: keras.Model, progress: Progress) -> State:
    """Return a copy of the state of a phase; `outside` has what its model does not."""
    # which copies, and of hundreds of megabytes that takes long enough to do it once
    arrays = {name: keras.ops.convert_to_numpy(variable) for name, variable in _variables(model).items()}
    best = progress.best_weights or []
    arrays |= _numbered(best)
    numbers = asdict(progress) | {"best_weights": len(best)}
    return State(arrays, numbers)


def what_stays(progress: Progress | None) -> dict[str, object] | None:
    """Return what a later phase has to know of those before it, as JSON values."""
    return {"rows": progress.rows, "best": progress.best} if progress else None


def remembered(found: Mapping[str, object] | None) -> Progress | None:
    """Return the progress that `what_stays` told of, as far as it did."""
    return Progress(**found) if found else None


def good_weights(progress: Progress) -> State | None:
    """Return the weights of the best epoch, for a phase that begins again from them; None where there is none yet."""
    if progress.best_weights is None:
        return None
    return State(_numbered(progress.best_weights), {})


def begin_again(model: keras.Model, state: State) -> None:
    """Give a model the weights that `good_weights` took of one that was made in the same way."""
    model.set_weights([state.arrays[name] for name in sorted(state.arrays) if name.startswith("best/")])


def outside(network: keras.Model, model: keras.Model) -> dict[str, np.ndarray]:
    """Return the variables of a network that the model of a phase does not have, for phases before it changed them."""
    inside = {id(variable) for variable in model.variables}
    return {
        f"below/{place:05}": keras.ops.convert_to_numpy(variable)
        for place, variable in enumerate(network.variables)
        if id(variable) not in inside
    }


def put_outside(network: keras.Model, state: State) -> None:
    """Put back what `outside` took, into a network that was made in the same way."""
    for place, variable in enumerate(network.variables):
        if f"below/{place:05}" in state.arrays:
            variable.assign(state.arrays[f"below/{place:05}"])


def restore(model: keras.Model, state: State) -> Progress:
    """Put a state into a model that was made and compiled in the same way; return the progress.

    Raises:
        RunStateError: the model has other variables.
    """
    variables = _variables(model)
    expected = {name: (tuple(variable.shape), str(variable.dtype)) for name, variable in variables.items()}
    found = {n: (a.shape, str(a.dtype)) for n, a in state.arrays.items() if not n.startswith(("best/", "below/"))}
    if expected != found:
        names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
        raise RunStateError(f"the checkpoint is of another model: {len(names)} arrays differ, such as {names[0]}")
    for name, variable in variables.items():
        variable.assign(state.arrays[name])
    numbers = dict(state.numbers)
    best = [state.arrays[f"best/{place:05}"] for place in range(numbers.pop("best_weights"))]
    return Progress(best_weights=best or None, **numbers)


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    parts = {"model": model.variables, "optimizer": model.optimizer.variables, "metrics": model.metrics_variables}
    return {f"{part}/{place:05}": variable for part, found in parts.items() for place, variable in enumerate(found)}


def _numbered(weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"best/{place:05}": weight for place, weight in enumerate(weights)}
