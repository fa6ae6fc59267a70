"""The same scores from less work: two exact rewrites of a trained tagger, for inference only.

*Maximum first.* The plain order is convolution, ReLU, batch normalisation, maximum. At inference the normalisation is a gain
and an offset. A maximum over them is the gain times the maximum plus the offset where the gain is positive, and the minimum where
it is negative; with the sign moved into the convolution, both become a maximum. ReLU and gain then act on the pooled values only:
a third of the values in the waveform front-end, and 1 in 11 to 1 in 59 in the timbral filters.

*Folding.* Where the next layer is a convolution without padding, gain and offset go into its weights and cost nothing.

Measured in ``benchmarks/architectures.py``. Book: ``book/putting_together``.
"""

from __future__ import annotations

import copy
import functools
from itertools import pairwise

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import TaggerNetwork
from ..frontends.frame_level import Branch
from ..frontends.musically_motivated import ShapeBlock
from ..frontends.sample_level import SampleLevel
from ..frontends.vgg import SquareBlock
from ..inference import SongTagger
from ..tagger import Tagger
from . import replace_modules

Conv = nn.Conv1d | nn.Conv2d
Norm = nn.BatchNorm1d | nn.BatchNorm2d


def _gain_and_offset(norm: Norm) -> tuple[Tensor, Tensor]:
    """Batch normalisation at inference as ``gain * x + offset``: float64 [channels] each."""
    state = {name: tensor.double() for name, tensor in norm.state_dict().items()}
    gain = state["weight"] / (state["running_var"] + norm.eps).sqrt()
    return gain, state["bias"] - gain * state["running_mean"]


def _per_channel(x: Tensor, axes: int) -> Tensor:
    """float32 [channels] -> [channels, 1, ...], to multiply a map that has so many axes after the batch."""
    return x.float().reshape(-1, *[1] * (axes - 1))


class MaxFirst(nn.Module):
    """Convolution, maximum, ReLU, gain and offset: equal to convolution, ReLU, batch normalisation, maximum.

    Args:
        conv, norm: of the plain block.
        pool: the maximum.
        affine: apply gain and offset; False if the next layer contains them.
    """

    sign: Tensor | None
    gain: Tensor | None
    offset: Tensor | None

    def __init__(self, conv: Conv, norm: Norm, pool: nn.Module, affine: bool = True) -> None:
        super().__init__()
        gain, offset = _gain_and_offset(norm)
        sign = torch.where(gain < 0, -1.0, 1.0)
        axes = conv.weight.ndim - 1
        self.conv, self.pool = copy.deepcopy(conv), pool
        self.conv.weight.data *= _per_channel(sign, axes + 1)
        self.conv.get_parameter("bias").data *= sign.float()
        self.register_buffer("sign", None if (sign > 0).all() else _per_channel(sign, axes))
        self.register_buffer("gain", _per_channel(gain, axes) if affine else None)
        self.register_buffer("offset", _per_channel(offset, axes) if affine else None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x))
        x = torch.relu_(x if self.sign is None else x * self.sign)
        return x if self.gain is None or self.offset is None else torch.addcmul(self.offset, x, self.gain)


