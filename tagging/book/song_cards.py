"""Song cards: a song's sound and labels beside the top k of several models, and one model's taggram, as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..evaluation.predictions import Predictions
from ..tags import CLASSIFICATION, Tag, TrackTags
from .player import Player

# Label of a listed tag -> mark and accessible name.
MARKS = {True: ("✓", "annotated"), False: ("·", "not annotated"), None: ("?", "unknown")}


@dataclass(frozen=True)
class Listed:
    """A tag in a model's list.

    Attributes:
        name: of the tag.
        score: in [0, 1].
        label: whether the song has the tag; None if unknown.
    """

    name: str
    score: float
    label: bool | None


@dataclass(frozen=True)
class SongCard:
    """One song: its sound, its annotated tags, and the lists of some models. A notebook shows it as HTML.

    Attributes:
        title: of the song.
        about: another line for the reader; may be empty.
        annotated: the song's tags.
        unknown: names of tags without a label.
        lists: name of a model -> its top k, highest score first.
        player: the sound; None for a card without.
        taggram: scores of one model over time; None for a card without.

    Book: ``book/popular_tags``.
    """

    title: str
    about: str
    annotated: tuple[Tag, ...]
    unknown: tuple[str, ...]
    lists: dict[str, tuple[Listed, ...]]
    player: Player | None = None
    taggram: TrackTags | None = None

    def hits(self, model: str) -> int:
        """Number of tags in a model's list that the song has."""
        return sum(listed.label is True for listed in self.lists[model])

    def _repr_html_(self) -> str:
        about = f"<p>{html.escape(self.about)}</p>" if self.about else ""
        sound = self.player._repr_html_() if self.player else ""
        picture = _taggram(self.taggram, max(map(len, self.lists.values()))) if self.taggram else ""
        tags = [f"<li>{html.escape(tag.name)} <small>{html.escape(tag.source)}</small></li>" for tag in self.annotated]
        unknown = f"<p><small>unknown: {html.escape(', '.join(self.unknown))}</small></p>" if self.unknown else ""
        columns = [f"<div><p><strong>annotated</strong></p><ul>{''.join(tags)}</ul>{unknown}</div>"]
        for model, listed in self.lists.items():
            heading = f"<p><strong>{html.escape(model)}</strong><br>{self.hits(model)} of {len(listed)} annotated</p>"
            columns.append(f"<div>{heading}<ol>{''.join(map(_item, listed))}</ol></div>")
        # inline style: a running notebook does not load the book's stylesheet
        lists = f'<div class="song-lists" style="display: flex; flex-wrap: wrap; gap: 1rem 1.25rem">{"".join(columns)}</div>'
        title = html.escape(self.title, quote=True)
        return (
            f'<section class="song-card" aria-label="{title}"><p class="song-title">{title}</p>'
            f"{about}{sound}{picture}{lists}</section>"
        )


def _item(listed: Listed) -> str:
    mark, accessible_name = MARKS[listed.label]
    name = html.escape(listed.name)
    return (
        f'<li><span role="img" aria-label="{accessible_name}">{mark}</span> '
        f"{f'<strong>{name}</strong>' if listed.label else name} "
        # hidden from screen readers: the number after it says the same
        f'<meter min="0" max="1" value="{listed.score:.3f}" aria-hidden="true"></meter> {listed.score:.2f}</li>'
    )


def _taggram(tags: TrackTags, top_k: int) -> str:
    """The tags with the highest means, one a row, and the segments, one a column: darker is higher."""
    rows = []
    for name, mean in tags.top(top_k):
        scores = tags.taggram[:, tags.tags.index(name)]
        cells = "".join(
            # the square root shows low scores, which most tags have
            f'<i data-segment="{segment}" style="background: color-mix(in srgb, var(--pst-color-primary, #1259b8) '
            f'{100 * float(score) ** 0.5:.0f}%, transparent)"></i>'
            for segment, score in enumerate(scores)
        )
        rows.append(f"<span>{html.escape(name)}</span>{cells}<span>{mean:.2f}</span>")
    ends = "".join(f"<span>{time:.0f}</span>" for time in tags.times)
    best = ", ".join(f"{html.escape(name)} {mean:.2f}" for name, mean in tags.top(3))
    times = ",".join(f"{time:.3f}" for time in tags.times)
    columns = f"grid-template-columns: minmax(5rem, 8rem) repeat({len(tags.times)}, minmax(0, 1fr)) 2.2rem"
    return (
        f'<div class="song-taggram" role="img" data-times="{times}" aria-label="Taggram of {len(tags.times)} segments of '
        f'{tags.segment_seconds:.0f} s. Highest means: {best}." style="display: grid; {columns}; gap: 2px 1px">'
        f"{''.join(rows)}<span>from second</span>{ends}<span>mean</span></div>"
    )


