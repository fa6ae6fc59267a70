"""Can the tags of the scores corpus be learned? A quarter-width tagger, three minutes of training on two cores.

    python benchmarks/scores_learnability.py                 # writes tagging/runs/scores-learnability.json

The clock counts core time: three minutes on two cores are 360 core-seconds, however busy the machine is with other work.
Segments are rendered and degraded before the clock starts: two training threads beside a renderer lose half of their
speed. The tagger is tested on tune families it has never met: five segments of 3 s a clip, their scores averaged.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import records
import torch
from sklearn.metrics import roc_auc_score

import tagging
from tagging.corpora import stream
from tagging.corpora.scores.degradations import Degradations

SECONDS = 3.0
SEGMENTS = 5
BATCH = 16
# Twice the usual hop: half the work for each segment, and so twice the updates.
MEL = {"n_fft": 1024, "hop": 512, "bands": 96}
# The networks' own momentum suits long runs: after a few hundred updates its averages still lag behind the weights.
MOMENTUM = 0.1


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    train = tagging.open_corpus("scores", split="train", clips=options.clips, seed=options.seed)
    test = tagging.open_corpus("scores", split="test", clips=options.test_clips, seed=options.seed)
    degrade = Degradations()

    start = time.perf_counter()
    indices = np.arange(options.clips)
    sound, labels = collect(train, degrade, indices, None, options.threads)
    rendering = time.perf_counter() - start
    print(f"{options.clips} training segments made in {rendering:.0f} s", flush=True)

    tagger = build(train.vocabulary, labels, options)
    seen, core, wall = fit(tagger, sound, labels, options)
    print(f"{seen} segments, {seen // BATCH} updates in {core:.0f} core-seconds, {wall:.0f} s by the wall", flush=True)

    scores, truth = predict(tagger, degrade, test, options.threads)
    results = evaluate(train.vocabulary, scores, truth, test.groups(), options.resamples)
    parameters = sum(parameter.numel() for parameter in tagger.parameters())
    config = {name: value for name, value in vars(options).items() if name != "record"}
    config |= {"segment_seconds": SECONDS, "segments_per_test_clip": SEGMENTS, "batch": BATCH}
    record = {
        "config": config
        | {
            "width": 0.25,
            "dropout": 0.1,
            "mel": MEL,
            "norm_momentum": MOMENTUM,
            "backend": "temporal-pooling",
            "parameters": parameters,
        },
        "corpus": {"train": train.version, "test": test.version, "bank": train.bank.version},
        "seed": options.seed,
        "clips_seen": seen,
        "updates": seen // BATCH,
        "seconds": {"making segments": round(rendering, 1), "training": round(wall, 1)},
        "core_seconds": {"training": round(core, 1)},
        "clips_per_second": round(seen / wall, 1),
        "clips_per_core_second": round(seen / core, 1),
        **results,
    }
    records.write("scores-learnability", record, options.record)
    for name, mean in results["mean"].items():
        print(f"{name}: ROC-AUC {mean['roc_auc']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}] over {mean['tags']} tags")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0, help="of training (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="minutes on so many cores (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=16000, help="training clips (default: %(default)s)")
    parser.add_argument("--test-clips", type=int, default=1620, help="(default: %(default)s)")
    parser.add_argument("--frontend", default="spectrogram", help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5e-3, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument(
        "--resamples", type=int, default=300, help="bootstrap over tune families (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    return parser.parse_args()


def collect(corpus, degrade, indices, starts, workers):
    """All segments of a stream in memory, degraded: int16 [segments, samples], and their labels."""
    sound = np.empty((len(indices), round(SECONDS * corpus.sample_rate)), np.int16)
    labels = np.empty((len(indices), len(corpus.vocabulary)), np.float32)
    place = 0
    for batch in stream(corpus, indices, batch_size=100, seconds=SECONDS, starts=starts, workers=workers):
        rows = slice(place, place + len(batch))
        with torch.inference_mode():
            degraded = degrade(torch.from_numpy(batch.audio), torch.from_numpy(batch.draws))
        sound[rows], labels[rows] = (degraded * 32767).round().to(torch.int16).numpy(), batch.labels
        place = rows.stop
    return sound, labels


def build(vocabulary, labels, options):
    """The quarter-width tagger, its outputs starting at each tag's log-odds."""
    tagger = tagging.build_tagger(
        frontend=options.frontend,
        backend="temporal-pooling",
        tags=vocabulary,
        segment_seconds=SECONDS,
        width=0.25,
        backend_options={"dropout": 0.1},
        head_options={"dropout": 0.1},
        frontend_options={"mel": MEL} if options.frontend == "spectrogram" else {},
    )
    for module in tagger.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = MOMENTUM
    share = np.clip(np.nanmean(labels, axis=0), 1e-3, 1 - 1e-3)[vocabulary.bimodal]
    with torch.no_grad():
        tagger.head.kinds["bi-modal"].bias.copy_(torch.from_numpy(np.log(share / (1 - share)).astype(np.float32)))
        tagger.head.kinds["uniform"].bias.zero_()
    return tagger


