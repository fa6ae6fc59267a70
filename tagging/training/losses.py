"""The training loss, and weights for its terms. Book: ``book/putting_together``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..tags import Vocabulary
from ..utils.registry import Registry

# Weights of the cross-entropy terms: (logits, target, tag_prior) -> float [batch, tags]; tag_prior is None where unknown.
LOSSES = Registry("loss")

# Rarer tags weigh no more than one of this prevalence: weights of hundreds make steps too rough to learn from.
MIN_PRIOR = 0.01
FOCUS = 2.0


@LOSSES.register("plain")
def plain(logits: Tensor, target: Tensor, tag_prior: Tensor | None) -> Tensor:
    """All terms weigh the same."""
    return torch.ones_like(logits)


@LOSSES.register("balanced")
def balanced(logits: Tensor, target: Tensor, tag_prior: Tensor | None) -> Tensor:
    """Positives and negatives of a tag weigh the same in sum, however rare the tag is; all tags weigh the same."""
    if tag_prior is None:
        raise ConfigError("the balanced loss needs to know how rare tags are: give tag_prior")
    tag_prior = tag_prior.clamp(MIN_PRIOR, 1 - MIN_PRIOR)
    return torch.where(target > 0.5, 0.5 / tag_prior, 0.5 / (1 - tag_prior))


@LOSSES.register("focal")
def focal(logits: Tensor, target: Tensor, tag_prior: Tensor | None) -> Tensor:
    """Confident right answers weigh little: the squared distance of the score from the target.

    Source: Lin et al. 2017, section 3.2, with their focusing parameter 2 and no class weights.
    """
    return (logits.sigmoid() - target).abs() ** FOCUS


def count_labelled(labels: Tensor, vocabulary: Vocabulary) -> Tensor:
    """float32 [2]: known (not NaN) labels of the classification and of the regression tags in a batch."""
    classification = _classification(vocabulary, labels.device)
    known = ~labels.isnan()
    return torch.stack([(known & classification).sum(), (known & ~classification).sum()]).float()


def _classification(vocabulary: Vocabulary, device: torch.device) -> Tensor:
    """bool [tags], copied without waiting for the work queued on the device."""
    return torch.from_numpy(vocabulary.classification).to(device, non_blocking=True)


def tag_loss(
    logits: Tensor,
    labels: Tensor,
    vocabulary: Vocabulary,
    num_labelled: Tensor | None = None,
    *,
    loss_weighting: str = "plain",
    tag_prior: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy over classification tags plus squared error over regression tags, each a mean over known labels.

    Args:
        logits: float [batch, tags].
        labels: float [batch, tags] in [0, 1]; NaN where unknown, which adds nothing to the loss.
        vocabulary: says which tag is of which kind.
        num_labelled: for a part of a batch, :func:`count_labelled` of the whole: the losses of the parts then add up to the
            loss of the whole batch.
        loss_weighting: weights of the cross-entropy terms, a name in ``LOSSES``: ``"plain"``, ``"balanced"`` (a tag's positives
            weigh as much as its negatives), ``"focal"`` (right answers weigh little), or a registered one.
        tag_prior: float [tags], share of training clips with each tag; ``"balanced"`` needs it.

    Returns:
        A scalar in float32.

    Raises:
        ConfigError: shapes that do not match the vocabulary, an unknown weighting, or a missing ``tag_prior``.

    >>> import torch, tagging
    >>> vocabulary = tagging.Vocabulary(["piano", "drums"])
    >>> round(float(tagging.tag_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), vocabulary)), 3)
    0.693

    Source: Pons et al. 2018, section 3. Book: ``book/putting_together``.
    """
    if logits.shape != labels.shape or logits.shape[-1] != len(vocabulary):
        raise ConfigError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit a vocabulary of {len(vocabulary)} tags: "
            "both must be [batch, tags]"
        )
    weigh = LOSSES.get(loss_weighting)
    if num_labelled is None:
        num_labelled = count_labelled(labels, vocabulary)
    logits = logits.float()
    known = ~labels.isnan()
    target = labels.nan_to_num().to(logits.dtype)
    classification = _classification(vocabulary, logits.device)
    if tag_prior is not None:
        tag_prior = tag_prior.nan_to_num(0.5).to(logits.device, logits.dtype)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = entropy * weigh(logits, target, tag_prior)
    error = (logits.sigmoid() - target).square()
    loss = logits.new_zeros(())
    for terms, chosen, count in (
        (entropy, classification & known, num_labelled[0]),
        (error, ~classification & known, num_labelled[1]),
    ):
        # where() rather than indexing: no data-dependent shapes, so no wait for the device
        loss = loss + torch.where(chosen, terms, 0.0).sum() / count.clamp(min=1)
    return loss
