"""The network on mel statistics: its input, that it learns, and that it trains like a tagger."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging.baselines.mel_statistics import GROUPS, MelStatistics, autocorrelation
from tagging.errors import ConfigError
from tagging.models.base import modes_restored
from tagging.tags import Tag, Vocabulary
from tagging.training.losses import tag_loss

VOCABULARY = Vocabulary(["a", Tag("b", "regression"), "c"])
RATE = 16000


@pytest.fixture
def model() -> MelStatistics:
    return MelStatistics(VOCABULARY, 1.0)


def noise(batch: int, seconds: float = 1.0, rate: int = RATE) -> torch.Tensor:
    return 0.1 * torch.randn(batch, round(seconds * rate))


def test_the_statistics_are_those_of_the_definition(model):
    waveform = noise(3)
    mel = model.log_mel(waveform).double().numpy()
    rises = np.maximum(np.diff(mel, axis=2), 0)
    curves = np.stack([part.mean(axis=1) for part in np.array_split(rises, GROUPS, axis=1)], axis=1)
    curves -= curves.mean(axis=2, keepdims=True)
    lags = range(*model.lags.indices(curves.shape[2]))
    assert (lags[0], lags[-1]) == (round(0.1 * 62.5), round(0.5 * 62.5))
    frames = curves.shape[2]
    power = (curves**2).sum(axis=2)
    rhythm = [(curves[..., : frames - lag] * curves[..., lag:]).sum(axis=2) / power for lag in lags]
    expected = [mel.mean(axis=2), mel.std(axis=2, ddof=1), rises.mean(axis=2), mel.max(axis=2)]
    expected = np.concatenate([*expected, np.stack(rhythm, axis=2).reshape(3, -1)], axis=1)
    np.testing.assert_allclose(model.statistics(waveform).numpy(), expected, atol=1e-4)


def test_a_pulse_has_its_period():
    model = MelStatistics(VOCABULARY, 4.0)
    sound = torch.zeros(1, 4 * RATE)
    for start in range(0, 4 * RATE, RATE // 2):
        sound[:, start : start + 200] = noise(1, 200 / RATE)
    rhythm = model.statistics(sound)[0, 4 * 96 :].reshape(GROUPS, -1)
    # every curve correlates with itself near lag 0: the pulse is the maximum beyond 0.25 s
    beyond = round(0.25 * 62.5) - model.lags.start
    periods = (rhythm[:, beyond:].argmax(dim=1) + round(0.25 * 62.5)) / 62.5
    assert torch.allclose(periods, torch.tensor(0.5), atol=0.02)


@pytest.mark.parametrize("head", ["per-tag", "per-group"])
def test_separate_tags_share_no_unit(head):
    """The gradient of one tag reaches hidden units that no other tag's does."""
    model = MelStatistics(VOCABULARY, 1.0, head=head, dropout=0.0)
    reached = []
    for tag in range(3):
        model.zero_grad()
        model(noise(8))[:, tag].sum().backward()
        reached.append(set(model.head.hidden.weight.grad.abs().sum(1).nonzero()[:, 0].tolist()))
    assert all(reached)
    assert not reached[0] & reached[1]
    assert not reached[1] & reached[2]


def test_silence_has_no_rhythm_and_finite_scores(model):
    statistics = model.statistics(torch.zeros(2, RATE))
    assert not statistics.any()
    assert model(torch.zeros(2, RATE)).isfinite().all()
    assert not autocorrelation(torch.full((1, 30), 0.7)).any()


def test_shapes_and_lengths(model):
    assert model(noise(4)).shape == (4, 3)
    assert model(noise(4, 2.0)).shape == (4, 3)
    with pytest.raises(ConfigError, match="8000 samples"):
        model(noise(4, 0.5))
    with pytest.raises(ConfigError, match=r"0\.1 s"):
        MelStatistics(VOCABULARY, 0.1)
    assert MelStatistics(VOCABULARY, 15.0).hidden[0].in_features == 4 * 96 + GROUPS * (125 - 6 + 1)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_any_sample_rate(rate):
    model = MelStatistics(VOCABULARY, 1.0, sample_rate=rate)
    assert model(noise(2, rate=rate)).shape == (2, 3)


def test_it_starts_at_the_prior_of_each_tag(model):
    model.init_output_bias(np.array([0.02, 0.7, np.nan]))
    with torch.no_grad():
        for layer in model.head.kinds.values():
            layer.weight.zero_()
    model.eval()
    with torch.inference_mode():
        scores = model(noise(2)).sigmoid()
    np.testing.assert_allclose(scores.numpy(), [[0.02, 0.7, 0.5]] * 2, atol=1e-6)


def test_modes_are_restored_module_by_module(model):
    model.train()
    model.standardise.eval()
    mean = model.standardise.running_mean.clone()
    with modes_restored(model), torch.inference_mode():
        model.eval()
        assert not any(module.training for module in model.modules())
        scores = model(noise(1, 2.0))
        assert not scores.requires_grad
    assert model.training
    assert not model.standardise.training
    assert torch.equal(model.standardise.running_mean, mean)


def test_it_learns_what_its_statistics_describe():
    """Which of two bands sounds, its level, and whether it pulses."""
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE

    def clip() -> tuple[np.ndarray, list[float]]:
        high, loud, pulsing = random.random() < 0.5, random.random(), random.random() < 0.5
        sound = (0.02 + 0.2 * loud) * np.sin(2 * np.pi * (2500 if high else 400) * time)
        if pulsing:
            sound = sound * (np.sin(2 * np.pi * 4 * time + 6 * random.random()) > 0)
        return sound + 0.003 * random.normal(size=RATE), [high, loud, pulsing]

    sounds, labels = zip(*[clip() for _ in range(256)], strict=True)
    x, y = torch.tensor(np.array(sounds), dtype=torch.float32), torch.tensor(labels, dtype=torch.float32)
    torch.manual_seed(0)
    model = MelStatistics(VOCABULARY, 1.0, hidden=32, dropout=0.3)
    model.init_output_bias(y[:192].mean(dim=0).numpy())
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    first = None
    for epoch in range(12):
        for rows in torch.from_numpy(np.random.default_rng(epoch).permutation(192)).split(32):
            loss = tag_loss(model(x[rows]), y[rows], model.vocabulary)
            first = loss.item() if first is None else first
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    model.eval()
    with torch.inference_mode():
        scores = model(x[192:]).sigmoid().numpy()
    expected = y[192:].numpy()
    assert loss.item() < 0.3 * first
    for tag in (0, 2):
        assert ((scores[:, tag] > 0.5) == expected[:, tag]).mean() > 0.95
    assert np.sqrt(np.mean((scores[:, 1] - expected[:, 1]) ** 2)) < 0.6 * expected[:, 1].std()
