"""Log-mel spectrograms: ours against librosa, torch.stft and torchaudio. Speed per core and agreement.

usage: python benchmarks/log_mel.py [seconds of sound, default 240]
"""

from __future__ import annotations

import statistics
import sys

from timing import in_turn, machine, ratio  # first: it sets the number of threads

# isort: split

import librosa
import numpy as np
import torch
import torchaudio

from tagging.audio.examples import list_sounds, sound_path
from tagging.audio.files import load_audio
from tagging.audio.mel import PRESETS, LogMel


def music(seconds: float, sample_rate: int) -> np.ndarray:
    """The example sounds one after the other, as often as it takes."""
    once = np.concatenate([load_audio(sound_path(name), sample_rate)[0] for name in list_sounds()])
    return np.resize(once, round(seconds * sample_rate))


def main(seconds: float = 240.0, rounds: int = 9) -> None:
    torch.set_num_threads(1)
    spec = PRESETS["paper"]
    sound = music(seconds, spec.sample_rate)
    batch = torch.from_numpy(sound)[None]
    ours = LogMel(spec)
    theirs = torchaudio.transforms.MelSpectrogram(
        spec.sample_rate, spec.n_fft, f_min=0.0, f_max=8000.0, hop_length=spec.hop_length, n_mels=spec.n_mels,
        power=2.0, pad_mode="constant", norm="slaney", mel_scale="slaney",
    )  # fmt: skip

    def with_stft() -> torch.Tensor:
        spectrum = torch.stft(
            batch, spec.n_fft, spec.hop_length, window=ours.window, pad_mode="constant", return_complex=True
        )
        return (torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2) @ ours.bank).transpose(1, 2)

    def with_librosa() -> np.ndarray:
        return librosa.feature.melspectrogram(
            y=sound, sr=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop_length, n_mels=spec.n_mels
        )

    candidates = {
        "librosa": with_librosa,
        "tagging.LogMel": lambda: ours.power(batch),
        "torch.stft + bank": with_stft,
        "torchaudio": lambda: theirs(batch),
    }
    with torch.inference_mode():
        reference = with_librosa()
        times = in_turn(candidates, rounds)
        print(f"{machine()}\n{seconds:g} s of sound, {rounds} rounds\n")
        print(f"{'':18} {'ms':>7} {'x real time':>12} {'x librosa':>10} {'mel error':>10} {'log error':>10}")
        for name, run in candidates.items():
            mel = np.asarray(run()).reshape(reference.shape)
            median = statistics.median(times[name])
            error = np.abs(mel - reference).max() / reference.max()
            log_error = np.abs(np.log10(1 + 1e4 * mel) - np.log10(1 + 1e4 * reference)).max()
            speed = ratio(times["librosa"], times[name])
            print(
                f"{name:18} {1e3 * median:7.1f} {seconds / median:12.0f} {speed:10.2f} {error:10.1e} {log_error:10.1e}"
            )
    print("\nerrors against librosa: of the mel power, as a share of its maximum; of log10(1 + 10000 mel), absolute")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
