"""One model of a run: its optimizer, one step of it, and what a run of such steps will cost."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from typing import Any

import numpy as np
import torch

from ..data import Corpus
from ..errors import ConfigError
from ..utils.text import duration
from .checkpoint import learner_tensors, restore_learner
from .losses import tag_loss
from .models import build_model, share_norms
from .settings import Settings


class Learner:
    """One model of a run, with its optimizer and the best it has been.

    Args:
        name: FRONTEND:BACKEND:HEAD or mel-statistics, one of the run's models.
        settings: of the run.
        corpus: the training split, for its tags and its sample rate.
        share: float [tags]: of each tag among the training clips, where outputs start; nan where it is unknown.
        engine: of the run.

    Raises:
        ConfigError: unknown parts, or compiling for a CPU.

    Attributes:
        plain: the model itself; ``model`` is what the engine made of it.
        best: mean validation ROC-AUC of the best weights so far; ``best_update`` when that was.
    """

    def __init__(self, name: str, settings: Settings, corpus: Corpus, share: np.ndarray, accelerator: Any) -> None:
        if settings.compile and accelerator.device.type == "cpu":
            # a process that dies without a word would be the worse answer: https://github.com/pytorch/pytorch/issues/181618
            raise ConfigError(
                "compile=true is for a GPU: what PyTorch 2.11 compiles of a spectrogram for a CPU can crash. Leave it out"
            )
        # seeded by model, so that its first weights do not depend on its company
        torch.manual_seed(settings.seed)
        self.name = name
        self.plain = build_model(name, settings, corpus.vocabulary, corpus.sample_rate)
        if settings.init_bias_from_prior:
            self.plain.init_output_bias(share)
        if accelerator.num_processes > 1:
            share_norms(self.plain)
        optimizer = torch.optim.AdamW(
            self.plain.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        model = torch.compile(self.plain) if settings.compile else self.plain
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.weighing = {"weighing": settings.loss, "share": torch.from_numpy(share).float()}
        self.best, self.best_update = -math.inf, 0
        self.best_weights = self.weights()

    def weights(self) -> dict[str, torch.Tensor]:
        return {key: tensor.detach().cpu().clone() for key, tensor in self.plain.state_dict().items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        best = {f"{self.name}/best/{key}": tensor for key, tensor in self.best_weights.items()}
        return learner_tensors(self.name, self.plain, self.optimizer) | best

    def progress(self) -> dict[str, Any]:
        return {"best": self.best, "best_update": self.best_update}

    def restore(self, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
        restore_learner(self.name, tensors, self.plain, self.optimizer)
        prefix = f"{self.name}/best/"
        self.best_weights = {
            key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
        }
        self.best, self.best_update = about["best"], about["best_update"]


def learning_rate(settings: Settings, update: int) -> float:
    """The rate of one update, counted from 1: up along a line, then down along half a cosine, to nothing at the end."""
    done = update / settings.updates
    if done < settings.warm_up:
        return settings.learning_rate * done / settings.warm_up
    falling = (done - settings.warm_up) / (1 - settings.warm_up)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * falling))


def step(
    learner: Learner, waveform: torch.Tensor, labels: torch.Tensor, known: torch.Tensor, rate: float, update: int,
    settings: Settings, accelerator: Any,
) -> torch.Tensor:  # fmt: skip
    """One update of one model.

    Args:
        learner: the model, which is changed.
        waveform: float [batch, samples] in [-1, 1], this process's part of the batch.
        labels: float [batch, tags] in [0, 1], nan where unknown.
        known: float [2]: known labels of bi-modal and of uniform tags in the whole batch, of all processes.
        rate: learning rate.
        update: its number, from 1, of which dropout is drawn.
        settings, engine: of the run.

    Returns:
        float scalar: this process's part of the loss of the batch; the parts of all processes add up to it.
    """
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    learner.model.train()
    # Dropout is drawn from the update's number: nothing random has to be kept for a run to go on as it would have.
    torch.manual_seed(hash((settings.seed, update, accelerator.process_index)) & 0x7FFFFFFF)
    total = torch.zeros((), device=accelerator.device)
    parts = list(zip(waveform.chunk(settings.accumulate), labels.chunk(settings.accumulate), strict=True))
    for number, (heard, truth) in enumerate(parts, start=1):
        with contextlib.nullcontext() if number == len(parts) else accelerator.no_sync(learner.model):
            loss = tag_loss(learner.model(heard), truth, learner.plain.vocabulary, known, **learner.weighing)
            # the engine averages gradients over processes; these losses are to be added up
            accelerator.backward(loss * accelerator.num_processes)
        total += loss.detach()
    learner.optimizer.step()
    learner.optimizer.zero_grad()
    return total


def cost(settings: Settings, learners: list[Learner], accelerator: Any) -> str:
    """What the run will take, in words for its user, from a step of each model that is thrown away.

    Left out is what is small beside the steps or done by other processes meanwhile: making clips, and the optimizer.

    Args:
        settings, engine: of the run.
        learners: its models, which are left as they are.
    """
    # a GPU is only busy with a whole part of a batch; of a CPU a few segments tell enough
    part = max(1, settings.batch // settings.accumulate // accelerator.num_processes)
    count = min(part, 8) if accelerator.device.type == "cpu" else part
    seconds = 0.0
    for learner in learners:
        model = copy.deepcopy(learner.plain).train()
        heard = torch.randn(count, round(settings.segment_seconds * model.sample_rate), device=accelerator.device) * 0.1
        for _ in range(2):  # the first one warms up
            start = time.perf_counter()
            with accelerator.autocast():
                said = model(heard)
            said.float().square().mean().backward()
            next(p for p in model.parameters() if p.grad is not None).grad.sum().item()  # waits for the device
            spent = time.perf_counter() - start
        seconds += spent / count
    each = seconds / accelerator.num_processes
    checks = settings.updates // settings.validate_updates * settings.validation_clips + settings.test_clips
    total = each * (settings.updates * settings.batch + checks * settings.segments_per_clip / 3)
    return (
        f"{', '.join(settings.models)}: {settings.updates:,} updates of {settings.batch} segments of "
        f"{settings.segment_seconds:g} s from {settings.clips or 'all':,} clips; about {duration(total)} on {accelerator.device}"
    )
