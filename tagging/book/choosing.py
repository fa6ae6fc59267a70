"""What the page "Which tagger should I take?" compares, read from the cards of the taggers and from records.

Book: ``book/which_tagger``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..evaluation.bootstrap import Interval
from ..pretrained import list_pretrained, pretrained_card
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas

_WEIGHT_BYTES = 4
# Cards that were written under the former name of the corpus.
_DATASETS = {"sheet-music": "sheet music, rendered"}


def _rows(names: Iterable[str] | None) -> dict[str, dict[str, Any]]:
    speeds = bundled_record("tagger-speed")["taggers"]
    return {
        name: {**pretrained_card(name), **speeds[name]}
        for name in (list_pretrained() if names is None else names)
        if name in speeds
    }


def taggers_table(names: Iterable[str] | None = None) -> pandas.DataFrame:
    """One row a pretrained tagger: what it learned from, size, speed, and the ROC-AUC on the test set of its own collection.

    Args:
        names: of taggers; None is all.

    Book: ``book/which_tagger``.
    """
    import pandas

    rows = {
        name: {
            "learned from": _DATASETS.get(card["dataset"], card["dataset"]),
            "tags": len(card["tags"]),
            "weights, MB": card["parameters"] * _WEIGHT_BYTES / 1e6,
            "songs an hour and core": int(card["songs_per_cpu_hour"]),
            "ROC-AUC, own test set": float(card["scores"]["ROC-AUC"]),
        }
        for name, card in _rows(names).items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tagger")


def licences_table(names: Iterable[str] | None = None) -> pandas.DataFrame:
    """One row a pretrained tagger: the licence of its weights, and the beginning of its vocabulary.

    Args:
        names: of taggers; None is all.

    Book: ``book/which_tagger``.
    """
    import pandas

    rows = {
        name: {"licence of the weights": card["licence"], "first tags": ", ".join(card["tags"][:8]) + ", ..."}
        for name, card in _rows(names).items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tagger")


def genre_probes() -> pandas.DataFrame:
    """Accuracy of four genres of real recordings by probes on the vectors of taggers, with 95 % intervals over artists.

    Book: ``book/which_tagger``.
    """
    import pandas

    embedders = bundled_record("emotify")["embedders"]
    accuracy = {name: Interval.from_dict(values["accuracy"]) for name, values in embedders.items()}
    ordered = sorted(accuracy, key=lambda name: -accuracy[name].value)
    frame = pandas.DataFrame({"accuracy": [accuracy[name] for name in ordered]}, index=ordered)
    return frame.rename_axis("vector")


def readme_table() -> str:
    """The table of the README, in Markdown: the four taggers of musicnn and the two largest of this project.

    Book: ``book/which_tagger``.
    """
    names = [*list_pretrained()[:4], "laptop-spectrogram-1M", "laptop-waveform-1M"]
    lines = [
        "| tagger | learned from | tags | licence | MB | songs an hour | ROC-AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, row), licence in zip(
        taggers_table(names).iterrows(), licences_table(names)["licence of the weights"], strict=True
    ):
        learned, tags, size, songs, roc_auc = row
        short = licence.partition(",")[0].partition(";")[0]
        more = "; see [Licences](#licences)" if ";" in licence else ""
        lines.append(f"| `{name}` | {learned} | {tags} | {short}{more} | {size:.1f} | {songs:,} | {roc_auc:.3f} |")
    return "\n".join(lines)
