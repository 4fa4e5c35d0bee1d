"""A space as a file or Python gives it → dimensions, constraints, start values, or faults with their places."""

from collections.abc import Mapping, Sequence

from tuning.constraints import Constraint, parse
from tuning.dimension_reading import Faults, is_value, plain, read_dimension
from tuning.dimensions import Choice, Dimension, Fixed, as_own, fault_of
from tuning.trial import Value
from zoo.errors import brief, nearest

PARTS = ("space", "constraints", "start")
MAX_DIMENSIONS = 200

Start = tuple[Mapping[str, Value], ...]


def read_space(mapping: object, faults: Faults) -> tuple[tuple[Dimension, ...], tuple[Constraint, ...], Start]:
    """Read a space.

    Args:
        mapping: with the keys `space`, and perhaps `constraints` and `start`.
        faults: takes all that is wrong; where it is not empty, what is returned is of no use.
    """
    if not isinstance(mapping, Mapping) or "space" not in mapping:
        found = f"; found {', '.join(map(str, mapping))}" if isinstance(mapping, Mapping) and mapping else ""
        faults.found.append(f"a space has a key `space` with a hyperparameter on each line under it{found}")
        return (), (), ()
    for name in mapping.keys() - set(PARTS):
        faults.add((name,), f"is unknown; accepted: {', '.join(PARTS)}.{nearest(str(name), PARTS)}")
    found = [read_dimension(path, name, words, faults) for path, name, words in _listed(mapping["space"], faults)]
    if len(found) > MAX_DIMENSIONS:
        faults.found.append(f"{len(found)} hyperparameters are too many; at most {MAX_DIMENSIONS}")
    dimensions = tuple(dimension for dimension in found if dimension is not None)
    if None not in found:
        _check_conditions(dimensions, isinstance(mapping["space"], Mapping), faults)
    # what only the dimensions can tell is asked of whole ones
    if faults.found:
        return dimensions, (), ()
    constraints = _constraints(mapping.get("constraints"), dimensions, faults)
    return dimensions, constraints, read_start(mapping.get("start"), dimensions, faults)


def read_start(start: object, dimensions: Sequence[Dimension], faults: Faults) -> Start:
    """Read combinations that are tried first; each names some hyperparameters or all."""
    if start is None:
        return ()
    if not isinstance(start, list | tuple) or not all(isinstance(values, Mapping) for values in start):
        faults.add(("start",), f"must be a list of `{{name: value}}`; received {brief(start)}")
        return ()
    read = []
    for index, values in enumerate(start):
        own = {}
        for name, value in values.items():
            of_name = [dimension for dimension in dimensions if dimension.name == name]
            value = plain(value)
            why = [fault_of(dimension, value) for dimension in of_name] if is_value(value) else [f"is {brief(value)}"]
            if not of_name:
                near = nearest(str(name), [dimension.name for dimension in dimensions])
                faults.add(("start", index, name), f"is not in the space.{near}")
            elif all(why):
                faults.add(("start", index, name), why[0])
            else:
                own[name] = as_own(of_name[why.index("")], value)
        read.append(own)
    return tuple(read)


def _listed(space: object, faults: Faults) -> list[tuple[tuple, str, object]]:
    """Return path, name and words of each hyperparameter; a space is a mapping, or as JSON a list with names."""
    if isinstance(space, Mapping) and space:
        return [(("space", name), str(name), words) for name, words in space.items()]
    if isinstance(space, list | tuple) and space and all(isinstance(w, Mapping) and "name" in w for w in space):
        return [(("space", index), str(words["name"]), words) for index, words in enumerate(space)]
    faults.add(("space",), "must hold a hyperparameter on each line, such as `learning_rate: {low: 1e-4, high: 0.1}`")
    return []


def _check_conditions(dimensions: Sequence[Dimension], by_name: bool, faults: Faults) -> None:
    """Check that parents stand before their children and can have the values that are asked for."""
    for index, dimension in enumerate(dimensions):
        path = ("space", dimension.name if by_name else index, "when")
        for parent, wanted in dimension.when:
            parents = [other for other in dimensions[:index] if other.name == parent]
            later = [other.name for other in dimensions[index:] if other.name == parent]
            if not parents:
                near = nearest(parent, [other.name for other in dimensions])
                why = "stands below it; move it up" if later else f"is not in the space.{near}"
                faults.add(path, f"names {parent!r}, which {why}")
            for value in wanted if parents else ():
                why = [fault_of(other, value) for other in parents]
                if all(why):
                    faults.add(path, f"asks for {parent} = {value!r}, which {why[0]}")


def _constraints(texts: object, dimensions: Sequence[Dimension], faults: Faults) -> tuple[Constraint, ...]:
    texts = [texts] if isinstance(texts, str) else texts or []
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        faults.add(("constraints",), f"must be a list of texts such as 'units_2 <= units_1'; received {brief(texts)}")
        return ()
    kinds: dict[str, str] = {}
    for dimension in dimensions:
        kind = _kind(dimension)
        kinds[dimension.name] = kind if kinds.get(dimension.name, kind) == kind else "any"
    read = []
    for index, text in enumerate(texts):
        try:
            read.append(parse(text, kinds))
        except ValueError as error:
            faults.add(("constraints", index), f"({brief(text)}) {error}")
    return tuple(read)


def _kind(dimension: Dimension) -> str:
    """Return what the values of a dimension are, for constraints."""
    if not isinstance(dimension, Fixed | Choice):
        return "number"
    kinds = {"truth" if isinstance(v, bool) else "text" if isinstance(v, str) else "number" for v in dimension.values}
    return kinds.pop() if len(kinds) == 1 and None not in dimension.values else "any"
