"""Heads keep the order of the vocabulary, and their tags share the layers that they say they share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import MIXED, vocabularies
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tagging.errors import ConfigError
from tagging.models.heads import HEADS, exclusive_logits, list_heads
from tagging.tags import REGRESSION, Tag, Vocabulary

SETS = {"per-tag": [[0], [1], [2], [3], [4], [5]], "per-group": [[0], [1], [2, 4], [3], [5]]}


@pytest.mark.parametrize("name", list_heads())
@given(vocabulary=vocabularies, batch=st.integers(1, 4))
def test_one_logit_a_tag(name, vocabulary, batch):
    head = HEADS.build(name, 11, vocabulary).eval()
    assert head(torch.randn(batch, 11)).shape == (batch, len(vocabulary))


def test_linear_keeps_the_order_of_the_vocabulary():
    """Two layers, one of each kind; each logit is the row of its tag within its kind."""
    head = HEADS.build("linear", 8, MIXED, dropout=0.0)
    x = torch.randn(3, 8)
    kinds = {"classification": [0, 2, 3, 4], "regression": [1, 5]}
    for kind, members in kinds.items():
        expected = nn.functional.linear(x, head.kinds[kind].weight, head.kinds[kind].bias)
        torch.testing.assert_close(head(x)[:, members], expected)
    assert isinstance(HEADS.build("together", 8, MIXED), type(head))  # the name of earlier versions
    assert list(HEADS.build("linear", 8, Vocabulary(list("abc"))).kinds) == ["classification"]
    assert list(HEADS.build("linear", 8, Vocabulary([Tag("a", kind=REGRESSION)])).kinds) == ["regression"]


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
    with pytest.raises(ConfigError, match="'per-tags'.*'per-tag'"):
        HEADS.build("per-tags", 8, MIXED)
    with pytest.raises(ConfigError, match="0 hidden units"):
        HEADS.build("per-tag", 8, MIXED, hidden=0)
    with pytest.raises(ConfigError, match="'linear'.*'hidden'"):
        HEADS.build("linear", 8, MIXED, hidden=3)


@pytest.mark.parametrize("name", list_heads())
def test_outputs_start_at_the_prior(name):
    """With features of zero an untrained head scores each tag with its prior."""
    tag_prior = np.array([0.9, 0.25, 0.01, np.nan, 0.5, 0.7])
    head = HEADS.build(name, 8, MIXED).eval()
    head.init_output_bias(tag_prior)
    with torch.no_grad():
        for parameter in head.parameters():
            if parameter.ndim > 1:
                parameter.zero_()
    scores = head(torch.zeros(1, 8)).sigmoid()[0]
    np.testing.assert_allclose(scores.detach(), [0.9, 0.25, 0.01, 0.5, 0.5, 0.7], atol=1e-6)


@given(vocabulary=vocabularies, seed=st.integers(0, 99))
def test_exclusive_tags_share_a_softmax_with_none_of_them(vocabulary, seed):
    logits = torch.from_numpy(np.random.default_rng(seed).normal(0, 3, (3, len(vocabulary))))
    groups = list(vocabulary.exclusive_groups.values())
    scores = exclusive_logits(logits, groups).sigmoid().numpy()
    alone = np.array([tag.exclusive_group is None for tag in vocabulary])
    np.testing.assert_allclose(scores[:, alone], logits.sigmoid()[:, alone])
    for members in map(list, groups):
        powers = np.exp(logits[:, members].numpy())
        np.testing.assert_allclose(scores[:, members], powers / (1 + powers.sum(1, keepdims=True)), rtol=1e-6)


def test_the_exclusive_head_is_the_shared_one_with_a_softmax():
    head = HEADS.build("exclusive", 8, MIXED, dropout=0.0)
    shared = HEADS.build("linear", 8, MIXED, dropout=0.0)
    shared.load_state_dict(head.state_dict())
    x = 9 * torch.randn(500, 8)
    scores, free = head(x).sigmoid(), shared(x).sigmoid()
    assert (scores[:, [2, 4]].sum(1) <= 1 + 1e-6).all()
    assert (free[:, [2, 4]].sum(1) > 1.5).any()
    torch.testing.assert_close(scores[:, [0, 1, 3, 5]], free[:, [0, 1, 3, 5]])
