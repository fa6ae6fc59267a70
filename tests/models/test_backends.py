"""All back-ends: any length or one length, fields, widths, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from helpers import check_receptive_field
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.models.backends import build_backend, list_backends
from tagging.models.backends.attention import sinusoidal_positions
from tagging.models.base import Backend, ReceptiveField, recorded

VARIABLE = ["attention", "recurrent", "temporal-pooling"]
FIXED = ["dense", "fully-convolutional"]
MUSICNN = {"pool_size": 1, "pad_first": True, "single_channel_norm": False, "concatenate": True, "norm_pooled": True}


def build(name: str, frames: int = 40, **options) -> Backend:
    return build_backend(name, 6, frames, **{"width": 0.05, **options}).eval()


def test_the_five():
    assert list_backends() == sorted(VARIABLE + FIXED)


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in VARIABLE), ("temporal-pooling", MUSICNN), ("temporal-pooling", {"pool_size": 5})],
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
                with pytest.raises(ConfigError, match=f"'{name}'.* {frames} frames.* {other}:"):
                    backend(torch.randn(2, 6, other))

    check()


@pytest.mark.parametrize(
    ("name", "options", "frames"),
    [
        ("temporal-pooling", {}, 120),
        ("temporal-pooling", {"pool_size": 4, "kernel_size": 3}, 120),
        ("temporal-pooling", MUSICNN, 120),
        ("fully-convolutional", {}, 300),
        ("dense", {"max_frames": 16}, 160),
    ],
)
def test_receptive_fields_are_exact(name, options, frames):
    """A NaN in one frame reaches exactly the frames whose field covers it; so it does seen from the sound's samples."""
    backend = build(name, frames, **options)
    x = torch.randn(1, 6, frames)
    for part, field in backend.receptive_fields(ReceptiveField()).items():
        if part == "last":
            assert field.size >= frames - 3  # sees all but what the poolings left over
        elif frames > 3 * field.size:
            check_receptive_field(backend, backend.get_submodule(part), field, x)
    front = ReceptiveField(4371, 2187)
    for part, field in backend.receptive_fields(front).items():
        alone = backend.receptive_fields(ReceptiveField())[part]
        assert field == (4371 + (alone.size - 1) * 2187, alone.stride * 2187)


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


def test_temporal_pooling_of_pooled_frames_is_that_of_a_map_pooled_before():
    torch.manual_seed(0)
    backend = build("temporal-pooling", pool_input=4).eval()
    plain = build("temporal-pooling").eval()
    plain.load_state_dict(backend.state_dict())
    x = torch.randn(2, 6, 43)
    with torch.inference_mode():
        torch.testing.assert_close(backend(x), plain(torch.nn.functional.max_pool1d(x, 4)), rtol=0, atol=0)
        short = backend(torch.randn(2, 6, 3))
    assert short.shape == (2, backend.out_features)
    assert backend.min_frames == 4 * plain.min_frames
    fields, usual = (part.receptive_fields(ReceptiveField()) for part in (backend, plain))
    assert fields["cnn1"] == ReceptiveField(4 * 7, 4)
    assert fields["cnn3"].stride == 4 * usual["cnn3"].stride
    with pytest.raises(ConfigError, match="pool_input=0"):
        build("temporal-pooling", pool_input=0)


def test_attention_weights_sum_to_one():
    backend = build("attention")
    with recorded(backend.feature_modules()) as features:
        backend(torch.randn(3, 6, 17))
    assert features["attention"].shape == (3, 17)
    torch.testing.assert_close(features["attention"].sum(1), torch.ones(3))


def test_positions_are_those_of_the_formula():
    code = sinusoidal_positions(50, 7, torch.zeros(1, dtype=torch.float32))
    assert code.shape == (50, 7)
    for time in (0, 3, 49):
        for unit in range(7):
            angle = torch.tensor(time / 10000 ** (2 * (unit // 2) / 7))
            torch.testing.assert_close(code[time, unit], angle.cos() if unit % 2 else angle.sin(), rtol=1e-4, atol=1e-5)


def test_recurrent_uses_the_final_states_of_both_directions():
    backend = build("recurrent")
    x = torch.randn(2, 6, 9)
    with torch.inference_mode(), recorded(backend.feature_modules()) as features:
        output = backend(x)
        _, last = torch.nn.GRU.forward(backend.gru, x.transpose(1, 2))
        torch.testing.assert_close(output, backend.dense(torch.cat([last[-2], last[-1]], dim=1)))
    hidden_size = backend.gru.hidden_size
    torch.testing.assert_close(features["states"][:, :hidden_size, -1], last[-2])
    torch.testing.assert_close(features["states"][:, hidden_size:, 0], last[-1])


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
    flat = build_backend("dense", 6, 5, dense_units=()).eval()
    x = torch.randn(2, 6, 5)
    torch.testing.assert_close(flat(x), x.transpose(1, 2).flatten(1))  # time-major, as TensorFlow flattens


def test_the_last_incomplete_group_of_frames_is_averaged_over_itself():
    backend = build_backend("dense", 1, 5, dense_units=(), max_frames=2).eval()
    torch.testing.assert_close(backend(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 6.0]]])), torch.tensor([[2.0, 5.0]]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("temporal-poling", {}, "'temporal-poling'.*'temporal-pooling'"),
        ("dense", {"dense_unit": (3,)}, "'dense'.*'dense_unit'.*'dense_units'"),
        ("temporal-pooling", {"kernel_size": 4}, "kernel_size=4"),
        ("temporal-pooling", {"pool_size": 0}, "pool_size=0"),
        ("attention", {"num_heads": 0}, "num_heads=0"),
        ("attention", {"embed_dim": 4}, "a layer of 0"),
        ("recurrent", {"num_layers": 0}, "num_layers=0"),
        ("recurrent", {"dropout": -1}, "dropout=-1"),
        ("dense", {"max_frames": 0}, "max_frames=0"),
        ("dense", {"dense_units": 5}, "dense_units=5"),
        ("fully-convolutional", {"width": -1}, "width -1"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build(name, **options)


@pytest.mark.parametrize("name", VARIABLE + FIXED)
def test_a_map_without_frames_or_channels_is_refused(name):
    for channels, frames in ((0, 5), (5, 0)):
        with pytest.raises(ConfigError, match=f"'{name}' for {channels} channels and {frames} frames"):
            build_backend(name, channels, frames)
