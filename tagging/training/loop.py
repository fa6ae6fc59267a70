"""The training loop: one stream of clips, one or more models that learn from it, any number of processes.

Book: ``book/recipe``.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..cache import atomic_write
from ..corpora import Corpus, stream
from ..errors import ConfigError, CorpusError, TaggingError
from ..evaluation import pr_auc, roc_auc, sqrt_mse
from ..heads import known_labels
from ..records import read_record
from .checkpoint import learner_tensors, newest_state, restore_learner, save_state
from .data import Order, first_tracks, open_split, predict
from .models import build_model, share_norms
from .outcome import report_models
from .settings import Settings

# More unreadable tracks than this, and the run would be about another corpus than it says.
WORST_SHARE_FAILED = 0.05
# Whole tracks whose labels tell the tags' shares.
_SHARE_TRACKS = 4000

Event = dict[str, Any]


class TrainingError(TaggingError):
    """A run that cannot go on; the last good checkpoint is kept."""


class Learner:
    """One model of a run, with its optimizer and the best it has been.

    Attributes:
        plain: the model itself; ``model`` is what the engine made of it.
        best: mean validation ROC-AUC of the best weights so far; ``best_update`` when that was.
    """

    def __init__(self, name: str, settings: Settings, corpus: Corpus, share: np.ndarray, engine: Any) -> None:
        # seeded by model, so that its first weights do not depend on its company
        torch.manual_seed(settings.seed)
        self.name = name
        self.plain = build_model(name, settings, corpus.vocabulary, corpus.sample_rate)
        if settings.start_at_share:
            self.plain.start_at(share)
        if engine.num_processes > 1:
            share_norms(self.plain)
        optimizer = torch.optim.AdamW(
            self.plain.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        model = torch.compile(self.plain) if settings.compile else self.plain
        self.model, self.optimizer = engine.prepare(model, optimizer)
        self.best, self.best_update = -math.inf, 0
        self.best_weights = self.weights()

    def weights(self) -> dict[str, torch.Tensor]:
        return {key: tensor.detach().cpu().clone() for key, tensor in self.plain.state_dict().items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        best = {f"{self.name}/best/{key}": tensor for key, tensor in self.best_weights.items()}
        return learner_tensors(self.name, self.plain, self.optimizer) | best

    def restore(self, tensors: dict[str, torch.Tensor], about: Event) -> None:
        restore_learner(self.name, tensors, self.plain, self.optimizer)
        prefix = f"{self.name}/best/"
        self.best_weights = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        self.best, self.best_update = about["best"], about["best_update"]


def train(
    settings: Settings,
    folder: str | Path,
    *,
    cpu_only: bool = False,
    progress: bool = True,
    on_event: Callable[[Event], None] | None = None,
    command: str = "tagging.training.train(...)",
) -> list[dict[str, Any]]:
    """Train the models of a run, test their best weights, and leave a record of each.

    A run that was killed goes on where its last checkpoint was, with the same result to the bit on a CPU; one that is
    complete is only read. Under ``accelerate launch`` the processes share each batch, and batch normalisation is over all
    of them: the losses are those of one process.

    Args:
        settings: what to train, on what.
        folder: where the run lives: settings, checkpoints, and for each model a folder with weights, record, test scores.
        cpu_only: leave accelerators alone.
        progress: show a bar and say what the run will cost.
        on_event: called with each entry of the run's history as it is made: losses, and validation scores.
        command: for the record.

    Returns:
        The record of each model, in the order of ``settings.models``.

    Raises:
        ConfigError: the folder holds a run with other settings, or a setting is impossible.
        CorpusError: more than 5 % of the tracks cannot be read.
        TrainingError: a loss is not a number.
    """
    from accelerate import Accelerator
    from tqdm import tqdm

    engine = Accelerator(cpu=cpu_only, mixed_precision=settings.precision)
    folder = Path(folder).expanduser()
    _claim(folder, settings, engine)
    places = [folder / name.replace(":", "+") for name in settings.models]
    if all((place / "record.json").exists() for place in places):
        return [read_record(place / "record.json") for place in places]

    corpus, checks = open_split(settings, "train"), open_split(settings, "validation")
    tracks = first_tracks(corpus, settings.clips, "clips")
    check_tracks = first_tracks(checks, settings.validation_clips, "validation_clips")
    check_labels = checks.labels_of(check_tracks)
    share = _shares(corpus.labels_of(tracks[:_SHARE_TRACKS]))
    learners = [Learner(name, settings, corpus, share, engine) for name in settings.models]

    done, seconds, waited, history, failed = 0, 0.0, 0.0, [], {}
    if (state := newest_state(folder)) is not None:
        tensors, about, remarks = state
        for remark in remarks:
            engine.print(f"passed over: {remark}")
        done, seconds, waited, history = (about[name] for name in ("update", "seconds", "waited", "history"))
        failed = {int(track): message for track, message in about["failed"].items()}
        for learner in learners:
            learner.restore(tensors, about["learners"][learner.name])
        engine.print(f"{folder}: goes on after update {done} of {settings.updates}")
    elif progress:
        engine.print(_cost(settings, learners, engine))

    finish = corpus.finish()
    finish = finish.to(engine.device) if isinstance(finish, nn.Module) else finish
    batches = _batches(settings, corpus, tracks, done, engine)
    update = done
    bar = tqdm(
        total=settings.updates * settings.batch, initial=done * settings.batch, unit="clip", unit_scale=True,
        desc=", ".join(settings.models), disable=not (progress and engine.is_main_process), mininterval=1.0,
    )  # fmt: skip
    losses: list[torch.Tensor] = []
    began = asked = time.perf_counter()
    with bar, contextlib.closing(batches):
        for update, batch in enumerate(batches, start=done + 1):
            waited += time.perf_counter() - asked
            failed |= batch.failed

            # The batch, on the device, as the models hear it
            audio, draws, labels = (
                torch.from_numpy(array).to(engine.device, non_blocking=True)
                for array in (batch.audio, batch.draws, batch.labels)
            )
            with torch.no_grad():
                waveform = finish(audio, draws)  # float32 [batch, samples]
            if settings.shuffled_labels:
                labels = labels[torch.from_numpy(np.random.default_rng([settings.seed, update]).permutation(len(labels)))]
            known = engine.reduce(known_labels(labels, corpus.vocabulary), "sum")

            # One step of each model
            rate = learning_rate(settings, update)
            losses.append(torch.stack([_step(learner, waveform, labels, known, rate, update, settings, engine) for learner in learners]))  # fmt: skip

            # What came of it
            last = update == settings.updates
            checking = last or update % settings.validate_updates == 0
            if checking or update % settings.log_every == 0:
                entry = _look_at_losses(losses, update, learners, rate, engine, folder)
                losses = []
                _count_failures(failed, min(update * settings.batch, len(tracks)), folder, corpus)
                history.append(entry)
            if checking:
                entry["validation"] = _validate(learners, checks, check_tracks, check_labels, update, settings, engine)
                now = time.perf_counter()
                about = {
                    "update": update, "seconds": seconds + now - began, "waited": waited, "history": history,
                    "failed": failed, "learners": {x.name: {"best": x.best, "best_update": x.best_update} for x in learners},
                }  # fmt: skip
                if engine.is_main_process:
                    save_state(folder, update, {k: v for x in learners for k, v in x.tensors().items()}, about)
            if (checking or update % settings.log_every == 0) and engine.is_main_process:
                if on_event:
                    on_event(entry)
                bar.set_postfix_str(_postfix(history))
            bar.update(settings.batch)
            if checking and settings.patience and _is_patient_no_more(learners, update, settings):
                break
            asked = time.perf_counter()

    seconds += time.perf_counter() - began
    run = {
        "command": command,
        "clips_seen": update * settings.batch,
        "updates": update,
        "seconds": round(seconds, 1),
        "clips_per_second": round(update * settings.batch / seconds, 1),
        "share_waiting_for_clips": round(waited / seconds, 4),
        "failed_tracks": len(failed),
        "history": history,
    }
    for learner in learners:
        learner.plain.load_state_dict(learner.best_weights)
    return report_models(settings, learners, corpus, share, run, places, engine)


def learning_rate(settings: Settings, update: int) -> float:
    """The rate of one update, counted from 1: up along a line, then down along half a cosine, to nothing at the end."""
    done = update / settings.updates
    if done < settings.warm_up:
        return settings.learning_rate * done / settings.warm_up
    falling = (done - settings.warm_up) / (1 - settings.warm_up)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * falling))


def _claim(folder: Path, settings: Settings, engine: Any) -> None:
    """Write the settings into a new folder; refuse one that holds another run."""
    path = folder / "settings.json"
    wanted = settings.to_dict()
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path}: damaged ({error}); choose another folder, or remove this one") from error
        # how many processes make the clips changes nothing about the run
        differing = [name for name in wanted if name != "workers" and there.get(name) != wanted[name]]
        if differing:
            name = differing[0]
            raise ConfigError(
                f"{folder} holds a run with other settings ({name}: {there.get(name)} there, {wanted[name]} here); "
                "choose another folder, or remove this one"
            )
    elif engine.is_main_process:
        with atomic_write(path) as part:
            part.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    engine.wait_for_everyone()


def _shares(labels: np.ndarray) -> np.ndarray:
    """Mean of each tag over the tracks where it is known; nan where it never is."""
    known = ~np.isnan(labels)
    with np.errstate(invalid="ignore"):
        return np.where(known, labels, 0).sum(axis=0) / known.sum(axis=0)


def _batches(settings: Settings, corpus: Corpus, tracks: np.ndarray, done: int, engine: Any):
    """What is left of the run's stream; each process makes its own part of every batch."""
    share, rest = divmod(settings.batch, engine.num_processes)
    if rest or share % settings.accumulate:
        raise ConfigError(
            f"batch={settings.batch} cannot be shared by {engine.num_processes} processes in {settings.accumulate} parts"
        )
    order = Order(corpus, tracks, settings)
    indices, starts = order.between(done * settings.batch, settings.updates * settings.batch)
    mine = [
        array.reshape(-1, engine.num_processes, share)[:, engine.process_index].ravel() for array in (indices, starts)
    ]
    return stream(
        corpus, mine[0], batch_size=share, seconds=settings.segment_seconds, starts=mine[1], workers=settings.workers
    )


