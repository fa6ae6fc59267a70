"""What each choice of the laptop edition's recipe does, on the validation split alone.

    python benchmarks/recipe.py                      # adds to tagging/book/runs/recipe.json what is not there yet
    python benchmarks/recipe.py --only spectrogram

One choice is changed at a time, in runs of 400 updates: long enough to tell choices apart, short enough to try many. The
small network on mel statistics is tried with the whole budget of the table. Scores on the test split are never looked at.
Stop it whenever you like; finished trials are kept.
"""

from __future__ import annotations

import timing  # isort: skip  # noqa: F401  (sets the number of threads before numpy is imported)

import argparse
import re
from dataclasses import replace
from pathlib import Path

import records
import torch

from tagging.book.runs import BUNDLED_RUNS
from tagging.training import Settings, edition, train
from tagging.training.records import read_record

CLIPS, SEGMENTS, INTERVAL = "data.num_clips", "optimization.num_training_segments", "evaluation.validation_interval"
RATE = "optimization.learning_rate"
BASE = edition("laptop").override(
    {
        CLIPS: 16_000,
        SEGMENTS: 12_800,
        INTERVAL: 12_800,
        "evaluation.num_test_clips": 100,  # a run tests its models, and refuses clips on which no metric is defined
        "evaluation.segments_per_clip": 5,
        "evaluation.num_resamples": 1,
    }
)
REPEATED = {CLIPS: 1_000, SEGMENTS: 25_600, INTERVAL: 25_600}
TABLE = {CLIPS: 10_000, SEGMENTS: 102_400, INTERVAL: 10_240}
# what the laptop edition has, then one change each
CHOICES = {
    "as it is": {},
    "seed=1": {"seed": 1},
    "seed=2": {"seed": 2},
    "dropout=0.1": {"model.dropout": 0.1},
    "dropout=0.5": {"model.dropout": 0.5},
    "outputs start at 0.5": {"model.init_bias_from_prior": False},
    "learning_rate=0.002": {RATE: 2e-3},
    "learning_rate=0.004": {RATE: 4e-3},
    "learning_rate=0.016": {RATE: 16e-3},
    "no warm-up": {"optimization.warmup_ratio": 0.0},
    "norm_momentum=0.01": {"model.norm_momentum": 0.01},
    "batch=16": {"optimization.batch_size": 16, RATE: 4e-3},
    "twice the budget": {SEGMENTS: 25_600, INTERVAL: 25_600},
    "PyTorch's own layout": {"runtime.cpu_acceleration": False},
    "paper's spectrogram (512, 256)": {"model.frontend_options.mel": {"n_fft": 512, "hop_length": 256}},
    # where clips come back, dropout has something to work against
    "1,000 clips, 26 times": REPEATED,
    "1,000 clips, 26 times, dropout=0.25": {**REPEATED, "model.dropout": 0.25},
}
WHOLE = {
    f"10,000 clips, 10 times, learning_rate={rate}": {**TABLE, RATE: rate} for rate in (0.001, 0.002, 0.004, 0.008)
}
WAVEFORM = [
    "as it is", "PyTorch's own layout", "learning_rate=0.004", "learning_rate=0.016", "dropout=0.1", "no warm-up",
    "outputs start at 0.5", "batch=16",
]  # fmt: skip
TRIALS = [("spectrogram", choice) for choice in CHOICES if choice != "PyTorch's own layout"]
TRIALS += [("waveform", choice) for choice in WAVEFORM]
TRIALS += [("mel-statistics", choice) for choice in WHOLE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only models whose name holds this word")
    parser.add_argument("--runs", default="runs/recipe", help="where the runs live (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for model, choice in TRIALS:
        if options.only not in model or any(trial["model"] == model and trial["choice"] == choice for trial in done()):
            continue
        changes = (CHOICES | WHOLE)[choice]
        settings = BASE.override({"models": [model], **changes})
        (run,) = train(settings, Path(options.runs) / re.sub(r"[^\w.=]+", "-", f"{model} {choice}"), cpu_only=True)
        trial = {
            "model": model,
            "choice": choice,
            "changes": changes,
            "num_steps": run["num_steps"],
            "loss": run["history"][-1]["loss"],
            "validation": run["history"][-1]["validation"],
            # trials are made one by one, on whatever machine there is
            **{name: run[name] for name in ("segments_per_second", "device", "commit", "date")},
        }
        # whatever it was called with: the record is of all trials
        command = "python benchmarks/recipe.py"
        records.write("recipe", {"command": command, "base": BASE.to_dict(), "trials": [*done(), trial]})
        print(f"{model}, {choice}: {trial['validation']}", flush=True)


def done() -> list[dict]:
    """Trials of the record, where it is of the same base."""
    path = BUNDLED_RUNS / "recipe.json"
    if not path.exists():
        return []
    record = read_record(path)
    # how fast the base is computed, and how it is tested, is not what a trial is about
    existing = replace(Settings.from_dict(record["base"]), runtime=BASE.runtime)
    existing = existing.override({"evaluation.num_test_clips": BASE.evaluation.num_test_clips})
    return record["trials"] if existing == BASE else []


if __name__ == "__main__":
    main()
