"""Tables of pages that compare runs: they are what the records say."""

from __future__ import annotations

import numpy as np
import pytest

from tagging.book import comparisons, leak_study, own_folder, parts_study, run_lists, transfer_study
from tagging.book.runs import bundled_record, training_records

RUN = "laptop-spectrogram-1M-seen-1024k-s0"


def test_changes_are_differences_of_means_over_seeds():
    names = {"spectrogram": "one", "waveform": "other"}
    (change,) = comparisons.changes(names, "spectrogram").values()
    records = [[bundled_record(f"laptop-{name}-10k-s{seed}") for seed in range(3)] for name in names]
    one, other = (np.mean([run["test"]["means"]["roc_auc"]["value"] for run in runs]) for runs in records)
    assert change.value == pytest.approx(other - one)
    assert change.num_seeds == 3


def test_groups_are_measured_within_sources_beside_the_source_alone():
    table = comparisons.groups_table({"spectrogram": "spectrogram"})
    alone, spectrogram = (row for _, row in table.iterrows())
    assert [one.value for one in alone[1:]] == [0.5] * len(comparisons.GROUPS)
    assert alone[comparisons.OVER_ALL].value > 0.75
    seeds = [f"laptop-spectrogram-10k-s{seed}" for seed in range(3)]
    plain = [run for run in training_records() if run["name"] in seeds and "endpoints" in run]
    values = [run["endpoints"]["parts"]["computed"]["roc_auc"]["value"] for run in plain]
    assert spectrogram["from the notes"].value == pytest.approx(np.mean(values))


def test_the_source_alone_is_chance_within_sources():
    over, within, alone = leak_study.measured(RUN)
    record = bundled_record(RUN)
    assert over.means["roc_auc"].value == pytest.approx(record["test"]["means"]["roc_auc"]["value"], abs=2e-4)
    assert within.means["roc_auc"].value == pytest.approx(record["endpoints"]["means"]["roc_auc"]["value"], abs=2e-4)
    assert alone.parts["people wrote"]["roc_auc"].value > over.parts["people wrote"]["roc_auc"].value
    areas = leak_study.roc_aucs(RUN)
    assert set(leak_study.human_tags(RUN)) <= set(areas.index)


def test_random_splits_are_averaged():
    table, splits = leak_study.splits_table(), bundled_record("scores-leaks")["splits"]
    random = [row["look_up_roc_auc"] for name, row in splits.items() if name != "family"]
    assert table.iloc[1, 1] == pytest.approx(np.mean(random))
    assert table.iloc[0, 0] == 0


def test_every_run_is_in_the_list_once():
    sizes, runs = run_lists.sizes_table(), run_lists.runs_table()
    assert sizes["runs"].sum() == len(runs) == len(training_records())
    assert sizes["with predictions"].sum() == (runs["predictions"] == "yes").sum()
    assert {"recipe", "soundfont-transfer"} <= set(run_lists.measurements_table().index)


def test_changes_of_the_soundfont_are_differences_of_its_scores():
    for part in transfer_study.PARTS:
        trained, other = (transfer_study.font_value("waveform-1M", part, font) for font in ("own", "other"))
        assert transfer_study.font_change("waveform-1M", part).value == pytest.approx(other - trained)


def test_the_mean_of_five_segments_is_what_other_lengths_are_compared_with():
    for ways in parts_study.lengths().values():
        assert {part["change"].value for part in ways["5 segments, mean"].values()} == {0}
        once = ways["1 segments, mean"]["all"]
        difference = once["roc_auc"].value - ways["5 segments, mean"]["all"]["roc_auc"].value
        assert once["change"].value == pytest.approx(difference)


def test_more_songs_of_a_tag_are_more_songs():
    table, record = own_folder.songs_per_tag_table(), bundled_record("songs-per-tag")
    assert table.index.tolist() == sorted(map(int, record["embedders"]["mfcc"]))
    assert table.iloc[:, :2].diff().iloc[1:].gt(0).all(axis=None)
    first = np.array([seed["over_all_songs"] for seed in record["embedders"]["msd-musicnn"]["100"]], float)
    assert table.iloc[0, 2] == pytest.approx(np.nanmean(first))
