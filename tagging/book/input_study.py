"""Small experiments on what a tagger gets to hear: resampling, inversion of a log-mel spectrogram, wrong settings.

Book: ``book/what_goes_in``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..audio.examples import list_sounds, sound_path
from ..audio.files import load_audio
from ..audio.mel import PRESETS, LogMel, MelSpec, mel_bank
from ..audio.waveform import resample
from ..models.tagger import Tagger

if TYPE_CHECKING:
    import pandas

RATE = 16000
# Makes of a sound and its sample rate the samples and the spectrogram that a model gets.
Mistake = Callable[[np.ndarray, int], tuple[np.ndarray, MelSpec]]
_RIGHT = PRESETS["musicnn"]
_PATCH = 187  # frames of a segment of musicnn


def log_mel(samples: np.ndarray, spec: MelSpec) -> np.ndarray:
    """float32 [samples] -> float32 [bands, frames].

    Book: ``book/what_goes_in``.
    """
    return LogMel(spec)(torch.from_numpy(np.float32(samples))[None])[0].numpy()


def rising_tone(seconds: float = 4.0, rate: int = 44100, highest: float = 20_000) -> np.ndarray:
    """A tone that rises from 0 Hz to ``highest``: float32 [samples].

    Book: ``book/what_goes_in``.
    """
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(np.pi * highest / seconds * time**2)).astype(np.float32)


def rates_table(tagger: Tagger, wave: np.ndarray, rate: int, rates: Sequence[int]) -> pandas.DataFrame:
    """The top tags of a sound that was resampled to lower and lower rates.

    Book: ``book/what_goes_in``.
    """
    import pandas

    rows = {}
    for new_rate in rates:
        result = tagger.tag_waveform(resample(wave, rate, new_rate), new_rate)
        top = ", ".join(f"{tag} {score:.2f}" for tag, score in result.top(4))
        rows[f"{new_rate:,} Hz"] = {"heard up to, Hz": min(new_rate, RATE) // 2, "top tags": top}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("sample rate")


def dead_bands(n_fft: int, n_mels: int) -> int:
    """How many mel bands lie between two frequencies of the transform, so that they are always silent.

    Book: ``book/what_goes_in``.
    """
    return int((mel_bank(MelSpec(n_fft=n_fft, n_mels=n_mels)).sum(axis=1) == 0).sum())


def dead_bands_table(windows: Sequence[int], counts: Sequence[int]) -> pandas.DataFrame:
    """:func:`dead_bands` for windows (rows) and numbers of bands (columns).

    Book: ``book/what_goes_in``.
    """
    import pandas

    rows = {window: {f"{count} bands": dead_bands(window, count) for count in counts} for window in windows}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("window, samples")


def sound_of(values: np.ndarray) -> np.ndarray:
    """A sound whose log-mel spectrogram is close to ``values``: float32 [bands, frames] -> float32 [samples].

    A spectrum with the same mel bands, then phases that fit it (Griffin and Lim 1984). Book: ``book/what_goes_in``.
    """
    import librosa

    power = 10.0**values - 1  # 10,000 times the mel power
    # librosa's least squares stop too early on small numbers, and take long on large ones
    spectrum = librosa.feature.inverse.mel_to_stft(power / 10, sr=RATE, n_fft=512) / 1000**0.5
    return librosa.griffinlim(spectrum, n_iter=60, n_fft=512, hop_length=256, random_state=0)


def _notes_and_levels(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strongest pitch between 280 and 1000 Hz, in semitones, and level, per frame."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2048)[::512]
    power = np.abs(np.fft.rfft(frames * np.hanning(2048), 8192)) ** 2
    hertz = np.fft.rfftfreq(8192, 1 / RATE)
    melody = (hertz > 280) & (hertz < 1000)
    pitch = 12 * np.log2(hertz[melody][power[:, melody].argmax(axis=1)] / 440)
    return pitch, np.sqrt((frames**2).mean(axis=1))


def preserved(original: np.ndarray, back: np.ndarray) -> tuple[float, float]:
    """What a reconstruction keeps: share of frames with the right note, to half a semitone, and correlation of the level.

    Args:
        original, back: float [samples] at 16 kHz; ``back`` may be shorter.

    Book: ``book/what_goes_in``.
    """
    (pitch, level), (new_pitch, new_level) = _notes_and_levels(original), _notes_and_levels(back)
    count = len(new_pitch)
    notes = float(np.mean(np.abs(new_pitch - pitch[:count]) < 0.5))
    return notes, float(np.corrcoef(new_level, level[:count])[0, 1])


def _at_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    return resample(samples, rate, RATE)


def _linear(samples: np.ndarray, rate: int) -> np.ndarray:
    positions = np.arange(int(len(samples) * RATE / rate)) * rate / RATE
    return np.interp(positions, np.arange(len(samples)), samples)


def _with_spec(**changes: object) -> Mistake:
    """The right samples, and a log-mel that differs in one setting."""
    return lambda samples, rate: (_at_rate(samples, rate), replace(_RIGHT, **changes))  # type: ignore[arg-type]


MISTAKES: dict[str, Mistake] = {
    "no rounding to 16-bit floats": _with_spec(round_to_float16=False),
    "no padding at the ends": _with_spec(pad_mode="none"),
    "half the level": lambda samples, rate: (_at_rate(samples, rate) / 2, _RIGHT),
    "HTK instead of Slaney scale": _with_spec(mel_scale="htk"),
    "hop 160 instead of 256": _with_spec(hop_length=160),
    "22.05 kHz taken for 16 kHz": lambda samples, rate: (resample(samples, rate, 22050), _RIGHT),
    "linear interpolation as resampler": lambda samples, rate: (_linear(samples, rate), _RIGHT),
    "triangles of equal height": _with_spec(norm=None),
    "16-bit integers not divided": lambda samples, rate: (_at_rate(samples, rate) * 32768, _RIGHT),
    "decibels": _with_spec(compression="dB"),
}


def _scores(tagger: Tagger, samples: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Song-level scores from a log-mel spectrogram of the whole sound."""
    mel = torch.from_numpy(log_mel(samples, spec))
    with tagger.inference() as network:
        logits = [
            network.from_log_mel(mel[None, :, start : start + _PATCH])  # type: ignore[operator]
            for start in range(0, mel.shape[1] - _PATCH + 1, _PATCH)
        ]
        return torch.cat(logits).sigmoid().mean(0).numpy()


def mistakes_table(taggers: dict[str, Tagger], seconds: float = 10) -> pandas.DataFrame:
    """The largest change of any song-level score that each of :data:`MISTAKES` causes in the example sounds, and its tag.

    Args:
        taggers: name -> one of musicnn's taggers.
        seconds: of each sound.

    Book: ``book/what_goes_in``.
    """
    import pandas

    sounds = [load_audio(sound_path(name), seconds=seconds) for name in list_sounds()]
    columns: dict[str, dict[str, str]] = {}
    for name, tagger in taggers.items():
        right = [_scores(tagger, _at_rate(*sound), _RIGHT) for sound in sounds]
        columns[name] = {}
        for mistake, make in MISTAKES.items():
            changes = np.array([np.abs(_scores(tagger, *make(*s)) - r) for s, r in zip(sounds, right, strict=True)])
            tag = tagger.vocabulary.names[int(changes.max(axis=0).argmax())]
            columns[name][mistake] = f"{changes.max():.4f} ({tag})"
    return pandas.DataFrame(columns).rename_axis("mistake")
