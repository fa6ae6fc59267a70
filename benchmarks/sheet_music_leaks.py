"""What a split that ignores tune families would have measured.

    python benchmarks/sheet_music_leaks.py                        # writes tagging/book/runs/scores-leaks.json

Three measurements, each with compositions split at random and by family, five random splits:

1. near-duplicates: how many test compositions have one in training, by the families' own criterion and a looser one;
2. a tagger that hears nothing and only looks tunes up: the tags of the training tune that shares most 6-interval windows;
3. a small network on statistics of the log-mel spectrogram, the same number of clips in both splits.
"""

from __future__ import annotations

import timing  # noqa: F401  isort: skip  (sets the number of threads before numpy is imported)

import argparse

import numpy as np
import records
import torch
from sklearn.metrics import roc_auc_score

import tagging
from tagging.audio.mel import LogMel, MelSpec
from tagging.data.sheet_music.annotations import COMPOSITION_TAGS, UNKNOWN
from tagging.data.sheet_music.families import interval_grams, melody, near_duplicates
from tagging.data.sheet_music.library import ready_library

TRAIN, TEST = 0, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=5, help="random splits (default: %(default)s)")
    parser.add_argument("--audio-splits", type=int, default=2, help="of these, with sound (default: %(default)s)")
    parser.add_argument("--train-clips", type=int, default=6000, help="(default: %(default)s)")
    parser.add_argument("--test-clips", type=int, default=2000, help="(default: %(default)s)")
    options = parser.parse_args()
    library = ready_library()
    by_family = library.facts["split"]
    splits = {f"random {number}": random_split(by_family, number) for number in range(options.splits)}
    splits = {"family": by_family, **splits}

    melodies = [melody(library.piece_notes(piece).T) for piece in range(len(library))]
    strict = near_duplicates([interval_grams(line) for line in melodies])
    loose = near_duplicates([interval_grams(line, 10) for line in melodies], share=0.3)
    short = [interval_grams(line, 6) for line in melodies]
    results = {}
    for name, split in splits.items():
        results[name] = {
            "test_compositions": int((split == TEST).sum()),
            "with_near_duplicate": leaked(split, strict),
            "with_near_duplicate_looser": leaked(split, loose),
            "families_across": across(split, library.facts["family"]),
            "look_up_roc_auc": look_up(short, split, library.facts["score_tags"]),
        }
        if name == "family" or int(name.split()[1]) < options.audio_splits:
            results[name]["audio_roc_auc"] = listen(split, options)
        print(name, results[name], flush=True)
    records.write("scores-leaks", {"config": vars(options), "corpus": library.version, "splits": results})


def random_split(like, seed):
    """Compositions shuffled, in the same numbers as the family split."""
    return np.random.default_rng(seed).permutation(like)


def leaked(split, pairs):
    """How many test compositions have a near-duplicate in training."""
    with_duplicate = set()
    for a, b in pairs:
        for test, train in ((a, b), (b, a)):
            if split[test] == TEST and split[train] == TRAIN:
                with_duplicate.add(test)
    return len(with_duplicate)


def across(split, family):
    """How many families have compositions both in training and in test."""
    return len(set(family[split == TRAIN].tolist()) & set(family[split == TEST].tolist()))


def look_up(grams, split, tags):
    """Mean ROC-AUC of giving each test tune the tags of its nearest training tunes, by shared windows."""
    train, test = np.flatnonzero(split == TRAIN), np.flatnonzero(split == TEST)
    owners: dict[int, list[int]] = {}
    for row, piece in enumerate(train.tolist()):
        for gram in grams[piece].tolist():
            owners.setdefault(gram, []).append(row)
    labels = tags[train].astype(np.float64)
    prior = np.nanmean(np.where(labels == UNKNOWN, np.nan, labels), axis=0)
    scores = np.tile(prior, (len(test), 1))
    for row, piece in enumerate(test.tolist()):
        shared = np.zeros(len(train))
        for gram in grams[piece].tolist():
            holders = owners.get(gram, ())
            if 0 < len(holders) <= 200:
                shared[holders] += 1 / len(holders)
        weight = (shared / max(len(grams[piece]), 1)) ** 2
        known = labels != UNKNOWN
        near = np.flatnonzero(weight)
        if len(near):
            mass = (weight[near, None] * known[near]).sum(axis=0) + 1e-4
            scores[row] = ((weight[near, None] * known[near] * labels[near]).sum(axis=0) + 1e-4 * prior) / mass
    return mean_auc(tags[test], scores)


def mean_auc(labels, scores):
    values = []
    for tag in range(len(COMPOSITION_TAGS)):
        known = ~np.isin(labels[:, tag], [UNKNOWN]) & ~np.isnan(labels[:, tag])
        if len(np.unique(labels[known, tag])) == 2:
            values.append(roc_auc_score(labels[known, tag], scores[known, tag]))
    return float(np.mean(values))


def listen(split, options):
    """Mean ROC-AUC over score tags of a small network on log-mel statistics, two segments a clip."""
    parts = {}
    for name, number, clips in (("train", TRAIN, options.train_clips), ("test", TEST, options.test_clips)):
        corpus = tagging.open_corpus("sheet-music", split=name, clips=clips)
        corpus.pool = np.flatnonzero(split == number)  # sampled from when the first clip is read
        parts[name] = statistics_of(corpus, clips)
    features, labels = parts["train"]
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(features.shape[1], 256),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(256, labels.shape[1]),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    inputs = torch.from_numpy((features - centre) / scale)
    known, target = torch.from_numpy(~np.isnan(labels)), torch.from_numpy(np.nan_to_num(labels))
    for epoch in range(15):
        order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(64):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(inputs[rows]), target[rows], reduction="none"
            )
            optimizer.zero_grad()
            loss[known[rows]].mean().backward()
            optimizer.step()
    features, labels = parts["test"]
    network.eval()
    with torch.inference_mode():
        scores = network(torch.from_numpy((features - centre) / scale)).numpy()
    pairs = scores.reshape(-1, 2, scores.shape[1]).mean(axis=1)
    return mean_auc(labels[::2], pairs)


def statistics_of(corpus, clips):
    """Mean, deviation, mean step and maximum of each mel band, of two segments of each clip; the score tags."""
    log_mel = LogMel(MelSpec())
    features, labels = [], []
    for index in range(clips):
        for start in (2.0, 9.0):
            segment = corpus.segment(index, start, 3.0)
            picture = log_mel(torch.from_numpy(segment.audio.astype(np.float32) / 32768)[None])[0]
            step = picture.diff(dim=1).abs().mean(dim=1)
            features.append(torch.cat([picture.mean(dim=1), picture.std(dim=1), step, picture.amax(dim=1)]).numpy())
            labels.append(segment.labels[: len(COMPOSITION_TAGS)])
    return np.array(features), np.array(labels)


if __name__ == "__main__":
    main()
