"""Heads keep the order of the vocabulary and share what they say they share; the loss is what the paper writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tagging.errors import ConfigError
from tagging.heads import HEADS, known_labels, list_heads, tag_loss
from tagging.tags import UNIFORM, Tag, Vocabulary

MIXED = Vocabulary(
    [
        Tag("fast"),
        Tag("energy", kind=UNIFORM),
        Tag("major", group="mode"),
        Tag("rock"),
        Tag("minor", group="mode"),
        Tag("age", kind=UNIFORM),
    ]
)
SETS = {"per-tag": [[0], [1], [2], [3], [4], [5]], "per-group": [[0], [1], [2, 4], [3], [5]]}


@pytest.mark.parametrize("name", list_heads())
@given(vocabulary=vocabularies, batch=st.integers(1, 4))
def test_one_logit_a_tag(name, vocabulary, batch):
    head = HEADS.build(name, 11, vocabulary).eval()
    assert head(torch.randn(batch, 11)).shape == (batch, len(vocabulary))


def test_together_keeps_the_order_of_the_vocabulary():
    """Two layers, one of each kind; each logit is the row of its tag within its kind."""
    head = HEADS.build("together", 8, MIXED, dropout=0.0)
    x = torch.randn(3, 8)
    kinds = {"bi-modal": [0, 2, 3, 4], "uniform": [1, 5]}
    for kind, members in kinds.items():
        expected = nn.functional.linear(x, head.kinds[kind].weight, head.kinds[kind].bias)
        torch.testing.assert_close(head(x)[:, members], expected)
    assert list(HEADS.build("together", 8, Vocabulary(list("abc"))).kinds) == ["bi-modal"]
    assert list(HEADS.build("together", 8, Vocabulary([Tag("a", kind=UNIFORM)])).kinds) == ["uniform"]


@pytest.mark.parametrize("name", list(SETS))
def test_sets_of_tags_share_no_hidden_unit(name):
    """The gradient of a tag's logit reaches the hidden units of its own set, and those only."""
    head = HEADS.build(name, 8, MIXED, hidden=5, dropout=0.0)
    nn.init.ones_(head.weight)
    nn.init.constant_(head.hidden.bias, 10.0)  # every unit is on
    assert head.hidden.out_features == 5 * len(SETS[name])
    reached = {}
    for tag in range(len(MIXED)):
        head.zero_grad()
        head(torch.randn(2, 8))[:, tag].sum().backward()
        reached[tag] = frozenset(head.hidden.weight.grad.abs().sum(1).nonzero()[:, 0].tolist())
        assert len(reached[tag]) == 5
        assert head.weight.grad.abs().sum(1).nonzero()[:, 0].tolist() == [tag]
    for members in SETS[name]:
        assert len({reached[tag] for tag in members}) == 1
    others = [reached[members[0]] for members in SETS[name]]
    assert sum(map(len, others)) == len(frozenset.union(*others))


def test_per_tag_is_a_small_network_for_each():
    """Equal to building the networks one by one."""
    head = HEADS.build("per-tag", 8, MIXED, hidden=3, dropout=0.0)
    nn.init.normal_(head.bias)
    x = torch.randn(4, 8)
    for tag in range(len(MIXED)):
        rows = slice(3 * tag, 3 * tag + 3)
        units = torch.relu(nn.functional.linear(x, head.hidden.weight[rows], head.hidden.bias[rows]))
        torch.testing.assert_close(head(x)[:, tag], units @ head.weight[tag] + head.bias[tag])


@pytest.mark.parametrize("name", list_heads())
def test_dropout_is_off_in_evaluation(name):
    head = HEADS.build(name, 64, MIXED, dropout=0.9)
    x = torch.randn(2, 64)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


def test_wrong_heads_are_refused():
    with pytest.raises(ConfigError, match="unknown head 'per-tags': did you mean 'per-tag'"):
        HEADS.build("per-tags", 8, MIXED)
    with pytest.raises(ConfigError, match="a head of 0 hidden units"):
        HEADS.build("per-tag", 8, MIXED, hidden=0)
    with pytest.raises(ConfigError, match="head 'together': unknown option 'hidden'"):
        HEADS.build("together", 8, MIXED, hidden=3)


def obvious_loss(logits: np.ndarray, labels: np.ndarray, vocabulary: Vocabulary) -> float:
    """Tag by tag and song by song, in float64."""
    sums = {"bi-modal": [], "uniform": []}
    for row in range(len(logits)):
        for column, tag in enumerate(vocabulary):
            z, y = float(logits[row, column]), float(labels[row, column])
            if np.isnan(y):
                continue
            p = 1 / (1 + np.exp(-z))
            sums[tag.kind].append((p - y) ** 2 if tag.kind == UNIFORM else -y * np.log(p) - (1 - y) * np.log(1 - p))
    return sum(np.mean(values) for values in sums.values() if values)


@given(vocabularies, st.integers(1, 5), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_loss_is_the_obvious_one(vocabulary, batch, seed, unknown):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (batch, len(vocabulary))).astype(np.float32)
    labels = rng.uniform(0, 1, logits.shape).astype(np.float32)
    labels[:, vocabulary.bimodal] = labels[:, vocabulary.bimodal].round()
    labels[rng.uniform(size=labels.shape) < unknown] = np.nan
    found = tag_loss(torch.from_numpy(logits), torch.from_numpy(labels), vocabulary)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(obvious_loss(logits, labels, vocabulary), rel=1e-5, abs=1e-6)


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


@pytest.mark.parametrize("name", list_heads())
def test_outputs_start_at_the_shares(name):
    """With silent features a new head scores each tag as often as it is given."""
    share = np.array([0.9, 0.25, 0.01, np.nan, 0.5, 0.7])
    head = HEADS.build(name, 8, MIXED).eval()
    head.start_at(share)
    with torch.no_grad():
        for parameter in head.parameters():
            if parameter.ndim > 1:
                parameter.zero_()
    scores = head(torch.zeros(1, 8)).sigmoid()[0]
    np.testing.assert_allclose(scores.detach(), [0.9, 0.25, 0.01, 0.5, 0.5, 0.7], atol=1e-6)


@given(parts=st.integers(1, 5), seed=st.integers(0, 99))
def test_losses_of_parts_add_up_to_that_of_the_whole(parts, seed):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=(10, len(MIXED))))
    labels = torch.from_numpy((random.random((10, len(MIXED))) < 0.5).astype(float))
    labels[torch.from_numpy(random.random((10, len(MIXED))) < 0.4)] = float("nan")
    known = known_labels(labels, MIXED)
    assert known.sum() == (~labels.isnan()).sum()
    whole = tag_loss(logits, labels, MIXED)
    pieces = [tag_loss(a, b, MIXED, known) for a, b in zip(logits.chunk(parts), labels.chunk(parts), strict=True)]
    torch.testing.assert_close(sum(pieces), whole)
