"""The three parts of a tagger (what a front-end, a back-end and a head must provide) and the network made of them.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MethodType
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..utils import forking  # noqa: F401  (a forked process keeps to one thread)
from ..utils.registry import Registry

FRONTENDS = Registry("front-end")
BACKENDS = Registry("back-end")
HEADS = Registry("head")
MAX_LAYERS = 100  # stacked in one back-end
M = TypeVar("M", bound=nn.Module)
N = TypeVar("N", bound="TaggerNetwork")


class ReceptiveField(NamedTuple):
    """Receptive field of one frame of a feature map, in samples.

    Attributes:
        size: samples that one frame depends on.
        stride: samples from one frame to the next.
    """

    size: int = 1
    stride: int = 1

    def then(self, kernel: int, stride: int = 1) -> ReceptiveField:
        """The receptive field after a convolution or pooling of ``kernel`` frames with a stride of ``stride`` frames."""
        return ReceptiveField(self.size + (kernel - 1) * self.stride, self.stride * stride)


def scaled(count: int, width: float) -> int:
    """A number of filters or units times a relative width, at least 1.

    Raises:
        ConfigError: ``count`` is below 1.
    """
    if count < 1:
        raise ConfigError(f"a layer of {count} filters or units: it needs at least 1")
    return max(1, int(count * width))


def check_width(width: float) -> None:
    """Raise ConfigError unless ``width`` is a positive, finite number."""
    if not 0 < width < float("inf"):
        raise ConfigError(f"width {width}: give a positive factor for filters and units, e.g. 0.25 or 1")


def check_waveform(waveform: object) -> None:
    """Raise ConfigError unless a batch of waveforms is a tensor of floats [batch, samples]. Values are not looked at."""
    if not isinstance(waveform, Tensor):
        raise ConfigError(f"a waveform of type {type(waveform).__name__}: give a tensor, e.g. torch.from_numpy(array)")
    if waveform.ndim != 2:
        raise ConfigError(f"a waveform of shape {tuple(waveform.shape)}: expected [batch, samples]")
    if not waveform.is_floating_point():
        raise ConfigError(
            f"a waveform of type {waveform.dtype}: expected floats in [-1, 1]; divide integers by their range, "
            "e.g. 16-bit samples by 32768"
        )


def in_type_of_weights(x: Tensor, module: nn.Module) -> Tensor:
    """``x`` in the floating type of a module's weights; nothing happens to float32 in a module as it was built."""
    weights = next((weight for weight in module.parameters() if weight.is_floating_point()), None)
    return x if weights is None else x.to(weights.dtype)


class Frontend(nn.Module, ABC):
    """Base class of front-ends: waveform float32 [batch, samples] -> feature map [batch, channels, frames].

    A front-end is registered with ``@FRONTENDS.register("name")``; its keyword-only arguments are its options, of which
    ``width`` and ``sample_rate`` are required.

    Attributes:
        sample_rate: of the waveform, Hz.
        out_channels: channels of the feature map.
        min_samples: the shortest waveform that gives one frame.
        song_padding: zeros added at each end of a *song* before it is cut into segments, in samples.
        takes_float32: the waveform stays float32 where the weights have another type; the front-end converts by itself.
    """

    registered_name: str
    sample_rate: int
    out_channels: int
    min_samples: int = 1
    song_padding: int = 0
    takes_float32: bool = False

    @abstractmethod
    def num_frames(self, samples: int) -> int:
        """Number of frames of the feature map of a waveform of ``samples`` samples."""

    @abstractmethod
    def receptive_fields(self) -> dict[str, ReceptiveField]:
        """Receptive field of each named submodule, in the order of the forward pass; the last is that of the feature map.

        The key ``"output"`` stands for the front-end itself.
        """

    def feature_modules(self) -> dict[str, nn.Module]:
        """Name of a feature -> submodule whose output it is; see :meth:`tagging.Tagger.features`."""
        return {}

    def check_samples(self, waveform: Tensor) -> None:
        """Raise ConfigError unless the waveform is [batch, samples], of floats, and long enough."""
        check_waveform(waveform)
        if waveform.shape[-1] < self.min_samples:
            raise ConfigError(
                f"a waveform of {waveform.shape[-1]} samples is too short: this front-end needs {self.min_samples} "
                f"({self.min_samples / self.sample_rate:.3f} s); pad it with zeros"
            )


class Backend(nn.Module, ABC):
    """Base class of back-ends: feature map [batch, channels, frames] -> features [batch, out_features].

    A back-end is registered with ``@BACKENDS.register("name")`` and built as ``Backend(in_channels, num_frames, *, width,
    dropout, ...)``: channels of the feature map, and its frames for the segments the tagger is built for. Back-ends that
    take any number of frames ignore ``num_frames``; the others set ``fixed_frames``.

    Attributes:
        out_features: length of the feature vector.
        fixed_frames: the only number of frames it takes; None if it takes any.
    """

    registered_name: str
    out_features: int
    fixed_frames: int | None = None

    def receptive_fields(self, input_field: ReceptiveField) -> dict[str, ReceptiveField]:
        """Receptive field of each submodule that keeps a time axis, given that of the front-end's frames."""
        return {}

    def feature_modules(self) -> dict[str, nn.Module]:
        """Name of a feature -> submodule whose output it is; see :meth:`tagging.Tagger.features`."""
        return {}

    def check_frames(self, x: Tensor) -> None:
        """Raise ConfigError if this back-end was built for another number of frames."""
        if self.fixed_frames is not None and x.shape[-1] != self.fixed_frames:
            raise ConfigError(
                f"the back-end {self.registered_name!r} was built for {self.fixed_frames} frames and got {x.shape[-1]}: "
                "use segments of the length it was built for, or a back-end of variable length, e.g. 'temporal-pooling'"
            )


