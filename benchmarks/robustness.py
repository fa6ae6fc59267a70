"""What noise, tempo, pitch, band limits and codecs do to the scores of taggers.

    python benchmarks/robustness.py                            # writes tagging/book/runs/robustness.json
    python benchmarks/robustness.py --recordings MUSIC         # also musicnn, on the files of a folder

Test clips of the corpus sheet-music are changed and scored by taggers of this book that ship with the package; measured is the
ROC-AUC within sources (:mod:`tagging.training.endpoints`), beside that of the same clips unchanged. musicnn has other
tags, so on recordings it is compared with itself: how many of the five highest tags stay, and how far scores move. Nothing is
trained. A condition that is done is stored in ``--state`` and not repeated.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import librosa
import numpy as np
import records
import scipy.signal
import torch

import tagging
from tagging.data import stream
from tagging.evaluation.evaluate import Evaluation, difference
from tagging.evaluation.predictions import Predictions
from tagging.pretrained.bundled import list_bundled
from tagging.training import Settings
from tagging.training.data import Augment, Split
from tagging.training.endpoints import endpoints, sources_of
from tagging.utils.arrays import read_arrays, write_arrays

RATE = 16_000
SEGMENTS = 5  # per clip, from evenly spread starts
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def noise(snr_db: float) -> Change:
    """White noise, ``snr_db`` below the sound."""

    def change(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        level = np.sqrt(np.square(sound).mean()) * 10 ** (-snr_db / 20)
        return sound + level * random.standard_normal(len(sound)).astype(np.float32)

    return change


def gain(db: float) -> Change:
    """Louder or softer."""
    return lambda sound, random: sound * np.float32(10 ** (db / 20))


def tempo(rate: float) -> Change:
    """Faster or slower at the same pitch."""
    return lambda sound, random: librosa.effects.time_stretch(sound, rate=rate)


def pitch(semitones: int) -> Change:
    """Higher or lower at the same tempo; the ratio of frequencies is one of small numbers, within 2 cents."""
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(40)

    def change(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        stretched = librosa.effects.time_stretch(sound, rate=1 / float(ratio))
        return scipy.signal.resample_poly(stretched, ratio.denominator, ratio.numerator).astype(np.float32)

    return change


def band(low: float | None, high: float | None) -> Change:
    """Only frequencies from ``low`` to ``high``, in Hz: a Butterworth filter of order 8."""
    kind, edges = ("bandpass", [low, high]) if low and high else ("highpass", low) if low else ("lowpass", high)
    sections = scipy.signal.butter(8, edges, kind, fs=RATE, output="sos")
    return lambda sound, random: scipy.signal.sosfiltfilt(sections, sound).astype(np.float32)


def codec(name: str, kbit_per_second: int) -> Change:
    """Encoded and decoded, in mono."""
    container, rate = {"libmp3lame": ("mp3", RATE), "libopus": ("ogg", 48_000)}[name]

    def change(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        file = io.BytesIO()
        with av.open(file, "w", format=container) as output:
            stream = output.add_stream(name, rate=rate, layout="mono")
            stream.bit_rate = kbit_per_second * 1000
            at_rate = scipy.signal.resample_poly(sound, rate // RATE, 1) if rate != RATE else sound
            frame = av.AudioFrame.from_ndarray(np.clip(at_rate, -1, 1)[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate = rate
            for part in av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size).resample(frame):
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        return tagging.load_audio(file.getvalue(), sample_rate=RATE)[0]

    return change


CONDITIONS: dict[str, Change] = {
    "unchanged": lambda sound, random: sound,
    **{f"white noise, {snr} dB below": noise(snr) for snr in (30, 20, 10)},
    **{f"gain {db} dB": gain(db) for db in (-20,)},
    **{f"tempo x {rate}": tempo(rate) for rate in (0.8, 0.9, 1.1, 1.25)},
    **{f"pitch {steps:+d} semitones": pitch(steps) for steps in (-3, -1, 1, 3)},
    "below 4 kHz": band(None, 4000),
    "below 2 kHz": band(None, 2000),
    "300 to 3,400 Hz": band(300, 3400),
    **{f"mp3, {rate} kbit/s": codec("libmp3lame", rate) for rate in (64, 32, 16)},
    **{f"Opus, {rate} kbit/s": codec("libopus", rate) for rate in (32, 16, 8)},
}


def starts(length: int, segment: int, count: int) -> np.ndarray:
    """int [count]: first samples of segments, evenly spread from the start to the end; one is in the middle."""
    positions = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    return np.floor(max(0, length - segment) * positions).astype(int)


def segments(sound: np.ndarray, length: int, count: int) -> np.ndarray:
    """float32 [count, length]; a sound shorter than a segment is followed by zeros."""
    sound = np.pad(sound, (0, max(0, length - len(sound))))
    return np.stack([sound[first : first + length] for first in starts(len(sound), length, count)])


def changed_scores(
    taggers: dict[str, Any], sounds: Callable[[], Any], condition: str, count: int
) -> dict[str, np.ndarray]:
    """Scores of each tagger on every changed sound: name -> float32 [sounds, count, tags]."""
    scores: dict[str, list[np.ndarray]] = {name: [] for name in taggers}
    for number, sound in enumerate(sounds()):
        changed = CONDITIONS[condition](sound, np.random.default_rng([7, number])).astype(np.float32)
        for name, tagger in taggers.items():
            length = tagger.config.segment_samples
            parts = segments(changed, length, count)
            with torch.inference_mode():
                scores[name].append(tagger(torch.from_numpy(parts)).sigmoid().numpy())
    return {name: np.stack(rows) for name, rows in scores.items()}


def stored(state: Path, key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays under a key of the state folder, made and kept there if they are missing."""
    path = state / f"{key}.npz"
    if not path.exists():
        write_arrays(path, make())
    return read_arrays(path)