def _step(
    learner: Learner, waveform: torch.Tensor, labels: torch.Tensor, known: torch.Tensor, rate: float, update: int,
    settings: Settings, engine: Any,
) -> torch.Tensor:  # fmt: skip
    """One update of one model; its loss on this process's part of the batch."""
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    learner.model.train()
    # Dropout is drawn from the update's number: nothing random has to be kept for a run to go on as it would have.
    torch.manual_seed(hash((settings.seed, update, engine.process_index)) & 0x7FFFFFFF)
    total = torch.zeros((), device=engine.device)
    parts = list(zip(waveform.chunk(settings.accumulate), labels.chunk(settings.accumulate), strict=True))
    for number, (heard, truth) in enumerate(parts, start=1):
        with contextlib.nullcontext() if number == len(parts) else engine.no_sync(learner.model):
            loss = learner.plain.loss(learner.model(heard), truth, known)
            # the engine averages gradients over processes; these losses are to be added up
            engine.backward(loss * engine.num_processes)
        total += loss.detach()
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return total


def _look_at_losses(
    losses: list[torch.Tensor], update: int, learners: list[Learner], rate: float, engine: Any, folder: Path
) -> Event:
    """An entry of the history: the mean loss of each model since the last one.

    Raises:
        TrainingError: one was not a number; the message names the update.
    """
    table = engine.reduce(torch.stack(losses), "sum").cpu().numpy()  # [updates, models]
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise TrainingError(
            f"the loss of {learners[column].name} is {table[row, column]} at update {update - len(losses) + 1 + row}; "
            f"the last good checkpoint is kept in {folder}. Try a lower learning_rate, or precision=no."
        )
    return {
        "update": update,
        "rate": float(f"{rate:.4g}"),
        "loss": {learner.name: float(f"{value:.5g}") for learner, value in zip(learners, table.mean(axis=0), strict=True)},
    }


