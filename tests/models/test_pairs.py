"""Any front-end with any back-end: builds, runs, learns, and comes back from its file the same."""

from __future__ import annotations

import pytest
import torch

from tagging import Tagger, build_tagger, list_backends, list_frontends
from tagging.errors import ConfigError
from tagging.tags import REGRESSION, Tag, Vocabulary
from tagging.training.losses import tag_loss

PAIRS = [(frontend, backend) for frontend in list_frontends() for backend in list_backends()]
EACH_PAIR = pytest.mark.parametrize(("frontend", "backend"), PAIRS)
VOCABULARY = Vocabulary(
    [
        "guitar",
        "slow",
        Tag("energy", kind=REGRESSION),
        Tag("major", exclusive_group="mode"),
        Tag("minor", exclusive_group="mode"),
    ]
)
RATE = 16000


def seconds_of(frontend: str) -> float:
    """Short, but of more than one frame: with one frame, attention would have nothing to choose from."""
    return 2.1 if frontend == "spectrogram-vgg" else 0.6


def build(frontend: str, backend: str, **options) -> Tagger:
    """Narrow, without dropout, so that losses of two steps can be compared."""
    if frontend == "spectrogram-vgg":
        options["frontend_options"] = {"dropout": 0.0}
    return build_tagger(
        frontend, backend, VOCABULARY, seconds_of(frontend), **{"width": 0.08, "dropout": 0.0, **options}
    )


def sounds(count: int, seconds: float) -> torch.Tensor:
    return 0.1 * torch.randn(count, round(seconds * RATE))


def test_there_are_twenty_five():
    assert len(PAIRS) == 25


@EACH_PAIR
def test_forward_backward_and_learning(frontend, backend):
    tagger = build(frontend, backend).train()
    waveform = sounds(4, tagger.segment_seconds)
    labels = torch.tensor([[1, 0, 0.9, 1, 0], [0, 1, 0.1, 0, 1], [1, 1, 0.4, 1, 0], [0, 0, 0.7, 0, 1]])
    optimiser = torch.optim.Adam(tagger.parameters(), lr=2e-3)
    losses = []
    for step in range(20):
        optimiser.zero_grad()
        loss = tag_loss(tagger(waveform), labels, tagger.vocabulary)
        loss.backward()
        if step == 0:
            for name, parameter in tagger.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name
                assert parameter.grad.any(), f"{name} has no part in the output"
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert min(losses[10:]) < min(losses[:10])
    tagger.eval()
    with torch.inference_mode():
        assert tagger(sounds(1, tagger.segment_seconds)).shape == (1, 5)
        assert tagger(sounds(3, tagger.segment_seconds)).shape == (3, 5)


@EACH_PAIR
def test_saved_and_loaded_the_same(frontend, backend, tmp_path):
    tagger = build(frontend, backend, head="per-group").train()
    with torch.no_grad():
        tagger(sounds(4, tagger.segment_seconds))  # moves the running means and variances from where they start
    path = tagger.save(tmp_path / "it.safetensors")
    again = Tagger.load(path)
    assert not again.training
    assert again.config.frontend == frontend
    assert again.config.backend == backend
    assert again.vocabulary == VOCABULARY
    waveform = sounds(2, tagger.segment_seconds)
    with torch.inference_mode():
        assert torch.equal(again(waveform), tagger.eval()(waveform))


@EACH_PAIR
def test_other_lengths(frontend, backend):
    """Back-ends of variable length take any length that the front-end takes; the others name both lengths."""
    tagger = build(frontend, backend).eval()
    for seconds in (1.3 * tagger.segment_seconds, 1.7 * tagger.segment_seconds, tagger.frontend.min_samples / RATE):
        waveform = sounds(2, seconds)
        frames = tagger.frontend.num_frames(waveform.shape[-1])
        if tagger.backend.fixed_frames in (None, frames):
            with torch.inference_mode():
                assert tagger(waveform).isfinite().all()
        else:
            with pytest.raises(ConfigError, match=f"{tagger.backend.fixed_frames} frames.* {frames}:"):
                tagger(waveform)


@EACH_PAIR
def test_features_of_a_batch_are_those_of_each_segment(frontend, backend):
    """The original's extractor repeats the first segment's features in all others."""
    tagger = build(frontend, backend)
    waveform = sounds(3, tagger.segment_seconds)
    together = tagger.features(waveform)
    assert {"frontend", "penultimate", "logits"} <= set(together)
    assert tagger.training
    for index in range(3):
        alone = tagger.features(waveform[index : index + 1])
        assert set(alone) == set(together)
        for name, value in alone.items():
            assert value.shape[0] == 1
            scale = float(value.abs().max()) + 1e-3
            torch.testing.assert_close(together[name][index : index + 1], value, rtol=0, atol=2e-5 * scale)
    with torch.inference_mode():
        torch.testing.assert_close(together["logits"], tagger.eval()(waveform), rtol=0, atol=0)


@EACH_PAIR
def test_autocast_stays_close(frontend, backend):
    """Under bfloat16 the log-mel stays float32, so the scores stay within what bfloat16 weights explain."""
    tagger = build(frontend, backend).eval()
    waveform = sounds(2, tagger.segment_seconds)
    with torch.inference_mode():
        plain = tagger(waveform).sigmoid()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = tagger(waveform).float().sigmoid()
    assert (plain - rounded).abs().max() < 0.03
