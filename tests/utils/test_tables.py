"""Tables as spreadsheets, pandas and R write them: read rightly, or refused with the place and the reason."""

from __future__ import annotations

import csv
import doctest
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tagging.errors import ConfigError, TaggingError
from tagging.utils import tables
from tagging.utils.tables import read_cells, read_table

NAN = float("nan")
PLAIN = (("a", "b"), ("rock", "slow"), [[0.5, 1], [0, 0.25]])
E_COMPOSED, E_DECOMPOSED = "\u00e9", "e\u0301"


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("content", "ids", "columns", "values"),
    [
        ("song,rock,slow\na,0.5,1\nb,0,0.25\n", *PLAIN),
        ("song;rock;slow\na;0.5;1\nb;0;0.25\n", *PLAIN),
        ("song;rock;slow\na;0,5;1\nb;0;,25\n", *PLAIN),
        ("song\trock\tslow\r\na\t0,5\t1\r\nb\t0\t0.25\r\n", *PLAIN),
        ('sep=;\r\nsong;rock;slow\r\na;"0,5";1\r\nb;0;0,25\r\n', *PLAIN),
        ('"song","rock","slow"\r"a","0,5","1"\r"b","0","0.25"\r', *PLAIN),
        ("\ufeffsong,rock,slow\na,0.5,1\nb,0,0.25", *PLAIN),
        ("song\trock\tslow\na\t0.5\t1\nb\t0\t0.25\n".encode("utf-16"), *PLAIN),
        ("song,rock,slow\na,0.5,1\nb,0,0.25\n".encode("utf-32"), *PLAIN),
        ("\n , ,\nsong, rock ,slow\n\n a ,0.5, 1\nb,0,0.25\n,,\n", *PLAIN),
        ("song,rock,slow,,\na,0.5,1,,\nb,0,0.25,,\n", *PLAIN),  # a spreadsheet's empty columns
        (",song,rock,slow\n0,a,0.5,1\n1,b,0,0.25\n", *PLAIN),  # DataFrame.to_csv()
        ('"","id","rock","slow"\n"1","a",0.5,1\n"2","b",0,0.25\n', *PLAIN),  # write.csv of R
        ("Unnamed: 0,x,rock,slow\n0,a,0.5,1\n1,b,0,0.25\n", *PLAIN),
        (",rock,slow\n0,0.5,1\n1,0,0.25\n", ("0", "1"), *PLAIN[1:]),  # an index that is all there is
        (",id,rock\n0,7,0.5\n1,9,1\n", ("7", "9"), ("rock",), [[0.5], [1]]),
        ("id,rock\n0,0.5\n1,0.25\n", ("0", "1"), ("rock",), [[0.5], [0.25]]),
        ("msd,rock\n17,0.5\n4,0.25\n", ("17", "4"), ("rock",), [[0.5], [0.25]]),
        ("song,rock\na,True\nb,FALSE\nc,\n", ("a", "b", "c"), ("rock",), [[1], [0], [NAN]]),
        ("song,rock\na,1e-3\nb,-.5\nc,+2.\n", ("a", "b", "c"), ("rock",), [[0.001], [-0.5], [2]]),
        ('song,"rock, loud",pop;soft\n"a, b;c",0.5,0\n', ("a, b;c",), ("rock, loud", "pop;soft"), [[0.5, 0]]),
        ("song;rock, loud\na, b;0.5\n", ("a, b",), ("rock, loud",), [[0.5]]),
        (f"song,bl{E_DECOMPOSED}\n{E_DECOMPOSED}.mp3,1\n", (f"{E_COMPOSED}.mp3",), (f"bl{E_COMPOSED}",), [[1]]),
    ],
)
def test_tables_are_read_as_they_are_meant(write, content, ids, columns, values):
    table = read_table(write(content))
    assert (table.ids, table.columns) == (ids, columns)
    assert table.values.dtype == np.float64
    np.testing.assert_array_equal(table.values, values)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("", TaggingError, "table.csv: empty"),
        (b"\xff\xfe", TaggingError, "table.csv: empty"),
        ("\n,\n", TaggingError, "table.csv: empty"),
        ("sep=;\n", TaggingError, "table.csv: empty"),
        ("song,rock\n", TaggingError, "without songs"),
        ("song\na\n", TaggingError, "header"),
        ("song,rock,\na,0,0\n", TaggingError, "header must name"),
        ("song,rock,rock\na,0,0\n", ConfigError, "tags given twice: 'rock'"),
        (f"song,{E_COMPOSED},{E_DECOMPOSED}\na,0,0\n", ConfigError, "tags given twice"),
        ("song,rock\na,0\nb,1\na,0\n", ConfigError, "songs given twice: 'a'"),
        (f"song,rock\n{E_COMPOSED},0\n{E_DECOMPOSED},0\n", ConfigError, "songs given twice"),
        ("song,rock\na,0\n,1\n", TaggingError, "line 3.*empty"),
        ("song,rock\na,0,1\n", TaggingError, "line 2: 3 cells.* 2"),
        ("song,rock,slow\na,0,5,0,25\n", TaggingError, "line 2: 5 cells.*decimal commas"),
        ("rock,slow\na,0.5,1\nb,0,0.25\n", TaggingError, "line 2: 3 cells.* 2"),  # row names of R's write.table
        ("song,rock\n\na,high\n", ConfigError, "line 3, tag 'rock': 'high' is not a number"),
        ("song,rock\n0.25,1\n0.5,0\n", ConfigError, "the first column, 'song', has numbers like those of a tag"),
        ("track;rock\n0,25;1\n1;0\n", ConfigError, "the first column, 'track', has numbers like those of a tag"),
        ("song,rock\na,nan\n", ConfigError, "'nan' is not a number; leave the cell empty where unknown"),
        ("song,rock\na,NA\n", ConfigError, "'NA'"),
        ("song,rock\na,inf\n", ConfigError, "'inf'"),
        ("song,rock\na,1e999\n", ConfigError, "'1e999' is too large"),
        ("song,rock\na,1_0\n", ConfigError, "'1_0'"),
        ("song,rock\na,٣\n", ConfigError, "'٣'"),
        ("song,rock\na,50%\n", ConfigError, "'50%'"),
        ("song,artist,rock\na,Bach,0\n", ConfigError, "tag 'artist': 'Bach'"),
        ("rock,slow\n0.5,0.25\n0.125,1\n", ConfigError, "the first column, 'rock'.*put the ids first"),
        ("rock,slow\n1,0\n0,1\n", ConfigError, "the first column, 'rock'"),
        ("rock,slow\n-2.5,0\n3.5,1\n", ConfigError, "the first column, 'rock'"),  # logits
        ("rock,slow,id\n0.5,0,a\n0.25,1,b\n", ConfigError, "the first column, 'rock'|tag 'id'"),
        (b"song,rock\n\xe9,1\n", TaggingError, "UTF-8"),
        ("song,rock\na,1\n".encode("utf-16-le"), TaggingError, "save it as CSV in UTF-8"),
        (b"PK\x03\x04\x14\x00\xff\xfe", TaggingError, "save it as CSV in UTF-8"),
        ("song,rock\na," + "1" * 200_000, TaggingError, "field larger than field limit"),
    ],
)
def test_what_cannot_be_read_is_refused(write, content, kind, message):
    with pytest.raises(kind, match=message):
        read_table(write(content))


