"""The loss is what the paper writes; unknown labels and parts of a batch add up; weighings do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import MIXED, vocabularies
from hypothesis import assume, given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.tags import REGRESSION, Vocabulary
from tagging.training.losses import LOSSES, MIN_PRIOR, count_labelled, tag_loss


def obvious_loss(logits: np.ndarray, labels: np.ndarray, vocabulary: Vocabulary) -> float:
    """Tag by tag and song by song, in float64."""
    sums = {"classification": [], "regression": []}
    for row in range(len(logits)):
        for column, tag in enumerate(vocabulary):
            z, y = float(logits[row, column]), float(labels[row, column])
            if np.isnan(y):
                continue
            p = 1 / (1 + np.exp(-z))
            sums[tag.kind].append((p - y) ** 2 if tag.kind == REGRESSION else -y * np.log(p) - (1 - y) * np.log(1 - p))
    return sum(np.mean(values) for values in sums.values() if values)


@given(vocabularies, st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_loss_is_the_obvious_one(vocabulary, batch, seed, unknown):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (batch, len(vocabulary))).astype(np.float32)
    labels = rng.uniform(0, 1, logits.shape).astype(np.float32)
    labels[:, vocabulary.classification] = labels[:, vocabulary.classification].round()
    labels[rng.uniform(size=labels.shape) < unknown] = np.nan
    loss = tag_loss(torch.from_numpy(logits), torch.from_numpy(labels), vocabulary)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(obvious_loss(logits, labels, vocabulary), rel=1e-5, abs=1e-6)


def test_unknown_labels_add_nothing():
    logits = torch.randn(3, 6, requires_grad=True)
    labels = torch.rand(3, 6).round()
    labels[1, 2] = labels[0, 1] = float("nan")
    tag_loss(logits, labels, MIXED).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[1, 2] == logits.grad[0, 1] == 0
    assert (logits.grad != 0).sum() == 16
    nothing = torch.randn(3, 6, requires_grad=True)
    loss = tag_loss(nothing, torch.full((3, 6), float("nan")), MIXED)
    loss.backward()
    assert loss.item() == 0
    assert not nothing.grad.any()


def test_loss_is_float32_and_finite_for_confident_half_precision_logits():
    logits = torch.tensor([[40000.0, -40000.0, 1.0, 40000.0, 0.0, -40000.0]], dtype=torch.float16)
    loss = tag_loss(logits, torch.ones(1, 6, dtype=torch.float16), MIXED)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"logits \(2, 6\) and labels \(2, 5\) do not fit a vocabulary of 6 tags"):
        tag_loss(torch.zeros(2, 6), torch.zeros(2, 5), MIXED)
    with pytest.raises(ConfigError, match="do not fit a vocabulary of 6 tags"):
        tag_loss(torch.zeros(2, 5), torch.zeros(2, 5), MIXED)


@given(parts=st.integers(1, 5), seed=st.integers(0, 99))
def test_losses_of_parts_add_up_to_that_of_the_whole(parts, seed):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=(10, len(MIXED))))
    labels = torch.from_numpy((random.random((10, len(MIXED))) < 0.5).astype(float))
    labels[torch.from_numpy(random.random((10, len(MIXED))) < 0.4)] = float("nan")
    num_labelled = count_labelled(labels, MIXED)
    assert num_labelled.sum() == (~labels.isnan()).sum()
    whole = tag_loss(logits, labels, MIXED)
    pieces = [
        tag_loss(a, b, MIXED, num_labelled) for a, b in zip(logits.chunk(parts), labels.chunk(parts), strict=True)
    ]
    torch.testing.assert_close(sum(pieces), whole)


@given(seed=st.integers(0, 99))
def test_a_balanced_loss_gives_positives_the_weight_of_negatives(seed):
    """At the shares that the labels have, both sums of weights are half of the number of songs, for every tag."""
    random = np.random.default_rng(seed)
    labels = torch.from_numpy((random.random((400, 6)) < [0.02, 0.05, 0.1, 0.3, 0.5, 0.9]).astype(float))
    tag_prior = labels.mean(0)
    assume(bool(((tag_prior > MIN_PRIOR) & (tag_prior < 1 - MIN_PRIOR)).all()))
    weights = LOSSES.get("balanced")(torch.zeros_like(labels), labels, tag_prior)
    torch.testing.assert_close((weights * labels).sum(0), torch.full((6,), 200.0).double())
    torch.testing.assert_close((weights * (1 - labels)).sum(0), torch.full((6,), 200.0).double())


def test_no_weight_is_beyond_that_of_the_rarest():
    weights = LOSSES.get("balanced")(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(weights, torch.full((1, 2), 0.5 / MIN_PRIOR))


@given(seed=st.integers(0, 99))
def test_a_focal_loss_is_that_of_its_paper(seed):
    """-(1 - p)^2 log(p), with p the probability given to what is true; attributes keep their squared error."""
    random = np.random.default_rng(seed)
    logits, labels = random.normal(0, 2, (5, 6)), (random.random((5, 6)) < 0.5).astype(float)
    score = 1 / (1 + np.exp(-logits))
    right = np.where(labels == 1, score, 1 - score)[:, MIXED.classification]
    error = (score - labels)[:, MIXED.regression]
    expected = (-((1 - right) ** 2) * np.log(right)).mean() + (error**2).mean()
    loss = tag_loss(torch.from_numpy(logits), torch.from_numpy(labels), MIXED, loss_weighting="focal")
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_unknown_losses_are_refused():
    logits = torch.zeros(1, 6)
    with pytest.raises(ConfigError, match="unknown loss 'focul': did you mean 'focal'"):
        tag_loss(logits, logits, MIXED, loss_weighting="focul")
    with pytest.raises(ConfigError, match="tag_prior"):
        tag_loss(logits, logits, MIXED, loss_weighting="balanced")
