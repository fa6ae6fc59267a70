"""What the records of runs and measurements say about how they were made. Book: ``book/how_made``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..evaluation.bootstrap import Interval
from ..plots.style import MODEL_NAMES
from ..training.records import read_record
from ..training.results_table import seconds_of
from ..utils.text import duration
from .runs import BUNDLED_RUNS, bundled_record, list_predictions, training_records

if TYPE_CHECKING:
    import pandas

_PRECISIONS = {"no": "single precision", "bf16": "bfloat16, mixed"}


@cache
def trained() -> dict[str, dict[str, Any]]:
    """Name -> record of every bundled training run.

    Book: ``book/how_made``.
    """
    return {record["name"]: record for record in training_records()}


@cache
def measured() -> dict[str, dict[str, Any]]:
    """Name -> record of everything else that was measured.

    Book: ``book/how_made``.
    """
    records = {path.stem: read_record(path) for path in sorted(BUNDLED_RUNS.glob("*.json"))}
    return {name: record for name, record in records.items() if record.get("kind") != "training"}


def commit_of(record: Mapping[str, Any]) -> str:
    """The commit of the code, 7 digits, and whether it had changes."""
    head, *more = record.get("commit", "-").split(maxsplit=1)
    return " ".join([head[:7], *more])


def machine_of(record: Mapping[str, Any]) -> str:
    """The machine of a record, without its load, which matters for times alone."""
    return str(record.get("device", record.get("machine", "-"))).split(", load")[0].removesuffix(" at the end")


def record_table(name: str) -> pandas.DataFrame:
    """The most important fields of one record of training.

    Book: ``book/how_made``.
    """
    import pandas

    record = trained()[name]
    mean = Interval.from_dict(record["test"]["means"]["roc_auc"])
    rows = {
        "command": record["command"],
        "code": commit_of(record),
        "machine": record["device"],
        "corpus": f"{record['corpus']['name']}, {record['corpus']['train']}",
        "training segments": f"{record['num_training_segments']:,}",
        "time": duration(seconds_of(record)),
        "PyTorch": record["versions"]["torch"],
        "test clips": f"{record['test']['num_songs']:,} of {record['test']['num_groups']:,} families",
        "ROC-AUC over all songs": f"{mean:.3f}",
        "date": record["date"],
    }
    return pandas.DataFrame({"value": rows}).rename_axis("field")


def runs_table() -> pandas.DataFrame:
    """One row a training run: command, speed, time, commit, and whether its predictions are bundled.

    Book: ``book/how_made``.
    """
    import pandas

    with_predictions = set(list_predictions())
    rows = {
        name: {
            "command": record["command"],
            "segments a second": round(record["segments_per_second"]) if "num_steps" in record else None,
            "time": duration(seconds_of(record)),
            "commit": commit_of(record),
            "predictions": "yes" if name in with_predictions else "no",
            "remark": record.get("remark", ""),
        }
        for name, record in trained().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("record")


def sizes_table() -> pandas.DataFrame:
    """How many runs there are of each number of clips and training segments, seeds included, and how long they took.

    Book: ``book/how_made``.
    """
    import pandas

    rows: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for record in trained().values():
        rows.setdefault((record["num_clips"], record["num_training_segments"]), []).append(record)
    return pandas.DataFrame(
        [
            {
                "clips": clips,
                "training segments": segments,
                "runs": len(records),
                "with predictions": sum(record["name"] in list_predictions() for record in records),
                "median time": duration(sorted(map(seconds_of, records))[len(records) // 2]),
            }
            for (clips, segments), records in sorted(rows.items())
        ]
    )


def machines_table() -> pandas.DataFrame:
    """One row a machine: runs of training and hours. A run of several models counts once.

    Book: ``book/how_made``.
    """
    import pandas

    runs = {(record["command"], record["seed"]): record for record in trained().values()}.values()
    counts = Counter(map(machine_of, runs))
    hours = {
        machine: sum(seconds_of(record) for record in runs if machine_of(record) == machine) / 3600
        for machine in counts
    }
    rows = {machine: {"runs": count, "hours": hours[machine]} for machine, count in counts.most_common()}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("machine")


def speed_table() -> pandas.DataFrame:
    """Segments a second of the poster's pair on a machine that did nothing else, both trained beside each other.

    Book: ``book/how_made``.
    """
    import pandas

    rows = {}
    for precision, models in bundled_record("training-speed")["speeds"].items():
        speeds = {name: float(model["segments_per_second"]) for name, model in models.items()}
        rows[_PRECISIONS[precision]] = {
            "waveform": speeds["waveform"],
            "spectrogram": speeds["spectrogram"],
            "waiting for clips, at most, %": 100 * max(model["data_wait_ratio"] for model in models.values()),
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("arithmetic")


def controls_table() -> pandas.DataFrame:
    """ROC-AUC over all songs of runs with shuffled labels, beside the same runs with true labels.

    Book: ``book/how_made``.
    """
    import pandas

    rows = {}
    for name, record in trained().items():
        if record["settings"]["data"]["shuffle_labels"]:
            pair = {"shuffled labels": record, "true labels": trained()[name.replace("-shuffled", "")]}
            rows[MODEL_NAMES.get(record["model"], record["model"])] = {
                title: Interval.from_dict(run["test"]["means"]["roc_auc"]) for title, run in pair.items()
            }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def measurements_table() -> pandas.DataFrame:
    """One row a measurement that is no training run: command, machine, commit and date.

    Book: ``book/how_made``.
    """
    import pandas

    rows = {
        name: {
            "command": record["command"],
            "machine": machine_of(record),
            "commit": commit_of(record),
            "date": record.get("date", ""),
        }
        for name, record in measured().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("record")


def versions_table() -> pandas.DataFrame:
    """One row a library: its versions, each with the number of records that used it.

    Book: ``book/how_made``.
    """
    import pandas

    used: dict[str, Counter[str]] = {}
    for record in [*trained().values(), *measured().values()]:
        for library, version in record.get("versions", {}).items():
            used.setdefault(library, Counter())[version] += 1
    rows = {
        library: ", ".join(f"{version} ({count})" for version, count in versions.most_common())
        for library, versions in sorted(used.items())
    }
    return pandas.DataFrame({"versions (records)": rows}).rename_axis("library")