def readable_title(name: str) -> str:
    """A title for readers, from one that is the name of a file: ``bwv434.mxl`` -> ``BWV 434``."""
    title = re.sub(r"\.(?:mxl|xml|musicxml|krn|abc|midi?)$", "", name, flags=re.IGNORECASE).replace("_", " ").strip()
    title = re.sub(r"^(bwv|kv?|op|hob)[ .]?(?=\d)", lambda match: f"{match[1].upper()} ", title, flags=re.IGNORECASE)
    if " " not in title:
        return re.sub(r"\.(?=\d)", " ", title)
    return title.capitalize() if title.isupper() and not re.search(r"\d", title) else title


def top_list(predictions: Predictions, song: int, top_k: int = 10) -> tuple[Listed, ...]:
    """The classification tags with a song's highest scores, highest first; ties keep the order of the vocabulary.

    Args:
        predictions: of a model, with labels.
        song: row of the predictions.
        top_k: length of the list.

    Raises:
        ConfigError: no labels, no such song, ``top_k`` outside 1 ... number of classification tags.
    """
    labels, chosen = _labels_of(predictions, song), np.flatnonzero(predictions.vocabulary.classification)
    if not 1 <= top_k <= len(chosen):
        raise ConfigError(f"top_k={top_k}: give 1 to {len(chosen)}, the number of classification tags")
    scores = predictions.scores[song]
    order = chosen[np.argsort(-scores[chosen], kind="stable")[:top_k]].tolist()
    return tuple(
        Listed(
            name=predictions.vocabulary[tag].name,
            score=float(scores[tag]),
            label=None if np.isnan(labels[tag]) else bool(labels[tag]),
        )
        for tag in order
    )


def song_card(
    models: Mapping[str, Predictions],
    song: int,
    *,
    title: str,
    about: str = "",
    player: Player | None = None,
    taggram: TrackTags | None = None,
    top_k: int = 10,
) -> SongCard:
    """A card that shows a song's labels beside the lists of several models.

    Args:
        models: name to show -> predictions on the same songs and tags.
        song: row of the predictions.
        title, about, player, taggram: as in :class:`SongCard`.
        top_k: length of the lists.

    Raises:
        ConfigError: no models, models with other songs or tags, arguments that :func:`top_list` refuses.

    Book: ``book/popular_tags``.
    """
    if not models:
        raise ConfigError("models: give at least one")
    first_name, first = next(iter(models.items()))
    for name, predictions in models.items():
        same_labels = predictions.labels is first.labels or (
            predictions.labels is not None
            and first.labels is not None
            and np.array_equal(predictions.labels, first.labels, equal_nan=True)
        )
        if predictions.vocabulary != first.vocabulary or not same_labels:
            raise ConfigError(f"{name!r} and {first_name!r} have different songs or tags")
    labels = _labels_of(first, song)
    tags = [(tag, label) for tag, label in zip(first.vocabulary, labels, strict=True) if tag.kind == CLASSIFICATION]
    return SongCard(
        title=title,
        about=about,
        annotated=tuple(tag for tag, label in tags if label == 1),
        unknown=tuple(tag.name for tag, label in tags if np.isnan(label)),
        lists={name: top_list(predictions, song, top_k) for name, predictions in models.items()},
        player=player,
        taggram=taggram,
    )


def _labels_of(predictions: Predictions, song: int) -> np.ndarray:
    if predictions.labels is None:
        raise ConfigError("predictions without labels: a song card compares scores with labels")
    if not 0 <= song < len(predictions.labels):
        raise ConfigError(f"song {song}: give 0 to {len(predictions.labels) - 1}")
    return predictions.labels[song]


def sample_by_group(groups: Sequence[str | int], count: int, seed: int = 0) -> list[int]:
    """A random sample of songs, as evenly over groups as possible.

    Args:
        groups: group of each song, such as its collection.
        count: number of songs.
        seed: of the sample.

    Returns:
        Indices of ``count`` songs, in random order.

    Raises:
        ConfigError: ``count`` outside 1 ... number of songs.
    """
    if not 1 <= count <= len(groups):
        raise ConfigError(f"count={count}: give 1 to {len(groups)}, the number of songs")
    turn: dict[str | int, int] = {}
    turns = []
    for song in np.random.default_rng(seed).permutation(len(groups)).tolist():
        turn[groups[song]] = turn.get(groups[song], 0) + 1
        turns.append((turn[groups[song]], song))
    # a stable sort: the first of every group, then the second of every group, each in random order
    return [song for _, song in sorted(turns, key=lambda item: item[0])[:count]]


def picker_html(cards: Iterable[SongCard]) -> str:
    """Song cards as HTML, one after another; ``book/_static/song_picker.js`` shows one at a time."""
    legend = ", ".join(f"{mark} {accessible_name}" for mark, accessible_name in MARKS.values())
    songs = "".join(card._repr_html_() for card in cards)
    return f'<div class="song-picker"><p>Marks: {legend}.</p>{songs}</div>'
