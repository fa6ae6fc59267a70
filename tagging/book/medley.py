"""What `benchmarks/medley_solos.py` measured with few clips of real instruments. Book: ``book/finetune_and_probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .runs import bundled_record

if TYPE_CHECKING:
    import pandas

NAMES = {
    "frozen": "fine-tuned, body frozen",
    "whole": "fine-tuned, whole",
    "scratch": "trained from scratch",
}


def ways() -> dict[str, dict[str, np.ndarray]]:
    """Way to use the clips -> number of clips -> float64 [seeds], the ROC-AUC of each."""
    measured = bundled_record("medley-solos")["ways"]
    return {
        way: {size: np.array([seed["roc_auc"] for seed in seeds]) for size, seeds in sizes.items()}
        for way, sizes in measured.items()
    }


def ways_table() -> pandas.DataFrame:
    """One row a way to use the clips, one column a number of clips: ROC-AUC, mean of the seeds, and the lowest and highest.

    Book: ``book/finetune_and_probe``.
    """
    import pandas

    rows = {
        NAMES.get(way, way): {
            f"{size} clips": f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"
            for size, values in sizes.items()
        }
        for way, sizes in ways().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("way")
