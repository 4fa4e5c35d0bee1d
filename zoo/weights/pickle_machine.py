"""Interpreter of the few pickle instructions that a state dict needs. It imports nothing and calls nothing by name.

A pickle is a program for a stack machine. Here a GLOBAL is looked up in a table of our own, REDUCE only applies an entry of
that table, and whatever is not listed is refused. Values are never hashed, compared or printed as a whole, so that
nesting and sharing cannot blow up.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoo.weights.weight_file import ReadLimits, Refused, check_limit, shown

# torch's magic number is the longest integer of a torch file: 10 bytes.
_LONGEST_INTEGER_BYTES = 10
_LONGEST_NAME_BYTES = 256
_PROTOCOLS = (2, 3, 4, 5)


@dataclass(frozen=True)
class Rebuild:
    """A name that REDUCE may apply: `build` gets the argument tuple and raises Refused when it is odd."""

    name: str
    build: Callable[[tuple], object]


class OrderedState(dict):
    """Stands for collections.OrderedDict; the only value that BUILD may touch."""


class PickleMachine:
    """Runs the pickles that lie one after the other in `data`.

    Args:
        data: bytes that hold the pickles.
        names: what each accepted GLOBAL, as "module.name", stands for.
        persistent: what a persistent id stands for; raises Refused for an odd one.
        limits: `opcodes` and `rebuilds` count over all pickles of `data`.

    Attributes:
        at: byte where the next pickle starts.
    """

    def __init__(
        self,
        data: bytes,
        names: Mapping[str, object],
        persistent: Callable[[object], object],
        limits: ReadLimits,
    ):
        self.data = data
        self.at = 0
        self.names = names
        self.persistent = persistent
        self.limits = limits
        self.stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}
        self._num_opcodes = 0
        self._num_rebuilds = 0

    def run(self) -> object:
        """Run one pickle and return its value.

        Raises:
            Refused: naming the opcode and its byte.
        """
        self.stack, self._marks, self._memo = [], [], {}
        self._read_protocol()
        data, operations, most = self.data, _BY_CODE, self.limits.opcodes
        while True:
            start = self.at
            code = data[start] if start < len(data) else None
            operation = operations.get(code)
            self.at += 1
            self._num_opcodes += 1
            try:
                if self._num_opcodes > most:
                    check_limit(self._num_opcodes, self.limits, "opcodes", "pickle instructions")
                if operation is None:
                    break
                operation(self)
            except Refused as error:
                raise Refused(f"pickle opcode {_name(code)} at byte {start}: {error.found}", error.remedy) from error
        if code != _STOP:
            raise Refused(f"pickle opcode {_name(code)} at byte {start}; a state dict needs only {_ACCEPTED}")
        if len(self.stack) != 1 or self._marks:
            raise Refused(f"pickle opcode STOP at byte {start}: {len(self.stack)} values on the stack; 1 expected")
        return self.stack[0]

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start = self.at
        self.at = start + size
        if self.at > len(self.data):
            raise Refused(f"asks for {size} bytes where {len(self.data) - start} are left")
        return self.data[start : self.at]

    def pop(self) -> object:
        """Return the topmost value, not reaching below an open MARK."""
        if len(self.stack) <= (self._marks[-1] if self._marks else 0):
            raise Refused("takes a value from an empty stack")
        return self.stack.pop()

    def top(self, kind: type, what: str) -> object:
        """Return the topmost value without taking it; it must be of `kind`."""
        value = self.pop()
        if not isinstance(value, kind):
            raise Refused(f"works on {described(value)}; only {what} accepted")
        self.stack.append(value)
        return value

    def open_mark(self) -> None:
        """MARK."""
        self._marks.append(len(self.stack))
        if len(self._marks) > self.limits.nesting:
            check_limit(len(self._marks), self.limits, "nesting", "open MARKs")

    def pop_mark(self) -> list[object]:
        """Return the values above the last MARK and take them and the MARK away."""
        if not self._marks:
            raise Refused("there is no MARK before it")
        start = self._marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def push_tuple(self, size: int) -> None:
        """TUPLE1, TUPLE2, TUPLE3."""
        values = [self.pop() for _ in range(size)]
        self.stack.append(tuple(reversed(values)))

    def push_integer(self) -> None:
        """LONG1."""
        size = self.take(1)[0]
        if size > _LONGEST_INTEGER_BYTES:
            raise Refused(f"an integer of {size} bytes; at most {_LONGEST_INTEGER_BYTES} accepted")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))

    def push_text(self, size: int, encoding: str = "utf-8") -> None:
        """BINUNICODE, SHORT_BINUNICODE, and SHORT_BINSTRING, which Python 2 wrote."""
        try:
            self.stack.append(self.take(size).decode(encoding))
        except UnicodeDecodeError as error:
            raise Refused(f"text that is not {encoding}: {error.reason}") from error

    def unpack(self, form: str) -> int | float:
        """Return one number that lies next, in the struct format `form`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def remember(self, index: int) -> None:
        """BINPUT, LONG_BINPUT, MEMOIZE."""
        if index >= self.limits.memo_entries:
            check_limit(index + 1, self.limits, "memo_entries", "memo entries")
        value = self.pop()
        self.stack.append(value)
        self._memo[index] = value

    def memoize(self) -> None:
        """MEMOIZE."""
        self.remember(len(self._memo))

    def recall(self, index: int) -> None:
        """BINGET, LONG_BINGET."""
        if index not in self._memo:
            raise Refused(f"memo entry {index} was never set")
        self.stack.append(self._memo[index])

    def push_global(self) -> None:
        """GLOBAL."""
        end = self.at
        for _ in range(2):
            end = self.data.find(b"\n", end, self.at + _LONGEST_NAME_BYTES) + 1
            if not end:
                raise Refused(f"a name without end, or of over {_LONGEST_NAME_BYTES} bytes")
        module, name = self.take(end - self.at).decode("utf-8", "backslashreplace").split("\n")[:2]
        self._push_named(f"{module}.{name}")

    def push_stack_global(self) -> None:
        """STACK_GLOBAL."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Refused(f"a name made of {described(module)} and {described(name)}; two texts expected")
        self._push_named(f"{module}.{name}")

    def reduce(self) -> None:
        """REDUCE."""
        arguments, target = self.pop(), self.pop()
        if not isinstance(target, Rebuild):
            raise Refused(f"calls {described(target)}, which is nothing that can be called")
        if not isinstance(arguments, tuple):
            raise Refused(f"calls {target.name} with {described(arguments)}; a tuple expected")
        self._count_rebuild()
        self.stack.append(target.build(arguments))

    def push_persistent(self) -> None:
        """BINPERSID."""
        self._count_rebuild()
        self.stack.append(self.persistent(self.pop()))

    def build(self) -> None:
        """BUILD: an OrderedDict's attributes, of which torch sets `_metadata`; they are not needed and dropped."""
        state = self.pop()
        self.top(OrderedState, "an OrderedDict")
        if not isinstance(state, dict):
            raise Refused(f"sets attributes from {described(state)}; a dict expected")

    def append(self, values: list[object]) -> None:
        """APPEND, APPENDS."""
        self.top(list, "a list").extend(values)

    def set_items(self, values: list[object]) -> None:
        """SETITEM, SETITEMS: keys and values in turn."""
        target = self.top(dict, "a dict")
        if len(values) % 2:
            raise Refused("a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            set_once(target, key, value)

    def _push_named(self, name: str) -> None:
        if name not in self.names:
            raise Refused(f"asks for {shown(name)}; accepted are {', '.join(self.names)}", _global_remedy(name))
        self.stack.append(self.names[name])

    def _count_rebuild(self) -> None:
        self._num_rebuilds += 1
        if self._num_rebuilds > self.limits.rebuilds:
            check_limit(self._num_rebuilds, self.limits, "rebuilds", "tensors, storages and ordered dicts")

    def _read_protocol(self) -> None:
        start = self.data[self.at : self.at + 2]
        if len(start) < 2 or start[:1] != b"\x80" or start[1] not in _PROTOCOLS:
            raise Refused(f"no pickle of protocol {_PROTOCOLS[0]} to {_PROTOCOLS[-1]} at byte {self.at}")
        self.at += 2


def set_once(target: dict, key: object, value: object) -> None:
    """Set an item as a pickler would: keys are texts or integers, none comes twice.

    Raises:
        Refused: otherwise. Longer integers could be chosen to collide in the hash table, which takes quadratic time.
    """
    if type(key) is not str and not (type(key) is int and -(2**63) <= key < 2**63):
        raise Refused(f"a key that is {described(key)}; a text or a 64-bit integer expected")
    if key in target:
        raise Refused(f"the key {shown(str(key))} is set twice")
    target[key] = value


def described(value: object) -> str:
    """Return what a value is in a few words, never its content: that may be huge, or nested without end."""
    if isinstance(value, Rebuild):
        return f"the name {value.name}"
    if value is None:
        return "None"
    kind = "OrderedDict" if isinstance(value, OrderedState) else type(value).__name__
    return f"{'an' if kind[0] in 'aeioAEIO' else 'a'} {kind}"


def _global_remedy(name: str) -> str:
    """A whole network pickled is a mistake that its owner can mend; any other name does not belong in weights."""
    if name.startswith(("torch.nn.", "torchvision.", "timm.", "__main__.")):
        return WHOLE_MODULE_REMEDY
    return (
        "The name was not imported and nothing was run. A state dict never needs it: take the file from a source you trust, "
        f"saved as a state dict. {WHOLE_MODULE_REMEDY}"
    )


WHOLE_MODULE_REMEDY = (
    "If it is a whole network that you trust (loading it runs its code), save its weights alone: "
    'python -c "import torch; torch.save(torch.load(\'old.pth\', weights_only=False).state_dict(), \'new.pth\')".'
)


def _name(code: int | None) -> str:
    if code is None:
        return "missing (the pickle is cut short)"
    known = pickletools.code2op.get(chr(code))
    return known.name if known else f"0x{code:02x} (unknown)"


_OPERATIONS: dict[str, Callable[[PickleMachine], None]] = {
    "FRAME": lambda machine: _check_frame(machine),
    "NONE": lambda machine: machine.stack.append(None),
    "NEWTRUE": lambda machine: machine.stack.append(True),
    "NEWFALSE": lambda machine: machine.stack.append(False),
    "BININT": lambda machine: machine.stack.append(machine.unpack("<i")),
    "BININT1": lambda machine: machine.stack.append(machine.take(1)[0]),
    "BININT2": lambda machine: machine.stack.append(machine.unpack("<H")),
    "LONG1": PickleMachine.push_integer,
    "BINFLOAT": lambda machine: machine.stack.append(machine.unpack(">d")),
    "BINUNICODE": lambda machine: machine.push_text(machine.unpack("<I")),
    "SHORT_BINUNICODE": lambda machine: machine.push_text(machine.take(1)[0]),
    "SHORT_BINSTRING": lambda machine: machine.push_text(machine.take(1)[0], "ascii"),
    "MARK": PickleMachine.open_mark,
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.pop_mark())),
    "TUPLE1": lambda machine: machine.push_tuple(1),
    "TUPLE2": lambda machine: machine.push_tuple(2),
    "TUPLE3": lambda machine: machine.push_tuple(3),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "APPEND": lambda machine: machine.append([machine.pop()]),
    "APPENDS": lambda machine: machine.append(machine.pop_mark()),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "SETITEM": lambda machine: machine.set_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine: machine.set_items(machine.pop_mark()),
    "BINPUT": lambda machine: machine.remember(machine.take(1)[0]),
    "LONG_BINPUT": lambda machine: machine.remember(machine.unpack("<I")),
    "MEMOIZE": PickleMachine.memoize,
    "BINGET": lambda machine: machine.recall(machine.take(1)[0]),
    "LONG_BINGET": lambda machine: machine.recall(machine.unpack("<I")),
    "GLOBAL": PickleMachine.push_global,
    "STACK_GLOBAL": PickleMachine.push_stack_global,
    "REDUCE": PickleMachine.reduce,
    "BUILD": PickleMachine.build,
    "BINPERSID": PickleMachine.push_persistent,
}
