"""The ``huggingface`` corpus: a dataset of the ``datasets`` package with a column of sounds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..errors import ConfigError, CorpusError, unknown_name
from ..utils.extras import MissingPackageError
from ..utils.files import atomic_write, cache_dir
from .annotations import SPLIT_NAMES, annotate
from .base import CORPORA
from .folder import Folder
from .options import SampleRate, Seed, Shares, Text, TextOrNone, Texts, TextsOrNone
from .recordings import SAMPLE_RATE
from .splits import SHARES
from .tables import Table

_ROW, _SPLIT = "row", "split of the dataset"


@CORPORA.register("huggingface")
class HuggingFace(Folder):
    """A ``datasets.Dataset`` or ``DatasetDict`` with a column of sounds; needs the extra ``datasets``.

    Sounds that the dataset holds itself are written once to the cache, as the files they are; those that it names are read where
    they lie. No code of a dataset is run.

    Args:
        dataset: the object; or the folder that its ``save_to_disk`` wrote; or its name on the hub.
        config: which of its configurations, for a name on the hub.
        split: ``"train"``, ``"validation"`` or ``"test"``: those of the dataset, or at random by group as for ``folder``.
        audio: the column of sounds; by default the one of this kind.
        ids, tags, separator, group, regression, ignore, shares, seed, sample_rate: as for ``folder``.

    Raises:
        ConfigError: columns or labels that cannot be used.
        CorpusError: no such dataset, or it cannot be read.
        MissingPackageError: the package ``datasets`` is not installed.

    >>> corpus = open_corpus("huggingface", dataset="saved_dataset", split="train")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        dataset: Any,
        config: TextOrNone = None,
        split: Text = "train",
        audio: TextOrNone = None,
        ids: TextOrNone = None,
        tags: TextsOrNone = None,
        separator: TextOrNone = None,
        group: TextOrNone = None,
        regression: TextsOrNone = None,
        ignore: Texts = (),
        shares: Shares = SHARES,
        seed: Seed = 0,
        sample_rate: SampleRate = SAMPLE_RATE,
    ) -> None:
        split, parts = self._check_split(split), _load(dataset, config)
        column = _audio_column(next(iter(parts.values())), audio)
        table, sounds = _rows(parts, column)
        named = _SPLIT if len(parts) > 1 else "none"
        annotations = annotate(
            table, ids=ids or _ROW, tags=tags, separator=separator, group=group, split=named, regression=regression,
            ignore=[*ignore, *([_SPLIT, _ROW] if ids else [_SPLIT])],
        )  # fmt: skip
        self.findings = [*annotations.remarks]
        folder = cache_dir("huggingface")
        paths = {song: _path(sound, folder) for song, sound in enumerate(sounds)}
        self._take(split, annotations, dict(enumerate(annotations.ids)), paths, folder, shares, seed, sample_rate)

    @property
    def description(self) -> str:
        return "recordings of a dataset"


def _load(dataset: Any, config: str | None) -> dict[str, Any]:
    """Split, or an empty name -> dataset."""
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "the corpus huggingface needs the package datasets: pip install datasets", name=error.name
        ) from error
    if isinstance(dataset, str):
        try:
            is_folder = Path(dataset).expanduser().is_dir()
            loaded = (
                datasets.load_from_disk(str(Path(dataset).expanduser()))
                if is_folder
                else datasets.load_dataset(dataset, config)
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CorpusError(
                f"dataset {dataset!r} cannot be loaded ({error}); give a folder of save_to_disk, or a name"
            ) from error
        dataset = loaded
    if isinstance(dataset, datasets.DatasetDict):
        if other := sorted(name for name in dataset if name.lower() not in SPLIT_NAMES):
            raise ConfigError(f"split {other[0]!r} of the dataset: {unknown_name('split', other[0], SPLIT_NAMES)}")
        return dict(dataset)
    if isinstance(dataset, datasets.Dataset):
        return {"": dataset}
    raise ConfigError(
        f"dataset of type {type(dataset).__name__}: give a Dataset or DatasetDict, a folder, or a name on the hub"
    )


def _audio_column(dataset: Any, audio: str | None) -> str:
    import datasets

    if audio is not None:
        if audio not in dataset.column_names:
            raise unknown_name("column", audio, dataset.column_names)
        return audio
    columns = [name for name, feature in dataset.features.items() if isinstance(feature, datasets.Audio)]
    if len(columns) != 1:
        raise ConfigError(
            f"the dataset has {len(columns)} columns of sounds; name one of {dataset.column_names} with audio=NAME"
        )
    return columns[0]


def _rows(parts: dict[str, Any], column: str) -> tuple[Table, list[dict[str, Any]]]:
    """The table of all parts, with names in place of the numbers of classes; and the undecoded sounds."""
    import datasets

    rows: list[dict[str, Any]] = []
    sounds: list[dict[str, Any]] = []
    columns: dict[str, None] = {_ROW: None, _SPLIT: None}
    for part, dataset in parts.items():
        # the decoder of the package would be another one, and needs yet another package
        dataset = dataset.cast_column(column, datasets.Audio(decode=False))
        for row in dataset:
            sounds.append(row.pop(column))
            names = {name: _names(value, dataset.features[name]) for name, value in row.items()}
            rows.append({_ROW: f"{part}{'/' if part else ''}{len(rows):06d}", _SPLIT: part, **names})
            columns.update(dict.fromkeys(names))
    if not rows:
        raise CorpusError("the dataset has no rows")
    return Table("the dataset", tuple(columns), rows, range(1, len(rows) + 1)), sounds


def _names(value: Any, feature: Any) -> Any:
    inner = getattr(feature, "feature", feature)
    if not hasattr(inner, "int2str") or value is None:
        return value
    return [inner.int2str(one) for one in value] if isinstance(value, list) else inner.int2str(value)


def _path(sound: dict[str, Any], folder: Path) -> Path:
    """The file of a sound; one that the dataset holds itself is written under the hash of its bytes."""
    name = Path(sound.get("path") or "sound.wav")
    if (data := sound.get("bytes")) is None:
        return name
    path = folder / f"{hashlib.sha256(data).hexdigest()[:32]}{name.suffix.lower()}"
    if not path.is_file() or path.stat().st_size != len(data):
        with atomic_write(path) as part:
            part.write_bytes(data)
    return path
