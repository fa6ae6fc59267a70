"""Tags, vocabularies, and the tags of one song. Book: ``book/glossary``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .errors import ConfigError, unknown_name
from .utils.legacy import current_tag

CLASSIFICATION = "classification"
REGRESSION = "regression"
KINDS = (CLASSIFICATION, REGRESSION)
# Sources that the sheet-music corpus uses: a person who wrote about this piece, the collection the piece is in, a computation
# on its notes, the program that arranged it. Other corpora may use other words.
SOURCES = ("human", "collection", "computed", "arranger")


@dataclass(frozen=True)
class Tag:
    """One entry of a vocabulary.

    Args:
        name: for display, unique in its vocabulary.
        kind: ``"classification"`` (labels 0 or 1) or ``"regression"`` (an attribute in [0, 1]).
        exclusive_group: name of the set of mutually exclusive tags this one belongs to, or None.
        source: where the annotation comes from, in a short word, such as ``"human"`` or ``"computed"``.
        description: one line for a reader; may be empty.

    Book: ``book/glossary``.
    """

    name: str
    kind: str = CLASSIFICATION
    exclusive_group: str | None = None
    source: str = "human"
    description: str = ""

    def __post_init__(self) -> None:
        for field_name in ("name", "kind", "exclusive_group", "source", "description"):
            value = getattr(self, field_name)
            if not isinstance(value, str) and (field_name != "exclusive_group" or value is not None):
                raise ConfigError(f"a tag with {field_name}={value!r}: it must be text")
        if not self.name:
            raise ConfigError("a tag needs a name")
        if self.kind not in KINDS:
            raise ConfigError(f"tag {self.name!r}: {unknown_name('kind', self.kind, KINDS)}")
        if not (self.source.isprintable() and 0 < len(self.source) <= 30):
            raise ConfigError(f"tag {self.name!r}: source={self.source!r}: give one short word, such as 'human'")


class Vocabulary(Sequence[Tag]):
    """An ordered set of tags: the meaning of a model's outputs.

    Args:
        tags: names, which become classification tags, or :class:`Tag` objects.

    Source: Pons et al. 2018, section 3 (the two kinds of tags). Book: ``book/glossary``.

    Raises:
        ConfigError: no tags, or a name given twice.
    """

    def __init__(self, tags: Iterable[Tag | str]) -> None:
        if isinstance(tags, str):
            raise ConfigError(f"tags={tags!r}: a list of names is needed, e.g. [{tags!r}]")
        if not isinstance(tags, Iterable):
            raise ConfigError(f"tags={tags!r}: a list of names is needed, e.g. ['piano', 'drums']")
        self._tags = tuple(tag if isinstance(tag, Tag) else Tag(tag) for tag in tags)
        if not self._tags:
            raise ConfigError("a vocabulary needs at least one tag")
        if duplicates := sorted(name for name, count in Counter(self.names).items() if count > 1):
            more = f" and {len(duplicates) - 10} more" if len(duplicates) > 10 else ""
            raise ConfigError(f"tags given twice: {', '.join(duplicates[:10])}{more}")

    def __len__(self) -> int:
        return len(self._tags)

    def __getitem__(self, index: int) -> Tag:  # type: ignore[override]  # a vocabulary is not sliced
        return self._tags[index]

    def __iter__(self) -> Iterator[Tag]:
        return iter(self._tags)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self._tags == other._tags

    def __hash__(self) -> int:
        return hash(self._tags)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tags: {', '.join(self.names[:3])}{', ...' if len(self) > 3 else ''})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Tag names, in the order of a model's outputs."""
        return tuple(tag.name for tag in self._tags)

    @cached_property
    def classification(self) -> np.ndarray:
        """bool [tags]: True where the tag is a classification tag."""
        return np.array([tag.kind == CLASSIFICATION for tag in self._tags])

    @cached_property
    def regression(self) -> np.ndarray:
        """bool [tags]: True where the tag is a regression attribute."""
        return ~self.classification

    @cached_property
    def exclusive_groups(self) -> dict[str, tuple[int, ...]]:
        """Mutually exclusive tags: name of the group -> indices of its tags."""
        groups: dict[str, list[int]] = defaultdict(list)
        for index, tag in enumerate(self._tags):
            if tag.exclusive_group is not None:
                groups[tag.exclusive_group].append(index)
        return {name: tuple(members) for name, members in groups.items()}

    def position(self, name: str) -> int:
        """Return the output index of a tag.

        Raises:
            ConfigError: no such tag; the message suggests the nearest.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise unknown_name("tag", name, self.names) from None

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain data for JSON; :meth:`from_list` reads it."""
        return [asdict(tag) for tag in self._tags]

    @classmethod
    def from_list(cls, tags: Iterable[Mapping[str, Any]]) -> Vocabulary:
        """Read what :meth:`to_list` wrote, also in an earlier version."""
        return cls(Tag(**current_tag(tag)) for tag in tags)


