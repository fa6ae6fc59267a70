"""oneDNN's layout in training: the same feature map, gradients and running averages as the plain one; nowhere else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import tagging
from tagging.models.acceleration import onednn
from tagging.models.frontends import build_frontend
from tagging.models.layers import Conv1dBlock
from tagging.training.models import share_norms

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


def pair(width=0.25):
    torch.manual_seed(0)
    plain = build_frontend("waveform", width=width)
    faster = copy.deepcopy(plain)
    faster.onednn = True
    return plain, faster


@pytest.mark.parametrize("filters", [6, 16])  # filling oneDNN's blocks of eight channels, and not
@pytest.mark.parametrize(("channels", "kernel", "stride", "padding"), [(1, 3, 3, 0), (6, 3, 1, 0), (16, 7, 1, 3)])
def test_a_block_and_its_pooling_are_the_same(filters, channels, kernel, stride, padding):
    torch.manual_seed(0)
    plain = Conv1dBlock(channels, filters, kernel, stride, padding)
    faster = copy.deepcopy(plain)
    inputs = torch.randn(4, channels, 2000, requires_grad=True)
    once = nn.functional.max_pool1d(plain(inputs), 3)
    weights = torch.randn_like(once)
    wanted = torch.autograd.grad((once * weights).sum(), [inputs, *plain.parameters()])
    blocked = onednn.conv_block(onednn.to_onednn(inputs), faster.conv, faster.norm)
    again = onednn.from_onednn(onednn.max_pool(blocked, 3))
    found = torch.autograd.grad((again * weights).sum(), [inputs, *faster.parameters()])
    assert torch.allclose(again, once, atol=5e-4)
    for one, other in zip(wanted, found, strict=True):
        assert (one - other).norm() <= 1e-3 * one.norm()
    for (name, one), other in zip(plain.named_buffers(), faster.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6), name


def test_the_front_end_is_the_same():
    """As far as seven normalisations let it be, each of which passes a difference on enlarged."""
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
    ["inference", "no gradients", "double precision", "feature maps", "autocast", "processes", "frozen norm", "hooks"],
)
def test_everything_else_goes_the_plain_way(case, monkeypatch):
    plain, faster = pair()
    monkeypatch.setattr(onednn, "to_onednn", lambda x: pytest.fail("this was to go the plain way"))
    waveform, taps = torch.randn(2, 12_000), {} if case == "feature maps" else None
    if case == "inference":
        plain.eval(), faster.eval()
    if case == "double precision":
        waveform = waveform.double()
        plain.double(), faster.double()
    if case == "frozen norm":
        plain.convs[2].norm.eval(), faster.convs[2].norm.eval()
    if case == "hooks":
        calls = []
        faster.convs[1].norm.register_forward_hook(lambda *call: calls.append(call))
    if case == "processes":
        share_norms(faster)
        assert not faster.onednn
        return
    with torch.set_grad_enabled(case != "no gradients"), torch.autocast("cpu", enabled=case == "autocast"):
        assert torch.equal(plain(waveform), faster(waveform, taps))
    assert case != "hooks" or len(calls) == 1


def test_the_option_is_saved_and_harms_nobody_who_loads_it(tmp_path):
    tagger = tagging.build_tagger(
        "waveform", "temporal-pooling", ["a"], 1.0, width=0.1, frontend_options={"onednn": True}
    )
    waveform = torch.randn(2, 16_000)
    again = tagging.load_tagger(tagger.save(tmp_path / "one.safetensors"))
    assert again.frontend.onednn
    assert torch.equal(again(waveform), tagger.eval()(waveform))
