"""Results of a run: for each model its weights, validation and test predictions, and a record. Book: ``book/results``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from ..data import Corpus
from ..errors import ConfigError, TaggingError
from ..evaluation.evaluate import Evaluation, evaluate
from ..evaluation.predictions import Predictions, write_predictions
from ..evaluation.thresholds import fit_thresholds
from ..models.tagger import Tagger
from ..utils.provenance import command_line, cpu, environment_info
from ..utils.text import printable
from .data import Split, predict
from .distributed import build_accelerator
from .endpoints import endpoints, record_fields, sources_of
from .failures import Failures
from .finetuned import FINETUNED
from .learner import num_parameters
from .records import describe_corpus, training_record, write_record
from .run import Run
from .settings import Settings


def write_results(run: Run) -> list[dict[str, Any]]:
    """Test the best weights of each model on the same clips, and write weights, predictions and record into its folder."""
    settings, accelerator, seconds = run.settings, run.accelerator, run.seconds
    run.failures.check(run.num_segments, is_end=True)
    if remark := run.failures.remark():
        run.print(remark)
    for learner in run.learners:
        learner.module.load_state_dict(learner.best_weights)
    models = {learner.name: learner.network for learner in run.learners}
    positives = train_positives(run.tag_prior, len(run.train))
    predictions, failed = {}, {"train": len(run.failures.messages)}
    for split in (run.validation, run.test):
        failures = Failures(split.corpus, len(split), run.folder, accelerator, split.max_unreadable)
        predictions[split.name] = predictions_of(models, split, settings, accelerator, failures, positives)
        failed[split.name] = len(failures.messages)
    records = []
    for learner, folder in zip(run.learners, run.model_folders(), strict=True):
        evaluation = evaluate_predictions(predictions["test"][learner.name], run.test, settings)
        of_model = {name: by_model[learner.name] for name, by_model in predictions.items()}
        record = training_record(
            settings, learner.name, run.train, run.test, evaluation, run.tag_prior, run.environment,
            parameters=num_parameters(learner.module),
            num_training_segments=run.num_segments,
            num_steps=run.step,
            seconds=round(seconds, 1),
            segments_per_second=round(run.num_segments / seconds, 1),
            data_wait_ratio=round(run.seconds_waited / seconds, 4),
            failed_tracks=failed,
            best={"step": learner.best_step, "validation": round(learner.best_score, 5)},
            history=[_history_of(event, learner.name) for event in run.history],
            resumes=run.resumes,
            device=_device(accelerator),
            num_processes=accelerator.num_processes,
            **record_fields(**of_model, parts=run.test.corpus.parts(), resamples=settings.evaluation.num_resamples),
        )  # fmt: skip
        if accelerator.is_main_process:
            for name, of_split in of_model.items():
                write_predictions(folder / f"predictions-{name}.npz", of_split)
            if isinstance(learner.module, Tagger):
                learner.module.card = card(record, evaluation, run.train.corpus) | {
                    "thresholds": _thresholds(predictions["validation"][learner.name], settings)
                }
                learner.module.save(folder / "tagger.safetensors")
            write_record(folder / "record.json", record)  # last: where there is a record, the rest is complete
        records.append(record)
    accelerator.wait_for_everyone()
    return records


def predictions_of(
    models: dict[str, nn.Module],
    split: Split,
    settings: Settings,
    accelerator: Accelerator,
    failures: Failures,
    positives: np.ndarray | None = None,
) -> dict[str, Predictions]:
    """Predictions of each model on the readable tracks of a split; prints which share is unreadable.

    Raises:
        CorpusError: more than 5 % of the tracks cannot be read.
        TaggingError: a model gives NaN or infinite scores.
    """
    results = {}
    for name, scores in predict(models, split, settings, accelerator, failures).items():
        readable = failures.readable(split.indices)
        if lost := int((~np.isfinite(scores[readable])).any(axis=1).sum()):
            raise TaggingError(
                f"{name} gives NaN or infinite scores on {lost} of {readable.sum()} {split.name} tracks: its weights are lost, "
                "or too large for this precision"
            )
        results[name] = Predictions(
            scores[readable],
            split.corpus.vocabulary,
            split.labels[readable],
            positives,
            split.groups[readable],
            split.indices[readable],
            **sources_of(split.corpus, split.indices[readable]),
        )
    if remark := failures.remark():
        accelerator.print(printable(remark))
    return results


def evaluate_predictions(predictions: Predictions, split: Split, settings: Settings) -> Evaluation:
    """Metrics of predictions with labels, over all tags and over the parts of the vocabulary that the corpus names."""
    assert predictions.labels is not None
    return evaluate(
        predictions.labels,
        predictions.scores,
        split.corpus.vocabulary,
        groups=predictions.groups,
        parts=split.corpus.parts(),
        resamples=settings.evaluation.num_resamples,
    )


def train_positives(tag_prior: np.ndarray, num_clips: int) -> np.ndarray | None:
    """int64 [tags]: about how many of the training clips have each tag; None where no prevalence is known."""
    counts = np.nan_to_num(tag_prior * num_clips).round().astype(np.int64)
    return counts if counts.any() else None


def evaluate_tagger(
    tagger: Tagger, settings: Settings, *, split: str = "test", cpu_only: bool = False
) -> dict[str, Any]:
    """A record of a tagger's scores on the first tracks of a split.

    Args:
        tagger: with the vocabulary of the corpus.
        settings: which corpus, how many clips, how many segments of each.
        split: of the corpus.
        cpu_only: do not use a GPU.

    Raises:
        ConfigError: the tagger has other tags, or another sample rate, than the corpus.
        CorpusError: more than 5 % of the tracks cannot be read.
    """
    accelerator = build_accelerator(settings.runtime.precision, cpu_only)
    clips = Split(settings, split)
    corpus = clips.corpus
    if tagger.vocabulary.names != corpus.vocabulary.names:
        raise ConfigError(
            f"this tagger has {len(tagger.vocabulary)} tags ({', '.join(tagger.vocabulary.names[:3])}, ...), the corpus "
            f"{settings.data.corpus!r} has {len(corpus.vocabulary)} others: evaluate it on the tags it was trained on"
        )
    if tagger.sample_rate != corpus.sample_rate:
        raise ConfigError(
            f"this tagger takes {tagger.sample_rate} Hz, the corpus {settings.data.corpus!r} has {corpus.sample_rate} Hz: "
            "evaluate a tagger that was built for the corpus's sample rate"
        )
    failures = Failures(corpus, len(clips), accelerator=accelerator, max_share=clips.max_unreadable)
    models: dict[str, nn.Module] = {"tagger": tagger.to(accelerator.device)}
    predictions = predictions_of(models, clips, settings, accelerator, failures)["tagger"]
    return {
        "kind": "evaluation",
        "command": command_line("tagging.training.results"),
        "tagger": dict(tagger.card),
        "settings": settings.to_dict(),
        "corpus": describe_corpus(corpus, corpus),
        "test": evaluate_predictions(predictions, clips, settings).to_dict(),
        "endpoints": endpoints(predictions, corpus.parts(), settings.evaluation.num_resamples).to_dict(),
        "failed_tracks": len(failures.messages),
        "device": _device(accelerator),
        **environment_info(),
    }


def _device(accelerator: Accelerator) -> str:
    """The processor of a run, or its GPUs."""
    device = accelerator.device
    if device.type == "cpu":
        return cpu()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return f"{accelerator.num_processes} x {name}"


def _history_of(event: dict[str, Any], name: str) -> dict[str, Any]:
    """The part of an entry of the shared history that is about one model."""
    entry = {"step": event["step"], "learning_rate": event["learning_rate"], "loss": event["loss"][name]}
    return entry | {"validation": event["validation"][name]} if "validation" in event else entry


def _thresholds(predictions: Predictions, settings: Settings) -> dict[str, float]:
    """Tag -> threshold, for the classification tags that have both classes among the readable validation clips."""
    assert predictions.labels is not None
    fitted = fit_thresholds(predictions.labels, predictions.scores, settings.evaluation.thresholds)
    vocabulary = predictions.vocabulary
    return {
        name: float(value)
        for name, value, is_class in zip(vocabulary.names, fitted, vocabulary.classification, strict=True)
        if is_class and not np.isnan(value)
    }


def card(record: dict[str, Any], evaluation: Evaluation, corpus: Corpus) -> dict[str, Any]:
    """What a user of the weights should know: data, split, scores, licence."""
    titles = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "sqrt_mse": "sqrt(MSE)"}
    model, licence = record["model"], corpus.licence
    if model.partition(":")[0] == FINETUNED:
        model = f"{record['settings']['model']['pretrained']}, fine-tuned ({record['settings']['optimization']['body']} body)"
        licence += "; and that of the tagger it was fine-tuned from"
    return {
        "description": f"{model}, trained on {record['num_clips']:,} {corpus.description}",
        "dataset": record["corpus"]["name"],
        "split": f"{record['corpus']['train']}, tested on {record['corpus']['test']}",
        "scores": {titles[name]: round(float(mean.value), 4) for name, mean in evaluation.means.items()},
        "licence": licence,
        "record": record["name"],
    }
