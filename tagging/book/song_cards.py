"""What is true of a song beside what models list for it, to be read and heard. Book: ``book/popular_tags``."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..evaluation.predictions import Predictions
from ..tags import CLASSIFICATION, Tag
from .player import Player

# Shown mark and spoken name of what is known about a listed tag.
MARKS = {True: ("✓", "annotated"), False: ("·", "not annotated"), None: ("?", "unknown")}


@dataclass(frozen=True)
class Listed:
    """A tag in a model's list.

    Attributes:
        name: of the tag.
        score: in [0, 1].
        truth: whether the song has it; None if that is not known.

    Book: ``book/popular_tags``.
    """

    name: str
    score: float
    truth: bool | None


@dataclass(frozen=True)
class SongCard:
    """One song: its sound, its annotated tags, and the lists of some models. A notebook shows it as HTML.

    Attributes:
        title: of the song.
        about: one line more for the reader; may be empty.
        annotated: the tags it has.
        unknown: names of the tags of which nobody knows whether it has them.
        lists: name of a model -> its tags, highest score first.
        player: the sound; None for a card without.

    Book: ``book/popular_tags``.
    """

    title: str
    about: str
    annotated: tuple[Tag, ...]
    unknown: tuple[str, ...]
    lists: dict[str, tuple[Listed, ...]]
    player: Player | None = None

    def hits(self, model: str) -> int:
        """How many tags of a model's list the song has."""
        return sum(listed.truth is True for listed in self.lists[model])

    def _repr_html_(self) -> str:
        about = f"<p>{html.escape(self.about)}</p>" if self.about else ""
        sound = self.player._repr_html_() if self.player else ""
        true = [f"<li>{html.escape(tag.name)} <small>{html.escape(tag.source)}</small></li>" for tag in self.annotated]
        unknown = f"<p><small>unknown: {html.escape(', '.join(self.unknown))}</small></p>" if self.unknown else ""
        columns = [f"<div><p><strong>annotated</strong></p><ul>{''.join(true)}</ul>{unknown}</div>"]
        for model, listed in self.lists.items():
            heading = f"<p><strong>{html.escape(model)}</strong><br>{self.hits(model)} of {len(listed)} annotated</p>"
            columns.append(f"<div>{heading}<ol>{''.join(map(_item, listed))}</ol></div>")
        # laid out without a stylesheet too: a running notebook has none of the book's
        lists = f'<div class="song-lists" style="display: flex; flex-wrap: wrap; gap: 1rem 1.25rem">{"".join(columns)}</div>'
        title = html.escape(self.title, quote=True)
        return f'<section class="song-card" aria-label="{title}"><h3>{title}</h3>{about}{sound}{lists}</section>'


def _item(listed: Listed) -> str:
    mark, spoken = MARKS[listed.truth]
    name = html.escape(listed.name)
    return (
        f'<li><span role="img" aria-label="{spoken}">{mark}</span> '
        f"{f'<strong>{name}</strong>' if listed.truth else name} "
        # the number after it says the same in words
        f'<meter min="0" max="1" value="{listed.score:.3f}" aria-hidden="true"></meter> {listed.score:.2f}</li>'
    )


def top_list(predictions: Predictions, song: int, top_k: int = 10) -> tuple[Listed, ...]:
    """The classification tags with a song's highest scores, highest first; of equal scores, the earlier tag.

    Args:
        predictions: of a model, with labels.
        song: row of the predictions.
        top_k: length of the list.

    Raises:
        ConfigError: no labels, no such song, a list without room or longer than the vocabulary.

    Book: ``book/popular_tags``.
    """
    labels, chosen = _labels_of(predictions, song), np.flatnonzero(predictions.vocabulary.classification)
    if not 1 <= top_k <= len(chosen):
        raise ConfigError(f"top_k={top_k}: give 1 to {len(chosen)}, the number of classification tags")
    scores = predictions.scores[song]
    order = chosen[np.argsort(-scores[chosen], kind="stable")[:top_k]]
    return tuple(
        Listed(
            predictions.vocabulary[tag].name, float(scores[tag]), None if np.isnan(labels[tag]) else bool(labels[tag])
        )
        for tag in order.tolist()
    )


def song_card(
    models: Mapping[str, Predictions],
    song: int,
    *,
    title: str,
    about: str = "",
    player: Player | None = None,
    top_k: int = 10,
) -> SongCard:
    """Put what is annotated of a song beside the lists of models.

    Args:
        models: name to show -> predictions on the same songs and tags.
        song: row of the predictions.
        title, about, player: of the song, as in :class:`SongCard`.
        top_k: length of the lists.

    Raises:
        ConfigError: no models, models of other songs or tags, anything that :func:`top_list` refuses.

    Book: ``book/popular_tags``.
    """
    if not models:
        raise ConfigError("models: give at least one")
    name, first = next(iter(models.items()))
    for other, predictions in models.items():
        same_truth = predictions.labels is first.labels or (
            predictions.labels is not None
            and first.labels is not None
            and np.array_equal(predictions.labels, first.labels, equal_nan=True)
        )
        if predictions.vocabulary != first.vocabulary or not same_truth:
            raise ConfigError(f"{other!r} and {name!r} were not asked about the same tags of the same songs")
    labels = _labels_of(first, song)
    tags = [(tag, label) for tag, label in zip(first.vocabulary, labels, strict=True) if tag.kind == CLASSIFICATION]
    return SongCard(
        title=title,
        about=about,
        annotated=tuple(tag for tag, label in tags if label == 1),
        unknown=tuple(tag.name for tag, label in tags if np.isnan(label)),
        lists={name: top_list(predictions, song, top_k) for name, predictions in models.items()},
        player=player,
    )


def _labels_of(predictions: Predictions, song: int) -> np.ndarray:
    if predictions.labels is None:
        raise ConfigError("predictions without labels: there is nothing to put beside them")
    if not 0 <= song < len(predictions.labels):
        raise ConfigError(f"song {song}: give 0 to {len(predictions.labels) - 1}")
    return predictions.labels[song]


def draw_apart(groups: Sequence[str | int], count: int, seed: int = 0) -> list[int]:
    """Draw songs by lot, passing over a song while another of its group is drawn and some group is not.

    Args:
        groups: of each song, such as its collection.
        count: how many songs.
        seed: of the lot.

    Returns:
        Places of ``count`` songs, in the order in which they were drawn.

    Raises:
        ConfigError: fewer songs than that.

    Book: ``book/popular_tags``.
    """
    if not 1 <= count <= len(groups):
        raise ConfigError(f"count={count}: give 1 to {len(groups)}, the number of songs")
    turn: dict[str | int, int] = {}
    rounds = []
    for place in np.random.default_rng(seed).permutation(len(groups)).tolist():
        turn[groups[place]] = turn.get(groups[place], 0) + 1
        rounds.append((turn[groups[place]], place))
    # a stable sort: first the first of every group, then the second of every group, each in the order of the lot
    return [place for _, place in sorted(rounds, key=lambda item: item[0])[:count]]


def picker_html(cards: Iterable[SongCard]) -> str:
    """Songs one after another; ``book/_static/song_picker.js``, where it runs, shows one at a time.

    Book: ``book/popular_tags``.
    """
    legend = ", ".join(f"{mark} {spoken}" for mark, spoken in MARKS.values())
    songs = "".join(card._repr_html_() for card in cards)
    return f'<div class="song-picker"><p>Marks: {legend}.</p>{songs}</div>'
