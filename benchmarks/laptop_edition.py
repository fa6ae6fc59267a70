"""The laptop edition: every run whose record the book quotes, one after another.

    python benchmarks/laptop_edition.py --list                # what there is to do, and what is done
    python benchmarks/laptop_edition.py table waveform        # the runs of a study whose model's name holds this word

Stop it whenever you like: what is complete is skipped the next time, and what is not goes on from its last checkpoint.
On two cores, two of these beside each other, one with ``waveform`` and one with ``spectrogram``, are the fastest: a single
thread each (the threads of one training wait for each other).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tagging.predictions import ship_predictions
from tagging.records import SHIPPED, read_record

PAIR = ("waveform", "spectrogram")
FRONTENDS = ("waveform-frame-level", "waveform-frame-level-many-shapes", "spectrogram-vgg")
BACKENDS = ("attention", "recurrent", "fully-convolutional", "dense")


def train(models: str, clips: int, seed: int = 0, **settings: object) -> tuple[str, ...]:
    extras = [f"{name}={value}" for name, value in settings.items()]
    return (*models.split(), "--clips", str(clips), "--seed", str(seed), *(["--set", *extras] if extras else []))


# The order is that of importance: the middle of the curve first, then its ends, then what surrounds it.
STUDIES: dict[str, list[tuple[str, ...]]] = {
    "table": [
        *(train(model, clips) for clips in (10_000, 100_000, 1_000) for model in PAIR),
        *(train("mel-statistics", clips) for clips in (1_000, 10_000, 100_000)),
        *(train("gbt", clips) for clips in (1_000, 10_000)),
    ],
    "front-ends": [train(model, 10_000) for model in FRONTENDS],
    "back-ends": [train(f"spectrogram:{backend}", 10_000) for backend in BACKENDS],
    "compositions": [
        train(model, 10_000, **{"train_options.compositions": count}) for count in (1_000, 3_000) for model in PAIR
    ],
    # Tags predicted together, each on its own, and as exclusive groups; then other losses.
    "bias": [
        train("mel-statistics mel-statistics:per-tag mel-statistics:exclusive", 10_000),
        *(train("mel-statistics", 10_000, loss=loss) for loss in ("balanced", "focal")),
    ],
    "control": [train("spectrogram", 10_000, shuffled_labels="true")],
    "seeds": [train(model, clips, seed) for seed in (1, 2) for clips in (10_000, 1_000) for model in PAIR],
    # Budgets that grow with the data, so that each clip passes once, as in the table's 100,000; and as many updates on
    # fewer clips beside them, to tell what the data did from what the updates did. Many hours on two cores.
    "long": [
        train(model, clips, clips_seen=seen, validate_every=25_600)
        for clips, seen in ((500_000, 512_000), (100_000, 512_000), (1_000_000, 1_024_000))
        for model in PAIR
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=sorted(STUDIES), help="(default: all but long)")
    parser.add_argument("model", nargs="?", default="", help="only models whose name holds this word")
    parser.add_argument("--list", action="store_true", help="say what there is to do, and do nothing")
    parser.add_argument("--runs", default="runs", help="where the runs live (default: %(default)s)")
    options = parser.parse_args()
    studies = [options.study] if options.study else [name for name in STUDIES if name != "long"]
    for study in studies:
        for arguments in STUDIES[study]:
            if options.model not in arguments[0]:
                continue
            name = "-".join([study, *arguments]).replace(":", "+").replace("--", "").replace("=", "-").replace(" ", "-")
            done = any((Path(options.runs) / name).glob("*/record.json"))
            print(f"{'done' if done else 'to do':<6} tagging train {' '.join(arguments)}", flush=True)
            if not options.list and not done:
                command = [
                    sys.executable,
                    "-m",
                    "tagging.cli",
                    "train",
                    *arguments,
                    "--output",
                    str(Path(options.runs) / name),
                ]
                environment = {**os.environ, "OMP_NUM_THREADS": "1"}
                if subprocess.run(
                    [*command, "--records", str(SHIPPED), "--cpu"], env=environment, check=False
                ).returncode:
                    print(f"failed: tagging train {' '.join(arguments)}", file=sys.stderr, flush=True)
                for path in (Path(options.runs) / name).glob("*/record.json"):
                    ship_predictions(path.parent, read_record(path)["name"])


if __name__ == "__main__":
    main()
