"""What a front-end and a back-end are: the contracts that let any one meet any other. Book: ``book/putting_together``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from ..errors import ConfigError
from ..utils.registry import Registry

FRONTENDS = Registry("front-end")
BACKENDS = Registry("back-end")

# Named feature maps of one forward pass: name -> tensor. Parts fill it when they are given one.
Taps = dict[str, Tensor]


class Field(NamedTuple):
    """How one frame of a feature map sees the sound: what it covers and how far its neighbour is, both in samples."""

    samples: int = 1
    hop: int = 1

    def then(self, kernel: int, stride: int = 1) -> Field:
        """The field after a convolution or pooling over ``kernel`` frames in steps of ``stride``."""
        return Field(self.samples + (kernel - 1) * self.hop, self.hop * stride)


def scaled(count: int, width: float) -> int:
    """A number of filters or units at a relative width, at least one.

    Raises:
        ConfigError: there are none to begin with.
    """
    if count < 1:
        raise ConfigError(f"a layer of {count} filters or units: it needs at least 1")
    return max(1, int(count * width))


def check_width(width: float) -> None:
    """Raise ConfigError unless ``width`` is a positive number."""
    if not 0 < width < float("inf"):
        raise ConfigError(f"width {width}: give a positive factor for filters and units, e.g. 0.25 or 1")


class Frontend(nn.Module, ABC):
    """Contract of a front-end: waveform float32 [batch, samples] -> feature map [batch, channels, frames].

    Attributes:
        sample_rate: of the waveform it takes, Hz.
        out_channels: channels of the feature map.
        min_samples: the shortest waveform that gives a frame.
        edge: zeros a *song* is padded with at both ends before it is cut into segments, in samples.
    """

    sample_rate: int
    out_channels: int
    min_samples: int = 1
    edge: int = 0

    @abstractmethod
    def frames(self, samples: int) -> int:
        """Frames of the feature map for a waveform of so many samples."""

    @abstractmethod
    def fields(self) -> dict[str, Field]:
        """Field of each named submodule, in the order of the forward pass; the last is the field of the output."""

    def check_samples(self, waveform: Tensor) -> None:
        """Raise ConfigError unless the waveform is [batch, samples] and long enough."""
        if waveform.ndim != 2:
            raise ConfigError(
                f"a waveform of shape {tuple(waveform.shape)}: expected [batch, samples]; add the missing axis"
            )
        if waveform.shape[-1] < self.min_samples:
            raise ConfigError(
                f"a waveform of {waveform.shape[-1]} samples is too short: this front-end needs {self.min_samples} "
                f"({self.min_samples / self.sample_rate:.3f} s); pad it with zeros"
            )


class Backend(nn.Module, ABC):
    """Contract of a back-end: feature map [batch, channels, frames] -> features [batch, out_features].

    Attributes:
        out_features: length of the feature vector.
        fixed_frames: the one number of frames it takes, or None if it takes any.
    """

    out_features: int
    fixed_frames: int | None = None

    def fields(self, field: Field) -> dict[str, Field]:
        """Field of each submodule that looks at part of the time axis, given the field of the front-end's frames."""
        return {}

    def check_frames(self, x: Tensor) -> None:
        """Raise ConfigError if this back-end was built for another number of frames."""
        if self.fixed_frames is not None and x.shape[-1] != self.fixed_frames:
            raise ConfigError(
                f"the back-end {self.registered_name!r} was built for {self.fixed_frames} frames and got {x.shape[-1]}: "
                "give it segments of the length it was built for, or choose a variable-length back-end, e.g. 'temporal-pooling'"
            )
