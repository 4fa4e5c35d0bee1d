"""What a pickle works on: its bytes, a stack of values, marks on it and a memo, each bounded."""

import struct
from dataclasses import dataclass, field

from zoo.weights.weight_file import ReadLimits, Refused, check_limit, shown


class OrderedState(dict):
    """Stands for collections.OrderedDict; the only value that BUILD may touch."""


@dataclass
class PickleStack:
    """State of the machine while it runs through the pickles in `data`.

    Attributes:
        data: bytes that hold the pickles.
        limits: what the pickles may ask for.
        at: byte that is read next.
        values: the stack.
        marks: lengths that `values` had at each open MARK.
        memo: values by memo index.
        num_opcodes: instructions so far, over all pickles.
        num_rebuilds: REDUCE and BINPERSID so far, over all pickles.
    """

    data: bytes
    limits: ReadLimits
    at: int = 0
    values: list[object] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    num_opcodes: int = 0
    num_rebuilds: int = 0

    def clear(self) -> None:
        """Forget all values, as at the start of a pickle."""
        self.values, self.marks, self.memo = [], [], {}

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start = self.at
        self.at = start + size
        if self.at > len(self.data):
            if len(self.data) == self.limits.pickle_bytes:
                check_limit(self.at, self.limits, "pickle_bytes", "bytes of pickle")
            raise Refused(f"asks for {size} bytes where {len(self.data) - start} are left")
        return self.data[start : self.at]

    def number(self, form: str) -> int | float:
        """Return the number that lies next, in the struct format `form`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def push(self, value: object) -> None:
        """Lay a value on the stack."""
        self.values.append(value)

    def pop(self) -> object:
        """Return the topmost value, not reaching below an open MARK."""
        if len(self.values) <= (self.marks[-1] if self.marks else 0):
            raise Refused("takes a value from an empty stack")
        return self.values.pop()

    def top(self, kind: type, what: str) -> object:
        """Return the topmost value without taking it; it must be of `kind`."""
        value = self.pop()
        if not isinstance(value, kind):
            raise Refused(f"works on {described(value)}; only {what} accepted")
        self.push(value)
        return value

    def open_mark(self) -> None:
        """Remember the present height of the stack."""
        self.marks.append(len(self.values))
        check_limit(len(self.marks), self.limits, "nesting", "open MARKs")

    def pop_mark(self) -> list[object]:
        """Return the values above the last MARK, and take them and the MARK away."""
        if not self.marks:
            raise Refused("there is no MARK before it")
        start = self.marks.pop()
        values = self.values[start:]
        del self.values[start:]
        return values

    def remember(self, index: int) -> None:
        """Note the topmost value in the memo."""
        if index >= self.limits.memo_entries:
            check_limit(index + 1, self.limits, "memo_entries", "memo entries")
        value = self.pop()
        self.push(value)
        self.memo[index] = value

    def recall(self, index: int) -> None:
        """Lay a value of the memo on the stack."""
        if index not in self.memo:
            raise Refused(f"memo entry {index} was never set")
        self.push(self.memo[index])

    def count_rebuild(self) -> None:
        """Count an object that the pickle has us make."""
        self.num_rebuilds += 1
        check_limit(self.num_rebuilds, self.limits, "rebuilds", "tensors, storages and ordered dicts")


def set_once(target: dict, key: object, value: object) -> None:
    """Set an item as a pickler would: keys are texts or integers, and none comes twice.

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
    kind = type(value).__name__
    return _KINDS.get(kind) or f"{'an' if kind[0] in 'aeioAEIO' else 'a'} {kind}"


_KINDS = {"NoneType": "None", "OrderedState": "an OrderedDict", "Rebuild": "a function", "Element": "a kind of storage"}
