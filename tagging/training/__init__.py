"""Training at every scale: one loop from a laptop to many machines. Book: ``book/recipe``."""

from .loop import TrainingError, train
from .settings import EDITIONS, Settings, edition

__all__ = ["EDITIONS", "Settings", "TrainingError", "edition", "train"]
