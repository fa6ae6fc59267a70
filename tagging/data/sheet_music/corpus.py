"""The ``sheet-music`` corpus: a million annotated clips, rendered on demand. Book: ``book/million_clips``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import TaggingError, unknown_name
from ...tags import Tag, Vocabulary
from ...utils.arrays import read_array, write_array
from ...utils.files import DamagedError, cache_dir
from ..base import CORPORA, Corpus, Segment, Track, check_stretch
from ..options import Count, Seed, Switch, Text
from . import attributes, library, sources
from .annotations import COMPOSITION_TAGS, UNKNOWN
from .arranger import Arrangement, arrange
from .families import SPLITS, identity
from .instruments import INSTRUMENT_TAGS, TAG_ROW
from .note_bank import Bank, load_bank
from .renderer import render
from .sampling import first_compositions, sample_compositions
from .synthesizer import SAMPLE_RATE

CLIP_SECONDS = 15.0
CLIPS = {"train": 1_000_000, "validation": 10_000, "test": 10_000}
LICENCES = ("all", "open")
# An instrument is labelled in a segment when one of its notes is held in it for at least this long.
_AUDIBLE_SAMPLES = SAMPLE_RATE // 20
_RANKED_SEGMENTS = 4096
INSTRUMENTS = tuple(
    Tag(name, source="arranger", description="set for this instrument, which sounds in the segment")
    for name in INSTRUMENT_TAGS
)
VOCABULARY = Vocabulary([*COMPOSITION_TAGS, *INSTRUMENTS, *attributes.COMPUTED, *attributes.DRAWN])
_ANNOTATED = sources.annotated_by(VOCABULARY)


def tag_parts(vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """Parts of the vocabulary of this corpus, as masks for ``evaluate(parts=...)``.

    Returns:
        ``"composition"``: tags of the composition, on which the arranger has no influence, and ``"instrument"``: the others;
        bool [tags].
    """
    arranged = np.array([tag.source == "arranger" for tag in vocabulary])
    return {"composition": ~arranged, "instrument": arranged}


class Clip(Track):
    """One clip of the ``sheet-music`` corpus: 15 s of one arrangement of one composition.

    Attributes:
        piece: what is known about the composition: collection, file, number, title and more.
        arrangement: the notes of the clip, and the decisions of the arranger.
    """

    def __init__(self, corpus: SheetMusic, index: int) -> None:
        self._corpus = corpus
        self._index = index
        # ids and cached features carry the corpus's first name
        self.id = f"scores/{corpus.version}/{index}"
        self.group = corpus.group(index)
        self.seconds = CLIP_SECONDS
        self.piece: dict[str, Any] = corpus.library.pieces[corpus.composition(index)]
        self.arrangement: Arrangement = corpus.arrangement(index)

    def __repr__(self) -> str:
        return f"Clip({self.id}: {self.title!r}, {self.source}, {self.arrangement.form})"

    @property
    def title(self) -> str:
        """The title of the composition, or the name of its file."""
        piece = self.piece
        return (piece.get("T") or [piece.get("OTL") or piece.get("title") or piece.get("movement") or piece["file"]])[0]

    @property
    def source(self) -> str:
        """Where the composition stands: ``"collection/file#number"``."""
        return identity(self.piece)

    @cached_property
    def labels(self) -> np.ndarray:  # type: ignore[override]
        return self._corpus.labels(self.arrangement, self._index, 0, int(CLIP_SECONDS * SAMPLE_RATE))

    def dry(self) -> np.ndarray:
        """int16 [240000]: the clip before the degradations; the same bytes on every machine with the same note bank."""
        return render(self._corpus.bank, self.arrangement, int(CLIP_SECONDS * SAMPLE_RATE))

    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        start, seconds = check_stretch(start, seconds, CLIP_SECONDS)
        sound = self.dry()
        if self._corpus.degraded:
            from .degradations import degrade_clip

            sound = degrade_clip(sound, self.arrangement.mix)
        first = round(start * SAMPLE_RATE)
        return sound[first : first + round(seconds * SAMPLE_RATE)]


@CORPORA.register("sheet-music", "scores")
class SheetMusic(Corpus):
    """About 14,900 compositions, arranged and rendered into as many clips as are asked for.

    The clips are synthesized: nobody sings in them, and what a model learns here carries over to recordings only as far
    as somebody measures it. A million clips are a million arrangements of these compositions, not a million songs.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``; no tune family is in two of them.
        clips: how many; by default a million for training and 10,000 for each other split. Fewer are the first of more.
        seed: another seed gives other arrangements of the same compositions.
        compositions: at most so many compositions, chosen by hash; by default all of the split.
        licence: ``"all"``, or ``"open"`` without the Essen and Palestrina encodings, whose licences restrict their use.
        degraded: whether tracks are read with room, band limit, noise and level. Segments are always dry: their
            degradations run on the training device (see :meth:`augment`).
        build: build the note cache if it is missing or damaged (minutes).

    Raises:
        ConfigError: an argument outside what is allowed.
        CorpusError: the corpus is not built yet; the message names the command.
    """

    splits = SPLITS
    licence = "MIT; some of the scores it was trained on may be used for non-commercial purposes only"
    description = "synthesized clips of sheet music"
    sample_rate = SAMPLE_RATE
    vocabulary = VOCABULARY

    def __init__(
        self,
        *,
        split: Text = "train",
        clips: Count = None,
        seed: Seed = 0,
        compositions: Count = None,
        licence: Text = "all",
        degraded: Switch = True,
        build: Switch = False,
    ) -> None:
        self.split = self._check_split(split)
        if licence not in LICENCES:
            raise unknown_name("licence", licence, LICENCES)
        self.encodings = licence
        self.seed = int(seed)
        self.degraded = degraded
        self._clips = CLIPS[split] if clips is None else clips
        self.library = library.ready_library(build=build)
        self.pool = first_compositions(self.library, np.flatnonzero(self._in_split()), compositions)
        self._tables: dict[int, list[np.ndarray]] = {}

    @classmethod
    def prepare(cls, *, progress: bool = True) -> None:
        library.ready_library(build=True, progress=progress)
        corpus = cls()
        _ = corpus.bank
        for seconds in (3.0, CLIP_SECONDS):
            corpus.rank_table(seconds)

    @cached_property
    def bank(self) -> Bank:
        """The rendered notes; built on first use."""
        return load_bank()

    @cached_property
    def _compositions(self) -> np.ndarray:
        # the key names the random stream: another one would make another corpus
        return sample_compositions(self.library, self.pool, self._clips, f"deal {self.version}")

    @cached_property
    def version(self) -> str:
        """``"<library>-<split>-<licence>-<seed>"``: equal versions have equal arrangements."""
        return f"{self.library.version}-{self.split}-{self.encodings}-{self.seed}"

    @property
    def cache_name(self) -> str:
        return f"scores-{self.version}{'' if self.degraded else '-dry'}"

    def parts(self) -> dict[str, np.ndarray]:
        """``"composition"`` and ``"instrument"`` of :func:`tag_parts`, and the groups of :func:`.sources.tag_groups`."""
        return {**tag_parts(self.vocabulary), **sources.tag_groups(self.vocabulary)}

    def strata(self, indices: np.ndarray) -> np.ndarray:
        """str [indices]: the collections, of which Essen is two, and those with few compositions one together."""
        pieces = self.library.pieces
        return np.array([sources.source_of(pieces[self.composition(index)]) for index in np.asarray(indices).tolist()])

    def annotated(self, indices: np.ndarray) -> np.ndarray:
        """bool [indices, tags], by the source of each clip."""
        rows = [_ANNOTATED[source] for source in self.strata(indices).tolist()]
        return np.array(rows, bool).reshape(-1, len(VOCABULARY))

    def provenance(self) -> dict[str, str]:
        return {"bank": self.bank.version}

    def __len__(self) -> int:
        return self._clips

    def __repr__(self) -> str:
        return f"SheetMusic({self.version}: {len(self)} clips of {len(self.pool)} compositions)"

    def __getitem__(self, index: int) -> Clip:  # type: ignore[override]
        return Clip(self, self._check_index(index))

    def _in_split(self, split: str | None = None) -> np.ndarray:
        """bool [compositions]: what belongs to a split, by default this one, under the licence."""
        facts = self.library.facts
        inside = facts["split"] == SPLITS.index(split or self.split)
        return inside & facts["open"] if self.encodings == "open" else inside

    def summary(self) -> list[str]:
        facts, library = self.library.facts, self.library
        families = len(np.unique(facts["family"]))
        lines = [
            f"{len(library):,} compositions in {families:,} tune families, {library.notes.shape[1]:,} notes",
            f"{int(facts['open'].sum()):,} compositions with licence='open': without the Essen and Palestrina encodings",
        ]
        for split in SPLITS:
            inside = self._in_split(split)
            families = len(np.unique(facts["family"][inside]))
            lines.append(
                f"  {split}: {int(inside.sum()):,} compositions, {families:,} families, {CLIPS[split]:,} clips"
            )
        return [*lines, f"{len(self.vocabulary)} tags; counts are compositions"]

    def tag_counts(self) -> dict[str, int]:
        """Number of compositions of this split with each composition tag; tags of the rendered clip are left out."""
        counts = (self.library.facts["score_tags"][self._in_split()] == 1).sum(axis=0)
        return {tag.name: int(count) for tag, count in zip(COMPOSITION_TAGS, counts, strict=True)}

    def composition(self, index: int) -> int:
        """The composition of clip ``index``, as an index into the library."""
        return int(self._compositions[index])

    def group(self, index: int) -> str:
        """The tune family of a clip, named by its first composition."""
        return identity(self.library.pieces[self.library.facts["family"][self.composition(index)]])

    def groups(self) -> np.ndarray:
        """int32 [clips]: the tune family of every clip, as a number."""
        return self.library.facts["family"][self._compositions]

    def durations(self, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), CLIP_SECONDS)

    def augment(self) -> Callable[[Any, Any], Any]:
        """The degradations, or without ``degraded`` the plain conversion."""
        if not self.degraded:
            return super().augment()
        from .degradations import Degradations

        return Degradations()

    def arrangement(self, index: int) -> Arrangement:
        """The notes of clip ``index``."""
        return arrange(self.library, self.composition(index), f"{self.version} {index}", CLIP_SECONDS)

    def segment(self, index: int, start: float, seconds: float) -> Segment:
        """A stretch of clip ``index`` before the degradations, with the labels of this stretch.

        Equal to the same stretch of the whole clip, byte for byte, and cheaper.
        """
        index = self._check_index(index)
        start, seconds = check_stretch(start, seconds, CLIP_SECONDS)
        begin, samples = round(start * SAMPLE_RATE), round(seconds * SAMPLE_RATE)
        arrangement = self.arrangement(index)
        return Segment(
            audio=render(self.bank, arrangement, samples, begin),
            labels=self.labels(arrangement, index, begin, begin + samples),
            augmentation_params=arrangement.mix.astype(np.float32),
        )

    def labels(self, arrangement: Arrangement, index: int, begin: int, end: int) -> np.ndarray:
        """float32 [tags]: the labels of samples ``begin`` to ``end`` of clip ``index``."""
        composition = self.library.facts["score_tags"][self.composition(index)].astype(np.float32)
        composition[composition == UNKNOWN] = np.nan
        held = np.minimum(arrangement.start + arrangement.duration, end) - np.maximum(arrangement.start, begin)
        row = TAG_ROW[arrangement.program[held >= _AUDIBLE_SAMPLES]]
        instruments = np.zeros(len(INSTRUMENT_TAGS), np.float32)
        instruments[row[row >= 0]] = 1
        table = self.rank_table((end - begin) / SAMPLE_RATE)
        computed = attributes.ranks(attributes.measure(arrangement, begin, end), table)
        drawn = attributes.drawn(arrangement, self.degraded)
        return np.concatenate([composition, instruments, computed, drawn]).astype(np.float32)

    def rank_table(self, seconds: float) -> list[np.ndarray]:
        """For each computed attribute its sorted values over 4,096 training segments of this length.

        Measured once for each length (some seconds) and kept in the cache; in memory where the cache cannot be written to.
        """
        samples = round(seconds * SAMPLE_RATE)
        if samples not in self._tables:
            path = cache_dir("scores") / f"ranks-{self.library.version}-{self.encodings}-{samples}.npy"
            measured = _load_or_make(path, lambda: self._measure_training_segments(samples))
            self._tables[samples] = [np.sort(row[~np.isnan(row)]) for row in measured]
        return self._tables[samples]

    def _measure_training_segments(self, samples: int) -> np.ndarray:
        training = SheetMusic(split="train", clips=_RANKED_SEGMENTS, licence=self.encodings)
        room = int(CLIP_SECONDS * SAMPLE_RATE) - samples
        begins = [(index * 7919 * 64) % (room + 1) for index in range(_RANKED_SEGMENTS)]
        rows = [
            attributes.measure(training.arrangement(index), begin, begin + samples)
            for index, begin in enumerate(begins)
        ]
        return np.array(rows).T


def _load_or_make(path: Path, make: Callable[[], np.ndarray]) -> np.ndarray:
    shape = len(attributes.COMPUTED), _RANKED_SEGMENTS
    try:
        table = read_array(path)
        if table.shape == shape and table.dtype == np.float64 and not np.isinf(table).any():
            return table
    except DamagedError:
        pass  # or missing: made again
    table = make()
    try:
        write_array(path, table)
    except TaggingError as error:
        warnings.warn(f"measured again each time: {error}", stacklevel=2)
    return table
