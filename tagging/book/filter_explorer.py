"""A trained filter to move over a spectrogram in the built page. Book: ``book/spectrogram_frontends``."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..audio.mel import mel_bank
from .backend_study import RATE, musicnn, tune
from .spectrogram_study import first_input, liveliest, vgg

_SOUND, _START, _SECONDS = "drowsy-maggie", 2, 4


class FilterExplorer:
    """Filters of ``mtt-musicnn`` and ``mtt-vgg`` over four seconds of a fiddle tune.

    The page's script (``filter_explorer.js``) computes the answers; where no script runs, a sentence stands in its place.

    Attributes:
        data: what the script gets: the spectrogram, and each filter with its folded normalization.

    Book: ``book/spectrogram_frontends``.
    """

    def __init__(self) -> None:
        excerpt = tune(_SOUND)[_START * RATE : (_START + _SECONDS) * RATE]
        front: Any = musicnn().frontend
        spec = front.log_mel.spec
        with torch.inference_mode():
            picture = front.log_mel(excerpt[None])[0]
        top = float(picture.max())
        stored = (picture / top * 255).round().to(torch.uint8)  # error below 1/500 of the range
        bank = mel_bank(spec)
        centres = bank @ np.linspace(0, RATE / 2, bank.shape[1]) / bank.sum(1)
        self.data: dict[str, Any] = {
            "bands": spec.n_mels,
            "frames": picture.shape[1],
            "seconds": spec.hop_length / RATE,
            "top": top,
            "hertz": [round(float(hertz)) for hertz in centres],
            "mel": base64.b64encode(stored.numpy().tobytes()).decode(),
            "filters": [*_shaped(), *_squares(excerpt)],
        }

    def _repr_html_(self) -> str:
        return (
            f'<div class="filter-explorer" data-source="filter-explorer-data" data-sound="{_SOUND}" data-start="{_START}">'
            "<p><em>In the built book, served by a web server, a filter can be moved over a spectrogram here. The next "
            "figure shows the same for one filter.</em></p></div>"
            f'<script type="application/json" id="filter-explorer-data">{json.dumps(self.data)}</script>'
            '<script type="module" src="../_static/filter_explorer.js"></script>'
        )


def _shaped() -> list[dict[str, Any]]:
    front: Any = musicnn().frontend
    blocks = [("timbral", front.timbral[0], 4), ("timbral", front.timbral[1], 2)]
    blocks += [("temporal", block, 1) for block in front.temporal]
    return [
        _exported(family, front.input_norm, block, index, (0, 0, *block.padding))
        for family, block, count in blocks
        for index in liveliest(block, count)
    ]


def _squares(excerpt: Tensor, count: int = 3) -> list[dict[str, Any]]:
    """The squares of vgg whose answers vary most over the excerpt."""
    front: Any = vgg().frontend
    block = front.blocks[0]
    with torch.inference_mode():
        answers = block.conv(first_input(vgg(), excerpt[None])).relu()[0].flatten(1)
    chosen = answers.std(-1).argsort(descending=True)[:count].tolist()
    return [{**_exported("square", front.input_norm, block, index, (1, 1, 1, 1)), "kept": False} for index in chosen]


def _exported(family: str, norm: Any, block: Any, index: int, padding: Sequence[int]) -> dict[str, Any]:
    """One filter with all that is needed to repeat its answers.

    Args:
        family: for the title.
        norm: of the input.
        block: a convolution, then ReLU and normalization.
        index: of the filter.
        padding: zeros below, above, before and after.
    """
    conv = block.conv
    gain, offset = _folded(block.norm, index)
    bands, frames = conv.kernel_size
    return {
        "title": f"{family} {bands} x {frames}, no. {index}",
        "kept": True,  # whether the front-end keeps the largest answer of each frame
        "input": _folded(norm, 0),
        "bands": bands,
        "frames": frames,
        "padding": list(padding),
        "weights": [round(weight, 6) for weight in conv.weight[index, 0].flatten().tolist()],
        "bias": conv.bias[index].item(),
        "gain": gain,
        "offset": offset,
    }


def _folded(norm: Any, channel: int) -> list[float]:
    """The gain and offset that a trained normalization applies to a channel."""
    gain = norm.weight[channel] / (norm.running_var[channel] + norm.eps).sqrt()
    return [gain.item(), (norm.bias[channel] - gain * norm.running_mean[channel]).item()]
