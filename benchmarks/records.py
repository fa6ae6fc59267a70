"""Records of measurements: where they go, and what every one of them says about its circumstances."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tagging.book.runs import BUNDLED_RUNS
from tagging.training.records import write_record
from tagging.utils.provenance import PACKAGES, cpu, environment_info

# beside what training needs: what the corpus is made with
CORPUS_PACKAGES = ("music21", "symusic", "verovio", "tinysoundfont", "pretty_midi")


def write(name: str, results: dict[str, Any], path: str | None = None) -> Path:
    """Write ``tagging/book/runs/<name>.json``, or ``path``, with command, device, versions, commit and date added."""
    # where a file lies is a matter of one machine
    arguments = [Path(argument).name if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]
    record = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments]),
        **results,
        "device": f"{cpu()} at the end",
        **environment_info((*PACKAGES, *CORPUS_PACKAGES)),
    }
    target = write_record(Path(path) if path else BUNDLED_RUNS / f"{name}.json", record)
    print(f"record: {target.name}")
    return target
