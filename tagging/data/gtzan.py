"""GTZAN: 1,000 excerpts of 30 s in ten genres, with the fault-filtered split of Kereliuk, Sturm and Larsen.

Tzanetakis and Cook 2002. The filtered lists have 930 of the excerpts: without repetitions and faults, and with the excerpts of
an artist in one part. Results on random splits are not comparable to theirs. Book: ``book/million_clips``.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from ..audio.files import AudioFile
from ..errors import AudioError, CorpusError
from ..tags import Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, SampleRate, Switch, Text
from .published import Published
from .recordings import SAMPLE_RATE

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
LISTS = {"train": "train_filtered.txt", "validation": "valid_filtered.txt", "test": "test_filtered.txt"}
COUNTS = {"train": 443, "validation": 197, "test": 290, "all": 1_000}
# Cannot be decoded in the copies that circulate; a training track.
UNREADABLE = "jazz.00054"
# Nominal, so that no header is read for it; a segment that would end later is taken from the end of the file.
SECONDS = 29.9
LIST_SOURCE = "https://raw.githubusercontent.com/jongpillee/music_dataset_split/master/GTZAN_split/"
# The first address, at the University of Victoria, has not answered since 2022.
ARCHIVE = RemoteFile(
    "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
    "genres.tar.gz",
    1_230_000_000,
    "sha256:24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
    unpack=True,
)


@CORPORA.register("gtzan")
class GTZAN(Published):
    """GTZAN, as published: ``genres/blues/blues.00000.wav`` or ``.au``, with the filtered lists in ``GTZAN_split``.

    Without the lists those of torchaudio are taken, which are the same.

    Args:
        root: folder of the dataset.
        split: ``"filtered/train"``, ``"filtered/validation"``, ``"filtered/test"``, or ``"all"`` 1,000, for which there is no
            fair split.
        sample_rate: at which files are read, Hz; they are sampled at 22,050 Hz.
        strict: raise where a count differs from the published one.

    Raises:
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("gtzan", root="gtzan", split="filtered/train")  # doctest: +SKIP
    """

    splits = ("filtered/train", "filtered/validation", "filtered/test", "all")
    licence = "none was ever given; the copyright of the recordings is with others"
    citation = (
        "Tzanetakis, Cook: Musical genre classification of audio signals. IEEE TSAP 2002; split: Kereliuk, Sturm, Larsen: "
        "Deep Learning and Music Adversaries. arXiv 1507.04761, 2015"
    )
    homepage = "https://huggingface.co/datasets/marsyas/gtzan"
    artists_known = False
    description = "30-second excerpts of GTZAN"

    def __init__(
        self,
        *,
        root: FilePath,
        split: Text = "filtered/train",
        sample_rate: SampleRate = SAMPLE_RATE,
        strict: Switch = True,
    ) -> None:
        split, folder = self.split_name(split), Path(root).expanduser()
        part = split.rpartition("/")[2]
        names = (
            [f"{genre}.{number:05d}" for genre in GENRES for number in range(100)]
            if part == "all"
            else self._filtered(folder, part)
        )
        notes = self.check_count(f"names in the list of {split}", len(names), COUNTS[part], strict=strict)
        sound = next(
            (folder / name for name in ("genres", "genres_original") if (folder / name).is_dir()),
            folder if (folder / "blues").is_dir() else folder / "genres",
        )
        paths = {name: _file(sound, name) for name in names}
        if UNREADABLE in paths:
            if _is_damaged(paths[UNREADABLE]):
                del paths[UNREADABLE]
                notes.append(
                    f"{UNREADABLE} is left out: it cannot be decoded, as in most copies, so {len(paths)} are left"
                )
            elif not paths[UNREADABLE].exists():
                notes.append(f"{UNREADABLE} cannot be decoded in most copies; {len(paths) - 1} are left without it")
        labels = np.array([[name.startswith(f"{genre}.") for genre in GENRES] for name in paths], np.float32)
        if not labels.any(axis=1).all():
            raise CorpusError(
                f"gtzan: the list of {split} has names of other genres than {', '.join(GENRES)}; fetch it again"
            )
        super().__init__(
            split,
            Vocabulary(Tag(genre, exclusive_group="genre", source="collector") for genre in GENRES),
            list(paths),
            list(paths.values()),
            list(paths),
            labels,
            durations=np.full(len(paths), SECONDS),
            sample_rate=sample_rate,
            notes=notes,
        )

    @classmethod
    def _filtered(cls, root: Path, part: str) -> list[str]:
        wanted = (f"GTZAN_split/{LISTS[part]}", LISTS[part])
        if not root.is_dir():
            cls.find(root, *wanted)  # raises, with the command
        with contextlib.suppress(CorpusError):
            path = cls.find(root, *wanted)
            # "blues/blues.00029.wav"; some copies end lines as DOS does
            lines = path.read_text(encoding="utf-8").split()
            return [Path(line).stem for line in lines]
        try:
            from torchaudio.datasets import gtzan
        except (ImportError, OSError):
            cls.find(root, *wanted)  # raises, with the command
            raise
        return list(
            {"train": gtzan.filtered_train, "validation": gtzan.filtered_valid, "test": gtzan.filtered_test}[part]
        )

    @classmethod
    def annotation_files(cls) -> list[RemoteFile]:
        return [RemoteFile(LIST_SOURCE + name, f"GTZAN_split/{name}") for name in LISTS.values()]

    @classmethod
    def audio_files(cls, root: Path) -> list[RemoteFile]:
        return [ARCHIVE]


def _file(folder: Path, name: str) -> Path:
    """The .wav or .au file of an excerpt, whichever is there."""
    base = folder / name.partition(".")[0] / name
    return next((path for end in (".wav", ".au") if (path := Path(f"{base}{end}")).exists()), Path(f"{base}.wav"))


def _is_damaged(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with AudioFile(path) as file:
            next(file.blocks())
    except AudioError:
        return True
    return False
