"""Interpreter of the few pickle instructions that a state dict needs. It imports nothing and calls nothing by name.

A pickle is a program for a stack machine. Here a GLOBAL is looked up in a table of our own, REDUCE only applies an
entry of that table, and whatever is not listed is refused. Values are never hashed, compared or printed as a whole, so
that nesting and sharing cannot blow up.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoo.weights.pickle_stack import OrderedState, PickleStack, described, set_once
from zoo.weights.weight_file import ReadLimits, Refused, check_limit, shown

# torch's magic number is the longest integer of a torch file: 10 bytes.
_LONGEST_INTEGER_BYTES = 10
_LONGEST_LINE_BYTES = 256
_PROTOCOLS = (2, 3, 4, 5)

WHOLE_MODULE_REMEDY = (
    "If it is a whole network that you trust (loading it runs its code), save its weights alone: "
    "python -c \"import torch; torch.save(torch.load('old.pth', weights_only=False).state_dict(), 'new.pth')\""
)
_ODD_TENSOR_REMEDY = (
    "It makes a tensor of a kind that is not read: save the tensors as float32 first, by tensor.float()."
)
_STRANGE_NAME_REMEDY = (
    "The name was not imported and nothing was run. A state dict never needs it: get the file from a source you trust, "
    f"saved as a state dict. {WHOLE_MODULE_REMEDY}"
)
# A whole network pickled is a mistake that its owner can mend; other names do not belong in weights at all.
_REMEDIES = {
    "torch.nn.": WHOLE_MODULE_REMEDY,
    "torchvision.": WHOLE_MODULE_REMEDY,
    "timm.": WHOLE_MODULE_REMEDY,
    "__main__.": WHOLE_MODULE_REMEDY,
    "torch._utils._rebuild": _ODD_TENSOR_REMEDY,
}


@dataclass(frozen=True)
class Rebuild:
    """A name that REDUCE may apply: `build` gets the argument tuple and raises Refused when it is odd."""

    name: str
    build: Callable[[tuple], object]


class PickleMachine:
    """Runs the pickles that lie one after the other in some bytes.

    Args:
        data: bytes that hold the pickles.
        names: what each accepted GLOBAL, as "module.name", stands for.
        persistent: returns what a persistent id stands for; raises Refused for an odd one.
        limits: `opcodes` and `rebuilds` count over all pickles of `data`.
    """

    def __init__(
        self,
        data: bytes,
        names: Mapping[str, object],
        persistent: Callable[[object], object],
        limits: ReadLimits,
    ):
        self.names = names
        self.persistent = persistent
        self.stack = PickleStack(data, limits)

    @property
    def at(self) -> int:
        """Byte where the next pickle starts."""
        return self.stack.at

    def run(self) -> object:
        """Run one pickle and return its value.

        Raises:
            Refused: naming the opcode and its byte.
        """
        stack, most = self.stack, self.stack.limits.opcodes
        stack.clear()
        self._read_protocol()
        start, code = stack.at, None
        try:
            while code != _STOP:
                start, code = stack.at, None
                code = stack.take(1)[0]
                stack.num_opcodes += 1
                if stack.num_opcodes > most:
                    check_limit(stack.num_opcodes, stack.limits, "opcodes", "pickle instructions")
                if code not in _BY_CODE:
                    raise Refused(f"not accepted; a state dict needs only {', '.join(_OPERATIONS)}")
                _BY_CODE[code](self, stack)
        except Refused as error:
            raise Refused(f"pickle opcode {_name(code)} at byte {start}: {error.found}", error.remedy) from error
        return stack.values[0]

    def push_named(self, name: str) -> None:
        """Lay on the stack what a global name stands for."""
        if name in self.names:
            self.stack.push(self.names[name])
            return
        remedy = next((found for start, found in _REMEDIES.items() if name.startswith(start)), _STRANGE_NAME_REMEDY)
        raise Refused(f"asks for the global {shown(name)}; accepted are {', '.join(self.names)}", remedy)

    def _read_protocol(self) -> None:
        start = self.stack.at
        head = self.stack.data[start : start + 2]
        if len(head) != 2 or head[0] != _PROTO or head[1] not in _PROTOCOLS:
            raise Refused(f"no pickle of protocol {_PROTOCOLS[0]} to {_PROTOCOLS[-1]} at byte {start}")
        self.stack.at += 2


def _check_frame(machine: PickleMachine, stack: PickleStack) -> None:
    size = stack.number("<Q")
    if size > len(stack.data) - stack.at:
        raise Refused(f"a frame of {size} bytes where {len(stack.data) - stack.at} are left")


def _push_integer(machine: PickleMachine, stack: PickleStack) -> None:
    size = stack.take(1)[0]
    if size > _LONGEST_INTEGER_BYTES:
        raise Refused(f"an integer of {size} bytes; at most {_LONGEST_INTEGER_BYTES} accepted")
    stack.push(int.from_bytes(stack.take(size), "little", signed=True))


def _push_text(stack: PickleStack, size: int, encoding: str = "utf-8") -> None:
    try:
        stack.push(stack.take(size).decode(encoding))
    except UnicodeDecodeError as error:
        raise Refused(f"text that is not {encoding}: {error.reason}") from error


def _push_global(machine: PickleMachine, stack: PickleStack) -> None:
    lines = []
    for _ in range(2):
        end = stack.data.find(b"\n", stack.at, stack.at + _LONGEST_LINE_BYTES)
        if end < 0:
            stack.take(_LONGEST_LINE_BYTES)
            raise Refused(f"a name of over {_LONGEST_LINE_BYTES} bytes")
        lines.append(stack.take(end + 1 - stack.at)[:-1].decode("utf-8", "backslashreplace"))
    machine.push_named(".".join(lines))


def _push_stack_global(machine: PickleMachine, stack: PickleStack) -> None:
    name, module = stack.pop(), stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise Refused(f"a name made of {described(module)} and {described(name)}; two texts expected")
    machine.push_named(f"{module}.{name}")


def _reduce(machine: PickleMachine, stack: PickleStack) -> None:
    arguments, target = stack.pop(), stack.pop()
    if not isinstance(target, Rebuild):
        raise Refused(f"calls {described(target)}, which is nothing that can be called")
    if not isinstance(arguments, tuple):
        raise Refused(f"calls {target.name} with {described(arguments)}; a tuple expected")
    stack.count_rebuild()
    stack.push(target.build(arguments))


def _push_persistent(machine: PickleMachine, stack: PickleStack) -> None:
    stack.count_rebuild()
    stack.push(machine.persistent(stack.pop()))


def _build(machine: PickleMachine, stack: PickleStack) -> None:
    # Attributes of an ordered dict: torch sets `_metadata`, which nothing here needs. They are checked and dropped.
    state = stack.pop()
    stack.top(OrderedState, "an OrderedDict")
    if not isinstance(state, dict):
        raise Refused(f"sets attributes from {described(state)}; a dict expected")


def _append(stack: PickleStack, values: list[object]) -> None:
    stack.top(list, "a list").extend(values)


def _set_items(stack: PickleStack, values: list[object]) -> None:
    target = stack.top(dict, "a dict")
    if len(values) % 2:
        raise Refused("a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        set_once(target, key, value)


def _stop(machine: PickleMachine, stack: PickleStack) -> None:
    if len(stack.values) != 1 or stack.marks:
        raise Refused(f"{len(stack.values)} values and {len(stack.marks)} MARKs are left; one value expected")


def _name(code: int | None) -> str:
    if code is None:
        return "missing (the pickle is cut short)"
    known = pickletools.code2op.get(chr(code))
    return known.name if known else f"0x{code:02x} (unknown)"


# What torch.save writes with protocols 2 to 5, and SHORT_BINSTRING, which Python 2 wrote for texts.
_OPERATIONS: dict[str, Callable[[PickleMachine, PickleStack], None]] = {
    "FRAME": _check_frame,
    "NONE": lambda machine, stack: stack.push(None),
    "NEWTRUE": lambda machine, stack: stack.push(True),
    "NEWFALSE": lambda machine, stack: stack.push(False),
    "BININT": lambda machine, stack: stack.push(stack.number("<i")),
    "BININT1": lambda machine, stack: stack.push(stack.take(1)[0]),
    "BININT2": lambda machine, stack: stack.push(stack.number("<H")),
    "LONG1": _push_integer,
    "BINFLOAT": lambda machine, stack: stack.push(stack.number(">d")),
    "BINUNICODE": lambda machine, stack: _push_text(stack, stack.number("<I")),
    "SHORT_BINUNICODE": lambda machine, stack: _push_text(stack, stack.take(1)[0]),
    "SHORT_BINSTRING": lambda machine, stack: _push_text(stack, stack.take(1)[0], "ascii"),
    "MARK": lambda machine, stack: stack.open_mark(),
    "EMPTY_TUPLE": lambda machine, stack: stack.push(()),
    "TUPLE": lambda machine, stack: stack.push(tuple(stack.pop_mark())),
    "TUPLE1": lambda machine, stack: stack.push((stack.pop(),)),
    "TUPLE2": lambda machine, stack: stack.push((stack.pop(), stack.pop())[::-1]),
    "TUPLE3": lambda machine, stack: stack.push((stack.pop(), stack.pop(), stack.pop())[::-1]),
    "EMPTY_LIST": lambda machine, stack: stack.push([]),
    "APPEND": lambda machine, stack: _append(stack, [stack.pop()]),
    "APPENDS": lambda machine, stack: _append(stack, stack.pop_mark()),
    "EMPTY_DICT": lambda machine, stack: stack.push({}),
    "SETITEM": lambda machine, stack: _set_items(stack, [stack.pop(), stack.pop()][::-1]),
    "SETITEMS": lambda machine, stack: _set_items(stack, stack.pop_mark()),
    "BINPUT": lambda machine, stack: stack.remember(stack.take(1)[0]),
    "LONG_BINPUT": lambda machine, stack: stack.remember(stack.number("<I")),
    "MEMOIZE": lambda machine, stack: stack.remember(len(stack.memo)),
    "BINGET": lambda machine, stack: stack.recall(stack.take(1)[0]),
    "LONG_BINGET": lambda machine, stack: stack.recall(stack.number("<I")),
    "GLOBAL": _push_global,
    "STACK_GLOBAL": _push_stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
    "BINPERSID": _push_persistent,
    "STOP": _stop,
}
_CODES = {operation.name: ord(operation.code) for operation in pickletools.opcodes}
_BY_CODE = {_CODES[name]: operation for name, operation in _OPERATIONS.items()}
_PROTO, _STOP = _CODES["PROTO"], _CODES["STOP"]
