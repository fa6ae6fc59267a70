"""Readers of notation: ABC through abc2midi, kern and MusicXML through verovio.

All return the same table, int32 [notes, 5]: onset and duration in ticks (:data:`TICKS` per quarter note), MIDI pitch, MIDI
velocity, part; sorted by onset, then pitch; without drums; the first onset is 0.

Two simpler programs are not used. ``symusic.Score.from_abc`` writes to temporary files whose names collide between
processes, so that a tune can silently come back as another one. The parser of music21 takes seconds per file.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CorpusError
from ...utils.temporary import temporary

TICKS = 96
# Lines of an ABC tune without notes. The rhythm field is removed too: abc2midi would apply a swing of its own.
_SILENT_LINE = re.compile(r"(?:[A-JNOQRSTWXZwr]:(?!\|)|%)")
_ABC_FIELD = re.compile(r"(?m)^([BCDFGHKMNOQRST]):[ \t]*(.*?)[ \t]*$")
_KERN_RECORD = re.compile(r"(?m)^!!!(COM|OTL|OPR|AGN|RNB):\s*(.*?)\s*$")
_KERN_KEY = re.compile(r"(?m)^(?:[^\n!]*\t)?\*([A-Ga-g][#-]*):(\w+)?")
_XML_FIELDS = {"work-title": "title", "movement-title": "movement", "rights": "rights"}


def split_abc(text: str) -> list[str]:
    """The tunes of an ABC file: each begins at its ``X:`` field; the text before the first is a file header."""
    return [tune for tune in re.split(r"(?m)^(?=X:)", text) if tune.startswith("X:")]


def abc_fields(tune: str) -> dict[str, list[str]]:
    """The information fields of one ABC tune: letter -> values, in the order of the file."""
    fields: dict[str, list[str]] = {}
    for letter, value in _ABC_FIELD.findall(tune):
        if value:
            fields.setdefault(letter, []).append(value)
    return fields


def abc2midi_path() -> Path:
    """The abc2midi program in the symusic package."""
    import symusic

    return Path(symusic.__file__).with_name("bin") / "abc2midi"


def _sounding_abc(tune: str, number: int) -> str:
    lines = [line for line in tune.splitlines() if line.strip() and not _SILENT_LINE.match(line)]
    return "\n".join([f"X:{number}", "T:-", *lines]) + "\n\n"


def _run_abc2midi(tunes: dict[int, str], fill: int) -> dict[int, bytes]:
    """Run abc2midi once on many tunes: number -> MIDI file, without failed tunes.

    ``fill`` is the byte that the C library fills new memory with (glibc; elsewhere it has no effect).
    """
    try:
        with temporary(Path(tempfile.gettempdir()), is_folder=True) as folder:
            source = folder / "in.abc"
            source.write_text("".join(_sounding_abc(tune, number) for number, tune in tunes.items()), encoding="utf-8")
            subprocess.run(
                [str(abc2midi_path()), source.name, "-quiet"],
                cwd=folder,
                env={**os.environ, "MALLOC_PERTURB_": str(fill)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=300,
                check=False,  # it crashes on rare tunes, which are then missing
            )
            paths = {number: folder / f"in{number}.mid" for number in tunes}
            # a failed tune leaves no file, or one without a track
            return {n: path.read_bytes() for n, path in paths.items() if path.exists() and path.stat().st_size > 22}
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CorpusError(
            f"cannot read ABC tunes with abc2midi in a temporary folder: {error}; "
            "check that the folder for temporary files has space left, or set TMPDIR to another one"
        ) from error


def read_abc(tunes: list[str]) -> list[np.ndarray | None]:
    """Notes of many ABC tunes with two calls of abc2midi.

    Returns:
        one table of notes for each tune; None where abc2midi fails (two tunes of the library have a key ``H``), or where
        the notes depend on the tunes read before or on uninitialized memory (five tunes). These are detected by reading
        twice, in the opposite order and with memory filled differently.

    Raises:
        CorpusError: abc2midi or the folder for temporary files cannot be used.
    """
    numbered = dict(enumerate(tunes, start=1))
    first = _read_all_abc(numbered, fill=0x55)
    second = _read_all_abc(dict(reversed(numbered.items())), fill=0xFF)
    return [_notes_of_midi(first[n])[0] if n in first and first[n] == second.get(n) else None for n in numbered]


def _read_all_abc(tunes: dict[int, str], fill: int) -> dict[int, bytes]:
    midi = _run_abc2midi(tunes, fill)
    for number in tunes.keys() - midi.keys():  # the tunes after a crash are missing: read each alone
        midi |= _run_abc2midi({number: tunes[number]}, fill)
    return midi


def kern_fields(text: str) -> dict[str, Any]:
    """Reference records of a kern file (composer, title, mass, genre) and its first key, as ``("g", "mix")``."""
    fields: dict[str, Any] = dict(reversed(_KERN_RECORD.findall(text)))
    if key := _KERN_KEY.search(text):
        fields["key"] = [key[1], key[2] or ""]
    return fields


def xml_fields(text: str) -> dict[str, Any]:
    """Title, movement and rights of a MusicXML file."""
    fields = {}
    for element, name in _XML_FIELDS.items():
        if values := re.findall(rf"<{element}[^>]*>([^<]+)</{element}>", text):
            fields[name] = " ".join(" ".join(value.split()) for value in values)
    if printed := re.findall(r"<credit-words[^>]*>([^<]*(?:rights reserved|copyright|©)[^<]*)<", text, re.IGNORECASE):
        fields["rights"] = " ".join([fields.get("rights", ""), *printed]).strip()
    return fields


def score_text(path: Path) -> str:
    """The text of a kern, MusicXML or compressed MusicXML file, in any encoding."""
    if path.suffix == ".mxl":
        with zipfile.ZipFile(path) as archive:
            scores = [n for n in archive.namelist() if n.endswith((".xml", ".musicxml")) and not n.startswith("META")]
            raw = archive.read(scores[0])
    else:
        raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        # verovio does not detect UTF-16, and the declaration must name the new encoding
        return re.sub(r"(encoding=[\"'])UTF-16[A-Z]*", r"\1UTF-8", raw.decode("utf-16"), count=1, flags=re.IGNORECASE)
    return raw.decode("utf-8-sig", errors="replace")


def read_score(text: str) -> tuple[np.ndarray, tuple[int, int] | None] | None:
    """Notes and first time signature of a kern or MusicXML text; None if verovio cannot read it."""
    toolkit = _verovio_toolkit()
    with _quiet_stderr():
        if not toolkit.loadData(text):
            return None
        midi = base64.b64decode(toolkit.renderToMIDI())
    return _notes_of_midi(midi)


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Silence verovio, which writes some messages to standard error although its log is off."""
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(null)
        os.close(saved)


