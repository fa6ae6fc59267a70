"""Million Song Dataset with the 50 most frequent last.fm tags: lists and labels only, the sound is no longer distributed.

Bertin-Mahieux et al., *The Million Song Dataset*, ISMIR 2011. Who has the previews of 30 s can train on them.
Book: ``book/million_clips``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from ..tags import Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, SampleRate, Switch, Text
from .plain_pickles import read_plain
from .published import Published, parsed_once, rows_of
from .recordings import SAMPLE_RATE

# In the order of the columns; capitals matter.
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz",
    "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica", "80s",
    "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
    "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro",
    "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
)  # fmt: skip
# `lee` are the songs of `choi` with more than 29.1 s of sound. Counted in both repositories; Choi's paper has other numbers.
COUNTS = {
    "lee": {"train": 201_680, "validation": 11_774, "test": 28_435},
    "choi": {"train": 201_680, "validation": 12_634, "test": 28_540},
}
CHOI_NAMES = {"train": "train", "validation": "valid", "test": "test"}
PONS_NAMES = {"train": "train_gt_msd.tsv", "validation": "val_gt_msd.tsv", "test": "test_gt_msd.tsv"}
CHOI = "https://raw.githubusercontent.com/keunwoochoi/MSD_split_for_tagging/master/"
LEE = "https://raw.githubusercontent.com/jongpillee/music_dataset_split/master/MSD_split/"


@parsed_once
def read_labels(path: Path) -> dict[str, np.ndarray]:
    """Song -> uint8 [50], from ``train_gt_msd.tsv`` and the like: the song, a tab, a list of 0 and 1."""
    with rows_of(path, "\t") as rows:
        labels = {row[0]: np.array(json.loads(row[1]), np.uint8) for row in rows if row}
    if any(labels.shape != (len(TAGS),) for labels in labels.values()):
        raise CorpusError(f"{path}: not every song has {len(TAGS)} labels; fetch it again")
    return labels


@parsed_once
def read_songs(path: Path) -> list[str]:
    """Songs (or file names), one a line."""
    return path.read_text(encoding="utf-8").split()


@parsed_once
def read_pickled_songs(path: Path) -> list[str]:
    """Songs from one of Lee's lists, which Python 2 has pickled."""
    songs = read_plain(path)
    if not isinstance(songs, list) or not all(isinstance(song, str) for song in songs):
        raise CorpusError(f"{path}: no list of songs; fetch it again")
    return songs


