"""What the poster, the paper and this book claim, and what the runs of this book say about it. Book: ``book/results``.

The claims are data, in ``claims.json``; every number of the table is computed from the records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evaluation.seeds import SeedInterval, combined
from ..training.endpoint_table import EndpointRow
from ..training.results_table import cell
from .results_study import all_rows, find

if TYPE_CHECKING:
    import pandas

FOUND_HERE = "found in these runs"  # the source of a claim that nobody made before
PATH = Path(__file__).with_name("claims.json")


@dataclass(frozen=True)
class Claim:
    """A sentence that runs can support or contradict.

    Attributes:
        source: who says it.
        sentence: the claim.
        added, subtracted: runs whose means are added and subtracted: ``model``, ``clips``, ``segments``, ``changes`` of settings.
        expected: the verdict that supports it, ``"higher"`` or ``"lower"``.
        part: of the vocabulary; metric within sources.
        metric: one of ``METRICS``.
        confounded: what else differs between the two sides.
    """

    source: str
    sentence: str
    added: tuple[Mapping[str, Any], ...]
    subtracted: tuple[Mapping[str, Any], ...]
    expected: str
    part: str = "all"
    metric: str = "roc_auc"
    confounded: str = ""

    def effect(self, rows: Iterable[EndpointRow]) -> SeedInterval:
        """The difference, with its interval over songs and, where every side has several runs, over seeds.

        Raises:
            ConfigError: no run of one side.
        """
        rows = list(rows)
        terms = [
            (sign, find(rows, **side)) for sign, sides in ((1, self.added), (-1, self.subtracted)) for side in sides
        ]
        return combined([(sign, [run.parts[self.part][self.metric] for run in row.evaluations]) for sign, row in terms])

    def verdict(self, effect: SeedInterval) -> str:
        """``"supported"``, ``"contradicted"``, ``"undecided"``, or of too few runs the direction, if any.

        What was found on these runs is not tested by them.
        """
        if self.source == FOUND_HERE:
            return "not tested: found on these runs"
        if effect.verdict in ("higher", "lower"):
            return "supported" if effect.verdict == self.expected else "contradicted"
        if effect.verdict == "undecided":
            return effect.verdict
        if effect.low <= 0 <= effect.high:
            return "too few runs; no direction"
        same = (effect.value > 0) == (self.expected == "higher")
        return f"too few runs; points {'the same' if same else 'the other'} way"


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the table."""
    return tuple(Claim(**entry) for entry in json.loads(PATH.read_text(encoding="utf-8")))


def verdict_table() -> pandas.DataFrame:
    """One row a claim: source, claim, effect with its 95 % interval, runs on the side with fewer, verdict, what else differs.

    Book: ``book/results``.
    """
    import pandas

    rows = all_rows()
    cells = []
    for one in claims():
        effect = one.effect(rows)
        cells.append(
            {
                "source": one.source,
                "claim": one.sentence,
                "difference in ROC-AUC": cell(effect, "+.3f"),
                "runs": effect.num_seeds,
                "verdict": one.verdict(effect),
                "what else differs": one.confounded,
            }
        )
    return pandas.DataFrame(cells)


def readme_claims() -> str:
    """The table of the README, in Markdown. Book: ``book/results``."""
    lines = [
        "| claim | made by | difference in ROC-AUC | runs | verdict | what else differs |",
        "|---|---|---|---|---|---|",
    ]
    for row in verdict_table().to_dict("records"):
        effect = row["difference in ROC-AUC"].replace("\xa0", " ")
        lines.append(
            f"| {row['claim']} | {row['source']} | {effect} | {row['runs']} | {row['verdict']} | "
            f"{row['what else differs']} |"
        )
    return "\n".join(lines)