@dataclass(frozen=True, eq=False)
class TrackTags:
    """The tags of one song, over time and for the whole of it.

    Attributes:
        vocabulary: the tags, in the order of the model's outputs.
        scores: float32 [tags] in [0, 1]: the mean of the taggram over segments (Pons et al. 2018, section 3).
        times: float32 [segments]: start of each segment, in seconds.
        taggram: float32 [segments, tags] in [0, 1].
        segment_seconds: length of the segment behind each row of the taggram.
        padded_seconds: silence added because the song is shorter than one segment; otherwise 0.
        notes: what a user should know about this result, one sentence each; usually empty.

    Book: ``book/tag_a_song``.
    """

    vocabulary: Vocabulary
    scores: np.ndarray
    times: np.ndarray
    taggram: np.ndarray
    segment_seconds: float
    padded_seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        best = ", ".join(f"{tag} {score:.2f}" for tag, score in self.top(3))
        count = len(self.times)
        return (
            f"TrackTags({count} segment{'' if count == 1 else 's'} of {self.segment_seconds:g} s: {best or 'no tags'})"
        )

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of all tags and attributes, in the order of the scores."""
        return self.vocabulary.names

    @property
    def attributes(self) -> dict[str, float]:
        """Scores of the regression attributes: name -> score, in the order of the vocabulary."""
        return {self.tags[i]: float(self.scores[i]) for i in np.flatnonzero(self.vocabulary.regression)}

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The ``count`` highest-scored classification tags as ``(tag, score)``, best first; ties keep the vocabulary's order.

        Regression attributes are not ranked among them; see :attr:`attributes`.
        """
        if count < 1:
            raise ConfigError(f"top({count}): ask for at least one tag")
        indices = np.flatnonzero(self.vocabulary.classification)
        order = indices[np.argsort(-self.scores[indices], kind="stable")[:count]]
        return [(self.tags[i], float(self.scores[i])) for i in order]

    def present(self, thresholds: Mapping[str, float]) -> list[str]:
        """The tags whose score reaches their threshold, in the order of the vocabulary.

        Args:
            thresholds: tag -> the score from which on it counts as present, such as ``tagger.thresholds``; tags without one are
                left out.
        """
        return [
            tag
            for tag, score in zip(self.tags, self.scores, strict=True)
            if tag in thresholds and score >= thresholds[tag]
        ]

    def __getitem__(self, tag: str) -> float:
        """The song-level score of one tag or attribute."""
        return float(self.scores[self.vocabulary.position(tag)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the taggram: the scores of all tags and attributes, and what they are based on."""
        return {
            "scores": {tag: float(score) for tag, score in zip(self.tags, self.scores, strict=True)},
            "segments": len(self.times),
            "segment_seconds": self.segment_seconds,
            "padded_seconds": self.padded_seconds,
            "notes": list(self.notes),
        }
