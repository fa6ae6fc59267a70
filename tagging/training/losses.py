"""The loss of logits against annotations, and ways to weigh its terms. Book: ``book/putting_together``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import ConfigError, unknown_name
from ..tags import Vocabulary

# A rarer tag weighs no more than one of this share: weights of hundreds make steps too rough to learn from.
RAREST = 0.01
FOCUS = 2.0


def plain(logits: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """Every term weighs the same."""
    return torch.ones_like(logits)


def balanced(logits: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """Positive and negative examples of a tag weigh the same in sum, however rare it is; all tags weigh the same."""
    share = share.clamp(RAREST, 1 - RAREST)
    return torch.where(target > 0.5, 0.5 / share, 0.5 / (1 - share))


def focal(logits: Tensor, target: Tensor, share: Tensor) -> Tensor:
    """What is already right with confidence weighs little: the squared distance of the score from the truth.

    Source: Lin et al. 2017, section 3.2, with their focusing parameter 2 and no class weights.
    """
    return (logits.sigmoid() - target).abs() ** FOCUS


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"plain": plain, "balanced": balanced, "focal": focal}


def known_labels(labels: Tensor, vocabulary: Vocabulary) -> Tensor:
    """float32 [2]: how many labels of the bi-modal and of the uniform tags are known (not NaN) in a batch."""
    classification = _bimodal(vocabulary, labels.device)
    known = ~labels.isnan()
    return torch.stack([(known & classification).sum(), (known & ~classification).sum()]).float()


def _bimodal(vocabulary: Vocabulary, device: torch.device) -> Tensor:
    """bool [tags]; copied without a wait for what the device has to do before."""
    return torch.from_numpy(vocabulary.classification).to(device, non_blocking=True)


def tag_loss(
    logits: Tensor,
    labels: Tensor,
    vocabulary: Vocabulary,
    known: Tensor | None = None,
    *,
    weighing: str = "plain",
    share: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy over the bi-modal tags plus squared error over the uniform ones; each a mean over what is known.

    Args:
        logits: float [batch, tags].
        labels: float [batch, tags] in [0, 1]; NaN where unknown, which adds nothing to the loss.
        vocabulary: says which tag is of which kind.
        known: where this is a part of a batch, :func:`known_labels` of the whole: the losses of the parts add up to that
            of the whole.
        weighing: of the terms of the cross-entropy: ``"plain"``, ``"balanced"`` (a tag's positives weigh as much as its
            negatives) or ``"focal"`` (what is right already weighs little).
        share: float [tags]: of songs that have each tag, in training; ``"balanced"`` needs it.

    Returns:
        A scalar, in float32.

    Raises:
        ConfigError: shapes that do not match the vocabulary, an unknown weighing, shares that are needed and missing.

    Source: Pons et al. 2018, section 3. Book: ``book/putting_together``.
    """
    if logits.shape != labels.shape or logits.shape[-1] != len(vocabulary):
        raise ConfigError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit a vocabulary of {len(vocabulary)} tags: "
            "both must be [batch, tags]"
        )
    if weighing not in LOSSES:
        raise unknown_name("weighing of the loss", weighing, LOSSES)
    if share is None and weighing == "balanced":
        raise ConfigError("a balanced loss needs to know how rare tags are: give share")
    if known is None:
        known = known_labels(labels, vocabulary)
    logits = logits.float()
    given = ~labels.isnan()
    target = labels.nan_to_num().to(logits.dtype)
    classification = _bimodal(vocabulary, logits.device)
    share = torch.full((len(vocabulary),), 0.5) if share is None else share.nan_to_num(0.5)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if weighing != "plain":
        entropy = entropy * LOSSES[weighing](logits, target, share.to(logits.device, logits.dtype))
    error = (logits.sigmoid() - target).square()
    loss = logits.new_zeros(())
    for values, chosen, count in (
        (entropy, classification & given, known[0]),
        (error, ~classification & given, known[1]),
    ):
        # where() rather than indexing: no data-dependent shapes, so no wait for the device
        loss = loss + torch.where(chosen, values, 0.0).sum() / count.clamp(min=1)
    return loss