@CORPORA.register("msd")
class MSD(Published):
    """Million Song Dataset, last.fm top 50: lists and labels, in the layouts of the repositories that publish them.

    Labels and songs come from Pons' ``train_gt_msd.tsv``, or from Choi's text files (``train_x_msd_id.txt``,
    ``train_y.npy``), for ``lee`` together with Lee's ``filtered_list_train.cP``. Files may lie in the root, in ``MSD_split`` or
    in ``MSD_split_for_tagging``. Artists are shared between the parts of both splits.

    Args:
        root: folder of the lists; sound, for those who have it, lies in ``audio/5/5/5504670.clip.mp3``.
        split: ``"lee/train"``, ``"choi/test"`` and so on; ``"train"`` alone is ``"lee/train"``.
        sample_rate: at which files are read, Hz.
        strict: raise where a count differs from the published one.

    Raises:
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("msd", root="msd", split="lee/test")  # doctest: +SKIP
    """

    splits = tuple(f"{protocol}/{part}" for protocol in COUNTS for part in CHOI_NAMES)
    licence = "lists of Lee MIT, of Pons ISC, of Choi not stated; the sound is not distributed any more"
    citation = (
        "Bertin-Mahieux, Ellis, Whitman, Lamere: The Million Song Dataset. ISMIR 2011; splits: Choi et al. ISMIR 2016, "
        "Lee et al. SMC 2017"
    )
    homepage = "https://github.com/jongpillee/music_dataset_split"
    artists_known = False
    description = "30-second previews of the Million Song Dataset"

    def __init__(
        self, *, root: FilePath, split: Text = "lee/train", sample_rate: SampleRate = SAMPLE_RATE, strict: Switch = True
    ) -> None:
        split, folder = self.split_name(split), Path(root).expanduser()
        protocol, part = split.split("/")
        labels = self._pons(folder, part) if protocol == "lee" else None
        if labels is None:
            labels = self._choi(folder, part)
            if protocol == "lee":
                labels = self._only(labels, self._lee(folder, part))
        notes = self.check_count(f"songs of {split}", len(labels), COUNTS[protocol][part], strict=strict)
        songs = list(labels)
        names = self._file_names(folder, part)
        super().__init__(
            split,
            Vocabulary(Tag(name, source="listeners") for name in TAGS),
            songs,
            [folder / "audio" / names.get(song, f"{song[2]}/{song[3]}/{song[4]}/{song}.mp3") for song in songs],
            songs,
            np.array(list(labels.values()), np.float32).reshape(-1, len(TAGS)),
            sample_rate=sample_rate,
            notes=[
                *notes,
                "artists are shared between the parts of this split, and its scores are too good for that reason",
            ],
        )

    @classmethod
    def _find(cls, root: Path, name: str) -> Path:
        folders = ("", "MSD_split/", "MSD_split_for_tagging/", "data/index/msd/")
        return cls.find(root, *(folder + name for folder in folders))

    def _pons(self, root: Path, part: str) -> dict[str, np.ndarray] | None:
        try:
            return read_labels(self._find(root, PONS_NAMES[part]))
        except CorpusError as error:
            if "it has no" in str(error):
                return None  # the other repositories' lists will do
            raise

    def _choi(self, root: Path, part: str) -> dict[str, np.ndarray]:
        name = CHOI_NAMES[part]
        songs = read_songs(self._find(root, f"{name}_x_msd_id.txt"))
        path = self._find(root, f"{name}_y.npy")
        try:
            labels = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise CorpusError(f"{path}: no array of numbers ({error}); fetch it again") from error
        if labels.shape != (len(songs), len(TAGS)):
            raise CorpusError(f"{path}: an array of {labels.shape} for {len(songs):,} songs and {len(TAGS)} tags")
        return dict(zip(songs, labels.astype(np.uint8), strict=True))

    def _lee(self, root: Path, part: str) -> list[str]:
        songs = read_pickled_songs(self._find(root, f"filtered_list_{'test' if part == 'test' else 'train'}.cP"))
        # the list for training has the validation songs at its end
        count = COUNTS["lee"]["train"]
        return songs if part == "test" else songs[:count] if part == "train" else songs[count:]

    @staticmethod
    def _only(labels: dict[str, np.ndarray], songs: list[str]) -> dict[str, np.ndarray]:
        if missing := [song for song in songs if song not in labels]:
            raise CorpusError(f"msd: {len(missing):,} songs of Lee's list are not in Choi's, {missing[0]} for example")
        return {song: labels[song] for song in songs}

    def _file_names(self, root: Path, part: str) -> dict[str, str]:
        """Song -> its file, where Choi's list of files is there."""
        try:
            name = CHOI_NAMES[part]
            songs = read_songs(self._find(root, f"{name}_x_msd_id.txt"))
            files = read_songs(self._find(root, f"{name}_x_filename.txt"))
        except CorpusError:
            return {}
        return {song: file.removesuffix(".npy") + ".clip.mp3" for song, file in zip(songs, files, strict=False)}

    @classmethod
    def annotation_files(cls) -> list[RemoteFile]:
        names = [
            f"{part}_{kind}" for part in CHOI_NAMES.values() for kind in ("x_msd_id.txt", "x_filename.txt", "y.npy")
        ]
        files = [RemoteFile(CHOI + name, f"MSD_split_for_tagging/{name}") for name in names]
        lists = ("filtered_list_train.cP", "filtered_list_test.cP")
        return files + [RemoteFile(LEE + name, f"MSD_split/{name}") for name in lists]
