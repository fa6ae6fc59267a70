"""Sizes and lengths that the headers of sound files declare, and corrections where the file itself contradicts them.

Book: ``book/tag_a_song``.
"""

from __future__ import annotations

from typing import BinaryIO, Literal, NamedTuple

from .containers import BEGINNINGS, LONGEST_BEGINNING, after_tags, ogg_page_size

# From here on a 32-bit size is what programs write that do not know it yet (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000).
UNKNOWN_SIZE = 0x7FFF0000
Order = Literal["little", "big"]


class SampleChunk(NamedTuple):
    """Where a file of uncompressed samples keeps them.

    Attributes:
        kind: the first four bytes of the file.
        size_at: offset of the size, in the file.
        width: of the size, 4 or 8 bytes.
        order: of its bytes.
        size: of the samples that it declares, in bytes; -1 where it says that it is unknown.
        first: offset of the first sample.
        whole: size of the whole file that it declares, in bytes; -1 where it is unknown.
        step: what chunks are aligned to, in bytes.
    """

    kind: bytes
    size_at: int
    width: int
    order: Order
    size: int
    first: int
    whole: int
    step: int = 2


def find_samples(file: BinaryIO, start: int, end: int) -> SampleChunk | None:
    """Find the samples in a wav, RF64, W64, aiff, caf or au file; None if the file is of another kind."""
    file.seek(start)
    head = file.read(24)
    kind = head[:4]
    if (kind, head[8:12]) in ((b"RIFF", b"WAVE"), (b"FORM", b"AIFF"), (b"FORM", b"AIFC")):
        order: Order = "little" if kind == b"RIFF" else "big"
        whole = _known(int.from_bytes(head[4:8], order), 4)
        for name, offset, size in _chunks(file, start + 12, end, order):
            if name in (b"data", b"SSND"):
                return SampleChunk(kind, offset - 4, 4, order, _known(size, 4), offset, whole + 8 if whole >= 0 else -1)
    if kind in (b"RF64", b"BW64") and head[8:12] == b"WAVE":
        size_at, whole = 0, -1
        for name, offset, size in _chunks(file, start + 12, end, "little"):
            if name == b"ds64":
                size_at, whole = offset + 8, _number(file, offset, 8, "little") + 8
            if name == b"data" and size_at:
                return SampleChunk(
                    kind, size_at, 8, "little", _known(_number(file, size_at, 8, "little"), 8), offset, whole
                )
            if name == b"data":
                return SampleChunk(kind, offset - 4, 4, "little", _known(size, 4), offset, -1)
    if kind == b"caff":
        for name, offset, size in _chunks(file, start + 8, end, "big", width=8, step=1):
            if name == b"data":  # its first four bytes count edits
                known = _known(size, 8)
                return SampleChunk(kind, offset - 8, 8, "big", known - 4 if known >= 4 else -1, offset + 4, -1, 1)
    if kind == b"riff" and head[4:8] == b"\x2e\x91\xcf\x11":
        whole, offset = int.from_bytes(head[16:24], "little"), start + 40
        while offset + 24 <= end:
            size = _number(file, offset + 16, 8, "little")
            file.seek(offset)
            if file.read(4) == b"data":
                known = _known(size, 8)
                return SampleChunk(
                    kind, offset + 16, 8, "little", known - 24 if known > 24 else -1, offset + 24, whole, 8
                )
            if size < 24:
                return None
            offset += size + -size % 8
    if kind == b".snd":
        size = _known(int.from_bytes(head[8:12], "big"), 4)
        return SampleChunk(kind, start + 8, 4, "big", size or -1, start + int.from_bytes(head[4:8], "big"), -1)
    return None


def repair_header(file: BinaryIO, start: int, end: int) -> dict[int, bytes]:
    """Correct the size of the samples in the header of a file, if the file itself contradicts it.

    A recorder that was switched off leaves 0, a stream leaves all bits set, and a size above 4 GB has lost its upper bits: the
    samples then go on to the end of the file. They do not where the size of the whole file agrees with that of the samples, or
    where chunks of text or another file follow.

    Returns:
        Offset from ``start`` -> bytes, for ``FileView``; nothing if the header is right, or if the file is of another kind.
    """
    chunk = find_samples(file, start, end)
    if chunk is None:
        return {}
    patches = _repaired_format(file, start, end) if chunk.kind == b"RIFF" else {}
    available = end - chunk.first
    if not _is_right(file, chunk, start, end):
        if chunk.kind == b"RIFF":  # FFmpeg reads a wav of unknown size to its end
            size = 2**32 - 1
        elif chunk.kind == b"caff":
            size = 2**64 - 1
        elif chunk.kind == b".snd":
            size = 2**32 - 1
        else:
            size = min(available + (24 if chunk.kind == b"riff" else 0), 2 ** (8 * chunk.width) - 1)
        patches[chunk.size_at - start] = size.to_bytes(chunk.width, chunk.order)
    return patches


