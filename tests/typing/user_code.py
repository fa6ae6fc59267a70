"""A user's program, for the type checker alone: every line must pass. Nothing runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import tagging


def tag_songs(paths: list[Path]) -> dict[str, list[tuple[str, float]]]:
    tagger: tagging.Tagger = tagging.load_tagger("msd-musicnn")
    results = {path.name: tagger.tag(path, hop_seconds=1.5) for path in paths}
    for name, result in results.items():
        print(name, result.times.shape, result.taggram.mean(), result["rock"], result.notes)
    return {name: result.top(5) for name, result in results.items()}


def names() -> list[str]:
    return [
        *tagging.list_pretrained(),
        *tagging.list_frontends(),
        *tagging.list_backends(),
        *tagging.list_heads(),
        *tagging.list_corpora(),
        *tagging.list_baselines(),
        *tagging.FRONTENDS.names(),
        *tagging.HEADS.aliases(),
    ]


def train_one_step(waveform: torch.Tensor, labels: torch.Tensor) -> float:
    vocabulary = tagging.Vocabulary(["piano", tagging.Tag("tempo", kind="regression")])
    tagger = tagging.build_tagger("waveform", "temporal-pooling", vocabulary, segment_seconds=3.0, width=0.25)
    loss = tagging.tag_loss(tagger(waveform), labels, vocabulary)
    loss.backward()
    tagger.save("mine.safetensors")
    return loss.item()


def train_and_evaluate(labels: np.ndarray, scores: np.ndarray, artists: np.ndarray) -> tagging.Interval:
    settings = tagging.Settings()
    records = tagging.train(settings, "runs/mine", progress=False)
    print(records[0]["name"])
    vocabulary = tagging.Vocabulary(["piano", "drums"])
    report: tagging.Evaluation = tagging.evaluate(labels, scores, vocabulary, groups=artists)
    bias: tagging.BiasReport = tagging.bias_report(scores, vocabulary, labels)
    print(bias)
    return report.parts["all"]["roc_auc"]


def tracks(corpus: tagging.Corpus) -> list[str]:
    track: tagging.Track = corpus[0]
    print(track.read(start=1.0, seconds=3.0).dtype, track.labels, track.seconds)
    return [corpus[index].id for index in range(len(corpus))]


@tagging.register_backend("maximum")
class Maximum(tagging.Backend):
    def __init__(self, in_channels: int, num_frames: int, *, width: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        self.out_features = in_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.amax(dim=-1)


@tagging.register_loss("half")
def half(logits: torch.Tensor, target: torch.Tensor, tag_prior: torch.Tensor) -> torch.Tensor:
    return torch.full_like(logits, 0.5)


@tagging.register_command("greet", help="say hello")
def greet(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    parser.add_argument("name")
    return lambda options: print(f"hello {options.name}")


channels: int = Maximum(64, 100, width=0.5).out_features

try:
    tag_songs([tagging.sound_path("greensleeves")])
except tagging.AudioError as error:
    print(error)
except tagging.TaggingError:
    raise
