"""Where sound files begin and end in a file: behind tags and junk, and one after the other (``cat a.wav b.wav``).

FFmpeg finds the first only, and often takes the second for its continuation. Book: ``book/tag_a_song``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

# A wavpack block of the first samples (index 0) which begins a frame (a flag): one frame of many channels has several blocks.
WAVPACK = rb"wvpk(?=.{12}\x00{4}.{5}[" + re.escape(bytes(byte for byte in range(256) if byte & 8)) + rb"])"
# How the containers begin. The longer the pattern, the rarer a match by chance; a match counts only if the file opens there.
BEGINNINGS = re.compile(
    rb"(?:RIFF|RF64|BW64)(?=.{4}WAVE)|FORM(?=.{4}AIF[FC])|fLaC(?=[\x00\x80]\x00\x00\x22)|OggS(?=\x00\x02\x00{8})"
    rb"|\x00\x00\x00.(?=ftyp)|\x1a\x45\xdf\xa3(?=.{1,9}\x42[\x82\x86\xf7])|caff(?=\x00[\x01\x02])|riff(?=\x2e\x91\xcf\x11)"
    rb"|"
    + WAVPACK
    + rb"|TTA1|FLV\x01(?=[\x01\x04\x05]\x00\x00\x00\x09)|\.snd(?=\x00\x00)|\x30\x26\xb2\x75\x8e\x66\xcf\x11"
    rb"|Creative Voice File\x1a|#!AMR",
    re.DOTALL,
)
# One of these is in every match: looking for them is much faster.
LITERALS = (
    b"RIFF", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b"ftyp", b"\x1a\x45\xdf\xa3", b"caff", b"riff", b"wvpk", b"TTA1",
    b"FLV\x01", b".snd", b"\x30\x26\xb2\x75", b"Creative Voice", b"#!AMR",
)  # fmt: skip
SEARCHED_AT_ONCE = 2**20
LONGEST_BEGINNING = 28
# Of these, a second one is a second file; in others (Ogg in Matroska, say) one may be a part of the first.
OF_THEIR_KIND = (
    (b"OggS", re.compile(rb"OggS\x00\x02\x00{8}")),
    (b"fLaC", re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL)),
    (b"\x1a\x45\xdf\xa3", re.compile(rb"\x1a\x45\xdf\xa3.{1,9}\x42[\x82\x86\xf7]", re.DOTALL)),
    (b"ftyp", re.compile(rb"\x00\x00\x00.ftyp", re.DOTALL)),
)
# Sync words of frames of MPEG audio and AAC, of AC-3, of DTS; three frames must follow one another.
SYNC = re.compile(rb"\xff[\xe2-\xe5\xf0-\xf5\xf8-\xfd]|\x0b\x77|\x7f\xfe\x80\x01")
FRAME_HEAD = 8
READ_AT_ONCE = 2**15
BITRATES = {
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),  # MPEG 1, layer II
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
AC3_BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AC3_RATES = (48000, 44100, 32000)
# Titles and pictures in front of the sound and behind it
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")


class FileView(io.RawIOBase):
    """A part of a binary file as a file of its own, with some bytes replaced.

    Args:
        file: a seekable binary file.
        start, end: the part, in bytes.
        patches: offset in the part -> bytes that are read there instead of the file's.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, patches: dict[int, bytes] | None = None) -> None:
        self.file, self.start, self.end, self.patches = file, start, end, patches or {}
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = (0, self.position, self.end - self.start)[whence]
        self.position = max(0, origin + offset)
        return self.position

    def read(self, size: int = -1) -> bytes:
        left = self.end - self.start - self.position
        if left <= 0:
            return b""
        self.file.seek(self.start + self.position)
        data = self.file.read(left if size < 0 else min(size, left))
        for offset, patch in self.patches.items():
            first = offset - self.position
            if -len(patch) < first < len(data):
                replaced = bytearray(data)
                low, high = max(first, 0), min(first + len(patch), len(data))
                replaced[low:high] = patch[low - first : high - first]
                data = bytes(replaced)
        self.position += len(data)
        return data


def find_beginnings(file: BinaryIO, start: int, end: int, frames: bool = True) -> Iterator[int]:
    """Yield the offsets in ``[start, end)`` at which a sound file may begin.

    Args:
        file, start, end: where to look.
        frames: also yield the first of every run of frames of one kind (mp3, AAC, AC-3, ...), which have no container.
    """
    for offset, _ in _beginnings(file, start, end, frames):
        yield offset


def _beginnings(file: BinaryIO, start: int, end: int, frames: bool = True) -> Iterator[tuple[int, int | None]]:
    """Yield the offsets at which containers begin, with None, and those of runs of frames, with the offset after the run."""
    known = start  # up to here lie frames that belong together
    for position, data in _blocks(file, start, end):
        matches = list(BEGINNINGS.finditer(data)) if any(literal in data for literal in LITERALS) else []
        offsets = [(match.start(), True) for match in matches]
        if frames:
            offsets = sorted([*offsets, *((match.start(), False) for match in SYNC.finditer(data))])
        for offset, is_container in offsets:
            if offset >= SEARCHED_AT_ONCE or position + offset < known:
                continue
            if is_container:
                yield position + offset, None
            elif (after := _after_frames(file, position + offset, end)) is not None:
                known = after
                yield position + offset, after


