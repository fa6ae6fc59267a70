"""What a run leaves of each model: its weights, what it said about songs it was not trained on, and a record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from ..data import Corpus
from ..errors import ConfigError, TaggingError
from ..evaluation.evaluate import Evaluation, evaluate
from ..evaluation.predictions import Predictions, write_predictions
from ..models.tagger import Tagger
from ..utils.provenance import cpu, environment_info
from ..utils.text import short_count
from .data import first_tracks, heard, open_split, predict
from .distributed import build_accelerator
from .failures import Failures
from .records import write_record
from .settings import EDITIONS, Settings

# Of weights, by what they were trained on. `scores` holds Essen and Palestrina unless it is opened with licence="open".
LICENCES = {"scores": "MIT; some of the scores it was trained on may be used for non-commercial purposes only"}

# What clips of a corpus are, for a reader.
CLIPS = {"scores": "synthesized clips of scores"}


class Trained(Protocol):
    """What is asked of a trained model here."""

    name: str
    plain: nn.Module
    best: float
    best_update: int


def run_name(settings: Settings, model: str) -> str:
    """``laptop-spectrogram-10k-s0``: edition, model, training clips, what else makes it another experiment, seed."""
    clips = "all" if settings.clips is None else short_count(settings.clips)
    extras = [f"{key}-{value}" for key, value in {**settings.corpus_options, **settings.train_options}.items()]
    if settings.clips_seen != EDITIONS[settings.edition].clips_seen:
        extras.append(f"seen-{short_count(settings.clips_seen)}")
    if settings.loss != "plain":
        extras.append(settings.loss)
    if settings.shuffled_labels:
        extras.append("shuffled")
    # a corpus option may hold anything, a path for one; a name holds letters, digits and a few signs
    extras = [re.sub(r"[^\w.+-]+", "_", extra) for extra in extras]
    return "-".join([settings.edition, model.replace(":", "+"), clips, *extras, f"s{settings.seed}"])


def report_models(
    settings: Settings,
    learners: Sequence[Trained],
    corpus: Corpus,
    share: np.ndarray,
    run: dict[str, Any],
    places: Sequence[Path],
    accelerator: Any,
) -> list[dict[str, Any]]:
    """Test every model on the same songs and write, into a folder each, weights, scores and record."""
    test = open_split(settings, "test")
    models = {learner.name: learner.plain for learner in learners}
    positives = train_positives(share, settings.clips or len(corpus))
    said, failed = {}, {"train": run["failed_tracks"]}
    for songs, count in ((open_split(settings, "validation"), settings.validation_clips), (test, settings.test_clips)):
        split = songs.split
        failures = Failures(songs, count, places[0].parent, accelerator)
        said[split] = predictions_of(models, songs, count, settings, accelerator, failures, positives)
        failed[split] = len(failures.messages)
    records = []
    for learner, place in zip(learners, places, strict=True):
        found = said["test"][learner.name]
        result = evaluate(
            found.labels, found.scores, test.vocabulary, groups=found.groups, resamples=settings.resamples
        )
        record = {
            "kind": "training",
            "name": run_name(settings, learner.name),
            "command": settings.command(),
            "edition": settings.edition,
            "model": learner.name,
            "clips": settings.clips or len(corpus),
            "seed": settings.seed,
            "parameters": sum(parameter.numel() for parameter in learner.plain.parameters()),
            "settings": settings.to_dict(),
            "corpus": describe(corpus, test),
            **run,
            "failed_tracks": failed,
            "best": {"update": learner.best_update, "validation": round(learner.best, 5)},
            "history": [own_part(entry, learner.name) for entry in run["history"]],
            "train_share": [None if np.isnan(value) else round(float(value), 5) for value in share],
            "test": result.to_dict(),
            "device": _device(accelerator),
            "processes": accelerator.num_processes,
        }
        if accelerator.is_main_process:
            place.mkdir(parents=True, exist_ok=True)
            for split, predictions in said.items():
                write_predictions(place / f"predictions-{split}.npz", predictions[learner.name])
            if isinstance(learner.plain, Tagger):
                learner.plain.card = card(record, result)
                learner.plain.save(place / "tagger.safetensors")
            # last: where there is a record, all is there
            write_record(place / "record.json", record)
        records.append(record)
    accelerator.wait_for_everyone()
    return records


def predictions_of(
    models: dict[str, nn.Module],
    corpus: Corpus,
    count: int,
    settings: Settings,
    accelerator: Any,
    failures: Failures,
    positives: np.ndarray | None = None,
) -> dict[str, Predictions]:
    """What each of the models says about the first readable tracks of a split; says which share is not.

    Raises:
        CorpusError: more than 5 % of the tracks cannot be read.
        TaggingError: a model says something about a track that is no number.
    """
    tracks = first_tracks(corpus, count, f"{corpus.split}_clips")
    labels, groups = corpus.labels_of(tracks), corpus.groups()[tracks]
    found = {}
    for name, scores in predict(models, corpus, tracks, settings, accelerator, failures).items():
        read = heard(tracks, failures)
        if lost := int((~np.isfinite(scores[read])).any(axis=1).sum()):
            raise TaggingError(
                f"{name} says something that is no number about {lost} of {read.sum()} {corpus.split} tracks: "
                "its weights are lost, or too large for this precision"
            )
        found[name] = Predictions(scores[read], corpus.vocabulary, labels[read], positives, groups[read], tracks[read])
    if remark := failures.remark():
        accelerator.print(remark)
    return found


def train_positives(share: np.ndarray, clips: int) -> np.ndarray | None:
    """int64 [tags]: about how many of the training clips have each tag; None where no share is known."""
    counts = np.nan_to_num(share * clips).round().astype(np.int64)
    return counts if counts.any() else None


def evaluate_tagger(
    tagger: Tagger, settings: Settings, *, split: str = "test", cpu_only: bool = False
) -> dict[str, Any]:
    """A record of what a tagger says about the first songs of a split.

    Args:
        tagger: of the corpus's vocabulary.
        settings: which corpus, how many clips, how many segments of each.
        split: of the corpus.
        cpu_only: leave accelerators alone.

    Raises:
        ConfigError: the tagger has other tags, or another sample rate, than the corpus.
        CorpusError: more than 5 % of the tracks cannot be read.
    """
    accelerator = build_accelerator(settings.precision, cpu_only)
    corpus = open_split(settings, split)
    if tagger.vocabulary.names != corpus.vocabulary.names:
        raise ConfigError(
            f"this tagger knows {len(tagger.vocabulary)} tags, {', '.join(tagger.vocabulary.names[:3])}, ...; the corpus "
            f"{settings.corpus!r} has {len(corpus.vocabulary)} others: it can only be evaluated on the tags it was trained on"
        )
    if tagger.sample_rate != corpus.sample_rate:
        raise ConfigError(
            f"this tagger hears {tagger.sample_rate} Hz, the corpus {settings.corpus!r} has {corpus.sample_rate} Hz: "
            "evaluate a tagger that was built for the corpus's sample rate"
        )
    first_tracks(corpus, settings.test_clips, "clips")  # an error names the option, not a setting
    models = {"tagger": tagger.to(accelerator.device)}
    failures = Failures(corpus, settings.test_clips, accelerator=accelerator)
    found = predictions_of(models, corpus, settings.test_clips, settings, accelerator, failures)["tagger"]
    result = evaluate(found.labels, found.scores, corpus.vocabulary, groups=found.groups, resamples=settings.resamples)
    return {
        "kind": "evaluation",
        "command": _evaluate_command(settings, split),
        "tagger": dict(tagger.card),
        "settings": settings.to_dict(),
        "corpus": describe(corpus, corpus),
        "test": result.to_dict(),
        "failed_tracks": len(failures.messages),
        "device": _device(accelerator),
        **environment_info(),
    }


def _evaluate_command(settings: Settings, split: str) -> str:
    """What asks for these settings; the tagger brings the length of its segments."""
    usual = Settings().changed({"test_clips": settings.test_clips, "corpus": settings.corpus})
    extras = settings.changed({"segment_seconds": usual.segment_seconds}).assignments(usual)
    words = ["tagging evaluate TAGGER --corpus", settings.corpus, "--split", split, "--clips", str(settings.test_clips)]
    return " ".join([*words, *(["--set", *extras] if extras else [])])


def describe(corpus: Corpus, test: Corpus) -> dict[str, Any]:
    """Names and versions of what was trained and tested on."""
    about = {"name": type(corpus).registered_name, "train": corpus.version, "test": test.version}
    bank = getattr(corpus, "bank", None)
    return about if bank is None else about | {"bank": bank.version}


def _device(accelerator: Any) -> str:
    """The processor of a run, or its accelerators."""
    import torch

    if accelerator.device.type == "cpu":
        return cpu()
    name = (
        torch.cuda.get_device_name(accelerator.device) if accelerator.device.type == "cuda" else str(accelerator.device)
    )
    return f"{accelerator.num_processes} x {name}"


def own_part(entry: dict[str, Any], name: str) -> dict[str, Any]:
    """What an entry of the shared history says about one model."""
    own = {key: entry[key] for key in ("update", "rate")} | {"loss": entry["loss"][name]}
    return own | {"validation": entry["validation"][name]} if "validation" in entry else own


def card(record: dict[str, Any], result: Evaluation) -> dict[str, Any]:
    """What a user of the weights should know."""
    means, corpus = result.means, record["corpus"]["name"]
    return {
        "description": f"{record['model']}, trained on {record['clips']:,} {CLIPS.get(corpus, f'tracks of {corpus}')}",
        "dataset": corpus,
        "split": f"{record['corpus']['train']}, tested on {record['corpus']['test']}",
        "scores": {
            title: round(float(means[name].value), 4)
            for title, name in (("ROC-AUC", "roc_auc"), ("PR-AUC", "pr_auc"), ("sqrt(MSE)", "sqrt_mse"))
            if name in means
        },
        "licence": LICENCES.get(corpus, "not stated by those who trained it"),
        "record": record["name"],
    }
