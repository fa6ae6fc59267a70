"""Small experiments of pages: what they measure is what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging.audio.mel import MelSpec, mel_bank
from tagging.book import (
    agreement_study,
    choosing,
    exclusive_study,
    input_study,
    measuring,
    popularity_study,
    recipe_study,
    remedies_study,
    waveform_study,
)
from tagging.book.published import version_changes
from tagging.book.runs import bundled_record, load_predictions
from tagging.evaluation.bias import contradictions, over_representation
from tagging.evaluation.bootstrap import Resampling
from tagging.evaluation.thresholds import fit_thresholds


def test_the_share_of_a_nuisance_is_0_where_it_changes_nothing_and_1_where_it_is_all():
    wanted = torch.randn(5, 1, 3, generator=torch.Generator().manual_seed(0))
    assert waveform_study.nuisance_share(wanted.expand(5, 4, 3)) == pytest.approx(0, abs=1e-6)
    assert waveform_study.nuisance_share(wanted.transpose(0, 1).expand(4, 5, 3)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [4, 8])
def test_the_worst_phase_follows_from_geometry(count):
    phases = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    assert waveform_study.phase_answers(count, phases).min() == pytest.approx(np.cos(np.pi / count), abs=0.03)


def test_notes_have_the_pitch_of_their_name():
    waves, numbers = waveform_study.play_notes(6, seed=0)
    for wave, number in zip(waves.numpy(), numbers.tolist(), strict=True):
        fundamental = 440 * 2 ** ((number - waveform_study.NOTES.index("A4")) / 12)
        spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 16))
        hertz = np.fft.rfftfreq(1 << 16, 1 / waveform_study.RATE)
        harmonic = hertz[spectrum.argmax()] / fundamental
        assert harmonic == pytest.approx(round(harmonic), rel=0.03)


def test_dead_bands_are_silent_for_every_sound():
    spec = MelSpec(n_fft=128, n_mels=96)
    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    silent = (input_study.log_mel(noise, spec) == 0).all(axis=1).sum()
    assert input_study.dead_bands(128, 96) == silent == (mel_bank(spec).sum(axis=1) == 0).sum()


def test_a_sound_keeps_all_of_itself():
    tone = input_study.rising_tone(2.0, 16000, 2000)
    notes, level = input_study.preserved(tone, tone)
    assert notes == 1
    assert level == pytest.approx(1)


def test_gains_of_the_recipe_are_differences_of_the_record():
    trials = bundled_record("recipe")["trials"]
    score = {(t["model"], t["choice"]): t["validation"]["roc_auc"] for t in trials}
    gain = score["waveform", "no warm-up"] - score["waveform", recipe_study.AS_IT_IS]
    assert recipe_study.gain("waveform", "no warm-up") == pytest.approx(gain)
    assert len(recipe_study.choices_table()) == len(trials)


def test_thresholds_are_fitted_on_other_clips_than_they_are_tested_on():
    run = "laptop-spectrogram-10k-s0"
    validation = load_predictions(run, "validation")
    row = measuring.threshold_table(run, ["violin"]).loc["violin"]
    column = [validation.vocabulary.names.index("violin")]
    expected = fit_thresholds(validation.labels[:, column], validation.scores[:, column])
    assert row["threshold"] == pytest.approx(expected[0])
    assert 0 <= row["recall"] <= 1


def test_tables_of_taggers_come_from_cards_and_records():
    table = choosing.taggers_table()
    speeds = bundled_record("tagger-speed")["taggers"]
    assert set(table.index) == set(speeds)
    assert table.loc["msd-musicnn", "songs an hour and core"] == speeds["msd-musicnn"]["songs_per_cpu_hour"]
    accuracies = [interval.value for interval in choosing.genre_probes()["accuracy"]]
    assert accuracies == sorted(accuracies, reverse=True)


def test_changes_between_versions_are_differences_of_the_tables():
    changes = version_changes()
    moved = changes["PR-AUC, 2018"] - changes["PR-AUC, 2017"]
    np.testing.assert_allclose(changes["PR-AUC moved by"], moved, atol=1e-6)


def test_lists_of_the_perfect_predictor_are_as_popular_as_the_measure_says():
    test = popularity_study.classes(popularity_study.SPECTROGRAM)
    measured = over_representation(test.scores, test.labels, popularity=test.train_positives, top_k=5)
    assert popularity_study.list_popularity(test.scores).value == pytest.approx(measured.against_labels.value)
    perfect = popularity_study.models()[popularity_study.PERFECT]
    assert popularity_study.list_popularity(perfect).value == pytest.approx(measured.if_perfect, abs=0.02)


def test_scores_and_cut_make_the_popularity_of_lists():
    table = popularity_study.cut_table()
    product = table["due to the scores"] * table["due to the cut"]
    np.testing.assert_allclose(product, table["popularity of the top 5"])


def test_true_probabilities_contradict_themselves_by_two_of_three_rules():
    shares = exclusive_study.honest_shares(1000)
    assert shares[exclusive_study.SURE] == 0
    assert 0 < shares[exclusive_study.OFTEN] < shares[exclusive_study.LISTED]


def test_contradicting_lists_are_counted_as_the_measure_does():
    test = popularity_study.classes(popularity_study.SPECTROGRAM)
    few = Resampling(len(test.scores), resamples=1)
    expected = contradictions(test.scores, test.vocabulary.exclusive_groups, test.labels, top_k=10, resampling=few)
    assert remedies_study.contradicting_lists(test.scores).value == expected.in_top_k.value


def test_changes_by_seed_are_differences_of_records():
    name = "laptop-mel-statistics-10k-focal-s1", "laptop-mel-statistics-10k-s1"
    focal, plain = (bundled_record(one)["test"]["means"]["pr_auc"]["value"] for one in name)
    assert remedies_study.seed_changes("focal loss", "pr_auc")[1] == pytest.approx(focal - plain)


def test_tables_of_self_agreement_have_a_row_for_each_tagger():
    for table in (agreement_study.synonyms_table(), agreement_study.voices_table()):
        assert tuple(table.index) == agreement_study.TAGGERS
