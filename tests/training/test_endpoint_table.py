"""The table within sources: seeds in its intervals, verdicts of three seeds, the row of the source alone, any corpus."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from tones import small

from tagging.book.runs import BUNDLED_RUNS, load_predictions, training_records
from tagging.cli import main
from tagging.errors import ConfigError
from tagging.evaluation.evaluate import Evaluation
from tagging.evaluation.predictions import Predictions, read_run
from tagging.tags import REGRESSION, Tag, Vocabulary
from tagging.training import Settings, train
from tagging.training.endpoint_table import compare, endpoint_rows, one_change, table, text
from tagging.training.endpoints import endpoints, record_fields, source_alone_predictions
from tagging.training.records import write_record

VOCABULARY = Vocabulary(["songbook", "dance", "piano", Tag("tempo", kind=REGRESSION)])
PARTS = {"collection": np.array([True, False, False, False]), "human": np.array([False, True, False, False])}


def predictions(skill: float, seed: int, songs: int = 300) -> dict[str, Predictions]:
    """Of a model that is as good within sources as ``skill`` says, on the same songs whatever the seed."""
    random, result = np.random.default_rng(7), {}
    for split in ("test", "validation"):
        strata = np.repeat(["songbook", "dances"], songs // 2)
        tags = random.random((songs, 2)) < 0.4
        labels = np.column_stack([strata == "songbook", tags, random.random(songs)])
        noise = np.random.default_rng([seed, len(result)]).random(labels.shape)
        scores = skill * labels + (1 - skill) * noise
        groups = np.arange(songs) // 2
        result[split] = Predictions(scores, VOCABULARY, labels, None, groups, np.arange(songs), strata, None)
    return result


def record(model: str, skill: float, seed: int, **changes) -> dict:
    """A record of a run of the laptop edition, as far as the table reads it."""
    both = predictions(skill, seed)
    settings = Settings(models=(model,), seed=seed).override(
        {name.replace("__", "."): value for name, value in changes.items()}
    )
    assert both["test"].labels is not None
    return {
        "kind": "training", "name": f"{model}-{seed}", "edition": "laptop", "model": model, "seed": seed, "num_clips": 10_000,
        "num_training_segments": 102_400, "settings": settings.to_dict(), "seconds": 1.0, "device": "a CPU",
        "date": "2026-11-30", "corpus": {"name": "sheet-music"},
        "test": endpoints(both["test"], PARTS, 50).to_dict(), **record_fields(**both, parts=PARTS, resamples=50),
    }  # fmt: skip


@pytest.fixture(scope="module")
def records() -> list[dict]:
    """Three seeds of a good spectrogram and of a poor waveform, and of a spectrogram with masked labels."""
    return [
        *(record("spectrogram", 0.3, seed) for seed in range(3)),
        *(record("waveform", 0.05, seed) for seed in range(3)),
        *(record("spectrogram", 0.3, seed + 3, data__mask_unannotated=True) for seed in range(2)),
    ]


def test_rows_hold_seeds_and_songs(records):
    rows = endpoint_rows(records)
    assert [(row.row.model, row.row.num_seeds) for row in rows] == [
        ("waveform", 3), ("spectrogram", 3), ("spectrogram", 2),
    ]  # fmt: skip
    for row in rows:
        for part in ("collection", "human", "all"):
            mean = row.endpoints[part]["roc_auc"]
            values = [run.parts[part]["roc_auc"].value for run in row.evaluations]
            assert mean.value == pytest.approx(np.mean(values))
            assert mean.over_seeds
            assert mean.low < mean.value < mean.high


def test_verdicts_need_three_seeds_on_both_sides(records):
    waveform, spectrogram, masked = endpoint_rows(records)
    assert compare(spectrogram, waveform)["human"]["roc_auc"].verdict == "higher"
    assert compare(waveform, spectrogram)["all"]["pr_auc"].verdict == "lower"
    assert compare(spectrogram, waveform)["all"]["sqrt_mse"].verdict == "lower"
    assert compare(masked, spectrogram)["human"]["roc_auc"].verdict == "too few seeds"
    assert compare(spectrogram, spectrogram)["human"]["roc_auc"].verdict == "undecided"
    ((change, changed, usual),) = one_change([waveform, spectrogram, masked])
    assert change == "data.mask_unannotated=True"
    assert (changed, usual) == (masked, spectrogram)


def test_the_text_names_the_source_alone_every_verdict_and_what_is_missing(records):
    old = {key: value for key, value in records[0].items() if key not in ("endpoints", "source_alone")} | {"seed": 8}
    printed = text([*records, old])
    lines = printed.splitlines()
    alone = [line for line in lines if line.lstrip().startswith("source alone")]
    assert "1.000 [1.000, 1.000] 0.500 [0.500, 0.500] 0.500 [0.500, 0.500]" in alone[0]
    assert sum("spectrogram minus waveform" in line and "higher" in line for line in lines) == 1
    assert sum("data.mask_unannotated=True" in line and "too few seeds" in line for line in lines) == 1
    assert "1 of 9 runs have no endpoints" in printed
    assert text([old]) == ""
    # the edition's table has no masked labels
    assert "mask" not in text(records, "laptop")


def test_rows_of_other_songs_are_not_compared(records):
    other = copy.deepcopy(records[0])
    other["endpoints"]["fingerprint"] = other["test"]["fingerprint"] = "of others"
    rows = endpoint_rows([records[3], other])
    with pytest.raises(ConfigError, match="different songs, labels or sources"):
        compare(*rows)
    assert "minus" not in text([records[3], other])


def test_a_record_with_damaged_endpoints_stops_nothing(records):
    damaged = copy.deepcopy(records[0])
    del damaged["endpoints"]["parts"]
    with pytest.warns(UserWarning, match="skipped the endpoints of spectrogram-0"):
        assert [row.row.num_seeds for row in endpoint_rows([damaged, *records[1:3]])] == [2]


def test_old_records_and_new_ones_share_a_row(records):
    """A setting that a record does not hold has the default of now."""
    old = copy.deepcopy(records[1])
    del old["settings"]["data"]["mask_unannotated"]
    assert [row.row.num_seeds for row in endpoint_rows([records[0], old, records[2]])] == [3]


@pytest.mark.parametrize("sources", [False, True])
def test_runs_of_any_corpus_have_endpoints(tmp_path: Path, sounds: Path, capsys, sources):
    options = {"models": ["mel-statistics"], "num_training_segments": 80, "num_test_clips": 60, "num_clips": 20}
    settings = Settings().override(small(sounds, corpus_options={"sources": sources}, **options))
    (trained,) = train(settings, tmp_path / "run", cpu_only=True, progress=False)
    test, validation = (read_run(tmp_path / "run" / "mel-statistics", split) for split in ("test", "validation"))
    again = record_fields(test, validation, {}, settings.evaluation.num_resamples)
    assert trained["endpoints"] == again["endpoints"]
    assert ("source_alone" in trained) == sources
    assert (source_alone_predictions(test, validation) is not None) == sources
    if sources:
        assert trained["source_alone"] == again["source_alone"]
        assert trained["endpoints"]["fingerprint"] != trained["test"]["fingerprint"]
    else:
        assert trained["endpoints"]["means"] == trained["test"]["means"]
    write_record(tmp_path / "records" / "mine.json", trained)
    assert main(["report", str(tmp_path / "records")]) == 0
    printed = capsys.readouterr().out
    assert printed.index("within sources") < printed.index("song-level scores")
    assert ("source alone" in printed) == sources


def test_shipped_records_hold_the_endpoints_of_their_predictions():
    records = {record["name"]: record for record in training_records()}
    name = "laptop-spectrogram-10k-s0"
    test, validation = load_predictions(name), load_predictions(name, "validation")
    assert test.strata is not None
    assert {len(array) for array in (test.strata, test.annotated, test.scores)} == {2000}
    evaluation = Evaluation.from_dict(records[name]["endpoints"])
    assert 0.5 < evaluation.parts["human"]["roc_auc"].value < evaluation.parts["collection"]["roc_auc"].value
    assert evaluation.parts["mode"]["roc_auc"].resampled.shape == (1000,)
    alone = records[name]["source_alone"]
    assert alone["human"]["roc_auc"]["value"] == pytest.approx(0.5, abs=1e-9)
    assert alone["collection"]["roc_auc"]["value"] > 0.99
    parts = {"human": np.array([tag.name in ("reel", "legend", "xiaodiao") for tag in test.vocabulary])}
    fields = record_fields(test, validation, parts, resamples=2)
    of_tags = [tag for tag in evaluation.tags if tag.name in ("reel", "legend", "xiaodiao")]
    expected = np.mean([tag.roc_auc.value for tag in of_tags])
    assert fields["endpoints"]["parts"]["human"]["roc_auc"]["value"] == pytest.approx(expected)


def test_every_shipped_run_with_predictions_has_endpoints(capsys):
    records = training_records()
    rows = endpoint_rows(records, "laptop")
    assert len(rows) > 10
    assert len({run.fingerprint for row in rows for run in row.evaluations}) == 1
    frame = table(rows, "roc_auc", ["collection", "human", "computed", "instrument", "all"])
    assert frame["model"][0] == "source alone"
    assert len(frame) == len(rows) + 1
    assert main(["report", str(BUNDLED_RUNS), "--edition", "laptop"]) == 0
    printed = capsys.readouterr().out
    for row in rows:
        assert f"{row.endpoints['human']['roc_auc']:.3f}" in printed
