"""Few labelled clips of real instruments: probes, fine-tuning and training from scratch, on a part of Medley-solos-DB.

    python benchmarks/medley_solos.py get FOLDER       # 87 MB from public copies at one commit; makes FOLDER/labels.csv
    python benchmarks/medley_solos.py measure FOLDER   # 6 CPU minutes; writes tagging/book/runs/medley-solos.json

244 clips of 3 s from 67 recordings, eight instruments. Each seed takes a third of the recordings for the test; 48 or all of the
other clips train and validate, instrument by instrument in turn. The clips are not part of this project; what is fetched is
compared with one hash over all files.

Lostanlen and Cella: Deep convolutional networks on the pitch spiral for musical instrument recognition. ISMIR 2016 (CC BY 4.0).
"""

from __future__ import annotations

import timing  # noqa: F401  # isort: skip  (sets the number of threads before numpy is imported)

import argparse
import csv
import hashlib
import io
import itertools
import json
import re
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import records

import tagging
from tagging.book.runs import BUNDLED_RUNS
from tagging.data.store_writer import write_store
from tagging.evaluation.predictions import Predictions, read_predictions
from tagging.tags import Tag, Vocabulary
from tagging.training.defaults import settings_for
from tagging.training.group_folds import group_folds
from tagging.utils.files import atomic_write

TREE = "https://api.github.com/repos/{repository}/git/trees/{commit}?recursive=1"
FILE = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
# Each holds some of the clips: repository, commit, folder of the clips, ending.
COPIES = (
    ("candyartemis/Final-Project-Group1", "e7f676e8dd5c52cc6cd4f0fc315d1c75d5506d4a", "Code/Medley-solos-DB/", ".wav"),
    ("koerthawkins/neuroment2", "3ba5f8249ecafb20704f8256617273f1e67723f0", "data/medley-solos-db-small/", ".flac"),
)
METADATA = "Code/Medley-solos-DB_metadata.csv"
# SHA-256 over the lines "<sha256> <name>" of all clips, sorted
CONTENT = "22362d252a37d9da6897003470bf12df04baf81a34bbd38afbc87851cf474994"
PRETRAINED = "laptop-spectrogram-1M"
PROBED = ("mfcc", PRETRAINED, "msd-musicnn")
SIZES, SEEDS = ("48", "all"), range(3)
RECORD = BUNDLED_RUNS / "medley-solos.json"
# To train on. Those of a frozen body cost little.
NUM_SEGMENTS = {"frozen": 6400, "whole": 1600, "scratch": 1600}


