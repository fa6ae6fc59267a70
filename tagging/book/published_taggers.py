"""Taggers of the literature as pairs of a front-end and a back-end, each built and run. Book: ``book/putting_together``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..models.build import build_tagger
from ..models.tagger import Tagger
from ..pretrained.musicnn import build
from .architecture_study import TAGS

if TYPE_CHECKING:
    import pandas

# log-mel in dB, as in the reimplementations that go with Won et al. (2020)
_DECIBELS = {"mel_scale": "htk", "norm": None, "pad_mode": "reflect", "compression": "dB"}
_SHORT = 59049 / 16000  # s


@dataclass(frozen=True)
class PublishedTagger:
    """A tagger of the literature.

    Attributes:
        model: its authors or its name, and the year.
        filters: a description of its front-end.
        summary: a description of how its back-end removes time.
        build: makes the tagger that is nearest to it here.
        differs: what of the published model is not built.
    """

    model: str
    filters: str
    summary: str
    build: Callable[[], Tagger]
    differs: str


def _pair(frontend: str, backend: str, seconds: float, **options: object) -> Callable[[], Tagger]:
    return partial(build_tagger, frontend, backend, TAGS, seconds, **options)  # type: ignore[arg-type]


def _squares(pools: list[tuple[int, int]], **mel: object) -> dict[str, object]:
    return {"mel": {**_DECIBELS, **mel}, "pools": [(pool, pool) for pool in pools]}


PUBLISHED_TAGGERS = (
    PublishedTagger(
        "Dieleman & Schrauwen 2014", "waveform, single shape", "convolutions and pooling",
        _pair("waveform-frame-level", "temporal-pooling", 3.0),
        "back-end: ours is the paper's, which grew out of it",
    ),
    PublishedTagger(
        "Zhu et al. 2016", "waveform, many shapes", "recurrent",
        _pair("waveform-frame-level-many-shapes", "recurrent", 3.0),
        "task (speech), strides and depth",
    ),
    PublishedTagger(
        "FCN, Choi et al. 2016", "3 x 3", "pooling to one frame",
        _pair("spectrogram-vgg", "fully-convolutional", 29.0,
              frontend_options=_squares([(2, 4), (2, 4), (2, 4), (3, 5), (4, 4)])),
        "numbers of filters that differ by layer",
    ),
    PublishedTagger(
        "CRNN, Choi et al. 2017", "3 x 3", "recurrent",
        _pair("spectrogram-vgg", "recurrent", 29.0, frontend_options=_squares([(2, 2), (3, 3), (4, 4), (4, 4)]),
              backend_options={"hidden_size": 32}),
        "one reading direction (ours has two); filters that differ by layer",
    ),
    PublishedTagger(
        "SampleCNN, Lee et al. 2017", "sample level, 10 layers", "dense",
        _pair("waveform", "fully-convolutional", _SHORT),
        "three of ten layers; zero-padding; 22 kHz",
    ),
    PublishedTagger(
        "Pons et al. 2018, waveform", "sample level, 7 layers", "temporal pooling",
        _pair("waveform", "temporal-pooling", 15.0), "exact",
    ),
    PublishedTagger(
        "Pons et al. 2018, spectrogram", "timbral and temporal", "temporal pooling",
        _pair("spectrogram", "temporal-pooling", 15.0), "exact",
    ),
    PublishedTagger(
        "musicnn, Pons & Serra 2019", "timbral and temporal", "temporal pooling of all layers",
        partial(build, "musicnn", TAGS), "exact; trained weights load",
    ),
    PublishedTagger("vgg, Pons & Serra 2019", "3 x 3", "flatten", partial(build, "vgg", TAGS), "exact; trained weights load"),
    PublishedTagger(
        "CNNSA, Won et al. 2019", "3 x 3, residual", "attention",
        _pair("spectrogram-vgg", "attention", 15.0, width=0.5,
              frontend_options=_squares([(2, 2)] * 3 + [(2, 1)] * 4, n_mels=128)),
        "residuals; more filters in deep layers; class token",
    ),
    PublishedTagger(
        "Short-chunk CNN, Won et al. 2020", "3 x 3, 7 layers", "maximum, dense",
        _pair("spectrogram-vgg", "dense", _SHORT, frontend_options=_squares([(2, 2)] * 7, n_mels=128)),
        "more filters in deep layers; residual variant",
    ),
)  # fmt: skip


def published_table() -> pandas.DataFrame:
    """One row a tagger: a description of its parts, the segment length and parameters of the tagger built here.

    Book: ``book/putting_together``.
    """
    import pandas

    rows = {}
    for one in PUBLISHED_TAGGERS:
        tagger = one.build()
        rows[one.model] = {
            "segment (s)": tagger.segment_seconds,
            "filters": one.filters,
            "back-end": one.summary,
            "parameters (M)": tagger.summary().parameters / 1e6,  # runs a segment through it
            "not reproduced": one.differs,
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")
