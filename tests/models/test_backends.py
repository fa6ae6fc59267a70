"""All back-ends: any length or one length, fields, widths, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from helpers import check_field
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.models.backends import build_backend, list_backends
from tagging.models.backends.attention import positions
from tagging.models.base import Backend, Field

VARIABLE = ["attention", "recurrent", "temporal-pooling"]
FIXED = ["dense", "fully-convolutional"]
MUSICNN = {"pool": 1, "pad_first": True, "single_channel_norm": False, "concatenate": True, "norm_pooled": True}


def build(name: str, frames: int = 40, **options) -> Backend:
    return build_backend(name, 6, frames, **{"width": 0.05, **options}).eval()


def test_the_five():
    assert list_backends() == sorted(VARIABLE + FIXED)


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in VARIABLE), ("temporal-pooling", MUSICNN), ("temporal-pooling", {"pool": 5})],
)
def test_variable_lengths_take_any_from_one_frame_up(name, options):
    backend = build(name, **options)
    assert backend.fixed_frames is None

    @given(st.integers(1, 80), st.integers(1, 4))
    def check(frames, batch):
        with torch.inference_mode():
            x = backend(torch.randn(batch, 6, frames))
        assert x.shape == (batch, backend.out_features)
        assert x.isfinite().all()

    check()


@pytest.mark.parametrize("name", FIXED)
def test_fixed_lengths_take_theirs_only(name):
    """Any length can be chosen; a segment of another one is refused with both named."""

    @given(st.integers(1, 120))
    def check(frames):
        backend = build(name, frames)
        with torch.inference_mode():
            assert backend(torch.randn(2, 6, frames)).shape == (2, backend.out_features)
        for other in (frames + 1, frames - 1, 2 * frames):
            if other:
                with pytest.raises(
                    ConfigError, match=f"'{name}' was built for {frames} frames and got {other}: give it"
                ):
                    backend(torch.randn(2, 6, other))

    check()


@pytest.mark.parametrize(
    ("name", "options", "frames"),
    [
        ("temporal-pooling", {}, 120),
        ("temporal-pooling", {"pool": 4, "kernel": 3}, 120),
        ("temporal-pooling", MUSICNN, 120),
        ("fully-convolutional", {}, 300),
        ("dense", {"max_frames": 16}, 160),
    ],
)
def test_fields_are_exact(name, options, frames):
    """A NaN in one frame reaches exactly the frames whose field covers it; so it does seen from the sound's samples."""
    backend = build(name, frames, **options)
    x = torch.randn(1, 6, frames)
    for part, field in backend.fields(Field()).items():
        if part == "last":
            assert field.samples >= frames - 3  # sees all but what the poolings left over
        elif frames > 3 * field.samples:
            check_field(backend, backend.get_submodule(part), field, x)
    front = Field(4371, 2187)
    for part, field in backend.fields(front).items():
        alone = backend.fields(Field())[part]
        assert field == (4371 + (alone.samples - 1) * 2187, alone.hop * 2187)


@pytest.mark.parametrize("name", VARIABLE + FIXED)
def test_order_and_content_matter(name):
    """A back-end that ignored its input, or half of it, would pass tests of shapes."""
    backend = build(name)
    x = torch.randn(2, 6, 40)
    with torch.inference_mode():
        plain = backend(x)
        for start in (0, 13, 27):
            changed = x.clone()
            changed[..., start : start + 12] += 1.0
            assert not torch.allclose(backend(changed), plain, atol=1e-4), start
        assert not torch.allclose(backend(x.flip(-1)), plain, atol=1e-4)
        torch.testing.assert_close(backend(x[:1]), plain[:1], rtol=1e-4, atol=1e-5)


def test_temporal_pooling_pads_what_is_too_short_and_nothing_else():
    backend = build("temporal-pooling")
    x = torch.randn(2, 6, 5)
    assert backend.min_frames == 8  # 6 are lost to the first convolution, 2 make one after the pooling
    with torch.inference_mode():
        padded = torch.nn.functional.pad(x, (0, 3))
        torch.testing.assert_close(backend(x), backend(padded), rtol=0, atol=0)
        eight = torch.randn(2, 6, 8)
        more = torch.nn.functional.pad(eight, (0, 2))
        assert not torch.allclose(backend(eight), backend(more))


