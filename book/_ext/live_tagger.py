"""Sphinx extension: what the live tagger of the front page loads, put beside the pages.

- onnxruntime-web, and the mp3 decoder that libsndfile has too, from npm: ``_static/vendor``
- pretrained taggers as ONNX files with a list of them, made by the package: ``_static/listen/models``

Neither is in the repository. The page's own code is in ``book/_static/listen``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from npm_files import npm_files
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.util import logging

logger = logging.getLogger(__name__)
RUNTIME = "onnxruntime-web@1.30.0"
FILES = {
    "dist/ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "dist/ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
DECODER = "mpg123-decoder@1.0.3"
DECODER_FILES = {"dist/mpg123-decoder.min.js": "c13a80f0455795eb0c8a1c7844fb5e567cf37acc00fdd3e1f3e6b89f7b4601ce"}
WASM = "ort-wasm-simd-threaded.wasm"
# in the order of the page's list; the first is chosen
MODELS = {
    "mtt-musicnn": "musicnn, MagnaTagATune",
    "msd-musicnn": "musicnn, Million Song Dataset",
    "laptop-waveform-1M": "our waveform model, 1M clips of sheet music",
    "laptop-spectrogram-1M": "our spectrogram model, 1M clips of sheet music",
}


def model_file(name: str) -> tuple[bytes, dict[str, Any]]:
    """A pretrained tagger as an exported file, and what the page must know of it.

    The file is what ``tagging export`` writes, made of a graph that ships with the package, so without PyTorch.
    """
    from dataclasses import asdict, replace

    from tagging.models.onnx.container import fill, with_metadata
    from tagging.models.serialization import read_arrays
    from tagging.pretrained import list_bundled, load_tagger, musicnn, pretrained_card
    from tagging.pretrained.bundled import bundled_path, graph_of
    from tagging.pretrained.graphs import Graph
    from tagging.utils.legacy import CORPORA, current_state

    card = pretrained_card(name)
    if name in list_bundled():
        graph, arrays = Graph(graph_of(name)), current_state(read_arrays(bundled_path(name))[1])
    else:
        graph, arrays = Graph(card["architecture"]), musicnn.pretrained_weights(name, {name: card})
    tagger = load_tagger(name, runtime="onnx")
    dataset = CORPORA.get(card["dataset"], card["dataset"])
    description = replace(graph.description, tags=tagger.vocabulary.to_list(), card=tagger.card)
    model = with_metadata(fill(graph.model, arrays), json.dumps(asdict(description)))
    return model, {
        "name": name,
        "title": MODELS[name],
        "about": f"{len(tagger.vocabulary)} tags. {card['description'].capitalize()}. Trained on {dataset}.",
        "file": f"{name}.onnx",
        "bytes": len(model),
        "sha256": hashlib.sha256(model).hexdigest(),
        "sampleRate": tagger.sample_rate,
        "segmentSamples": tagger.segment_samples,
        "hopSamples": tagger.hop_samples,
        "songPadding": tagger.song_padding,
        "tags": [{"name": tag.name, "kind": tag.kind} for tag in tagger.vocabulary],
        "thresholds": tagger.thresholds,
        "card": {"licence": card["licence"], "dataset": dataset},
    }


def write_assets(static: Path) -> None:
    """Put runtime, models and their list below the ``_static`` folder of a built book; without npm, an empty list."""
    vendor, decoder = static / "vendor" / "onnxruntime", static / "vendor" / "mpg123"
    models = static / "listen" / "models"
    for folder in (vendor, decoder, models):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        files = npm_files(RUNTIME, FILES)
        decoders = npm_files(DECODER, DECODER_FILES)
    except ConfigError as error:  # a book without its live tagger is better than none
        logger.info("the front page has no live tagger: %s", error)
        (models / "models.json").write_text(json.dumps({"wasmBytes": 0, "models": []}), encoding="utf-8")
        return
    for path in files.values():
        shutil.copyfile(path, vendor / path.name)
    for path in decoders.values():
        shutil.copyfile(path, decoder / path.name)
    entries = []
    for name in MODELS:
        content, entry = model_file(name)
        (models / entry["file"]).write_bytes(content)
        entries.append(entry)
    catalogue = {"wasmBytes": (vendor / WASM).stat().st_size, "models": entries}
    (models / "models.json").write_text(json.dumps(catalogue), encoding="utf-8")


def write_for_book(app: Sphinx) -> None:
    write_assets(Path(app.outdir, "_static"))


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("builder-inited", write_for_book)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
