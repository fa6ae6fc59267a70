"""Audio players for notebooks and pages: a caption and a sound, stored in the notebook; beside the page in the built book."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass

import numpy as np

from ..audio.waveform import as_waveform
from ..errors import AudioError, ConfigError

# The sample rates of the mp3 standard, in Hz.
SAMPLE_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True)
class Player:
    """A sound that a notebook shows as an audio player with a caption.

    Attributes:
        mp3: the encoded sound.
        label: the caption, also the accessible name of the player.
        seconds: duration.
    """

    mp3: bytes
    label: str
    seconds: float

    def __repr__(self) -> str:
        return f"Player({self.label!r}, {self.seconds:.1f} s)"

    def _repr_html_(self) -> str:
        label = html.escape(self.label, quote=True)
        data = base64.b64encode(self.mp3).decode("ascii")
        return (
            f'<figure class="listen"><figcaption>{label}</figcaption>'
            f'<audio controls preload="metadata" aria-label="{label}" src="data:audio/mpeg;base64,{data}"></audio></figure>'
        )


def listen(waveform: np.ndarray, sample_rate: int, label: str) -> Player:
    """An audio player for a waveform.

    The sound is encoded as mp3, a tenth of the size of raw samples, since the notebook contains it; every browser plays mp3.
    The level is unchanged, so that sounds can be compared; values outside [-1, 1] are clipped.

    Args:
        waveform: float [samples] or [channels, samples], in [-1, 1]; channels are averaged.
        sample_rate: Hz, one of :data:`SAMPLE_RATES`.
        label: the caption.

    Raises:
        AudioError: the waveform is empty or contains NaN, or the installed libsndfile cannot write mp3.
        ConfigError: a sample rate that mp3 does not support.

    Book: ``book/what_goes_in``.
    """
    import soundfile

    if sample_rate not in SAMPLE_RATES:
        raise ConfigError(
            f"sample rate {sample_rate} Hz: mp3 supports {', '.join(map(str, SAMPLE_RATES))} Hz; resample the sound first"
        )
    mono = np.clip(as_waveform(waveform), -1, 1)
    buffer = io.BytesIO()
    try:
        soundfile.write(buffer, mono, sample_rate, format="MP3", compression_level=0.5)
    except (soundfile.LibsndfileError, ValueError) as error:
        raise AudioError(f"cannot write mp3 ({error}); install a soundfile with libsndfile 1.1 or newer") from error
    return Player(buffer.getvalue(), label, len(mono) / sample_rate)