def test_attention_weights_sum_to_one():
    backend = build("attention")
    taps = {}
    backend(torch.randn(3, 6, 17), taps)
    assert taps["attention"].shape == (3, 17)
    torch.testing.assert_close(taps["attention"].sum(1), torch.ones(3))


def test_positions_are_those_of_the_formula():
    code = positions(50, 7, torch.zeros(1, dtype=torch.float32))
    assert code.shape == (50, 7)
    for time in (0, 3, 49):
        for unit in range(7):
            angle = torch.tensor(time / 10000 ** (2 * (unit // 2) / 7))
            torch.testing.assert_close(code[time, unit], angle.cos() if unit % 2 else angle.sin(), rtol=1e-4, atol=1e-5)


def test_recurrent_keeps_what_both_directions_know_at_the_end():
    backend = build("recurrent")
    taps, x = {}, torch.randn(2, 6, 9)
    with torch.inference_mode():
        backend(x, taps)
        _, last = backend.gru(x.transpose(1, 2))
    units = backend.gru.hidden_size
    torch.testing.assert_close(taps["states"][:, :units, -1], last[-2])
    torch.testing.assert_close(taps["states"][:, units:, 0], last[-1])


def test_width_scales_units():
    for name in VARIABLE + FIXED:
        full, quarter = build(name, width=1.0), build(name, width=0.25)
        assert full.out_features == (512 if name == "fully-convolutional" else 500)
        assert quarter.out_features == full.out_features // 4
        count = [sum(p.numel() for p in backend.parameters()) for backend in (full, quarter)]
        assert 3.9 < count[0] / count[1] < 16.1, name


def test_dense_layers_stay_small_for_long_maps():
    """The 938 frames of the paper's spectrogram are averaged to at most 16."""
    backend = build_backend("dense", 464, 938)
    assert sum(p.numel() for p in backend.parameters()) < 4e6
    flat = build_backend("dense", 6, 5, units=()).eval()
    x = torch.randn(2, 6, 5)
    torch.testing.assert_close(flat(x), x.transpose(1, 2).flatten(1))  # time-major, as TensorFlow flattens


def test_the_last_incomplete_group_of_frames_is_averaged_over_itself():
    backend = build_backend("dense", 1, 5, units=(), max_frames=2).eval()
    torch.testing.assert_close(backend(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 6.0]]])), torch.tensor([[2.0, 5.0]]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("temporal-poling", {}, "unknown back-end 'temporal-poling': did you mean 'temporal-pooling'"),
        ("dense", {"unit": (3,)}, "back-end 'dense': unknown option 'unit': did you mean 'units'"),
        ("temporal-pooling", {"kernel": 4}, "kernel=4, pool=2; the kernel must be odd"),
        ("temporal-pooling", {"pool": 0}, "pool=0"),
        ("attention", {"heads": 0}, "heads=0, layers=2; both must be at least 1"),
        ("attention", {"units": 4}, "a layer of 0 filters or units"),
        ("recurrent", {"layers": 0}, "layers=0"),
        ("recurrent", {"dropout": -1}, "cannot be built with .*dropout=-1"),
        ("dense", {"max_frames": 0}, "cannot be built with .*max_frames=0"),
        ("dense", {"units": 5}, "cannot be built with .*units=5"),
        ("fully-convolutional", {"width": -1}, "width -1: give a positive factor"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build(name, **options)


@pytest.mark.parametrize("name", VARIABLE + FIXED)
def test_a_map_without_frames_or_channels_is_refused(name):
    for channels, frames in ((0, 5), (5, 0)):
        with pytest.raises(ConfigError, match=f"back-end '{name}' for {channels} channels and {frames} frames"):
            build_backend(name, channels, frames)