def get(folder: Path) -> None:
    """Fetch the clips that are missing, compare all with the hash, and make the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = csv.DictReader(io.StringIO(_fetch(FILE, COPIES[0], path=METADATA).decode("utf-8-sig")))
    about = {row["uuid4"]: row for row in rows}
    clips: dict[str, str] = {}
    for copy in COPIES:
        tree = json.loads(_fetch(TREE, copy))["tree"]
        for path in sorted(entry["path"] for entry in tree):
            match = re.search(r"_(\w+-\d)_([0-9a-f-]{36})", path)
            if match and path.startswith(copy[2]) and path.endswith(copy[3]) and match[2] not in clips:
                clips[match[2]] = name = f"Medley-solos-DB_{match[1]}_{match[2]}{copy[3]}"
                if not (folder / name).exists():
                    with atomic_write(folder / name) as part:
                        part.write_bytes(_fetch(FILE, copy, path=path))
    lines = sorted(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()} {name}\n" for name in clips.values())
    if (content := hashlib.sha256("".join(lines).encode()).hexdigest()) != CONTENT:
        raise SystemExit(f"the files have the hash {content}, not {CONTENT}: delete {folder} and fetch them again")
    with atomic_write(folder / "labels.csv") as part, open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "instrument", "recording"])
        for clip, name in sorted(clips.items(), key=lambda item: item[1]):
            row = about[clip]
            table.writerow([name, row["instrument"], f"{row['instrument']} {row['subset']} {row['track_id']}"])
    print(f"{folder / 'labels.csv'}: {len(clips)} clips")


def _fetch(address: str, copy: tuple[str, str, str, str], **more: str) -> bytes:
    with urlopen(address.format(repository=copy[0], commit=copy[1], **more), timeout=60) as answer:
        return answer.read()


def measure(folder: Path) -> None:
    """Each way with each number of clips and each seed; the record is written after each number, and what it has is kept."""
    with open(folder / "labels.csv", encoding="utf-8", newline="") as file:
        clips = list(csv.DictReader(file))
    names = sorted({clip["instrument"] for clip in clips})
    vocabulary = Vocabulary(Tag(name, exclusive_group="instrument") for name in names)
    labels = np.array([[clip["instrument"] == name for name in names] for clip in clips], np.float32)
    recordings = np.array([clip["recording"] for clip in clips])
    columns = {"tags": "instrument", "group": "recording"}
    write_store("folder", root=str(folder), labels=str(folder / "labels.csv"), progress=False, **columns)
    about = {
        "commits": {copy[0]: copy[1] for copy in COPIES}, "content": CONTENT, "pretrained": PRETRAINED, "segments": NUM_SEGMENTS,
    }  # fmt: skip
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    is_same = all(before.get(name) == value for name, value in about.items())
    results: dict[str, dict[str, list[dict[str, float]]]] = before["ways"] if is_same else {}
    for seed, size in itertools.product(SEEDS, SIZES):
        if results and all(len(of_way.get(size, ())) > seed for of_way in results.values()):
            continue
        test = group_folds(labels, vocabulary, recordings, 3, seed)[0]
        chosen = _in_turn(np.setdiff1d(np.arange(len(clips)), test), labels, seed)
        chosen = chosen if size == "all" else chosen[: int(size)]
        validation = chosen[group_folds(labels[chosen], vocabulary, recordings[chosen], 4, seed)[0]]
        splits = {
            **dict.fromkeys(chosen, "train"),
            **dict.fromkeys(validation, "validation"),
            **dict.fromkeys(test, "test"),
        }
        with tempfile.TemporaryDirectory() as runs:
            table = Path(runs, "labels.csv")
            rows = [
                f"{clip['path']},{clip['instrument']},{clip['recording']},{splits.get(row, '')}"
                for row, clip in enumerate(clips)
            ]
            table.write_text("\n".join(["path,instrument,recording,split", *rows]))
            options = {"root": str(folder), "labels": str(table), **columns}
            for way, predictions, seconds in _ways(Path(runs), options, seed):
                values = {**_scores(predictions), "cpu_seconds": round(seconds, 1)}
                results.setdefault(way, {}).setdefault(size, []).append(values)
                print(f"seed {seed}, {size} clips, {way}: {values}", flush=True)
        records.write("medley-solos", {**about, "ways": results})


def _in_turn(rows: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Clips in random order, one of each instrument in turn: the first ones are as balanced as can be."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    kinds = labels[shuffled].argmax(axis=1)
    turns = np.array([(kinds[:position] == kind).sum() for position, kind in enumerate(kinds)])
    return shuffled[np.argsort(turns, kind="stable")]


def _ways(runs: Path, options: dict[str, str], seed: int):  # type: ignore[no-untyped-def]
    """Name of each way, its test predictions, and the CPU seconds it took."""
    for name in PROBED:
        start = time.process_time()
        record = tagging.probe(name, "folder", runs / name, folds=None, seed=seed, workers=1, progress=False, **options)
        assert record["settings"]["seed"] == seed
        yield f"probe of {name}", read_predictions(runs / name / "predictions-test.npz"), time.process_time() - start
    for way, segments in NUM_SEGMENTS.items():
        changes = {
            "seed": seed, "optimization.num_training_segments": segments, "evaluation.validation_interval": segments // 5,
            "evaluation.segments_per_clip": 1, "evaluation.num_resamples": 10, "runtime.num_workers": 0,
        }  # fmt: skip
        start = time.process_time()
        if way == "scratch":
            tagging.train(
                settings_for("folder", models=["spectrogram"], settings=changes, **options), runs / way, cpu_only=True,
                progress=False,
            )  # fmt: skip
        else:
            tagging.finetune(
                PRETRAINED, "folder", runs / way, body=way, settings=changes, cpu_only=True, progress=False, **options
            )
        (path,) = (runs / way).glob("*/predictions-test.npz")
        yield way, read_predictions(path), time.process_time() - start


def _scores(predictions: Predictions) -> dict[str, float]:
    """Mean ROC-AUC of the instruments, accuracy, and mean recall of the instruments."""
    assert predictions.labels is not None
    classes, best = predictions.labels.argmax(axis=1), predictions.scores.argmax(axis=1)
    areas = tagging.evaluate(predictions.labels, predictions.scores, predictions.vocabulary, resamples=1).means[
        "roc_auc"
    ]
    recalls = [float((best[classes == kind] == kind).mean()) for kind in np.unique(classes)]
    return {
        "roc_auc": round(float(areas.value), 4),
        "accuracy": round(float((classes == best).mean()), 4),
        "mean_recall": round(float(np.mean(recalls)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("get", "measure"))
    parser.add_argument("folder", type=Path, help="of the clips")
    options = parser.parse_args()
    get(options.folder) if options.action == "get" else measure(options.folder)


if __name__ == "__main__":
    main()
