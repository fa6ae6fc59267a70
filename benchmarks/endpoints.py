"""Endpoints within sources for records that were written before there were any, from the predictions that were kept.

    python benchmarks/endpoints.py            # records that lack them, or have them as an earlier version measured
    python benchmarks/endpoints.py --all      # all, after a change of how they are measured

Needs the corpus `sheet-music`; takes about two CPU-seconds a run. New runs write their endpoints themselves. Runs whose
predictions were not kept are named: `laptop_edition.py --again` trains them once more.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from tqdm import tqdm

from tagging import open_corpus
from tagging.book.runs import BUNDLED_RUNS, SPLITS, list_predictions, load_predictions, write_sources
from tagging.evaluation.predictions import Predictions
from tagging.training.endpoints import record_fields
from tagging.training.records import read_training_records, write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="also those that have them")
    options = parser.parse_args()
    # the first so many clips are those of every run
    counts = {"test": 2000, "validation": 500}
    sources, parts = {}, open_corpus("sheet-music", split="test").parts()
    for split in SPLITS:
        corpus, tracks = open_corpus("sheet-music", split=split), np.arange(counts[split])
        sources[split] = (tracks, corpus.strata(tracks), corpus.annotated(tracks))
    write_sources(sources)
    records, predicted = read_training_records([BUNDLED_RUNS]), list_predictions()
    missing = [record["name"] for record in records if record["name"] not in predicted]
    candidates = [record for record in records if record["name"] in predicted]
    # all runs have the same test songs, labels and sources
    first = (load_predictions(candidates[0]["name"], split) for split in SPLITS)
    today = record_fields(*first, parts)["endpoints"]["fingerprint"]
    to_do = [
        record["name"]
        for record in candidates
        if options.all or record.get("endpoints", {}).get("fingerprint") != today
    ]
    for name in tqdm(to_do, unit="run"):
        test, validation = (load_predictions(name, split) for split in SPLITS)
        check_tracks(name, test, corpus_version=open_corpus("sheet-music", split="test").version)
        path = BUNDLED_RUNS / f"{name}.json"
        record = json.loads(path.read_text(encoding="utf-8"))  # with the names of its time
        write_record(path, record | record_fields(test, validation, parts))
    print(f"{len(to_do)} records written; without predictions: {len(missing)} of {len(records)}: {', '.join(missing)}")


def check_tracks(name: str, test: Predictions, corpus_version: str) -> None:
    """Raise SystemExit unless the predictions are of the clips that this corpus has."""
    record = json.loads((BUNDLED_RUNS / f"{name}.json").read_text(encoding="utf-8"))
    if record["corpus"]["test"] != corpus_version or test.tracks is None:
        raise SystemExit(f"{name}: tested on {record['corpus']['test']}, this corpus is {corpus_version}")


if __name__ == "__main__":
    main()
