"""Composition tags: from human annotations, collections, and notes.

They do not depend on the arrangement. A tag is 1, 0, or unknown where the source does not annotate it.
Book: ``book/million_clips``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ...tags import Tag
from .harmony import harmonise
from .readers import TICKS

Piece = dict[str, Any]
UNKNOWN = -1
FIDDLE_BOOKS = ("oneills1850", "ryansMammoth", "airdsAirs", "miscFolk", "nottingham-dataset")
# Encodings with a restrictive licence; ``licence="open"`` leaves them out.
RESTRICTED_COLLECTIONS = ("essenFolksong", "palestrina")
_RENAISSANCE = ("palestrina", "josquin", "lusitano", "monteverdi")
_PITCH_CLASS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MODES = ((r"maj|ion", "major"), (r"mix", "mixolydian"), (r"dor", "dorian"), (r"m$|min|aeo", "minor"))

# The first pattern that matches the origin field of an Essen song decides. Neighbouring small regions are merged, so that
# each tag has at least 30 compositions in the test split.
REGIONS = (
    ("Chinese", r"China"),
    ("Irish", r"Irland"),
    ("Lorraine", r"Lothringen"),
    ("Luxembourgish", r"Luxemburg"),
    ("Hessian", r"Hessen|Odenwald|Wetterau|Kassel|Darmstadt|Nassau|Westerwald"),
    ("Rhenish and Westphalian", r"rhein|Rhein|Westfalen|Bergisches|Herzogtum Berg|Hochwald|Saar"),
    (
        "eastern German",
        r"Schlesien|Brandenburg|Berlin|Uckermark|Altmark|Sachsen|Thueringen|Pommern|Preussen|Boehmen|Kuhlaendchen",
    ),
    (
        "southern German and Alpine",
        r"Oesterreich|Tirol|Steiermark|Schweiz|Elsass|Schwaben|Wuerttemberg|Baden|Bayern|[Ff]ranken",
    ),
    (
        "eastern and southeastern European",
        r"Osteuropa|Suedosteuropa|Jugoslawien|Ungarn|Polen|UdSSR|Rumaenien|Tschechoslowakei",
    ),
)
FUNCTIONS = (
    ("ballad", r"ballade"),
    ("romance", r"romanze"),
    ("love song", r"liebe|kilt"),
    ("death and mourning", r"\btod|mord|hinrichtung|klage|trauer"),
    ("legend", r"sage|maerchen|legende|zauber"),
    ("religious song", r"religi|geistlich|kirchen|weihnacht|legende"),
    ("soldier song", r"soldaten|krieg"),
    ("children song", r"kinder|wiegen"),
    ("joke song", r"scherz|spott|schwank|schalk|lustig"),
    ("dance song", r"tanz|reigen"),
    ("farewell and wandering", r"abschied|trennung|wander"),
    ("work and trade song", r"handwerk|gesellen|bauern|beruf|bergmann|bergbau|jaeger|jagd"),
    ("drinking and social song", r"trink|zech|gesellig|gesellschaft"),
    ("xiaodiao", r"xiaodiao"),
    ("shange", r"shange"),
)
DANCES = (
    ("reel", r"\breels?\b"),
    ("jig", r"\bjigs?\b"),
    ("hornpipe", r"hornpipe"),
)
# Movements with few words are set to long melismas, those with many words syllable by syllable.
MOVEMENTS = (
    ("Kyrie and Agnus", r"kyrie|agnus"),
    ("Gloria and Credo", r"gloria|credo"),
    ("Sanctus and Benedictus", r"sanctus|benedictus"),
)
# A song marked "Germany" and nothing closer may be from any of these.
_PARTS_OF_GERMANY = ("Hessian", "Rhenish and Westphalian", "eastern German", "southern German and Alpine")


def origin(piece: Piece) -> str | None:
    """The region of a composition: by the editors in Essen, by the book elsewhere; None if unknown."""
    collection = piece["collection"]
    if collection == "essenFolksong":
        if piece["file"].startswith("han"):
            return "Chinese"
        written = " / ".join(piece.get("O", []))
        return next((name for name, pattern in REGIONS if re.search(pattern, written)), None)
    if collection == "airdsAirs":
        text = " ".join(piece.get("C", []) + piece.get("T", []))
        return "Irish" if re.search("irish", text, re.IGNORECASE) else "Scottish"
    return {"oneills1850": "Irish", "ryansMammoth": "American fiddle"}.get(collection)


def _region(name: str) -> Callable[[Piece], int]:
    def test(piece: Piece) -> int:
        region = origin(piece)
        if region is None and name in _PARTS_OF_GERMANY and _is_german(piece):
            return UNKNOWN
        return int(region == name)

    return test


def _is_german(piece: Piece) -> int:
    written = " / ".join(piece.get("O", []))
    return int("Deutschland" in written or "Lothringen" in written)


def _function(pattern: str) -> Callable[[Piece], int]:
    def test(piece: Piece) -> int:
        if piece["collection"] != "essenFolksong":
            return 0
        written = " ".join(piece.get("R", [])).lower()
        return int(bool(re.search(pattern, written))) if written else UNKNOWN

    return test


def _dance(pattern: str) -> Callable[[Piece], int]:
    def test(piece: Piece) -> int:
        if piece["collection"] not in FIDDLE_BOOKS:
            return 0
        written = " ".join(piece.get("R", []) + piece.get("T", [])).lower()
        if re.search(pattern, written):
            return 1
        # without a rhythm field the tune may still be this dance, unless its title names another one
        named = piece.get("R") or any(re.search(other, written) for _, other in DANCES)
        return 0 if named or re.search(r"march|strathspey|waltz|minuet|air\b", written) else UNKNOWN

    return test


def _movement(pattern: str) -> Callable[[Piece], int]:
    def test(piece: Piece) -> int:
        return int(piece["collection"] == "palestrina" and bool(re.match(pattern, piece["file"].lower())))

    return test


def tonic_and_mode(piece: Piece, notes: np.ndarray) -> tuple[int, str]:
    """Tonic (pitch class) and mode of a composition.

    The tonic is that of the written key, or without one the best fit of Krumhansl's key profiles. The written key of Essen
    songs is nearly always major, so their mode is read from the third degree.

    Args:
        piece: description of the composition.
        notes: int32 [notes, 5].

    Returns:
        the pitch class (0 is C) and ``"major"``, ``"minor"``, ``"dorian"``, ``"mixolydian"`` or ``"other"``.
    """
    if "key" in piece:
        name, mode = piece["key"]
        tonic = _PITCH_CLASS[name[0].upper()] + name.count("#") - name.count("-")
        return tonic % 12, _mode_name(mode, "minor" if name[0].islower() else "major")
    written = re.match(r"([A-G])([#b]?)\s*(\w*)", (piece.get("K") or [""])[0])
    if not written:
        return _profile_key(notes)
    tonic = (_PITCH_CLASS[written[1]] + {"#": 1, "b": -1, "": 0}[written[2]]) % 12
    if piece["collection"] == "essenFolksong":
        weight = np.bincount((notes[:, 2] - tonic) % 12, weights=notes[:, 1], minlength=12)
        third = weight[3] + weight[4]
        return tonic, "other" if third == 0 else "minor" if weight[3] > weight[4] else "major"
    return tonic, _mode_name(written[3].lower(), "major")


def _mode_name(written: str, default: str) -> str:
    if not written:
        return default
    return next((mode for pattern, mode in _MODES if re.match(pattern, written)), "other")


# Krumhansl and Kessler 1982, probe-tone ratings.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def _profile_key(notes: np.ndarray) -> tuple[int, str]:
    weight = np.bincount(notes[:, 2] % 12, weights=notes[:, 1], minlength=12)
    fits = [
        (np.corrcoef(np.roll(profile, tonic), weight)[0, 1], tonic, mode)
        for tonic in range(12)
        for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
    ]
    return max(fits)[1:]


def meter_of(piece: Piece) -> tuple[int, int] | None:
    """The first time signature; None for free or unknown metre."""
    written = piece.get("meter") or (piece.get("M") or [""])[0].split("%")[0].strip()
    written = str({"C": "4/4", "C|": "2/2"}.get(written, written))
    match = re.match(r"(\d+)/(\d+)", written)
    return (int(match[1]), int(match[2])) if match and int(match[2]) else None


def meter_kind(piece: Piece) -> str | None:
    """``"duple"``, ``"triple"`` or ``"compound"``; None for free, mixed or odd metres."""
    meter = meter_of(piece)
    if meter is None:
        return None
    beats, unit = meter
    if beats in (6, 9, 12) and unit >= 8:
        return "compound"
    return "triple" if beats in (3, 9) else "duple" if beats in (1, 2, 4, 6, 8, 12) else None


def _is_pentatonic(tonic: int, notes: np.ndarray) -> int:
    weight = np.sort(np.bincount((notes[:, 2] - tonic) % 12, weights=notes[:, 1], minlength=12))[::-1]
    return int(weight[5:].sum() < 0.02 * weight.sum())


_ESSEN = "written about this song by the editors of the Essen collection"
_BOOKS = (("Scottish", "Aird's Airs, a noisy sign"), ("American fiddle", "Ryan's Mammoth Collection"))


def _in(*collections: str) -> Callable[[Piece], int]:
    return lambda piece: int(piece["collection"] in collections)


# Tag and rule side by side.
_FROM_TEXT: list[tuple[Tag, Callable[[Piece], int]]] = [
    (Tag("folk song", source="collection", description="in the Essen folk song collection"), _in("essenFolksong")),
    (Tag("fiddle tune", source="collection", description="in a book of tunes for fiddle or fife"), _in(*FIDDLE_BOOKS)),
    (
        Tag("renaissance", exclusive_group="period", source="collection", description="by the composer's time"),
        _in(*_RENAISSANCE),
    ),
    (
        Tag(
            "baroque period",
            exclusive_group="period",
            source="collection",
            description="by the composer's time; nearly all Bach",
        ),
        _in("bach", "corelli", "handel"),
    ),
    (Tag("German", description=f"{_ESSEN}; contains the German regions"), _is_german),
    *(
        (Tag(name, exclusive_group="region", description=_ESSEN), _region(name))
        for name, _ in REGIONS
        if name != "Irish"
    ),
    (
        Tag("Irish", exclusive_group="region", source="collection", description=f"by tune book, or {_ESSEN}"),
        _region("Irish"),
    ),
    *(
        (Tag(name, exclusive_group="region", source="collection", description=f"by tune book: {book}"), _region(name))
        for name, book in _BOOKS
    ),
    *((Tag(name, description=_ESSEN), _function(pattern)) for name, pattern in FUNCTIONS),
    *(
        (Tag(name, exclusive_group="dance", description="named in the rhythm field or the title"), _dance(rule))
        for name, rule in DANCES
    ),
    *(
        (Tag(name, exclusive_group="mass movement", description="of a mass by Palestrina"), _movement(rule))
        for name, rule in MOVEMENTS
    ),
]
_METERS = [
    Tag(f"{kind} meter", exclusive_group="meter", description="from the written time signature")
    for kind in ("duple", "triple", "compound")
]
_SCALES = [
    Tag(
        mode,
        exclusive_group="mode",
        source="computed",
        description="from the written key; in Essen from the third degree",
    )
    for mode in ("major", "minor", "dorian", "mixolydian")
]
_PENTATONIC = Tag("pentatonic", source="computed", description="five pitch classes carry 98 % of the sounding time")
COMPOSITION_TAGS: tuple[Tag, ...] = (*(tag for tag, _ in _FROM_TEXT), *_METERS, *_SCALES, _PENTATONIC)


def score_tags(piece: Piece, notes: np.ndarray, tonic: int, mode: str) -> list[int]:
    """1, 0 or :data:`UNKNOWN` for each of :data:`COMPOSITION_TAGS`."""
    kind = meter_kind(piece)
    values = [rule(piece) for _, rule in _FROM_TEXT]
    values += [UNKNOWN if kind is None else int(tag.name.startswith(kind)) for tag in _METERS]
    values += [int(tag.name == mode) for tag in _SCALES]
    return [*values, _is_pentatonic(tonic, notes)]


def annotate(pieces: list[Piece], notes: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Facts about each composition that the arranger and the labels need, as arrays.

    Returns:
        ``score_tags`` int8 [pieces, tags], ``tag_names`` (JSON as bytes), ``tonic``, ``minor``, ``open`` (licence),
        ``single_line``, the timing facts of :func:`timing` as ``span``, ``phase``, ``tempo`` and ``pulses``, and
        ``chords`` with ``chord_offset`` (see :func:`.harmony.harmonise`; none for compositions in parts).
    """
    keys = [tonic_and_mode(piece, table) for piece, table in zip(pieces, notes, strict=True)]
    tonics, modes = [tonic for tonic, _ in keys], [mode for _, mode in keys]
    tags = [score_tags(*row) for row in zip(pieces, notes, tonics, modes, strict=True)]
    times = np.array([timing(piece, table) for piece, table in zip(pieces, notes, strict=True)], np.int32)
    minor = [mode in ("minor", "dorian") for mode in modes]
    single = [len(np.unique(table[:, 4])) == 1 for table in notes]
    nothing = np.zeros(0, np.int8)
    chords = [
        harmonise(table, tonic, is_minor, span, phase) if alone else nothing
        for table, tonic, is_minor, (span, phase, *_), alone in zip(notes, tonics, minor, times, single, strict=True)
    ]
    return {
        "score_tags": np.array(tags, np.int8),
        "tag_names": np.frombuffer(json.dumps([tag.name for tag in COMPOSITION_TAGS]).encode(), np.uint8),
        "tonic": np.array(tonics, np.int8),
        "minor": np.array(minor),
        "open": np.array([piece["collection"] not in RESTRICTED_COLLECTIONS for piece in pieces]),
        "single_line": np.array(single),
        "span": times[:, 0],
        "phase": times[:, 1],
        "tempo": times[:, 2],
        "pulses": times[:, 3],
        "chords": np.concatenate(chords),
        "chord_offset": np.concatenate([[0], np.cumsum([len(row) for row in chords])]).astype(np.int64),
    }


