"""Read sound files as float32 mono waveforms at the sample rate of a model.

FFmpeg decodes (by PyAV), soxr resamples (HQ). A file is read in blocks, so a song of any length needs the memory of a few
seconds. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

import numpy as np

from ..errors import AudioError, ConfigError
from .blocks import Frame
from .decode import Decoder
from .waveform import LevelMeter, check_sample_rate, resample_blocks

# An open file is copied: in memory up to this size, to the disk beyond.
MAX_IN_MEMORY = 2**26

AudioSource = str | bytes | os.PathLike[str] | BinaryIO


class AudioFile:
    """A sound file, read from start to end in mono blocks. Opening it decodes its first frame only.

    Args:
        source: the path of the file; or its content, as ``bytes`` or an open binary file, which is read from where it
            stands to its end, and stays open.

    Attributes:
        name: of the file, for messages.
        sample_rate: of the file, Hz. Where it changes midway, all is read at the first.
        channels: of the file; they are averaged when read.
        seconds: the duration that the header declares, which may be wrong; None if it declares none.
        notes: problems that are not errors, one sentence each; complete once :meth:`blocks` is read.

    Raises:
        AudioError: no such file, a directory, an empty file, or nothing in it that can be decoded.

    Example:
        >>> from tagging.audio.files import AudioFile
        >>> import tagging
        >>> with AudioFile(tagging.sound_path("greensleeves")) as file:
        ...     sum(len(block) for block in file.blocks(sample_rate=16000)) > 0
        True
    """

    def __init__(self, source: AudioSource) -> None:
        self.notes: list[str] = []
        self.path, self.name, self._file = _open(source)
        self._start = self._file.tell()
        try:
            self._restart()
        except BaseException:
            self.__exit__()
            raise
        self.sample_rate: int = self._first.sample_rate
        self.channels: int = len(self._first.samples)
        self.seconds: float | None = self._decoder.declared_seconds

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc: object) -> None:
        if hasattr(self, "_frames"):
            self._frames.close()
        self._file.close()

    def _restart(self) -> None:
        self._decoder = Decoder(self._file, self._start, self.name)
        self._frames = self._decoder.frames()
        self._first: Frame = next(self._frames)
        self._is_fresh = True

    def blocks(
        self, sample_rate: int | None = None, start: float = 0.0, seconds: float | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the sound as mono float32 [samples] blocks at ``sample_rate``.

        Concatenated, the blocks equal the whole file resampled at once.

        Args:
            sample_rate: Hz; None is that of the file.
            start: in seconds.
            seconds: maximum duration; None reads to the end.

        Raises:
            AudioError: no samples, NaN or infinite samples, samples far beyond full scale, or a file that ends before ``start``.
            ConfigError: an impossible sample rate, a duration that is not positive, a start that is negative.
        """
        if sample_rate is not None:
            check_sample_rate(sample_rate)
        if seconds is not None and not seconds > 0:
            raise ConfigError(f"seconds={seconds}: give a positive duration, or None to read to the end")
        if not 0 <= start < float("inf"):
            raise ConfigError(f"start={start}: give the seconds from the beginning, e.g. 0")
        rate = sample_rate or self.sample_rate
        self.notes.clear()
        meter, length = LevelMeter(self.name), 0
        for part_rate, blocks in _by_rate(self._mono(meter, start, seconds)):
            if part_rate < rate:
                self.notes.append(f"sampled at {part_rate} Hz: it contains nothing above {part_rate // 2} Hz")
            for block in blocks if part_rate == rate else resample_blocks(blocks, part_rate, rate):
                length += len(block)
                yield block
        if not length:
            raise AudioError(f"{self.name}: shorter than one sample at {rate} Hz")
        self.notes.extend(meter.notes())

    def _mono(self, meter: LevelMeter, start: float, seconds: float | None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (sample rate, mono float32 [samples]) of some seconds each, of one sample rate each."""
        for time, frame in self._parts(start, seconds):
            yield frame.sample_rate, meter.mono(frame.samples, f" near {time:.1f} s")

    def _parts(self, start: float, seconds: float | None) -> Iterator[tuple[float, Frame]]:
        if start and (part := self._read_directly(start, seconds)) is not None:
            yield start, part
            return
        if not self._is_fresh:
            self._restart()
        self._is_fresh = False
        # in samples at the rate of the file
        first = round(start * self.sample_rate)
        last = float("inf") if seconds is None else first + round(seconds * self.sample_rate)
        position, is_empty = 0.0, True
        for frame in itertools.chain([self._first], self._frames):
            count, scale = frame.samples.shape[1], frame.sample_rate / self.sample_rate
            low = min(max(round((first - position) * scale), 0), count)
            high = min(max(round((last - position) * scale), 0), count) if last < float("inf") else count
            if high > low:
                is_empty = False
                yield position / self.sample_rate, Frame(frame.sample_rate, frame.samples[:, low:high])
            position += count / scale
            if position >= last:
                break
        if is_empty:
            length = position / self.sample_rate
            raise AudioError(f"{self.name}: cannot start at {start:g} s, the file is {length:.3f} s long")
        self.notes.extend(self._decoder.notes)

    def _read_directly(self, start: float, seconds: float | None) -> Frame | None:
        """Samples from the middle of a file without decoding what is before them, where that is exact; else None."""
        if (
            self.path is None
            or seconds is None
            or seconds > 60
            or not _length_is_verified(self.path, *_version(self.path))
        ):
            return None
        import soundfile

        try:
            with soundfile.SoundFile(os.fsencode(self.path)) as file:
                file.seek(min(round(start * file.samplerate), file.frames))
                samples = file.read(round(seconds * file.samplerate), dtype="float32", always_2d=True)
                return Frame(file.samplerate, samples.T) if len(samples) else None
        except soundfile.LibsndfileError:
            return None


def _by_rate(blocks: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
    """Group a stream by sample rate, which changes where files of several rates were joined."""
    for rate, group in itertools.groupby(blocks, key=lambda block: block[0]):
        yield rate, (block for _, block in group)


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=2**16)
def _length_is_verified(path: Path, modified: int, size: int) -> bool:
    """Whether libsndfile may be asked for any part of a file: a wav, flac or aiff whose samples are as many as it declares.

    Counts the packets once; later reads of the file as it is now know it.
    """
    import soundfile

    with open(path, "rb") as file:
        # behind a tag, libsndfile seeks to wrong places
        if file.read(4) not in (b"RIFF", b"FORM", b"fLaC"):
            return False
        try:
            with soundfile.SoundFile(os.fsencode(path)) as header:
                return Decoder(file, 0, str(path)).count() == (header.samplerate, header.channels, header.frames)
        except (soundfile.LibsndfileError, AudioError):
            return False


def _open(source: AudioSource) -> tuple[Path | None, str, BinaryIO]:
    """A seekable binary file for what a user gave, with its path, if it has one, and its name for messages."""
    if isinstance(source, bytes | bytearray | memoryview):
        if not len(source):
            raise AudioError("the sound given as bytes is empty (0 bytes)")
        return None, "the sound given as bytes", io.BytesIO(bytes(source))
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fspath(source))
    if not hasattr(source, "read"):
        raise AudioError(f"a sound is a path, bytes or an open binary file, not {type(source).__name__}")
    name = str(getattr(source, "name", None) or "the open file")
    # A copy: what can go wrong in a file of another kind (a member of an archive, a download) goes wrong here, once.
    file: BinaryIO = tempfile.SpooledTemporaryFile(MAX_IN_MEMORY)  # type: ignore[assignment]  # noqa: SIM115
    try:
        copyfileobj(source, file)
    except TypeError as error:
        raise AudioError(f"{name}: opened as text; open it in binary mode, open(path, 'rb')") from error
    except Exception as error:  # of any library
        raise AudioError(f"{name}: cannot be read ({error}); give a binary file that is open") from error
    if not file.tell():
        raise AudioError(f"{name}: nothing left to read; seek(0) first if it was read or written before")
    file.seek(0)
    return None, name, file


def _open_path(text: str | bytes) -> tuple[Path, str, BinaryIO]:
    path = Path(os.fsdecode(text))
    name = str(path)
    if re.match(r"[a-z][a-z0-9+.-]+://", str(text), re.IGNORECASE):
        raise AudioError(f"{text!s}: an address, not a file; download it first and give the name of the file")
    try:
        if name.startswith("~") and not os.path.lexists(path):  # a file may be called ~x.wav
            path = path.expanduser()
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null byte in the name
        raise AudioError(f"{name}: no such file; check the name and the folder you are in") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of an unknown user
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: cannot be opened ({reason}); check the name and who may read it") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(f"{name}: a directory, not a sound file; name the files in it, e.g. {path / '*.mp3'}")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{name}: a pipe or device, not a sound file; save the sound to a file first")
    if status.st_size == 0:
        raise AudioError(f"{name}: an empty file (0 bytes); fetch or export it again")
    try:
        return path, name, open(path, "rb")
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror}); check who may read it") from error


def load_audio(
    source: AudioSource, sample_rate: int | None = None, start: float = 0.0, seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """Read a sound file into memory.

    Args:
        source: the path of a file, or its content as bytes or an open binary file. Read are wav, flac, mp3, ogg, opus, m4a (AAC
            and ALAC), wma, webm, aiff and what else FFmpeg decodes; of a video, the first audio track.
        sample_rate: Hz; None is that of the file.
        start: in seconds. Exact; where the file allows it, nothing before it is decoded.
        seconds: maximum duration; None reads to the end.

    Returns:
        The mono waveform, float32 [samples], nominally in [-1, 1], and its sample rate in Hz.

    Raises:
        AudioError: the file is missing, empty, undecodable, without samples, or contains NaN or samples far beyond full scale.
        ConfigError: an impossible sample rate, start or duration.

    Example:
        >>> import tagging
        >>> waveform, rate = tagging.load_audio(tagging.sound_path("greensleeves"), 16000, start=1, seconds=3)
        >>> waveform.shape, rate
        ((48000,), 16000)

    Book: ``book/what_goes_in``.
    """
    with AudioFile(source) as file:
        return np.concatenate(list(file.blocks(sample_rate, start, seconds))), sample_rate or file.sample_rate
