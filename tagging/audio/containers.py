"""Where sound files begin and end in a file: behind tags and junk, and one after the other (``cat a.wav b.wav``).

FFmpeg finds the first only, and often takes the second for its continuation. Book: ``book/tag_a_song``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

# How the containers begin. The longer the pattern, the rarer a match by chance; a match counts only if the file opens there.
BEGINNINGS = re.compile(
    rb"(?:RIFF|RF64|BW64)(?=.{4}WAVE)|FORM(?=.{4}AIF[FC])|fLaC(?=[\x00\x80]\x00\x00\x22)|OggS(?=\x00\x02\x00{8})"
    rb"|\x00\x00\x00.(?=ftyp)|\x1a\x45\xdf\xa3(?=.{1,9}\x42[\x82\x86\xf7])|caff(?=\x00[\x01\x02])|riff(?=\x2e\x91\xcf\x11)"
    rb"|wvpk|TTA1|FLV\x01(?=[\x01\x04\x05]\x00\x00\x00\x09)|\.snd(?=\x00\x00)|\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    re.DOTALL,
)
# One of these is in every match: looking for them is much faster.
LITERALS = (
    b"RIFF", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b"ftyp", b"\x1a\x45\xdf\xa3", b"caff", b"riff", b"wvpk", b"TTA1",
    b"FLV\x01", b".snd", b"\x30\x26\xb2\x75",
)  # fmt: skip
SEARCHED_AT_ONCE = 2**20
LONGEST_BEGINNING = 20
# Of these, a second one is a second file; in others (Ogg in Matroska, say) one may be a part of the first.
OF_THEIR_KIND = (
    (b"OggS", re.compile(rb"OggS\x00\x02\x00{8}")),
    (b"fLaC", re.compile(rb"fLaC[\x00\x80]\x00\x00\x22", re.DOTALL)),
    (b"\x1a\x45\xdf\xa3", re.compile(rb"\x1a\x45\xdf\xa3.{1,9}\x42[\x82\x86\xf7]", re.DOTALL)),
    (b"ftyp", re.compile(rb"\x00\x00\x00.ftyp", re.DOTALL)),
)
# Sync word of an MPEG audio or AAC frame; three frames must follow one another.
SYNC = re.compile(rb"\xff[\xe2-\xe5\xf0-\xf5\xf8-\xfd].{5}", re.DOTALL)
BITRATES = {
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),  # MPEG 1, layer II
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


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
        frames: also yield the first of every run of MPEG or AAC frames, which have no container.
    """
    known = start  # up to here lie frames that belong together
    for position, data in _blocks(file, start, end):
        matches = list(BEGINNINGS.finditer(data)) if any(literal in data for literal in LITERALS) else []
        offsets = [match.start() for match in matches]
        if frames:
            offsets = sorted([*offsets, *(match.start() for match in SYNC.finditer(data))])
        for offset in offsets:
            if offset >= SEARCHED_AT_ONCE or position + offset < known:
                continue
            if data[offset] != 0xFF:
                yield position + offset
            elif (after := _after_frames(file, position + offset, end)) is not None:
                known = after
                yield position + offset


def end_of_first(file: BinaryIO, start: int, end: int) -> int:
    """Where the first of several joined files ends, if FFmpeg would decode them as one; else ``end``.

    A decoder that goes on from one Ogg or flac stream into the next gives wrong sound for a second, and frames of MPEG audio
    are looked for in whatever follows them.
    """
    head = _read(file, start, 8)
    patterns = [pattern for literal, pattern in OF_THEIR_KIND if head.startswith(literal) or head[4:] == literal]
    if BEGINNINGS.match(_read(file, start, LONGEST_BEGINNING)) and not patterns:
        return end
    if not patterns:  # frames without a container
        return next(find_beginnings(file, after_tags(file, start), end, frames=False), end)
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


def _after_frames(file: BinaryIO, offset: int, end: int) -> int | None:
    """Offset after a run of at least three frames; None if no such run begins here."""
    count = 0
    while offset < end and (size := _frame_size(_read(file, offset, 7))):
        offset, count = offset + size, count + 1
    return offset if count >= 3 else None


def _frame_size(head: bytes) -> int:
    """Bytes of an MPEG audio or AAC (ADTS) frame by its header; 0 if it is none."""
    if len(head) < 7 or head[0] != 0xFF:
        return 0
    if head[1] & 0xF6 == 0xF0:
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return size if size > 7 and head[2] >> 2 & 15 < 13 else 0
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
