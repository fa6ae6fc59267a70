"""The network as it is exported: the same weights under the same names, in a form that other engines run well.

Three rewrites, all computed in the graph from the plain weights, so that a file needs no weights but those of the tagger and a
runtime computes what does not depend on the sound once, when it loads the file:

* The spectrum is a convolution with sines and cosines, because engines have no fast Fourier transform, or a slow one.
* The maximum comes before normalisation, which needs the sign of its gain; see :mod:`tagging.models.acceleration.fusion`.
* A normalisation between two convolutions of the sample-level front-end becomes part of the second.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...audio.mel import LogMel
from ..acceleration import replace_modules
from ..base import TaggerNetwork
from ..frontends.frame_level import Branch
from ..frontends.musically_motivated import ShapeBlock
from ..frontends.sample_level import SampleLevel
from ..frontends.spectrogram import SpectrogramFrontend
from ..frontends.vgg import SquareBlock
from ..heads import LinearHead, SoftmaxGroupHead

M = TypeVar("M", bound=nn.Module)
Conv = nn.Conv1d | nn.Conv2d
Norm = nn.BatchNorm1d | nn.BatchNorm2d


class ExportNetwork(nn.Module):
    """Waveform float32 [batch, samples] -> logits [batch, tags], embedding [batch, features], perhaps the log-mel.

    Args:
        tagger: is left as it is; in single precision.
        log_mel: give the log-mel spectrogram [batch, bands, frames] too.
    """

    def __init__(self, tagger: TaggerNetwork, log_mel: bool = False) -> None:
        super().__init__()
        plain = copy.deepcopy(tagger).cpu().float()
        parts = (replace_modules(part, _exported) for part in (plain.frontend, plain.backend, plain.head))
        self.frontend, self.backend, self.head = parts
        self.log_mel = log_mel
        self.eval()

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        if isinstance(self.frontend, SpectrogramFrontend):
            log_mel = self.frontend.log_mel(waveform)  # [batch, bands, frames]
            x = self.frontend.from_log_mel(log_mel)
        else:
            x = self.frontend(waveform)  # [batch, channels, frames]
        embedding = self.backend(x)  # [batch, features]
        outputs = (self.head(embedding), embedding)
        return (*outputs, log_mel) if self.log_mel else outputs


def _sharing(form: type[M], plain: nn.Module) -> M:
    """A module of another class with the parts and weights of a given one."""
    module = form.__new__(form)
    module.__dict__.update(vars(plain))
    return module


class ConvLogMel(LogMel):
    """The same spectrogram, with sines and cosines as the filters of a convolution."""

    def power(self, waveform: Tensor) -> Tensor:
        spec, count = self.spec, self.spec.n_fft
        x = waveform[:, None]
        if spec.padding:
            x = nn.functional.pad(x, (spec.padding, spec.padding), mode=spec.pad_mode)
        # whole numbers, so that no angle is rounded
        turns = (torch.arange(count // 2 + 1)[:, None] * torch.arange(count)) % count
        angle = turns.float() * (2 * math.pi / count)
        waves = torch.cat([angle.cos(), angle.sin()]) * self.window  # [2 bins, n_fft]
        spectrum = nn.functional.conv1d(x, waves[:, None], stride=spec.hop_length)  # [batch, 2 bins, frames]
        real, imaginary = spectrum.split(count // 2 + 1, dim=1)
        return self.bank.T @ (real.square() + imaginary.square())  # [batch, bands, frames]


def _gain_and_offset(norm: Norm) -> tuple[Tensor, Tensor]:
    """Batch normalisation at inference as ``gain * x + offset``: [channels] each."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    return gain, norm.bias - gain * norm.running_mean


def _column(x: Tensor, axes: int) -> Tensor:
    """[channels] -> [channels, 1, ...], to multiply a tensor with so many axes from the channels on."""
    return x.reshape(-1, *[1] * (axes - 1))


