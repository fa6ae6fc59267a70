"""Store the hashes that tests/corpora/test_scores_full.py compares with: to be run when the corpus is meant to change.

python benchmarks/sheet_music_hashes.py                       # writes tests/reference/scores_clips.json
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

import tagging
from tagging.utils.files import atomic_write

TARGET = Path(__file__).parents[1] / "tests" / "reference" / "scores_clips.json"


def main() -> None:
    corpus = tagging.open_corpus("sheet-music")
    # the first clips, and some from all over the million
    indices = [*range(25), *np.linspace(1000, len(corpus) - 1, 25).astype(int).tolist()]
    sounds = (corpus.segment(index, 0.0, 15.0).audio for index in indices)
    record = {
        "library": corpus.library.version,
        "families": len(np.unique(corpus.library.facts["family"])),
        "bank": corpus.bank.version,
        "indices": indices,
        "sha256": [hashlib.sha256(sound.tobytes()).hexdigest() for sound in sounds],
    }
    with atomic_write(TARGET) as part:
        part.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
