"""The Toeplitz form of the timbral filters: the same numbers, gradients and running statistics as the plain form."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tagging
from tagging.models.frontends.musically_motivated import toeplitz_conv
from tagging.training.losses import tag_loss


@given(
    bands=st.integers(1, 12),
    extra=st.integers(0, 9),
    length=st.integers(1, 5),
    frames=st.integers(1, 7),
    filters=st.integers(1, 4),
)
def test_equals_the_convolution(bands, extra, length, frames, filters):
    torch.manual_seed(bands + 31 * extra + 97 * length)
    conv = torch.nn.Conv2d(1, filters, (bands, length)).double()
    x = torch.randn(2, 1, bands + extra, length + frames - 1, dtype=torch.float64)
    assert torch.allclose(toeplitz_conv(conv, x), conv(x), atol=1e-12)


def test_training_is_the_same():
    torch.manual_seed(0)
    plain = tagging.build_tagger("spectrogram", "temporal-pooling", ["a", "b"], 3.0, width=0.25, dropout=0.0)
    banded = copy.deepcopy(plain)
    for block in banded.frontend.timbral:
        block.toeplitz = True
    # in float64, where rounding hides nothing: sums over 59 places and all frames cancel in the gradient of a bias
    log_mel, labels = 4 * torch.rand(4, 96, 188, dtype=torch.float64), torch.rand(4, 2).round()
    losses = []
    for tagger in (plain, banded):
        loss = tag_loss(tagger.double().from_log_mel(log_mel), labels, tagger.vocabulary)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for (name, one), other in zip(plain.frontend.named_parameters(), banded.frontend.parameters(), strict=True):
        assert (one.grad - other.grad).abs().max() <= 1e-5 * one.grad.abs().max().clamp(min=1e-4), name
    for (name, one), other in zip(plain.frontend.named_buffers(), banded.frontend.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-9), name


def test_option_reaches_the_filters():
    options = {"toeplitz": True}
    tagger = tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 3.0, width=0.25, frontend_options=options)
    assert all(block.toeplitz for block in tagger.frontend.timbral)
    assert not any(block.toeplitz for block in tagger.frontend.temporal)