def _max_first(conv: Conv, norm: Norm, pool: nn.Module, x: Tensor) -> Tensor:
    """``pool(norm(relu(conv(x))))`` with the maximum first."""
    axes = conv.weight.ndim - 1
    gain, offset = _gain_and_offset(norm)
    sign = torch.where(gain < 0, -1.0, 1.0)
    apply = nn.functional.conv1d if isinstance(conv, nn.Conv1d) else nn.functional.conv2d
    weight, bias = conv.weight * _column(sign, axes + 1), conv.get_parameter("bias") * sign
    x = pool(apply(x, weight, bias, conv.stride, conv.padding))  # type: ignore[arg-type]
    return torch.relu(x * _column(sign, axes)) * _column(gain, axes) + _column(offset, axes)


class _MaxOverBands(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.amax(dim=2, keepdim=True)


class MaxFirstShape(ShapeBlock):
    """Timbral or temporal filters, with the maximum over bands first."""

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, self.padding)
        return _max_first(self.conv, self.norm, _MaxOverBands(), x)[:, :, 0]


class MaxFirstBranch(Branch):
    """Filters of one length, with the maximum over time first."""

    def forward(self, x: Tensor) -> Tensor:
        return _max_first(self.block.conv, self.block.norm, self.pool, x)


class MaxFirstSquare(SquareBlock):
    """3x3 filters, with the maximum first."""

    def forward(self, x: Tensor) -> Tensor:
        return _max_first(self.conv, self.norm, self.pool, x)


class FoldedSampleLevel(SampleLevel):
    """The sample-level front-end: each normalisation is part of the convolution after it, the last is applied."""

    def forward(self, waveform: Tensor) -> Tensor:
        x = torch.relu(self.strided.conv(waveform[:, None]))
        blocks = self.layers()
        for before, block in pairwise(blocks):
            gain, offset = _gain_and_offset(before.norm)
            weight = block.conv.weight * gain[:, None]
            bias = block.conv.get_parameter("bias") + (block.conv.weight * offset[:, None]).sum((1, 2))
            # maximum over what the next layer multiplies by its gain: the sign decides between maximum and minimum
            gain, _ = _gain_and_offset(block.norm)
            sign = torch.where(gain < 0, -1.0, 1.0)
            x = nn.functional.conv1d(x, weight * _column(sign, 3), bias * sign)
            x = torch.relu(block.pool(x) * _column(sign, 2))
        gain, offset = _gain_and_offset(blocks[-1].norm)
        return x * _column(gain, 2) + _column(offset, 2)


class ExportedSoftmaxGroupHead(SoftmaxGroupHead):
    """A softmax over each exclusive group, without writing into tensors, which the exporter cannot follow."""

    def forward(self, x: Tensor) -> Tensor:
        logits = LinearHead.forward(self, x)  # [batch, tags]
        columns = list(logits.split(1, dim=1))
        for members in self.groups:
            inside = torch.cat([columns[tag] for tag in members], dim=1)  # [batch, group]
            diagonal = torch.eye(len(members), dtype=torch.bool)
            others = torch.where(diagonal, torch.zeros(()), inside[:, None])  # [batch, group, group]
            largest = others.amax(dim=-1, keepdim=True)
            total = largest[..., 0] + (others - largest).exp().sum(dim=-1).log()
            for tag, column in zip(members, (inside - total).split(1, dim=1), strict=True):
                columns[tag] = column
        return torch.cat(columns, dim=1)


_FORMS: dict[type[nn.Module], type[nn.Module]] = {
    LogMel: ConvLogMel,
    ShapeBlock: MaxFirstShape,
    Branch: MaxFirstBranch,
    SquareBlock: MaxFirstSquare,
    SampleLevel: FoldedSampleLevel,
    SoftmaxGroupHead: ExportedSoftmaxGroupHead,
}


def _exported(module: nn.Module) -> nn.Module:
    form = _FORMS.get(type(module))
    return module if form is None else _sharing(form, module)
