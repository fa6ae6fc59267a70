"""The same scores from less work: two exact rewrites of a trained tagger, for inference only.

*Maximum first.* The plain order is convolution, ReLU, batch normalisation, maximum. At inference the normalisation is a gain
and an offset, and a maximum over them is gain times the maximum plus offset where the gain is positive, or the minimum where
it is negative; the sign goes into the convolution, so both become a maximum. ReLU and gain then act on what the maximum left,
a third of the values in the waveform front-end and one in eleven to one in 59 in the timbral filters.

*Folding.* Where the next layer is a convolution without padding, gain and offset go into its weights and cost nothing.

Measured in ``benchmarks/architectures.py``. Book: ``book/putting_together``.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..frontends.frame_level import Branch
from ..frontends.musically_motivated import ShapeBlock
from ..frontends.sample_level import SampleLevel
from ..frontends.vgg import SquareBlock
from ..layers import Conv1dBlock

if TYPE_CHECKING:
    from ..tagger import Tagger


def _gain_and_offset(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Batch normalisation at inference is ``gain * x + offset``; float64 [channels] each."""
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return gain, norm.bias.double() - gain * norm.running_mean.double()


def _like(x: Tensor, dims: int) -> Tensor:
    """float32 [channels] as [channels, 1, ...], to be multiplied with a map of so many axes behind the batch."""
    return x.float().reshape(-1, *[1] * (dims - 1))


class MaxFirst(nn.Module):
    """Convolution, maximum, ReLU, gain and offset: equal to convolution, ReLU, batch normalisation, maximum.

    Args:
        conv, norm: of the plain block.
        pool: the maximum.
        affine: apply gain and offset; False if the next layer has taken them over.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module, pool: nn.Module, affine: bool = True) -> None:
        super().__init__()
        gain, offset = _gain_and_offset(norm)
        sign = torch.where(gain < 0, -1.0, 1.0)
        dims = conv.weight.ndim - 1
        self.conv, self.pool = copy.deepcopy(conv), pool
        self.conv.weight.data *= _like(sign, dims + 1)
        self.conv.bias.data *= sign.float()
        self.register_buffer("sign", None if (sign > 0).all() else _like(sign, dims))
        self.register_buffer("gain", _like(gain, dims) if affine else None)
        self.register_buffer("offset", _like(offset, dims) if affine else None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.conv(x))
        x = torch.relu_(x if self.sign is None else x * self.sign)
        return x if self.gain is None else torch.addcmul(self.offset, x, self.gain)


class MaxOverBands(nn.Module):
    """[batch, filters, places, frames] -> [batch, filters, 1, frames]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=2, keepdim=True)


class FusedShape(nn.Module):
    """:class:`~tagging.models.frontends.musically_motivated.ShapeBlock` as one matrix product for each place in frequency.

    A convolution with one input channel leaves most of a processor unused, and the plain block writes the answers at all
    places (59 for the filters over 0.4 of the bands) only to read them again for the maximum. The windows over time are laid
    out once, so that what a filter sees at one place is a block of neighbouring rows, and a running maximum stays in the cache.
    """

    def __init__(self, block: ShapeBlock) -> None:
        super().__init__()
        gain, offset = _gain_and_offset(block.norm)
        sign = torch.where(gain < 0, -1.0, 1.0)
        self.padding = block.padding
        self.bands, self.length = block.conv.kernel_size
        self.register_buffer("weight", (block.conv.weight * _like(sign, 4)).flatten(1))  # [filters, bands * length]
        self.register_buffer("bias", block.conv.bias[:, None] * _like(sign, 2))
        self.register_buffer("sign", _like(sign, 2))
        self.register_buffer("gain", _like(gain, 2))
        self.register_buffer("offset", _like(offset, 2))

    def forward(self, x: Tensor) -> Tensor:
        frames, places = x.shape[-1], x.shape[2] - self.bands + 1
        x = nn.functional.pad(x[:, 0], self.padding)  # [batch, bands, frames + length - 1]
        rows = x.unfold(-1, frames, 1).flatten(1, 2)  # [batch, bands * length, frames]
        strongest = None
        for place in range(places):
            seen = rows[:, place * self.length : (place + self.bands) * self.length]  # [batch, bands * length, frames]
            answer = self.weight @ seen  # [batch, filters, frames]
            strongest = answer if strongest is None else torch.maximum(strongest, answer)
        x = torch.relu_((strongest + self.bias) * self.sign)
        return torch.addcmul(self.offset, x, self.gain)


def _fold_input(conv: nn.Conv1d, gain: Tensor, offset: Tensor) -> nn.Conv1d:
    """The convolution that does to ``x`` what ``conv`` does to ``gain * x + offset``; ``conv`` must not pad."""
    folded = copy.deepcopy(conv)
    weight = conv.weight.double()
    folded.bias.data = (conv.bias.double() + (weight * offset[:, None]).sum((1, 2))).float()
    folded.weight.data = (weight * gain[:, None]).float()
    return folded


def _fuse_shape(block: ShapeBlock) -> nn.Module:
    # Place by place pays for some tens of tall filters, as the paper has. musicnn's 204 of one shape keep a plain
    # convolution busy, four of a small model are too few for a product, and temporal filters would need one for each band.
    if block.conv.kernel_size[0] > 1 and 16 <= block.conv.out_channels <= 64:
        return FusedShape(block)
    pad = nn.ZeroPad2d((*block.padding, 0, 0))
    return nn.Sequential(pad, MaxFirst(block.conv, block.norm, MaxOverBands()), nn.Flatten(2))


def _fuse_branch(branch: Branch) -> nn.Module:
    return MaxFirst(branch.block.conv, branch.block.norm, branch.pool)


def _fuse_square(block: SquareBlock) -> nn.Module:
    return MaxFirst(block.conv, block.norm, block.pool)


def _fuse_sample_level(frontend: SampleLevel) -> SampleLevel:
    """Each normalisation goes into the convolution after it; the last one, which has none, stays."""
    blocks: list[Conv1dBlock] = [frontend.strided, *frontend.convs]
    folded = [blocks[0].conv]
    for before, block in pairwise(blocks):
        folded.append(_fold_input(block.conv, *_gain_and_offset(before.norm)))
    frontend.strided = nn.Sequential(folded[0], nn.ReLU(inplace=True))
    frontend.convs = nn.ModuleList(
        MaxFirst(conv, block.norm, frontend.pool, affine=block is blocks[-1])
        for conv, block in zip(folded[1:], blocks[1:], strict=True)
    )
    frontend.pool = nn.Identity()
    return frontend


FUSERS = {ShapeBlock: _fuse_shape, Branch: _fuse_branch, SquareBlock: _fuse_square, SampleLevel: _fuse_sample_level}


def _fuse_inside(module: nn.Module) -> nn.Module:
    if fuser := FUSERS.get(type(module)):
        return fuser(module)
    for name, child in module.named_children():
        setattr(module, name, _fuse_inside(child))
    return module


def fuse(tagger: Tagger) -> Tagger:
    """A copy that gives the same scores faster, for inference only: it cannot be trained or saved.

    Scores differ by rounding alone: by less than 1e-5 in the tests. The tagger itself is left as it is.

    Book: ``book/putting_together``.
    """
    with torch.no_grad():
        fused = copy.deepcopy(tagger).eval()
        fused.frontend = _fuse_inside(fused.frontend)
    fused.fused = True
    return fused
