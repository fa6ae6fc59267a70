"""All front-ends: shapes for any length, fields to the sample, widths, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from helpers import check_field
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.models.base import Field, Frontend
from tagging.models.frontends import build_frontend, list_frontends
from tagging.models.frontends.musically_motivated import ShapeBlock
from tagging.pretrained.musicnn import ARCHITECTURES

# small, but of every shape: the five, the two of musicnn, other rates and paddings
VARIANTS = {
    **{name: (name, {"width": 0.07}) for name in list_frontends()},
    "musicnn": (
        "spectrogram",
        {**ARCHITECTURES["musicnn"]["frontend_options"], "width": 0.03, "mel": {"pad": "none"}, "input_norm": True},
    ),
    "musicnn-vgg": (
        "spectrogram-vgg",
        {**ARCHITECTURES["vgg"]["frontend_options"], "width": 0.05, "mel": {"pad": "none"}},
    ),
    "reflect": ("spectrogram", {"width": 0.07, "mel": "won", "temporal": [(5, 16)]}),
    "panns": ("spectrogram-vgg", {"width": 0.03, "mel": "panns", "sample_rate": 32000}),
    "short-filters": ("waveform-frame-level", {"width": 0.05, "length": 64, "hop": 128}),
    "long-hop": ("waveform-frame-level", {"width": 0.05, "length": 2048, "hop": 100}),
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
    assert frontend.frames(shortest) >= 1

    @given(st.integers(0, 40_000 if shortest < 30_000 else 5000))
    def check(more):
        samples = shortest + more
        with torch.inference_mode():
            x = frontend(torch.zeros(1, samples))
        assert x.shape == (1, frontend.out_channels, frontend.frames(samples))

    check()


@EACH
def test_shorter_sounds_are_refused(variant):
    frontend = build(variant)
    shortest = frontend.min_samples
    with pytest.raises(
        ConfigError, match=f"a waveform of {shortest - 1} samples is too short: .* needs {shortest} .*pad it"
    ):
        frontend(torch.zeros(1, shortest - 1))
    with pytest.raises(ConfigError, match=r"shape \(20000,\): expected \[batch, samples\]"):
        frontend(torch.zeros(20000))
    with pytest.raises(ConfigError, match=r"shape \(1, 1, 20000\): expected \[batch, samples\]"):
        frontend(torch.zeros(1, 1, 20000))


def test_the_shortest_is_really_the_shortest():
    """One sample less would give no frame, where the network itself sets the limit."""
    for variant in ("waveform-sample-level", "spectrogram-vgg", "musicnn", "musicnn-vgg", "panns", "shallow"):
        frontend = build(variant)
        assert frontend.frames(frontend.min_samples) == 1, variant
        assert frontend.frames(frontend.min_samples - 1) == 0, variant


@EACH
def test_fields_are_exact(variant):
    """A NaN in one sample reaches exactly the frames whose field covers it."""
    frontend = build(variant)
    fields = frontend.fields()
    whole = max(fields.values())
    if "output" in fields:
        assert fields["output"] == whole
    # long enough for the middle to be free of the ends
    x = 0.1 * torch.randn(1, 2 * whole.samples + 6 * whole.hop + frontend.min_samples)
    for name, field in fields.items():
        part = frontend if name == "output" else frontend.get_submodule(name)
        check_field(frontend, part, field, x)


def test_fields_of_the_papers_models():
    """16 ms against 137 ms between the frames that the back-end sees: a confound of the comparison."""
    assert build_frontend("spectrogram").fields()["output"].hop == 256
    assert list(build_frontend("waveform").fields().values())[-1].hop == 2187
    assert build_frontend("spectrogram").frames(240_000) == 938
    assert build_frontend("waveform").frames(240_000) == 108
    assert Field().then(3, 3).then(3).then(3, 3) == (15, 9)  # three samples; three of those; the maximum over three


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
    assert single.frames(48_000) == many.frames(48_000)
    assert [branch.block.conv.kernel_size[0] for branch in many.branches] == [128, 512, 2048]


def test_a_loud_click_is_found_in_the_right_frame():
    """All branches of all frame-level front-ends put frame i at sample i x hop."""
    frontend = build_frontend("waveform-frame-level-many-shapes", width=0.5).eval()
    taps = {}
    click = torch.zeros(1, 16_000)
    click[0, 25 * 256] = 100.0
    with torch.inference_mode():
        frontend(click, taps)
        frontend(torch.zeros(1, 16_000), quiet := {})
    for name in ("branch1", "branch2", "branch3"):
        energy = (taps[name] - quiet[name]).abs().sum(1)[0]
        centre = (energy * torch.arange(len(energy))).sum() / energy.sum()
        assert abs(centre.item() - 25) <= 1, name


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wavform", {}, "unknown front-end 'wavform': did you mean 'waveform'"),
        ("waveform", {"widths": 1}, "front-end 'waveform': unknown option 'widths': did you mean 'width'"),
        ("waveform", {"width": 0}, "width 0: give a positive factor"),
        ("waveform", {"width": float("nan")}, "width nan"),
        ("spectrogram", {"width": float("inf")}, "width inf"),
        ("waveform", {"filters": ()}, "front-end 'waveform' cannot be built with filters=()"),
        ("waveform", {"filters": (64, 0)}, "a layer of 0 filters or units"),
        ("waveform", {"width": "big"}, "front-end 'waveform' cannot be built with width='big'"),
        ("waveform-frame-level", {"length": 513}, "a filter of 513 samples: its length must be even"),
        ("waveform-frame-level", {"length": 96}, "a filter of 96 samples: .* divide the hop of 256"),
        ("waveform-frame-level", {"hop": 0}, "the hop must be at least 1"),
        ("waveform-frame-level-many-shapes", {"lengths": ()}, "cannot be built with lengths="),
        ("spectrogram", {"mel": "musicn"}, "unknown log-mel preset 'musicn': did you mean 'musicnn'"),
        ("spectrogram", {"mel": {"hopp": 3}}, "hopp.*its fields are sample_rate, n_fft, hop"),
        ("spectrogram", {"temporal_input": "band"}, "unknown temporal input 'band': did you mean 'bands'"),
        ("spectrogram", {"timbral": [(1.5, 7, 8)]}, r"the share of the 96 bands must lie in \(0, 1\]"),
        ("spectrogram", {"timbral": [(0.001, 7, 8)]}, "and give at least one"),
        ("spectrogram", {"timbral": [], "temporal": []}, "give at least one"),
        ("spectrogram", {"temporal": [(0, 8)]}, "of at least 1 frame"),
        ("spectrogram-vgg", {"mel": {"bands": 8}}, "8 mel bands are too few for the poolings"),
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
    with pytest.raises(ConfigError, match=r"shape \(2, 95, 80\): expected \[batch, 96 bands, frames\]"):
        frontend.from_log_mel(torch.zeros(2, 95, 80))
    with pytest.raises(ConfigError, match="expected .batch, 96 bands, frames."):
        frontend.from_log_mel(torch.zeros(96, 80))
    fewest = frontend.min_mel_frames
    with pytest.raises(
        ConfigError, match=f"of {fewest - 1} frames is too short: this front-end needs {fewest}; pad it"
    ):
        frontend.from_log_mel(torch.zeros(1, 96, fewest - 1))


def test_timbral_filters_do_not_mind_the_pitch():
    """Moved up by some bands, a pattern gives the same answer: the maximum over frequency makes it so."""
    frontend = build_frontend("spectrogram", width=0.2, timbral=[(0.4, 7, 40)], temporal=[(5, 8)]).eval()
    pattern = torch.zeros(1, 96, 30)
    pattern[:, 42:48, 10:20] = 3.0
    moved = pattern.roll(7, dims=1)
    with torch.inference_mode():
        frontend.from_log_mel(pattern, low := {})
        frontend.from_log_mel(moved, high := {})
    torch.testing.assert_close(low["timbral"], high["timbral"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("filters", [(4, 38, 7), (4, 1, 65)])
def test_the_maximum_over_frequency_is_the_same_in_training(filters):
    """Values and gradients, also where many places share the maximum: all of silence, and what the ReLU made zero."""
    block = ShapeBlock(*filters).double()
    mel = torch.randn(3, 1, 96, 50, dtype=torch.float64)
    mel[1] = -1.0
    weights = torch.randn(3, 4, 50, dtype=torch.float64)
    found = torch.autograd.grad((block(mel) * weights).sum(), list(block.parameters()))
    places = block.norm(torch.relu(block.conv(torch.nn.functional.pad(mel, block.padding))))
    torch.testing.assert_close(block(mel), places.amax(dim=2))
    wanted = torch.autograd.grad((places.amax(dim=2) * weights).sum(), list(block.parameters()))
    torch.testing.assert_close(found, wanted)
