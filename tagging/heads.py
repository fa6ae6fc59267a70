"""Heads: features of a segment -> one logit a tag; and the loss that goes with them. Book: ``book/putting_together``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .errors import ConfigError
from .layers import he_init
from .registry import Registry
from .tags import BIMODAL, UNIFORM, Vocabulary

HEADS = Registry("head")


def list_heads() -> list[str]:
    """Names that :func:`tagging.build_tagger` takes as ``head``."""
    return sorted(HEADS.names())


@HEADS.register("together")
class Together(nn.Module):
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
        for name, chosen in ((BIMODAL, vocabulary.bimodal), (UNIFORM, vocabulary.uniform)):
            if chosen.any():
                self.kinds[name] = layer = nn.Linear(features, int(chosen.sum()))
                he_init(layer)
                order += chosen.nonzero()[0].tolist()
        self.register_buffer("order", torch.tensor(order).argsort(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)  # [batch, features]
        logits = torch.cat([layer(x) for layer in self.kinds.values()], dim=1)  # [batch, tags], kind by kind
        return logits[:, self.order]  # [batch, tags], in the order of the vocabulary

    def start_at(self, share: np.ndarray) -> None:
        """Set the output bias so that tag t scores ``share[t]`` before it has learnt anything."""
        by_kind = starting_bias(share)[self.order.argsort().cpu()]  # [tags], kind by kind
        sizes = [layer.out_features for layer in self.kinds.values()]
        for layer, bias in zip(self.kinds.values(), by_kind.split(sizes), strict=True):
            layer.bias.data.copy_(bias)


class _Apart(nn.Module):
    """One small network for each set of tags: features -> ``hidden`` units -> the tags of the set."""

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
        units = torch.relu(self.hidden(self.dropout(x)))  # [batch, sets * hidden]
        units = units.unflatten(1, (-1, self.size))[:, self.owner]  # [batch, tags, hidden]: those of the tag's own set
        return (units * self.weight).sum(-1) + self.bias  # [batch, tags]

    def start_at(self, share: np.ndarray) -> None:
        """Set the output bias so that tag t scores ``share[t]`` before it has learnt anything."""
        self.bias.data.copy_(starting_bias(share))


@HEADS.register("per-tag")
class PerTag(_Apart):
    """Each tag on its own: a small network for every tag, which shares no hidden unit with any other.

    Args:
        features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs.
        hidden: units of each small network.
        dropout: on the feature vector.

    Source: the poster, "predicting each tag independently". Book: ``book/putting_together``.
    """

    def __init__(self, features: int, vocabulary: Vocabulary, *, hidden: int = 32, dropout: float = 0.5) -> None:
        super().__init__(features, [(tag,) for tag in range(len(vocabulary))], hidden, dropout)


@HEADS.register("per-group")
class PerGroup(_Apart):
    """Mutually exclusive tags together, all others on their own: a small network for every group of the vocabulary.

    Args:
        features: length of the feature vector.
        vocabulary: the tags, in the order of the outputs; their ``group`` says which belong together.
        hidden: units of each small network.
        dropout: on the feature vector.

    Source: the poster, "predicting all tags together". Book: ``book/putting_together``.
    """

    def __init__(self, features: int, vocabulary: Vocabulary, *, hidden: int = 32, dropout: float = 0.5) -> None:
        grouped = list(vocabulary.groups.values())
        alone = [(index,) for index, tag in enumerate(vocabulary) if tag.group is None]
        super().__init__(features, [*grouped, *alone], hidden, dropout)


def starting_bias(share: np.ndarray) -> Tensor:
    """float32 [tags]: the logit of the share of songs that have each tag, of the mean of each attribute; 0 where unknown.

    A bias that starts at 0 spends the first updates on learning how rare the tags are.
    """
    share = np.nan_to_num(np.asarray(share, np.float64), nan=0.5).clip(1e-3, 1 - 1e-3)
    return torch.from_numpy(np.log(share / (1 - share)).astype(np.float32))


def known_labels(labels: Tensor, vocabulary: Vocabulary) -> Tensor:
    """float32 [2]: how many labels of the bi-modal and of the uniform tags are known (not NaN) in a batch."""
    bimodal = torch.from_numpy(vocabulary.bimodal).to(labels.device)
    known = ~labels.isnan()
    return torch.stack([(known & bimodal).sum(), (known & ~bimodal).sum()]).float()


def tag_loss(logits: Tensor, labels: Tensor, vocabulary: Vocabulary, known: Tensor | None = None) -> Tensor:
    """Binary cross-entropy over the bi-modal tags plus squared error over the uniform ones; each a mean over what is known.

    Args:
        logits: float [batch, tags].
        labels: float [batch, tags] in [0, 1]; NaN where unknown, which adds nothing to the loss.
        vocabulary: says which tag is of which kind.
        known: where this is a part of a batch, :func:`known_labels` of the whole: the losses of the parts add up to that
            of the whole.

    Returns:
        A scalar, in float32.

    Raises:
        ConfigError: shapes that do not match the vocabulary.

    Source: Pons et al. 2018, section 3. Book: ``book/putting_together``.
    """
    if logits.shape != labels.shape or logits.shape[-1] != len(vocabulary):
        raise ConfigError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit a vocabulary of {len(vocabulary)} tags: "
            "both must be [batch, tags]"
        )
    if known is None:
        known = known_labels(labels, vocabulary)
    logits = logits.float()
    given = ~labels.isnan()
    target = labels.nan_to_num().to(logits.dtype)
    bimodal = torch.from_numpy(vocabulary.bimodal).to(logits.device)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    error = (logits.sigmoid() - target).square()
    loss = logits.new_zeros(())
    for values, chosen, count in ((entropy, bimodal & given, known[0]), (error, ~bimodal & given, known[1])):
        # where() rather than indexing: no data-dependent shapes, so no wait for the device
        loss = loss + torch.where(chosen, values, 0.0).sum() / count.clamp(min=1)
    return loss
