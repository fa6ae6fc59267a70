"""Probes on real recordings: Emotify, 400 songs of 138 artists with four genres and nine rated emotions.

    python benchmarks/emotify.py get FOLDER       # 383 MB from a public copy at one commit; makes FOLDER/labels.csv
    python benchmarks/emotify.py measure FOLDER   # writes tagging/book/runs/emotify.json and the probes beside it

Aljanaki, Wiering, Veltkamp: Studying emotion induced by music through a crowdsourcing game. Information Processing and
Management 52 (2016). The recordings are from Magnatune (CC BY-NC-SA); they are not part of this project, and neither is the
table of ratings. What is fetched is compared with one hash over all files.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import shutil
from collections import defaultdict
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import records

from tagging.baselines.features.extraction import extract
from tagging.book.runs import BUNDLED_RUNS
from tagging.data import open_corpus
from tagging.evaluation.metrics import roc_auc
from tagging.tags import Vocabulary
from tagging.training.embedders import embedder
from tagging.training.group_folds import group_folds
from tagging.training.probe import probe
from tagging.training.probe_models import fit_probe
from tagging.utils.files import atomic_write

COPY = "https://raw.githubusercontent.com/sergi-andreu/ProjectMusicInformatics/{commit}/data/{path}"
COMMIT = "474daaaf11ed93e6ba42e098df3410b327c9fa9e"
# SHA-256 over the lines "<sha256> <path>" of all sound files, sorted
CONTENT = "b5c3b1f3fb25e38bb720a5a75ad9930980ad1f7e70be860b72e7309a6f581a39"
RATINGS = "data.csv"
# In the table of ratings, songs count through the folders in this order.
GENRES = ("classical", "rock", "electronic", "pop")
EMOTIONS = (
    "amazement", "solemnity", "tenderness", "nostalgia", "calmness", "power", "joyful_activation", "tension", "sadness",
)  # fmt: skip
# A song has an emotion as a tag if a third of its raters felt it: each could choose up to three of nine.
IS_FELT = 1 / 3
EMBEDDERS = ("mfcc", "features", "laptop-waveform-1M", "laptop-spectrogram-1M", "mtt-musicnn", "msd-musicnn")
SEEDS, FEW = range(3), (50, 100, 200)


def get(folder: Path) -> None:
    """Fetch the sound files that are missing, compare all with the hash, and make the table."""
    digests = {}
    for genre in GENRES:
        for number in range(1, 101):
            path = folder / genre / f"{number:03d}.mp3"
            if not path.exists():
                with atomic_write(path) as part:
                    part.write_bytes(_fetch(f"emotifymusic/{genre}/{number}.mp3"))
            digests[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = sorted(f"{digest} {name}\n" for name, digest in digests.items())
    if (content := hashlib.sha256("".join(lines).encode()).hexdigest()) != CONTENT:
        raise SystemExit(f"the files have the hash {content}, not {CONTENT}: delete {folder} and fetch them again")
    votes = defaultdict(list)
    for row in csv.DictReader(io.StringIO(_fetch(RATINGS).decode("utf-8-sig")), skipinitialspace=True):
        votes[int(row["track id"])].append(row)
    with atomic_write(folder / "labels.csv") as part, open(part, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "genre", *EMOTIONS, "raters", "artist"])
        for name in sorted(digests):
            genre, number = name.removesuffix(".mp3").split("/")
            of_song = votes[100 * GENRES.index(genre) + int(number)]
            if {row["genre"] for row in of_song} != {genre}:
                raise SystemExit(f"{name}: the ratings are of other songs than the files")
            shares = (sum(int(row[emotion]) for row in of_song) / len(of_song) for emotion in EMOTIONS)
            table.writerow([name, genre, *(f"{share:.4f}" for share in shares), len(of_song), _artist(folder / name)])
    print(f"{folder / 'labels.csv'}: {len(digests)} songs")


def _fetch(path: str) -> bytes:
    with urlopen(COPY.format(commit=COMMIT, path=path), timeout=60) as answer:
        return answer.read()


def _artist(path: Path) -> str:
    """From the tag of the file."""
    import av

    with av.open(str(path)) as file:
        return file.metadata["artist"]


def measure(folder: Path, names: tuple[str, ...], shipped: Path) -> None:
    """Probe each embedder, by artist with everything the library writes, and in the ways that are compared."""
    options = {
        "root": folder.name, "labels": f"{folder.name}/labels.csv", "group": "artist", "split_column": "none",
        "regression": list(EMOTIONS), "ignore": ["raters"],
    }  # fmt: skip
    measured = BUNDLED_RUNS / "emotify.json"
    results = json.loads(measured.read_text())["embedders"] if measured.exists() else {}  # those of other commands stay
    for name in names:
        record = probe(name, "folder", shipped / name, workers=1, **options)
        (shipped / name / "probe.npz").unlink()
        shutil.move(shipped / name / "record.json", shipped / f"{name}.json")
        shutil.move(shipped / name / "predictions-test.npz", shipped / f"{name}.npz")
        (shipped / name).rmdir()
        results[name] = {"accuracy": record["accuracy"]["genre"], **_compared(name, options)}
        print(name, json.dumps(results[name]), flush=True)
    records.write("emotify", {"commit": COMMIT, "content": CONTENT, "is_felt": IS_FELT, "embedders": results})


def _compared(name: str, options: dict) -> dict:
    """Genre accuracy of each seed of the folds, by artist and at random; with few songs; each emotion as a tag."""
    parts, chosen = [], embedder(name)
    for split in ("train", "validation", "test"):
        corpus = open_corpus("folder", split=split, **options)
        parts.append(extract(corpus, np.arange(len(corpus)), workers=1, progress=False, descriptor=chosen))
    vectors = np.concatenate([part.values for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    artists = np.concatenate([part.groups for part in parts])
    genres, columns = _genres(corpus.vocabulary)
    emotions = [corpus.vocabulary.names.index(emotion) for emotion in EMOTIONS]
    genre, songs = labels[:, columns], np.arange(len(labels)).astype(str)
    folds = {"artist": artists, "random": songs}
    accuracy = {
        split: [_cross_validated(vectors, genre, genres, groups, seed) for seed in SEEDS] for split, groups in folds.items()
    }  # fmt: skip
    few = _few_songs(vectors, genre, genres, artists)
    emotional = _emotions(vectors, labels, artists, corpus.vocabulary, emotions)
    return {"by_split": accuracy, "few_songs": few, **emotional}


def _genres(vocabulary: Vocabulary) -> tuple[Vocabulary, list[int]]:
    (columns,) = vocabulary.exclusive_groups.values()
    tags = list(vocabulary)
    return Vocabulary(tags[column] for column in columns), list(columns)


def _cross_validated(vectors, genre, vocabulary, groups, seed: int) -> float:
    hits = []
    for test in group_folds(genre, vocabulary, groups, 5, seed):
        rest = np.setdiff1d(np.arange(len(genre)), test)
        hits.append(_hits(vectors, genre, vocabulary, groups, rest, test, seed))
    return float(np.concatenate(hits).mean())


def _few_songs(vectors, genre, vocabulary, artists) -> dict[str, list[float]]:
    """Number of training songs -> accuracy on a third of the artists, for each seed; the test songs are the same."""
    results: dict[str, list[float]] = {str(count): [] for count in (*FEW, "all")}
    for seed in SEEDS:
        test = group_folds(genre, vocabulary, artists, 3, seed)[0]
        rest = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(genre)), test))
        for count in results:
            chosen = rest if count == "all" else rest[: int(count)]
            results[count].append(float(_hits(vectors, genre, vocabulary, artists, chosen, test, seed).mean()))
    return results


def _hits(vectors, genre, vocabulary, groups, fitted, test, seed: int) -> np.ndarray:
    """bool [test]: whether the genre with the highest score is the song's; a quarter of the songs choose the regularisation."""
    second = group_folds(genre[fitted], vocabulary, groups[fitted], 4, seed)[0]
    model = fit_probe(vectors, genre, vocabulary, (np.delete(fitted, second), fitted[second]))
    return model.scores(vectors[test]).argmax(axis=1) == genre[test].argmax(axis=1)


