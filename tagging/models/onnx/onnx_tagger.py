"""Taggers without PyTorch: onnxruntime computes the scores of a file that ``tagging export`` wrote.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CheckpointError, ConfigError, TaggingError
from ...tags import Vocabulary
from ..inference import SongTagger
from .container import DESCRIPTION, check_model, is_intact, metadata, read_bytes
from .description import OnnxDescription

INPUT, LOGITS, EMBEDDING, LOG_MEL = "waveform", "logits", "embedding", "log_mel"
# What the models of one process may take together: a feature map of 1 GiB, as limits.py allows, its input, and room.
MAX_MEMORY = 2**32


class OnnxTagger(SongTagger):
    """A tagger that onnxruntime runs; :func:`tagging.load_tagger` makes it. Its scores are those of PyTorch within 1e-5.

    It tags songs as :class:`tagging.Tagger` does, and cannot be trained. Several threads may use one.

    Attributes:
        vocabulary: the tags, in the order of the scores.
        card: what a user should know: origin of the weights, split they were trained on, scores, licence.

    Example:
        >>> import tagging
        >>> tagger = tagging.load_tagger("laptop-waveform-100k", runtime="onnx")
        >>> len(tagger.tag(tagging.sound_path("greensleeves")).top(3))
        3
    """

    def __init__(self, model: bytes, description: OnnxDescription, threads: int = 1) -> None:
        self.vocabulary = Vocabulary.from_list(description.tags)
        self.card = dict(description.card)
        self.sample_rate, self.song_padding = description.sample_rate, description.song_padding
        self.segment_samples, self.hop_samples = description.segment_samples, description.hop_samples
        self._session = session(model, threads)
        outputs = {output.name for output in self._session.get_outputs()}
        if [entry.name for entry in self._session.get_inputs()] != [INPUT] or not {LOGITS, EMBEDDING} <= outputs:
            raise CheckpointError(f"a graph that does not make {LOGITS} and {EMBEDDING} of a {INPUT}")

    def logits(self, segments: np.ndarray) -> np.ndarray:
        """Logits of a batch of segments: float32 [batch, samples] -> float32 [batch, tags]."""
        return self._run(LOGITS, segments, len(self.vocabulary))

    def scores(self, segments: np.ndarray) -> np.ndarray:
        return sigmoid(self.logits(segments))

    def embeddings(self, segments: np.ndarray) -> np.ndarray:
        return self._run(EMBEDDING, segments)

    def log_mel(self, segments: np.ndarray) -> np.ndarray:
        """Log-mel spectrograms, float32 [batch, bands, frames].

        Raises:
            ConfigError: the tagger was exported without, or takes waveforms.
        """
        if LOG_MEL not in {output.name for output in self._session.get_outputs()}:
            raise ConfigError("this file does not give its log-mel spectrogram: export it with log_mel=True")
        return self._run(LOG_MEL, segments)

    def _run(self, output: str, segments: np.ndarray, columns: int | None = None) -> np.ndarray:
        batch = np.ascontiguousarray(segments, np.float32)
        if batch.ndim != 2:
            raise ConfigError(f"segments of shape {batch.shape}: expected [batch, samples]")
        return run(self._session, output, {INPUT: batch}, len(batch), columns)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threads: int = 1) -> OnnxTagger:
        """Read a file that :meth:`tagging.Tagger.export` wrote.

        The file may come from a stranger: kinds and ranges are checked, a digest shows damage, no other file is read, no
        operation runs for ever, and no more than 4 GiB of memory are taken.

        Args:
            path: of the file.
            threads: of the computation.

        Raises:
            CheckpointError: no such file, another kind of file, a damaged one, or one of a newer version.
        """
        path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
        return cls.from_bytes(read_bytes(path), str(path), threads=threads)

    @classmethod
    def from_bytes(cls, model: bytes, name: str, *, threads: int = 1) -> OnnxTagger:
        """The same from the contents of a file, which messages call ``name``."""
        # imported here: pydantic takes as long as to tag a song, and bundled taggers do not need it
        from .checks import parse_onnx_description

        try:
            entries = metadata(model)
            if DESCRIPTION not in entries:
                raise CheckpointError(
                    f"{name}: an ONNX model without a description of its tags; only models written by `tagging export` "
                    "can be read"
                )
            if not is_intact(model):
                raise CheckpointError(
                    f"{name}: damaged: its contents do not have its SHA-256; fetch or export it again"
                )
            description = parse_onnx_description(entries[DESCRIPTION])
            check_model(model)
            return cls(model, description, threads)
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, TaggingError) as error:
            if isinstance(error, CheckpointError) and str(error).startswith(name):
                raise
            raise CheckpointError(
                f"{name}: not a tagger in an ONNX file ({error}); fetch or export it again"
            ) from error


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits -> scores in [0, 1], float32."""
    return 1 / (1 + np.exp(-logits.clip(-80, 80)))


def session(model: bytes, threads: int = 1) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU, in bounded memory.

    Raises:
        CheckpointError: onnxruntime cannot run this model; the message says why.
    """
    import onnxruntime

    _bound_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # errors are raised; warnings are of no use to a user
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait burn their cores
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise CheckpointError(f"onnxruntime cannot run it: {first_line(error)}") from error


def run(
    session: Any, output: str, inputs: Mapping[str, np.ndarray], rows: int, columns: int | None = None
) -> np.ndarray:
    """One output of a session, float32 [rows, ...].

    Raises:
        TaggingError: onnxruntime fails, or the output has another shape than [rows, columns].
    """
    try:
        array = np.asarray(session.run([output], dict(inputs))[0], np.float32)
    except Exception as error:
        raise TaggingError(f"onnxruntime cannot compute {output}: {first_line(error)}") from error
    if array.shape[:1] != (rows,) or (columns is not None and array.shape != (rows, columns)):
        raise TaggingError(
            f"the model makes {output} of shape {array.shape}, where {(rows, columns or '...')} is expected"
        )
    return array


def first_line(error: Exception) -> str:
    """What went wrong, without the lines after it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@functools.cache
def _bound_memory() -> None:
    """Set the limit on the memory of all sessions, once a process."""
    import onnxruntime as ort

    info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    # 1: take what is asked for, not the next power of two
    limits = ort.OrtArenaCfg({"max_mem": MAX_MEMORY, "arena_extend_strategy": 1})
    with contextlib.suppress(Exception):  # the program has set one of its own, which is then used
        ort.create_and_register_allocator(info, limits)
