"""The training loop: one stream of clips, one or more models that learn from it, any number of processes.

Book: ``book/recipe``.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import Corpus, stream
from ..errors import ConfigError, TaggingError
from ..evaluation.evaluate import evaluate
from ..utils.files import locked
from ..utils.provenance import environment_info
from .checkpoint import newest_state, save_state
from .data import Order, first_tracks, heard, on_device, open_split, predict
from .distributed import build_accelerator
from .failures import Failures
from .learner import Learner, cost, learning_rate, step
from .losses import known_labels
from .records import read_record
from .results import report_models
from .run_directory import check_same_checkpoint, check_same_run, create_run_dir
from .settings import Settings

# Whole tracks whose labels tell the tags' shares.
_SHARE_TRACKS = 4000

Event = dict[str, Any]


class TrainingError(TaggingError):
    """A run that cannot go on; its last good checkpoint, where there is one, is kept."""


def train(
    settings: Settings,
    folder: str | Path,
    *,
    cpu_only: bool = False,
    progress: bool = True,
    on_event: Callable[[Event], None] | None = None,
    minutes: float | None = None,
) -> list[dict[str, Any]]:
    """Train the models of a run, test their best weights, and leave a record of each.

    A run that was killed goes on where its last checkpoint was, with the same result to the bit on a CPU; one that is
    complete is only read. Under ``accelerate launch`` the processes share each batch, and batch normalisation is over all
    of them: the losses are those of one process.

    Args:
        settings: what to train, on what.
        folder: where the run lives: settings, checkpoints, and for each model a folder with weights, record, test scores.
        cpu_only: leave accelerators alone.
        progress: show a bar; what the run will cost is said in any case.
        on_event: called with each entry of the run's history as it is made: losses, and validation scores.
        minutes: leave off after so long, with a checkpoint; the same call goes on from there. None trains to the end.

    Returns:
        The record of each model, in the order of ``settings.models``; an empty list if time ran out before the end.

    Raises:
        ConfigError: the folder holds a run with other settings, or a setting is impossible.
        CorpusError: more than 5 % of the tracks cannot be read.
        TrainingError: a loss, a weight or a score on validation clips is not a number; the last good checkpoint, where there
            is one, is kept.
        TaggingError: another process trains in this folder.
    """
    accelerator = build_accelerator(settings.precision, cpu_only)
    folder = Path(folder).expanduser()
    check_same_run(folder, settings)
    places = [folder / name.replace(":", "+") for name in settings.models]
    if all((place / "record.json").exists() for place in places):
        return [read_record(place / "record.json") for place in places]
    with locked(folder, wait=False) if accelerator.is_main_process else contextlib.nullcontext():
        return _train(settings, folder, places, accelerator, progress, on_event, minutes)


def _train(
    settings: Settings, folder: Path, places: list[Path], accelerator: Any, progress: bool,
    on_event: Callable[[Event], None] | None, minutes: float | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Go on with a run that is not complete, in a folder that no other process works on."""
    from tqdm import tqdm

    now = environment_info()  # the code may have changed when the run ends
    corpus, checks = open_split(settings, "train"), open_split(settings, "validation")
    tracks = first_tracks(corpus, settings.clips, "clips")
    check_tracks = first_tracks(checks, settings.validation_clips, "validation_clips")
    check_labels = checks.labels_of(check_tracks)
    # refused now, not after the training
    tests = open_split(settings, "test")
    check_split_is_scorable(checks, check_tracks, "validation_clips")
    check_split_is_scorable(tests, first_tracks(tests, settings.test_clips, "test_clips"), "test_clips")
    share = _shares(corpus.labels_of(tracks[:_SHARE_TRACKS]))
    learners = [Learner(name, settings, corpus, share, accelerator) for name in settings.models]
    check_batch_divides(settings, corpus, tracks, accelerator)
    # only now: a command with a mistake in it should not stand in the way of the corrected one
    if accelerator.is_main_process:
        create_run_dir(folder, settings)
    accelerator.wait_for_everyone()

    done, seconds, waited, history, sittings = 0, 0.0, 0.0, [], []
    failures = Failures(corpus, min(len(tracks), settings.updates * settings.batch), folder, accelerator)
    state = newest_state(folder)
    check_same_checkpoint(folder, state[1]["update"] if state else 0, accelerator)
    if state is not None:
        tensors, about, remarks = state
        for remark in remarks:
            accelerator.print(f"passed over: {remark}")
        done, seconds, waited, history = (about[name] for name in ("update", "seconds", "waited", "history"))
        sittings = about.get("sittings", [])
        failures.add({int(track): message for track, message in about["failed"].items()})
        for learner in learners:
            learner.restore(tensors, about["learners"][learner.name])
        accelerator.print(f"{folder}: goes on after update {done} of {settings.updates}")
    else:
        accelerator.print(cost(settings, learners, accelerator))
    sittings.append({"after_update": done, "commit": now["commit"], "date": now["date"]})

    finish = corpus.finish()
    finish = finish.to(accelerator.device) if isinstance(finish, nn.Module) else finish
    batches = _batches(settings, corpus, tracks, done, accelerator)
    update = done
    bar = tqdm(
        total=settings.updates * settings.batch, initial=done * settings.batch, unit="clip", unit_scale=True,
        desc=", ".join(settings.models), disable=not (progress and accelerator.is_main_process), mininterval=1.0,
    )  # fmt: skip
    losses: list[torch.Tensor] = []
    began = asked = time.perf_counter()
    over = _is_over(learners, done, settings)
    paused = False
    with bar, failures.listed(), contextlib.closing(batches):
        for update, batch in enumerate(batches if not over else (), start=done + 1):
            # the first one is waited for while the workers start
            waited += time.perf_counter() - asked if update > done + 1 else 0.0
            failures.add(batch.failed)

            # The batch, on the device, as the models hear it
            audio, draws, labels = (on_device(x, accelerator.device) for x in (batch.audio, batch.draws, batch.labels))
            with torch.no_grad():
                waveform = finish(audio, draws)  # float32 [batch, samples]
            if settings.shuffled_labels:
                labels = labels[
                    torch.from_numpy(np.random.default_rng([settings.seed, update]).permutation(len(labels)))
                ]
            known = accelerator.reduce(known_labels(labels, corpus.vocabulary), "sum")

            # One step of each model
            rate = learning_rate(settings, update)
            stepped = [step(x, waveform, labels, known, rate, update, settings, accelerator) for x in learners]
            losses.append(torch.stack(stepped))

            # What came of it
            checking = update == settings.updates or update % settings.validate_updates == 0
            if looking := checking or update % settings.log_every == 0:
                entry = _look_at_losses(losses, update, learners, rate, accelerator, folder)
                losses = []
                failures.check(update * settings.batch)
                history.append(entry)
            if checking:
                unheard = Failures(checks, len(check_tracks), folder, accelerator)
                entry["validation"] = _validate(
                    learners, checks, check_tracks, check_labels, update, settings, accelerator, unheard, folder
                )
            over = checking and _is_over(learners, update, settings)
            paused = looking and not over and _is_time_up(began, minutes, accelerator)
            if (checking or paused) and accelerator.is_main_process:
                about = {
                    "update": update, "seconds": seconds + time.perf_counter() - began, "waited": waited,
                    "history": history, "sittings": sittings, "failed": failures.messages,
                    "learners": {x.name: x.progress() for x in learners},
                }  # fmt: skip
                save_state(folder, update, {k: v for x in learners for k, v in x.tensors().items()}, about)
            if looking and accelerator.is_main_process:
                if on_event:
                    on_event(entry)
                bar.set_postfix_str(_postfix(history))
            bar.update(settings.batch)
            if over or paused:
                break
            asked = time.perf_counter()
    if paused:
        accelerator.print(f"{folder}: left off after update {update} of {settings.updates}; the same command goes on")
        return []

    seconds += time.perf_counter() - began
    run = {
        "clips_seen": update * settings.batch,
        "updates": update,
        "seconds": round(seconds, 1),
        "clips_per_second": round(update * settings.batch / seconds, 1),
        "share_waiting_for_clips": round(waited / seconds, 4),
        "failed_tracks": len(failures.messages),
        "history": history,
        "sittings": sittings,
        **now,
    }
    failures.check(update * settings.batch, over=True)
    if remark := failures.remark():
        accelerator.print(remark)
    for learner in learners:
        learner.plain.load_state_dict(learner.best_weights)
    return report_models(settings, learners, corpus, share, run, places, accelerator)


