"""Pickles of plain data are read without unpickling; all others are refused, and nothing in them runs."""

from __future__ import annotations

import contextlib
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging.data.plain_pickles import read_plain
from tagging.errors import CorpusError

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text("a'é\\\n音", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(values, max_size=4), st.integers(0, 4))
def test_plain_data_of_all_protocols(tmp_path_factory: pytest.TempPathFactory, data, protocol):
    path = tmp_path_factory.mktemp("pickles") / "list.cP"
    path.write_bytes(pickle.dumps(data, protocol))
    assert read_plain(path) == data


def test_what_python_2_wrote(tmp_path: Path):
    path = tmp_path / "list.cP"
    path.write_bytes(b"(lp1\nS'TRAADIN128F931D672'\np2\naS'd/it\\'s-0-29.npy'\np3\naI7\naF0.5\na.")
    assert read_plain(path) == ["TRAADIN128F931D672", "d/it's-0-29.npy", 7, 0.5]
    path.write_bytes(b"(dp1\nS'TRAADIN128F931D672'\np2\nS'6010476'\np3\ns.")
    assert read_plain(path) == {"TRAADIN128F931D672": "6010476"}
    path.write_bytes(b"\x80\x02]q\x01(U\x03abcq\x02h\x02e.")
    assert read_plain(path) == ["abc", "abc"]


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("trap"),))


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "data",
    [Trap(), [np.zeros(3)], OrderedDict(a=1), {1, 2}, (1, 2), [Trap()], print, {"a": 1j}],
    ids=lambda data: str(type(data)),
)
def test_all_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "list.cP"
    path.write_bytes(pickle.dumps(data, protocol))
    with pytest.raises(CorpusError, match=r"pickles that run code are not read"):
        read_plain(path)
    assert [file.name for file in tmp_path.iterdir()] == ["list.cP"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"(lp1\nS'TRAA",
        b"(lp1\n",
        b".",
        b"a.",
        b"(lp1\nh\x07a.",
        b"I1\nI2\n.",
        b"I1\nI2\na.",
        b"(I1\nd.",
        b"\xff\xfe",
        b"<html>",
    ],
)
def test_damaged_ones_are_refused(tmp_path: Path, data):
    path = tmp_path / "list.cP"
    path.write_bytes(data)
    with pytest.raises(CorpusError, match="no whole pickle|are not read"):
        read_plain(path)


@given(st.binary(max_size=60))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data):
    path = tmp_path_factory.mktemp("pickles") / "list.cP"
    path.write_bytes(data)
    with contextlib.suppress(CorpusError):
        read_plain(path)
