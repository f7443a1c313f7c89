"""Tables in every form that text can take: the same rows whatever encoding, separator, quotation and blanks; damage is
one message that names the file."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets import open_data
from striate.datasets.sources.rows import read_table
from striate.errors import DataError

WORDS = st.text(st.characters(categories=["L", "N"], include_characters="-_'äöüéßñ "), min_size=1, max_size=8)
CELLS = WORDS.map(str.strip).filter(lambda cell: cell and any(c.isalpha() for c in cell))
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


@st.composite
def tables(draw, cells=CELLS):
    n = draw(st.integers(2, 4))
    titles = ["file", "label", "site", "note"][:n]
    rows = draw(st.lists(st.lists(cells, min_size=n, max_size=n), min_size=2, max_size=6))
    return [titles, *rows]


def as_text(rows, delimiter, end, blank, quoting):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([[row[0], *(blank + cell for cell in row[1:])] for row in rows])
    return stream.getvalue()


def table_or_message(read):
    try:
        return read()
    except DataError as error:
        return str(error)


def read_as(data, suffix=".csv"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{suffix}"
        path.write_bytes(data)
        return read_table(path)


@given(
    tables(), st.sampled_from(ENCODINGS), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", " "]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans(),
)  # fmt: skip
def test_the_same_rows_in_every_form(rows, encoding, delimiter, end, blank, quoting, empty):
    """Blanks stand after separators that are not quoted; empty lines anywhere."""
    blank = "" if quoting == csv.QUOTE_ALL else blank
    text = as_text(rows, delimiter, end, blank, quoting)
    text = text.replace(end, end + end) if empty else text
    found = read_as(text.encode(encoding), ".tsv" if delimiter == "\t" else ".csv")
    assert [list(found.titles), *map(list, found.rows)] == rows
    assert any("UTF-16" in note for note in found.notes) == encoding.startswith("utf-16")


@given(tables(WORDS.map(str.strip).filter(lambda c: c.isalpha())), st.sampled_from([",", ";", "\t"]))
def test_what_is_cp1252_is_said(rows, delimiter):
    rows[1][1] = "Äpfel"
    try:
        data = as_text(rows, delimiter, "\n", "", csv.QUOTE_MINIMAL).encode("cp1252")
    except UnicodeEncodeError:
        return
    found = read_as(data)
    assert found.rows[0][1] == "Äpfel"
    assert any("it is read as cp1252 (Windows)" in note for note in found.notes)


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["cat", "dog", "emu"])), min_size=4, max_size=9))
def test_no_header(rows):
    text = "".join(f"img/{i}.png,{label}\n" for i, label in rows)
    found = read_as(text.encode())
    assert not found.headed
    assert [tuple(row) for row in found.rows] == [(f"img/{i}.png", label) for i, label in rows]
    assert any("has no header: its columns are called 'column 1', 'column 2'" in note for note in found.notes)


@given(st.integers(0, 5), st.sampled_from(['"', '""', "'", '5"', '"so"', 'a "b" c', '"a" b']))
def test_stray_quotation_marks_lose_no_row(where, mark):
    """A mark within a cell, or around a part of it: all rows are there, with the other cells as they were."""
    rows = [[f"{i}.png", f"class {i % 2}"] for i in range(6)]
    rows[where][1] = f"size {mark} and so on"
    text = "file,label\n" + "".join(f"{a},{b}\n" for a, b in rows)
    found = read_as(text.encode())
    assert [list(row) for row in found.rows] == rows


@pytest.mark.parametrize(
    "text", ['file,label\na.png,"b\n"c.png,d\n', 'file,label\na.png,"b\nc.png,d\n', '"file,label\n']
)
def test_a_quotation_mark_that_is_never_closed(tmp_path, text):
    """Rows keep their number of cells, with the mark as a character and a note; or it is one message with the line."""
    (tmp_path / "t.csv").write_text(text)
    found = table_or_message(lambda: read_table(tmp_path / "t.csv"))
    if isinstance(found, str):
        assert found.startswith(f"{tmp_path / 't.csv'}: ")
        return
    assert len(found.rows) == text.count("\n") - 1
    assert any("quotation marks of t.csv do not match (line 2)" in note for note in found.notes)


@given(st.binary(max_size=300), st.sampled_from([".csv", ".tsv", ".txt"]))
def test_any_bytes_are_a_table_or_one_message(data, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{suffix}"
        path.write_bytes(data)
        for read in (open_data, read_table):
            found = table_or_message(lambda read=read: read(path))
            if isinstance(found, str):
                assert found.startswith(folder)
                assert "\n" not in found


@given(tables(), st.data())
def test_any_byte_changed_is_a_table_or_one_message(rows, data):
    text = bytearray(as_text(rows, ",", "\n", "", csv.QUOTE_MINIMAL).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    found = table_or_message(lambda: read_as(bytes(text)))
    if isinstance(found, str):
        assert "t.csv: " in found
        return
    assert {len(row) for row in found.rows} <= {len(found.titles)}
