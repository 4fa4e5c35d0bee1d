"""From bytes to cells: what is a table, where its cells and lines are, and what is refused in which line."""

import csv
import os
import random
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from csv_files import GOOD, attempt, mutant, read, refusal, write

from finetune.data import table_file, text_table
from finetune.data.table_file import TableLimits
from finetune.data.table_head import read_head
from finetune.data.table_reading import read_table
from zoo.errors import ConfigError, DataError

LIMITS = TableLimits()


def cells(path: str, **options) -> list[list[str]]:
    """Give the cells of all rows as text."""
    rows = []
    for chunk in text_table.read_chunks(read_head(path, separator=options.get("separator"), limits=LIMITS), LIMITS):
        columns = [chunk.column(index).texts() for index in range(chunk.starts.shape[1])]
        rows += [[cell.decode() for cell in row] for row in zip(*columns, strict=True)]
    return rows


def lines(path: str) -> list[int]:
    """Give the line of each row."""
    return read_table(path).lines.tolist()


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    """A UTF-8 mark, as Excel writes it, leaves the first column's name clean."""
    assert [*read(tmp_path, "\ufeffa,b\n1,2\n").columns] == ["a", "b"]


@pytest.mark.parametrize("letter", [",", ";", "\t", "|"])
def test_separator_is_found(tmp_path, letter):
    """The four usual separators are detected."""
    table = read(tmp_path, f"a,b\n1,{'x'}\n2,y\n".replace(",", letter))
    assert (table.separator, [*table.columns]) == (letter, ["a", "b"])


@pytest.mark.parametrize(("word", "letter"), [("tab", "\t"), ("\\t", "\t"), ("semicolon", ";"), (":", ":")])
def test_separator_can_be_declared(tmp_path, word, letter):
    """A word or a character says what stands between cells."""
    assert read(tmp_path, f"a{letter}b\n1{letter}2\n", separator=word).separator == letter


@pytest.mark.parametrize("letter", ["ab", "x", '"', "\n", "."])
def test_separator_that_cannot_be_one_is_refused(tmp_path, letter):
    """A letter, a quote or a point is no separator; this is a fault of the setting."""
    with pytest.raises(ConfigError, match="separator must be one character"):
        read(tmp_path, "a,b\n1,2\n", separator=letter)


def test_separator_hint_of_excel_is_taken(tmp_path):
    """A first line `sep=;` is a hint and not the header."""
    table = read(tmp_path, "sep=;\na;b\n1;2\n")
    assert ([*table.columns], table.lines.tolist()) == (["a", "b"], [3])


def test_wrong_declared_separator_names_the_one_column(tmp_path):
    """`a;b` under a declared comma is one column, and the message shows it."""
    message = refusal(tmp_path, "a;b\n1;2\n", separator=",")
    assert "leaves one column: 'a;b'" in message and "--set separator=semicolon" in message


def test_unusual_separator_is_named(tmp_path):
    """Cells between blanks are not taken as one column of texts."""
    assert "line 1: one column: 'a b c', but blanks seem" in refusal(tmp_path, "a b c\n1 2 3\n4 5 6\n")


def test_two_possible_separators_are_refused(tmp_path):
    """Where two separators fit alike, the user says which."""
    assert "semicolon and pipe" in refusal(tmp_path, "a;b|c\n1;2|3\n")


def test_other_separators_inside_texts_do_not_mislead(tmp_path):
    """Semicolons in some cells of a comma table are text."""
    assert read(tmp_path, "a,b\n1,x;y\n2,z\n").columns["b"].categories == ("x;y", "z")


def test_one_column_is_a_table(tmp_path):
    """A series may be one column of numbers."""
    assert read(tmp_path, "value\n1\n2\n").columns["value"].values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "line", "sign"),
    [
        ("a,b\nMüller,1\n".encode("latin-1"), 2, "the byte 0xFC is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), 1, "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), 1, "UTF-16"),
        (b"a,b\n1,2\n3,\0\n", 3, "NUL byte"),
    ],
)
def test_what_is_no_utf8_is_refused_with_its_line(tmp_path, content, line, sign):
    """Other encodings and NUL bytes get their line and a command that mends them."""
    message = refusal(tmp_path, content)
    assert f"table.csv line {line}: " in message and sign in message and ("iconv" in message or "tr -d" in message)


