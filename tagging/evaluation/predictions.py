"""What a model said about the songs of a split, beside what is true of them: kept with every run, shipped for some.

Book: ``book/results``.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, TaggingError
from ..tags import Vocabulary
from ..utils.files import atomic_write

_OPTIONAL = ("labels", "train_positives", "groups", "tracks")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Song-level scores of one model, with all that is known about the songs.

    Attributes:
        scores: float [songs, tags] in [0, 1].
        vocabulary: the tags.
        labels: float [songs, tags], nan where unknown; None if there are none.
        train_positives: int [tags]: how many training clips have each tag, in large corpora as a part of them tells; None if
            unknown.
        groups: [songs]: what intervals resample; None for every song on its own.
        tracks: int [songs]: places in the split; None if the songs are of no corpus.

    Book: ``book/results``.
    """

    scores: np.ndarray
    vocabulary: Vocabulary
    labels: np.ndarray | None = None
    train_positives: np.ndarray | None = None
    groups: np.ndarray | None = None
    tracks: np.ndarray | None = None


def read_run(folder: Path, split: str = "test") -> Predictions:
    """Read the scores that a training run has left.

    Args:
        folder: of one model of the run; holds ``predictions-test.npz`` and ``predictions-validation.npz``.
        split: ``"test"`` or ``"validation"``.

    Raises:
        TaggingError: a file that is missing or damaged.

    Book: ``book/results``.
    """
    path = folder / f"predictions-{split}.npz"
    if not path.is_file():
        models = sorted(str(found.parent) for found in folder.glob(f"*/{path.name}"))
        hint = f"; its models are in {', '.join(models)}" if models else ""
        raise TaggingError(f"{folder}: not a finished run: {path.name} is missing{hint}")
    return read_predictions(path)


def read_predictions(path: Path) -> Predictions:
    """The inverse of :func:`write_predictions`; scores and labels come as float64.

    Raises:
        TaggingError: a file that is damaged, or lacks scores or vocabulary.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("scores", "vocabulary", *_OPTIONAL) if name in stored}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TaggingError(f"{path}: damaged ({error}); it has to be made or installed again") from error
    if missing := {"scores", "vocabulary"} - set(arrays):
        raise TaggingError(f"{path}: it lacks {' and '.join(sorted(missing))}")
    try:
        vocabulary = Vocabulary.from_list(json.loads(str(arrays.pop("vocabulary"))))
    except (ValueError, TypeError, AttributeError, ConfigError) as error:
        raise TaggingError(f"{path}: its vocabulary is none ({error})") from error
    for name in {"scores", "labels"} & set(arrays):
        arrays[name] = arrays[name].astype(np.float64)
    return Predictions(vocabulary=vocabulary, **arrays)


def write_predictions(path: Path, predictions: Predictions, precision: type = np.float32) -> None:
    """Write predictions, whole or not at all.

    Args:
        path: of the file, ``.npz``.
        predictions: what to write.
        precision: of scores and labels.
    """
    words = json.dumps(predictions.vocabulary.to_list(), ensure_ascii=False)
    arrays = {"scores": predictions.scores.astype(precision), "vocabulary": np.array(words)}
    for name in _OPTIONAL:
        if (array := getattr(predictions, name)) is not None:
            arrays[name] = array.astype(precision) if name == "labels" else array
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