class MaxOverBands(nn.Module):
    """[batch, filters, positions, frames] -> [batch, filters, 1, frames]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=2, keepdim=True)


class FusedShape(nn.Module):
    """:class:`~tagging.models.frontends.musically_motivated.ShapeBlock` as one matrix product for each position in frequency.

    A convolution with one input channel leaves most of a processor unused, and the plain block writes the outputs at all
    positions (59 for the filters over 0.4 of the bands) only to read them again for the maximum. Here the windows over time are
    laid out once, so that the input of a filter at one position is a block of neighbouring rows, and a running maximum stays
    in the cache.
    """

    bias: Tensor
    sign: Tensor
    gain: Tensor
    offset: Tensor

    def __init__(self, block: ShapeBlock) -> None:
        super().__init__()
        gain, offset = _gain_and_offset(block.norm)
        sign = torch.where(gain < 0, -1.0, 1.0)
        self.padding = block.padding
        self.bands, self.length = block.conv.kernel_size
        weight = (block.conv.weight * _per_channel(sign, 4)).flatten(1)  # [filters, bands * length]
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_buffer("bias", block.conv.get_parameter("bias")[:, None] * _per_channel(sign, 2))
        self.register_buffer("sign", _per_channel(sign, 2))
        self.register_buffer("gain", _per_channel(gain, 2))
        self.register_buffer("offset", _per_channel(offset, 2))

    def forward(self, x: Tensor) -> Tensor:
        frames, positions = x.shape[-1], x.shape[2] - self.bands + 1
        x = nn.functional.pad(x[:, 0], self.padding)  # [batch, bands, frames + length - 1]
        rows = x.unfold(-1, frames, 1).flatten(1, 2)  # [batch, bands * length, frames]
        windows = (rows[:, i * self.length : (i + self.bands) * self.length] for i in range(positions))
        x = functools.reduce(torch.maximum, (self.weight @ window for window in windows))  # [batch, filters, frames]
        x = torch.relu_((x + self.bias) * self.sign)
        return torch.addcmul(self.offset, x, self.gain)


def _fold_input(conv: nn.Conv1d, gain: Tensor, offset: Tensor) -> nn.Conv1d:
    """The convolution that does to ``x`` what ``conv`` does to ``gain * x + offset``; ``conv`` must not pad."""
    folded = copy.deepcopy(conv)
    weight = conv.weight.double()
    bias = conv.get_parameter("bias").double() + (weight * offset[:, None]).sum((1, 2))
    folded.get_parameter("bias").data = bias.float()
    folded.weight.data = (weight * gain[:, None]).float()
    return folded


def _fuse_shape(block: ShapeBlock) -> nn.Module:
    # One product a position is faster for some tens of tall filters, as the paper has. musicnn's 204 of one shape keep a
    # plain convolution busy, four of a small model are too few for a product, and temporal filters would need one a band.
    if block.conv.kernel_size[0] > 1 and 16 <= block.conv.out_channels <= 64:
        return FusedShape(block)
    pad = nn.ZeroPad2d((*block.padding, 0, 0))
    return nn.Sequential(pad, MaxFirst(block.conv, block.norm, MaxOverBands()), nn.Flatten(2))


def _fuse_sample_level(frontend: SampleLevel) -> SampleLevel:
    """Fold each normalisation into the convolution after it; the last one, which has none, stays."""
    blocks = frontend.layers()
    convs = [blocks[0].conv]
    for before, block in pairwise(blocks):
        convs.append(_fold_input(block.conv, *_gain_and_offset(before.norm)))
    frontend.strided = nn.Sequential(convs[0], nn.ReLU(inplace=True))  # type: ignore[assignment]
    frontend.convs = nn.ModuleList(
        MaxFirst(conv, block.norm, block.pool, affine=block is blocks[-1])
        for conv, block in zip(convs[1:], blocks[1:], strict=True)
    )
    return frontend


def _fused(module: nn.Module) -> nn.Module:
    if isinstance(module, ShapeBlock):
        return _fuse_shape(module)
    if isinstance(module, Branch):
        return MaxFirst(module.block.conv, module.block.norm, module.pool)
    if isinstance(module, SquareBlock):
        return MaxFirst(module.conv, module.norm, module.pool)
    return _fuse_sample_level(module) if isinstance(module, SampleLevel) else module


class FusedTagger(TaggerNetwork, SongTagger):
    """A tagger for inference only: its forward pass and its songs, but no training, files, features or summary."""

    def __init__(self, tagger: Tagger) -> None:
        with torch.no_grad():
            plain = copy.deepcopy(tagger).float()  # gains and offsets are combined in single precision at least
            super().__init__(replace_modules(plain.frontend, _fused), plain.backend, plain.head)
        self.to(next(tagger.parameters()).dtype)
        self.vocabulary, self.sample_rate = tagger.vocabulary, tagger.sample_rate
        self.segment_samples, self.hop_samples = tagger.segment_samples, tagger.hop_samples
        self.song_padding = tagger.song_padding
        self.eval()

    def train(self, mode: bool = True) -> FusedTagger:
        """Evaluation mode; a fused tagger has no other.

        Raises:
            ConfigError: ``mode`` is True.
        """
        if mode:
            raise ConfigError("a fused tagger cannot be trained: train the tagger it was made from")
        return super().train(mode)


def fuse(tagger: Tagger) -> FusedTagger:
    """Return a faster copy of a tagger for inference; its scores differ by less than 1e-5.

    Args:
        tagger: is left as it is.

    Raises:
        ConfigError: what is given is no :class:`Tagger`.

    Book: ``book/putting_together``.
    """
    if not isinstance(tagger, Tagger):
        raise ConfigError(
            f"a {type(tagger).__name__} cannot be fused: give a Tagger, as build_tagger and load_tagger return it"
        )
    return FusedTagger(tagger)
