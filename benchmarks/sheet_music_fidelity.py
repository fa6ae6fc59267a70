"""Is the note bank in tune, and how near are clips made from it to the full synthesizer?

    python benchmarks/sheet_music_fidelity.py           # writes tagging/book/runs/scores-fidelity.json and five pairs of sounds

Pitch: every note of every instrument, librosa's YIN over its first second, octaves folded. Clips: the same notes through
the bank and through TinySoundFont; correlation of waveforms and of log-mel spectrograms. The five least alike are written
as sound files, bank on the left and synthesizer on the right, to listen to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import librosa
import numpy as np
import records
import soundfile
import torch

import tagging
from tagging.audio.mel import LogMel, MelSpec
from tagging.data.sheet_music import renderer
from tagging.data.sheet_music.instruments import ALL
from tagging.data.sheet_music.synthesizer import SAMPLE_RATE, Synthesizer

SAMPLES = 15 * SAMPLE_RATE
CENTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=50, help="(default: %(default)s)")
    parser.add_argument("--sounds", default="worst", help="folder for the five pairs (default: %(default)s)")
    options = parser.parse_args()
    corpus = tagging.open_corpus("sheet-music", split="test")
    tuning = pitches(corpus.bank)
    print(f"in tune: {tuning['share']:.4f} of {tuning['notes']} notes; {tuning['by_instrument']}")
    clips = compare(corpus, options.clips, Path(options.sounds))
    print({name: value for name, value in clips.items() if name != "worst"})
    for row in clips["worst"]:
        print(row)
    records.write(
        "scores-fidelity", {"corpus": corpus.version, "bank": corpus.bank.version, "tuning": tuning, "clips": clips}
    )


def pitches(bank):
    """Share of bank notes within 20 cents of equal temperament, in all and for each instrument."""
    counts, misses = {}, []
    for instrument in ALL:
        inside = []
        for program in instrument.programs:
            for pitch in range(instrument.lowest, instrument.highest + 1):
                cents = cents_off(bank, program, pitch)
                inside.append(abs(cents) <= CENTS)
                if not inside[-1]:
                    misses.append([instrument.name, program, pitch, round(cents)])
        counts[instrument.name] = (sum(inside), len(inside))
    right, notes = (sum(column) for column in zip(*counts.values(), strict=True))
    shares = {name: round(good / count, 3) for name, (good, count) in counts.items()}
    return {"notes": notes, "share": right / notes, "by_instrument": shares, "misses": misses}


def cents_off(bank, program, pitch):
    entry = bank.entry[program, pitch, 1]
    sound = bank.samples[bank.first[entry] : bank.first[entry] + bank.length[entry]][:SAMPLE_RATE] / 32768
    frequencies = librosa.yin(sound.astype(np.float32), fmin=25, fmax=2000, sr=SAMPLE_RATE, frame_length=4096)
    off = 1200 * np.log2(np.median(frequencies[2:16]) / (440 * 2 ** ((pitch - 69) / 12)))
    return float((off + 600) % 1200 - 600)


def compare(corpus, count, folder):
    """Correlations of ``count`` test clips, and what the five least alike have in common."""
    synthesizer, log_mel = Synthesizer(), LogMel(MelSpec())
    rows, sounds = [], {}
    for index in range(count):
        made = corpus.arrangement(index)
        reference = synthesizer.render(*made.notes, SAMPLES)
        ours = renderer.mix_notes(corpus.bank, *made.notes, SAMPLES)
        peak = np.abs(reference).max()
        pictures = log_mel(torch.from_numpy(np.stack([reference, ours]) / peak)).flatten(1).numpy()
        longest = made.duration.max() / SAMPLE_RATE
        rows.append(
            {
                "clip": index,
                "waveform": round(float(np.corrcoef(reference, ours)[0, 1]), 4),
                "log_mel": round(float(np.corrcoef(pictures)[0, 1]), 5),
                "level_ratio": round(float(np.sqrt((ours**2).mean() / (reference**2).mean())), 3),
                "form": made.form,
                "programs": sorted(set(made.program.tolist())),
                "notes": len(made),
                "longest_note_seconds": round(float(longest), 1),
                "doubled_keys": doubled(made),
            }
        )
        sounds[index] = np.stack([ours, reference], axis=1) / (1.1 * max(peak, np.abs(ours).max()))
    rows.sort(key=lambda row: row["log_mel"])
    folder.mkdir(exist_ok=True)
    for row in rows[:5]:
        soundfile.write(folder / f"clip-{row['clip']}.flac", sounds[row["clip"]], SAMPLE_RATE)
    summary = {}
    for name in ("waveform", "log_mel", "level_ratio"):
        values = [row[name] for row in rows]
        summary[name] = {
            "mean": float(np.mean(values)),
            "median": float(np.median(values)),
            "min": min(values),
            "max": max(values),
        }
    return {"clips": count, **summary, "worst": rows[:5]}


def doubled(made):
    """Notes that begin while the same key of the same program is still held."""
    order = np.lexsort((made.start, made.pitch, made.program))
    same = (np.diff(made.program[order]) == 0) & (np.diff(made.pitch[order]) == 0)
    return int((same & (np.diff(made.start[order]) < made.duration[order][:-1])).sum())


if __name__ == "__main__":
    main()
