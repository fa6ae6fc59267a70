"""Damage caches, predictions, settings and records bit by bit, and count what comes of it.

Each kind of file is written as the package writes it, changed, and read as the package reads it. What may come of a change:

- right: the result is the same; the change was noticed and the file made again, or the bit carries no information
- refused: a TaggingError
- silent: another result, and nothing was said
- raw: any other exception

Goal: 0 silent, 0 raw. ``--old`` attacks files without a checksum, as earlier versions wrote them: there a changed number of a
``.npy`` file and of a record cannot be noticed.

    python benchmarks/attack_caches.py [--flips 500] [--old] [--only features ranks]
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import inspect
import json
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from tagging.baselines.features import extraction
from tagging.book.runs import BUNDLED_RUNS
from tagging.data.base import Corpus, Track
from tagging.data.sheet_music import corpus as sheet_music
from tagging.data.sheet_music import library, note_bank
from tagging.errors import TaggingError
from tagging.evaluation.predictions import Predictions, read_predictions, write_predictions
from tagging.tags import Tag, Vocabulary
from tagging.training import tree_run
from tagging.training.records import read_record, read_training_records, write_record
from tagging.training.results_table import text_table
from tagging.training.run_directory import check_same_run, create_run_dir
from tagging.training.settings import Settings

VOCABULARY = Vocabulary([Tag("low"), Tag("high"), Tag("noisy")])
Read = Callable[[], Any]
# Bytes of a file in which every bit is changed: header and first values.
HEAD = 300


def outcome(read: Read, expected: Any) -> str:
    """What comes of reading a changed file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "right" if equal(read(), expected) else "silent"
    except TaggingError:
        return "refused"
    except Exception as error:
        return f"raw {type(error).__name__}"


def equal(value: Any, expected: Any) -> bool:
    """Whether two results are the same, to the bit."""
    if isinstance(expected, dict):
        return (
            isinstance(value, dict) and set(value) == set(expected) and all(equal(value[k], expected[k]) for k in value)
        )
    if isinstance(expected, list | tuple):
        return len(value) == len(expected) and all(map(equal, value, expected))
    if isinstance(expected, np.ndarray):
        return value.dtype == expected.dtype and value.shape == expected.shape and value.tobytes() == expected.tobytes()
    return type(value) is type(expected) and value == expected


def flipped(whole: bytes, count: int, draw: random.Random) -> Iterator[bytes]:
    """Every bit of the head, bits anywhere, cuts, and blocks of zeros."""
    bits = list(range(8 * min(HEAD, len(whole)))) if count >= 100 else []
    bits += [draw.randrange(8 * len(whole)) for _ in range(count)]
    for bit in bits:
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
    for _ in range(count // 10):
        yield whole[: draw.randrange(len(whole))]
        first = draw.randrange(len(whole))
        yield whole[:first] + bytes(min(64, len(whole) - first)) + whole[first + 64 :]


def attack(path: Path, read: Read, count: int, others: tuple[bytes, ...] = ()) -> collections.Counter[str]:
    """Change a file in all these ways, and count the outcomes."""
    whole, expected = path.read_bytes(), read()
    assert outcome(read, expected) == "right"
    outcomes: collections.Counter[str] = collections.Counter()
    draw = random.Random(0)
    for changed in (*flipped(whole, count, draw), *others):
        path.write_bytes(changed)
        outcomes[outcome(read, expected)] += 1
    path.unlink()
    path.mkdir()
    outcomes[outcome(read, expected)] += 1
    shutil.rmtree(path, ignore_errors=True)
    path.write_bytes(whole)
    return outcomes


class NoiseTrack(Track):
    """Half a second of noise."""

    def __init__(self, index: int) -> None:
        self.id, self.group, self.seconds = f"noise-{index}", "noise", 0.5
        self.labels = np.array([index % 2, 0, 1], np.float32)
        self._seed = index

    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        return np.random.default_rng(self._seed).integers(-9999, 9999, 8000).astype(np.int16)


class Noise(Corpus):
    """Four such tracks."""

    name, split, version, cache_name = "noise", "test", "1", "noise-1"
    sample_rate, vocabulary = 16000, VOCABULARY

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Track:
        return NoiseTrack(self._check_index(index))


def features(flips: int, old: bool) -> collections.Counter[str]:
    def read() -> list[np.ndarray]:
        made = extraction.extract(Noise(), range(4), workers=1, progress=False)
        return [made.values, made.labels]

    # describing a track again for each change would take hours; the cache does not know where its rows come from
    sounds = [track.read() for track in Noise()]
    described = {sound.tobytes(): extraction.describe(sound, 16000) for sound in sounds}
    extraction.describe = lambda sound, rate: described[sound.tobytes()]
    read()
    (path,) = Path(os.environ["TAGGING_CACHE"], "features").rglob("*.npy")
    rewrite_old(path, old)
    return attack(path, read, flips)


def ranks(flips: int, old: bool) -> collections.Counter[str]:
    path = Path(os.environ["TAGGING_CACHE"], "ranks.npy")
    table = np.random.default_rng(0).normal(size=(len(sheet_music.attributes.COMPUTED), sheet_music._RANKED_SEGMENTS))

    def read() -> np.ndarray:
        return sheet_music._load_or_make(path, table.copy)

    read()
    rewrite_old(path, old)
    return attack(path, read, flips)


def predictions(flips: int, old: bool) -> collections.Counter[str]:
    path = Path(os.environ["TAGGING_CACHE"], "predictions-test.npz")
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, (40, 3)).astype(np.float64)
    names = np.array([f"artist {song // 2}" for song in range(40)])
    write_predictions(path, Predictions(draw.random((40, 3)), VOCABULARY, labels, np.arange(3), names, np.arange(40)))
    rewrite_old(path, old)
    return attack(path, lambda: vars_of(read_predictions(path)), flips)