@pytest.mark.parametrize(
    ("content", "found"),
    [("a,b\n1,2\n3\n", "line 3: 1 cell"), ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 cells"), ('a,b\n"1"\n', "line 2: 1 cell")],
)
def test_rows_of_other_lengths_are_refused_with_their_line(tmp_path, content, found):
    """A row with too few or too many cells is never filled up or shifted."""
    assert found in refusal(tmp_path, content)


def test_rows_all_one_longer_than_the_header_are_refused(tmp_path):
    """Pandas would take the first column as an index and shift all names by one."""
    assert "2 names, but every row has 3 cells. A name is missing" in refusal(tmp_path, "a,b\n0,1,2\n1,3,4\n")


def test_separators_at_the_end_of_rows_are_named(tmp_path):
    """Where the surplus cells are all blank, the remedy is another."""
    assert "Remove the ',' at the end of every row" in refusal(tmp_path, "a,b\n1,2,\n3,4,\n")


def test_two_columns_of_one_name_are_refused(tmp_path):
    """Pandas would rename the second; outer blanks make no other name."""
    assert "columns 1 and 3 have the same name 'a'" in refusal(tmp_path, "a,b, a\n1,2,3\n")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('a,b\n1,"x\n2,y\n3,z\n', 2),
        ('a,b\n1,"x\n"\n2,"y\n3,z\n', 4),
        ('a,"b\n1,2\n', 1),
        ('a,b\n"1\n",2\n"3\n","4\n', 5),
    ],
)
def test_unclosed_quote_is_refused_with_the_line_where_it_opens(tmp_path, content, line):
    """The line is that of the quote, not the end of the file."""
    message = refusal(tmp_path, content)
    assert f"line {line}: a quote" in message and "not closed" in message


def test_text_behind_a_closing_quote_is_refused(tmp_path):
    """A stray quote that meets the next one is found there, and both lines are named."""
    message = refusal(tmp_path, 'a,b\n1,"x\n2,"y"\n3,z\n')
    assert "line 3: 'y' follows the quote that closes a cell (it opens in line 2)" in message


def test_quote_inside_a_plain_cell_is_text(tmp_path):
    """Inches and the like need no quoting where the cell does not begin with a quote."""
    assert cells(write(tmp_path, 'a,b\n1,5" disk\n')) == [["1", '5" disk']]


def test_line_ends_inside_quotes_keep_line_numbers_right(tmp_path):
    """A row is named by the line it begins at, whatever its cells hold."""
    path = write(tmp_path, 'a,b\n1,"x\ny"\n\n2,z\n3,"w\n\n"\n4,v\n')
    assert lines(path) == [2, 5, 6, 9]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_read(tmp_path, end):
    """Unix, Windows and old Macintosh line ends give the same cells and lines."""
    path = write(tmp_path, end.join(["a,b", "1,x", "", "2,y", ""]))
    assert (cells(path), lines(path)) == ([["1", "x"], ["2", "y"]], [2, 4])


def test_blank_lines_are_left_out_and_told(tmp_path):
    """Rows without any text, separators or not, are skipped with their lines."""
    table = read(tmp_path, "a,b\n1,x\n\n,\n , \n2,y\n")
    assert (table.num_rows, table.notes) == (2, ("rows without any text left out: line 3, 4, 5",))


@pytest.mark.parametrize("content", ["", "\n\n", "  \n", "\ufeff", "sep=;\n"])
def test_empty_file_is_refused(tmp_path, content):
    """A file without a header is empty."""
    assert "is empty" in refusal(tmp_path, content)


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\n\n,\n"])
def test_header_alone_is_refused(tmp_path, content):
    """A table needs a row."""
    assert "a header and no rows" in refusal(tmp_path, content)


def test_missing_file_names_the_nearest(tmp_path):
    """A typing error in the name is answered with the name."""
    write(tmp_path, "a\n1\n", "wine.csv")
    with pytest.raises(DataError, match="does not exist; a CSV file is expected. Nearest: wine.csv"):
        read_table(str(tmp_path / "wien.csv"))


