"""A small tagger with thresholds, and a folder of songs as they lie about."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import soundfile
import torch

from tagging import build_tagger

TAGS = ["guitar", "slow", "female vocals", "path"]
# names that break lines, quotes, SQL, playlists, encodings and terminals
ODD = [
    "a, b.wav",
    '"quoted".wav',
    "new\nline.wav",
    "# not a comment.wav",
    " space .wav",
    "bébé.wav",
    "\x1b[31m.wav",
    os.fsdecode(b"latin-\xe9.wav"),
    "'; drop table files; --.wav",
    "a" * 200 + ".wav",
]


def make_tagger(path: Path, seed: int = 0, thresholds: dict[str, float] | None = None) -> str:
    """Write an untrained tagger of segments of half a second."""
    torch.manual_seed(seed)
    tagger = build_tagger("waveform", "temporal-pooling", TAGS, 0.5, width=0.05)
    tagger.card["thresholds"] = {"guitar": 0.5, "slow": 0.0} if thresholds is None else thresholds
    return str(tagger.save(path))


def write_sound(path: Path, seed: int, seconds: float = 0.6, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    soundfile.write(os.fsencode(path), sound, rate, format=path.suffix[1:].upper())
    return path


def make_music(root: Path, count: int = 6) -> Path:
    """Songs in two formats and folders; two with the same content, three that cannot be read, and what is to be left out."""
    music = root / "music"
    for number in range(count):
        write_sound(music / f"{number % 2}" / f"{number}.{('wav', 'flac')[number % 2]}", number)
    (music / "1" / "noise.mp3").write_bytes(b"this is no sound")
    (music / "1" / "empty.ogg").touch()
    (music / "1" / "nowhere.wav").symlink_to("no such file")
    shutil.copy(music / "0" / "0.wav", music / "1" / "copy.wav")
    (music / "cover.jpg").write_bytes(b"a picture")
    (music / "._0.wav").write_bytes(b"what a Mac leaves")
    (music / "1" / "loop").symlink_to("..")
    return music
