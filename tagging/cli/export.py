"""``tagging export``: a tagger as an ONNX file. Book: ``book/putting_together``."""

from __future__ import annotations

import argparse
from pathlib import Path

from .base import OK, Run, command
from .paths import check_output_file, tagger_path
from .terminal import show


@command(
    "export",
    help="write a tagger as an ONNX file, which runs without PyTorch",
    description="Write a tagger as an ONNX file: waveform in, logits and embedding out, any number of segments at once, with its "
    "tags, sample rate, licence and origin in the metadata. `tagging tag --model FILE.onnx` runs it; so does whatever runs ONNX.",
)
def export(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging export``."""
    parser.add_argument(
        "model",
        metavar="NAME",
        help="a name of `tagging list`, the path of a saved tagger, or the folder of a model of a run",
    )
    parser.add_argument("output", metavar="FILE.onnx", help="the file to write")
    parser.add_argument(
        "--fp16",
        action="store_true",
        help="store filters and matrices in half precision: half the size, scores change by less than 0.005",
    )
    parser.add_argument("--log-mel", action="store_true", help="a third output: the log-mel spectrogram")
    return _export


def _export(options: argparse.Namespace) -> int:
    from ..audio.examples import sound_path
    from ..models.onnx.onnx_tagger import OnnxTagger
    from ..pretrained import load_tagger

    path = check_output_file("the output", Path(options.output), [".onnx"])
    tagger = load_tagger(tagger_path(options.model), runtime="torch")
    tagger.export(path, half=options.fp16, log_mel=options.log_mel)
    sound = sound_path("greensleeves")
    difference = abs(OnnxTagger.load(path).tag(sound).taggram - tagger.tag(sound).taggram).max()
    show(f"{path}: {path.stat().st_size / 1e6:.1f} MB; scores of {sound.name} differ by at most {difference:.1e}")
    return OK