def _emotions(vectors, labels, artists, vocabulary, columns) -> dict:
    """Each emotion, predicted as a share of raters across artists: correlation, and ROC-AUC of the tag "felt by a third"."""
    regression, values = Vocabulary(list(vocabulary)[column] for column in columns), labels[:, columns]
    scores = np.empty(values.shape)
    for test in group_folds(labels, vocabulary, artists, 5, 0):
        rest = np.setdiff1d(np.arange(len(labels)), test)
        second = group_folds(labels[rest], vocabulary, artists[rest], 4, 0)[0]
        scores[test] = fit_probe(vectors, values, regression, (np.delete(rest, second), rest[second])).scores(
            vectors[test]
        )
    areas = roc_auc((values >= IS_FELT).astype(np.float32), scores)
    return {
        "correlation": {name: float(np.corrcoef(values[:, row], scores[:, row])[0, 1]) for row, name in enumerate(EMOTIONS)},
        "emotion_roc_auc": {name: float(areas[row]) for row, name in enumerate(EMOTIONS)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("get", "measure"))
    parser.add_argument("folder", type=Path, help="of the sound files; a name without a path, for `measure`")
    parser.add_argument("--embedders", nargs="+", default=EMBEDDERS)
    parser.add_argument("--shipped", type=Path, default=BUNDLED_RUNS / "emotify", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.action == "get":
        get(options.folder)
    else:
        measure(options.folder, tuple(options.embedders), options.shipped)


if __name__ == "__main__":
    main()