_toolkit = None


def _verovio_toolkit() -> Any:
    global _toolkit
    if _toolkit is None:
        import verovio

        verovio.enableLog(verovio.LOG_OFF)
        _toolkit = verovio.toolkit()
        _toolkit.setOptions({"breaks": "none"})
    return _toolkit


def _notes_of_midi(midi: bytes) -> tuple[np.ndarray, tuple[int, int] | None]:
    import symusic

    score: Any = symusic.Score.from_midi(midi)
    parts = []
    for part, track in enumerate(score.tracks):
        if not track.is_drum and len(track.notes):
            columns = track.notes.numpy()
            rows = [columns[name] for name in ("time", "duration", "pitch", "velocity")]
            parts.append(np.stack([*rows, np.full(len(rows[0]), part)], axis=1))
    meter = score.time_signatures[0] if len(score.time_signatures) else None
    signature = (int(meter.numerator), int(meter.denominator)) if meter else None
    if not parts:
        return np.zeros((0, 5), np.int32), signature
    notes = np.concatenate(parts).astype(np.float64)
    notes[:, :2] *= TICKS / score.ticks_per_quarter
    notes = np.rint(notes).astype(np.int32)
    notes[:, 1] = np.maximum(notes[:, 1], 1)
    # verovio starts one string quartet at beat 2.2 million
    notes[:, 0] -= notes[:, 0].min()
    return notes[np.lexsort((notes[:, 4], notes[:, 2], notes[:, 0]))], signature
