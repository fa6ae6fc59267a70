"""Every option of every corpus refuses what it cannot be, with its name and what it can be, before anything is read."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import numpy as np
import pytest

import tagging
from tagging.data import CORPORA, prepare_corpus
from tagging.data.store_writer import write_store
from tagging.errors import ConfigError

NO_NUMBERS = ("16000", b"1", True, [1], {}, math.nan, math.inf, -math.inf, -1, 10**5000, 1 + 1j)
NO_COUNTS = (*NO_NUMBERS, 0, 1.5, 1e9)
NO_TEXTS = (3, math.nan, True, b"text", {"a": 1})
NO_SWITCHES = (1, 0, None, "true", "no", math.nan, [])
NO_SHARES = (
    None, 0.7, "abc", "0.7", [], [0.7, 0.3], [0.5, 0.5, 0.0], [0.5, 0.6, -0.1], [math.nan, 0.1, 0.1], [math.inf, 1, 1],
    ["0.7", "0.15", "0.15"], [1, 1, 1, 1], [True, True, True], [1e308, 1, 1], {"train": 1},
)  # fmt: skip
# Option -> values it refuses, and a part of what the message says it may be.
HOSTILE = {
    "sample_rate": ((*NO_COUNTS, None, 999, 768_001, 16000.0), "1,000 to 768,000"),
    "seed": ((*NO_NUMBERS, None, 2**63, 0.5), r"0 to 2\*\*63"),
    "clips": (NO_COUNTS, "1 to 1,000,000,000"),
    "compositions": (NO_COUNTS, "1 to 1,000,000,000"),
    "shares": (NO_SHARES, "three positive numbers up to 100"),
    "threshold": ((*NO_NUMBERS, None, 1.01), "from 0 to 1"),
    "validation_share": ((*NO_NUMBERS, None, 1, 1.0), "from 0 to less than 1"),
    **dict.fromkeys(("strict", "degraded", "build"), (NO_SWITCHES, "true or false")),
    **dict.fromkeys(("split", "subset", "licence"), ((*NO_TEXTS, None, ["a"]), "text")),
    **dict.fromkeys(("genres", "separator", "ids", "group", "split_column", "config"), ((*NO_TEXTS, ["a"]), "text, or none")),
    "audio": ((*NO_TEXTS, ["a"]), "text"),
    "labels": ((*NO_TEXTS, ["a"]), "text|path"),
    "tags": (NO_TEXTS, "text"),
    "regression": ((*NO_TEXTS, [1]), "list of texts, or none"),
    "ignore": ((*NO_TEXTS, None, [None]), "list of texts"),
    "root": ((*NO_TEXTS, None, ["a"], "a\0b"), "path of a file or folder"),
    "store": ((3, math.nan, True, b"x", ["a"], "a\0b"), "a folder, false, or none"),
}  # fmt: skip
OURS = [name for name in tagging.list_corpora() if CORPORA.get(name).__module__.startswith("tagging.")]
CASES = [
    (corpus, option)
    for corpus in OURS
    for option in [*inspect.signature(CORPORA.get(corpus)).parameters, "store"]
    if option != "dataset" and (option != "store" or hasattr(CORPORA.get(corpus), "use_store"))
]  # fmt: skip


@pytest.mark.parametrize(("corpus", "option"), CASES)
def test_what_an_option_cannot_be_is_refused(corpus, option, tmp_path):
    values, allowed = HOSTILE[option]
    others = {"root": str(tmp_path)} if "root" in CORPORA.options(corpus) and option not in ("root", "store") else {}
    if option == "store":  # it is looked at when the corpus is open
        from tagging.data.base import StoreOption, check_option

        for value in values:
            with pytest.raises(ConfigError, match=rf"(?s)^corpus '{corpus}': store=.*: give .*{allowed}"):
                check_option(corpus, "store", value, StoreOption)
        return
    for value in values:
        with pytest.raises(ConfigError, match=rf"(?s)^corpus '{corpus}': {option}=.*: give .*({allowed})"):
            tagging.open_corpus(corpus, **others, **{option: value})


def test_numbers_of_numpy_and_paths_are_what_they_are(tmp_path):
    with pytest.raises(tagging.TaggingError, match="no such folder"):
        tagging.open_corpus("folder", root=Path(tmp_path, "none"), seed=np.int64(3), sample_rate=np.int32(8000))


@pytest.mark.parametrize("option", ["sample_rate", "seed", "shares", "tags"])
def test_options_are_looked_at_before_a_store_is_written(option, tmp_path):
    with pytest.raises(ConfigError, match=f"{option}="):
        write_store("folder", tmp_path / "store", root=str(tmp_path), progress=False, **{option: math.nan})
    with pytest.raises(ConfigError, match=f"{option}="):
        prepare_corpus("folder", root=str(tmp_path), store=str(tmp_path / "store"), **{option: math.nan})
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": ["small"]}, "subset=.*give text"),
        ({"root": 3}, "root=3: give the path"),
        ({"annotations_only": "yes"}, "annotations_only='yes': give true or false"),
        ({"mirror": 3}, "mirror=3: give text, or none"),
    ],
)
def test_options_of_a_download_are_looked_at_first(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        prepare_corpus("fma", **{"root": str(tmp_path / "fma"), **options})
    assert not (tmp_path / "fma").exists()
