"""Predictions of a model on a split, with the labels: written by every training run. Book: ``book/results``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, TaggingError
from ..tags import Vocabulary
from ..utils.arrays import read_arrays, write_arrays
from ..utils.files import DamagedError

_OPTIONAL = ("labels", "train_positives", "groups", "tracks", "strata", "annotated")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Song-level scores of one model, with the labels of the songs.

    Attributes:
        scores: float [songs, tags] in [0, 1].
        vocabulary: the tags.
        labels: float [songs, tags], nan where unknown; None without labels.
        train_positives: int [tags], training clips with each tag, estimated from a sample in large corpora; None if unknown.
        groups: [songs], what is resampled together; None if each song is its own group.
        tracks: int [songs], indices of the songs in the split; None if they are not from a corpus.
        strata: str [songs], the source of each song; None if there is one, or if it is not known.
        annotated: bool [songs, tags], whether the source of a song annotates a tag; None if all do, or if it is not known.

    Book: ``book/results``.
    """

    scores: np.ndarray
    vocabulary: Vocabulary
    labels: np.ndarray | None = None
    train_positives: np.ndarray | None = None
    groups: np.ndarray | None = None
    tracks: np.ndarray | None = None
    strata: np.ndarray | None = None
    annotated: np.ndarray | None = None

    def __repr__(self) -> str:
        labelled = "" if self.labels is None else ", labelled"
        return f"Predictions({len(self.scores)} songs, {len(self.vocabulary)} tags{labelled})"


def read_run(folder: Path, split: str = "test") -> Predictions:
    """Read the predictions of a training run.

    Args:
        folder: of one model of the run; contains ``predictions-test.npz`` and ``predictions-validation.npz``.
        split: ``"test"`` or ``"validation"``.

    Raises:
        TaggingError: a missing or damaged file.

    Book: ``book/results``.
    """
    path = folder / f"predictions-{split}.npz"
    if not path.is_file():
        models = sorted(str(model.parent) for model in folder.glob(f"*/{path.name}"))
        hint = (
            f"; its models are in {', '.join(models)}" if models else "; give the folder of a model of a run, RUN/MODEL"
        )
        raise TaggingError(f"{folder}: not a finished run: {path.name} is missing{hint}")
    return read_predictions(path)


def read_predictions(path: Path) -> Predictions:
    """Read what :func:`write_predictions` wrote, also in earlier versions; scores and labels are float64.

    Raises:
        TaggingError: a file that is damaged, or lacks scores or vocabulary.
    """
    arrays: dict[str, Any] = {}
    try:
        arrays |= read_arrays(path)
    except DamagedError as error:
        raise TaggingError(f"{error}; train or install it again") from error
    if missing := {"scores", "vocabulary"} - set(arrays):
        raise TaggingError(f"{path}: {' and '.join(sorted(missing))} missing")
    try:
        vocabulary = Vocabulary.from_list(json.loads(str(arrays.pop("vocabulary"))))
    except (ValueError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise TaggingError(f"{path}: invalid vocabulary ({error})") from error
    songs, tags = arrays["scores"].shape[:1], (len(vocabulary),)
    shapes = {"scores": songs + tags, "labels": songs + tags, "train_positives": tags, "groups": songs, "tracks": songs}
    shapes |= {"strata": songs, "annotated": songs + tags}
    for name, array in arrays.items():
        # an unknown name: in files of earlier versions one changed bit would hide the array of an optional one
        is_number = array.dtype.kind in "fiub" or name in ("groups", "strata")
        if array.shape != shapes.get(name) or not is_number:
            raise TaggingError(f"{path}: damaged ({name}: {array.dtype} {array.shape}); train or install it again")
    for name in {"scores", "labels"} & set(arrays):
        arrays[name] = arrays[name].astype(np.float64)
    return Predictions(vocabulary=vocabulary, **arrays)


def write_predictions(path: Path, predictions: Predictions, precision: type[np.floating] = np.float32) -> None:
    """Write predictions atomically.

    Args:
        path: of the ``.npz`` file.
        predictions: what to write.
        precision: of scores and labels.
    """
    vocabulary = json.dumps(predictions.vocabulary.to_list(), ensure_ascii=False)
    arrays: dict[str, Any] = {"scores": predictions.scores.astype(precision), "vocabulary": np.array(vocabulary)}
    for name in _OPTIONAL:
        if (array := getattr(predictions, name)) is not None:
            arrays[name] = array.astype(precision) if name == "labels" else array
    write_arrays(path, arrays)
