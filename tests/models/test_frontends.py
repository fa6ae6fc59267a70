"""All front-ends: shapes for any length, fields to the sample, widths, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from helpers import check_receptive_field
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.models.base import Frontend, ReceptiveField, recorded
from tagging.models.frontends import build_frontend, list_frontends
from tagging.models.frontends.musically_motivated import ShapeBlock
from tagging.pretrained.musicnn import ARCHITECTURES

# small, but of every shape: the five, the two of musicnn, other rates and paddings
VARIANTS = {
    **{name: (name, {"width": 0.07}) for name in list_frontends()},
    "musicnn": (
        "spectrogram",
        {
            **ARCHITECTURES["musicnn"]["frontend_options"],
            "width": 0.03,
            "mel": {"pad_mode": "none"},
            "input_norm": True,
        },
    ),
    "musicnn-vgg": (
        "spectrogram-vgg",
        {**ARCHITECTURES["vgg"]["frontend_options"], "width": 0.05, "mel": {"pad_mode": "none"}},
    ),
    "reflect": ("spectrogram", {"width": 0.07, "mel": "won", "temporal": [(5, 16)]}),
    "panns": ("spectrogram-vgg", {"width": 0.03, "mel": "panns", "sample_rate": 32000}),
    "short-filters": ("waveform-frame-level", {"width": 0.05, "kernel_size": 64, "hop_length": 128}),
    "long-hop": ("waveform-frame-level", {"width": 0.05, "kernel_size": 2048, "hop_length": 100}),
    "shallow": ("waveform", {"width": 0.1, "filters": (32, 64, 128)}),
}
EACH = pytest.mark.parametrize("variant", list(VARIANTS))


def build(variant: str) -> Frontend:
    name, options = VARIANTS[variant]
    return build_frontend(name, **options).eval()


def test_the_five_and_their_aliases():
    assert list_frontends() == [
        "spectrogram-musically-motivated",
        "spectrogram-vgg",
        "waveform-frame-level",
        "waveform-frame-level-many-shapes",
        "waveform-sample-level",
    ]
    assert build_frontend("waveform", width=0.1).registered_name == "waveform-sample-level"
    assert build_frontend("spectrogram", width=0.1).registered_name == "spectrogram-musically-motivated"


@EACH
def test_frames_are_the_shape_from_the_shortest_sound_on(variant):
    frontend = build(variant)
    shortest = frontend.min_samples
    assert frontend.num_frames(shortest) >= 1

    @given(st.integers(0, 40_000 if shortest < 30_000 else 5000))
    def check(more):
        samples = shortest + more
        with torch.inference_mode():
            x = frontend(torch.zeros(1, samples))
        assert x.shape == (1, frontend.out_channels, frontend.num_frames(samples))

    check()


@EACH
def test_shorter_sounds_are_refused(variant):
    frontend = build(variant)
    shortest = frontend.min_samples
    with pytest.raises(ConfigError, match=f"{shortest - 1} samples.* {shortest} "):
        frontend(torch.zeros(1, shortest - 1))
    with pytest.raises(ConfigError, match=r"\(20000,\).*\[batch, samples\]"):
        frontend(torch.zeros(20000))
    with pytest.raises(ConfigError, match=r"\(1, 1, 20000\).*\[batch, samples\]"):
        frontend(torch.zeros(1, 1, 20000))


def test_the_shortest_is_really_the_shortest():
    """One sample less would give no frame, where the network itself sets the limit."""
    for variant in ("waveform-sample-level", "spectrogram-vgg", "musicnn", "musicnn-vgg", "panns", "shallow"):
        frontend = build(variant)
        assert frontend.num_frames(frontend.min_samples) == 1, variant
        assert frontend.num_frames(frontend.min_samples - 1) == 0, variant


@EACH
def test_receptive_fields_are_exact(variant):
    """A NaN in one sample reaches exactly the frames whose field covers it."""
    frontend = build(variant)
    fields = frontend.receptive_fields()
    whole = max(fields.values())
    if "output" in fields:
        assert fields["output"] == whole
    # long enough for the middle to be free of the ends
    x = 0.1 * torch.randn(1, 2 * whole.size + 6 * whole.stride + frontend.min_samples)
    for name, field in fields.items():
        part = frontend if name == "output" else frontend.get_submodule(name)
        check_receptive_field(frontend, part, field, x)


def test_receptive_fields_of_the_papers_models():
    """16 ms against 137 ms between the frames that the back-end sees: a confound of the comparison."""
    assert build_frontend("spectrogram").receptive_fields()["output"].stride == 256
    assert list(build_frontend("waveform").receptive_fields().values())[-1].stride == 2187
    assert build_frontend("spectrogram").num_frames(240_000) == 938
    assert build_frontend("waveform").num_frames(240_000) == 108
    assert ReceptiveField().then(3, 3).then(3).then(3, 3) == (
        15,
        9,
    )  # three samples; three of those; the maximum over three


@EACH
def test_every_sound_of_a_batch_is_on_its_own(variant):
    frontend = build(variant)
    x = 0.1 * torch.randn(3, frontend.min_samples + 2000)
    with torch.inference_mode():
        together = frontend(x)
        apart = torch.cat([frontend(row[None]) for row in x])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4 * float(together.abs().max()))


@pytest.mark.parametrize(
    ("name", "at_full", "at_quarter"),
    [
        ("waveform", 256, 64),
        ("spectrogram", 464, 116),
        ("spectrogram-vgg", 128, 32),
        ("waveform-frame-level", 192, 48),
        ("waveform-frame-level-many-shapes", 192, 48),
    ],
)
def test_width_scales_filters(name, at_full, at_quarter):
    full, quarter = build_frontend(name), build_frontend(name, width=0.25)
    assert (full.out_channels, quarter.out_channels) == (at_full, at_quarter)
    count = [sum(p.numel() for p in frontend.parameters()) for frontend in (full, quarter)]
    assert 3.9 < count[0] / count[1] < 16.1  # between linear (one layer) and quadratic (many)
    assert build_frontend(name, width=1e-9).out_channels >= 1


def test_frame_level_frontends_differ_in_shape_only():
    """The same number of filters and frames, so that a comparison shows what the lengths do."""
    single, many = build_frontend("waveform-frame-level"), build_frontend("waveform-frame-level-many-shapes")
    assert single.out_channels == many.out_channels
    assert single.num_frames(48_000) == many.num_frames(48_000)
    assert [branch.block.conv.kernel_size[0] for branch in many.branches] == [128, 512, 2048]


def test_a_loud_click_is_in_the_right_frame():
    """All branches of all frame-level front-ends put frame i at sample i x hop_length."""
    frontend = build_frontend("waveform-frame-level-many-shapes", width=0.5).eval()
    click = torch.zeros(1, 16_000)
    click[0, 25 * 256] = 100.0
    maps = []
    for waveform in (click, torch.zeros(1, 16_000)):
        with torch.inference_mode(), recorded(frontend.feature_modules()) as features:
            frontend(waveform)
        maps.append(features)
    for name in ("branch1", "branch2", "branch3"):
        energy = (maps[0][name] - maps[1][name]).abs().sum(1)[0]
        centre = (energy * torch.arange(len(energy))).sum() / energy.sum()
        assert abs(centre.item() - 25) <= 1, name


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wavform", {}, "'wavform'.*'waveform'"),
        ("waveform", {"widths": 1}, "'waveform'.*'widths'.*'width'"),
        ("waveform", {"width": 0}, "width 0"),
        ("waveform", {"width": float("nan")}, "width nan"),
        ("spectrogram", {"width": float("inf")}, "width inf"),
        ("waveform", {"filters": ()}, r"filters=\(\)"),
        ("waveform", {"filters": (64, 0)}, "a layer of 0"),
        ("waveform", {"width": "big"}, "front-end 'waveform' cannot be built with width='big'"),
        ("waveform-frame-level", {"kernel_size": 513}, "513 samples"),
        ("waveform-frame-level", {"kernel_size": 96}, "96 samples.*256"),
        ("waveform-frame-level", {"hop_length": 0}, "hop_length=0"),
        ("waveform-frame-level-many-shapes", {"kernel_sizes": ()}, "kernel_sizes="),
        ("spectrogram", {"mel": "musicn"}, "'musicn'.*'musicnn'"),
        ("spectrogram", {"mel": {"hop": 3}}, "hop.*hop_length"),
        ("spectrogram", {"temporal_input": "band"}, "'band'.*'bands'"),
        ("spectrogram", {"timbral": [(1.5, 7, 8)]}, "96 bands"),
        ("spectrogram", {"timbral": [(0.001, 7, 8)]}, "at least one"),
        ("spectrogram", {"timbral": [], "temporal": []}, "at least one"),
        ("spectrogram", {"temporal": [(0, 8)]}, "at least 1 frame"),
        ("spectrogram-vgg", {"mel": {"n_mels": 8}}, "8 mel bands"),
        ("spectrogram-vgg", {"dropout": 2}, "cannot be built with dropout=2"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_frontend(name, **options)


@pytest.mark.parametrize("name", ["spectrogram", "spectrogram-vgg"])
def test_a_spectrogram_made_elsewhere_gives_the_same(name):
    frontend = build_frontend(name, width=0.1).eval()
    x = 0.1 * torch.randn(2, 20_000)
    with torch.inference_mode():
        torch.testing.assert_close(frontend.from_log_mel(frontend.log_mel(x)), frontend(x), rtol=0, atol=0)
    with pytest.raises(ConfigError, match=r"\(2, 95, 80\).*96 bands"):
        frontend.from_log_mel(torch.zeros(2, 95, 80))
    with pytest.raises(ConfigError, match="96 bands"):
        frontend.from_log_mel(torch.zeros(96, 80))
    fewest = frontend.min_mel_frames
    with pytest.raises(ConfigError, match=f"{fewest - 1} frames.*{fewest}"):
        frontend.from_log_mel(torch.zeros(1, 96, fewest - 1))


def test_timbral_filters_do_not_mind_the_pitch():
    """Moved up by some bands, a pattern gives the same answer: the maximum over frequency makes it so."""
    frontend = build_frontend("spectrogram", width=0.2, timbral=[(0.4, 7, 40)], temporal=[(5, 8)]).eval()
    pattern = torch.zeros(1, 96, 30)
    pattern[:, 42:48, 10:20] = 3.0
    moved = pattern.roll(7, dims=1)
    with torch.inference_mode():
        low, high = (frontend.timbral(frontend.input_norm(x[:, None])) for x in (pattern, moved))
    torch.testing.assert_close(low, high, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("filters", [(4, 38, 7), (4, 1, 65)])
def test_the_maximum_over_frequency_is_the_same_in_training(filters):
    """Values and gradients, also where many positions share the maximum: all of silence, and what the ReLU made zero."""
    block = ShapeBlock(*filters).double()
    mel = torch.randn(3, 1, 96, 50, dtype=torch.float64)
    mel[1] = -1.0
    weights = torch.randn(3, 4, 50, dtype=torch.float64)
    gradients = torch.autograd.grad((block(mel) * weights).sum(), list(block.parameters()))
    positions = block.norm(torch.relu(block.conv(torch.nn.functional.pad(mel, block.padding))))
    torch.testing.assert_close(block(mel), positions.amax(dim=2))
    wanted = torch.autograd.grad((positions.amax(dim=2) * weights).sum(), list(block.parameters()))
    torch.testing.assert_close(gradients, wanted)
