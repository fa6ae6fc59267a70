"""Does any clip come out silent, at full scale, or not at all?

    python benchmarks/sheet_music_check.py                        # 20,000 clips; writes tagging/book/runs/scores-check.json

Whole clips of 15 s before the degradations, from worker processes under the watchdog; then one 3 s segment of each after
the degradations. A segment of a clip may be a rest: how many are silent is counted.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import records
import torch

import tagging
from tagging.data import stream
from tagging.data.sheet_music.degradations import Degradations

# -60 dB below full scale, in samples of int16
SILENT = 32.768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20000, help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    options = parser.parse_args()
    corpus, degrade = tagging.open_corpus("sheet-music"), Degradations()
    start = time.perf_counter()
    whole = {"clips": 0, "silent": 0, "at_full_scale": 0, "highest_peak": 0, "bent_above_the_knee": 0}
    parts = {"segments": 0, "silent": 0, "at_full_scale": 0, "not_finite": 0}
    levels = []
    for batch in stream(
        corpus, np.arange(options.clips), batch_size=100, seconds=15.0, workers=options.workers, timeout=60
    ):
        sound = batch.audio.astype(np.float32)
        level, peak = np.sqrt((sound**2).mean(axis=1)), np.abs(sound).max(axis=1)
        levels.append(20 * np.log10(np.maximum(level, 1e-3) / 32768))
        whole["clips"] += len(batch)
        whole["silent"] += int((level < SILENT).sum())
        whole["at_full_scale"] += int((peak >= 32767).sum())
        whole["highest_peak"] = max(whole["highest_peak"], int(peak.max()))
        whole["bent_above_the_knee"] += int((peak > 24000).sum())
        segment = torch.from_numpy(batch.audio[:, 96000:144000].copy())
        degraded = degrade(segment, torch.from_numpy(batch.augmentation_params))
        parts["segments"] += len(batch)
        parts["silent"] += int((segment.float().square().mean(dim=1).sqrt() < SILENT).sum())
        parts["at_full_scale"] += int((degraded.abs().amax(dim=1) >= 1).sum())
        parts["not_finite"] += int((~degraded.isfinite().all(dim=1)).sum())
    level = np.concatenate(levels)
    whole["level_dB"] = {"lowest": float(level.min()), "median": float(np.median(level)), "highest": float(level.max())}
    results = {
        "whole_clips": whole,
        "degraded_segments_of_3_s": parts,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(results)
    records.write("scores-check", {"corpus": corpus.version, "bank": corpus.bank.version, **results})


if __name__ == "__main__":
    main()
