"""Sounds, vocabularies, processes and probes that several tests use."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from tagging.models.base import Field
from tagging.tags import KINDS, REGRESSION, SOURCES, Tag, Vocabulary


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
    exclusive_group=st.none() | st.sampled_from("abc"),
    source=st.sampled_from(SOURCES),
    description=st.text(),
)
vocabularies = st.lists(tags, min_size=1, max_size=12, unique_by=lambda tag: tag.name).map(Vocabulary)
# Tags of both kinds, mixed, two of which exclude each other
MIXED = Vocabulary(
    [
        Tag("fast"),
        Tag("energy", kind=REGRESSION),
        Tag("major", exclusive_group="mode"),
        Tag("rock"),
        Tag("minor", exclusive_group="mode"),
        Tag("age", kind=REGRESSION),
    ]
)


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


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """A limit on the size of files: a write beyond it fails as on a full disk, after some of it has been written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def covered(module: nn.Module, part: nn.Module, x: torch.Tensor, place: int) -> tuple[int, int]:
    """First and last frame of a part's output that a NaN at one place of the last axis of ``x`` reaches.

    Convolutions, transforms, ReLU, maxima and means all hand NaN on, so what stays free of it cannot have seen the place.
    """
    seen = []
    hook = part.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    spoilt = x.clone()
    spoilt[..., place] = float("nan")
    try:
        with torch.inference_mode():
            module(spoilt)
    finally:
        hook.remove()
    reached = seen[0].isnan().flatten(0, -2).any(0).nonzero()[:, 0]
    assert len(reached) == reached[-1] - reached[0] + 1, "the frames reached are not neighbours"
    return int(reached[0]), int(reached[-1])


def check_field(module: nn.Module, part: nn.Module, field: Field, x: torch.Tensor) -> None:
    """Check a part's field to the sample: how long it is, and how far its neighbour is.

    The start of one frame's field and the end of another's are found by bisection, and together with ``field`` they say
    which frames every other place must reach.
    """
    middle = x.shape[-1] // 2
    first, last = covered(module, part, x, middle)
    # the field of frame `last` starts somewhere in the hop before the middle, that of `first` ends in the hop after it
    low, high = middle - field.hop, middle
    while high - low > 1:
        place = (low + high) // 2
        low, high = (low, place) if covered(module, part, x, place)[1] >= last else (place, high)
    origin = high - last * field.hop  # where the field of frame 0 starts; before the sound, where that is padded
    low, high = middle, middle + field.hop
    while high - low > 1:
        place = (low + high) // 2
        low, high = (place, high) if covered(module, part, x, place)[0] <= first else (low, place)
    assert low - (origin + first * field.hop) + 1 == field.samples
    for place in np.random.default_rng(0).integers(field.samples, x.shape[-1] - field.samples, 4):
        expected = -((origin + field.samples - 1 - place) // field.hop), (place - origin) // field.hop
        assert covered(module, part, x, int(place)) == expected
