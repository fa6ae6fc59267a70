"""Settings of the boosted trees, tried on validation clips alone.

    python benchmarks/baseline_tuning.py           # adds to tagging/book/runs/baseline-tuning.json what is not there yet
    python benchmarks/baseline_tuning.py --clips 10000 --every 4 --only "share=0.3" "learning_rate=0.05, share=0.3"

The first 500 validation clips say how many trees each tag gets, as in a run; the next 500 judge the setting. The test split
is never looked at. Stop it whenever you like; finished trials are kept.
"""

from __future__ import annotations

import timing  # isort: skip  # noqa: F401  (sets the number of threads before numpy is imported)

import argparse
import dataclasses
import json
import time

import numpy as np
import records

import tagging
from tagging.baselines.features.descriptors import VERSION, feature_names
from tagging.baselines.features.extraction import Features, extract
from tagging.baselines.trees import TreeSettings, fit_trees
from tagging.book.runs import BUNDLED_RUNS
from tagging.evaluation.evaluate import evaluate

STOPPING, JUDGING = 500, 500
# a first guess, then changes of it: what is best becomes the defaults of TreeSettings
BASE = {"iterations": 300, "learning_rate": 0.1, "leaves": 15, "leaf_samples": 20, "share": 1.0, "bins": 64}
SLOWLY = {"learning_rate": 0.05, "iterations": 600}
THIRD = SLOWLY | {"share": 0.3}
CHOICES = {
    "as it is": {},
    "share=0.3": {"share": 0.3},
    "learning_rate=0.05": SLOWLY,
    "learning_rate=0.05, share=0.3": THIRD,
    "learning_rate=0.05, share=0.3, leaf_samples=5": THIRD | {"leaf_samples": 5},
    # fewer and larger trees, for runs of many clips: they cost less
    "learning_rate=0.05, share=0.3, leaves=31, iterations=300": THIRD | {"leaves": 31, "iterations": 300},
    "learning_rate=0.05, share=0.3, leaves=63, iterations=150": THIRD | {"leaves": 63, "iterations": 150},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000, help="of training (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=CHOICES, default=list(CHOICES), help="(default: all choices)")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th tag (default: all)")
    parser.add_argument("--workers", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    options = parser.parse_args()
    corpora = {split: tagging.open_corpus("sheet-music", split=split) for split in ("train", "validation")}
    tags = range(0, len(corpora["train"].vocabulary), options.every)
    vocabulary = tagging.Vocabulary([corpora["train"].vocabulary[tag] for tag in tags])
    train, stopping, judging = (
        only(extract(corpora[split], clips, workers=options.workers), tags)
        for split, clips in (
            ("train", range(options.clips)),
            ("validation", range(STOPPING)),
            ("validation", range(STOPPING, STOPPING + JUDGING)),
        )
    )
    about = {
        "corpus": {split: corpus.version for split, corpus in corpora.items()},
        "feature_version": VERSION,
        "features": len(feature_names()),
        "base": BASE,
        "clips": {"stopping": STOPPING, "judging": JUDGING},
    }
    for choice in options.only:
        changes = CHOICES[choice]
        trials = finished(about)
        asked = {"choice": choice, "clips": options.clips, "tags": len(tags)}
        if any(trial.items() >= asked.items() for trial in trials):
            continue
        start = time.process_time()
        trees = fit_trees(train, stopping, vocabulary, TreeSettings(**(BASE | changes)), workers=1)
        seconds = time.process_time() - start
        result = evaluate(
            judging.labels, trees.predict(judging.values), vocabulary, groups=judging.groups, resamples=200
        )
        trial = {
            **asked,
            "changes": changes,
            "core_seconds": round(seconds, 1),
            "trees": {"median": float(np.median(trees.iterations)), "most": int(trees.iterations.max())},
            "constant": trees.constant,
            "parts": {
                part: {metric: round(value.value, 5) for metric, value in means.items()}
                for part, means in result.parts.items()
            },
        }
        records.write("baseline-tuning", about | {"trials": [*finished(about), trial]}, options.record)
        print(
            f"{options.clips} clips, {len(tags)} tags, {choice}: {trial['parts']['all']}, {seconds:.0f} core-seconds",
            flush=True,
        )


def only(features: Features, tags: range) -> Features:
    """The same clips with some of their tags."""
    return dataclasses.replace(features, labels=features.labels[:, tags])


def finished(about: dict) -> list[dict]:
    """Trials of the record, where it is of the same clips, features and base."""
    path = BUNDLED_RUNS / "baseline-tuning.json"
    if not path.exists():
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    return record["trials"] if all(record.get(name) == value for name, value in about.items()) else []


if __name__ == "__main__":
    main()
