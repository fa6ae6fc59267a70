"""One model of a run: its optimizer, one step of training, and its best weights so far."""

from __future__ import annotations

import contextlib
import math
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..data import Corpus
from ..errors import ConfigError
from ..models.acceleration import accelerate_cpu_training
from ..models.normalization import has_statistics
from .checkpoint import learner_tensors, restore_learner
from .distributed import synchronise_batch_norms
from .finetuned import parts_to_train, trains_heads_alone
from .losses import tag_loss
from .models import build_model
from .settings import Settings


class Learner:
    """One model of a run, with its optimizer and its best weights so far.

    Args:
        name: one of the run's models.
        settings: of the run.
        corpus: the training split, for its tags and its sample rate.
        tag_prior: float [tags], share of training clips with each tag, at which outputs start; NaN where unknown.
        accelerator: of the run.

    Attributes:
        module: the model itself, without what the accelerator wraps it in.
        network: what is given the inputs of the run: the model, or its head where the features of a frozen body are kept.
        best_score: mean validation score of the best weights so far, reached at ``best_step``.

    Raises:
        ConfigError: unknown parts, or compiling for a CPU.
    """

    def __init__(
        self, name: str, settings: Settings, corpus: Corpus, tag_prior: np.ndarray, accelerator: Accelerator
    ) -> None:
        on_cpu = accelerator.device.type == "cpu"
        if settings.runtime.compile and on_cpu:
            # the process would die without a message: https://github.com/pytorch/pytorch/issues/181618
            raise ConfigError(
                "runtime.compile=true needs a GPU: what PyTorch 2.11 compiles of a spectrogram for a CPU can crash; leave it out"
            )
        self.name, self._settings, self._accelerator = name, settings, accelerator
        # seeded for each model, so that its first weights do not depend on which others are trained with it
        torch.manual_seed(settings.seed)
        self.module = cast(Any, build_model(name, settings.model, corpus.vocabulary, corpus.sample_rate))
        if settings.model.init_bias_from_prior:
            self.module.init_output_bias(tag_prior)
        self.network: nn.Module = self.module
        if trains_heads_alone(settings):
            self.network = self.module.to(accelerator.device).head
        if accelerator.num_processes > 1:
            synchronise_batch_norms(self.network)
        elif settings.runtime.cpu_acceleration and on_cpu:
            accelerate_cpu_training(self.module)
        optimization = settings.optimization
        self._parts = parts_to_train(name, self.module, optimization)
        optimizer = torch.optim.AdamW(
            [{"params": list(part.module.parameters())} for part in self._parts],
            lr=optimization.learning_rate,
            weight_decay=optimization.weight_decay,
            fused=True,
        )
        model = torch.compile(self.network) if settings.runtime.compile else self.network
        self._model: Any
        self._model, self.optimizer = accelerator.prepare(model, optimizer)
        self._tag_prior = torch.from_numpy(tag_prior).float()
        self.best_score, self.best_step = -math.inf, 0
        self.best_weights = self.weights()

    def step(self, inputs: Tensor, labels: Tensor, num_labelled: Tensor, step: int) -> Tensor:
        """One optimizer step.

        Args:
            inputs: float [batch, samples] in [-1, 1], or [batch, features]: this process's part of the batch.
            labels: float [batch, tags] in [0, 1], NaN where unknown.
            num_labelled: float [2], known labels of classification and of regression tags in the batch of all processes.
            step: its number, from 1, which seeds dropout.

        Returns:
            float scalar: this process's part of the loss; the parts of all processes add up to the loss of the batch.
        """
        accelerator, parts = self._accelerator, self._settings.optimization.gradient_accumulation_steps
        done = step / self._settings.num_steps
        self._model.train()
        for group, part in zip(self.optimizer.param_groups, self._parts, strict=True):
            factor = part.factor_at(done)
            group["lr"] = learning_rate(self._settings, step) * factor
            if not factor:  # what is frozen keeps its statistics, and drops nothing out
                part.module.eval()
        # Dropout is seeded by the step: no random state has to be saved for a run to resume exactly.
        torch.manual_seed(hash((self._settings.seed, step, accelerator.process_index)) & 0x7FFFFFFF)
        total = torch.zeros((), device=accelerator.device)
        for number, (part_of_batch, target) in enumerate(
            zip(inputs.chunk(parts), labels.chunk(parts), strict=True), start=1
        ):
            with contextlib.nullcontext() if number == parts else accelerator.no_sync(self._model):
                loss = tag_loss(
                    self._model(part_of_batch),
                    target,
                    self.module.vocabulary,
                    num_labelled,
                    loss_weighting=self._settings.optimization.loss,
                    tag_prior=self._tag_prior,
                )
                # gradients are averaged over processes, but these losses are to be added up
                accelerator.backward(loss * accelerator.num_processes)
            total += loss.detach()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def parts_with_statistics(self, step: int) -> list[nn.Module]:
        """The parts that train at a step and have batch normalisation.

        In a fine-tuned tagger its statistics begin as those of other weights and other songs, and a short run ends before they
        have followed.
        """
        done = step / self._settings.num_steps
        return [part.module for part in self._parts if part.factor_at(done) and has_statistics(part.module)]

    def keep_if_best(self, score: float, step: int) -> None:
        """Keep the weights of now if this validation score is the best so far."""
        if score > self.best_score:
            self.best_score, self.best_step, self.best_weights = score, step, self.weights()

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights of now, on the CPU."""
        return {key: tensor.detach().cpu().clone() for key, tensor in self.module.state_dict().items()}

    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(bool(tensor.isfinite().all()) for tensor in self.module.state_dict().values())

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of a checkpoint."""
        best = {f"{self.name}/best/{key}": tensor for key, tensor in self.best_weights.items()}
        return learner_tensors(self.name, self.module, self.optimizer) | best

    def progress(self) -> dict[str, Any]:
        """What a checkpoint holds besides tensors."""
        return {"best": self.best_score, "best_step": self.best_step}

    def restore(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """The inverse of :meth:`tensors` and :meth:`progress`.

        Raises:
            CheckpointError: they are of another model.
        """
        restore_learner(self.name, tensors, self.module, self.optimizer)
        prefix = f"{self.name}/best/"
        self.best_weights = {
            key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)
        }
        self.best_score, self.best_step = progress["best"], progress["best_step"]


def learning_rate(settings: Settings, step: int) -> float:
    """Learning rate at a step (1-based): linear warm-up, then cosine decay to zero."""
    peak, warmup = settings.optimization.learning_rate, settings.optimization.warmup_ratio
    done = step / settings.num_steps
    if done < warmup:
        return peak * done / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def num_parameters(module: nn.Module) -> int:
    """Trainable numbers of a model."""
    return sum(parameter.numel() for parameter in module.parameters())
