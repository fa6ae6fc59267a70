"""Settings of the boosted trees, tried on validation clips alone.

    python benchmarks/baseline_tuning.py                     # adds to tagging/runs/baseline-tuning.json what is not there yet
    python benchmarks/baseline_tuning.py --clips 4000 --only "as it is"

The first 500 validation clips say how many trees each tag gets, as in a run; the next 500 judge the setting. The test split
is never looked at. Stop it whenever you like; finished trials are kept.
"""

from __future__ import annotations

import timing  # isort: skip  # noqa: F401  (sets the number of threads before numpy is imported)

import argparse
import json
import time

import numpy as np
import records

import tagging
from tagging.baseline.extraction import extract
from tagging.baseline.features import BLOCKS, VERSION, feature_names
from tagging.baseline.trees import TreeSettings, fit_trees
from tagging.evaluation import evaluate
from tagging.records import SHIPPED

STOPPING, JUDGING = 500, 500
# a first guess, then changes of it: what is best becomes the defaults of TreeSettings
BASE = {"iterations": 300, "learning_rate": 0.1, "leaves": 15, "leaf_samples": 20, "share": 1.0, "bins": 64}
SLOWLY = {"learning_rate": 0.05, "iterations": 600}
CHOICES = {
    "as it is": {},
    "learning_rate=0.05": SLOWLY,
    "learning_rate=0.05, share=0.3": SLOWLY | {"share": 0.3},
    "learning_rate=0.05, share=0.3, leaf_samples=5": SLOWLY | {"share": 0.3, "leaf_samples": 5},
    "learning_rate=0.05, share=0.3, leaves=7": SLOWLY | {"share": 0.3, "leaves": 7},
    "learning_rate=0.05, share=0.3, leaves=31": SLOWLY | {"share": 0.3, "leaves": 31},
    "learning_rate=0.05, share=0.1": SLOWLY | {"share": 0.1},
    "bins=255": {"bins": 255},
    # what each block of features brings
    **{f"without {block}": {"without": block} for block in BLOCKS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000, help="of training (default: %(default)s)")
    parser.add_argument("--only", default="", help="only choices whose name holds these words")
    parser.add_argument("--workers", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    options = parser.parse_args()
    corpora = {split: tagging.open_corpus("scores", split=split) for split in ("train", "validation")}
    train = extract(corpora["train"], range(options.clips), workers=options.workers)
    stopping = extract(corpora["validation"], range(STOPPING), workers=options.workers)
    judging = extract(corpora["validation"], range(STOPPING, STOPPING + JUDGING), workers=options.workers)
    vocabulary = corpora["train"].vocabulary
    about = {
        "corpus": {split: corpus.version for split, corpus in corpora.items()},
        "feature_version": VERSION,
        "features": len(feature_names()),
        "base": BASE,
        "clips": {"stopping": STOPPING, "judging": JUDGING},
    }
    for choice, changes in CHOICES.items():
        trials = finished(about)
        if options.only not in choice or any((t["choice"], t["clips"]) == (choice, options.clips) for t in trials):
            continue
        kept = np.array([not name.startswith(f"{changes.get('without')}.") for name in feature_names()])
        settings = BASE | {name: value for name, value in changes.items() if name != "without"}
        start = time.process_time()
        trees = fit_trees(only(train, kept), only(stopping, kept), vocabulary, TreeSettings(**settings), workers=1)
        seconds = time.process_time() - start
        result = evaluate(
            judging.labels, trees.predict(judging.values[:, kept]), vocabulary, groups=judging.groups, resamples=200
        )
        trial = {
            "choice": choice,
            "clips": options.clips,
            "changes": changes,
            "core_seconds": round(seconds, 1),
            "trees": {"median": float(np.median(trees.iterations)), "most": int(trees.iterations.max())},
            "constant": trees.constant,
            "parts": {
                part: {metric: round(value.value, 5) for metric, value in means.items()}
                for part, means in result.parts.items()
            },
        }
        records.write("baseline-tuning", about | {"trials": [*trials, trial]}, options.record)
        print(f"{options.clips} clips, {choice}: {trial['parts']['all']}, {seconds:.0f} core-seconds", flush=True)


def only(features, kept):
    """The same clips with some of their features."""
    return type(features)(features.values[:, kept], features.labels, features.groups, features.indices)


def finished(about: dict) -> list[dict]:
    """Trials of the record, where it is of the same clips, features and base."""
    path = SHIPPED / "baseline-tuning.json"
    if not path.exists():
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    return record["trials"] if all(record.get(name) == value for name, value in about.items()) else []


if __name__ == "__main__":
    main()
