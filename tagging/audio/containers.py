"""What a sound file says about itself, and where that is checked: beginnings of files, sizes in headers, declared lengths.

FFmpeg believes a header where this package does not: a size of the samples that is smaller than the file, a second file that
follows the first (``cat a.wav b.wav``), bytes in front of the sound. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, Literal, NamedTuple

# How the containers begin that FFmpeg does not find behind other bytes (it does find mp3, AAC and AC-3 frames). The longer
# the pattern, the rarer a match by chance; a match counts only if the file opens there.
BEGINNINGS = re.compile(
    rb"(?:RIFF|RF64|BW64)(?=.{4}WAVE)|FORM(?=.{4}AIF[FC])|fLaC(?=[\x00\x80]\x00\x00\x22)|OggS(?=\x00\x02\x00{8})"
    rb"|\x00\x00\x00.(?=ftyp)|\x1a\x45\xdf\xa3|caff(?=\x00[\x01\x02])|riff(?=\x2e\x91\xcf\x11)|wvpk|TTA1|\.snd(?=\x00\x00)"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    re.DOTALL,
)
SEARCHED_AT_ONCE = 2**20
LONGEST_BEGINNING = 16
# From here on a 32-bit size is what programs write that do not know it yet (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000).
UNKNOWN_SIZE = 0x7FFF0000


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


def find_beginnings(file: BinaryIO, start: int, end: int) -> Iterator[int]:
    """Yield the offsets in ``[start, end)`` at which a sound file may begin."""
    while start < end:
        file.seek(start)
        data = file.read(min(SEARCHED_AT_ONCE + LONGEST_BEGINNING, end - start))
        if not data:
            return
        for match in BEGINNINGS.finditer(data):
            if match.start() < SEARCHED_AT_ONCE:
                yield start + match.start()
        start += SEARCHED_AT_ONCE


def end_of_first(file: BinaryIO, start: int, end: int) -> int:
    """Where the first of several joined Ogg or Matroska files ends, which FFmpeg would decode as one; of others, ``end``.

    Chained Ogg streams are joined files too. A decoder that goes on from one into the other gives wrong sound for a second.
    """
    file.seek(start)
    pattern = {b"OggS": b"OggS\x00\x02" + bytes(8), b"\x1a\x45\xdf\xa3": b"\x1a\x45\xdf\xa3"}.get(file.read(4))
    if pattern is None:
        return end
    offset = start + 1
    if pattern.startswith(b"OggS"):
        # the first pages of streams that play together, e.g. of picture and sound, follow one another
        offset = start
        while _read(file, offset, len(pattern)) == pattern:
            head = _read(file, offset, 27 + 255)
            if len(head) < 27:
                return end
            offset += 27 + head[26] + sum(head[27 : 27 + head[26]])
    while offset < end:
        index = _read(file, offset, SEARCHED_AT_ONCE + len(pattern)).find(pattern)
        if index >= 0:
            return min(offset + index, end)
        offset += SEARCHED_AT_ONCE
    return end


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


class SampleChunk(NamedTuple):
    """Where a wav or aiff file keeps its samples.

    Attributes:
        offset: of the four bytes of its size, in the file.
        size: that it declares, in bytes.
        order: of its bytes, ``"little"`` or ``"big"``.
    """

    offset: int
    size: int
    order: Literal["little", "big"]


def find_samples(file: BinaryIO, start: int, end: int) -> SampleChunk | None:
    """Find the chunk of samples in the header of a wav or aiff file; None if the file is of another kind."""
    file.seek(start)
    head = file.read(12)
    order: Literal["little", "big"] = "little" if head[:4] == b"RIFF" else "big"
    if (head[:4], head[8:]) not in ((b"RIFF", b"WAVE"), (b"FORM", b"AIFF"), (b"FORM", b"AIFC")):
        return None
    offset = start + 12
    while offset + 8 <= end:
        file.seek(offset)
        name, size = file.read(4), int.from_bytes(file.read(4), order)
        if name in (b"data", b"SSND"):
            return SampleChunk(offset + 4, size, order)
        offset += 8 + size + size % 2
    return None


def repair_sizes(file: BinaryIO, start: int, end: int) -> dict[int, bytes]:
    """Correct the size of the samples in the header of a wav or aiff file, if the file itself contradicts it.

    A recorder that was switched off leaves 0, and a size above 4 GB has lost its upper bits: the samples then go on to the
    end of the file. They do not if chunks of text or another file follow.

    Returns:
        Patches for :class:`FileView`; none if the header is right, or if the file is of another kind.
    """
    chunk = find_samples(file, start, end)
    if chunk is None:
        return {}
    first = chunk.offset + 4
    after = first + chunk.size + chunk.size % 2
    if chunk.size < UNKNOWN_SIZE and (after >= end - 1 or _chunks_fill(file, after, end, chunk.order)):
        return {}
    if chunk.size >= UNKNOWN_SIZE and end - first > UNKNOWN_SIZE:
        return {}  # so large a file: the size may be meant
    # FFmpeg reads a wav of unknown size to its end; an aiff needs the size itself
    size = 2**32 - 1 if chunk.order == "little" else min(end - first, 2**32 - 1)
    return {chunk.offset - start: size.to_bytes(4, chunk.order)}


def _chunks_fill(file: BinaryIO, offset: int, end: int, order: Literal["little", "big"]) -> bool:
    """Whether chunks follow one another to the end of the file, or to the beginning of another file."""
    while offset + 8 <= end:
        file.seek(offset)
        head = file.read(LONGEST_BEGINNING)
        if BEGINNINGS.match(head):
            return True
        if not all(0x20 <= byte < 0x7F for byte in head[:4]):
            return False
        size = int.from_bytes(head[4:8], order)
        offset += 8 + size + size % 2
    return offset <= end + 1


def declared_seconds(file: BinaryIO, start: int, kind: str, sample_rate: int, bit_rate: int) -> float | None:
    """Read the length that a file declares, for kinds of which FFmpeg reports another: an estimate from its size.

    Args:
        file, start: where it begins.
        kind: FFmpeg's name of the container.
        sample_rate: Hz.
        bit_rate: bits per second.
    """
    file.seek(after_tags(file, start) if kind == "mp3" else start)
    head = file.read(2**16)
    if kind == "mp3":
        return _mp3_samples(head) / sample_rate if sample_rate else None
    if kind in ("wav", "aiff") and (chunk := find_samples(file, start, file.seek(0, 2))) and bit_rate:
        return chunk.size * 8 / bit_rate
    if kind == "caf" and (at := head.find(b"data")) >= 0 and bit_rate:
        return (int.from_bytes(head[at + 4 : at + 12], "big", signed=True) - 4) * 8 / bit_rate
    if kind == "asf" and (at := head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))) >= 0:
        length, preroll = (int.from_bytes(head[at + offset : at + offset + 8], "little") for offset in (64, 80))
        return length / 1e7 - preroll / 1e3  # in units of 100 ns, and in ms
    if kind == "w64" and (at := head.find(bytes.fromhex("64617461f3acd3118cd100c04f8edb8a"))) >= 0 and bit_rate:
        return (int.from_bytes(head[at + 16 : at + 24], "little") - 24) * 8 / bit_rate
    return None


def _mp3_samples(head: bytes) -> int:
    """How many samples the first frame of an mp3 declares (Xing, Info or VBRI), 0 if it does not."""
    per_frame = 1152 if len(head) > 1 and head[1] & 0x08 else 576
    for name, frames_at in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = head.find(name, 0, 200)
        if at >= 0 and (name == b"VBRI" or head[at + 7] & 1):
            return int.from_bytes(head[at + frames_at : at + frames_at + 4], "big") * per_frame
    return 0


def has_end_mark(file: BinaryIO, end: int) -> bool:
    """Whether the last page of an Ogg file says that it is the last."""
    file.seek(max(0, end - 2**17))
    tail = file.read(2**17)
    at = tail.rfind(b"OggS\x00")
    return at < 0 or len(tail) < at + 6 or bool(tail[at + 5] & 4)
