"""Tables of pages, in one style: numbers with equal decimals, intervals in brackets, one row of headings.

Book: ``book/how_to_use``.
"""

from __future__ import annotations

import html
import numbers
import re
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.bootstrap import Interval
from ..training.results_table import cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas

    from ..tags import TrackTags

_STYLE = (
    "<style>.bd-content div.cell_output .text_html:has(div.book-table)"
    "{background:none!important;color:inherit!important;padding:0!important}"
    "div.book-table{overflow-x:auto}div.book-table table{margin:.3rem 0;font-size:.9rem}"
    "div.book-table caption{caption-side:top;text-align:left;font-weight:600;color:inherit}"
    "div.book-table :is(th,td){text-align:right;padding:.2rem .6rem;vertical-align:top}"
    "div.book-table :is(th,td).text{text-align:left}</style>"
)


class BookTable:
    """A table that a notebook shows; see :func:`table`.

    Attributes:
        frame: the values.
        decimals: of numbers that are not whole.
        title: what the table says; above it.
    """

    def __init__(self, frame: pandas.DataFrame, decimals: int = 3, title: str = "") -> None:
        self.frame, self.decimals, self.title = frame, decimals, title

    def __repr__(self) -> str:
        return f"{self.title}\n{self.frame.map(self._cell)}"

    def _cell(self, value: object) -> str:
        import pandas

        if value is None or value is pandas.NA or value != value:
            return ""
        if isinstance(value, Interval):
            return cell(value, f".{self.decimals}f")
        if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
            return f"{value:,.{self.decimals}f}"
        return f"{value:,}" if isinstance(value, numbers.Integral) and not isinstance(value, bool) else str(value)

    def _repr_html_(self) -> str:
        import pandas

        unnamed = self.frame.index.name is None and isinstance(self.frame.index, pandas.RangeIndex)
        frame = self.frame if unnamed else self.frame.reset_index()
        kinds = ["" if self._is_number(frame[name]) else ' class="text"' for name in frame.columns]
        head = "".join(
            f'<th scope="col"{kind}>{html.escape(str(name))}</th>'
            for name, kind in zip(frame.columns, kinds, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(
                f"<td{kind}>{_breakable(html.escape(self._cell(value)))}</td>"
                for value, kind in zip(row, kinds, strict=True)
            )
            + "</tr>"
            for row in frame.astype(object).itertuples(index=False)
        )
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        rows = f"{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'{_STYLE}<div class="book-table"><table>{rows}</table></div>'

    @staticmethod
    def _is_number(column: pandas.Series) -> bool:
        return all(isinstance(value, numbers.Real | Interval) and not isinstance(value, bool) for value in column)


def _breakable(text: str) -> str:
    """The same text, in which a long word such as a setting may go on in the next line."""
    return re.sub(r"[^\s&;]{20,}", lambda word: re.sub(r"([._=/+:])(?=\w)", r"\1<wbr>", word[0]), text)


def table(frame: pandas.DataFrame, decimals: int = 3, title: str = "") -> BookTable:
    """Show a DataFrame as a table of the book.

    Args:
        frame: its index is the first column, unless it only counts the rows. Cells are numbers, text, or
            :class:`~tagging.Interval`; nan and None are empty.
        decimals: of numbers that are not whole.
        title: the message of the table.

    >>> import pandas
    >>> table(pandas.DataFrame({"clips": [1000], "ROC-AUC": [0.71234]}, index=["waveform"]))._cell(0.71234)
    '0.712'

    Book: ``book/how_to_use``.
    """
    return BookTable(frame, decimals, title)


def rows_table(rows: Mapping[str, Mapping[str, object]], heading: str, decimals: int = 3, title: str = "") -> BookTable:
    """A table of rows that have names.

    Args:
        rows: name -> column -> value.
        heading: of the names.
        decimals, title: as in :func:`table`.

    Book: ``book/training_loop``.
    """
    import pandas

    return table(pandas.DataFrame.from_dict(rows, orient="index").rename_axis(heading), decimals, title)


def top_tags_table(results: Mapping[str, TrackTags], count: int = 5, title: str = "") -> BookTable:
    """The highest-scored tags of several taggers or sounds, side by side.

    Args:
        results: heading of a column -> what a tagger returned.
        count: rows.
        title: the message of the table.

    Book: ``book/what_is_tagging``.
    """
    import pandas

    columns = {name: [f"{tag} {score:.2f}" for tag, score in result.top(count)] for name, result in results.items()}
    return table(pandas.DataFrame(columns), title=title)


def label_counts(labels: np.ndarray, names: Sequence[str], shown: Sequence[str]) -> pandas.DataFrame:
    """How many songs have a tag, lack it, and are unknown.

    Args:
        labels: float [songs, tags], 0 or 1; nan where unknown.
        names: of the tags.
        shown: those that get a row.

    Book: ``book/what_is_tagging``.
    """
    import pandas

    columns = {name: labels[:, names.index(name)] for name in shown}
    rows = {
        name: {"yes": int((one == 1).sum()), "no": int((one == 0).sum()), "unknown": int(np.isnan(one).sum())}
        for name, one in columns.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tag")