def _is_right(file: BinaryIO, chunk: SampleChunk, start: int, end: int) -> bool:
    available = end - chunk.first
    if chunk.size < 0:
        # an unknown size is what FFmpeg reads to the end in these; so large a file may mean its size
        return (chunk.kind in (b".snd", b"caff") and _number(file, chunk.size_at, chunk.width, chunk.order) > 0) or (
            chunk.width == 4 and available > UNKNOWN_SIZE
        )
    after = chunk.first + chunk.size
    after += -(after - start) % chunk.step
    if after >= end - 1:
        return True
    if _chunks_fill(file, after, end, chunk):
        return True
    is_wrapped = chunk.width == 4 and (available - chunk.size) % 2**32 <= 1
    return (
        not is_wrapped and 0 < chunk.whole <= end - start + 1 and _chunks_fill(file, after, start + chunk.whole, chunk)
    )


def _chunks_fill(file: BinaryIO, offset: int, end: int, chunk: SampleChunk) -> bool:
    """Whether chunks follow one another to an offset, or to the beginning of another file."""
    header = 24 if chunk.kind == b"riff" else 12 if chunk.kind == b"caff" else 8
    while offset + header <= end:
        file.seek(offset)
        head = file.read(max(LONGEST_BEGINNING, header))
        if BEGINNINGS.match(head):
            return True
        if not all(0x20 <= byte < 0x7F for byte in head[:4]):
            return False
        size = int.from_bytes(head[16:24] if header == 24 else head[4:header], chunk.order)
        offset += size if header == 24 and size >= 24 else header + size
        offset += -offset % chunk.step if chunk.step > 2 else size % chunk.step
    return offset <= end + 1


def _chunks(
    file: BinaryIO, offset: int, end: int, order: Order, width: int = 4, step: int = 2
) -> list[tuple[bytes, int, int]]:
    """Chunks of a file, (name, offset of the content, size), up to that of the samples."""
    chunks = []
    while offset + 4 + width <= end:
        file.seek(offset)
        name, size = file.read(4), int.from_bytes(file.read(width), order)
        chunks.append((name, offset + 4 + width, size))
        if name in (b"data", b"SSND"):
            break
        offset += 4 + width + size + (size % 2 if step == 2 else 0)
    return chunks


def _repaired_format(file: BinaryIO, start: int, end: int) -> dict[int, bytes]:
    """24 valid bits in 32 of a wav: FFmpeg takes them for floats; the sound is the same with all 32."""
    for name, offset, size in _chunks(file, start + 12, end, "little"):
        if name == b"fmt " and size >= 20:
            file.seek(offset)
            fields = file.read(20)
            tag, bits, valid = (int.from_bytes(fields[at : at + 2], "little") for at in (0, 14, 18))
            if tag == 0xFFFE and bits == 32 and 0 < valid < 32:
                return {offset + 18 - start: (32).to_bytes(2, "little")}
    return {}


def _known(size: int, width: int) -> int:
    return -1 if size >= (UNKNOWN_SIZE if width == 4 else 2**62) else size


def _number(file: BinaryIO, offset: int, width: int, order: Order) -> int:
    file.seek(offset)
    return int.from_bytes(file.read(width), order)


def missing_share(file: BinaryIO, start: int, end: int) -> float:
    """How much longer a file is by its header than what there is of it, as a share of what there is; 0 if it is whole."""
    chunk = find_samples(file, start, end)
    if chunk is not None:
        available = end - chunk.first
        return max(0.0, chunk.size / available - 1) if available > 0 else 0.0
    file.seek(start)
    head = file.read(8)
    if head[:4] in (b"RIFF", b"FORM"):  # avi, 8svx
        whole = _known(int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big"), 4) + 8
        return max(0.0, whole / (end - start) - 1)
    return 0.0


def declared_seconds(file: BinaryIO, start: int, kind: str, sample_rate: int) -> float:
    """Read the length that an mp3 or a wma declares, where FFmpeg reports an estimate from the size; 0 if it declares none.

    Args:
        file, start: where it begins.
        kind: FFmpeg's name of the container.
        sample_rate: Hz.
    """
    file.seek(after_tags(file, start) if kind == "mp3" else start)
    head = file.read(2**16)
    if kind == "mp3":
        return _mp3_samples(head) / sample_rate if sample_rate else 0.0
    at = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    if at < 0:
        return 0.0
    length, preroll = (int.from_bytes(head[at + offset : at + offset + 8], "little") for offset in (64, 80))
    return length / 1e7 - preroll / 1e3  # in units of 100 ns, and in ms


def _mp3_samples(head: bytes) -> int:
    """How many samples the first frame of an mp3 declares (Xing, Info or VBRI), 0 if it does not."""
    per_frame = 1152 if len(head) > 1 and head[1] & 0x08 else 576
    for name, frames_at in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = head.find(name, 0, 200)
        if at >= 0 and (name == b"VBRI" or head[at + 7] & 1):
            return int.from_bytes(head[at + frames_at : at + frames_at + 4], "big") * per_frame
    return 0


def has_end_mark(file: BinaryIO, end: int) -> bool:
    """Whether the last page of an Ogg file is whole and says that it is the last."""
    file.seek(max(0, end - 2**17))
    tail = file.read(2**17)
    at = tail.rfind(b"OggS\x00")
    if at < 0:
        return True
    is_last = len(tail) > at + 5 and bool(tail[at + 5] & 4)
    return is_last and 0 < ogg_page_size(file, end - len(tail) + at) <= len(tail) - at
