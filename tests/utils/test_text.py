"""Names of others become one harmless line; assignments are read as documented."""

from __future__ import annotations

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.utils import text
from tagging.utils.text import parse_assignment, printable, shortened


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("song.wav", "song.wav"),
        ("Käse 漫画 🎵.wav", "Käse 漫画 🎵.wav"),
        ("👩\u200d🎤 می\u200cخواهم", "👩\u200d🎤 می\u200cخواهم"),  # joiners are part of words
        ("C:\\new\\it.wav", "C:\\new\\it.wav"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("\x9b2J\x7f\x00", "\\x9b2J\\x7f\\x00"),
        ("txt.\u202evaw\u2066\u200f\ufeff", "txt.\\u202evaw\\u2066\\u200f\\ufeff"),
        ("a\u2028b\u2029c\x85d\u00ad", "a\\u2028b\\u2029c\\x85d\\xad"),
        (b"na\xefve.wav".decode("utf-8", "surrogateescape"), "na\\xefve.wav"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(name, shown):
    assert printable(name) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_a_printable_text_is_one_line_in_utf8(name):
    shown = printable(name)
    assert len((shown + "|").splitlines()) == 1
    shown.encode("utf-8")
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown


@given(st.text(st.characters(exclude_categories=("C", "Z"))))
def test_ordinary_text_stays(name):
    assert printable(name) == name


@given(st.text(), st.integers(1, 40))
def test_no_text_is_longer_than_asked_for(name, length):
    assert len(shortened(name, length)) <= length
    assert shortened(name, len(name) or 1) == name


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("seed=3", ("seed", 3)),
        (" seed =3", ("seed", 3)),
        ("root=my music", ("root", "my music")),
        ("root=a=b", ("root", "a=b")),
        ("tags=['a', \"b\"]", ("tags", ["a", "b"])),
        ("rate=4e-3", ("rate", 0.004)),
        ("x=true", ("x", True)),
        ("x=none", ("x", None)),
        ("x=", ("x", "")),
        ("x=1\ny = 2", ("x", "1\ny = 2")),
        ("x=" + "9" * 5000, ("x", "9" * 5000)),
        ("x=" + "[" * 5000, ("x", "[" * 5000)),
    ],
)
def test_assignments(assignment, expected):
    assert parse_assignment(assignment) == expected


@pytest.mark.parametrize("assignment", ["seed", "", "=3", " =3"])
def test_what_is_no_assignment(assignment):
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_assignment(assignment)


def test_examples():
    assert doctest.testmod(text).failed == 0
