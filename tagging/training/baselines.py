"""All baselines, those that learn from segments and those that are fitted to whole tracks; importing it registers them."""

from . import tree_run  # noqa: F401
from .models import BASELINES


def list_baselines() -> list[str]:
    """Names of the baselines, which :func:`tagging.train` takes as models."""
    return BASELINES.names()
