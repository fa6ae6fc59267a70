"""MGPHot: 21,320 songs of the Billboard Hot 100 with 58 attributes that musicologists of the Music Genome Project judged.

Oramas et al., *MGPHot: a dataset of musicological annotations for popular music (1958-2022)*, TISMIR 8(1), 2025: annotations of
the kind that the poster's 1.5 million songs had. Split and thresholds: MTG/MGPHot-audio (arXiv 2509.06936). Read from the
user's own copy; neither annotations nor sound may be passed on. Book: ``book/million_clips``.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorpusError, unknown_name
from ..tags import REGRESSION, Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, SampleRate, Switch, Text
from .published import Published, parsed_once, rows_of
from .recordings import SAMPLE_RATE

# In the order of the 58 values.
ATTRIBUTES = (
    "Vocal Register", "Vocal Timbre Thin to Full", "Vocal Breathiness", "Vocal Smoothness", "Vocal Grittiness",
    "Vocal Nasality", "Vocal Accompaniment", "Minor / Major Key Tonality", "Harmonic Sophistication", "Tempo",
    "Cut Time Feel", "Triple Meter", "Compound Meter", "Odd Meter", "Swing Feel", "Shuffle Feel", "Syncopation Low to High",
    "Backbeat", "Danceability", "Drum Set", "Drum Aggressiveness", "Synthetic Drums", "Percussion", "Electric Guitar",
    "Electric Guitar Distortion", "Acoustic Guitar", "String Ensemble", "Horn Ensemble", "Piano", "Organ", "Rhodes",
    "Synthesizer", "Synth Timbre", "Bass Guitar", "Reed Instrument", "Angry Lyrics", "Sad Lyrics", "Happy/Joyful Lyrics",
    "Humorous Lyrics", "Love/Romance Lyrics", "Social/Political Lyrics", "Abstract Lyrics", "Explicit Lyrics",
    "Live Recording", "Audio Production", "Aural Intensity", "Acoustic Sonority", "Electric Sonority", "Synthetic Sonority",
    "Focus on Lead Vocal", "Focus on Lyrics", "Focus on Melody", "Focus on Vocal Accompaniment", "Focus on Rhythmic Groove",
    "Focus on Musical Arrangements", "Focus on Form", "Focus on Riffs", "Focus on Performance",
)  # fmt: skip
TONALITY = "Minor / Major Key Tonality"
NUM_SONGS = 21_320
# A tag is positive above the first; tonality below the second is minor.
HIGH, LOW = 0.8, 0.2
INDEX = "https://raw.githubusercontent.com/MTG/MGPHot-audio/main/genome_index_split_without_gene.json"
VALUES = "https://zenodo.org/records/15372063/files/mgphot_gene_values.tsv"
_SPLIT_NAMES = {"train": "train", "validation": "val", "test": "test"}
_ENDINGS = {".mp3", ".wav", ".flac", ".ogg", ".opus", ".aiff", ".aif", ".m4a", ".webm"}


@parsed_once
def read_values(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """(artist, title) -> float32 [58] in [0, 1], from ``mgphot_gene_values.tsv``; nan where a value is missing."""
    values = {}
    with rows_of(path, "\t") as rows:
        header = [name.strip().lower() for name in next(rows)]
        artist, title, genes = (header.index(name) for name in ("artist", "title", "gene_values"))
        for row in rows:
            numbers = [np.nan if number is None else float(number) for number in ast.literal_eval(row[genes])]
            values[row[artist].strip(), row[title].strip()] = _checked(numbers, row[title])
    return values


def _checked(numbers: list[float], song: str) -> np.ndarray:
    array = np.array(numbers, np.float32)
    if array.shape != (len(ATTRIBUTES),) or (array < 0).any() or (array > 1).any():
        raise ValueError(f"{song}: {len(numbers)} values, where {len(ATTRIBUTES)} in [0, 1] are published")
    return array


@parsed_once
def read_index(path: Path) -> dict[str, dict[str, Any]]:
    """Number of a song -> artist, title, youtube_id, main_artist, split; with ``gene_values`` in a rebuilt index."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        wanted = ("artist", "title", "youtube_id", "main_artist", "split")
        return {
            key: {name: str(song[name]) for name in wanted} | {"genes": song.get("gene_values")}
            for key, song in index.items()
        }
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorpusError(f"{path}: no index of songs as published ({error!r}); fetch it again") from error


