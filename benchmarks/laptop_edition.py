"""The laptop edition: every run whose record the book quotes, one after another.

    python benchmarks/laptop_edition.py --list                # what there is to do, and what is done
    python benchmarks/laptop_edition.py table waveform        # the runs of a study whose name holds this word
    python benchmarks/laptop_edition.py seeds 10k-s1 --again  # also those whose predictions were not kept

Stop it whenever you like: a run whose record ships with the package is skipped, and one that is under way goes on from its
last checkpoint, or with the tags that have no trees yet. With `--minutes` it leaves off by itself. A run of many hours can
change machines: `--keep` copies what a run that is under way goes on from into `benchmarks/under_way`, and a clone that
finds one there takes it up.

On two cores, two of these beside each other, one with ``waveform`` and one with ``spectrogram``, are the fastest: a single
thread each (the threads of one training wait for each other).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tagging.book.runs import BUNDLED_RUNS, list_predictions, ship_predictions
from tagging.pretrained.bundled import bundled_path
from tagging.training import Settings
from tagging.training.records import read_record
from tagging.training.run_names import run_name
from tagging.training.settings import setting_names
from tagging.utils.files import atomic_write
from tagging.utils.legacy import RUN_NAMES
from tagging.utils.text import short_count

UNDER_WAY = Path(__file__).with_name("under_way")
PAIR = ("waveform", "spectrogram")
FRONTENDS = ("waveform-frame-level", "waveform-frame-level-many-shapes", "spectrogram-vgg")
BACKENDS = ("attention", "recurrent", "fully-convolutional", "dense")
LOSSES = ("balanced", "focal")
# Memory of the size of a feature map is kept from step to step, and not handed back to the system and cleared again.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 26)}


def plan(models: str, clips: int, seed: int = 0, changes: Mapping[str, Any] | None = None) -> Settings:
    """A run of the laptop edition; ``changes`` by dotted names."""
    return Settings().override({"models": models.split(), "data.num_clips": clips, "seed": seed, **(changes or {})})


def of_compositions(count: int) -> dict[str, Any]:
    """Training clips of so many compositions only."""
    return {"data.train_options.compositions": count}


MASKED = {"data.mask_unannotated": True}
# One change at a time. The paper's temporal filters last 0.26 to 2.6 s; with twice the hop so do half as many frames.
TEMPORAL_IN_SECONDS = {"model.frontend_options.temporal": [[82, 16], [64, 32], [32, 64], [16, 128]]}
SIX_LAYERS = {"model.frontend_options.filters": [64, 64, 64, 128, 128, 256]}  # 46 ms a frame instead of 137
# Four poolings in frequency alone leave 23 frames of 3 s, instead of one
TIME_IN_VGG = {"model.frontend_options.pools": [[[2, 2], [2, 2]]] * 2 + [[[2, 1], [2, 1]]] * 2 + [[[4, 1], [4, 1]]]}


def pooled(frames: int) -> dict[str, Any]:
    """Frames pooled before the back-end: to 128 ms, as long as those of the sample-level front-end."""
    return {"model.backend_options.pool_input": frames}


def rate(value: float) -> dict[str, Any]:
    """Another learning rate."""
    return {"optimization.learning_rate": value}


def seconds(value: float, segments: int) -> dict[str, Any]:
    """Longer segments, of which as few cover a clip; as many updates."""
    return {"model.segment_seconds": value, "evaluation.segments_per_clip": segments}


def in_three_seeds(model: str, clips: int, changes: Mapping[str, Any]) -> list[Settings]:
    """The same run from three seeds: fewer allow no verdict."""
    return [plan(model, clips, seed, changes) for seed in (0, 1, 2)]


def long(model: str, clips: int, segments: int, changes: Mapping[str, Any] | None = None) -> Settings:
    """A run of hours, validated every 25,600 segments."""
    budget = {"optimization.num_training_segments": segments, "evaluation.validation_interval": 25_600}
    return plan(model, clips, changes={**budget, **(changes or {})})


# The order is that of importance: the middle of the curve first, then its ends, then what surrounds it.
STUDIES: dict[str, list[Settings]] = {
    # Does it help within collections to learn a tag only where it is annotated? Against the same runs with all labels.
    "masked-labels": [
        run for model in ("mel-statistics", "spectrogram") for run in in_three_seeds(model, 10_000, MASKED)
    ],
    "table": [
        *(plan(model, clips) for clips in (10_000, 100_000, 1_000) for model in PAIR),
        *(plan("mel-statistics", clips) for clips in (1_000, 100_000)),
        *(plan("gbt", clips) for clips in (1_000, 10_000)),
        # Half as many trees of twice the leaves: the usual ones would take two cores more than two hours.
        plan("gbt", 100_000, changes={"model.tree_options": {"leaves": 31, "iterations": 300}}),
    ],
    "front-ends": [plan(model, 10_000) for model in FRONTENDS],
    "back-ends": [plan(f"spectrogram:{backend}", 10_000) for backend in BACKENDS],
    # Tags predicted together, each on its own, and as exclusive groups; then other losses.
    "bias": [
        plan("mel-statistics mel-statistics:per-tag mel-statistics:exclusive", 10_000),
        *(plan("mel-statistics", 10_000, changes={"optimization.loss": loss}) for loss in LOSSES),
    ],
    "control": [
        plan(model, 10_000, changes={"data.shuffle_labels": True}) for model in ("mel-statistics", "spectrogram")
    ],
    "compositions": [plan(model, 10_000, changes=of_compositions(count)) for count in (1_000, 3_000) for model in PAIR],
    "seeds": [
        *(plan("mel-statistics", clips, seed) for clips in (1_000, 10_000, 100_000) for seed in (1, 2)),
        *(plan(model, clips, seed) for seed in (1, 2) for clips in (10_000, 100_000, 1_000) for model in PAIR),
        *(plan("gbt", clips, seed) for clips in (1_000, 10_000) for seed in (1, 2)),
    ],
    "seeds-of-parts": [
        *(plan(f"spectrogram:{backend}", 10_000, seed) for seed in (1, 2) for backend in BACKENDS),
        *(plan(model, 10_000, seed) for seed in (1, 2) for model in FRONTENDS),
    ],
    "seeds-of-compositions": [
        plan(model, 10_000, seed, of_compositions(count))
        for seed in (1, 2)
        for count in (1_000, 3_000)
        for model in PAIR
    ],
    "seeds-of-bias": [
        *(plan("mel-statistics:per-tag mel-statistics:exclusive", 10_000, seed) for seed in (1, 2)),
        *(plan("mel-statistics", 10_000, seed, {"optimization.loss": loss}) for seed in (1, 2) for loss in LOSSES),
    ],
    # Heads of equal size: 4 hidden units for each tag are as many parameters as the shared layer of the linear head.
    "heads": in_three_seeds("mel-statistics:per-tag", 10_000, {"model.head_options": {"hidden": 4}}),
    # What differs between the front-ends beside themselves: how long a frame is, and how much time the back-end sees.
    "frames": [
        *in_three_seeds("spectrogram", 10_000, TEMPORAL_IN_SECONDS),
        *in_three_seeds("spectrogram", 10_000, pooled(4)),
        *in_three_seeds("waveform", 10_000, SIX_LAYERS),
        *in_three_seeds("waveform-frame-level-many-shapes", 10_000, pooled(8)),
        *in_three_seeds("spectrogram-vgg", 10_000, TIME_IN_VGG),
    ],
    # Trees that hear as much as networks do: one segment of 3 s at a time, and the mean over five.
    "trees": [plan("gbt", 10_000, seed, {"model.tree_options": {"segments": True}}) for seed in (0, 1, 2)],
    # The rates of the recipe were compared in 400 updates; these have 3,200. Seeds of a better one follow by name.
    "rates": [
        *(plan("waveform", 10_000, changes=rate(value)) for value in (4e-3, 1.6e-2, 3.2e-2)),
        plan("waveform", 10_000, changes={**rate(1.6e-2), "optimization.warmup_ratio": 0.0}),
        *(plan("spectrogram", 10_000, changes=rate(value)) for value in (4e-3, 1.6e-2)),
    ],
    # 3 s are in the table; twice and five times the computation.
    "lengths": [
        run
        for value, count in ((6.0, 3), (15.0, 1))
        for run in in_three_seeds("spectrogram", 10_000, seconds(value, count))
    ],
    # Budgets that grow with the data, so that each clip passes once, as in the table's 100,000; and as many updates on
    # fewer clips beside them, to tell what the data did from what the updates did. Many hours on two cores.
    "long": [
        *(
            long(model, clips, segments)
            for clips, segments in ((500_000, 512_000), (1_000_000, 1_024_000))
            for model in PAIR
        ),
        *(long(model, 100_000, 512_000) for model in (*PAIR, "mel-statistics")),
        *(long(model, 10_000, 512_000) for model in ("spectrogram", "waveform")),
        long("spectrogram", 100_000, 512_000, of_compositions(1_000)),
        *(long(model, 100_000, 1_024_000) for model in ("spectrogram", "waveform")),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "study", nargs="?", choices=sorted(STUDIES), help="(default: all; long only if it is asked for)"
    )
    parser.add_argument("name", nargs="?", default="", help="only runs whose name holds this word")
    parser.add_argument("--again", action="store_true", help="also runs with a record, but without predictions")
    parser.add_argument("--list", action="store_true", help="say what there is to do, and do nothing")
    parser.add_argument("--keep", action="store_true", help="keep what is under way in benchmarks/under_way")
    parser.add_argument("--minutes", type=float, help="leave off after so long")
    parser.add_argument("--runs", default="runs", help="where the runs live (default: %(default)s)")
    options = parser.parse_args()
    runs, minutes = Path(options.runs), float("inf") if options.minutes is None else options.minutes
    until = time.monotonic() + 60 * minutes
    # what takes many hours is only begun when it is asked for, but kept in any case
    studies = [options.study] if options.study else [name for name in STUDIES if options.keep or name != "long"]
    failed = []
    for settings in (settings for study in studies for settings in STUDIES[study]):
        if not any(options.name in name for name in names_of(settings)):
            continue
        done = is_shipped(settings)
        has_all = done and has_predictions(settings)
        state = "done" if has_all else "no predictions" if done else "to do"
        print(f"{state:<14} {command_of(settings)}", flush=True)
        done = has_all if options.again else done
        if options.keep:
            keep(settings, runs)
        if options.keep or options.list or done:
            continue
        if (left := until - time.monotonic()) > 0 and not train(settings, runs, left):
            failed.append(command_of(settings))
    if failed:
        raise SystemExit("\n".join(["failed:", *failed]))


def command_of(settings: Settings) -> str:
    """The shell command that asks for a run of the laptop edition."""
    usual, wanted = Settings().to_dict(), settings.to_dict()
    changes = []
    for name in setting_names():
        table, _, last = name.rpartition(".")
        before, value = (tables[table][last] if table else tables[last] for tables in (usual, wanted))
        if table and value != before:
            changes.append(f"{name}={value if isinstance(value, str) else toml(value)}")
    arguments = ["tagging", "train", *settings.models, *(["--seed", str(settings.seed)] if settings.seed else [])]
    return shlex.join([*arguments, *(["--set", *changes] if changes else [])])


def toml(value: Any) -> str:
    """A value as TOML writes it; tables in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def names_of(settings: Settings) -> list[str]:
    """The names of the records of a run, one for each model."""
    names = [run_name(settings, model) for model in settings.models]
    return [RUN_NAMES.get(name, name) for name in names]


