"""The whole corpus: its counts, its splits, and the bytes of fifty clips. Builds the note cache if there is none (minutes)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tagging
from tagging.data import stream
from tagging.data.sheet_music.families import interval_grams, melody, near_duplicates
from tagging.data.sheet_music.library import Library

pytestmark = pytest.mark.slow

# Made with the versions of constraints.txt; a new release of a reader may make another corpus, under another version.
STORED = json.loads((Path(__file__).parents[2] / "reference" / "scores_clips.json").read_text())


def digests(sounds) -> list[str]:
    return [hashlib.sha256(sound.tobytes()).hexdigest() for sound in sounds]


def test_the_library_is_the_one_that_was_measured(full_library: Library):
    assert full_library.version == STORED["library"]
    # 14,943 compositions, less 4 of uncertain copyright, 7 restricted encodings, 2 unreadable and 5 unstable readings
    assert len(full_library) == 14925
    assert len(np.unique(full_library.facts["family"])) == STORED["families"]


def test_every_composition_tag_has_enough_test_compositions(full_library: Library):
    for split in ("validation", "test"):
        counts = tagging.open_corpus("sheet-music", split=split).tag_counts()
        assert min(counts.values()) >= 30, counts


def test_the_splits_do_not_leak(full_library: Library):
    split, family = full_library.facts["split"], full_library.facts["family"]
    train, test = split == 0, split == 2
    assert not set(family[train]) & set(family[test])
    grams = [interval_grams(melody(full_library.piece_notes(piece).T)) for piece in range(len(full_library))]
    pairs = np.array(near_duplicates(grams))
    assert len(pairs) > 2000
    crossing = pairs[train[pairs].any(axis=1) & test[pairs].any(axis=1)]
    leaked = np.unique(crossing[test[crossing]]) if len(crossing) else crossing
    assert len(leaked) < 0.005 * test.sum()
    # the same measure finds the leak of a split that ignores families
    shuffled = np.random.default_rng(0).permutation(split)
    train, test = shuffled == 0, shuffled == 2
    crossing = pairs[train[pairs].any(axis=1) & test[pairs].any(axis=1)]
    assert len(np.unique(crossing[test[crossing]])) > 0.1 * test.sum()


def test_fifty_clips_have_the_stored_bytes_in_any_order_and_process(full_library: Library):
    corpus = tagging.open_corpus("sheet-music")
    assert corpus.bank.version == STORED["bank"]
    indices = STORED["indices"]
    assert digests(corpus.segment(index, 0.0, 15.0).audio for index in indices) == STORED["sha256"]
    assert digests(corpus.segment(index, 0.0, 15.0).audio for index in indices[::-1]) == STORED["sha256"][::-1]
    code = (
        "import hashlib, sys, tagging; corpus = tagging.open_corpus('scores')\n"
        "for index in map(int, sys.argv[1:]):\n"
        "    print(hashlib.sha256(corpus.segment(index, 0.0, 15.0).audio.tobytes()).hexdigest())\n"
    )
    command = [sys.executable, "-c", code, *map(str, indices)]
    fresh = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=True)
    assert fresh.stdout.split() == STORED["sha256"]


@pytest.mark.parametrize("workers", [1, 4])
def test_fifty_clips_have_the_stored_bytes_from_workers(full_library: Library, workers: int):
    corpus = tagging.open_corpus("sheet-music")
    starts = np.zeros(len(STORED["indices"]))
    batches = stream(corpus, STORED["indices"], batch_size=8, seconds=15.0, starts=starts, workers=workers)
    assert digests(sound for batch in batches for sound in batch.audio) == STORED["sha256"]
