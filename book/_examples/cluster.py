"""Tag files in object storage on many machines with Dask: ``python cluster.py tcp://SCHEDULER:8786 's3://bucket/*.mp3'``.

Files are read through fsspec: file://, s3://, gs:// and more. A worker that dies loses what it was at; Dask gives it to
another. Book: ``book/serve_it``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import fsspec
from distributed import Client, as_completed, get_worker

import tagging
from tagging.models.inference import SongTagger

MODEL = "msd-musicnn"
Row = dict[str, Any]


def worker_tagger(model: str) -> SongTagger:
    """The tagger of this worker, loaded at its first file."""
    worker = get_worker()
    if getattr(worker, "model", None) != model:
        worker.tagger = tagging.load_tagger(model, runtime="onnx")
        worker.model = model
    return worker.tagger


def tag_url(url: str, model: str) -> Row:
    """Tags of one file, or what is wrong with it: no bad file stops the others."""
    try:
        with fsspec.open(url, "rb") as file:
            return {"file": url, **worker_tagger(model).tag(file.read()).to_dict()}
    except (tagging.TaggingError, OSError) as error:
        return {"file": url, "error": str(error)}


def tag_urls(client: Client, urls: list[str], model: str = MODEL) -> list[Row]:
    """Tag files on the workers of a cluster; rows in the order of ``urls``."""
    tasks = client.map(tag_url, urls, model=model)
    rows = {}
    done = as_completed(tasks, with_results=True)
    for count, (_, row) in enumerate(done, start=1):
        rows[row["file"]] = row
        print(f"\r{count} of {len(urls)} files", end="", file=sys.stderr)
    return [rows[url] for url in urls]


if __name__ == "__main__":
    address, pattern, *model = sys.argv[1:]
    files, _, matches = fsspec.get_fs_token_paths(pattern)
    for row in tag_urls(Client(address), [files.unstrip_protocol(path) for path in matches], *model):
        print(json.dumps(row))