def folder_of(settings: Settings, runs: Path) -> Path:
    return runs / "+".join(names_of(settings))


def is_shipped(settings: Settings) -> bool:
    """Whether there is a record of each model, of a run with these very settings; how it was computed does not count."""
    for name in names_of(settings):
        if not (path := BUNDLED_RUNS / f"{name}.json").exists():
            return False
        existing = Settings.from_dict(read_record(path)["settings"])
        if replace(existing, models=settings.models, runtime=settings.runtime) != settings:
            return False
    return True


def has_predictions(settings: Settings) -> bool:
    """Whether the predictions of each model were kept, as they are for every run by now."""
    return set(names_of(settings)) <= set(list_predictions())


def newest_state(folder: Path) -> str:
    """The name of the newest state of a run, which says its update; empty where there is none."""
    return max((path.name for path in folder.glob("state-*.safetensors")), default="")


def carry(folder: Path, target: Path) -> list[Path]:
    """Copy what a run goes on from into another of its folders: its newest state, if it is newer than what is there; of trees,
    the tags that are not there. Returns the copies."""
    state = [folder / newest_state(folder)] if newest_state(folder) > newest_state(target) else []
    tags = [path for path in folder.glob("gbt/tags-*/*.npz") if not (target / path.relative_to(folder)).exists()]
    copies = []
    for path in (*state, *tags):
        copy = target / path.relative_to(folder)
        with atomic_write(copy) as part:
            shutil.copyfile(path, part)
        copies.append(copy)
    if copies:
        shutil.copyfile(folder / "settings.json", target / "settings.json")
    return copies