def _count_failures(failed: dict[int, str], seen: int, folder: Path, corpus: Corpus) -> None:
    """Stop where too many tracks cannot be read, with the list of them."""
    if not failed:
        return
    listing = "".join(f"{corpus[track].id}: {message}\n" for track, message in sorted(failed.items()))
    with atomic_write(folder / "failed.txt") as part:
        part.write_text(listing, encoding="utf-8")
    if len(failed) > WORST_SHARE_FAILED * seen:
        raise CorpusError(
            f"{len(failed)} of {seen} tracks cannot be read ({len(failed) / seen:.0%}, more than {WORST_SHARE_FAILED:.0%}); "
            f"they are listed in {folder / 'failed.txt'}, the first: {listing.splitlines()[0]}"
        )


def _validate(
    learners: list[Learner], corpus: Corpus, tracks: np.ndarray, labels: np.ndarray, update: int, settings: Settings,
    engine: Any,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Song-level scores of each model on the validation split; keeps the weights of the best."""
    found = {}
    scored = predict({learner.name: learner.plain for learner in learners}, corpus, tracks, settings, engine)
    for learner in learners:
        scores = scored[learner.name]
        read = ~np.isnan(scores).all(axis=1)
        means = {
            name: float(np.nanmean(measure(labels[read][:, chosen], scores[read][:, chosen])))
            for name, measure, chosen in (
                ("roc_auc", roc_auc, corpus.vocabulary.bimodal),
                ("pr_auc", pr_auc, corpus.vocabulary.bimodal),
                ("sqrt_mse", sqrt_mse, corpus.vocabulary.uniform),
            )
            if chosen.any()
        }
        found[learner.name] = {name: round(value, 5) for name, value in means.items()}
        # attributes alone: the smaller the error, the better
        score = means.get("roc_auc", -means.get("sqrt_mse", math.nan))
        if score > learner.best:
            learner.best, learner.best_update, learner.best_weights = score, update, learner.weights()
    return found


def _is_patient_no_more(learners: list[Learner], update: int, settings: Settings) -> bool:
    newest = max(learner.best_update for learner in learners)
    return update - newest >= settings.patience * settings.validate_updates


def _postfix(history: list[Event]) -> str:
    losses = " ".join(f"{value:.3f}" for value in history[-1]["loss"].values())
    checked = next((entry["validation"] for entry in reversed(history) if "validation" in entry), {})
    scores = " ".join(f"{means.get('roc_auc', math.nan):.3f}" for means in checked.values())
    return f"loss {losses}" + (f" ROC-AUC {scores}" if scores else "")


def _cost(settings: Settings, learners: list[Learner], engine: Any) -> str:
    """What the run will take, from a step of each model that is thrown away."""
    count = min(settings.batch // settings.accumulate, 8)
    seconds = 0.0
    for learner in learners:
        model = copy.deepcopy(learner.plain).train()
        heard = torch.randn(count, round(settings.segment_seconds * model.sample_rate), device=engine.device) * 0.1
        for _ in range(2):  # the first one warms up
            start = time.perf_counter()
            model(heard).square().mean().backward()
            next(p for p in model.parameters() if p.grad is not None).grad.sum().item()  # waits for the device
            spent = time.perf_counter() - start
        seconds += spent / count
    each = seconds / engine.num_processes
    checks = settings.updates // settings.validate_updates * settings.validation_clips + settings.test_clips
    total = each * (settings.updates * settings.batch + checks * settings.segments_per_clip / 3)
    return (
        f"{', '.join(settings.models)}: {settings.updates:,} updates of {settings.batch} segments of "
        f"{settings.segment_seconds:g} s from {settings.clips or 'all':,} clips; about {_duration(total)} on {engine.device}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
