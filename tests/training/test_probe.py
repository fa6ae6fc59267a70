"""Probes: linear models on one vector a song, tested on songs of other groups."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from songs import make_songs

import tagging
from tagging.cli import main
from tagging.evaluation.predictions import read_predictions
from tagging.tags import Tag, Vocabulary
from tagging.training import probe_models
from tagging.training.embedders import embedder
from tagging.training.group_folds import group_folds
from tagging.training.probe_models import Probe, Target, fit_probe, targets_of
from tagging.training.records import read_record

GROUP = [Tag(name, exclusive_group="genre") for name in ("rock", "pop", "jazz")]


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """40 songs of half a second and a second, one of them broken, with their table."""
    root = tmp_path_factory.mktemp("songs")
    make_songs(root, 40, seconds=0.5, broken=1)
    return root


@pytest.fixture
def vectors():
    random = np.random.default_rng(0)
    return random.normal(3, [1, 5, 0.1, 2], (120, 4))


def test_tags_learn_what_scikit_learn_learns(vectors):
    random = np.random.default_rng(1)
    labels = np.stack([vectors[:, 0] + random.normal(size=120) > 3, vectors[:, 1] / 10], axis=1).astype(float)
    labels[:, 1] = labels[:, 1].clip(0, 1)
    labels[::7, 0] = np.nan
    vocabulary = Vocabulary([Tag("loud"), Tag("level", "regression")])
    probe = fit_probe(vectors, labels, vocabulary, (np.arange(90), np.arange(90, 120)))
    scaler = StandardScaler().fit(vectors)
    standard, known = scaler.transform(vectors), ~np.isnan(labels[:, 0])
    tag = LogisticRegression(C=probe.strengths[0]).fit(standard[known], labels[known, 0].astype(int))
    level = Ridge(alpha=1 / probe.strengths[1]).fit(standard, labels[:, 1])
    np.testing.assert_allclose(probe.scores(vectors)[:, 0], tag.predict_proba(standard)[:, 1], atol=1e-3)
    np.testing.assert_allclose(probe.scores(vectors)[:, 1], level.predict(standard).clip(0, 1), atol=1e-9)


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 2), (1,)])
def test_exclusive_tags_share_a_softmax_also_where_some_never_occur_in_training(vectors, present):
    classes = np.random.default_rng(2).choice(present, 120)
    classes[100:] = 2
    labels = np.eye(3)[classes]
    probe = fit_probe(vectors, labels, Vocabulary(GROUP), (np.arange(60), np.arange(60, 100)))
    scores = probe.scores(vectors)
    assert [target.kind for target in probe.targets] == ["softmax"]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    absent = np.setdiff1d(range(3), present)
    assert (scores[:, absent] < 0.05).all()


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        ([1, 0, 0], ["softmax"]),
        ([np.nan, np.nan, np.nan], ["softmax"]),
        ([0, 0, 0], ["binary"] * 3),
        ([1, 1, 0], ["binary"] * 3),
    ],
)
def test_tags_share_a_softmax_only_if_every_song_has_exactly_one(row, kinds):
    labels = np.array([[1, 0, 0], [0, 1, 0], row], float)
    assert [target.kind for target in targets_of(labels, Vocabulary(GROUP))] == kinds


def test_tags_without_both_classes_and_without_labels_get_a_constant(vectors):
    labels = np.full((120, 3), np.nan)
    labels[:, 0], labels[:, 1] = 1, 0
    scores = fit_probe(
        vectors, labels, Vocabulary(["all", "none", "unknown"]), (np.arange(90), np.arange(90, 120))
    ).scores(vectors)
    np.testing.assert_allclose(scores, np.tile([120.5 / 121, 0.5 / 121, 0.5], (120, 1)))


def test_folds_share_no_group_and_each_has_all_classes():
    random = np.random.default_rng(0)
    groups = random.integers(0, 40, 200).astype(str)
    classes = np.array([int(group) % 3 for group in groups])
    folds = group_folds(np.eye(3)[classes], Vocabulary(GROUP), groups, 5, seed=0)
    assert sorted(np.concatenate(folds)) == list(range(200))
    members = [set(groups[fold]) for fold in folds]
    assert sum(map(len, members)) == len(set(groups))
    assert all(set(classes[fold]) == {0, 1, 2} for fold in folds)
    again = group_folds(np.eye(3)[classes], Vocabulary(GROUP), groups, 5, seed=0)
    assert all((one == other).all() for one, other in zip(folds, again, strict=True))


def test_mlps_are_those_of_scikit_learn_and_learn_what_lines_cannot(vectors, tmp_path):
    standard = StandardScaler().fit(vectors[:90]).transform(vectors)
    either = (standard[:, 0] > 0) ^ (standard[:, 1] > 0)
    genre = np.eye(3)[(standard[:, 0] > 0).astype(int) + (standard[:, 2] > 0)]
    labels = np.c_[either, genre, standard[:, 3].clip(-1, 1) ** 2]
    vocabulary = Vocabulary([Tag("either"), *GROUP, Tag("square", "regression")])
    inner = (np.arange(60), np.arange(60, 90))
    line, mlp = (fit_probe(vectors, labels, vocabulary, inner, head=head) for head in ("linear", "mlp"))
    tested = slice(90, None)
    right = [((probe.scores(vectors)[tested, 0] > 0.5) == either[tested]).mean() for probe in (line, mlp)]
    assert right[1] > max(0.75, right[0] + 0.1)
    errors = [((probe.scores(vectors)[tested, 4] - labels[tested, 4]) ** 2).mean() for probe in (line, mlp)]
    assert errors[1] < errors[0] / 2
    model = MLPClassifier((32,), alpha=1 / mlp.strengths[mlp.targets.index(Target((0,), "binary"))], solver="lbfgs",
                          max_iter=200, random_state=0).fit(standard[:90], either[:90])  # fmt: skip
    np.testing.assert_allclose(mlp.scores(vectors)[:, 0], model.predict_proba(standard)[:, 1], atol=1e-3)
    np.testing.assert_allclose(mlp.scores(vectors)[:, 1:4].sum(axis=1), 1)
    again = Probe.load(mlp.save(tmp_path / "probe.npz"))
    np.testing.assert_allclose(again.scores(vectors), mlp.scores(vectors), atol=1e-4)


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 2), (1,)])
def test_mlps_give_absent_classes_no_share(vectors, present):
    classes = np.random.default_rng(2).choice(present, 60)
    probe = fit_probe(
        vectors[:60], np.eye(3)[classes], Vocabulary(GROUP), (np.arange(40), np.arange(40, 60)), head="mlp"
    )
    scores = probe.scores(vectors)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores[:, np.setdiff1d(range(3), present)] < 0.05).all()


def test_the_command_fits_mlps_by_group_as_lines(songs, tmp_path, monkeypatch):
    monkeypatch.setattr(probe_models, "_MLP_STEPS", 8)
    arguments = ["probe", "mfcc", "--root", str(songs / "music"), "--labels", str(songs / "tags.csv"), "--workers", "1"]
    assert (
        main([*arguments, "--folds", "2", "--head", "mlp", "--clips", "12", "--quiet", "--output", str(tmp_path)]) == 0
    )
    record = read_record(tmp_path / "record.json")
    assert record["probe"]["head"] == "mlp" and record["name"].startswith("probe-mlp-mfcc")
    assert record["test"]["means"]["roc_auc"]["value"] > 0.6
    assert Probe.load(tmp_path / "probe.npz").hidden_weights is not None
    with pytest.raises(tagging.ConfigError, match="head"):
        tagging.probe("mfcc", "folder", head="mpl", root=songs / "music", labels=songs / "tags.csv")
    with pytest.raises(tagging.ConfigError, match="holds probe-mlp-mfcc"):  # and is not lost
        tagging.probe("mfcc", "folder", tmp_path, root=songs / "music", labels=songs / "tags.csv")


@pytest.mark.parametrize("own_splits", [False, True])
def test_the_command_measures_songs_of_other_artists_and_leaves_a_probe(songs, tmp_path, capsys, own_splits):
    arguments = ["probe", "mfcc", "--root", str(songs / "music"), "--labels", str(songs / "tags.csv"), "--workers", "1"]
    how = ["--own-splits"] if own_splits else ["--folds", "4"]
    assert main([*arguments, *how, "--quiet", "--output", str(tmp_path / "mfcc")]) == 0
    record = read_record(tmp_path / "mfcc" / "record.json")
    assert record["kind"] == "probe" and record["corpus"]["name"] == "folder"
    assert own_splits or record["test"]["num_songs"] == 39
    assert record["test"]["means"]["roc_auc"]["value"] > 0.8
    assert "roc_auc" in capsys.readouterr().out
    predictions = read_predictions(tmp_path / "mfcc" / "predictions-test.npz")
    assert len(predictions.scores) == record["test"]["num_songs"]
    probe = Probe.load(tmp_path / "mfcc" / "probe.npz")
    assert set(probe.thresholds) <= {"low", "high", "noisy"} and probe.thresholds
    with open(songs / "tags.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["noisy"] and row["path"] != "001.flac"][:10]
    right = 0
    for row in rows:
        try:
            right += (probe.tag(songs / "music" / row["path"])["noisy"] > probe.thresholds["noisy"]) == (
                row["noisy"] == "1"
            )
        except tagging.AudioError:
            right += 1
    assert right >= 8


def test_two_probes_are_compared_with_paired_intervals(songs, tmp_path, capsys):
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv"), "--quiet", "--workers", "1"]
    for seed in ("0", "1"):
        assert main(["probe", "mfcc", *source, "--seed", seed, "--output", str(tmp_path / seed)]) == 0
    assert main(["compare", str(tmp_path / "0"), str(tmp_path / "1")]) == 0
    out = capsys.readouterr().out
    assert "seed: 0 and 1" in out and "first minus second" in out
    assert main(["probe", "mfcc", *source, "--own-splits", "--output", str(tmp_path / "own")]) == 0
    assert main(["compare", str(tmp_path / "0"), str(tmp_path / "own")]) == 2
    assert "make the probe once more with --own-splits" in capsys.readouterr().err
    assert main(["tag", str(songs / "music" / "000.wav"), "--model", str(tmp_path / "0")]) == 2
    assert "a probe is none: `tagging finetune MODEL --body frozen`" in capsys.readouterr().err


def test_a_tagger_gives_mean_and_maximum_over_segments(songs, tmp_path):
    tagger = tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 0.2, width=0.1).eval()
    path = tagger.save(tmp_path / "old.safetensors")
    waveform, _ = tagging.load_audio(songs / "music" / "000.wav", 16000)
    segments = tagger.embed_waveform(waveform, 16000, per_segment=True)
    both, mean = (embedder(str(path), pooling) for pooling in ("mean-max", "mean"))
    assert len(segments) > 1 and both.size == 2 * mean.size and both.name != mean.name
    np.testing.assert_allclose(
        both.describe(waveform, 16000), np.r_[segments.mean(0), segments.max(0)], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(mean.describe(waveform, 16000), segments.mean(0), rtol=1e-5, atol=1e-6)
    record = tagging.probe(
        path, "folder", folds=2, workers=1, progress=False, root=songs / "music", labels=songs / "tags.csv"
    )
    assert record["probe"]["num_features"] == both.size


@pytest.mark.parametrize("damage", [b"", b"no archive", "weights", "format", "targets", "infinite"])
def test_a_damaged_probe_is_refused(vectors, tmp_path, damage):
    vocabulary = Vocabulary(["a"])
    labels = (vectors[:, :1] > 3).astype(float)
    path = fit_probe(vectors, labels, vocabulary, (np.arange(60), np.arange(60, 120))).save(tmp_path / "probe.npz")
    loaded = Probe.load(path)
    np.testing.assert_allclose(loaded.scores(vectors), loaded.scores(vectors.astype(np.float32)), atol=1e-5)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    if damage == "weights":
        arrays["weights"] = arrays["weights"][:-1]
    elif damage == "infinite":
        arrays["bias"] = arrays["bias"] * np.nan
    elif damage == "format":
        arrays["about"] = np.array(json.dumps(about | {"format": "x"}))
    elif damage == "targets":
        arrays["about"] = np.array(json.dumps(about | {"targets": []}))
    path.write_bytes(damage) if isinstance(damage, bytes) else np.savez(path, **arrays)
    with pytest.raises(tagging.CheckpointError, match="not a probe, or damaged"):
        Probe.load(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mfc"], "did you mean"),
        (["mfcc", "--folds", "900"], "900 folds need at least 900 groups"),
        (["mfcc", "--max-unreadable", "0"], "cannot be read"),
        (["mfcc", "--output", __file__], "is a file, not a folder"),
    ],
)
def test_what_cannot_be_probed_is_said(songs, capsys, arguments, message):
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv"), "--quiet", "--workers", "1"]
    assert main(["probe", *arguments, *source]) == 2
    assert message in capsys.readouterr().err
