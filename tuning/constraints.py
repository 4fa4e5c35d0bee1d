"""What combinations of values a space leaves out: expressions over names, read as data and never run as Python."""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tuning.trial import Value
from zoo.errors import nearest

MAX_CHARACTERS = 1000
_COMPARISONS: Mapping[type, Callable] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: Mapping[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ACCEPTED = "accepted: names of the space, numbers, 'texts', true, false, < <= > >= == !=, and or not, + - * / and ( )"


@dataclass(frozen=True)
class Constraint:
    """An expression that every combination must keep.

    Attributes:
        text: as the user wrote it.
        names: hyperparameters in it; where one of them is inactive, the constraint says nothing.
        tree: of the expression.
    """

    text: str
    names: frozenset[str] = field(compare=False)
    tree: ast.expr = field(compare=False, repr=False)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Return whether a combination keeps the constraint; one that cannot be computed does not."""
        if not self.names <= values.keys():
            return True
        try:
            return bool(_value(self.tree, values))
        except (ArithmeticError, TypeError):
            return False


def parse(text: str, kinds: Mapping[str, str]) -> Constraint:
    """Read a constraint.

    Args:
        text: such as "units_2 <= units_1".
        kinds: name of each hyperparameter → "number", "text", "truth" or "any".

    Raises:
        ValueError: the text is no such expression, names something else, or compares what cannot be compared; the
            message says which.

    Example:
        >>> parse("units_2 <= units_1", {"units_1": "number", "units_2": "number"}).holds({"units_1": 8, "units_2": 16})
        False
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"is {len(text):,} characters long; at most {MAX_CHARACTERS:,}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        kind = _kind(tree, {"true": "truth", "false": "truth", **kinds})
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"is no expression ({getattr(error, 'msg', None) or 'nested too deeply'}); {_ACCEPTED}"
        ) from None
    if kind not in ("truth", "any"):
        raise ValueError(f"is a {kind}, not true or false; compare it with something")
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) & kinds.keys()
    return Constraint(text.strip(), names, tree)


def _kind(node: ast.expr, kinds: Mapping[str, str]) -> str:
    """Return what an expression gives, having checked all of it."""
    match node:
        case ast.BoolOp(values=parts):
            return _need("truth", "and, or", [_kind(part, kinds) for part in parts], "truth")
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return _need("truth", "not", [_kind(part, kinds)], "truth")
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=part):
            return _need("number", "a sign", [_kind(part, kinds)], "number")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _need("number", "+ - * /", [_kind(left, kinds), _kind(right, kinds)], "number")
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            parts = [_kind(part, kinds) for part in (left, *others)]
            if not all(isinstance(op, ast.Eq | ast.NotEq) for op in ops):
                _need("number", "< and >", parts, "truth")
            return "truth"
    return _leaf_kind(node, kinds)


def _leaf_kind(node: ast.expr, kinds: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        if node.id not in kinds:
            raise ValueError(f"names {node.id!r}, which is not in the space.{nearest(node.id, kinds)}")
        return kinds[node.id]
    of_constants = {bool: "truth", int: "number", float: "number", str: "text"}
    if not isinstance(node, ast.Constant) or type(node.value) not in of_constants:
        raise ValueError(f"has {ast.unparse(node)!r} in it; {_ACCEPTED}")
    return of_constants[type(node.value)]


def _need(wanted: str, what: str, found: list[str], result: str) -> str:
    wrong = [kind for kind in found if kind not in (wanted, "any")]
    if wrong:
        raise ValueError(f"uses {what} on a {wrong[0]}; a {wanted} is needed there")
    return result


def _value(node: ast.expr, values: Mapping[str, Value]) -> Value:
    match node:
        case ast.BoolOp(op=op, values=parts):
            every = (_value(part, values) for part in parts)
            return all(every) if isinstance(op, ast.And) else any(every)
        case ast.UnaryOp(op=op, operand=part):
            value = _value(part, values)
            return not value if isinstance(op, ast.Not) else -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=ops, comparators=others):
            parts = [_value(part, values) for part in (left, *others)]
            return all(_COMPARISONS[type(op)](a, b) for op, (a, b) in zip(ops, pairwise(parts), strict=True))
        case ast.Name(id=name):
            return values[name] if name in values else name == "true"
        case ast.Constant(value=value):
            return value