def test_folder_is_refused_with_its_tables(tmp_path):
    """A folder is no table, and the tables in it are named."""
    write(tmp_path, "a\n1\n", "wine.csv")
    with pytest.raises(DataError, match="is a folder; a CSV file is expected. It holds wine.csv"):
        read_table(str(tmp_path))


def test_pipe_is_refused_without_waiting(tmp_path):
    """Opening a pipe that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="no regular file"):
        read_table(str(tmp_path / "pipe.csv"))


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"PAR1....", "x.parquet", "a Parquet file"),
        (b"\x1f\x8b\x08\0", "x.csv.gz", "a gzip file"),
        (b"<!DOCTYPE html><html>404</html>", "x.csv", "an HTML page"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.xls", "an old Excel workbook"),
        (b"\x89PNG\r\n", "x.csv", "a picture"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path, content, name, kind):
    """Whatever its name, a file that is no text table is called what it is, with the way out."""
    with pytest.raises(DataError, match=f"is {kind}, not CSV text: "):
        read_table(write(tmp_path, content, name))


@pytest.mark.parametrize(("name", "kind"), [("t.zip", "a ZIP archive"), ("t.xlsx", "an Excel workbook")])
def test_archives_and_workbooks_are_told_apart(tmp_path, name, kind):
    """A workbook is a ZIP archive too, but unpacking it would not help."""
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=f"is {kind}, not CSV text"):
        read_table(str(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "limits", "setting"),
    [
        ("a,b\n1," + "x" * 101 + "\n", {"max_cell_characters": 100}, "max_cell_characters"),
        ('a,b\n1,"' + "x" * 101 + '"\n', {"max_cell_characters": 100}, "max_cell_characters"),
        ("a,b\n1," + "x" * 101 + "\n", {"max_row_bytes": 100}, "max_row_bytes"),
        ('a,b\n1,"' + "x\n" * 101 + '"\n', {"max_row_bytes": 100}, "max_row_bytes"),
        (",".join(f"c{i}" for i in range(11)) + "\n" + "1," * 10 + "1\n", {"max_columns": 10}, "max_columns"),
        ("a,b\n1,2\n3,4\n", {"max_cells": 3}, "max_cells"),
        ("a,b\nx,y\nz,w\n", {"max_texts": 3}, "max_texts"),
    ],
)
def test_limits_have_names_and_settings(tmp_path, content, limits, setting):
    """What is over a limit is refused with the setting that raises it; a limit that is just kept is none."""
    assert f"--set {setting}=" in refusal(tmp_path, content, limits=TableLimits(**limits))
    assert read(tmp_path, content, limits=TableLimits(**{setting: 10_000})).num_rows


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1," + b"x" * 20_000_000 + b"\n",
        b'a,b\n1,"' + b"x" * 20_000_000 + b'"\n',
        b'a,b\n1,"x\n' + b"1,2\n" * 5_000_000,
        b",".join(b"c%d" % i for i in range(100_000)) + b"\n",
        b"1" * 20_000_000,
    ],
    ids=["cell", "quoted cell", "open quote", "columns", "line"],
)
def test_giants_are_refused_at_bounded_cost(tmp_path, content, monkeypatch):
    """No more than a few blocks are read of what cannot be a table."""
    read_bytes = []
    blocks = table_file.read_blocks

    def counting(*args):
        for block in blocks(*args):
            read_bytes.append(len(block))
            yield block

    monkeypatch.setattr(text_table, "read_blocks", counting)
    assert refusal(tmp_path, content)
    assert sum(read_bytes) < 10_000_000


def test_file_that_changes_meanwhile_is_refused(tmp_path):
    """A table that is written while it is read is not mixed from two states."""
    path = write(tmp_path, "a,b\n1,2\n")
    head = read_head(path, separator=None, limits=LIMITS)
    write(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match="changed while it was read"):
        list(text_table.read_chunks(head, LIMITS))


def test_limit_of_the_csv_module_is_put_back(tmp_path):
    """The csv module has one limit for the whole process, which others rely on."""
    before = csv.field_size_limit()
    read(tmp_path, 'a,b\n1,"x"\n', limits=TableLimits(max_cell_characters=50))
    assert csv.field_size_limit() == before


PLAIN = ["", " ", "1", "x y", "ä€", "-3.5", "\u00a0"]
QUOTED = ['""', '"x"', '"1"', '" "', '"a,b"', '"a\nb"', '",\r\n"']
INNER = ['"say ""x"""', '5" disk', '""""', '"""",""""']


def random_text(generator: random.Random, kinds: list[str]) -> str:
    """Give a table of such cells, with blank lines."""
    rows = [[generator.choice(kinds) for _ in range(3)] for _ in range(30)]
    texts = [",".join(row) for row in rows]
    texts[generator.randrange(30)] = ""
    return "a,b,c\n" + generator.choice(["\n", "\r\n"]).join(texts) + generator.choice(["", "\n"])


def outcome(path: str) -> object:
    """Give cells, lines and blank lines of a table, or the message with which it is refused."""
    try:
        head = read_head(path, separator=None, limits=LIMITS)
        chunks = list(text_table.read_chunks(head, LIMITS))
    except DataError as error:
        return str(error)
    return [
        (chunk.lines.tolist(), chunk.blank_lines, [chunk.column(i).texts() for i in range(len(head.names))])
        for chunk in chunks
    ]


@pytest.mark.parametrize(
    "kinds", [PLAIN, [*PLAIN, *QUOTED], [*PLAIN, *QUOTED, *INNER]], ids=["plain", "quoted", "inner"]
)
def test_both_ways_of_cutting_give_the_same_cells(tmp_path, kinds, monkeypatch):
    """NumPy on blocks and the csv module agree on cells, lines and blank rows."""
    paths = [write(tmp_path, random_text(random.Random(seed), kinds), f"{seed}.csv") for seed in range(20)]
    fast = [outcome(path) for path in paths]
    monkeypatch.setattr(text_table, "_chunk_of_block", lambda *_: None)
    assert fast == [outcome(path) for path in paths]


def test_both_ways_of_cutting_refuse_the_same_mutants(tmp_path, monkeypatch):
    """On damaged tables they agree too, in the words of the refusal."""
    paths = [write(tmp_path, mutant(seed), f"{seed}.csv") for seed in range(200)]
    fast = [outcome(path) for path in paths]
    monkeypatch.setattr(text_table, "_chunk_of_block", lambda *_: None)
    assert fast == [outcome(path) for path in paths]


def test_quoted_cells_are_cut_without_the_csv_module(tmp_path, monkeypatch):
    """The usual quotes, around whole cells, do not cost the speed of NumPy."""
    monkeypatch.setattr(text_table, "quoted_rows", None)
    assert cells(write(tmp_path, 'a,b\n"1","x,\ny"\n2,""\n')) == [["1", "x,\ny"], ["2", ""]]


@pytest.mark.parametrize("quoted", [False, True])
def test_borders_of_blocks_do_not_show(tmp_path, quoted):
    """Cells and lines are the same however the file is cut into blocks."""
    rows = [f'{n},"{n}\n{n}"' if quoted and n % 3 else f"{n},x{n}" for n in range(50)]
    path = write(tmp_path, "a,b\n" + "\n".join(rows))
    whole = cells(path), lines(path)
    for size in (1, 7, 64):
        head = replace(read_head(path, separator=None, limits=LIMITS), block_bytes=size)
        chunks = list(text_table.read_chunks(head, LIMITS))
        assert np.concatenate([chunk.lines for chunk in chunks]).tolist() == whole[1]
        texts = [[cell.decode() for chunk in chunks for cell in chunk.column(i).texts()] for i in range(2)]
        assert [list(row) for row in zip(*texts, strict=True)] == whole[0]


@pytest.mark.parametrize("content", GOOD)
def test_good_tables_are_read(tmp_path, content):
    """What the mutants are made from is accepted; the decimal comma is declared."""
    assert read(tmp_path, content, decimal="," if b"preis" in content else ".").num_rows >= 2


def test_mutants_are_read_or_refused(tmp_path):
    """Damaged bytes give a table or a message, nothing else."""
    refused = [bool(attempt(tmp_path, seed)) for seed in range(300)]
    assert 0 < sum(refused) < 300
