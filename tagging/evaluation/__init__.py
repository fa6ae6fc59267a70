"""Metrics, bootstrap intervals and measures of tag bias. Book: ``book/results``, ``book/popular_tags``."""

from .bootstrap import Interval, Resampling
from .evaluate import Evaluation, difference, evaluate
from .metrics import METRICS
from .predictions import Predictions
from .segments import song_scores

__all__ = ["METRICS", "Evaluation", "Interval", "Predictions", "Resampling", "difference", "evaluate", "song_scores"]