def take_up(settings: Settings, runs: Path) -> None:
    """Copy what was kept of a run to where runs live, unless it has come as far there."""
    carry(folder_of(settings, UNDER_WAY), folder_of(settings, runs))


def keep(settings: Settings, runs: Path) -> None:
    """Copy what a run that is under way goes on from to where a clone finds it."""
    target = folder_of(settings, UNDER_WAY)
    if is_shipped(settings) or not (copies := carry(folder_of(settings, runs), target)):
        return
    for old in sorted(target.glob("state-*.safetensors"))[:-1]:
        old.unlink()
    print(f"       kept: {', '.join(str(copy.relative_to(UNDER_WAY)) for copy in copies)}", flush=True)


def train(settings: Settings, runs: Path, seconds: float) -> bool:
    """Train in a process of its own, with one thread, and ship what comes of it; whether all went well."""
    folder = folder_of(settings, runs)
    take_up(settings, runs)
    command = [
        sys.executable,
        "-m",
        "tagging.cli",
        *shlex.split(command_of(settings))[1:],
        "--output",
        str(folder),
        "--cpu",
    ]
    limit = None
    if seconds < float("inf"):
        if "gbt" in settings.models:
            limit = seconds  # trees do not look at the clock, and keep what they have
        else:
            command += ["--minutes", f"{seconds / 60:.2f}"]
    environment = {**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": "1"}
    try:
        code = subprocess.run(command, env=environment, timeout=limit, check=False).returncode
    except subprocess.TimeoutExpired:
        raise SystemExit(f"left off: {command_of(settings)}") from None
    if code < 0 or code == 130:  # by a signal, or Ctrl-C
        raise SystemExit(f"stopped: {command_of(settings)}")
    for path in folder.glob("*/record.json"):
        name = read_record(path)["name"]
        ship_predictions(path.parent, name)
        ship_weights(path.parent, settings)
        shutil.copyfile(path, BUNDLED_RUNS / f"{name}.json")  # last: where there is a record, all is there
    if is_shipped(settings):
        shutil.rmtree(folder_of(settings, UNDER_WAY), ignore_errors=True)
    return not code


def ship_weights(folder: Path, settings: Settings) -> None:
    """Copy the weights of the poster's pair with 100,000 clips and more, each clip trained on once, first seed."""
    num_clips = settings.data.num_clips or 0
    if (
        settings.seed == 0
        and folder.name in PAIR
        and num_clips >= 100_000
        and settings.optimization.num_training_segments // num_clips == 1
    ):
        name = f"{settings.edition}-{folder.name}-{short_count(num_clips)}"
        shutil.copyfile(folder / "tagger.safetensors", bundled_path(name))


if __name__ == "__main__":
    main()
