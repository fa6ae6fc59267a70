"""Records are written whole, stay readable, and say under which circumstances they were made."""

from __future__ import annotations

import json
import re
import shlex
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from helpers import obstruct, python
from hypothesis import given
from hypothesis import strategies as st

from tagging.book.runs import BUNDLED_RUNS, training_records
from tagging.cli import _parser
from tagging.cli.train import settings_of
from tagging.errors import TaggingError
from tagging.training.records import read_record, read_training_records, write_record
from tagging.training.results_table import text_table
from tagging.training.run_names import run_name
from tagging.utils.legacy import RUN_NAMES
from tagging.utils.provenance import cpu, environment_info

numbers = st.none() | st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    numbers | st.booleans() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@given(value=plain)
def test_what_is_written_is_read(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("records") / "record.json"
    write_record(path, {"date": "2026-01-01", "value": value})
    assert read_record(path)["value"] == value


def test_a_list_of_numbers_takes_one_line(tmp_path):
    values = np.random.default_rng(0).normal(size=1000).round(5).tolist()
    path = write_record(
        tmp_path / "record.json", {"date": "today", "values": [None, 1, -2.5e-7, *values], "names": ["a", "b"]}
    )
    assert len(path.read_text().splitlines()) < 10


def test_a_number_that_json_lacks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_record(tmp_path / "record.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_this_machine():
    info = environment_info(["numpy", "no-such-package"])
    assert info["versions"] == {"python": info["versions"]["python"], "numpy": np.__version__}
    assert re.match(r"[0-9a-f]{40}|version ", info["commit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", info["date"])
    assert "cores" in cpu()


def test_a_copy_without_history_can_be_told_its_commit():
    code = "from tagging.utils.provenance import commit; print(commit())"
    for variables, expected in (({"TAGGING_COMMIT": "abc123"}, "abc123"), ({}, r"version \d.*")):
        result = python(code, PATH="", **variables)  # no git
        assert re.fullmatch(expected, result.stdout.strip()), result.stderr


@pytest.mark.parametrize("content", ["", "[1, 2]", "{}", "no json"])
def test_other_files_are_no_records(tmp_path, content):
    """A damaged one, which might have been a record, is not passed over in silence."""
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(TaggingError, match=r"other\.json: not a run record"):
        read_record(path)
    damaged = content in ("", "no json")
    with pytest.warns(match=r"other\.json") if damaged else nullcontext():
        assert read_training_records([tmp_path]) == []


def test_a_record_that_was_changed_is_refused(tmp_path):
    """By hand or by a bit; a layout of its own is no change."""
    path = write_record(
        tmp_path / "record.json", {"date": "2026-01-01", "kind": "speed", "seconds": 3.85, "names": ["ä"]}
    )
    text = path.read_text(encoding="utf-8")
    whole = read_record(path)
    assert whole == {"date": "2026-01-01", "kind": "speed", "seconds": 3.85, "names": ["ä"]}
    assert read_record(write_record(tmp_path / "again.json", whole)) == whole
    path.write_text(json.dumps(json.loads(text)), encoding="utf-8")
    assert read_record(path) == whole
    for old, new in (("3.85", "3.95"), ("speed", "speee"), ('"seconds"', '"second"'), ('"sha256": "', '"sha256": "0')):
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(TaggingError, match="damaged run record.*changed after"):
            read_record(path)


def entries(value, depth, keys=()):
    """The keys of every entry of nested mappings."""
    if depth and isinstance(value, dict):
        for key, inner in value.items():
            yield (*keys, key)
            yield from entries(inner, depth - 1, (*keys, key))


def test_no_incomplete_record_stops_a_report(tmp_path):
    """As earlier versions wrote it, without a checksum: a field that is missing or of another kind."""
    record = read_record(BUNDLED_RUNS / "laptop-waveform-10k-s0.json")
    record["test"]["tags"] = record["test"]["tags"][:1]
    record["test"]["resampled"] = {name: means[:5] for name, means in record["test"]["resampled"].items()}
    record["settings"]["evaluation"]["num_resamples"] = 5
    path, whole = tmp_path / "record.json", json.dumps(record)
    refused = 0
    for keys in entries(record, 2):
        for value in ("missing", None, [], {}, "x", 3, True):
            changed = inner = json.loads(whole)
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = value
            if value == "missing":
                del inner[keys[-1]]
            path.write_text(json.dumps(changed))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                records = read_training_records([tmp_path])
            if records:
                assert "95 %" in text_table(records)
            else:
                refused += 1
                assert all("record.json" in str(warning.message) for warning in caught)
    assert refused > 100


@pytest.mark.parametrize("obstacle", ["folder", "pipe", "nested"])
def test_what_is_no_record_is_named_and_never_waited_for(tmp_path, obstacle):
    path = tmp_path / "record.json"
    if obstacle == "nested":
        path.write_text("[" * 100_000)
    else:
        obstruct(path, obstacle)
    with pytest.raises(TaggingError, match="record.json: not a run record"):
        read_record(path)


@pytest.mark.parametrize("path", sorted(BUNDLED_RUNS.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_records_say_how_they_were_made(path):
    record = read_record(path)
    assert record["command"].startswith(("python benchmarks/", "tagging ", "python -m tagging"))
    assert {"commit", "versions", "device"} <= set(record)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(?:home|root|tmp|work|Users)/", json.dumps(record["command"])), "a path of some machine"
    assert "NaN" not in text


def test_the_command_of_a_record_asks_for_its_run():
    """As the book shows it: settings that had other names are named as they are now."""
    for record in training_records():
        _, *arguments = shlex.split(record["command"])
        asked = settings_of(_parser().parse_args(arguments))
        name = run_name(asked, record["model"])
        assert RUN_NAMES.get(name, name) == record["name"], record["command"]


def test_controls_know_nothing():
    """Networks whose labels were shuffled within each batch: 0.50 for songs of the test, to two digits."""
    controls = [record for record in training_records() if record["settings"]["data"]["shuffle_labels"]]
    assert controls
    for record in controls:
        mean = record["test"]["means"]["roc_auc"]
        assert abs(mean["value"] - 0.5) < 0.01, record["name"]
        assert mean["high"] - mean["low"] < 0.03  # enough songs to say so


def test_training_is_as_fast_as_was_asked_for():
    """On the machine of the record, two cores: both models at once, and clips that are there when they are needed."""
    speeds = read_record(BUNDLED_RUNS / "training-speed.json")["speeds"]
    for precision, models in speeds.items():
        assert sum(model["segments_per_second"] for model in models.values()) >= 250, precision
        assert all(model["data_wait_ratio"] <= 0.05 for model in models.values()), precision


def test_evaluation_is_as_fast_and_as_exact_as_was_asked_for():
    record = read_record(BUNDLED_RUNS / "evaluation-speed.json")
    assert (record["config"]["songs"], record["config"]["tags"], record["config"]["resamples"]) == (100_000, 70, 1_000)
    assert record["times_as_fast"] >= 20
    assert record["largest_difference"] < 1e-9
