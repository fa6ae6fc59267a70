"""Unreadable tracks are counted over all splits, listed, said, and too many of them stop a run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from accelerate import Accelerator
from tones import RATE, Loudness

import tagging
from tagging.errors import ConfigError, CorpusError
from tagging.training import train
from tagging.training.data import Split, predict
from tagging.training.failures import Failures
from tagging.training.results import evaluate_tagger


def damaged(share, *splits):
    return {"damaged": share, "damaged_splits": list(splits)}


def test_one_bad_file_of_few_does_not_stop_and_one_in_twenty_of_many_does(tones):
    corpus = Split(tones(corpus_options={"tracks": 200}), "train").corpus
    failures = Failures(corpus, 200)
    failures.add({0: "gone"})
    failures.check(8)
    failures.add(dict.fromkeys(range(10), "gone"))
    failures.check(200)
    assert failures.remark() == "10 of 200 train tracks cannot be read (5.0%)"
    failures.add({10: "gone"})
    message = (
        "11 of 200 train tracks cannot be read (5.5%), more than 5% (data.max_unreadable); the first: train-0: gone"
    )
    with pytest.raises(CorpusError, match=re.escape(message)):
        failures.check(2000)  # passes over the tracks do not make them more


@pytest.mark.parametrize("tracks", [1_000, 10_000])
def test_five_in_a_hundred_are_enough_in_whatever_order_they_come(tones, tracks):
    """A run is stopped when it has missed too much, and not because its bad tracks happen to come early."""
    corpus, few = Split(tones(corpus_options={"tracks": tracks}), "train").corpus, tracks // 20
    draw = np.random.default_rng(0)
    for order in (np.arange(tracks), draw.permutation(tracks)):  # the bad ones first, or anywhere
        failures = Failures(corpus, tracks)
        for tried in range(100, tracks + 1, 100):
            failures.add({int(track): "gone" for track in order[tried - 100 : tried] if track < few})
            failures.check(tried)
        assert len(failures.messages) == few
        failures.add({few: "gone"})
        with pytest.raises(CorpusError, match=rf"^{few + 1} of {tracks} train tracks"):
            failures.check(tracks)


def test_a_run_that_ends_early_is_judged_by_what_it_asked_for(tones, tmp_path):
    """Two passes were planned; patience ends it within the first, in which it met some eight bad tracks of 80."""
    options = {
        "num_clips": 600,
        "num_training_segments": 1200,
        "validation_interval": 40,
        "early_stopping_patience": 1,
        "learning_rate": 1e-7,
    }
    settings = tones(**options, corpus_options={"tracks": 600, "damaged": 0.1})
    with pytest.raises(CorpusError, match=r"\d+ of (80|120|160) train tracks cannot be read \(.*more than 5%"):
        train(settings, tmp_path, cpu_only=True, progress=False)


def test_what_a_run_will_never_ask_for_does_not_excuse_what_it_misses(tones, tmp_path):
    """Of 600 tracks it hears 80, of which some eight cannot be read: few of the 600, too many of the 80."""
    options = {"corpus_options": {"tracks": 600, "damaged": 0.1}, "num_clips": 600, "num_training_segments": 80}
    with pytest.raises(CorpusError, match=r"train tracks cannot be read \(.*more than 5%"):
        train(tones(**options), tmp_path, cpu_only=True, progress=False)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("what", ["damaged", "missing"])
def test_a_run_counts_lists_and_says_what_it_could_not_read(tones, tmp_path, capsys, split, what):
    # the bad tracks come first, and with two segments of each
    options = damaged(0.05, split) | {"missing": what == "missing"}
    settings = tones(num_clips=60, num_test_clips=60, num_validation_clips=60, corpus_options=options)
    (record,) = train(settings, tmp_path, cpu_only=True, progress=False)
    assert record["failed_tracks"] == {name: 3 * (name == split) for name in ("train", "validation", "test")}
    listed = (tmp_path / f"failed-{split}.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in listed] == [f"{split}-{number}" for number in range(3)]
    assert all(f"{what}-{split}-" in line for line in listed)
    assert f"3 of 60 {split} tracks cannot be read (5.0%); they are listed in " in capsys.readouterr().out


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_too_many_stop_the_run_with_the_list(tones, tmp_path, split):
    settings = tones(num_clips=60, num_test_clips=60, num_validation_clips=60, corpus_options=damaged(0.2, split))
    with pytest.raises(CorpusError, match=rf"\d+ of \d+ {split} tracks .*failed-{split}.txt; the first: {split}-0: "):
        train(settings, tmp_path, cpu_only=True, progress=False)
    assert len((tmp_path / f"failed-{split}.txt").read_text().splitlines()) > 3


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_that_cannot_be_read_at_all_is_listed_too(tones, tmp_path, split):
    settings = tones(num_clips=60, num_test_clips=60, num_validation_clips=60, corpus_options=damaged(1.0, split))
    with pytest.raises(
        CorpusError, match=rf"none of the first 50 {split} tracks .*failed-{split}.txt; the first: {split}-"
    ):
        train(settings, tmp_path, cpu_only=True, progress=False)
    assert len((tmp_path / f"failed-{split}.txt").read_text().splitlines()) == 50


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_trees_are_as_strict(tones, tmp_path, monkeypatch, capsys, split):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    counts = {
        "models": ["gbt"],
        "num_clips": 60,
        "num_test_clips": 60,
        "num_validation_clips": 60,
        "tree_options": {"iterations": 3},
    }
    (record,) = train(tones(**counts, corpus_options=damaged(0.05, split)), tmp_path / "few", progress=False)
    assert record["failed_tracks"][split] == 3
    assert f"3 of 60 {split} tracks cannot be read" in capsys.readouterr().out
    # what has been heard once is in the cache, and would not be read again
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "empty"))
    with pytest.raises(CorpusError, match=f"12 of 60 {split} tracks cannot be read"):
        train(tones(**counts, corpus_options=damaged(0.2, split)), tmp_path / "many", progress=False)
    assert len((tmp_path / "many" / f"failed-{split}.txt").read_text().splitlines()) == 12


def test_evaluation_is_as_strict(tones, capsys):
    tagger = tagging.build_tagger("waveform", "dense", Split(tones(), "test").corpus.vocabulary, 0.5, width=0.1)
    few = tones(num_test_clips=60, corpus_options=damaged(0.05, "test"))
    record = evaluate_tagger(tagger, few, cpu_only=True)
    assert record["test"]["num_songs"] == 57
    assert "3 of 60 test tracks cannot be read (5.0%)" in capsys.readouterr().out
    with pytest.raises(CorpusError, match="12 of 60 test tracks cannot be read"):
        evaluate_tagger(tagger, tones(num_test_clips=60, corpus_options=damaged(0.2, "test")), cpu_only=True)


def test_scores_of_what_cannot_be_read_are_unknown(tones):
    settings = tones(num_test_clips=60, corpus_options=damaged(0.05, "test"))
    scores = predict({"loud": Loudness()}, Split(settings, "test"), settings, Accelerator(cpu=True))["loud"]
    assert np.isnan(scores[:3]).all()
    assert not np.isnan(scores[3:]).any()


def test_a_tagger_of_another_sample_rate_is_refused(tones):
    vocabulary = Split(tones(), "test").corpus.vocabulary
    tagger = tagging.build_tagger("waveform", "dense", vocabulary, 1.0, width=0.1, sample_rate=RATE // 2)
    with pytest.raises(ConfigError, match=re.escape("takes 8000 Hz, the corpus 'tones' has 16000 Hz")):
        evaluate_tagger(tagger, tones(), cpu_only=True)


def test_a_mistaken_command_does_not_stand_in_the_way_of_the_corrected_one(tones, tmp_path):
    with pytest.raises(ConfigError, match="unknown front-end 'waveforms'"):
        train(tones(models=["waveforms"]), tmp_path, cpu_only=True)
    with pytest.raises(ConfigError, match="num_clips=1000: the train split has 60 tracks"):
        train(tones(models=["mel-statistics"], num_clips=1000), tmp_path, cpu_only=True)
    with pytest.raises(ConfigError, match="evaluation.num_test_clips=1000: the test split has 60 tracks"):
        train(tones(models=["mel-statistics"], num_test_clips=1000), tmp_path, cpu_only=True)
    with pytest.raises(ConfigError, match="segments of 5 s: the longest track has 3 s"):
        train(tones(models=["mel-statistics"], segment_seconds=5.0), tmp_path, cpu_only=True)
    assert train(tones(models=["mel-statistics"], num_training_segments=80), tmp_path, cpu_only=True, progress=False)


def test_the_list_of_an_earlier_try_does_not_outlive_it(tones, tmp_path):
    corpus = Split(tones(), "train").corpus
    (tmp_path / "failed-train.txt").write_text("train-0: the disk was not there\n")
    Failures(corpus, 60, tmp_path).check(60)
    assert not (tmp_path / "failed-train.txt").exists()