def _shares(labels: np.ndarray) -> np.ndarray:
    """Mean of each tag over the tracks where it is known; nan where it never is."""
    known = ~np.isnan(labels)
    with np.errstate(invalid="ignore"):
        return np.where(known, labels, 0).sum(axis=0) / known.sum(axis=0)


def check_split_is_scorable(corpus: Corpus, tracks: np.ndarray, name: str) -> None:
    """Raise ConfigError for clips that can tell no model from another: without a tag that some have and some have not."""
    classification, regression = corpus.vocabulary.classification, corpus.vocabulary.regression
    for few in (tracks[:100], tracks):  # nearly always the first ones tell, and labels of all take seconds
        labels = corpus.labels_of(few)[:, classification]
        if ((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).any() or (
            regression.any() and not classification.any()
        ):
            return
    raise ConfigError(
        f"{name}={len(tracks)}: no tag has clips with it and clips without it among these {corpus.split} clips, so no model "
        "can be judged; take more"
    )


def check_batch_divides(settings: Settings, corpus: Corpus, tracks: np.ndarray, accelerator: Any) -> None:
    """Raise ConfigError for what no batch could be made of."""
    share, rest = divmod(settings.batch, accelerator.num_processes)
    if rest or share % settings.accumulate:
        raise ConfigError(
            f"batch={settings.batch} cannot be shared by {accelerator.num_processes} processes in {settings.accumulate} parts"
        )
    try:
        corpus.segment(int(tracks[0]), 0.0, settings.segment_seconds)
    except ConfigError:
        raise  # a wrong length is wrong for every track
    except TaggingError:
        pass  # this one cannot be read; others may


def _batches(settings: Settings, corpus: Corpus, tracks: np.ndarray, done: int, accelerator: Any):
    """What is left of the run's stream; each process makes its own part of every batch."""
    share = settings.batch // accelerator.num_processes
    order = Order(corpus, tracks, settings)
    indices, starts = order.between(done * settings.batch, settings.updates * settings.batch)
    mine = [
        array.reshape(-1, accelerator.num_processes, share)[:, accelerator.process_index].ravel()
        for array in (indices, starts)
    ]
    return stream(
        corpus, mine[0], batch_size=share, seconds=settings.segment_seconds, starts=mine[1], workers=settings.workers
    )


def _look_at_losses(
    losses: list[torch.Tensor], update: int, learners: list[Learner], rate: float, accelerator: Any, folder: Path
) -> Event:
    """An entry of the history: the mean loss of each model since the last one.

    Raises:
        TrainingError: one was not a number, or a weight is none now; the message names the update.
    """
    table = accelerator.reduce(torch.stack(losses), "sum").cpu().numpy()  # [updates, models]
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        at = update - len(losses) + 1 + row
        raise _lost(f"the loss of {learners[column].name} is {table[row, column]} at update {at}", folder)
    for learner in learners:
        if not all(tensor.isfinite().all() for tensor in learner.plain.state_dict().values()):
            raise _lost(f"weights of {learner.name} are no numbers after update {update}", folder)
    return {
        "update": update,
        "rate": float(f"{rate:.4g}"),
        "loss": {
            learner.name: float(f"{value:.7g}") for learner, value in zip(learners, table.mean(axis=0), strict=True)
        },
    }


def _lost(what: str, folder: Path) -> TrainingError:
    kept = (
        f"the last good checkpoint is kept in {folder}" if any(folder.glob("state-*")) else "there is no checkpoint yet"
    )
    return TrainingError(f"{what}; {kept}. Try a lower learning_rate, or precision=no.")


def _validate(
    learners: list[Learner], corpus: Corpus, tracks: np.ndarray, labels: np.ndarray, update: int, settings: Settings,
    accelerator: Any, failures: Failures, folder: Path,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Song-level scores of each model on the validation split; keeps the weights of the best.

    Raises:
        TrainingError: a model says something about a track that is no number.
    """
    found = {}
    scored = predict(
        {learner.name: learner.plain for learner in learners}, corpus, tracks, settings, accelerator, failures
    )
    for learner in learners:
        scores = scored[learner.name]
        read = heard(tracks, failures)
        if not np.isfinite(scores[read]).all():
            raise _lost(f"scores of {learner.name} on validation clips are no numbers after update {update}", folder)
        said = evaluate(labels[read], scores[read], corpus.vocabulary, resamples=1)
        means = {name: mean.value for name, mean in said.means.items()}
        found[learner.name] = {name: round(value, 5) for name, value in means.items()}
        # attributes alone: the smaller the error, the better
        score = (
            means.get("roc_auc", math.nan)
            if corpus.vocabulary.classification.any()
            else -means.get("sqrt_mse", math.nan)
        )
        if math.isnan(score):
            raise TrainingError(
                f"of the {len(tracks)} validation clips {read.sum()} can be read, and they tell no model from another; take "
                "more validation_clips, or mend the others"
            )
        if score > learner.best:
            learner.best, learner.best_update, learner.best_weights = score, update, learner.weights()
    return found


def _is_over(learners: list[Learner], update: int, settings: Settings) -> bool:
    """At the end of the budget, or of patience with models that get no better."""
    newest = max(learner.best_update for learner in learners)
    impatient = settings.patience is not None and update - newest >= settings.patience * settings.validate_updates
    return update >= settings.updates or (impatient and update > 0)


def _is_time_up(began: float, minutes: float | None, accelerator: Any) -> bool:
    """Whether any of the processes thinks so: they have to stop together."""
    if minutes is None:
        return False
    late = torch.tensor(float(time.perf_counter() - began > 60 * minutes), device=accelerator.device)
    return bool(accelerator.reduce(late, "sum") > 0)


def _postfix(history: list[Event]) -> str:
    losses = " ".join(f"{value:.3f}" for value in history[-1]["loss"].values())
    checked = next((entry["validation"] for entry in reversed(history) if "validation" in entry), {})
    scores = " ".join(f"{means.get('roc_auc', math.nan):.3f}" for means in checked.values())
    return f"loss {losses}" + (f" ROC-AUC {scores}" if scores else "")