@CORPORA.register("mgphot")
class MGPHot(Published):
    """MGPHot, from the user's copy of its files: the index with the split, and the values where the index has none.

    Files are ``genome_index_split_without_gene.json`` with ``mgphot_gene_values.tsv``, or ``genome_index_split.json``. Sound lies
    anywhere under ``audio``, named by its YouTube id or by the number of the song: ``audio/r5T/r5TeaE9PPR4.mp3``. No main
    artist is in two parts.

    Args:
        root: folder of the dataset.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        labels: ``"attributes"``: 58 regression attributes; ``"tags"``: 59 tags, positive where an attribute is above 0.8
            (tonality above 0.8 is Major, below 0.2 Minor), named as in the benchmark; ``"both"``, as on the poster, where the
            attributes have " (0 to 1)" behind their names.
        sample_rate: at which files are read, Hz.
        strict: raise where a count differs from the published one.

    Raises:
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("mgphot", root="mgphot", split="train", labels="both")  # doctest: +SKIP
    """

    licence = "annotations for non-commercial use, not to be passed on, nor files made from them; index CC BY-NC-SA 4.0"
    citation = (
        "Oramas, Gouyon, Hogan, Landau, Ehmann: MGPHot: A Dataset of Musicological Annotations for Popular Music (1958-2022). "
        "TISMIR 8(1), 2025"
    )
    homepage = "https://zenodo.org/records/15372063 and https://github.com/MTG/MGPHot-audio"
    description = "songs of the Billboard Hot 100"

    def __init__(
        self,
        *,
        root: FilePath,
        split: Text = "train",
        labels: Text = "attributes",
        sample_rate: SampleRate = SAMPLE_RATE,
        strict: Switch = True,
    ) -> None:
        split, folder = self.split_name(split), Path(root).expanduser()
        vocabulary = vocabulary_of(labels)
        index = read_index(self.find(folder, "genome_index_split.json", "genome_index_split_without_gene.json"))
        notes = self.check_count("songs in the index", len(index), NUM_SONGS, strict=strict)
        songs = {key: song for key, song in index.items() if song["split"] == _SPLIT_NAMES[split]}
        values = self._values(folder, songs)
        if unknown := int(np.isnan(values).all(axis=1).sum()):
            notes.append(f"{unknown} songs of the index are not in the table of values: all their labels are unknown")
        if not strict and not songs:
            raise CorpusError(f"{folder}: the index has no songs of the split {split}; fetch it again")
        sound = {path.stem: path for path in sorted((folder / "audio").rglob("*")) if path.suffix.lower() in _ENDINGS}
        super().__init__(
            split,
            vocabulary,
            list(songs),
            [
                sound.get(video) or sound.get(key) or folder / "audio" / video[:3] / f"{video}.mp3"
                for key, video in ((key, song["youtube_id"]) for key, song in songs.items())
            ],
            [song["main_artist"] for song in songs.values()],
            labels_of(values, labels),
            sample_rate=sample_rate,
            notes=notes,
        )

    def _values(self, folder: Path, songs: dict[str, dict[str, Any]]) -> np.ndarray:
        """float32 [songs, 58]."""
        table = {}
        if not all(song["genes"] for song in songs.values()):
            table = read_values(self.find(folder, "mgphot_gene_values.tsv"))
        unknown = np.full(len(ATTRIBUTES), np.nan, np.float32)
        try:
            rows = [
                _checked(song["genes"], song["title"])
                if song["genes"]
                else table.get((song["artist"].strip(), song["title"].strip()), unknown)
                for song in songs.values()
            ]
        except ValueError as error:
            raise CorpusError(f"{folder}/genome_index_split.json: {error}; fetch it again") from error
        return np.array(rows, np.float32).reshape(-1, len(ATTRIBUTES))

    @classmethod
    def annotation_files(cls) -> list[RemoteFile]:
        return [
            RemoteFile(VALUES, "mgphot_gene_values.tsv"),
            RemoteFile(INDEX, "genome_index_split_without_gene.json"),
        ]


def vocabulary_of(labels: str) -> Vocabulary:
    """The 58 attributes, the 59 tags, or both, attributes first."""
    ending = " (0 to 1)" if labels == "both" else ""
    attributes = [Tag(name + ending, kind=REGRESSION, source="musicologists") for name in ATTRIBUTES]
    names = [name for name in ATTRIBUTES if name != TONALITY] + ["Major", "Minor"]
    tags = [Tag(name, source="musicologists", description=f"the attribute is above {HIGH:g}") for name in names[:-2]]
    tags += [
        Tag("Major", source="musicologists", description=f"{TONALITY} is above {HIGH:g}"),
        Tag("Minor", source="musicologists", description=f"{TONALITY} is below {LOW:g}"),
    ]
    choices = {"attributes": attributes, "tags": tags, "both": attributes + tags}
    if labels not in choices:
        raise unknown_name("choice of labels", labels, choices)
    return Vocabulary(choices[labels])


def labels_of(values: np.ndarray, labels: str) -> np.ndarray:
    """float32 [songs, tags]: the values [songs, 58] as the vocabulary of :func:`vocabulary_of` has them."""
    tonality = ATTRIBUTES.index(TONALITY)
    others = np.delete(values, tonality, axis=1)
    key = values[:, tonality, None]
    tags = np.hstack([others > HIGH, key > HIGH, key < LOW]).astype(np.float32)
    tags[np.isnan(np.hstack([others, key, key]))] = np.nan
    return {"attributes": values, "tags": tags, "both": np.hstack([values, tags])}[labels]
