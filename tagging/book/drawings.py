"""Drawings of networks, made from the networks: every shape and size is read from a tagger that was built.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import nn

from ..audio.examples import sound_path
from ..audio.files import load_audio
from ..models.backends.attention import Attention
from ..models.backends.recurrent import BidirectionalGRU
from ..models.base import ReceptiveField
from ..models.build import build_tagger
from ..models.frontends import list_frontends
from ..models.frontends.frame_level import Branch, FrameLevel
from ..models.frontends.musically_motivated import MusicallyMotivated, ShapeBlock
from ..models.frontends.sample_level import SampleLevel
from ..models.frontends.spectrogram import SpectrogramFrontend
from ..models.frontends.vgg import SquareBlock, Vgg
from ..models.layers import Conv1dBlock, DenseBlock
from ..models.summary import Layer
from ..models.tagger import Tagger
from ..plots.style import MODEL_COLOURS
from ..training import edition
from ..utils.text import short_count
from .runs import load_predictions, training_records
from .svg import SMALL, WIDTH, Drawing

# The paper's number of tags; a drawing of a part does not show it.
_TAGS = [f"tag {number}" for number in range(50)]
_PICTURE = 84  # height of the picture of filters, in units
_POOLED = {
    "temporal-pooling": "maximum and mean over all frames",
    "attention": "mean over frames with these weights",
    "recurrent": "last state of each direction",
}


def _colour(frontend: nn.Module) -> str:
    return MODEL_COLOURS["spectrogram" if isinstance(frontend, SpectrogramFrontend) else "waveform"]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(f"{size:,}" for size in shape)


def _labelled(module: nn.Module) -> str:
    """What a layer does, in a few words."""
    if isinstance(module, Conv1dBlock):
        size, stride = module.conv.kernel_size[0], module.conv.stride[0]
        parts = [f"{module.conv.out_channels} filters of {size}"]
        parts += [f"step {stride}"] if stride > 1 else []
        parts += [f"maximum of {module.pool_size}"] if module.pool_size > 1 else []
        return ", ".join([*parts, *(["plus input"] if module.residual else [])])
    if isinstance(module, ShapeBlock):
        bands, frames = module.conv.kernel_size
        if bands == 1:
            return f"mean over bands, {module.conv.out_channels} filters of {frames} frames"
        return f"{module.conv.out_channels} filters of {bands} x {frames}, maximum over bands"
    if isinstance(module, SquareBlock):
        return f"{module.conv.out_channels} filters of 3 x 3, maximum of {_shape(_pair(module.pool.kernel_size))}"
    if isinstance(module, Branch):
        step = f", maximum of {module.pooled}" if module.pooled > 1 else ""
        return f"{module.block.conv.out_channels} filters of {module.block.conv.kernel_size[0]}{step}"
    if isinstance(module, DenseBlock):
        return f"{module.linear.out_features} dense units"
    if isinstance(module, nn.TransformerEncoder):
        return f"{module.num_layers} layers of self-attention"
    if isinstance(module, BidirectionalGRU):
        return f"{module.num_layers} recurrent layers, both ways"
    if isinstance(module, nn.MaxPool1d | nn.AvgPool1d):
        return f"{'maximum' if isinstance(module, nn.MaxPool1d) else 'mean'} of {_pair(module.kernel_size)[0]} frames"
    if isinstance(module, nn.Sequential):  # of blocks
        return ", then ".join(_labelled(child) for child in module)
    if isinstance(module, nn.Conv1d):
        return f"{module.out_channels} channels a frame"
    if isinstance(module, nn.Linear):
        return "one weight a frame"
    return {"LogMel": "log-mel spectrogram", "BatchNorm2d": "normalisation"}.get(
        type(module).__name__, type(module).__name__
    )


def _pair(size: int | Sequence[int]) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


def _layer(drawing: Drawing, label: str, shape: Sequence[int], longest: int, colour: str) -> None:
    """A layer and its output: a bar as long as the logarithm of its frames."""
    frames = shape[-1] if len(shape) > 1 else 1
    width = 14 + (WIDTH - 18) * math.log(max(frames, 1)) / math.log(longest)
    drawing.text(2, drawing.y + 13, label, size=SMALL)
    drawing.text(WIDTH - 2, drawing.y + 13, _shape(shape), anchor="end", size=SMALL, bold=True)
    drawing.rectangle((WIDTH - width) / 2, drawing.y + 19, width, 9, colour=colour, fill=0.35)
    drawing.y += 37


def _layers_of(tagger: Tagger, part: str) -> list[tuple[Layer, nn.Module]]:
    layers = tagger.summary().layers
    return [(layer, tagger.get_submodule(layer.name)) for layer in layers if layer.name.partition(".")[0] == part]


def frontend(name: str) -> Drawing:
    """The front-end of the paper's width: its filters to scale, and the shape of each layer's output for 15 s of sound.

    Args:
        name: one of :func:`tagging.list_frontends`, or an alias.

    Book: ``book/waveform_frontends``, ``book/spectrogram_frontends``.
    """
    tagger = build_tagger(name, "temporal-pooling", _TAGS, segment_seconds=15.0)
    part, samples = tagger.frontend, tagger.config.segment_samples
    frames = part.num_frames(samples)
    drawing = Drawing(
        f"{part.registered_name}: {samples:,} samples become {part.out_channels} channels x {frames:,} frames.",
        "From top to bottom: the filters to scale, then each layer with the shape of its output.",
    )
    colour = _colour(part)
    _picture(drawing, part, colour)
    _layer(drawing, "15 s of samples", (1, samples), samples, "currentColor")
    layers = _layers_of(tagger, "frontend")
    branches = [module for _, module in layers if isinstance(module, Branch | ShapeBlock)]
    for layer, module in layers:
        if len(branches) > 1 and module is branches[0]:
            drawing.text(
                2,
                drawing.y + 13,
                f"{len(branches)} branches side by side, each of the same input:",
                size=SMALL,
                bold=True,
            )
            drawing.y += 20
        if not isinstance(module, nn.BatchNorm2d):
            _layer(drawing, _labelled(module), layer.shape, samples, colour)
    if len(branches) > 1 or isinstance(part, Vgg):
        label = "channels of all branches together" if branches else "remaining bands become channels"
        _layer(drawing, label, (part.out_channels, frames), samples, colour)
    return drawing


def _picture(drawing: Drawing, part: nn.Module, colour: str) -> None:
    """The filters of a front-end, drawn to scale over what they look at."""
    if isinstance(part, FrameLevel):
        _over_waveform(
            drawing,
            [branch.block.conv.kernel_size[0] for branch in part.branches if isinstance(branch, Branch)],
            part.sample_rate,
            colour,
        )
    elif isinstance(part, SampleLevel):
        _over_waveform(drawing, [f.size for f in part.receptive_fields().values()], part.sample_rate, colour)
    elif isinstance(part, MusicallyMotivated):
        shapes = [block.conv.kernel_size for block in [*part.timbral, *part.temporal]]
        _over_spectrogram(drawing, part, shapes, colour)
    elif isinstance(part, Vgg):
        fields = [f for name, f in part.receptive_fields().items() if name != "log_mel"]
        sides = [_mel_frames(field, part) for field in fields]
        _over_spectrogram(drawing, part, [(side, side) for side in sides], colour)


def _mel_frames(field: ReceptiveField, part: SpectrogramFrontend) -> int:
    spec = part.log_mel.spec
    return (field.size - spec.n_fft) // spec.hop_length + 1


def _over_waveform(drawing: Drawing, sizes: Sequence[int], sample_rate: int, colour: str) -> None:
    longest = max(2048, *sizes)
    seconds = 1.15 * longest / sample_rate
    samples, _ = load_audio(sound_path("greensleeves"), sample_rate, start=1.9, seconds=seconds)
    scale = (WIDTH - 8) / (seconds * sample_rate)
    columns = np.array_split(samples, 300)
    peak = float(np.abs(samples).max())
    outline = [(4 + 352 * i / 300, drawing.y + 24 - 22 * float(c.max()) / peak) for i, c in enumerate(columns)]
    below = [(4 + 352 * i / 300, drawing.y + 24 - 22 * float(c.min()) / peak) for i, c in enumerate(columns)]
    drawing.line(outline + below[::-1], faint=True)
    drawing.y += 52
    for size in sizes:
        drawing.rectangle(4, drawing.y, size * scale, 6, colour=colour, fill=0.5)
        beside = 4 + size * scale + 6
        label = f"{size:,} samples, {1000 * size / sample_rate:.3g} ms"
        if beside > WIDTH - 150:
            drawing.text(WIDTH - 2, drawing.y + 19, label, anchor="end", size=SMALL)
            drawing.y += 14
        else:
            drawing.text(beside, drawing.y + 8, label, size=SMALL)
        drawing.y += 14
    drawing.y += 8


def _over_spectrogram(
    drawing: Drawing, part: SpectrogramFrontend, shapes: Sequence[Sequence[int]], colour: str
) -> None:
    """Filters side by side on the spectrogram: bands upwards, frames to the right."""
    bands, hop = part.log_mel.spec.n_mels, part.log_mel.spec.hop_length / part.sample_rate
    height = 1.5 * _PICTURE
    # long filters of one band lie below each other, tall ones stand side by side
    thin = [(tall, long) for tall, long in shapes if tall == 1]
    tall_ones = [(tall, long) for tall, long in shapes if tall > 1]
    widest = max([sum(long + 10 for _, long in tall_ones), *(long for _, long in thin), 1])
    width, x = WIDTH - 8, 10.0
    scale = width / (1.1 * widest)
    drawing.rectangle(4, drawing.y, width, height, fill=0.04)
    for tall, long in tall_ones:
        high = height * min(tall, bands) / bands
        drawing.rectangle(x, drawing.y + height - high, long * scale, high, colour=colour, fill=0.35)
        x += long * scale + 10
    for index, (_, long) in enumerate(thin):
        drawing.rectangle(10, drawing.y + 10 + 13 * index, long * scale, 2, colour="currentColor", fill=0.9)
    drawing.y += height
    drawing.note(f"up: {bands} mel bands; across: {1.1 * widest * hop:.1f} s")
    drawing.y += 4


def backend(name: str, frontend: str = "waveform") -> Drawing:
    """The back-end of the paper's width after a front-end, with the shape of each layer's output for 15 s of sound.

    Args:
        name: one of :func:`tagging.list_backends`.
        frontend: what makes the frames.

    Book: ``book/backends``.
    """
    tagger = build_tagger(frontend, name, _TAGS, segment_seconds=15.0)
    part = tagger.backend
    frames = tagger.frontend.num_frames(tagger.config.segment_samples)
    length = "any number of frames" if part.fixed_frames is None else f"exactly {part.fixed_frames} frames"
    drawing = Drawing(
        f"{part.registered_name}: {length} become {part.out_features} numbers.",
        "From top to bottom: each layer with the shape of its output.",
    )
    colour = _colour(tagger.frontend)
    _layer(drawing, "from the front-end", (tagger.frontend.out_channels, frames), frames, "currentColor")
    for layer, module in _layers_of(tagger, "backend"):
        if isinstance(module, DenseBlock) and part.registered_name in _POOLED:
            _layer(drawing, _POOLED[part.registered_name], (module.linear.in_features,), frames, colour)
        # attention has time first
        time_first = isinstance(part, Attention) and len(layer.shape) > 1 and not isinstance(module, nn.Conv1d)
        _layer(drawing, _labelled(module), layer.shape[::-1] if time_first else layer.shape, frames, colour)
    return drawing


def way_of_a_sound(tagger: Tagger, sound: str = "greensleeves") -> Drawing:
    """From a recording to tags: segments, front-end, back-end, head, mean over segments; shapes as the tagger has them.

    Args:
        tagger: the tagger to draw.
        sound: one of :func:`tagging.list_sounds`.

    Book: ``book/what_is_tagging``.
    """
    config, rate = tagger.config, tagger.config.sample_rate
    samples, _ = load_audio(sound_path(sound), rate)
    result = tagger.tag_waveform(samples, rate)
    front, channels = tagger.frontend.registered_name, tagger.frontend.out_channels
    segments = len(result.times)
    frames = tagger.frontend.num_frames(config.segment_samples)
    drawing = Drawing(
        "A tagger cuts a sound into segments, scores each, and takes the mean.",
        f"{segments} segments of {tagger.segment_seconds:.3g} s go through {front}, "
        f"{tagger.backend.registered_name} and a head of {len(tagger.vocabulary)} tags.",
    )
    _waveform_of(drawing, samples, segments)
    drawing.arrow(f"{segments} x {config.segment_samples:,} samples")
    drawing.box("front-end", front, colour=_colour(tagger.frontend))
    drawing.arrow(f"{channels} channels x {frames:,} frames")
    drawing.box("back-end", tagger.backend.registered_name, colour=_colour(tagger.frontend))
    drawing.arrow(f"{tagger.backend.out_features} features")
    drawing.box("head", "one score a tag, 0 to 1", colour=_colour(tagger.frontend))
    drawing.arrow(f"mean of {segments} x {len(tagger.vocabulary)} scores")
    for name, score in result.top(4):
        drawing.text(112, drawing.y + 13, name, anchor="end", size=SMALL)
        drawing.rectangle(120, drawing.y + 3, 190 * score, 12, colour=_colour(tagger.frontend), fill=0.5)
        drawing.text(126 + 190 * score, drawing.y + 13, f"{score:.2f}", size=SMALL)
        drawing.y += 20
    return drawing


def _waveform_of(drawing: Drawing, samples: np.ndarray, segments: int) -> None:
    columns = np.array_split(np.abs(samples), 170)
    peak, middle = float(np.abs(samples).max()), drawing.y + 26
    for index, column in enumerate(columns):
        high = 24 * float(column.max()) / peak
        drawing.line([(4 + 2.07 * index, middle - high), (4 + 2.07 * index, middle + high)], faint=True)
    for cut in range(segments + 1):
        x = 4 + 352 * cut / segments
        drawing.line([(x, drawing.y), (x, drawing.y + 52)])
    drawing.y += 54


def experiment() -> Drawing:
    """The experiment of the laptop edition: what varies and what is measured; numbers from settings and records.

    Book: ``book/results``.
    """
    laptop, records, test = edition("laptop"), training_records(), load_predictions("laptop-spectrogram-10k-s0")
    assert test.groups is not None
    clips = sorted({record["num_clips"] for record in records})
    seeds = max(record["seed"] for record in records) + 1
    kinds = [name.partition("-")[0] for name in list_frontends()]
    drawing = Drawing("The experiment", "From training clips to the endpoints, step by step.")
    drawing.box("training clips", f"{short_count(clips[0])} to {short_count(clips[-1])}, rendered from sheet music")
    drawing.arrow(f"segments of {laptop.model.segment_seconds:g} s")
    drawing.box("front-end", f"{kinds.count('waveform')} of the waveform", colour=MODEL_COLOURS["waveform"])
    drawing.note("or")
    drawing.box("front-end", f"{kinds.count('spectrogram')} of the spectrogram", colour=MODEL_COLOURS["spectrogram"])
    drawing.arrow()
    drawing.box("back-end", "temporal pooling; the others with one front-end")
    drawing.arrow("the same recipe for all")
    drawing.box("training", f"{laptop.optimization.num_training_segments:,} segments or more, up to {seeds} seeds")
    drawing.arrow("tunes that were not trained on")
    families = len(np.unique(test.groups))
    drawing.box("test", f"{len(test.scores):,} clips of {families:,} tune families")
    drawing.arrow("ranked within sources")
    drawing.box("measures", "ROC-AUC, PR-AUC, root of the squared error")
    return drawing
