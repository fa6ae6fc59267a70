"""Sound files and arrays -> float32 mono waveforms at the sample rate a model asks for.

Decoding is libsndfile's (wav, flac, ogg, opus, mp3, aiff), resampling is soxr's HQ. A file is read in blocks, so a song
of any length needs the memory of a few seconds. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import AudioError, ConfigError

# 2**17 frames are 3 s at 44.1 kHz: long enough that the cost of a call does not show, short enough for any memory.
BLOCK_FRAMES = 2**17
# Beyond any way of writing samples, 32-bit integers included; the power of much more is infinite, and every score NaN.
LARGEST = 1e12


class AudioFile:
    """A sound file, read front to back as mono blocks.

    Opening reads the header only.

    Args:
        path: the file.

    Attributes:
        sample_rate: of the file, in Hz.
        channels: of the file; they are averaged when read.
        seconds: the length the header declares.
        notes: what went wrong without being fatal, one sentence each; filled while :meth:`blocks` is read.

    Raises:
        AudioError: no such file, a directory, an empty file, or nothing libsndfile can decode.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # imported here: training on rendered music must run where libsndfile is missing
        import soundfile

        self.notes: list[str] = []
        try:
            self.path = Path(path).expanduser()
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null byte in the name
            raise AudioError(f"{path}: no such file; check the name and the folder you are in") from error
        except (OSError, RuntimeError) as error:  # RuntimeError: ~ of nobody
            raise AudioError(
                f"{path}: cannot be opened ({_reason(error)}); check the name and who may read it"
            ) from error
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"{path}: a directory, not a sound file; name the files in it, e.g. {self.path / '*.mp3'}")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"{path}: a pipe or device, not a sound file; save the sound to a file first")
        if status.st_size == 0:
            raise AudioError(f"{path}: an empty file (0 bytes); fetch or export it again")
        try:
            # as bytes: a name that is no text in the system's encoding is a name all the same
            self._file = soundfile.SoundFile(os.fsencode(self.path))
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioError(
                f"{path}: cannot be decoded as sound ({_reason(error)}); "
                "wav, flac, ogg, opus, mp3 and aiff can be read: convert others first, e.g. ffmpeg -i INPUT output.flac"
            ) from error
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.seconds: float = self._file.frames / self.sample_rate

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def blocks(
        self, sample_rate: int | None = None, start: float = 0.0, seconds: float | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the sound as float32 [samples] blocks, mono, at ``sample_rate``.

        The blocks joined together are the same samples as the whole file resampled at once.

        Args:
            sample_rate: in Hz; None keeps the file's own.
            start: where to begin, in seconds.
            seconds: how much to read at most; None reads to the end.

        Raises:
            AudioError: the sound holds no samples, or values that are not numbers, or ends before ``start``.
            ConfigError: a sample rate or length that is not positive.
        """
        if sample_rate is not None and sample_rate < 1:
            raise ConfigError(f"a sample rate of {sample_rate} Hz: it must be at least 1, e.g. 16000")
        if seconds is not None and not seconds > 0:
            raise ConfigError(f"seconds={seconds}: give a positive length, or None to read to the end")
        frames = self._read_mono(start, seconds)
        if sample_rate is None or sample_rate == self.sample_rate:
            yield from frames
            return
        if sample_rate > self.sample_rate:
            self.notes.append(
                f"sampled at {self.sample_rate} Hz: there is nothing above {self.sample_rate // 2} Hz to hear"
            )
        heard = 0
        for block in _resample_blocks(frames, self.sample_rate, sample_rate):
            heard += len(block)
            yield block
        if not heard:
            raise AudioError(f"{self.path}: shorter than one sample at {sample_rate} Hz; nothing can be heard in it")

    def _read_mono(self, start: float, seconds: float | None) -> Iterator[np.ndarray]:
        import soundfile

        # written so that NaN is refused too; start=0 of a file without samples has its own message below
        if not 0 <= start < max(self.seconds, 1 / self.sample_rate):
            raise AudioError(f"{self.path}: cannot start at {start:g} s, the file is {self.seconds:.3f} s long")
        first = round(start * self.sample_rate)
        expected = self._file.frames - first
        if seconds is not None:
            expected = min(expected, round(seconds * self.sample_rate))
        self._file.seek(first)
        done, peak = 0, 0.0
        while done < expected:
            # not SoundFile.blocks: where a file ends early that repeats the last block up to the declared length
            block = np.full((min(BLOCK_FRAMES, expected - done), self.channels), np.nan, dtype=np.float32)
            try:
                block = self._file.read(out=block)
            except soundfile.LibsndfileError:
                # damaged from some sample on; the samples before it have been written, and the note below says so
                block = block[: np.isnan(block).any(axis=1).argmax()]
            if not len(block):
                break
            # one channel after another: a product with a vector rounds by the size of the block on some processors
            mono = sum(block.T) / self.channels
            if not np.isfinite(mono).all():
                raise AudioError(
                    f"{self.path}: holds NaN or infinite samples near {(first + done) / self.sample_rate:.1f} s; export it again"
                )
            done += len(mono)
            peak = max(peak, float(np.abs(mono).max()))
            if peak > LARGEST:
                raise AudioError(
                    f"{self.path}: holds samples as large as {peak:.0e}, where sound lies in [-1, 1]; export it again"
                )
            yield mono
        if not done:
            raise AudioError(f"{self.path}: holds no samples; nothing can be heard in it")
        if done < expected:
            self.notes.append(
                f"the file ends or breaks off at {(first + done) / self.sample_rate:.1f} s "
                f"of the {self.seconds:.1f} s it declares; only the part before was used"
            )
        if peak == 0.0:
            self.notes.append("the file is silent: its scores describe the model, not music")


def _reason(error: Exception) -> str:
    if "possibly a pipe" in str(error):
        return "no sound in it"  # libsndfile's words for an mp3 without one whole frame speak of a missing file
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".") or type(error).__name__


def _resample_blocks(blocks: Iterator[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Resample a stream; the output does not depend on where the blocks were cut."""
    import soxr

    resampler = soxr.ResampleStream(from_rate, to_rate, num_channels=1, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = resampler.resample_chunk(block)
        if len(resampled):
            yield resampled
    yield resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def load_audio(
    path: str | os.PathLike[str], sample_rate: int | None = None, start: float = 0.0, seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """Read a sound file into memory.

    Args:
        path: wav, flac, ogg, opus, mp3 or aiff.
        sample_rate: in Hz; None keeps the file's own.
        start: where to begin, in seconds.
        seconds: how much to read at most; None reads to the end.

    Returns:
        The waveform, float32 [samples], mono, nominally in [-1, 1], and its sample rate in Hz.

    Raises:
        AudioError: the file is missing, empty, undecodable, without samples, or holds NaN.

    Book: ``book/what_goes_in``.
    """
    with AudioFile(path) as file:
        return np.concatenate(list(file.blocks(sample_rate, start, seconds))), sample_rate or file.sample_rate


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample float32 [samples] with soxr's HQ filter: flat to 0.91 of the new Nyquist frequency.

    Which resampler is used changes what a model answers (``book/what_goes_in``), so this package has one.

    Raises:
        ConfigError: a sample rate that is no positive, finite number.
    """
    for rate in (from_rate, to_rate):
        if not 0 < rate < float("inf"):
            raise ConfigError(f"a sample rate of {rate} Hz: it must be a positive, finite number, e.g. 16000")
    if from_rate == to_rate:
        return waveform
    return np.concatenate(list(_resample_blocks(iter([waveform]), from_rate, to_rate)))


def as_waveform(array: np.ndarray, name: str = "waveform") -> np.ndarray:
    """Check and convert a user's array to float32 [samples].

    Args:
        array: float in [-1, 1] or signed integers, [samples] or [channels, samples]; channels are averaged.
        name: what to call it in an error.

    Raises:
        AudioError: wrong shape or type, no samples, or values that are not numbers.
    """
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise AudioError(f"{name} of shape {array.shape}: channels come first, [channels, samples]; transpose it")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name} of shape {array.shape}: expected [samples] or [channels, samples]")
    if array.size == 0:
        raise AudioError(f"{name} holds no samples; nothing can be heard in it")
    if np.issubdtype(array.dtype, np.signedinteger):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    elif not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"{name} of type {array.dtype}: expected floats in [-1, 1] or signed integers")
    mono = array.astype(np.float32, copy=False) if array.ndim == 1 else array.mean(axis=0, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise AudioError(f"{name} holds NaN or infinite samples; check how it was made")
    if (peak := float(np.abs(mono).max())) > LARGEST:
        raise AudioError(
            f"{name} holds samples as large as {peak:.0e}, where sound lies in [-1, 1]; check how it was made"
        )
    return mono
