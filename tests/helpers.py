"""Sounds, vocabularies and processes that several tests use."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
from hypothesis import strategies as st

from tagging.tags import KINDS, SOURCES, Tag, Vocabulary


def tones(seconds: float, rate: int, channels: int = 1, level: float = 0.5) -> np.ndarray:
    """Float32 [samples] or [samples, channels]: a chord of three tones, another one in each channel."""
    time = np.arange(round(seconds * rate)) / rate
    sounds = [
        sum(np.sin(2 * np.pi * root * factor * time) for factor in (1, 1.5, 2.52)) * level / 3
        for root in 220 * 1.3 ** np.arange(channels)
    ]
    return np.stack(sounds, axis=1).astype(np.float32)[:, 0 if channels == 1 else slice(None)]


tags = st.builds(
    Tag,
    name=st.text(min_size=1),
    kind=st.sampled_from(KINDS),
    group=st.none() | st.sampled_from("abc"),
    source=st.sampled_from(SOURCES),
    description=st.text(),
)
vocabularies = st.lists(tags, min_size=1, max_size=12, unique_by=lambda tag: tag.name).map(Vocabulary)


def python(code: str, *, timeout: float = 100, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; ``environment`` is added to this one's."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env={**os.environ, **environment},
    )