def test_files_that_are_no_files(tmp_path):
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(TaggingError, match=f"{path}: cannot be read"):
            read_table(path)


names = st.text(st.characters(exclude_categories=("C",), exclude_characters="\n\r"), min_size=1).map(
    lambda name: unicodedata.normalize("NFC", name.strip())
)
unique_names = st.lists(names.filter(bool), min_size=1, max_size=5, unique=True)


@given(
    unique_names,
    unique_names,
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_what_is_written_is_read(tmp_path_factory, ids, columns, delimiter, encoding, has_decimal_comma, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(len(ids), len(columns))).round(6)
    values[random.random(values.shape) < 0.2] = np.nan
    ids = [f"{name}.mp3" for name in ids]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", *columns])
    for name, row in zip(ids, values, strict=True):
        cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
        writer.writerow([name, *(cell.replace(".", ",") if has_decimal_comma else cell for cell in cells)])
    # a file in which two separators cut every line alike, into numbers both times, has two readings
    others = {other for other in ",;\t" if other != delimiter and any(other in name for name in (*ids, *columns))}
    assume(not others)
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_text(text.getvalue(), encoding=encoding, newline="")
    table = read_table(path)
    assert (table.ids, table.columns) == (tuple(ids), tuple(columns))
    np.testing.assert_array_equal(table.values, values)


def test_examples():
    assert doctest.testmod(tables).failed == 0


def test_no_limit_that_another_library_set_counts(write):
    too_long = write("song,rock\na," + "1" * 200_000)
    before = csv.field_size_limit(2**30)
    try:
        with pytest.raises(TaggingError, match="field larger than field limit"):
            read_table(too_long)
        assert csv.field_size_limit() == 2**30
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("text", "delimiter", "rows"),
    [
        ('song,"rock; hard"\n"a;b",1\n', ",", [["song", "rock; hard"], ["a;b", "1"]]),
        ('song;"rock, hard"\n"a,b";1\n', ";", [["song", "rock, hard"], ["a,b", "1"]]),
        ("song\tlyrics; verse\na\tla, la; la\n", "\t", [["song", "lyrics; verse"], ["a", "la, la; la"]]),
        ("sep=|\nsong|x\na|1\n", "|", [["song", "x"], ["a", "1"]]),
        ("song\na\n", ",", [["song"], ["a"]]),
        ("\n , \n", ",", []),
        ('song,x\na,"1\n', None, "cannot be read as a table"),
    ],
)
def test_the_separator_is_the_one_that_fits(text, delimiter, rows, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    if delimiter is None:
        with pytest.raises(TaggingError, match=rows):
            read_cells(path, strict=True)
        return
    mark, lines = read_cells(path, strict=True)
    assert (mark, [row for _, row in lines]) == (delimiter, rows)
