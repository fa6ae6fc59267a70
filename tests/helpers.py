"""Sounds, vocabularies, processes and probes that several tests use."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from tagging.models.base import ReceptiveField
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


def obstruct(path: Path, obstacle: str) -> None:
    """Put something that is no regular file where a file is expected; ``"missing"`` puts nothing there."""
    if obstacle == "folder":
        path.mkdir()
    elif obstacle == "pipe":
        os.mkfifo(path)
    elif obstacle != "missing":
        targets = {"device": "/dev/zero", "loop": path, "link to nowhere": path.parent / "no" / "folder"}
        path.symlink_to(targets[obstacle])


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """A limit on the size of files: a write beyond it fails as on a full disk, after some of it has been written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def reached_frames(module: nn.Module, part: nn.Module, x: torch.Tensor, position: int) -> tuple[int, int]:
    """First and last frame of a part's output that depend on one position of the last axis of ``x``, found with a NaN there.

    Convolutions, transforms, ReLU, maxima and means all propagate NaN.
    """
    outputs = []
    hook = part.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    spoilt = x.clone()
    spoilt[..., position] = float("nan")
    try:
        with torch.inference_mode():
            module(spoilt)
    finally:
        hook.remove()
    frames = outputs[0].isnan().flatten(0, -2).any(0).nonzero()[:, 0]
    assert len(frames) == frames[-1] - frames[0] + 1, "the frames reached are not neighbours"
    return int(frames[0]), int(frames[-1])


def check_receptive_field(module: nn.Module, part: nn.Module, field: ReceptiveField, x: torch.Tensor) -> None:
    """Check size and stride of a part's receptive field to the sample.

    The start of one frame's field and the end of another's are found by bisection; with ``field`` they determine which frames
    every other position must reach.
    """
    middle = x.shape[-1] // 2
    first, last = reached_frames(module, part, x, middle)
    # the field of frame `last` starts within one stride before the middle, that of `first` ends within one stride after it
    low, high = middle - field.stride, middle
    while high - low > 1:
        position = (low + high) // 2
        low, high = (low, position) if reached_frames(module, part, x, position)[1] >= last else (position, high)
    origin = high - last * field.stride  # where the field of frame 0 starts; before the sound, where that is padded
    low, high = middle, middle + field.stride
    while high - low > 1:
        position = (low + high) // 2
        low, high = (position, high) if reached_frames(module, part, x, position)[0] <= first else (low, position)
    assert low - (origin + first * field.stride) + 1 == field.size
    for position in np.random.default_rng(0).integers(field.size, x.shape[-1] - field.size, 4):
        expected = -((origin + field.size - 1 - position) // field.stride), (position - origin) // field.stride
        assert reached_frames(module, part, x, int(position)) == expected
