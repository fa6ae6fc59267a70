"""MagnaTagATune: 25,863 clips of 29 s with 188 tags from a game, and the three ways in which papers split it.

Law et al., *Evaluation of algorithms using games: the case of music tagging*, ISMIR 2009. Results on different splits are not
comparable: published PR-AUCs are near 0.38 on ``pons``, and near 0.46 on ``lee`` and ``won``, whose test clips all have a tag.
Book: ``book/public_datasets``.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import CorpusError, unknown_name
from ..tags import Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, SampleRate, Switch, Text
from .published import Published, parsed_once, rows_of
from .recordings import SAMPLE_RATE

# The 50 most frequent tags in the order of Pons et al. The list is fixed: "metal" and "female voice" (columns 47 and 48,
# counted from 0) are in the other order in Lee's lists, and sorting by frequency gives either.
TOP50 = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient", "beat",
    "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals", "harpsichord", "loud",
    "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal",
    "female voice", "choral",
)  # fmt: skip
# For scores and labels of models that were trained on Lee's arrays: the order of their columns.
LEE_TOP50 = (*TOP50[:47], TOP50[48], TOP50[47], TOP50[49])
NUM_CLIPS, NUM_TAGS = 25_863, 188
# All clips are at least as long, so that no header is read for it.
SECONDS = 29.1
# Empty or damaged in the published archives; all three are in the training folders.
DEAD = {
    "35644": "6/norine_braun-now_and_zen-08-gently-117-146.mp3",
    "55753": "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233.mp3",
    "57881": "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_couperin-88-117.mp3",
}
FOLDERS = {"train": "0123456789ab", "validation": "c", "test": "def"}
# Clips as published. `pons` keeps clips without any of the 50 tags; `lee` and `won` leave them out. `won` lists the three dead
# clips, which cannot be read: 15,247 are published, 15,244 are left.
COUNTS = {
    "pons": {"train": 18_706, "validation": 1_825, "test": 5_329},
    "lee": {"train": 15_244, "validation": 1_529, "test": 4_332},
    "won": {"train": 15_247, "validation": 1_529, "test": 4_332},
}
SOURCE = "https://mirg.city.ac.uk/datasets/magnatagatune/"


class Annotations(NamedTuple):
    """The table of all clips.

    Attributes:
        ids, paths: of the clips.
        tags: the names of all columns.
        labels: uint8 [clips, tags], 0 or 1.
    """

    ids: list[str]
    paths: list[str]
    tags: list[str]
    labels: np.ndarray


@parsed_once
def read_annotations(path: Path) -> Annotations:
    """Read ``annotations_final.csv``, which is separated by tabs whatever its name says."""
    with rows_of(path, "\t") as rows:
        header = next(rows)
        if len(header) < 3 or (header[0], header[-1]) != ("clip_id", "mp3_path"):
            raise CorpusError(
                f"{path}: its columns are not clip_id, the tags and mp3_path, separated by tabs; fetch it again"
            )
        ids, paths, labels = [], [], bytearray()
        for row in rows:
            cells = "".join(row[1:-1])
            if len(row) != len(header) or len(cells) != len(header) - 2 or cells.strip("01"):
                raise ValueError(
                    f"clip {row[0] if row else ''}: expected {len(header) - 2} cells of 0 and 1, and a path"
                )
            ids.append(row[0])
            paths.append(row[-1])
            labels += cells.encode()
    return Annotations(
        ids, paths, header[1:-1], np.frombuffer(labels, np.uint8).reshape(-1, len(header) - 2) - ord("0")
    )


@CORPORA.register("magnatagatune")
class MagnaTagATune(Published):
    """MagnaTagATune, as published: ``annotations_final.csv`` beside the folders ``0`` to ``f`` (or in ``mp3``).

    All three ways to split take folders 0 to b for training, c for validation and d to f for testing. No song is in two
    parts, but artists are: 45 of the 75 test artists are in the training folders too.

    Args:
        root: folder of the dataset.
        split: ``"lee/train"``, ``"pons/test"``, ``"won/validation"`` and so on; ``"train"`` alone is ``"lee/train"``.
        tags: ``"top50"``, which all published results use, or ``"all"`` 188.
        sample_rate: at which files are read, Hz; they are sampled at 16,000 Hz.
        strict: raise where a count differs from the published one.

    Raises:
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("magnatagatune", root="mtt", split="lee/train")  # doctest: +SKIP
    """

    splits = tuple(f"{protocol}/{part}" for protocol in ("lee", "pons", "won") for part in FOLDERS)
    licence = "CC BY-NC-SA 3.0"
    citation = (
        "Law, West, Mandel, Bay, Downie: Evaluation of algorithms using games: the case of music tagging. ISMIR 2009"
    )
    homepage = "https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset"
    description = "29-second clips of MagnaTagATune"

    def __init__(
        self,
        *,
        root: FilePath,
        split: Text = "lee/train",
        tags: Text = "top50",
        sample_rate: SampleRate = SAMPLE_RATE,
        strict: Switch = True,
    ) -> None:
        if tags not in ("top50", "all"):
            raise unknown_name("choice of tags", tags, ("top50", "all"))
        split = self.split_name(split)
        protocol, part = split.split("/")
        folder = Path(root).expanduser()
        table = read_annotations(self.find(folder, "annotations_final.csv"))
        notes = self.check_count("clips in annotations_final.csv", len(table.ids), NUM_CLIPS, strict=strict)
        notes += self.check_count("tags in annotations_final.csv", len(table.tags), NUM_TAGS, strict=strict)
        if missing := set(TOP50) - set(table.tags):
            raise CorpusError(
                f"{folder}/annotations_final.csv: lacks the tags {', '.join(sorted(missing))}; fetch it again"
            )
        top50 = table.labels[:, [table.tags.index(tag) for tag in TOP50]]
        inside = np.array([path[:1] in FOLDERS[part] for path in table.paths])
        if protocol != "pons":
            inside &= top50.any(axis=1)
        alive = np.array([clip not in DEAD for clip in table.ids])
        # the count of `won` has the dead clips in it, those of the others have not
        counted = inside if protocol == "won" else inside & alive
        published = COUNTS[protocol][part]
        notes += self.check_count(f"clips of {split}", int(counted.sum()), published, strict=strict)
        if dropped := (inside & ~alive).sum():
            notes.append(
                f"{dropped} clips are left out, whose files are empty or damaged as published: {', '.join(DEAD)}"
            )
        if part != "train":
            ours = {artist_of(path) for path in table.paths if path[:1] in FOLDERS[part]}
            shared = ours & {artist_of(path) for path in table.paths if path[:1] in FOLDERS["train"]}
            notes.append(f"{len(shared)} of the {len(ours)} artists in these folders are in the training folders too")
        chosen = np.flatnonzero(inside & alive)
        paths = [table.paths[index] for index in chosen]
        sound = folder / "mp3" if (folder / "mp3").is_dir() else folder
        super().__init__(
            split,
            Vocabulary(Tag(tag, source="game") for tag in (TOP50 if tags == "top50" else table.tags)),
            [table.ids[index] for index in chosen],
            [sound / path for path in paths],
            [artist_of(path) for path in paths],
            (top50 if tags == "top50" else table.labels)[chosen],
            durations=np.full(len(chosen), SECONDS),
            sample_rate=sample_rate,
            notes=notes,
        )

    @classmethod
    def annotation_files(cls) -> list[RemoteFile]:
        return [RemoteFile(f"{SOURCE}annotations_final.csv", "annotations_final.csv")]

    @classmethod
    def audio_files(cls, root: Path) -> list[RemoteFile]:
        # one zip file, cut into three; neither sizes nor hashes are published
        return [
            RemoteFile(f"{SOURCE}{name}", name, unpack=True) for name in (f"mp3.zip.00{part}" for part in (1, 2, 3))
        ]


def artist_of(path: str) -> str:
    """The artist in the name of a file: ``"f/artist-album-01-title-30-59.mp3"``."""
    return path.partition("/")[2].partition("-")[0]