def fit(tagger, sound, labels, options):
    """Train by the clock, one cycle of the learning rate; returns the segments seen, core-seconds, and seconds."""
    optimizer = torch.optim.AdamW(tagger.parameters(), lr=options.rate, weight_decay=1e-3)
    shuffle = np.random.default_rng(options.seed)
    limit, warm_up = 60 * options.minutes * options.cores, 0.15
    tagger.train()
    start, core_start = time.perf_counter(), time.process_time()
    seen, order = 0, np.zeros(0, np.int64)
    while (done := (time.process_time() - core_start) / limit) < 1:
        factor = done / warm_up if done < warm_up else 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))
        for group in optimizer.param_groups:
            group["lr"] = options.rate * max(factor, 1e-3)
        if len(order) < BATCH:
            order = shuffle.permutation(len(sound))
        chosen, order = order[:BATCH], order[BATCH:]
        waveform = torch.from_numpy(sound[chosen]).float() / 32768
        loss = tagger.loss(tagger(waveform), torch.from_numpy(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += BATCH
    return seen, time.process_time() - core_start, time.perf_counter() - start


def predict(tagger, degrade, corpus, workers):
    """Mean score over the segments of each test clip, and the labels of the whole clip."""
    indices = np.repeat(np.arange(len(corpus)), SEGMENTS)
    starts = np.tile(np.arange(SEGMENTS) * SECONDS, len(corpus))
    sound, _ = collect(corpus, degrade, indices, starts, workers)
    truth = np.array([corpus[index].labels for index in range(len(corpus))])
    scores = []
    with tagger.listening():
        for place in range(0, len(sound), 50):
            waveform = torch.from_numpy(sound[place : place + 50]).float() / 32768
            scores.append(tagger(waveform).sigmoid().numpy())
    return np.concatenate(scores).reshape(len(corpus), SEGMENTS, -1).mean(axis=1), truth


def evaluate(vocabulary, scores, truth, families, resamples):
    """Per tag and in the mean over groups of tags: ROC-AUC with 95 % intervals, families resampled; sqrt(MSE) for attributes."""
    bimodal = np.flatnonzero(vocabulary.bimodal)
    _, family = np.unique(families, return_inverse=True)
    random = np.random.default_rng(0)
    count = family.max() + 1
    weights = [None] + [
        np.bincount(random.integers(0, count, count), minlength=count)[family] for _ in range(resamples)
    ]
    table = np.array([[auc(truth[:, tag], scores[:, tag], weight) for tag in bimodal] for weight in weights])
    arranger = np.array([vocabulary[tag].source == "arranger" for tag in bimodal])
    groups = {"all tags": np.ones(len(bimodal), bool), "score tags": ~arranger, "instrument tags": arranger}
    mean = {}
    for name, chosen in groups.items():
        values = np.nanmean(table[:, chosen], axis=1)
        mean[name] = {"tags": int(chosen.sum()), "roc_auc": values[0], **interval(values[1:])}
    tags = {}
    for column, tag in enumerate(bimodal):
        known = truth[~np.isnan(truth[:, tag]), tag]
        about = {"source": vocabulary[tag].source, "positives": int(known.sum()), "known": len(known)}
        tags[vocabulary[tag].name] = about | {"roc_auc": table[0, column], **interval(table[1:, column])}
    attributes = {}
    for tag in np.flatnonzero(vocabulary.uniform):
        known = ~np.isnan(truth[:, tag])
        error = scores[known, tag] - truth[known, tag]
        spread = truth[known, tag] - truth[known, tag].mean()
        attributes[vocabulary[tag].name] = {
            "sqrt_mse": float(np.sqrt(np.mean(error**2))),
            "sqrt_mse_of_the_mean": float(np.sqrt(np.mean(spread**2))),
        }
    return {"mean": mean, "tags": tags, "attributes": attributes}


def auc(truth, score, weight):
    known = ~np.isnan(truth)
    if weight is not None:
        known &= weight > 0
        weight = weight[known]
    if len(np.unique(truth[known])) < 2:
        return np.nan
    return float(roc_auc_score(truth[known], score[known], sample_weight=weight))


def interval(values):
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
