"""What the hand-made features cost: milliseconds of one thread for a clip of 15 s, block by block.

    python benchmarks/baseline_features.py                 # writes tagging/book/runs/baseline-features.json

Beside the blocks stands what making the clip costs, with all that is done to its sound, and what was left out because of its
price: the separation of harmonic and percussive sound on all bins, and the estimate of the tuning in librosa, both replaced
by cheaper steps of our own.
"""

from __future__ import annotations

import argparse
import statistics

import records
from timing import in_turn, machine  # before NumPy: it sets the number of threads

# isort: split

import librosa
import numpy as np

import tagging
from tagging.baselines.features.descriptors import BLOCKS, VERSION, describe, feature_names
from tagging.baselines.features.spectra import RATE, Spectra, spectra_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    options = parser.parse_args()
    corpus = tagging.open_corpus("sheet-music", split="train", clips=options.clips)
    clips = [track.read() for track in corpus]  # which compiles what it needs
    sounds = [prepared(clip) for clip in clips]
    candidates = {"making the clip": lambda: [track.read() for track in corpus]}
    candidates |= {"everything": lambda: [describe(clip) for clip in clips]}
    candidates["shared spectrogram"] = lambda: [prepared(clip) for clip in clips]
    for name, block in BLOCKS.items():
        candidates[name] = lambda block=block: [block(sound) for sound in sounds]
    candidates["left out: librosa's hpss"] = lambda: [librosa.decompose.hpss(sounds[0].magnitude)]
    candidates["left out: librosa's tuning"] = lambda: [librosa.estimate_tuning(S=sounds[0].magnitude, sr=RATE)]
    clips_in = {name: 1 if name.startswith("left out") else len(clips) for name in candidates}
    seconds = in_turn(candidates, options.rounds)
    milliseconds = {name: 1000 * statistics.median(times) / clips_in[name] for name, times in seconds.items()}
    names = feature_names()
    features = {block: sum(name.startswith(f"{block}.") for name in names) for block in BLOCKS}
    for name, value in milliseconds.items():
        print(f"{name:30}{value:8.1f} ms{features.get(name, ''):>8}")
    record = {
        "corpus": corpus.version,
        "feature_version": VERSION,
        "clip_seconds": len(clips[0]) / corpus.sample_rate,
        "clips": options.clips,
        "rounds": options.rounds,
        "features": {"all": len(names), **features},
        "milliseconds_per_clip": {name: round(value, 2) for name, value in milliseconds.items()},
        "machine": machine(),
    }
    records.write("baseline-features", record, options.record)


def prepared(clip: np.ndarray) -> Spectra:
    """The spectrogram with all that several blocks share."""
    sound = spectra_of(clip)
    _ = sound.power, sound.log_mel
    return sound


if __name__ == "__main__":
    main()