def timing(piece: Piece, notes: np.ndarray) -> tuple[int, int, int, int]:
    """Chord span, phase, tempo and pulses of a composition.

    Returns:
        the span of one chord in ticks (half a bar, or a bar of three); where the first span begins, from the notes that
        abc2midi accents; the nominal tempo in quarter notes a minute; the pulses of a span. The tempo follows the square
        root of the median time between onsets: notation in short values is played faster, but less than in proportion.
    """
    beats, unit = meter_of(piece) or (4, 4)
    whole = 4 * TICKS
    pulses = 3 if meter_kind(piece) in ("triple", "compound") else 2
    span = (3 if pulses == 3 else max(2, beats // 2)) * whole // unit
    span = min(max(span, TICKS), 4 * TICKS)
    onsets = np.unique(notes[:, 0])
    accents = notes[notes[:, 3] == notes[:, 3].max(), 0] % span
    phase = int(np.bincount(accents).argmax()) if notes[:, 3].min() < notes[:, 3].max() else 0
    step = float(np.median(np.diff(onsets))) / TICKS if len(onsets) > 1 else 1.0
    seconds = 0.30 * np.sqrt(max(step, 1 / 16) / 0.5)
    return span, phase, int(np.clip(round(60 * step / seconds), 60, 200)), pulses
