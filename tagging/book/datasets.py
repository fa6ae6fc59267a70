"""Facts about public datasets, read from the classes that open them. Book: ``book/public_datasets``."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING

from ..data import fma, gtzan, jamendo, magnatagatune, mgphot, msd, openmic
from ..data.base import CORPORA, list_corpora
from ..data.published import Published

if TYPE_CHECKING:
    import pandas


def datasets_table() -> pandas.DataFrame:
    """One row a dataset: what it holds, whether artists are known, licence and home.

    Book: ``book/public_datasets``.
    """
    import pandas

    rows = {
        name: {
            "holds": kind.description,
            "artists": "known" if kind.artists_known else "unknown",
            "licence": kind.licence,
            "owners": kind.homepage,
        }
        for name, kind in _published()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("dataset")


def counts_table() -> pandas.DataFrame:
    """Published sizes of train, validation and test of each split; the first split of each subset of MTG-Jamendo.

    Book: ``book/public_datasets``.
    """
    import pandas

    rows: list[tuple[object, ...]] = []
    for name, module in (("magnatagatune", magnatagatune), ("msd", msd)):
        rows += [(name, protocol, *counts.values()) for protocol, counts in module.COUNTS.items()]
    rows += [("mtg-jamendo", f"{subset}, split 0", *counts[0]) for subset, (_, _, counts) in jamendo.SUBSETS.items()]
    rows += [("fma", subset, *counts[:3]) for subset, counts in fma.COUNTS.items()]
    rows.append(("gtzan", "filtered", *(gtzan.COUNTS[part] for part in ("train", "validation", "test"))))
    rows.append(("openmic", "01", openmic.COUNTS["train"], 0, openmic.COUNTS["test"]))
    table = pandas.DataFrame(rows, columns=["dataset", "split", "train", "validation", "test"])
    return table.set_index(["dataset", "split"])


def _published() -> Iterator[tuple[str, type[Published]]]:
    for name in list_corpora():
        kind = CORPORA.get(name)
        if isinstance(kind, type) and issubclass(kind, Published):
            yield name, kind


def magnatagatune_positives() -> dict[str, float]:
    """Share of positive labels in the test clips of each protocol of MagnaTagATune, in percent.

    Counted in the published files of the splits (14,149 labels of 50 tags on the same 4,332 clips that have one).

    Book: ``book/public_datasets``.
    """
    positives, tags = 14_149, 50
    return {protocol: 100 * positives / (tags * counts["test"]) for protocol, counts in magnatagatune.COUNTS.items()}


def sizes_table() -> pandas.DataFrame:
    """Tracks, tags and seconds of a track of each dataset, and whether its owners publish the sound.

    Whole songs have no length of their own: nan. Book: ``book/public_datasets``.
    """
    import pandas

    rows = {
        "magnatagatune": (magnatagatune.NUM_CLIPS, magnatagatune.NUM_TAGS, magnatagatune.SECONDS, True),
        "mtg-jamendo": (sum(jamendo.SUBSETS["all"][2][0]), jamendo.SUBSETS["all"][1], nan, True),
        "fma, large": (sum(fma.COUNTS["large"][:3]), fma.COUNTS["large"][3], fma.SECONDS, True),
        "gtzan": (gtzan.COUNTS["all"], len(gtzan.GENRES), gtzan.SECONDS, True),
        "openmic": (sum(openmic.COUNTS.values()), len(openmic.INSTRUMENTS), openmic.SECONDS, True),
        "msd": (sum(msd.COUNTS["lee"].values()), len(msd.TAGS), 30.0, False),
        "mgphot": (mgphot.NUM_SONGS, len(mgphot.ATTRIBUTES), nan, False),
    }
    columns = ["tracks", "tags", "seconds", "sound"]
    return pandas.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("dataset")
