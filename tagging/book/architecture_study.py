"""The layers of a tagger, the grid of all pairs, and what the tags share in a head. Book: ``book/putting_together``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from ..models.backends import list_backends
from ..models.build import build_tagger
from ..models.frontends import list_frontends
from ..models.tagger import Tagger
from ..plots.style import SCORE_MAP, WIDTH, figure_for
from ..tags import Tag, Vocabulary
from ..training import edition
from ..training.losses import tag_loss

if TYPE_CHECKING:
    import pandas

TAGS = [f"tag {number}" for number in range(50)]
# Numbers in the variables of the paper's TensorFlow code for 50 tags; see tests/reference/README.md
ORIGINAL_VALUES = {"waveform": 5_380_774, "spectrogram": 5_927_110}
HEADS = ("linear", "per-tag", "per-group")


def example_vocabulary() -> Vocabulary:
    """Five tags: two kinds, and two that exclude each other. Book: ``book/putting_together``."""
    return Vocabulary(
        [
            Tag("female vocals"),
            Tag("importance of melody", kind="regression"),
            Tag("major", exclusive_group="mode"),
            Tag("minor", exclusive_group="mode"),
            Tag("tempo", kind="regression"),
        ]
    )


def layers_table(tagger: Tagger) -> pandas.DataFrame:
    """One row a layer: shape of its output for one segment, parameters, multiply-accumulates, and the sound it sees.

    Book: ``book/putting_together``.
    """
    import pandas

    rows = {
        layer.name: {
            "output": " x ".join(f"{size:,}" for size in layer.shape),
            "parameters": layer.parameters,
            "MACs (M)": layer.macs / 1e6,
            "sees (ms)": layer.receptive_field_ms,
        }
        for layer in tagger.summary().layers
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("layer")


def exact_table() -> pandas.DataFrame:
    """Numbers that the paper's two models store, here and in the original code. Book: ``book/putting_together``."""
    import pandas

    rows = {
        f"{name} x temporal-pooling": {
            "here": build_tagger(name, "temporal-pooling", TAGS).summary().stored_values,
            "original code": original,
        }
        for name, original in ORIGINAL_VALUES.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _milliseconds(function: Callable[[], Any], trials: int = 2) -> float:
    """Processor time of the fastest run: other programs do not count."""
    measured = []
    for _ in range(trials):
        start = time.process_time()
        function()
        measured.append(1000 * (time.process_time() - start))
    return min(measured)


@cache
def grid() -> dict[tuple[str, str], tuple[int, float]]:
    """(front-end, back-end) -> parameters at the paper's width, ms of a training step on two segments of the laptop edition.

    Book: ``book/putting_together``.
    """
    laptop = edition("laptop").model
    cells = {}
    for frontend in list_frontends():
        for backend in list_backends():
            full = build_tagger(frontend, backend, TAGS, segment_seconds=15.0)
            small = build_tagger(frontend, backend, TAGS, laptop.segment_seconds, width=laptop.width)
            parameters = sum(weight.numel() for weight in full.parameters())
            cells[frontend, backend] = parameters, _milliseconds(_training_step(small))
    return cells


def _training_step(tagger: Tagger) -> Callable[[], None]:
    sound = torch.randn(2, tagger.config.segment_samples)
    labels = torch.randint(0, 2, (2, len(TAGS))).float()
    optimizer = torch.optim.Adam(tagger.parameters())

    def step() -> None:
        optimizer.zero_grad()
        tag_loss(tagger(sound), labels, tagger.vocabulary).backward()
        optimizer.step()

    return step


def draw_grid() -> Figure:
    """Parameters and time of a training step of every pair as two heat maps. Book: ``book/putting_together``."""
    fronts, backs, cells = list_frontends(), list_backends(), grid()
    figure, panels = plt.subplots(2, 1, figsize=(WIDTH, 6.4), sharex=True, layout="constrained")
    for panel, title, column, scale, digits in (
        (panels[0], "Parameters (millions) sit in the back-end", 0, 1e-6, 1),
        (panels[1], "The time of a training step (ms) does not follow", 1, 1, 0),
    ):
        values = np.array([[scale * cells[front, back][column] for back in backs] for front in fronts])
        panel.imshow(np.log(values), cmap=SCORE_MAP, aspect="auto")
        middle = (np.log(values).max() + np.log(values).min()) / 2
        for (row, position), number in np.ndenumerate(values):
            ink = "black" if np.log(number) > middle else "white"
            panel.text(position, row, f"{number:.{digits}f}", ha="center", va="center", color=ink)
        panel.set_xticks(range(len(backs)), [back.replace("-", "-\n", 1) for back in backs], fontsize=9)
        labels = [front.replace("m-", "m\n", 1).replace("level-", "level-\n") for front in fronts]
        panel.set_yticks(range(len(fronts)), labels, fontsize=9)
        panel.set_title(title)
    plt.close(figure)
    return figure


def shared_units(head: str) -> np.ndarray:
    """Which hidden units move the logit of which of five tags, by gradients: bool [tags, units].

    Args:
        head: one of :data:`HEADS`.

    Book: ``book/putting_together``.
    """
    torch.manual_seed(0)
    options = {} if head == "linear" else {"hidden": 8}
    vocabulary = example_vocabulary()
    tagger = build_tagger("waveform", "dense", vocabulary, 3.0, width=0.1, head=head, head_options=options).eval()
    units, network = torch.randn(64, tagger.backend.out_features), tagger.head
    if head != "linear":  # of a linear head the shared vector is the last hidden layer
        units = torch.relu(network.hidden(units)).detach()  # type: ignore[operator]
        network.hidden = torch.nn.Identity()
    logits = network(units.requires_grad_())
    moved = [
        torch.autograd.grad(logits[:, tag].sum(), units, retain_graph=True)[0].abs().mean(0)
        for tag in range(len(vocabulary))
    ]
    return (torch.stack(moved) > 0).numpy()


def draw_heads() -> Figure:
    """:func:`shared_units` of three heads. Book: ``book/putting_together``."""
    figure, panels = figure_for(len(HEADS), 2.6)
    names = example_vocabulary().names
    for panel, head in zip(panels, HEADS, strict=True):
        units = shared_units(head)
        panel.imshow(units, aspect="auto", cmap="Greys", vmin=0, vmax=1.6, interpolation="nearest")
        panel.set(title=head, xlabel=f"{units.shape[1]} hidden units")
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names))
    return figure