def clips_of(split: Split) -> Any:
    """The degraded sound of every clip of a split, whole: float32 [samples] each."""
    augment = Augment(split.corpus, torch.device("cpu"))
    whole = float(split.corpus.durations(split.indices).max())
    for batch in stream(
        split.corpus, split.indices, batch_size=8, seconds=whole, starts=np.zeros(len(split)), workers=1
    ):
        yield from augment(batch).numpy()


def evaluated(split: Split, scores: np.ndarray) -> Evaluation:
    """The endpoints of scores of every clip of a split: float [clips, tags]."""
    sources = sources_of(split.corpus, split.indices)
    predictions = Predictions(
        scores, split.corpus.vocabulary, split.labels, None, split.groups, split.indices, **sources
    )
    return endpoints(predictions, split.corpus.parts())


def summary(evaluation: Evaluation, reference: Evaluation) -> dict[str, Any]:
    """ROC-AUC of each part of the tags, and its change from the reference."""
    return {
        part: {
            "roc_auc": means["roc_auc"].to_dict(),
            "change": difference(evaluation, reference, "roc_auc", part).to_dict(),
        }
        for part, means in evaluation.parts.items()
        if "roc_auc" in means
    }


def measure_clips(options: argparse.Namespace) -> dict[str, Any]:
    """The taggers of this book on test clips: each condition against none."""
    test = Split(Settings().override({"evaluation.num_test_clips": options.clips}), "test")
    taggers = {name: tagging.load_tagger(name).eval() for name in options.taggers}
    models: dict[str, dict[str, Any]] = {name: {} for name in taggers}
    references: dict[str, Evaluation] = {}
    for condition in options.conditions:
        key = f"{options.clips}-{'-'.join(taggers)}-{list(CONDITIONS).index(condition):02d}"
        scores = stored(
            options.state,
            key,
            lambda: changed_scores(taggers, lambda: clips_of(test), condition, SEGMENTS),  # noqa: B023
        )
        for name in taggers:
            result = evaluated(test, scores[name].mean(axis=1))
            models[name][condition] = summary(result, references.setdefault(name, result))
        print(condition, {name: models[name][condition]["all"]["roc_auc"] for name in taggers}, flush=True)
    return {"clips": options.clips, "segments_per_clip": SEGMENTS, "models": models}


def measure_recordings(options: argparse.Namespace) -> dict[str, Any]:
    """musicnn on recordings: agreement of the scores of a changed song with those of the song itself."""
    taggers = {name: tagging.load_tagger(name).eval() for name in ("mtt-musicnn", "msd-musicnn")}
    paths = sorted(path for path in options.recordings.rglob("*") if path.suffix in (".mp3", ".ogg", ".flac", ".wav"))
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: options.songs]]

    def sounds() -> Any:
        for path in paths:
            yield tagging.load_audio(path, sample_rate=RATE)[0][: 15 * RATE]

    answer: dict[str, Any] = {name: {} for name in taggers}
    for condition in options.conditions:
        key = f"recordings-{options.songs}-{list(CONDITIONS).index(condition):02d}"
        scores = stored(options.state, key, lambda: changed_scores(taggers, sounds, condition, 3))  # noqa: B023
        for name in taggers:
            means = scores[name].mean(axis=1)
            if condition == "unchanged":
                answer[name]["unchanged"] = means
                continue
            unchanged = answer[name]["unchanged"]
            top, others = (np.argsort(-values, axis=1)[:, :5] for values in (unchanged, means))
            same = [len(np.intersect1d(a, b)) / 5 for a, b in zip(top, others, strict=True)]
            answer[name][condition] = {
                "same_of_top_5": round(float(np.mean(same)), 4),
                "same_of_top_5_sem": round(float(np.std(same, ddof=1) / np.sqrt(len(same))), 4),
                "mean_absolute_change": round(float(np.abs(means - unchanged).mean()), 5),
            }
    for name in taggers:
        del answer[name]["unchanged"]
    return {"songs": len(paths), "models": answer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000, help="of the test split (default: %(default)s)")
    parser.add_argument("--taggers", nargs="+", default=list_bundled(), help="default: all of this book")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), help="default: all")
    parser.add_argument("--recordings", type=Path, help="a folder of songs for musicnn")
    parser.add_argument("--songs", type=int, default=60, help="of that folder (default: %(default)s)")
    parser.add_argument("--state", type=Path, default=Path("_build/robustness"), help="default: %(default)s")
    options = parser.parse_args()
    options.conditions = list(dict.fromkeys(["unchanged", *options.conditions]))
    options.state.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    result = measure_clips(options)
    if options.recordings:
        result["recordings"] = measure_recordings(options)
    records.write("robustness", result)


if __name__ == "__main__":
    main()
