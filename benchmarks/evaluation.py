"""How fast tags are evaluated: bootstrap intervals of every tag, against scikit-learn called once a tag and resample.

    python benchmarks/evaluation.py                 # writes tagging/book/runs/evaluation-speed.json

scikit-learn would take hours for all of it. It is timed on a few tags and resamples, and its time is scaled by their number,
which is fair to it: a call costs the same whatever came before. The same calls check that both give the same numbers.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time

import records
from timing import machine  # before NumPy: it sets the number of threads

# isort: split

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from tagging.evaluation.bootstrap import Resampling
from tagging.evaluation.evaluate import evaluate
from tagging.tags import REGRESSION, Tag, Vocabulary


def main() -> None:
    options = arguments()
    print(machine())
    vocabulary, labels, scores = songs(options)
    before = peak_memory()
    start = time.process_time()
    evaluation = evaluate(labels, scores, vocabulary, resamples=options.resamples, seed=options.seed)
    ours = time.process_time() - start
    memory = peak_memory() - before
    print(
        f"evaluate: {ours:.1f} s of one core, {ours / options.resamples * 1e3:.0f} ms a resample, {memory:.0f} MiB more"
    )

    resampling = Resampling(options.songs, resamples=options.resamples, seed=options.seed)
    chosen = np.linspace(0, options.tags - 1, options.reference_tags).astype(int)
    seconds, error = scikit_learn(labels, scores, resampling, chosen, options.reference_resamples, evaluation)
    a_resample = statistics.mean(seconds) * options.tags
    print(f"scikit-learn: {a_resample:.2f} s a resample, scaled from {len(seconds)} pairs of calls")
    ratio = a_resample / (ours / options.resamples)
    print(f"{ratio:.0f} times as fast; largest difference of one mean {error:.1e}")
    record = {
        "config": {name: value for name, value in vars(options).items() if name != "record"},
        "machine": machine(),
        "evaluate": {
            "core_seconds": round(ours, 2),
            "core_seconds_per_resample": round(ours / options.resamples, 5),
            "peak_memory_added_mib": round(memory),
        },
        "scikit_learn": {
            "pairs_of_calls": len(seconds),
            "core_seconds_per_pair": round(statistics.mean(seconds), 5),
            "core_seconds_per_resample_scaled": round(a_resample, 3),
            "scaled": f"mean over {len(chosen)} tags and {options.reference_resamples} resamples, times {options.tags} tags",
        },
        "times_as_fast": round(ratio, 1),
        "largest_difference": error,
    }
    records.write("evaluation-speed", record, options.record)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--tags", type=int, default=70, help="classification tags (default: %(default)s)")
    parser.add_argument("--attributes", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--reference-tags", type=int, default=4, help="for scikit-learn (default: %(default)s)")
    parser.add_argument("--reference-resamples", type=int, default=3, help="for scikit-learn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    return parser.parse_args()


def songs(options: argparse.Namespace) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
    """A vocabulary, and labels and scores float32 [songs, tags]: tags from 50 % of songs down to 0.1 %, scores that help."""
    random = np.random.default_rng(options.seed)
    shares = np.geomspace(0.5, 0.001, options.tags)
    labels = np.concatenate(
        [
            random.uniform(size=(options.songs, options.tags)) < shares,
            random.uniform(size=(options.songs, options.attributes)),
        ],
        axis=1,
        dtype=np.float32,
    )
    scores = 1 / (1 + np.exp(-labels - random.standard_normal(labels.shape, np.float32)))
    tags = [Tag(f"tag {n}") for n in range(options.tags)]
    attributes = [Tag(f"attribute {n}", kind=REGRESSION) for n in range(options.attributes)]
    return Vocabulary([*tags, *attributes]), labels, scores


def scikit_learn(labels, scores, resampling, chosen, count, evaluation) -> tuple[list[float], float]:
    """Core seconds of each pair of calls, one pair a tag and resample; how far the results are from ours at most."""
    seconds, error = [], 0.0
    chunks = resampling.chunks(count * resampling.num_songs)
    next(chunks)  # the songs themselves
    _, counts = next(chunks)
    for tag in chosen:
        y, x = labels[:, tag], scores[:, tag]
        for weights in counts[:count]:
            start = time.process_time()
            roc_auc_score(y, x, sample_weight=weights)
            average_precision_score(y, x, sample_weight=weights)
            seconds.append(time.process_time() - start)
        ours = evaluation.tags[tag]
        error = max(
            error,
            abs(ours.roc_auc.value - roc_auc_score(y, x)),
            abs(ours.pr_auc.value - average_precision_score(y, x)),
        )
    return seconds, error


def peak_memory() -> float:
    """Of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


if __name__ == "__main__":
    main()
