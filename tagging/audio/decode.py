"""Decode whatever is in a sound file, with FFmpeg (PyAV), packet by packet.

Nothing is taken on trust: a packet that cannot be decoded is left out and counted, every frame is read at its own sample rate
and number of channels, and a file that follows the first in the same file is read too. What was not as declared becomes a
sentence in :attr:`Decoder.notes`. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from ..errors import AudioError
from .containers import (
    BEGINNINGS,
    LONGEST_BEGINNING,
    FileView,
    after_tags,
    declared_seconds,
    end_of_first,
    find_beginnings,
    has_end_mark,
    repair_sizes,
)
from .waveform import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

if TYPE_CHECKING:
    from av import AudioFifo, AudioFrame, AudioStream, Packet
    from av.container import InputContainer

# Containers that may be opened. Not among them: playlists and manifests, which name other files and addresses.
CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "eac3", "flac", "flv", "iff", "ircam",
    "matroska", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "nistsphere", "ogg", "paf", "pvf", "shn", "tak", "tta", "voc",
    "w64", "wav", "wv",
)  # fmt: skip
# The overhead of a call is negligible at this length, and so is the memory.
BLOCK_SECONDS = 3.0
# Bytes in front of a sound that are searched for its beginning
MAX_JUNK = 2**24
# Where FFmpeg estimates the length from the bitrate or the size of the file: of the first, this package reads what the header
# declares; in the others nothing is declared that the sound could contradict.
ESTIMATED = {"mp3", "asf", "w64", "wav", "aiff", "caf"}
WITHOUT_LENGTH = {"aac", "ac3", "eac3", "amr", "dts", "mpeg", "mpegts", "ogg", "avi", "flv", "au"}
# The padding that encoders add is cut off or not, three frames of mp3 at 8 kHz at most.
LENGTH_TOLERANCE = 0.25
# Timestamps of packets are rounded to milliseconds in some containers
GAP_TOLERANCE = 0.02
# What FFmpeg hands over as packets of an mp3, and is no loss
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")
LONGEST = 3e5  # seconds, 3.5 days: a longer one is how encoders write that they do not know (all bits set)


class Frame(NamedTuple):
    """Some decoded sound, up to some seconds of it.

    Attributes:
        sample_rate: in Hz.
        samples: [channels, samples], float32; full scale is 1.
    """

    sample_rate: int
    samples: np.ndarray


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
            with container:
                kind, declared = container.format.name, self._declared_seconds(container, offset)
                self.declared_seconds = self.declared_seconds or declared
                ends.append(self._seconds + (declared or 0))
                offset = yield from self._section(container, offset)
            # a second file may follow the first: cat a.wav b.wav, or a chained stream
            part = self._open_next(offset)
        if not self._seconds:
            raise AudioError(f"{self.name}: no samples in it can be decoded; fetch or export it again")
        self._note_losses(max(ends))
        if kind == "ogg" and not has_end_mark(self.file, self.end):
            self.notes.append("it has no end mark: the recording may have been cut off")

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

        end = end_of_first(self.file, start, end)
        view = FileView(self.file, start, end, repair_sizes(self.file, start, end))
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
        if container.streams.audio and container.streams.audio[0].codec_context is not None:
            return container
        container.close()
        return None

    def _section(self, container: InputContainer, start: int) -> Generator[Frame, None, int]:
        """Yield the sound of one container; returns an offset in its last packet, after which another file may begin."""
        stream = container.streams.audio[0]
        codec = stream.codec_context
        codec.thread_count = 1  # more threads decode other files, not parts of this one
        if codec.name == "flac":
            codec.options = {"err_detect": "crccheck+explode"}  # its frames carry checksums
        if len(container.streams.audio) > 1:
            self.notes.append(f"it has {len(container.streams.audio)} audio tracks; the first was read")
        end = start + 1
        block = Block(is_pcm=codec.name.startswith("pcm"))
        for packet, frames in self._packets(container, stream):
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
        return end

    def _packets(self, container: InputContainer, stream: AudioStream) -> Iterator[tuple[Packet, list[AudioFrame]]]:
        """Yield packets with the frames in them; what cannot be decoded or is missing between them is added up."""
        import av

        tick = float(stream.time_base or 0)
        next_pts = None
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                self._damaged.append((self._seconds, 0.0))
                return
            if packet is None:
                return
            if packet.pts is not None:
                if next_pts is not None and (packet.pts - next_pts) * tick > GAP_TOLERANCE:
                    self._damaged.append((self._seconds, (packet.pts - next_pts) * tick))
                next_pts = packet.pts + packet.duration if packet.duration else None
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError):
                frames = []
                if not bytes(packet).startswith(TAGS):
                    self._damaged.append((self._seconds, (packet.duration or 0) * tick))
            yield packet, frames

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
        if kind in WITHOUT_LENGTH or repair_sizes(self.file, start, self.end):
            return None
        rate, bits = stream.codec_context.sample_rate, stream.codec_context.bit_rate
        if kind in ESTIMATED:
            seconds = declared_seconds(self.file, start, kind, rate, bits or 0) or 0.0
        elif stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = (container.duration or 0) / 1e6
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


class Block:
    """Frames of some milliseconds, joined to some seconds: a Python call per frame would cost more than decoding it.

    Args:
        is_pcm: whether the samples are stored as such.
    """

    def __init__(self, is_pcm: bool) -> None:
        self.is_pcm = is_pcm
        self.fifo: AudioFifo | None = None
        self.key: tuple[int, str, str] | None = None
        self.limit = 0.0  # the first frame by itself: it tells a caller the sample rate

    def is_complete(self, frame: AudioFrame) -> bool:
        """Whether the block must be taken before a frame is added: it is long enough, or the frame is of another format."""
        if self.fifo is None:
            return False
        return self.fifo.samples > self.limit * frame.sample_rate or self.key != _key(frame)

    def add(self, frame: AudioFrame) -> None:
        """Append a frame."""
        import av

        if self.fifo is None:
            self.fifo, self.key = av.AudioFifo(), _key(frame)
        frame.pts = None  # gaps are counted elsewhere
        self.fifo.write(frame)

    def take(self) -> Frame | None:
        """Return and forget what was added, float32 [channels, samples]; None if that is nothing."""
        joined = self.fifo.read() if self.fifo is not None else None
        self.fifo, self.limit = None, BLOCK_SECONDS
        if joined is None:
            return None
        array = joined.to_ndarray()
        if not joined.format.is_planar:
            array = array.reshape(-1, joined.layout.nb_channels).T
        if array.dtype == np.uint8:
            array = (array.astype(np.float32) - 128) / 128
        elif np.issubdtype(array.dtype, np.integer):
            # a division by a power of 2: exact for 16 and 24 bits
            array = array.astype(np.float32) / np.float32(2 ** (8 * array.itemsize - 1))
        return Frame(joined.sample_rate, array.astype(np.float32, copy=False))


def _key(frame: AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name
