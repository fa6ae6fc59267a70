"""What the pages of results compute: rows, leads and gains are those of the records, and nothing is compared across recipes."""

from __future__ import annotations

import numpy as np
import pytest

from tagging.book import results_study, scales_study, time_study
from tagging.book.results_study import find
from tagging.errors import ConfigError
from tagging.training.endpoint_table import compare

LONGEST = (1_000_000, 1_024_000)


def test_the_table_has_one_row_a_model_and_scale_and_the_predictor_that_knows_the_source():
    rows = results_study.table_rows()
    scales = [(row.row.model, row.row.num_clips, row.row.num_training_segments) for row in rows]
    assert len(set(scales)) == len(scales)
    assert all(results_study.changes_of(row) == {} for row in rows)
    for frame in (results_study.results_table(), results_study.kinds_table()):
        assert len(frame) == len(rows) + 1
        assert frame.index[0] == "source alone"
    assert results_study.results_table()["ROC-AUC"].iloc[0].value == pytest.approx(0.5)


def test_a_scale_is_named_by_its_repetitions():
    assert results_study.passes(10_000, 512_000).split() == ["10k", "x", "51"]


def test_a_changed_setting_is_another_experiment():
    changed = [results_study.changes_of(row) for row in results_study.all_rows()]
    assert {"data.mask_unannotated": True} in changed
    assert {"data.train_options.compositions": 1000} in changed
    usual = find(results_study.all_rows(), "mel-statistics", 10_000, 102_400)
    masked = find(results_study.all_rows(), "mel-statistics", 10_000, 102_400, {"data.mask_unannotated": True})
    assert usual is not masked
    with pytest.raises(ConfigError, match="no run"):
        find(results_study.all_rows(), "mel-statistics", 10_000, 102_400, {"data.mask_unannotated": "perhaps"})


@pytest.mark.parametrize("part", ["all", "meter", "mode"])
def test_leads_are_spectrogram_minus_waveform(part):
    spectrogram, waveform = (results_study.find_row(model, *LONGEST) for model in ("spectrogram", "waveform"))
    lead = results_study.leads(part)[LONGEST]
    values = [row.endpoints[part]["roc_auc"].value for row in (spectrogram, waveform)]
    assert lead.value == pytest.approx(values[0] - values[1])
    assert lead == compare(spectrogram, waveform)[part]["roc_auc"]


def test_curves_do_not_join_runs_of_equal_training_with_runs_of_one_repetition():
    short, once = (results_study.points(once=once) for once in (False, True))
    clips = {model: sorted(p.num_clips for p in short if p.model == model) for model in ("waveform", "gbt")}
    assert clips["waveform"] == [1_000, 10_000, 100_000]
    assert [p.num_clips for p in once if p.model == "waveform"] == [100_000, 500_000, 1_000_000]
    assert [p.num_clips for p in once if p.model == "gbt"] == [clips["gbt"][-1]]


def test_gains_are_differences_of_rows():
    before, after = (100_000, 102_400), (100_000, 512_000)
    frame = scales_study.gains([(before, after)])
    rows = [results_study.find_row("waveform", *scale).endpoints["all"]["roc_auc"].value for scale in (before, after)]
    assert frame.loc["waveform", "all"].startswith(f"{rows[1] - rows[0]:+.3f}")
    assert (frame.loc["waveform", "from"], frame.loc["waveform", "to"]) == tuple(
        results_study.passes(*scale) for scale in (before, after)
    )


def test_learning_curves_are_those_of_the_record():
    record = scales_study.first_runs(scales_study.SHORT)["waveform", 1_000]
    steps, loss, checked, scores = scales_study.learned(record)
    assert len(steps) == len(loss)
    assert loss[-1] == pytest.approx(np.mean([entry["loss"] for entry in record["history"]][-8:]))
    assert checked[-1] == scales_study.SHORT
    assert max(scores) == pytest.approx(record["best"]["validation"])


def test_spans_follow_from_filters_and_strides():
    """Seven layers of three samples and a stride of three; 26 frames before time is pooled."""
    waveform, spectrogram = time_study.spans("waveform"), time_study.spans("spectrogram")
    assert waveform["frame"] == pytest.approx(3**7 / 16_000)
    assert waveform["backend"] == 3.0
    assert spectrogram["frame"] == pytest.approx(512 / 16_000)
    assert spectrogram["backend"] == pytest.approx(26 * 512 / 16_000)
    assert spectrogram["filter"] == pytest.approx((1024 + 164 * 512) / 16_000)
    assert time_study.spans("spectrogram:dense")["backend"] == 3.0


def test_tags_are_sorted_by_lead_and_their_mean_is_the_part():
    lead = time_study.tag_leads()
    values = [interval.value for interval in lead.values()]
    assert values == sorted(values, reverse=True)
    assert "folk song" not in lead  # the source decides it
    of_metre = np.mean([lead[name].value for name in time_study.METRES])
    assert of_metre == pytest.approx(results_study.leads("meter")[LONGEST].value, abs=1e-3)
