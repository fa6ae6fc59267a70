"""The training loop: one stream of segments, one or more models that learn from it, any number of processes.

Book: ``book/recipe``.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConfigError
from ..evaluation.evaluate import evaluate
from .augmentation import Augmentations
from .baselines import WHOLE_TRACK_BASELINES
from .data import Inputs, predict
from .distributed import on_device
from .failures import Failures
from .learner import learning_rate
from .losses import LOSSES, count_labelled
from .records import finished_records
from .results import write_results
from .run import Event, Run, TrainingError
from .run_directory import check_same_run
from .settings import Settings
from .tree_run import trees_and_splits


def train(
    settings: Settings,
    folder: str | Path,
    *,
    cpu_only: bool = False,
    progress: bool = True,
    on_event: Callable[[Event], None] | None = None,
    minutes: float | None = None,
) -> list[dict[str, Any]]:
    """Train the models of a run, test their best weights, and write a record of each.

    A run that was killed resumes from its last checkpoint, with the same result to the bit on a CPU; a complete run is only
    read. Under ``accelerate launch`` the processes share each batch, and batch normalisation covers all of them: the losses
    are those of one process.

    Args:
        settings: what to train, on what.
        folder: where the run lives: settings, checkpoints, and for each model a folder with weights, record, predictions.
        cpu_only: do not use a GPU.
        progress: show a bar.
        on_event: called with each entry of the run's history as it is made: losses, and validation scores.
        minutes: stop after so long, with a checkpoint; the same call resumes from it. None trains to the end.

    Returns:
        The record of each model, in the order of ``settings.models``; an empty list if the minutes ran out before the end.

    Raises:
        ConfigError: the folder holds a run with other settings, or a setting is impossible.
        CorpusError: more than 5 % of the tracks cannot be read.
        TrainingError: a loss, a weight or a validation score is NaN or infinite; the last good checkpoint, where there is one,
            is kept.
        TaggingError: another process trains in this folder.

    >>> tagging.train(tagging.Settings(models=("waveform",)), "runs/mine")  # doctest: +SKIP
    """
    folder = Path(folder).expanduser()
    check_same_run(folder, settings)
    if records := finished_records(folder, settings.models):
        return records
    if fit := _whole_track_baseline(settings, minutes):
        return [fit(settings, folder, progress=progress)]
    LOSSES.resolve(settings.optimization.loss)
    run = Run(settings, folder, cpu_only=cpu_only, progress=progress, on_event=on_event, minutes=minutes)
    with run.claimed():
        if not _train(run):
            run.print(f"{folder}: stopped after step {run.step} of {settings.num_steps}; the same command resumes")
            return []
        return write_results(run)


def check_settings(settings: Settings, *, cpu_only: bool = False, minutes: float | None = None) -> None:
    """Refuse what :func:`train` would refuse, before anything is written.

    Raises:
        ConfigError: a setting is impossible.
        CorpusError: the corpus cannot be opened, or too many of its files are known to be unreadable.
    """
    if _whole_track_baseline(settings, minutes):
        trees_and_splits(settings)
        return
    LOSSES.resolve(settings.optimization.loss)
    Run(settings, Path(), cpu_only=cpu_only, progress=False)


def _train(run: Run) -> bool:
    """Train until the run is over; False if its minutes ran out first."""
    settings, accelerator = run.settings, run.accelerator
    corpus, inputs_of = run.train.corpus, Inputs(run.train, accelerator.device)
    augmentations = Augmentations(settings.augmentation, corpus.sample_rate, settings.seed)
    losses: list[torch.Tensor] = []
    with run.bar() as bar, contextlib.closing(run.batches()) as batches:
        for batch in batches:
            run.step += 1

            # The batch, on the device, as the models get it
            inputs = inputs_of(batch)  # float32 [batch, samples], or features [batch, features]
            labels = on_device(
                run.train.masked(batch.labels, batch.indices), accelerator.device
            )  # float32 [batch, tags]
            if settings.data.shuffle_labels:
                order = np.random.default_rng([settings.seed, run.step]).permutation(len(labels))
                labels = labels[torch.from_numpy(order)]
            if augmentations.any_on:
                inputs, labels = augmentations(inputs, labels, run.positions())
            num_labelled = accelerator.reduce(count_labelled(labels, corpus.vocabulary), "sum")

            # One step of each model
            steps = [learner.step(inputs, labels, num_labelled, run.step) for learner in run.learners]
            losses.append(torch.stack(steps))
            bar.update(settings.optimization.batch_size)

            # History, validation, checkpoint
            is_validation = run.step == settings.num_steps or run.step % settings.steps_per_validation == 0
            if not is_validation and run.step % settings.runtime.log_interval:
                continue
            event = _summarise_losses(run, losses)
            losses = []
            run.failures.check(run.num_segments)
            run.history.append(event)
            if is_validation:
                event["validation"] = _validate(run)
            is_over = is_validation and run.is_over()
            is_out_of_time = not is_over and run.is_out_of_time()
            if is_validation or is_out_of_time:
                run.save()
            run.report(event, bar)
            if is_over or is_out_of_time:
                return is_over
    return True


def _summarise_losses(run: Run, losses: list[torch.Tensor]) -> Event:
    """An entry of the history: the mean loss of each model since the last one.

    Raises:
        TrainingError: a loss was NaN or infinite, or a weight is now; the message names the step.
    """
    table = run.accelerator.reduce(torch.stack(losses), "sum").cpu().numpy()  # [steps, models]
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        step = run.step - len(losses) + 1 + row
        raise run.error(f"the loss of {run.learners[column].name} is {table[row, column]} at step {step}")
    for learner in run.learners:
        if not learner.is_finite():
            raise run.error(f"NaN or infinite weights in {learner.name} after step {run.step}")
    means = zip(run.learners, table.mean(axis=0), strict=True)
    return {
        "step": run.step,
        "learning_rate": float(f"{learning_rate(run.settings, run.step):.4g}"),
        "loss": {learner.name: float(f"{value:.7g}") for learner, value in means},
    }


def _validate(run: Run) -> dict[str, dict[str, float]]:
    """Song-level validation scores of each model, whose best weights are kept.

    Raises:
        TrainingError: a model gives NaN or infinite scores, or no metric is defined on the readable clips.
    """
    run.retake_statistics()
    split, vocabulary = run.validation, run.validation.corpus.vocabulary
    failures = Failures(split.corpus, len(split), run.folder, run.accelerator, split.max_unreadable)
    models = {learner.name: learner.network for learner in run.learners}
    predictions = predict(models, split, run.settings, run.accelerator, failures)
    readable = failures.readable(split.indices)
    labels = split.masked(split.labels, split.indices)[readable]
    results = {}
    for learner in run.learners:
        scores = predictions[learner.name][readable]
        if not np.isfinite(scores).all():
            raise run.error(f"NaN or infinite validation scores of {learner.name} after step {run.step}")
        evaluation = evaluate(labels, scores, vocabulary, resamples=1)
        means = {metric: mean.value for metric, mean in evaluation.means.items()}
        results[learner.name] = {metric: round(value, 5) for metric, value in means.items()}
        # with regression tags alone: the smaller the error, the better
        has_classes = vocabulary.classification.any()
        score = means.get("roc_auc", math.nan) if has_classes else -means.get("sqrt_mse", math.nan)
        if math.isnan(score):
            raise TrainingError(
                f"{readable.sum()} of the {len(split)} validation clips can be read, and no tag has both positive and negative "
                f"ones among them; take more {split.setting}, or repair the others"
            )
        learner.keep_if_best(score, run.step)
    return results


def _whole_track_baseline(settings: Settings, minutes: float | None) -> Callable[..., dict[str, Any]] | None:
    """The function that fits a baseline to whole tracks, if that is what the run is about."""
    fitted = [model for model in settings.models if model.partition(":")[0] in WHOLE_TRACK_BASELINES]
    if not fitted:
        if settings.model.tree_options:
            raise ConfigError(f"model.tree_options: {', '.join(settings.models)} grow no trees; only gbt does")
        return None
    fit = WHOLE_TRACK_BASELINES.get(name := fitted[0].partition(":")[0])
    if name != fitted[0]:
        raise ConfigError(f"model {fitted[0]!r}: {name} has no back-end and no head; write {name}")
    if len(settings.models) > 1:
        raise ConfigError(f"{name} cannot share a run with other models; train it separately")
    if minutes is not None:
        raise ConfigError(f"minutes: {name} has no steps to stop after; interrupt it, it resumes tag by tag")
    return fit
