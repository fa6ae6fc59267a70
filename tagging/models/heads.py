"""Heads: features of a segment -> one logit a tag. Book: ``book/putting_together``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..tags import CLASSIFICATION, REGRESSION, Vocabulary
from .base import HEADS, Head
from .layers import he_init

MAX_GROUP = 1000  # tags of an exclusive group: the softmax of a group needs memory for its square


def list_heads() -> list[str]:
    """Names that :func:`tagging.build_tagger` takes as ``head``.

    >>> list_heads()
    ['exclusive', 'linear', 'per-group', 'per-tag']
    """
    return sorted(HEADS.names())


@HEADS.register("linear", "together")
class LinearHead(Head):
    """One linear layer for the classification tags and one for the regression attributes, over the same feature vector.

    Args:
        in_features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs.
        dropout: on the feature vector.

    Source: Pons et al. 2018, section 3 (the last layer).
    """

    order: Tensor

    def __init__(self, in_features: int, vocabulary: Vocabulary, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.kinds = nn.ModuleDict()
        order: list[int] = []
        for name, mask in ((CLASSIFICATION, vocabulary.classification), (REGRESSION, vocabulary.regression)):
            if mask.any():
                self.kinds[name] = layer = nn.Linear(in_features, int(mask.sum()))
                he_init(layer)
                order += mask.nonzero()[0].tolist()
        self.register_buffer("order", torch.tensor(order).argsort(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)  # [batch, features]
        logits = torch.cat([layer(x) for layer in self.kinds.values()], dim=1)  # [batch, tags], kind by kind
        return logits[:, self.order]  # [batch, tags], in the order of the vocabulary

    def init_output_bias(self, tag_prior: np.ndarray) -> None:
        by_kind = prior_logits(tag_prior)[self.order.argsort().cpu()]  # [tags], kind by kind
        sizes = [layer.out_features for layer in self.kinds.values()]
        for layer, bias in zip(self.kinds.values(), by_kind.split(sizes), strict=True):
            layer.get_parameter("bias").data.copy_(bias)


@HEADS.register("exclusive")
class SoftmaxGroupHead(LinearHead):
    """A linear head with a softmax over each exclusive group, in which "none of them" is one more class.

    The scores of a group sum to at most 1, so at most one of them is above 0.5. In a group of one tag the softmax is a sigmoid.

    Args:
        in_features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs, with their exclusive groups.
        dropout: on the feature vector.
    """

    def __init__(self, in_features: int, vocabulary: Vocabulary, *, dropout: float = 0.5) -> None:
        super().__init__(in_features, vocabulary, dropout=dropout)
        self.groups = list(vocabulary.exclusive_groups.values())
        if (largest := max(map(len, self.groups), default=0)) > MAX_GROUP:
            raise ConfigError(f"an exclusive group of {largest:,} tags: its softmax takes at most {MAX_GROUP:,}")

    def forward(self, x: Tensor) -> Tensor:
        return exclusive_logits(super().forward(x), self.groups)  # [batch, tags]

    def init_output_bias(self, tag_prior: np.ndarray) -> None:
        prior = np.nan_to_num(np.array(tag_prior, np.float64), nan=0.5)
        for members in map(list, self.groups):
            # within a group, p / (1 - sum of all p) are the odds against none of them
            rest = max(1 - prior[members].sum(), 0.01)
            prior[members] = prior[members] / (prior[members] + rest)
        super().init_output_bias(prior)


def exclusive_logits(logits: Tensor, groups: Iterable[Sequence[int]]) -> Tensor:
    """Logits whose sigmoid is, within each group, the softmax of the given logits and a 0 for none of the group.

    Args:
        logits: float [..., tags].
        groups: indices of tags that exclude each other; all other logits stay as they are.
    """
    logits = logits.clone()
    for members in map(list, groups):
        inside = logits[..., members]
        # odds of a tag in a softmax: its power, against the sum of all others and of none
        others = inside.unsqueeze(-2).expand(*inside.shape, len(members)).clone()
        others.diagonal(dim1=-2, dim2=-1).zero_()  # the tag's own entry becomes that of none
        logits[..., members] = inside - others.logsumexp(dim=-1)
    return logits


class GroupedMLPHead(Head):
    """One small network for each set of tags: features -> ``hidden`` units -> the tags of the set.

    Base class of the heads ``per-tag`` and ``per-group``.
    """

    set_index: Tensor

    def __init__(self, in_features: int, sets: list[tuple[int, ...]], hidden: int, dropout: float) -> None:
        super().__init__()
        if hidden < 1:
            raise ConfigError(f"a head of {hidden} hidden units: it needs at least one")
        set_of = {tag: index for index, members in enumerate(sets) for tag in members}
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(in_features, len(sets) * hidden)
        self.weight = nn.Parameter(torch.empty(len(set_of), hidden))
        self.bias = nn.Parameter(torch.zeros(len(set_of)))
        set_index = torch.tensor([set_of[tag] for tag in range(len(set_of))])
        self.register_buffer("set_index", set_index, persistent=False)
        self.size = hidden
        he_init(self.hidden)
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        units = self.dropout(torch.relu(self.hidden(x)))  # [batch, sets * hidden]
        units = units.unflatten(1, (-1, self.size))[:, self.set_index]  # [batch, tags, hidden], of the set of each tag
        return (units * self.weight).sum(-1) + self.bias  # [batch, tags]

    def init_output_bias(self, tag_prior: np.ndarray) -> None:
        self.bias.data.copy_(prior_logits(tag_prior))


@HEADS.register("per-tag")
class PerTagHead(GroupedMLPHead):
    """A small network for every tag, which shares no hidden unit with any other.

    Args:
        in_features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs.
        hidden: units of each small network.
        dropout: on the hidden units.

    Source: the poster, "predicting each tag independently".
    """

    def __init__(self, in_features: int, vocabulary: Vocabulary, *, hidden: int = 32, dropout: float = 0.5) -> None:
        super().__init__(in_features, [(tag,) for tag in range(len(vocabulary))], hidden, dropout)


@HEADS.register("per-group")
class PerGroupHead(GroupedMLPHead):
    """A small network for every exclusive group of the vocabulary, and one for every tag outside of the groups.

    Args:
        in_features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs, with their exclusive groups.
        hidden: units of each small network.
        dropout: on the hidden units.

    Source: the poster, "predicting all tags together".
    """

    def __init__(self, in_features: int, vocabulary: Vocabulary, *, hidden: int = 32, dropout: float = 0.5) -> None:
        grouped = list(vocabulary.exclusive_groups.values())
        alone = [(index,) for index, tag in enumerate(vocabulary) if tag.exclusive_group is None]
        super().__init__(in_features, [*grouped, *alone], hidden, dropout)


def prior_logits(tag_prior: np.ndarray) -> Tensor:
    """Initial output bias, float32 [tags]: the logit of each tag's prior (or attribute's mean); 0 where unknown.

    With a bias of 0 the first training steps only learn how rare the tags are.
    """
    prior = np.nan_to_num(np.asarray(tag_prior, np.float64), nan=0.5).clip(1e-3, 1 - 1e-3)
    return torch.from_numpy(np.log(prior / (1 - prior)).astype(np.float32))
