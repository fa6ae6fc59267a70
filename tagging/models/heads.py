"""Heads: features of a segment -> one logit a tag. Book: ``book/putting_together``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..tags import CLASSIFICATION, REGRESSION, Vocabulary
from ..utils.registry import Registry
from .layers import he_init

HEADS = Registry("head")


def list_heads() -> list[str]:
    """Names that :func:`tagging.build_tagger` takes as ``head``."""
    return sorted(HEADS.names())


@HEADS.register("linear", "together")
class LinearHead(nn.Module):
    """All tags from one shared feature vector: one linear layer for the classification tags, one for the attributes.

    Args:
        features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs.
        dropout: on the feature vector.

    Source: Pons et al. 2018, section 3 (the last layer). Book: ``book/putting_together``.
    """

    def __init__(self, features: int, vocabulary: Vocabulary, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.kinds = nn.ModuleDict()
        order = []
        for name, chosen in ((CLASSIFICATION, vocabulary.classification), (REGRESSION, vocabulary.regression)):
            if chosen.any():
                self.kinds[name] = layer = nn.Linear(features, int(chosen.sum()))
                he_init(layer)
                order += chosen.nonzero()[0].tolist()
        self.register_buffer("order", torch.tensor(order).argsort(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)  # [batch, features]
        logits = torch.cat([layer(x) for layer in self.kinds.values()], dim=1)  # [batch, tags], kind by kind
        return logits[:, self.order]  # [batch, tags], in the order of the vocabulary

    def init_output_bias(self, share: np.ndarray) -> None:
        """Set the output bias so that tag t scores ``share[t]`` before it has learnt anything."""
        by_kind = prior_logits(share)[self.order.argsort().cpu()]  # [tags], kind by kind
        sizes = [layer.out_features for layer in self.kinds.values()]
        for layer, bias in zip(self.kinds.values(), by_kind.split(sizes), strict=True):
            layer.bias.data.copy_(bias)


@HEADS.register("exclusive")
class SoftmaxGroupHead(LinearHead):
    """As ``together``, but the tags of an exclusive group share one softmax, with a place in it for none of them.

    A group of one tag would be a sigmoid; a larger one makes room for at most one certain tag: the scores of a group sum
    to at most 1, so that no two of them are above one half.

    Args:
        features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs; their ``group`` says which exclude each other.
        dropout: on the feature vector.

    Book: ``book/putting_together``.
    """

    def __init__(self, features: int, vocabulary: Vocabulary, *, dropout: float = 0.5) -> None:
        super().__init__(features, vocabulary, dropout=dropout)
        self.groups = list(vocabulary.exclusive_groups.values())

    def forward(self, x: Tensor) -> Tensor:
        return exclusive_logits(super().forward(x), self.groups)  # [batch, tags]

    def init_output_bias(self, share: np.ndarray) -> None:
        """Set the output bias so that tag t scores ``share[t]`` before it has learnt anything."""
        share = np.nan_to_num(np.array(share, np.float64), nan=0.5)
        for members in map(list, self.groups):
            # of a group, p / (1 - sum of all p) are the odds against none of them
            rest = max(1 - share[members].sum(), 0.01)
            share[members] = share[members] / (share[members] + rest)
        super().init_output_bias(share)


def exclusive_logits(logits: Tensor, groups: Iterable[Sequence[int]]) -> Tensor:
    """Logits whose sigmoid is, within each group, the softmax of the given ones and of a 0 for none of the group.

    Args:
        logits: float [..., tags].
        groups: places of tags that exclude each other; all other logits stay as they are.

    Book: ``book/putting_together``.
    """
    logits = logits.clone()
    for members in map(list, groups):
        own = logits[..., members]
        # odds of a tag in a softmax: itself, against the sum of all others and of none
        others = own.unsqueeze(-2).expand(*own.shape, len(members)).clone()
        others.diagonal(dim1=-2, dim2=-1).zero_()  # its own place is that of none
        logits[..., members] = own - others.logsumexp(dim=-1)
    return logits


class GroupedMLPHead(nn.Module):
    """One small network for each set of tags: features -> ``hidden`` units -> the tags of the set.

    What the heads ``per-tag`` and ``per-group`` have in common. Book: ``book/putting_together``.
    """

    def __init__(self, features: int, sets: list[tuple[int, ...]], hidden: int, dropout: float) -> None:
        super().__init__()
        if hidden < 1:
            raise ConfigError(f"a head of {hidden} hidden units: it needs at least one")
        owner = {tag: index for index, members in enumerate(sets) for tag in members}
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(features, len(sets) * hidden)
        self.weight = nn.Parameter(torch.empty(len(owner), hidden))
        self.bias = nn.Parameter(torch.zeros(len(owner)))
        self.register_buffer("owner", torch.tensor([owner[tag] for tag in range(len(owner))]), persistent=False)
        self.size = hidden
        he_init(self.hidden)
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        units = self.dropout(torch.relu(self.hidden(x)))  # [batch, sets * hidden]
        units = units.unflatten(1, (-1, self.size))[:, self.owner]  # [batch, tags, hidden]: those of the tag's own set
        return (units * self.weight).sum(-1) + self.bias  # [batch, tags]

    def init_output_bias(self, share: np.ndarray) -> None:
        """Set the output bias so that tag t scores ``share[t]`` before it has learnt anything."""
        self.bias.data.copy_(prior_logits(share))


@HEADS.register("per-tag")
class PerTagHead(GroupedMLPHead):
    """Each tag on its own: a small network for every tag, which shares no hidden unit with any other.

    Args:
        features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs.
        hidden: units of each small network.
        dropout: on the hidden units.

    Source: the poster, "predicting each tag independently". Book: ``book/putting_together``.
    """

    def __init__(self, features: int, vocabulary: Vocabulary, *, hidden: int = 32, dropout: float = 0.5) -> None:
        super().__init__(features, [(tag,) for tag in range(len(vocabulary))], hidden, dropout)


@HEADS.register("per-group")
class PerGroupHead(GroupedMLPHead):
    """Mutually exclusive tags together, all others on their own: a small network for every group of the vocabulary.

    Args:
        features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs; their ``group`` says which belong together.
        hidden: units of each small network.
        dropout: on the hidden units.

    Source: the poster, "predicting all tags together". Book: ``book/putting_together``.
    """

    def __init__(self, features: int, vocabulary: Vocabulary, *, hidden: int = 32, dropout: float = 0.5) -> None:
        grouped = list(vocabulary.exclusive_groups.values())
        alone = [(index,) for index, tag in enumerate(vocabulary) if tag.exclusive_group is None]
        super().__init__(features, [*grouped, *alone], hidden, dropout)


def prior_logits(share: np.ndarray) -> Tensor:
    """float32 [tags]: the logit of the share of songs that have each tag, of the mean of each attribute; 0 where unknown.

    A bias that starts at 0 spends the first updates on learning how rare the tags are.
    """
    share = np.nan_to_num(np.asarray(share, np.float64), nan=0.5).clip(1e-3, 1 - 1e-3)
    return torch.from_numpy(np.log(share / (1 - share)).astype(np.float32))
