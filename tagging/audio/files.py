"""Read sound files and arrays as float32 mono waveforms at the sample rate of a model.

libsndfile decodes (wav, flac, ogg, opus, mp3, aiff), soxr resamples (HQ). A file is read in blocks, so a song of any length
needs the memory of a few seconds. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import AudioError, ConfigError

# 3 s at 44.1 kHz: the overhead of a call is negligible, and so is the memory.
BLOCK_SAMPLES = 2**17
# Above the range of every sample format, 32-bit integers included; the power of far larger samples is infinite, every score NaN.
MAX_SAMPLE = 1e12
MAX_CHANNELS = 8  # of an array: 7.1 surround; a batch of songs is a likely mistake beyond


class AudioFile:
    """A sound file, read from start to end in mono blocks. Opening it reads the header only.

    Args:
        path: of the file.

    Attributes:
        sample_rate: of the file, Hz.
        channels: of the file; they are averaged when read.
        seconds: the duration that the header declares.
        notes: problems that are not errors, one sentence each; filled while :meth:`blocks` is read.

    Raises:
        AudioError: no such file, a directory, an empty file, or a format that libsndfile cannot decode.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # imported here: training on rendered music must work where libsndfile is missing
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
            # as bytes: a file name need not be text in the encoding of the system
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
        """Yield the sound as mono float32 [samples] blocks at ``sample_rate``.

        Concatenated, the blocks equal the whole file resampled at once.

        Args:
            sample_rate: Hz; None is that of the file.
            start: in seconds.
            seconds: maximum duration; None reads to the end.

        Raises:
            AudioError: no samples, NaN or infinite samples, or a file that ends before ``start``.
            ConfigError: a sample rate or duration that is not positive.
        """
        if sample_rate is not None and sample_rate < 1:
            raise ConfigError(f"a sample rate of {sample_rate} Hz: it must be at least 1, e.g. 16000")
        if seconds is not None and not seconds > 0:
            raise ConfigError(f"seconds={seconds}: give a positive duration, or None to read to the end")
        frames = self._read_mono(start, seconds)
        if sample_rate is None or sample_rate == self.sample_rate:
            yield from frames
            return
        if sample_rate > self.sample_rate:
            self.notes.append(f"sampled at {self.sample_rate} Hz: it contains nothing above {self.sample_rate // 2} Hz")
        count = 0
        for block in _resample_blocks(frames, self.sample_rate, sample_rate):
            count += len(block)
            yield block
        if not count:
            raise AudioError(f"{self.path}: shorter than one sample at {sample_rate} Hz")

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
            # not SoundFile.blocks, which repeats the last block up to the declared length where a file ends early
            block = np.full((min(BLOCK_SAMPLES, expected - done), self.channels), np.nan, dtype=np.float32)
            try:
                block = self._file.read(out=block)
            except soundfile.LibsndfileError:
                # damaged from some sample on; the samples before it are in the block, and the note below says so
                block = block[: np.isnan(block).any(axis=1).argmax()]
            if not len(block):
                break
            # channel by channel: on some processors the rounding of a matrix product depends on the size of the block
            mono = np.asarray(sum(block.T) / self.channels)
            if not np.isfinite(mono).all():
                raise AudioError(
                    f"{self.path}: NaN or infinite samples near {(first + done) / self.sample_rate:.1f} s; export it again"
                )
            done += len(mono)
            peak = max(peak, float(np.abs(mono).max()))
            if peak > MAX_SAMPLE:
                raise AudioError(f"{self.path}: samples as large as {peak:.0e}; sound is in [-1, 1]; export it again")
            yield mono
        if not done:
            raise AudioError(f"{self.path}: no samples")
        if done < expected:
            self.notes.append(
                f"the file ends or is damaged at {(first + done) / self.sample_rate:.1f} s "
                f"of the {self.seconds:.1f} s it declares; only the part before was used"
            )
        if peak == 0.0:
            self.notes.append("the file is silent: its scores describe the model, not music")


def _reason(error: Exception) -> str:
    if "possibly a pipe" in str(error):
        return "no sound in it"  # for an mp3 without one whole frame libsndfile reports a missing file
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".") or type(error).__name__


def _resample_blocks(blocks: Iterator[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Resample a stream; the output does not depend on the lengths of the blocks."""
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
        sample_rate: Hz; None is that of the file.
        start: in seconds.
        seconds: maximum duration; None reads to the end.

    Returns:
        The mono waveform, float32 [samples], nominally in [-1, 1], and its sample rate in Hz.

    Raises:
        AudioError: the file is missing, empty, undecodable, without samples, or contains NaN.

    Book: ``book/what_goes_in``.
    """
    with AudioFile(path) as file:
        return np.concatenate(list(file.blocks(sample_rate, start, seconds))), sample_rate or file.sample_rate


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample float32 [samples] with soxr's HQ filter: flat to 0.91 of the new Nyquist frequency.

    The resampler changes the scores of a model, so this package uses one only. Book: ``book/what_goes_in``.

    Raises:
        ConfigError: a sample rate that is not a positive, finite number.
    """
    for rate in (from_rate, to_rate):
        if not 0 < rate < float("inf"):
            raise ConfigError(f"a sample rate of {rate} Hz: it must be a positive, finite number, e.g. 16000")
    if from_rate == to_rate:
        return waveform
    return np.concatenate(list(_resample_blocks(iter([waveform]), from_rate, to_rate)))


def as_waveform(array: np.ndarray, name: str = "waveform") -> np.ndarray:
    """Check an array and convert it to a mono float32 [samples] waveform.

    Args:
        array: float in [-1, 1] or signed integers, [samples] or [channels, samples] with at most 8 channels, which are
            averaged.
        name: of the array, for error messages.

    Raises:
        AudioError: a wrong shape or type, too many channels, no samples, NaN or infinite samples.
    """
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise AudioError(f"{name} of shape {array.shape}: channels come first, [channels, samples]; transpose it")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name} of shape {array.shape}: expected [samples] or [channels, samples]")
    if array.ndim == 2 and array.shape[0] > MAX_CHANNELS:
        raise AudioError(
            f"{name} of shape {array.shape}: {array.shape[0]} channels, where a song has at most {MAX_CHANNELS}; "
            "if the rows are songs, tag them one by one"
        )
    if array.size == 0:
        raise AudioError(f"{name} has no samples")
    if np.issubdtype(array.dtype, np.signedinteger):
        array = array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    elif not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"{name} of type {array.dtype}: expected floats in [-1, 1] or signed integers")
    mono = array.astype(np.float32, copy=False) if array.ndim == 1 else array.mean(axis=0, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise AudioError(f"{name} has NaN or infinite samples; check how it was made")
    if (peak := float(np.abs(mono).max())) > MAX_SAMPLE:
        raise AudioError(f"{name} has samples as large as {peak:.0e}; sound is in [-1, 1]; check how it was made")
    return mono
