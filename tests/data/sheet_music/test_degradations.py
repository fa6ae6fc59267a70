"""Room, band limit, noise and level: set by the parameters, the same in any batch, never clipped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging.data.sheet_music.degradations import Degradations, degrade_clip

DRY = [0.0, 0.0, 0.9, 0.9, 0.5, 0.0]  # no reverb, no band limit, no noise


@pytest.fixture(scope="module")
def degrade() -> Degradations:
    return Degradations()


def clip(seconds: float = 3.0) -> torch.Tensor:
    time = torch.arange(int(seconds * 16000)) / 16000
    tone = sum(torch.sin(2 * torch.pi * 220 * k * time) / k for k in range(1, 30))
    return 0.1 * tone * (1 + torch.sin(2 * torch.pi * 2 * time))


def apply(degrade: Degradations, *params: list[float]) -> torch.Tensor:
    return degrade(clip().repeat(len(params), 1), torch.tensor(params, dtype=torch.float32))


def test_without_any_only_the_level_changes(degrade: Degradations):
    (out,) = apply(degrade, DRY)
    ratio = (out * clip()).sum() / clip().square().sum()
    torch.testing.assert_close(out, ratio * clip(), atol=1e-5, rtol=1e-4)


def test_a_clip_is_degraded_alike_in_any_batch(degrade: Degradations):
    params = torch.rand(8, 6, generator=torch.Generator().manual_seed(1)).tolist()
    together = apply(degrade, *params)
    for row, param in enumerate(params):
        torch.testing.assert_close(together[row], apply(degrade, param)[0], atol=1e-5, rtol=1e-4)


def test_more_reverb_is_more_room(degrade: Degradations):
    impulse = torch.zeros(1, 16000)
    impulse[0, 100] = 1
    tails = []
    for amount in (0.0, 0.3, 0.6, 0.99):
        out = degrade(impulse, torch.tensor([[amount, 0.5, *DRY[2:]]]))[0]
        tails.append(float(out[500:].square().sum() / out.square().sum()))
    assert tails[0] < 1e-6
    assert tails == sorted(tails)
    assert tails[-1] > 0.15


def test_band_limit_and_noise_do_what_they_say(degrade: Degradations):
    low, open_band = apply(degrade, [0, 0, 0.0, 0.9, 0.5, 0], DRY)
    spectrum = [torch.fft.rfft(x).abs().square() for x in (low, open_band)]
    above = [float(s[3 * 4000 :].sum() / s.sum()) for s in spectrum]
    assert above[0] < 0.01 * above[1]
    (noisy,) = apply(degrade, [0, 0, 0.9, 0.49, 0.5, 0.3])
    ratio = (noisy * clip()).sum() / clip().square().sum()
    rest = noisy - ratio * clip()
    snr = 10 * torch.log10((ratio * clip()).square().mean() / rest.square().mean())
    assert 11 < float(snr) < 14


def test_levels_and_peaks(degrade: Degradations):
    params = torch.rand(64, 6, generator=torch.Generator().manual_seed(2))
    out = apply(degrade, *params.tolist())
    assert out.abs().max() <= 0.981
    level = 20 * torch.log10(out.square().mean(dim=1).sqrt())
    assert float(level.min()) > -27
    assert float(level.max()) < -13.9
    assert np.corrcoef(level, params[:, 4])[0, 1] < -0.9


def test_silence_stays_finite(degrade: Degradations):
    assert degrade(torch.zeros(1, 16000), torch.tensor([DRY])).isfinite().all()


def test_int16_and_float_agree(degrade: Degradations):
    pcm = (clip() * 32768).round().to(torch.int16)[None]
    params = torch.tensor([DRY])
    torch.testing.assert_close(degrade(pcm, params), degrade(pcm.float() / 32768, params))


def test_one_clip_on_the_cpu():
    out = degrade_clip((clip() * 32768).round().to(torch.int16).numpy(), np.array(DRY))
    assert out.dtype == np.int16
    assert np.abs(out.astype(int)).max() < 32768
