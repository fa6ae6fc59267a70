"""How good and how biased scores are, with intervals. Book: ``book/results``, ``book/popular_tags``."""

from .bootstrap import Interval, Resampling
from .evaluate import Evaluation, difference, evaluate, song_scores
from .predictions import Predictions

__all__ = ["Evaluation", "Interval", "Predictions", "Resampling", "difference", "evaluate", "song_scores"]
