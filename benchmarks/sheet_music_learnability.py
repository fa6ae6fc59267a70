"""Can the tags of the scores corpus be learned? A quarter-width tagger, three minutes of training on two cores.

    python benchmarks/sheet_music_learnability.py                 # writes tagging/book/runs/scores-learnability.json

The clock counts core time: three minutes on two cores are 360 core-seconds, however busy the machine is with other work.
Segments are rendered and degraded before the clock starts: two training threads beside a renderer lose half of their
speed. The recipe is that of the laptop edition, chosen on the validation split. The tagger is tested on tune families it has
never met: five segments of 3 s a clip, their scores averaged.
"""

from __future__ import annotations

import timing  # isort: skip  # noqa: F401  (sets the number of threads before numpy is imported)

import argparse
import time

import numpy as np
import records
import torch
from accelerate import Accelerator

from tagging.data import stream
from tagging.evaluation.predictions import Predictions
from tagging.training import edition
from tagging.training.data import Split, predict
from tagging.training.learner import learning_rate
from tagging.training.losses import tag_loss
from tagging.training.models import build_model
from tagging.training.records import describe_corpus
from tagging.training.results import evaluate_predictions


def main() -> None:
    options = arguments()
    settings = edition("laptop").override(
        {"data.num_clips": options.clips, "seed": options.seed, "evaluation.num_test_clips": options.test_clips}
    )
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    train, test = Split(settings, "train"), Split(settings, "test")

    start = time.perf_counter()
    sound, labels = collect(train, settings)
    rendering = time.perf_counter() - start
    print(f"{len(sound)} training segments made in {rendering:.0f} s", flush=True)

    tagger = build_model("spectrogram", settings.model, train.corpus.vocabulary, train.corpus.sample_rate)
    tagger.init_output_bias(np.nanmean(labels, axis=0))
    limit = 60 * options.minutes * options.cores
    seen, core, wall = fit(tagger, sound, labels, settings, limit)
    print(
        f"{seen} segments, {seen // settings.optimization.batch_size} steps in {core:.0f} core-seconds, {wall:.0f} s by the wall",
        flush=True,
    )

    scores = predict({"tagger": tagger}, test, settings, Accelerator(cpu=True))["tagger"]
    result = evaluate_predictions(
        Predictions(scores, test.corpus.vocabulary, test.labels, groups=test.groups), test, settings
    )
    record = {
        "model": "spectrogram",
        "minutes": options.minutes,
        "cores": options.cores,
        "threads": 1,
        "settings": settings.to_dict(),
        "parameters": sum(parameter.numel() for parameter in tagger.parameters()),
        "corpus": describe_corpus(train.corpus, test.corpus),
        "num_training_segments": seen,
        "num_steps": seen // settings.optimization.batch_size,
        "seconds": {"making segments": round(rendering, 1), "training": round(wall, 1)},
        "core_seconds": {"training": round(core, 1)},
        "segments_per_core_second": round(seen / core, 1),
        "test": result.to_dict(),
        "spread": dict(
            zip(test.corpus.vocabulary.names, np.nanstd(test.labels, axis=0).round(4).tolist(), strict=True)
        ),
    }
    records.write("scores-learnability", record, options.record)
    for part, means in result.parts.items():
        print(f"{part} tags: ROC-AUC {means['roc_auc'].value:.3f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0, help="of training (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="minutes on so many cores (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=16000, help="training clips (default: %(default)s)")
    parser.add_argument("--test-clips", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    return parser.parse_args()


def collect(split, settings):
    """One segment of each training clip in memory, degraded: int16 [segments, samples], and their labels."""
    corpus, seconds = split.corpus, settings.model.segment_seconds
    sound = np.empty((len(split), round(seconds * corpus.sample_rate)), np.int16)
    labels = np.empty((len(split), len(corpus.vocabulary)), np.float32)
    augment, done = corpus.augment(), 0
    for batch in stream(corpus, split.indices, batch_size=100, seconds=seconds, workers=1):
        rows = slice(done, done + len(batch))
        with torch.inference_mode():
            degraded = augment(torch.from_numpy(batch.audio), torch.from_numpy(batch.augmentation_params))
        sound[rows], labels[rows] = (degraded * 32767).round().to(torch.int16).numpy(), batch.labels
        done = rows.stop
    return sound, labels


def fit(tagger, sound, labels, settings, limit):
    """Train until ``limit`` core-seconds are spent; returns the segments seen, core-seconds, and seconds."""
    optimizer = torch.optim.AdamW(
        tagger.parameters(),
        lr=settings.optimization.learning_rate,
        weight_decay=settings.optimization.weight_decay,
        fused=True,
    )
    shuffle = np.random.default_rng(settings.seed)
    tagger.train()
    start, core_start = time.perf_counter(), time.process_time()
    seen, order = 0, np.zeros(0, np.int64)
    while (done := (time.process_time() - core_start) / limit) < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, max(1, round(done * settings.num_steps)))
        if len(order) < settings.optimization.batch_size:
            order = shuffle.permutation(len(sound))
        chosen, order = order[: settings.optimization.batch_size], order[settings.optimization.batch_size :]
        waveform = torch.from_numpy(sound[chosen]).float() / 32768
        loss = tag_loss(tagger(waveform), torch.from_numpy(labels[chosen]), tagger.vocabulary)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += settings.optimization.batch_size
    return seen, time.process_time() - core_start, time.perf_counter() - start


if __name__ == "__main__":
    main()