def vars_of(read: Predictions) -> dict[str, Any]:
    return {**vars(read), "vocabulary": read.vocabulary.to_list()}


def gbt_tags(flips: int, old: bool) -> collections.Counter[str]:
    folder = Path(os.environ["TAGGING_CACHE"], "tags")
    binned = {"test": np.zeros((40, 3)), "validation": np.zeros((20, 3))}
    tags = tree_run._FinishedTags(folder, binned)
    tags.write(0, tree_run.Ensemble(0.25, iterations=7, seconds=1.5))
    expected = tags.read(0)
    rewrite_old(folder / "000.npz", old)
    return attack(folder / "000.npz", lambda: tags.read(0) or expected, flips)


def note_cache(flips: int, old: bool) -> collections.Counter[str]:
    path = Path(os.environ["TAGGING_CACHE"], "library.npz")
    library.build_library(progress=False, workers=1, path=path, folders=("corelli", "joplin", "luca"))
    rewrite_old(path, old)

    def read() -> list[Any]:
        read = library.load_library(path)
        return [read.version, read.pieces, read.offset, read.notes, read.facts]

    return attack(path, read, flips)


def bank(flips: int, old: bool) -> collections.Counter[str]:
    """The file of hashes, then one of the tables and the samples."""
    folder = Path(os.environ["TAGGING_CACHE"], "bank")
    note = {"samples": np.arange(640, dtype=np.int16), "gain": 1.0, "decay": 0.5, "fade": 3, "loop_gain": 0.0}
    entry, split = np.zeros((129, 128, 2), np.int32), np.zeros(129, np.int32)
    note_bank._write(folder, [{**note, "energy": np.ones(5)}], entry, split)
    verify = [True] if len(inspect.signature(note_bank._read).parameters) > 1 else []
    known = vars(note_bank._read(folder, *verify))
    expected = {name: np.array(value) for name, value in known.items()}

    def read() -> dict[str, np.ndarray]:
        read = note_bank._read(folder, *verify)  # None: it is built again
        return expected if read is None else {name: np.array(value) for name, value in vars(read).items()}

    hashes = json.loads((folder / "hashes.json").read_text())
    others: list[Any] = [[], None, {}, 1, "x", [hashes], {**hashes, "../x": "0"}, dict.fromkeys(hashes)]
    others += [{name: hashes[name] for name in list(hashes)[:count]} for count in range(len(hashes))]
    texts = (*(json.dumps(value).encode() for value in others), b"[" * 100_000)
    outcomes = attack(folder / "hashes.json", read, flips // 4, texts)
    return outcomes + attack(folder / "gain.npy", read, flips // 4) + attack(folder / "samples.npy", read, flips // 4)


def settings(flips: int, old: bool) -> collections.Counter[str]:
    folder = Path(os.environ["TAGGING_CACHE"], "run")
    given = Settings(models=("waveform",))
    create_run_dir(folder, given)
    path = folder / "settings.json"
    values = json.loads(path.read_text())

    def read() -> dict[str, Any]:
        check_same_run(folder, given)
        values_now = json.loads(path.read_text())  # it has passed: it says the same, but for workers
        values_now["runtime"]["num_workers"] = values["runtime"]["num_workers"]
        return values_now

    others: list[Any] = [[], None, 1, "x", {}, [values], {"runtime": None}, {**values, "runtime": 3}, {"clips_seen": 1}]
    texts = (*(json.dumps(value).encode() for value in others), b"[" * 100_000, b"1" * 6000, b"\xff\xfe")
    return attack(path, read, flips, texts)


def records(flips: int, old: bool) -> collections.Counter[str]:
    folder = Path(os.environ["TAGGING_CACHE"], "records")
    path = folder / "record.json"
    record = read_record(BUNDLED_RUNS / "laptop-waveform-10k-s0.json")
    write_record(path, record)
    if old:
        path.write_text(
            json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "sha256"})
        )
    return attack(path, lambda: read_record(path), flips, (b"[]", b"null", b"1", b"{}", b"[" * 100_000))