class Head(nn.Module, ABC):
    """Base class of heads: features [batch, features] -> logits [batch, tags], in the order of the vocabulary.

    A head is registered with ``@HEADS.register("name")`` and built as ``Head(in_features, vocabulary, *, dropout, ...)``.
    """

    registered_name: str

    @abstractmethod
    def init_output_bias(self, tag_prior: np.ndarray) -> None:
        """Set the output bias so that an untrained head scores tag t near ``tag_prior[t]``."""


@contextlib.contextmanager
def modes_restored(*models: nn.Module) -> Iterator[None]:
    """Context manager that gives every module its training or evaluation mode back; what was frozen stays frozen."""
    training = [module for model in models for module in model.modules() if module.training]
    try:
        yield
    finally:
        for model in models:
            model.eval()
        for module in training:
            module.training = True


def evaluation_view(module: M) -> M:
    """A module in evaluation mode with the weights, statistics and hooks of another, which is left as it is.

    Switching a shared model to evaluation mode and back would switch it for every thread that uses it. The view is made of
    shallow copies of all modules, as PyTorch makes replicas of a model for several GPUs, and is used once. What is computed in
    it sees every change of the weights; hooks added to it are its own.
    """
    views: dict[nn.Module, nn.Module] = {}  # a module that is used in two places stays one

    def view_of(module: nn.Module) -> nn.Module:
        if module not in views:
            views[module] = view = module.__new__(type(module))
            values = view.__dict__
            values.update(module.__dict__, training=False, _compiled_call_impl=None)
            for name in ("_forward_hooks", "_forward_pre_hooks"):
                values[name] = values[name].copy()
            forward = values.get("forward")  # of this instance, such as Accelerate's
            if isinstance(forward, MethodType) and forward.__self__ is module:
                values["forward"] = MethodType(forward.__func__, view)
            values["_modules"] = {name: child and view_of(child) for name, child in module._modules.items()}
        return views[module]

    return view_of(module)  # type: ignore[return-value]


class TaggerNetwork(nn.Module):
    """Front-end, back-end and head in sequence: the network of a plain and of a fused tagger.

    Args:
        frontend, backend, head: the parts.
    """

    frontend: Frontend
    backend: Backend
    head: Head

    def __init__(self, frontend: Frontend, backend: Backend, head: Head) -> None:
        super().__init__()
        self.frontend, self.backend, self.head = frontend, backend, head

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the logits of a batch of segments.

        Args:
            waveform: float [batch, samples] at the tagger's sample rate, nominally in [-1, 1]. Back-ends of variable
                length take any number of samples, the others only that of the segments they were built for.

        Returns:
            float32 [batch, tags], or of the type of the weights; their sigmoid is the score of a tag, in [0, 1].

        Raises:
            ConfigError: no floats, a wrong shape or length, or a single waveform in training mode.
        """
        return self.head(self.features_of(waveform))  # [batch, tags]

    def features_of(self, waveform: Tensor) -> Tensor:
        """What the head gets: float [batch, samples] -> [batch, features]; see :meth:`forward`."""
        check_waveform(waveform)
        self._check_batch(waveform)
        x = waveform if self.frontend.takes_float32 else in_type_of_weights(waveform, self)
        x = self.frontend(x)  # [batch, channels, frames]
        return self.backend(x)  # [batch, features]

    def _check_batch(self, waveform: Tensor) -> None:
        """Batch normalisation of a feature vector needs two examples; PyTorch's own error names neither cause nor cure."""
        if not self.training or len(waveform) != 1:
            return
        if any(isinstance(module, nn.BatchNorm1d) and module.training for module in self.backend.modules()):
            raise ConfigError(
                "a batch of 1 in training mode: batch normalisation needs at least 2 waveforms; "
                "call tagger.eval() first to compute scores"
            )

    def scores(self, segments: np.ndarray) -> np.ndarray:
        """Scores of a batch of segments: float32 [batch, samples] -> float32 [batch, tags] in [0, 1], without gradients."""
        with self.inference() as network:
            waveform = torch.as_tensor(np.asarray(segments), device=self.device)
            return network(waveform).float().sigmoid().cpu().numpy()

    def embeddings(self, segments: np.ndarray) -> np.ndarray:
        """Features of a batch of segments before the head: float32 [batch, samples] -> float32 [batch, features]."""
        with self.inference() as network:
            waveform = torch.as_tensor(np.asarray(segments), device=self.device)
            return network.features_of(waveform).float().cpu().numpy()

    @contextlib.contextmanager
    def inference(self: N) -> Iterator[N]:
        """Context manager: this network in evaluation mode, without gradients.

        What it yields shares the weights with this network, whose own mode is left as it is: other threads may train it,
        or compute scores, meanwhile.
        """
        with torch.inference_mode():
            yield evaluation_view(self)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def default_batch_size(self) -> int:
        """Segments of a song that are scored at once: 1 on a CPU, where a larger batch leaves the cache; 32 elsewhere."""
        return 1 if self.device.type == "cpu" else 32


@contextlib.contextmanager
def recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Context manager: the outputs of named modules, filled in the order in which they are computed.

    Args:
        modules: name -> module, of a network that no other thread uses, such as that of :meth:`TaggerNetwork.inference`.
    """
    outputs: dict[str, Tensor] = {}

    def record(name: str):
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            outputs[name] = output

        return hook

    hooks = [module.register_forward_hook(record(name)) for name, module in modules.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
