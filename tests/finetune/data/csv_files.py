"""Small CSV files for the tests of reading tables, and ways to damage them."""

import random
from pathlib import Path

import pytest

from finetune.data.columns import Table
from finetune.data.table_checks import apply_findings, check_table
from finetune.data.table_reading import read_table
from zoo.errors import DataError

# Good tables: plain, quoted with a line end in a cell, other separators, blanks, numbers of every form.
GOOD = (
    b"a,b,class\n1,2.5,cat\n2,-3e2,dog\n3,,cat\n",
    b'name,text,y\r\n1,"two\r\nlines",a\r\n2,"say ""x""",b\r\n',
    "größe;preis\n1,5;2,5\n2,25;3\n".encode(),
    b"\xef\xbb\xbfid\tx\ty\n007\t.5\tNA\n\n008\t1.\tnull\n",
    b"a|b\n 1 |  2\n3|4\n   |   \n5|6",
    b",x,y\n0,1,a\n1,2,b\n2,3,a\n",
)
PIECES = (
    b'"',
    b'""',
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xc3\xa4",
    b"1e999",
    b"nan",
    b"-",
)
PIECES += (b"0", b" ", b"sep=,\n", b"\xef\xbb\xbf", b"1,5", b"=A1")


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> str:
    """Write a file and give its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(folder: Path, content: str | bytes, **options) -> Table:
    """Read a table of this content."""
    return read_table(write(folder, content), **options)


def refusal(folder: Path, content: str | bytes, **options) -> str:
    """Give the message with which a table is refused, without the folder's name."""
    with pytest.raises(DataError) as caught:
        read(folder, content, **options)
    return str(caught.value).replace(str(folder) + "/", "")


def mutant(seed: int) -> bytes:
    """Give a good table with one or two damages: bytes changed, cut out, doubled, or pieces put in."""
    generator = random.Random(seed)
    content = bytearray(generator.choice(GOOD))
    for _ in range(generator.randint(1, 2)):
        at = generator.randrange(len(content) + 1)
        end = min(len(content), at + generator.randint(0, 8))
        how = generator.randrange(5)
        if how == 0 and at < len(content):
            content[at] = generator.randrange(256)
        elif how == 1:
            content[at:at] = generator.choice(PIECES)
        elif how == 2:
            del content[at:end]
        elif how == 3:
            content[at:at] = content[at:end] * generator.randint(1, 3)
        else:
            content[at:end] = generator.choice(PIECES)
    return bytes(content[: generator.randrange(len(content) + 1)] if generator.random() < 0.1 else content)


def attempt(folder: Path, seed: int) -> str:
    """Read and check a mutant; give the message with which it is refused, or an empty string."""
    try:
        table = read(folder, mutant(seed))
        apply_findings(table, check_table(table, [*table.columns][-1] if table.columns else None))
    except DataError as error:
        return str(error)
    return ""
