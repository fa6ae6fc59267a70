"""The baselines: networks that learn from segments, and those that are fitted to whole tracks."""

from .models import BASELINES
from .tree_run import WHOLE_TRACK_BASELINES

__all__ = ["BASELINES", "WHOLE_TRACK_BASELINES", "list_baselines"]


def list_baselines() -> list[str]:
    """Names of the baselines, which :func:`tagging.train` takes as models."""
    return [*WHOLE_TRACK_BASELINES.names(), *BASELINES.names()]
