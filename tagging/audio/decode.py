"""Decode whatever is in a sound file, with FFmpeg (PyAV), packet by packet.

Nothing is taken on trust: a packet that cannot be decoded is left out and counted, every frame is read at its own sample rate
and number of channels, and a file that follows the first in the same file is read too. What was not as declared becomes a
sentence in :attr:`Decoder.notes`. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..errors import AudioError
from .blocks import Block, Frame
from .containers import BEGINNINGS, LONGEST_BEGINNING, TAGS, FileView, after_tags, end_of_first, find_beginnings
from .headers import (
    breaks_off,
    contradiction,
    declared_seconds,
    end_of_samples,
    has_end_mark,
    missing_share,
    mp4_index,
    repair_header,
)
from .waveform import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

# Containers that may be opened. Not among them: playlists and manifests, which name other files and addresses.
CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "eac3", "flac", "flv", "iff", "ircam",
    "matroska", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "nistsphere", "ogg", "paf", "pvf", "shn", "tak", "tta", "voc",
    "w64", "wav", "wv",
)  # fmt: skip
# Bytes in front of a sound that are searched for its beginning
MAX_JUNK = 2**26
# Where FFmpeg estimates the length from the bitrate or the size of the file: of the first, this package reads what the header
# declares; in the others nothing is declared that the sound could contradict.
ESTIMATED = {"mp3", "asf"}
WITHOUT_LENGTH = {"aac", "ac3", "eac3", "amr", "dts", "mpeg", "mpegts", "ogg", "flv"}
WITHOUT_CONTAINER = {"aac", "ac3", "eac3", "amr", "dts", "mp3"}
MAX_SKIPPED = 2**14  # bytes without a sentence: tags in the middle of joined files
# These declare bytes, which are compared with the bytes of the file.
WITH_SIZES = {"wav", "aiff", "caf", "w64", "au", "avi", "iff"}
# The padding that encoders add is cut off or not, three frames of mp3 at 8 kHz at most.
LENGTH_TOLERANCE = 0.25
# Timestamps of packets are rounded to milliseconds in some containers
GAP_TOLERANCE = 0.02
# In the list of an MP4: the first format of a track, behind the head of its box
ENCRYPTED = re.compile(rb"stsd.{12}(?:enca|drms)", re.DOTALL)
LONGEST = 3e5  # seconds, 3.5 days: a longer one is how encoders write that they do not know (all bits set)


class Decoder:
    """The sound in a file, in blocks of some seconds.

    Args:
        file: a seekable binary file.
        start: where it begins, in bytes.
        name: for messages.

    Attributes:
        notes: what was left out and why, one sentence each; complete after :meth:`frames`.
        declared_seconds: the length that the header declares, None where it declares none; known after the first frame.
    """

    def __init__(self, file: BinaryIO, start: int, name: str) -> None:
        self.file, self.start, self.name = file, start, name
        self.end = file.seek(0, 2)
        self.notes: list[str] = []
        self.declared_seconds: float | None = None
        self._seconds = 0.0
        self._tag_end = 0
        # of the part that was opened last
        self._part_end, self._is_repaired = self.end, False
        self._damaged: list[tuple[float, float]] = []  # (time, seconds lost)

    def frames(self) -> Generator[Frame]:
        """Yield the sound.

        Raises:
            AudioError: nothing in the file can be decoded, or its sample rate is impossible.
        """
        part: tuple[int, InputContainer] | None = self._open_first()
        kind, ends = "", []  # where each part should end, in seconds of what is heard
        while part is not None:
            offset, container = part
            begin, before = offset, self._seconds
            if (sentence := contradiction(self.file, begin, self.end)) is not None:
                self.notes.append(sentence)
            with container:
                kind, declared = container.format.name.split(",")[0], self._declared_seconds(container, offset)
                self.declared_seconds = self.declared_seconds or declared
                offset = yield from self._section(container, offset)
            if kind in WITH_SIZES:
                declared = (self._seconds - before) * (1 + missing_share(self.file, begin, self.end))
            ends.append(before + (declared or 0))
            # a second file may follow the first: cat a.wav b.wav, or a chained stream
            part = self._open_next(offset)
        if not self._seconds:
            raise AudioError(f"{self.name}: no samples in it can be decoded; fetch or export it again")
        self._note_losses(max(ends))
        if kind == "ogg" and not has_end_mark(self.file, self.end):
            self.notes.append("it has no end mark: the recording may have been cut off")
        if breaks_off(self.file, begin, self.end):
            self.notes.append("it ends in the middle of a block: the rest was cut off")

    def count(self) -> tuple[int, int, int]:
        """Sample rate, channels and samples by the packets, without decoding them; zeros for what is not one whole stream.

        Exact for uncompressed sound and flac.

        Raises:
            AudioError: no sound.
        """
        import av

        offset, container = self._open_first()
        with container:
            stream = container.streams.audio[0]
            rate, channels, ticks = stream.codec_context.sample_rate, stream.codec_context.channels, 0
            end = 0
            try:
                for packet in container.demux(stream):
                    ticks += packet.duration or 0
                    end = max(end, packet.pos + packet.size) if packet.pos is not None else end
            except (av.error.FFmpegError, OSError):
                return 0, 0, 0
            is_whole = offset == self.start and next(find_beginnings(self.file, offset + end, self.end), None) is None
            if not is_whole or stream.time_base is None:
                return 0, 0, 0
            return rate, channels, round(ticks * stream.time_base * rate)

    def _open_first(self) -> tuple[int, InputContainer]:
        # behind a tag FFmpeg expects an mp3, unless the tag is small
        sound = after_tags(self.file, self.start)
        self.file.seek(sound)
        start = sound if BEGINNINGS.match(self.file.read(LONGEST_BEGINNING)) else self.start
        container = self._try(start, self.end)
        if container is not None:
            return start, container
        limit = min(self.end, self.start + MAX_JUNK)
        for offset in find_beginnings(self.file, self.start, limit):
            # a container that does not open because another file follows may open alone
            following = find_beginnings(self.file, offset + 1, self.end)
            container = self._try(offset, self.end) or self._try(offset, next(following, self.end))
            if container is not None:
                if offset > self.start:
                    self.notes.append(f"the first {offset - self.start} bytes are no sound and were skipped")
                return offset, container
        self.file.seek(self.start)
        if self.file.read(8)[4:] == b"ftyp" and mp4_index(self.file, self.start, self.end) is None:
            raise AudioError(
                f"{self.name}: an MP4 without a list of its content (moov): cut off, or no sound; fetch or export it again"
            )
        raise AudioError(
            f"{self.name}: cannot be decoded as sound (no sound in it that FFmpeg recognises); "
            "check that it plays elsewhere, or convert it, e.g. ffmpeg -i INPUT output.flac"
        )

    def _open_next(self, position: int) -> tuple[int, InputContainer] | None:
        for offset in find_beginnings(self.file, position, self.end):
            if (container := self._try(offset, self.end)) is not None:
                if self._damaged and not self._damaged[-1][1]:
                    self._damaged.pop()  # FFmpeg stopped because another file begins
                return offset, container
        return None

    def _try(self, start: int, end: int) -> InputContainer | None:
        """Open a container with sound at an offset, or return None."""
        # imported here: `import tagging` must not load FFmpeg
        import av

        end = end_of_samples(self.file, start, end_of_first(self.file, start, end))
        patches = repair_header(self.file, start, end)
        view = FileView(self.file, start, end, patches)
        try:
            # from an object, not by its name: FFmpeg would take .au or .raw for samples without a header
            container = av.open(
                view,  # type: ignore[arg-type]
                mode="r",
                metadata_errors="replace",
                buffer_size=2**16,
                options={"format_whitelist": ",".join(CONTAINERS)},
            )
        except (av.error.FFmpegError, ValueError, OSError):
            return None
        if container.streams.audio and (codec := container.streams.audio[0].codec_context) is not None:
            # PyAV frees a layout with a list of channels twice, once for each frame: only their number is left
            if count := codec.channels:
                codec.layout = f"{count} channels"
            self._part_end, self._is_repaired = end, bool(patches)
            return container
        container.close()
        return None

    def _section(self, container: InputContainer, start: int) -> Generator[Frame, None, int]:
        """Yield the sound of one container; returns an offset in its last packet, after which another file may begin."""
        stream = container.streams.audio[0]
        codec = stream.codec_context
        if ENCRYPTED.search(mp4_index(self.file, start, self.end) or b""):
            raise AudioError(f"{self.name}: the sound is encrypted; only its owner's program can play it")
        codec.thread_count = 1  # more threads decode other files, not parts of this one
        if codec.name == "flac":
            codec.options = {"err_detect": "crccheck+explode"}  # its frames carry checksums
        if len(container.streams.audio) > 1:
            self.notes.append(f"it has {len(container.streams.audio)} audio tracks; the first was read")
        end, last, num_bytes = start + 1, start, 0
        block = Block(is_pcm=codec.name.startswith("pcm"))
        for packet, frames in self._packets(container, stream, start):
            num_bytes += packet.size
            last = max(last, start + (packet.pos or 0) + packet.size)
            if packet.size and packet.pos is not None:
                # The last packet of a flac takes in all that follows: another flac, which is decoded, or something else.
                is_decoded = packet.duration and sum(frame.samples for frame in frames) > packet.duration
                end = max(end, start + packet.pos + (packet.size if is_decoded else 1))
            for frame in frames:
                if block.is_complete(frame):
                    yield from self._finish(block)
                self._check_rate(frame.sample_rate)
                block.add(frame)
                self._seconds += frame.samples / frame.sample_rate
        yield from self._finish(block)
        if container.format.name not in WITHOUT_CONTAINER:
            return end
        # frames without a container are looked for up to the end of the part
        sound_end = last if self._is_behind_the_sound(last) else self._part_end
        skipped = sound_end - after_tags(self.file, start) - num_bytes
        if skipped > MAX_SKIPPED:
            self.notes.append(f"{skipped:,} bytes in it were skipped: they are no sound that can be decoded")
        return self._part_end

    def _packets(
        self, container: InputContainer, stream: AudioStream, start: int
    ) -> Iterator[tuple[Packet, list[AudioFrame]]]:
        """Yield packets with the frames in them; what cannot be decoded or is missing between them is added up."""
        import av

        tick = float(stream.time_base or 0)
        next_pts, end = None, start
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                if not self._is_behind_the_sound(end) and not (
                    container.format.name == "ogg" and has_end_mark(self.file, self.end)
                ):
                    self._damaged.append((self._seconds, 0.0))
                return
            if packet is None:
                return
            if packet.pts is not None:
                if next_pts is not None and (packet.pts - next_pts) * tick > GAP_TOLERANCE:
                    self._damaged.append((self._seconds, (packet.pts - next_pts) * tick))
                next_pts = packet.pts + packet.duration if packet.duration else None
            position = start + (packet.pos or 0)
            end = position + packet.size
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError):
                frames = []
                if not self._is_behind_the_sound(position):
                    self._damaged.append((self._seconds, (packet.duration or 0) * tick))
            yield packet, frames

    def _is_behind_the_sound(self, position: int) -> bool:
        """Whether what is at an offset is no loss: a tag, which FFmpeg may hand over as packets, or zeros."""
        self.file.seek(position)
        head = self.file.read(2**12)
        if head.startswith(TAGS):
            size = 128 if head.startswith(b"TAG") else 2**13
            if head.startswith(b"APETAGEX"):
                size = 32 + int.from_bytes(head[12:16], "little")
            elif head.startswith(b"ID3"):
                size = after_tags(self.file, position) - position
            self._tag_end = max(self._tag_end, position + size)
        return position < self._tag_end or not head.strip(b"\0")

    def _finish(self, block: Block) -> Iterator[Frame]:
        """Yield what a block holds, without the samples that a lossy decoder made of damaged packets."""
        if (frame := block.take()) is None:
            return
        rate, samples = frame
        if not block.is_pcm and not (is_sound := np.isfinite(samples).all(axis=0)).all():
            lost = float((~is_sound).sum() / rate)
            self._seconds -= lost
            self._damaged.append((self._seconds, lost))
            samples = samples[:, is_sound]
        if samples.size:
            yield Frame(rate, samples)

    def _check_rate(self, sample_rate: int) -> None:
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise AudioError(
                f"{self.name}: its header declares a sample rate of {sample_rate} Hz, where sound has "
                f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz; export it again"
            )

    def _declared_seconds(self, container: InputContainer, start: int) -> float | None:
        """The length by the header, None if it declares none or one that cannot be meant."""
        kind = container.format.name.split(",")[0]
        stream = container.streams.audio[0]
        if kind in WITHOUT_LENGTH or (kind in WITH_SIZES and self._is_repaired):
            return None
        tick = float(stream.time_base or 0)
        if kind in ESTIMATED:
            seconds = declared_seconds(self.file, start, kind, stream.codec_context.sample_rate)
        elif stream.duration is not None:
            seconds = stream.duration * tick
        else:  # of the container, whose other tracks may begin earlier
            seconds = (container.duration or 0) / 1e6 - max(0.0, (stream.start_time or 0) * tick)
        return seconds if 0 < seconds < LONGEST else None

    def _note_losses(self, declared: float) -> None:
        is_cut = declared - self._seconds - sum(lost for _, lost in self._damaged) > LENGTH_TOLERANCE
        # the last packet of a file that breaks off is damaged too, which needs no sentence of its own
        damaged = [part for part in self._damaged if not (is_cut and part[0] > self._seconds - LENGTH_TOLERANCE)]
        if damaged:
            lost = sum(seconds for _, seconds in damaged)
            parts, where = ("a part", "at") if len(damaged) == 1 else (f"{len(damaged)} parts", "the first at")
            self.notes.append(f"{parts} of the file ({lost:.2f} s) damaged or missing, {where} {damaged[0][0]:.1f} s")
        if is_cut:
            self.notes.append(
                f"the file ends or is damaged at {self._seconds:.1f} s of the {declared:.1f} s it declares; "
                "only the part before was used"
            )
