"""How many songs with a tag a probe needs: 40 tags, more and more clips to fit on.

    python benchmarks/songs_per_tag.py    # writes tagging/book/runs/songs-per-tag.json

Probes on the vectors of a tagger of recordings and on MFCC statistics; neither was trained on clips of the corpus `sheet-music`.
Each seed draws other clips to fit on. The test clips are of other tunes, and always the same. The tags are the 40 that most
clips have, without those that the source decides.
"""

from __future__ import annotations

import timing  # noqa: F401  # isort: skip  (sets the number of threads before numpy is imported)

import argparse

import numpy as np
import records

import tagging
from tagging.baselines.features.extraction import Features, extract
from tagging.evaluation.metrics import roc_auc
from tagging.evaluation.stratified import StratifiedRanking
from tagging.tags import Vocabulary
from tagging.training.embedders import embedder
from tagging.training.group_folds import group_folds
from tagging.training.probe_models import fit_probe

EMBEDDERS = ("mfcc", "msd-musicnn")
SIZES, SEEDS = (100, 200, 400, 800, 1_600), range(3)
NUM_TAGS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2_000, help="to draw training clips from (default: %(default)s)")
    parser.add_argument("--test-clips", type=int, default=1_000, help="(default: %(default)s)")
    options = parser.parse_args()
    train = tagging.open_corpus("sheet-music", split="train", clips=options.clips)
    test = tagging.open_corpus("sheet-music", split="test")
    tested = np.arange(options.test_clips)
    columns = _columns(train)
    vocabulary = Vocabulary(train.vocabulary[column] for column in columns)
    sources = np.unique(test.strata(tested), return_inverse=True)[1]
    results = {}
    for name in EMBEDDERS:
        of = {"workers": 1, "descriptor": embedder(name)}
        fitted, judged = extract(train, np.arange(options.clips), **of), extract(test, tested, **of)
        labels = np.where(test.annotated(tested), judged.labels, np.nan)[:, columns]
        results[name] = {
            str(size): [_measured(fitted, judged, labels, sources, columns, vocabulary, size, seed) for seed in SEEDS]
            for size in SIZES
        }
        for size, seeds in results[name].items():
            mean = np.nanmean(np.array([seed["over_all_songs"] for seed in seeds], float))
            print(f"{name}, {size} clips: ROC-AUC {mean:.3f}", flush=True)
    counts = {"clips": options.clips, "test_clips": options.test_clips}
    records.write("songs-per-tag", {**counts, "tags": vocabulary.names, "embedders": results})


def _columns(corpus: tagging.Corpus) -> list[int]:
    """Of the most common tags, without those that the source decides."""
    labels = corpus.labels_of(np.arange(len(corpus)))
    usable = corpus.vocabulary.classification & (np.array([tag.source for tag in corpus.vocabulary]) != "collection")
    counts = np.where(usable, np.nansum(labels, axis=0), -1)
    return sorted(np.argsort(-counts, kind="stable")[:NUM_TAGS].tolist())


def _measured(
    fitted: Features, judged: Features, labels: np.ndarray, sources: np.ndarray, columns: list[int],
    vocabulary: Vocabulary, size: int, seed: int,
) -> dict[str, list[float | None]]:  # fmt: skip
    """Tag by tag: clips with it among those fitted, ROC-AUC over all songs and within sources."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(fitted.values))[:size])
    known = fitted.labels[:, columns]
    choosing = group_folds(np.nan_to_num(known[rows]), vocabulary, fitted.groups[rows], 4, seed)[0]
    inner = np.delete(rows, choosing), rows[choosing]
    scores = fit_probe(fitted.values, known, vocabulary, inner).scores(judged.values)
    groups, ones = np.unique(judged.groups, return_inverse=True)[1], np.ones((1, len(scores)), np.int64)
    within = []
    for tag in range(len(columns)):
        ranking = StratifiedRanking(labels[:, tag], scores[:, tag], sources, groups)
        within.append(ranking.areas(ones)[0][0] if ranking.num_strata else np.nan)
    return {
        "positives": (known[rows] == 1).sum(axis=0).tolist(),
        "over_all_songs": _numbers(roc_auc(judged.labels[:, columns], scores)),
        "within_sources": _numbers(np.array(within)),
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


if __name__ == "__main__":
    main()