def reports(flips: int, old: bool) -> collections.Counter[str]:
    """``tagging report`` on records with a field missing or of another kind, at every place of the first three levels."""
    folder = Path(os.environ["TAGGING_CACHE"], "report")
    path = folder / "record.json"
    write_record(path, read_record(BUNDLED_RUNS / "laptop-waveform-10k-s0.json"))
    whole = json.loads(path.read_text())
    if old:
        whole.pop("sha256", None)
    outcomes: collections.Counter[str] = collections.Counter()
    missing = object()
    for keys in list(places(whole, 3)):
        for value in (missing, None, [], {}, "x", 3, True, 1e400):
            changed = json.loads(json.dumps(whole))
            inner = changed
            for key in keys[:-1]:
                inner = inner[key]
            if value is missing:
                del inner[keys[-1]]
            else:
                inner[keys[-1]] = value
            path.write_text(json.dumps(changed))
            # a report may follow where the field is not needed for it; its numbers are those of the record
            result = outcome(lambda: bool(text_table(read_training_records([folder]))), True)
            outcomes["report" if result == "right" else result] += 1
    return outcomes


def places(value: Any, depth: int) -> Iterator[list[Any]]:
    """The keys of every entry of nested mappings."""
    if depth and isinstance(value, dict):
        for key, inner in value.items():
            yield [key]
            for keys in places(inner, depth - 1):
                yield [key, *keys]


def rewrite_old(path: Path, old: bool) -> None:
    """Write a file as earlier versions did."""
    if not old:
        return
    with contextlib.ExitStack() as stack:
        stored = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            np.save(path, stored)
        else:
            stack.enter_context(stored)
            arrays = {name: stored[name] for name in stored.files}
            np.savez_compressed(path, **arrays)


KINDS = [features, ranks, predictions, gbt_tags, note_cache, bank, settings, records, reports]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flips", type=int, default=500, help="random bits of each kind of file (default: 500)")
    parser.add_argument("--old", action="store_true", help="files without a checksum")
    parser.add_argument("--only", nargs="+", choices=[kind.__name__ for kind in KINDS])
    options = parser.parse_args()
    total: collections.Counter[str] = collections.Counter()
    for kind in KINDS:
        if options.only and kind.__name__ not in options.only:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["TAGGING_CACHE"] = scratch
            outcomes = kind(options.flips, options.old)
        raw = {name: count for name, count in outcomes.items() if name.startswith("raw")}
        rest = {name: count for name, count in outcomes.items() if not name.startswith("raw")}
        total += collections.Counter({**rest, "raw": sum(raw.values())})
        print(
            f"{kind.__name__:12} {sum(outcomes.values()):6} tried  {rest}  raw {sum(raw.values())} {raw or ''}",
            flush=True,
        )
    print(f"all: {dict(total)}")


if __name__ == "__main__":
    main()
