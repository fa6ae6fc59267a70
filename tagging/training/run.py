"""A run: its folder, accelerator, clips, models, failures and history, and how it resumes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ..data import Batch
from ..errors import ConfigError, TaggingError
from ..models.normalization import renormalise
from ..utils.files import locked
from ..utils.provenance import environment_info
from ..utils.text import printable, some
from .checkpoint import newest_checkpoint, save_checkpoint
from .data import Augment, Inputs, SegmentOrder, Split, store_remarks, training_batches
from .distributed import build_accelerator
from .failures import Failures
from .finetuned import FINETUNED, trains_heads_alone
from .frozen import FeatureBatch, SegmentFeatures
from .learner import Learner
from .models import check_options
from .records import model_folder
from .run_directory import check_same_checkpoint, create_run_dir
from .settings import Settings

# Training clips whose labels give the prevalence of the tags.
_NUM_PRIOR_TRACKS = 4000
# Whose statistics batch normalisation takes after fine-tuning.
_NUM_STATISTICS_SEGMENTS = 256
# A tag with fewer training clips cannot be learned reliably, and deserves a word.
_FEW_POSITIVES = 10
# Of the first tracks, segments are read to say what a store would gain.
_NUM_TIMED_READS = 5

Event = dict[str, Any]


class TrainingError(TaggingError):
    """A run that cannot continue; its last good checkpoint, where there is one, is kept."""


class Run:
    """One training run. What can be refused is refused here, before anything is written.

    Args:
        settings: of the run.
        folder: where it lives.
        cpu_only: do not use a GPU.
        progress: show a bar.
        on_event: called with each entry of the history.
        minutes: stop after so long, with a checkpoint.

    Attributes:
        train, validation, test: the clips.
        tag_prior: float64 [tags], share of training clips with each tag; NaN where unknown.
        learners: one for each model.
        failures: unreadable training clips.
        step: optimizer steps done.
        history, resumes: as in the record.

    Raises:
        ConfigError: an impossible setting.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        cpu_only: bool = False,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
        minutes: float | None = None,
    ) -> None:
        self.environment = environment_info()  # the code may have changed when the run ends
        self.settings, self.folder = settings, folder
        self.accelerator = build_accelerator(settings.runtime.precision, cpu_only)
        self.train, self.validation, self.test = (Split(settings, name) for name in ("train", "validation", "test"))
        check_options(settings)
        for split in (self.validation, self.test):
            check_split_is_scorable(split)
        self._check_batch_divides()
        first = self.train.indices[:_NUM_PRIOR_TRACKS]
        labels = self.train.corpus.labels_of(first)
        self.tag_prior, prior = prevalence(labels), prevalence(self.train.masked(labels, first))
        self.learners = [
            Learner(name, settings, self.train.corpus, prior, self.accelerator) for name in settings.models
        ]
        self._check_segment_length()
        if trains_heads_alone(settings):
            for split in (self.train, self.validation, self.test):
                waveforms = Augment(split.corpus, self.accelerator.device)
                split.features = SegmentFeatures(self.learners[0].module, waveforms, self.accelerator.autocast)
        num_tracks = min(len(self.train), settings.num_steps * settings.optimization.batch_size)
        self.failures = Failures(self.train.corpus, num_tracks, folder, self.accelerator, settings.data.max_unreadable)
        self.step = 0
        self.history: list[Event] = []
        self.resumes: list[dict[str, Any]] = []
        self._statistics_batches: list[Batch | FeatureBatch] | None = None
        self._show_progress, self._on_event, self._minutes = progress, on_event, minutes
        self._seconds_before, self.seconds_waited, self._started = 0.0, 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time spent on training so far, over all resumes."""
        return self._seconds_before + time.perf_counter() - self._started

    @property
    def num_segments(self) -> int:
        """Training segments so far."""
        return self.step * self.settings.optimization.batch_size

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder for this process, with the settings in it, and resume from its newest checkpoint.

        Raises:
            TaggingError: another process trains in this folder.
        """
        is_main = self.accelerator.is_main_process
        with locked(self.folder / "run", wait=False) if is_main else contextlib.nullcontext():
            if is_main:
                create_run_dir(self.folder, self.settings)
            self.accelerator.wait_for_everyone()
            self._resume()
            yield

    def _resume(self) -> None:
        checkpoint = newest_checkpoint(self.folder)
        check_same_checkpoint(self.folder, checkpoint.progress["step"] if checkpoint else 0, self.accelerator)
        if checkpoint is not None:
            progress = checkpoint.progress
            self._check_same_corpus(progress.get("corpus", self._corpus_versions()))
            for remark in checkpoint.remarks:
                self.print(f"skipped: {remark}")
            self.step, self.history, self.resumes = progress["step"], progress["history"], progress["resumes"]
            self._seconds_before, self.seconds_waited = progress["seconds"], progress["seconds_waited"]
            self.failures.add({int(track): message for track, message in progress["failed_tracks"].items()})
            for learner in self.learners:
                learner.restore(checkpoint.tensors, progress["learners"][learner.name])
            self.print(f"{self.folder}: resumes after step {self.step} of {self.settings.num_steps}")
        else:
            corpus, segments = self.train.corpus, SegmentOrder(self.train, self.settings).between(0, _NUM_TIMED_READS)
            reading = store_remarks(corpus, *segments, self.settings.model.segment_seconds)
            for line in [*corpus.remarks(), *self._describe_balance(), *reading, self.describe()]:
                self.print(line)
        self.resumes.append(
            {"after_step": self.step, "commit": self.environment["commit"], "date": self.environment["date"]}
        )

    def save(self) -> None:
        """Write a checkpoint."""
        if not self.accelerator.is_main_process:
            return
        progress = {
            "step": self.step,
            "seconds": self.seconds,
            "seconds_waited": self.seconds_waited,
            "history": self.history,
            "resumes": self.resumes,
            "failed_tracks": self.failures.messages,
            "corpus": self._corpus_versions(),
            "learners": {learner.name: learner.progress() for learner in self.learners},
        }
        tensors = {name: tensor for learner in self.learners for name, tensor in learner.tensors().items()}
        save_checkpoint(self.folder, self.step, tensors, progress)

    def batches(self) -> Generator[Batch | FeatureBatch, None, None]:
        """What is left of the training segments, in batches; counts the time spent waiting for them."""
        self._started = time.perf_counter()
        if self.is_over():
            return
        batches = training_batches(self.train, self.settings, self.step, self.accelerator)
        is_first = True
        with contextlib.closing(batches), self.failures.listed():
            while True:
                asked = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    return
                if not is_first:  # the first one is waited for while the workers start
                    self.seconds_waited += time.perf_counter() - asked
                is_first = False
                self.failures.add(batch.failed)
                yield batch

    def retake_statistics(self) -> None:
        """Recompute the statistics of batch normalisation of fine-tuned taggers, from the first training segments."""
        finetuned = [learner for learner in self.learners if learner.name.partition(":")[0] == FINETUNED]
        retaken = [(learner, parts) for learner in finetuned if (parts := learner.parts_with_statistics(self.step))]
        if not retaken:
            return
        if self._statistics_batches is None:
            batch_size = self.settings.optimization.batch_size
            count = min(self.settings.num_steps, max(1, -(-_NUM_STATISTICS_SEGMENTS // batch_size))) * batch_size
            few = self.settings.override({"optimization.num_training_segments": count})
            batches = training_batches(self.train, few, 0, self.accelerator)
            with contextlib.closing(batches):
                self._statistics_batches = [batch for batch in batches if len(batch) > 1]
        inputs = Inputs(self.train, self.accelerator.device)
        for learner, parts in retaken:
            renormalise(learner.network, map(inputs, self._statistics_batches), parts=parts)

    def positions(self) -> np.ndarray:
        """int64 [batch]: which segments of the whole run this process has in the batch of this step."""
        batch_size, accelerator = self.settings.optimization.batch_size, self.accelerator
        share = batch_size // accelerator.num_processes
        return (self.step - 1) * batch_size + accelerator.process_index * share + np.arange(share)

    def is_over(self) -> bool:
        """Whether all steps are done, or the models have stopped getting better."""
        patience = self.settings.optimization.early_stopping_patience
        newest = max(learner.best_step for learner in self.learners)
        stopped = patience is not None and self.step - newest >= patience * self.settings.steps_per_validation
        return self.step >= self.settings.num_steps or (stopped and self.step > 0)

    def is_out_of_time(self) -> bool:
        """Whether any process has used up its minutes: they have to stop together."""
        if self._minutes is None:
            return False
        late = torch.tensor(float(time.perf_counter() - self._started > 60 * self._minutes))
        return bool(self.accelerator.reduce(late.to(self.accelerator.device), "sum") > 0)

    def report(self, event: Event, bar: tqdm) -> None:
        """Hand an entry of the history to the user."""
        if self.accelerator.is_main_process:
            if self._on_event:
                self._on_event(event)
            bar.set_postfix_str(_postfix(self.history))

    def bar(self) -> tqdm:
        """A progress bar in training segments."""
        batch_size = self.settings.optimization.batch_size
        return tqdm(
            total=self.settings.num_steps * batch_size,
            initial=self.num_segments,
            unit="segment",
            unit_scale=True,
            desc=", ".join(self.settings.models),
            disable=not (self._show_progress and self.accelerator.is_main_process),
            mininterval=1.0,
        )

    def describe(self) -> str:
        """What the run is about to do, in one line."""
        settings = self.settings
        return (
            f"{', '.join(settings.models)}: {settings.num_steps:,} steps of {settings.optimization.batch_size} segments of "
            f"{settings.model.segment_seconds:g} s from {len(self.train):,} clips, on {self.accelerator.device}"
        )

    def _describe_balance(self) -> list[str]:
        """How rare and how common tags are among the training clips; a line about tags that are too rare to be learned."""
        vocabulary = self.train.corpus.vocabulary
        known = np.flatnonzero(vocabulary.classification & ~np.isnan(self.tag_prior))
        if not len(known):
            return []
        rows = known[np.argsort(self.tag_prior[known], kind="stable")]
        lowest, highest = (f"{self.tag_prior[row]:.1%} ({vocabulary.names[row]})" for row in (rows[0], rows[-1]))
        lines = [f"balance: tags of {lowest} to {highest} of the training clips"]
        rare = [vocabulary.names[row] for row in rows if self.tag_prior[row] * len(self.train) < _FEW_POSITIVES]
        if rare:
            lines.append(f"rare: {len(rare)} tags with fewer than {_FEW_POSITIVES} training clips: {some(rare)}")
        return lines

    def _corpus_versions(self) -> dict[str, str]:
        return {split.name: split.corpus.version for split in (self.train, self.validation, self.test)}

    def _check_same_corpus(self, versions: dict[str, str]) -> None:
        """Raise ConfigError where files or labels have changed since the checkpoint."""
        current = self._corpus_versions()
        if changed := [name for name, version in versions.items() if version != current[name]]:
            raise ConfigError(
                f"{self.folder}: files or labels of the corpus have changed since this run began ({', '.join(changed)}); train "
                "in another folder"
            )

    def print(self, text: str) -> None:
        """Print one line, once for all processes."""
        self.accelerator.print(printable(text))

    def error(self, reason: str) -> TrainingError:
        """The error of a run that cannot continue."""
        hint = f"the last good checkpoint is kept in {self.folder}"
        if not any(self.folder.glob("state-*")):
            hint = "there is no checkpoint yet"
        return TrainingError(f"{reason}; {hint}. Try a lower optimization.learning_rate, or runtime.precision=no.")

    def model_folders(self) -> list[Path]:
        """Where the results of each model are written."""
        return [model_folder(self.folder, name) for name in self.settings.models]

    def _check_batch_divides(self) -> None:
        optimization, processes = self.settings.optimization, self.accelerator.num_processes
        share, rest = divmod(optimization.batch_size, processes)
        if rest or share % optimization.gradient_accumulation_steps:
            raise ConfigError(
                f"batch_size={optimization.batch_size} cannot be split over {processes} processes in "
                f"{optimization.gradient_accumulation_steps} gradient_accumulation_steps"
            )

    def _check_segment_length(self) -> None:
        try:
            self.train.corpus.segment(int(self.train.indices[0]), 0.0, self.settings.model.segment_seconds)
        except ConfigError:
            raise  # a wrong length is wrong for every track
        except TaggingError:
            pass  # this one cannot be read; others may


def prevalence(labels: np.ndarray) -> np.ndarray:
    """float64 [tags]: mean label of each tag over the tracks where it is known; NaN where it never is."""
    known = ~np.isnan(labels)
    with np.errstate(invalid="ignore"):
        return np.where(known, labels, 0).sum(axis=0) / known.sum(axis=0)


def check_split_is_scorable(split: Split) -> None:
    """Raise ConfigError unless at least one tag has both positive and negative clips; otherwise no metric is defined."""
    vocabulary = split.corpus.vocabulary
    classification, regression = vocabulary.classification, vocabulary.regression
    for indices in (
        split.indices[:100],
        split.indices,
    ):  # the first ones are nearly always enough; all labels take seconds
        labels = split.corpus.labels_of(indices)[:, classification]
        has_both = ((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).any()
        if has_both or (regression.any() and not classification.any()):
            return
    raise ConfigError(
        f"{split.setting}={len(split)}: no tag has both positive and negative clips among these {split.name} clips, so no "
        "metric is defined; take more"
    )


def _postfix(history: list[Event]) -> str:
    losses = " ".join(f"{value:.3f}" for value in history[-1]["loss"].values())
    validations: list[dict[str, Any]] = [entry["validation"] for entry in history if "validation" in entry]
    validated = validations[-1] if validations else {}
    scores = " ".join(f"{means['roc_auc']:.3f}" for means in validated.values() if "roc_auc" in means)
    return f"loss {losses}" + (f" ROC-AUC {scores}" if scores else "")
