"""oneDNN's layout in training: the same feature map, gradients and running statistics as the plain one; nowhere else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tagging.models.acceleration import accelerate_cpu_training, onednn
from tagging.models.frontends import build_frontend
from tagging.models.layers import Conv1dBlock

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


def pair(width=0.25):
    torch.manual_seed(0)
    plain = build_frontend("waveform", width=width)
    return plain, accelerate_cpu_training(copy.deepcopy(plain))


@pytest.mark.parametrize("filters", [6, 16])  # filling oneDNN's blocks of eight channels, and not
@pytest.mark.parametrize(("channels", "kernel_size", "stride", "padding"), [(1, 3, 3, 0), (6, 3, 1, 0), (16, 7, 1, 3)])
def test_a_block_and_its_pooling_are_the_same(filters, channels, kernel_size, stride, padding):
    torch.manual_seed(0)
    plain = Conv1dBlock(channels, filters, kernel_size, stride, padding, pool=3)
    faster = copy.deepcopy(plain)
    inputs = torch.randn(4, channels, 2000, requires_grad=True)
    expected = plain(inputs)
    weights = torch.randn_like(expected)
    expected_gradients = torch.autograd.grad((expected * weights).sum(), [inputs, *plain.parameters()])
    outputs = onednn.from_onednn(onednn.conv_block(onednn.to_onednn(inputs), faster))
    gradients = torch.autograd.grad((outputs * weights).sum(), [inputs, *faster.parameters()])
    assert torch.allclose(outputs, expected, atol=5e-4)
    for one, other in zip(expected_gradients, gradients, strict=True):
        assert (one - other).norm() <= 1e-3 * one.norm()
    for (name, one), other in zip(plain.named_buffers(), faster.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6), name


def test_the_front_end_is_the_same():
    """As far as seven normalisations let it be, each of which amplifies a difference."""
    plain, faster = pair()
    waveform = torch.randn(8, 48_000)
    once, again = plain(waveform), faster(waveform)
    assert again.shape == once.shape
    assert not again.is_mkldnn
    assert (once - again).norm() < 0.01 * once.norm()
    for (name, one), other in zip(plain.named_buffers(), faster.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-2, atol=1e-4), name


def test_another_path_would_be_noticed(monkeypatch):
    _, faster = pair()
    calls = []
    monkeypatch.setattr(
        onednn, "max_pool", lambda x, frames: calls.append(x) or nn.functional.max_pool2d(x, (1, frames), (1, frames))
    )
    faster(torch.randn(2, 12_000))
    assert len(calls) == 6
    assert all(x.is_mkldnn for x in calls)


@pytest.mark.parametrize(
    "case",
    ["inference", "no gradients", "double precision", "autocast", "replaced forward", "frozen norm", "hooks"],
)
def test_everything_else_takes_the_plain_path(case, monkeypatch):
    plain, faster = pair()
    monkeypatch.setattr(onednn, "to_onednn", lambda x: pytest.fail("not the plain path"))
    waveform, calls = torch.randn(2, 12_000), []
    if case == "inference":
        plain.eval(), faster.eval()
    if case == "double precision":
        waveform = waveform.double()
        plain.double(), faster.double()
    if case == "frozen norm":
        plain.convs[2].norm.eval(), faster.convs[2].norm.eval()
    if case == "hooks":
        faster.convs[1].norm.register_forward_hook(lambda *call: calls.append(call))
    if case == "replaced forward":
        # as training in several processes does, whose normalisation is over all of them
        norm, forward = faster.convs[1].norm, faster.convs[1].norm.forward
        norm.forward = lambda x: calls.append(x) or forward(x)
    with torch.set_grad_enabled(case != "no gradients"), torch.autocast("cpu", enabled=case == "autocast"):
        assert torch.equal(plain(waveform), faster(waveform))
    assert len(calls) == (case in ("hooks", "replaced forward"))