def end_of_first(file: BinaryIO, start: int, end: int) -> int:
    """Where the first of several joined files ends, if FFmpeg would decode them as one; else ``end``.

    A decoder that goes on from one Ogg or flac stream into the next gives wrong sound for a second, and frames without a
    container are looked for in whatever follows them.
    """
    head = _read(file, start, 8)
    patterns = [pattern for literal, pattern in OF_THEIR_KIND if head.startswith(literal) or head[4:] == literal]
    if BEGINNINGS.match(_read(file, start, LONGEST_BEGINNING)) and not patterns:
        return end
    if not patterns:
        return _end_of_frames(file, after_tags(file, start), end)
    offset = start + 1
    if head.startswith(b"OggS"):
        # the first pages of streams that play together, e.g. of picture and sound, follow one another
        offset = start
        while patterns[0].match(_read(file, offset, LONGEST_BEGINNING)) and (size := ogg_page_size(file, offset)):
            offset += size
    for position, data in _blocks(file, offset, end):
        if match := patterns[0].search(data):
            return min(position + match.start(), end)
    return end


def ogg_page_size(file: BinaryIO, offset: int) -> int:
    """Bytes of an Ogg page by its header, 0 if even that is cut off."""
    head = _read(file, offset, 27 + 255)
    return 27 + head[26] + sum(head[27 : 27 + head[26]]) if len(head) >= 27 else 0


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of a part of a file; each block goes a little into the next."""
    while start < end:
        data = _read(file, start, min(SEARCHED_AT_ONCE + LONGEST_BEGINNING, end - start))
        if not data:
            return
        yield start, data
        start += SEARCHED_AT_ONCE


def _end_of_frames(file: BinaryIO, start: int, end: int) -> int:
    """Where frames of one kind, which have no container, end: at frames of another kind, a container, or tags behind them."""
    kind = _frame(_read(file, start, FRAME_HEAD))[0]
    last = start
    for offset, after in _beginnings(file, start, end):
        following = _frame(_read(file, offset, FRAME_HEAD))[0] if after else ""
        kind = kind or following
        if not after or following != kind:
            end = offset
            break
        last = after
    # a decoder of AC-3 takes what stands behind the last frame for a part of it
    return last if last > start and _read(file, last, FRAME_HEAD).startswith(TAGS) else end


def _after_frames(file: BinaryIO, offset: int, end: int) -> int | None:
    """Offset after a run of at least three frames of one kind; None if no such run begins here."""
    first, count = "", 0
    data, position = b"", offset
    while offset < end:
        if offset + FRAME_HEAD > position + len(data):
            data, position = _read(file, offset, READ_AT_ONCE), offset
        kind, size = _frame(data[offset - position : offset - position + FRAME_HEAD])
        first = first or kind
        if not size or kind != first:
            break
        offset, count = offset + size, count + 1
    return offset if count >= 3 else None


def _frame(head: bytes) -> tuple[str, int]:
    """Kind and bytes of a frame by its header: of MPEG audio, AAC (ADTS), AC-3 or DTS; ("", 0) if it is none."""
    if len(head) < FRAME_HEAD:
        return "", 0
    if head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        kind, size = "aac", (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        size *= size > 7 and head[2] >> 2 & 15 < 13
    elif head[0] == 0xFF:
        kind, size = f"mpeg layer {4 - (head[1] >> 1 & 3)}", _mpeg_size(head)
    elif head[:2] == b"\x0b\x77":
        kind, size = "ac3", _ac3_size(head)
    elif head[:4] == b"\x7f\xfe\x80\x01":
        kind, size = "dts", ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1
    else:
        return "", 0
    return (kind, size) if size else ("", 0)


def _ac3_size(head: bytes) -> int:
    version = head[5] >> 3
    if 10 < version <= 16:  # E-AC-3
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate, size = head[4] >> 6, head[4] & 63
    if version > 10 or rate == 3 or size >= 2 * len(AC3_BITRATES):
        return 0
    units = AC3_BITRATES[size // 2] * 96_000 // AC3_RATES[rate]
    return 2 * (units + (size & 1 if rate == 1 else 0))


def _mpeg_size(head: bytes) -> int:
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if head[1] < 0xE0 or version == 1 or layer not in (1, 2) or not 0 < bitrate < 15 or rate == 3:
        return 0
    kilobits = BITRATES[(3, layer) if version == 3 else (2, 1)][bitrate]
    factor = 72 if version != 3 and layer == 1 else 144
    return factor * 1000 * kilobits // RATES[version][rate] + padding


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def after_tags(file: BinaryIO, start: int) -> int:
    """Offset of what follows the ID3 tags at the beginning of a file: pictures and titles, of any size."""
    while True:
        file.seek(start)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            return start
        # the size in four bytes of seven bits, without this head
        start += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
