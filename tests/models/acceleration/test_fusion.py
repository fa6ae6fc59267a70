"""Fused copies: the same scores, for inference only."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import tagging
from tagging.errors import ConfigError
from tagging.models.acceleration.fusion import FusedShape, MaxFirst
from tagging.models.frontends.musically_motivated import ShapeBlock


def seasoned(tagger: tagging.Tagger) -> tagging.Tagger:
    """Batch normalisation with running statistics, offsets, and gains of both signs, as training leaves behind."""
    for module in tagger.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, -0.3, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, -1.0, 1.5)
            nn.init.normal_(module.bias, std=0.5)
    return tagger.eval()


@pytest.mark.parametrize("frontend", tagging.list_frontends())
@pytest.mark.parametrize("backend", tagging.list_backends())
def test_same_scores(frontend, backend):
    torch.manual_seed(3)
    plain = seasoned(tagging.build_tagger(frontend, backend, ["a", "b", "c"], 3.0, width=0.25))
    before = copy.deepcopy(plain.state_dict())
    fused = tagging.fuse(plain)
    waveform = torch.randn(3, 48000)
    with torch.inference_mode():
        scores = plain(waveform).sigmoid()
        assert (fused(waveform).sigmoid() - scores).abs().max() < 1e-5
    assert scores.std(dim=0).min() > 0  # the inputs are told apart, so that agreement means something
    assert all(torch.equal(before[name], tensor) for name, tensor in plain.state_dict().items())


@pytest.mark.parametrize("name", tagging.list_pretrained())
def test_same_scores_with_trained_weights(name):
    plain = tagging.load_tagger(name)
    path = tagging.sound_path("mountain-king")
    assert abs(tagging.fuse(plain).tag(path).taggram - plain.tag(path).taggram).max() < 1e-5


def test_every_front_end_block_is_rewritten():
    """A block the rewriting does not know would stay slow without anyone noticing."""
    for frontend in tagging.list_frontends():
        fused = tagging.fuse(tagging.build_tagger(frontend, "dense", ["a"], 3.0, width=0.25))
        norms = [m for m in fused.frontend.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        assert len(norms) <= 1, frontend  # the normalisation of vgg's input stays: its convolution pads
        assert any(isinstance(m, (MaxFirst, FusedShape)) for m in fused.frontend.modules())


def test_signs_matter():
    """With negative gains a maximum before the normalisation is wrong unless the signs are handled."""
    torch.manual_seed(0)
    block = ShapeBlock(8, 30, 7).eval()
    nn.init.uniform_(block.norm.weight, -1.5, -0.5)
    x = torch.randn(2, 1, 40, 50)
    with torch.inference_mode():
        naive = block.norm(torch.relu(block.conv(nn.functional.pad(x, block.padding)).amax(2, keepdim=True)))[:, :, 0]
        assert (naive - block(x)).abs().max() > 0.1
        assert (FusedShape(block)(x) - block(x)).abs().max() < 1e-5


def test_for_inference_only():
    fused = tagging.fuse(tagging.build_tagger("waveform", "temporal-pooling", ["a"], 3.0, width=0.25))
    assert not fused.training
    with pytest.raises(ConfigError, match="cannot be trained"):
        fused.train()
    assert not fused.eval().training
    for name in ("save", "features", "summary"):
        assert not hasattr(fused, name)


def test_what_is_no_tagger_is_not_fused():
    tagger = tagging.build_tagger("waveform", "dense", ["a"], 0.5, width=0.1)
    for other, name in (
        (tagging.fuse(tagger), "FusedTagger"),
        ("mtt-musicnn", "str"),
        (torch.nn.Linear(2, 2), "Linear"),
    ):
        with pytest.raises(ConfigError, match=name):
            tagging.fuse(other)
