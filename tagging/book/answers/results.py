"""Right answers of the exercises of the part *Results*. Book: ``book/how_to_use``."""

from __future__ import annotations

import numpy as np

from ..comparisons import changes, runs_of
from ..parts_study import BACKENDS as PARTS_BACKENDS
from ..published import list_published, published_gaps, published_results, version_changes
from ..results_study import find_row, leads
from ..run_lists import trained
from ..runs import bundled_record
from ..scales_study import SHORT, first_runs
from ..time_study import FRONTENDS, spans
from ..transfer_study import font_value, instruments


def reversed_sizes() -> list[int]:
    """*Two versions*, 1."""
    first, second = (published_gaps(version) for version in list_published())
    return [songs for songs in first if first[songs]["pr_auc"] * second[songs]["pr_auc"] < 0]


def moved_most() -> tuple[str, int]:
    """*Two versions*, 2."""
    moved = version_changes()["PR-AUC moved by"].abs()
    return moved.idxmax()


def gained_in_2017() -> float:
    """*The poster's table*, 1."""
    pr = {(row.model, row.num_clips): row.pr_auc for row in published_results(list_published()[0]).rows}
    return round(100 * (pr["spectrogram", 1_000_000] - pr["spectrogram", 100_000]), 2)


def paired_width() -> float:
    """*The poster's table*, 2."""
    scale = (1_000_000, 1_024_000)
    both = [find_row(model, *scale).endpoints["all"]["roc_auc"] for model in ("spectrogram", "waveform")]
    lead = leads()[scale]
    return (lead.high - lead.low) / float(np.linalg.norm([one.high - one.low for one in both]))


def early_best() -> list[int]:
    """*Data or training*, 1."""
    runs = {clips: run for (model, clips), run in first_runs(SHORT).items() if model == "spectrogram"}
    return [clips for clips, run in runs.items() if run["best"]["step"] < run["num_steps"]]


def gains_most_at_instruments() -> str:
    """*Data or training*, 2."""
    gained = {
        model: find_row(model, 100_000, 512_000).endpoints["instrument"]["roc_auc"].value
        - find_row(model, 100_000, SHORT).endpoints["instrument"]["roc_auc"].value
        for model in ("waveform", "spectrogram")
    }
    return max(gained, key=lambda model: gained[model])


def ahead_at_metre() -> list[tuple[int, int]]:
    """*Time against pitch*, 1."""
    return [scale for scale, lead in leads("meter").items() if lead.high < 0]


def longest_span() -> str:
    """*Time against pitch*, 2."""
    return max(FRONTENDS, key=lambda model: spans(model)["filter"])


def trained_together() -> int:
    """*How these results were made*, 1."""
    return sum(len(record["settings"]["models"]) > 1 for record in trained().values())


def quiet_hours() -> float:
    """*How these results were made*, 2."""
    speeds = bundled_record("training-speed")["speeds"]["no"].values()
    return 1_024_000 / min(model["segments_per_second"] for model in speeds) / 3600


def backend_sizes() -> float:
    """*Back-ends, heads, length*, 1."""
    sizes = [runs_of(model)[0]["parameters"] for model in PARTS_BACKENDS]
    return max(sizes) / min(sizes)


def sample_level_verdict() -> str:
    """*Back-ends, heads, length*, 2."""
    (change,) = changes({"waveform": "sample level"}, "waveform-frame-level-many-shapes", "pr_auc").values()
    return change.verdict


def fallen_instruments() -> int:
    """*What transfers*, 1."""
    areas = instruments()
    return int((areas["waveform", "own"] - areas["waveform", "other"] > 0.1).sum())


def kept_share() -> float:
    """*What transfers*, 2."""
    same, other = (font_value("spectrogram-1M", "instrument", font) for font in ("own", "other"))
    return (other - 0.5) / (same - 0.5)
