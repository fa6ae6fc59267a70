"""A front-end, a back-end and a head of one's own, as short as they can be: they fit all others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import tagging
from tagging import BACKENDS, FRONTENDS, HEADS, Backend, Frontend
from tagging.models.base import Head, ReceptiveField

TAGS = ["a", "b"]


class Energy(Frontend):
    """The energy of windows of 1024 samples, every 512 samples, through one convolution."""

    def __init__(self, *, width: float = 1.0, sample_rate: int = 16000, channels: int = 8) -> None:
        super().__init__()
        self.sample_rate, self.out_channels, self.min_samples = sample_rate, max(1, int(channels * width)), 1024
        self.conv = nn.Conv1d(1, self.out_channels, 1)

    def num_frames(self, samples: int) -> int:
        return max(0, (samples - 1024) // 512 + 1)

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        return {"conv": ReceptiveField().then(1024, 512)}

    def feature_modules(self) -> dict[str, nn.Module]:
        return {"energy": self.conv}

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        self.check_samples(waveform)
        return self.conv(waveform.unfold(-1, 1024, 512).square().mean(-1)[:, None])


class Average(Backend):
    """The mean over time."""

    def __init__(self, in_channels: int, num_frames: int, *, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        self.out_features = in_channels
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x.mean(-1))


class Cosine(Head):
    """Logits from the angle between features and one direction a tag."""

    def __init__(self, in_features: int, vocabulary: tagging.Vocabulary, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, len(vocabulary))

    def init_output_bias(self, tag_prior) -> None:
        self.linear.bias.data.copy_(torch.as_tensor(tag_prior).logit())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.normalize(x, dim=1))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Registered for a test, as ``@FRONTENDS.register("energy")`` would for good."""
    for registry in (FRONTENDS, BACKENDS, HEADS):
        monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    FRONTENDS.register("energy")(Energy)
    BACKENDS.register("average")(Average)
    HEADS.register("cosine")(Cosine)


def check(tagger: tagging.Tagger, path) -> dict[str, torch.Tensor]:
    """Trains, describes itself, gives features, tags a song, and comes back from its file; returns the features."""
    waveform = 0.1 * torch.randn(3, tagger.segment_samples)
    tagger(waveform).sum().backward()
    summary = tagger.summary()
    assert summary.parameters == sum(layer.parameters for layer in summary.layers)
    assert tagger.tag_waveform(waveform[0].numpy(), 16000).scores.shape == (2,)
    again = tagging.load_tagger(tagger.save(path / "it.safetensors"))
    with torch.inference_mode():
        assert torch.equal(again(waveform), tagger.eval()(waveform))
        torch.testing.assert_close(tagging.fuse(again)(waveform), again(waveform))
    return tagger.features(waveform)


@pytest.mark.parametrize("backend", [*tagging.list_backends(), "average"])
def test_a_front_end_fits_every_back_end(backend, tmp_path):
    tagger = tagging.build_tagger("energy", backend, TAGS, 2.0, width=0.5, frontend_options={"channels": 12})
    features = check(tagger, tmp_path)
    assert features["energy"].shape == (3, 6, 61)
    assert torch.equal(features["frontend"], features["energy"])
    assert FRONTENDS.options("energy") == ["width", "sample_rate", "channels"]


@pytest.mark.parametrize("frontend", tagging.list_frontends())
def test_a_back_end_and_a_head_fit_every_front_end(frontend, tmp_path):
    tagger = tagging.build_tagger(frontend, "average", TAGS, 2.0, width=0.1, head="cosine")
    tagger.init_output_bias([0.2, 0.7])
    check(tagger, tmp_path)
    nn.init.zeros_(tagger.head.linear.weight)
    np.testing.assert_allclose(tagger.scores(np.zeros((1, 32000), np.float32)), [[0.2, 0.7]], atol=1e-6)


def test_one_waveform_trains_where_no_normalisation_forbids_it():
    tagger = tagging.build_tagger("energy", "average", TAGS, 2.0)
    assert tagger(torch.zeros(1, tagger.segment_samples)).shape == (1, 2)
