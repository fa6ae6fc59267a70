"""Cost of growing trees, and of binning the features each time scikit-learn does it, in seconds of one core.

    python benchmarks/baseline_trees.py                     # writes tagging/book/runs/baseline-trees.json

Random numbers replace the features: the time depends on their number, hardly on their values. The trees of a tag are fitted
in several calls; each call adds trees and bins the features again.
"""

from __future__ import annotations

import argparse
import statistics

import records
from timing import in_turn, machine  # before NumPy: it sets the number of threads

# isort: split

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from tagging.baselines.binning import Binning
from tagging.baselines.features.descriptors import feature_names

BINS, FEW, MANY = 64, 1, 26


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    options = parser.parse_args()
    measured = []
    for clips in options.clips:
        measured.append(costs(clips, options.rounds))
        print(", ".join(f"{name} {value}" for name, value in measured[-1].items()), flush=True)
    record = {"features": len(feature_names()), "bins": BINS, "rounds": options.rounds, "measured": measured}
    records.write("baseline-trees", record | {"machine": machine()}, options.record)


def costs(clips: int, rounds: int) -> dict[str, float]:
    """Seconds of one core, medians over rounds: of one tree, and of binning by each of two ways."""
    random = np.random.default_rng(0)
    values = random.standard_normal((clips, len(feature_names())), dtype=np.float32)
    labels = values[:, :5].sum(axis=1) + 2 * random.standard_normal(clips) > 2
    binning = Binning(values, BINS)
    binned = binning(values)
    same = fit(values, labels, FEW).predict_proba(values) == fit(binned, labels, FEW).predict_proba(binned)
    assert same.all(), "binned features give other trees"
    seconds = in_turn(
        {
            "binning once": lambda: Binning(values, BINS)(values),
            "few": lambda: fit(values, labels, FEW),
            "few, binned": lambda: fit(binned, labels, FEW),
            "many, binned": lambda: fit(binned, labels, MANY),
        },
        rounds,
    )
    median = {name: statistics.median(times) for name, times in seconds.items()}
    tree = (median["many, binned"] - median["few, binned"]) / (MANY - FEW)
    return {
        "clips": clips,
        "binning_once": round(median["binning once"], 3),
        "tree": round(tree, 4),
        "call": round(median["few"] - tree, 3),
        "call_with_binned_features": round(median["few, binned"] - tree, 3),
    }


def fit(values: np.ndarray, labels: np.ndarray, trees: int) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=0.05,
        max_leaf_nodes=15,
        max_features=0.3,
        max_bins=BINS,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(values, labels)


if __name__ == "__main__":
    main()
