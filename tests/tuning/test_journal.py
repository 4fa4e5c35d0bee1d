"""The journal holds whole records after any crash, and tells damage from a torn end."""

import os

import pytest

from tuning.journal import Journal
from zoo.errors import ResourceError, RunStateError

RECORDS = [
    {"kind": "study", "text": "naïve\r\n\u2028"},
    {"number": 1, "score": 1e-300},
    {"values": {"a": None, "b": True}},
]


@pytest.fixture
def written(tmp_path):
    """A journal of three records."""
    journal = Journal(tmp_path / "journal.log")
    journal.open()
    for record in RECORDS:
        journal.append(record)
    journal.close()
    return journal


def test_records_come_back(written):
    """What was appended is read, in order."""
    assert written.read() == RECORDS


def test_cut_anywhere_it_holds_the_whole_records_before(written):
    """For every length that a crash can leave, the records that are whole are read, and writing goes on after them."""
    content = written.path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    for length in range(len(content)):
        written.path.write_bytes(content[:length])
        whole = sum(end <= length for end in ends)
        assert written.open() == RECORDS[:whole]
        written.append({"again": length})
        written.close()
        assert written.read() == [*RECORDS[:whole], {"again": length}]


def test_reading_changes_nothing(written):
    """A torn end stays where it is until somebody writes."""
    torn = written.path.read_bytes()[:-5]
    written.path.write_bytes(torn)
    written.read()
    assert written.path.read_bytes() == torn


@pytest.mark.parametrize("place", [0, 3, 15, 30])
def test_damage_before_the_end_is_refused(written, place):
    """A byte that changed in a record that others follow is not passed over."""
    content = bytearray(written.path.read_bytes())
    content[place] ^= 1
    written.path.write_bytes(content)
    with pytest.raises(RunStateError, match=r"journal.log line 1: damaged \(byte 0\)"):
        written.read()


def test_full_disk_leaves_the_journal_as_it_was(written, monkeypatch):
    """A record that cannot be written whole is taken back, and what to do is said."""
    written.open()
    real = os.write
    monkeypatch.setattr("tuning.journal.os.write", lambda handle, line: real(handle, line[:7]))
    with pytest.raises(ResourceError, match="7 of .* bytes could be written.*free space"):
        written.append({"number": 2})
    monkeypatch.undo()
    written.append({"number": 3})
    assert written.read() == [*RECORDS, {"number": 3}]


def test_numbers_that_json_lacks_are_not_written(written):
    """NaN would make a line that other readers refuse."""
    written.open()
    with pytest.raises(ValueError):
        written.append({"score": float("nan")})
    assert written.read() == RECORDS


@pytest.mark.parametrize("lines_after", [b"", b"junk\n", b"0000000002 a3d8a1b8 {}\n"])
def test_zeros_of_a_power_cut_end_the_journal(written, lines_after):
    """What the disk never got, and shows as zeros, is dropped with all behind it; the records before are whole."""
    content = written.path.read_bytes()
    start = content.rindex(b"\n", 0, -1) + 1
    written.path.write_bytes(content[: start + 9] + b"\0" * 50 + b"\n" + lines_after)
    assert written.open() == RECORDS[:2]
    written.append({"number": 9})
    assert written.read() == [*RECORDS[:2], {"number": 9}]


def test_disk_is_waited_for_when_patience_is_over(written, monkeypatch):
    """Records of quick trials share a wait; one that comes later than its patience has its own."""
    waits, now = [], [100.0]
    monkeypatch.setattr("tuning.journal.time.monotonic", lambda: now[0])
    monkeypatch.setattr("tuning.journal.os.fsync", waits.append)
    written.open()
    for later in (0.0, 0.4, 0.4, 0.4, 0.4):
        now[0] += later
        written.append({}, patience=1.0)
    assert len(waits) == 2
    written.append({})
    assert len(waits) == 3
