"""Running statistics of batch normalisation: their momentum, and their recomputation after a short training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tagging
from tagging.errors import ConfigError

RATE = 16000


def batches(count: int, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of tones that are low (label 0) or high (label 1), in noise."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(RATE // 2) / RATE
    made = []
    for _ in range(count):
        labels = torch.randint(0, 2, (16, 1), generator=generator).float()
        pitch = 300 + 2000 * labels + 200 * torch.rand(16, 1, generator=generator)
        noise = 0.1 * torch.randn(16, len(time), generator=generator)
        made.append((torch.sin(2 * torch.pi * pitch * time) + noise, labels))
    return made


def brier(tagger: tagging.Tagger) -> float:
    """Mean squared error of scores in evaluation mode, on waveforms that were not trained on."""
    errors = []
    with tagger.inference() as network:
        for waveform, labels in batches(4, seed=99):
            errors.append((network(waveform).sigmoid() - labels).square().mean().item())
    return float(np.mean(errors))


def trained(norm_momentum: float) -> tagging.Tagger:
    torch.manual_seed(0)
    tagger = tagging.build_tagger(
        "waveform", "temporal-pooling", ["high"], 0.5, width=0.1, dropout=0.0, norm_momentum=norm_momentum
    )
    optimizer = torch.optim.Adam(tagger.parameters(), lr=3e-3)
    for waveform, labels in batches(40, seed=1):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(tagger(waveform), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tagger


def test_a_short_training_is_repaired():
    """40 steps are too few for a momentum of 0.01: the network has learnt, its running statistics lag behind."""
    tagger = trained(0.01)
    assert brier(tagger) > 0.05  # measured: 0.13 to 0.32; a constant score of 0.5 has 0.25
    tagging.renormalise(tagger, (waveform for waveform, _ in batches(8, seed=2)))
    assert brier(tagger) < 0.02


def test_the_default_momentum_suits_a_short_training():
    assert brier(trained(0.1)) < 0.05


def test_the_statistics_are_averages_over_the_batches():
    torch.manual_seed(0)
    tagger = tagging.build_tagger("spectrogram", "dense", ["a"], 0.5, width=0.1, frontend_options={"input_norm": True})
    waveforms = [waveform for waveform, _ in batches(3, seed=3)]
    log_mels = [tagger.frontend.log_mel(waveform) for waveform in waveforms]
    tagging.renormalise(tagger, waveforms)
    mean = torch.stack([log_mel.mean() for log_mel in log_mels]).mean()
    variance = torch.stack([log_mel.var() for log_mel in log_mels]).mean()
    torch.testing.assert_close(tagger.frontend.input_norm.running_mean[0], mean)
    torch.testing.assert_close(tagger.frontend.input_norm.running_var[0], variance)


def test_everything_else_is_as_before():
    tagger = tagging.build_tagger("waveform", "dense", ["a"], 0.5, width=0.1, norm_momentum=0.3).train()
    tagger.frontend.strided.eval()
    modes = {name: module.training for name, module in tagger.named_modules()}
    parameters = {name: parameter.clone() for name, parameter in tagger.named_parameters()}
    tagging.renormalise(tagger, [torch.randn(2, 8000)])
    assert {name: module.training for name, module in tagger.named_modules()} == modes
    assert all(torch.equal(parameter, parameters[name]) for name, parameter in tagger.named_parameters())
    assert all(parameter.grad is None for parameter in tagger.parameters())
    assert tagger.backend.layers[0].norm.momentum == 0.3


@pytest.mark.parametrize(
    ("waveforms", "message"),
    [
        ([], "no batches"),
        ([torch.randn(2, 8000), torch.randn(1, 8000)], "batch 2 has 1"),
        ([torch.randn(2, 10)], "10 samples"),
        ([torch.randn(2, 8000), torch.full((2, 8000), float("nan"))], "batch 2.*NaN"),
    ],
)
def test_batches_that_cannot_be_used_change_nothing(waveforms, message):
    tagger = tagging.build_tagger("waveform", "dense", ["a"], 0.5, width=0.1)
    before = {name: tensor.clone() for name, tensor in tagger.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        tagging.renormalise(tagger, waveforms)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tagger.state_dict().items())
    assert tagger.training
    assert tagger.backend.layers[0].norm.momentum == 0.1
