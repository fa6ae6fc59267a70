"""The tagger as a whole: sizes, songs, and features."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch
from helpers import MIXED, python, tones
from hypothesis import given
from hypothesis import strategies as st

from tagging import Tagger, Vocabulary, build_tagger, load_tagger
from tagging.errors import AudioError, ConfigError, TaggingError
from tagging.tags import Tag

TAGS = ["a", "b", "c"]


def small(**options) -> Tagger:
    return build_tagger(
        "waveform", "temporal-pooling", TAGS, **{"segment_seconds": 0.5, "width": 0.1, **options}
    ).eval()


@pytest.mark.parametrize(("frontend", "numbers"), [("waveform", 5_380_774), ("spectrogram", 5_927_110)])
def test_the_papers_models_have_its_size(frontend, numbers):
    """Weights and running statistics, for 50 tags: what the original's checkpoint holds."""
    tagger = build_tagger(frontend, "temporal-pooling", [f"tag{index}" for index in range(50)])
    assert sum(v.numel() for k, v in tagger.state_dict().items() if not k.endswith("num_batches_tracked")) == numbers
    assert tagger.segment_seconds == 15.0


def test_aliases_and_the_whole_configuration_are_kept(tmp_path):
    tagger = build_tagger(
        "spectrogram",
        "attention",
        Vocabulary([Tag("x", kind="regression", exclusive_group="g", source="computed", description="d")]),
        segment_seconds=1.0,
        hop_seconds=0.25,
        width=0.1,
        sample_rate=8000,
        head="per-tag",
        frontend_options={"mel": {"n_mels": 40}, "timbral": [(0.5, 3, 20)], "temporal": [(9, 20)]},
        backend_options={"num_heads": 2},
        head_options={"hidden": 4},
        dropout=0.1,
        norm_momentum=0.2,
    )
    assert tagger.config.frontend == "spectrogram-musically-motivated"
    assert (tagger.config.segment_samples, tagger.config.hop_samples, tagger.sample_rate) == (8000, 2000, 8000)
    assert tagger.backend.dense.dropout.p == tagger.head.dropout.p == 0.1
    assert tagger.backend.dense.norm.momentum == 0.2
    tagger.card = {"licence": "mine", "scores": {"ROC-AUC": 0.5}}
    again = load_tagger(tagger.save(tmp_path / "deep" / "it.safetensors"))
    as_json = [json.loads(json.dumps(vars(one.config))) for one in (tagger, again)]
    assert as_json[0] == as_json[1]
    assert again.card == tagger.card
    assert again.backend.dense.norm.momentum == 0.2
    assert again.vocabulary == tagger.vocabulary


def test_wrong_taggers_are_refused():
    for options, message in (
        ({"frontend": "wavefrom"}, "'wavefrom'.*'waveform'"),
        ({"backend": "temporal"}, "'temporal'.*'temporal-pooling'"),
        ({"head": "apart"}, "'apart'"),
        ({"tags": []}, "at least one tag"),
        ({"segment_seconds": 0}, "segment_seconds=0.*16000 Hz"),
        ({"segment_seconds": float("nan")}, "segment_seconds=nan"),
        ({"sample_rate": 0}, "0 Hz"),
        ({"segment_seconds": 0.1}, "0.100 s.*'waveform-sample-level'.*0.273 s"),
        ({"norm_momentum": 0}, "norm_momentum=0"),
        ({"norm_momentum": float("nan")}, "norm_momentum=nan"),
        ({"hop_seconds": 0}, "hop_seconds=0"),
        ({"backend_options": {"filter": 3}}, "'filter'.*'filters'"),
        ({"dropout": 1.5}, "dropout=1.5"),
    ):
        with pytest.raises(ConfigError, match=message):
            build_tagger(
                **{"frontend": "waveform", "backend": "temporal-pooling", "tags": TAGS, "width": 0.1, **options}
            )


# Songs


def song(seconds: float, rate: int = 16000) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(round(seconds * rate)).astype(np.float32)
    return 0.3 * tones(seconds, rate) + 0.05 * noise


def test_a_file_equals_its_waveform(tmp_path):
    """Also through blocks, resampling, and two channels."""
    tagger = small(hop_seconds=0.2)
    stereo = np.stack([song(5, 44100), song(5, 44100)[::-1]], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100, "FLOAT")
    of_file = tagger.tag(tmp_path / "a.wav")
    of_array = tagger.tag_waveform(stereo.T, 44100)
    np.testing.assert_allclose(of_file.taggram, of_array.taggram, atol=1e-5)
    np.testing.assert_allclose(of_file.times, 0.2 * np.arange(23), atol=1e-6)
    np.testing.assert_allclose(of_file.scores, of_file.taggram.mean(axis=0), atol=1e-7)
    assert of_file.tags == tuple(TAGS)
    assert of_file.padded_seconds == 0
    assert of_file.taggram.dtype == of_file.scores.dtype == of_file.times.dtype == np.float32
    assert of_file.taggram.std(axis=0).min() > 1e-5  # segments differ


def test_each_row_of_the_taggram_is_its_segment():
    tagger = small()
    sound = song(3)
    result = tagger.tag_waveform(sound, 16000)
    assert len(result.times) == 6
    with torch.inference_mode():
        alone = [
            tagger(torch.from_numpy(sound[start : start + 8000])[None]).sigmoid() for start in range(0, 48000, 8000)
        ]
    np.testing.assert_array_equal(result.taggram, torch.cat(alone).numpy())


@given(st.integers(1, 9), st.lists(st.integers(1, 9000), min_size=1, max_size=8), st.sampled_from([None, 0.1, 0.7]))
def test_batches_and_blocks_do_not_change_scores(batch_size, cuts, hop_seconds):
    tagger = small()
    sound = song(sum(cuts) / 16000)
    blocks = np.split(sound, np.cumsum(cuts)[:-1])
    one = tagger.tag_waveform(sound, 16000, batch_size=1, hop_seconds=hop_seconds)
    many = tagger.tag_blocks(iter(blocks), batch_size=batch_size, hop_seconds=hop_seconds)
    np.testing.assert_allclose(many.taggram, one.taggram, atol=1e-6)
    np.testing.assert_array_equal(many.times, one.times)
    assert many.notes == one.notes


def test_short_and_silent_songs_say_so(tmp_path):
    tagger = small()
    soundfile.write(tmp_path / "short.wav", song(0.2), 16000, "FLOAT")
    short = tagger.tag(tmp_path / "short.wav")
    assert short.padded_seconds == pytest.approx(0.3)
    (note,) = short.notes
    assert "0.5 s" in note
    assert "0.3 s" in note
    filled = np.pad(song(0.2), (0, 4800))
    np.testing.assert_array_equal(short.scores, tagger.tag_waveform(filled, 16000).scores)
    soundfile.write(tmp_path / "one.wav", np.full(1, 0.5), 16000)
    assert len(tagger.tag(tmp_path / "one.wav").times) == 1
    soundfile.write(tmp_path / "silent.flac", np.zeros(16000), 16000)
    assert tagger.tag(tmp_path / "silent.flac").notes == ("silent: the scores describe the model, not music",)
    soundfile.write(tmp_path / "low.wav", song(1, 8000), 8000)
    assert "sampled at 8000 Hz" in tagger.tag(tmp_path / "low.wav").notes[0]


def test_wrong_songs_and_requests_are_refused(tmp_path):
    tagger = small()
    with pytest.raises(AudioError, match="missing.wav"):
        tagger.tag(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="waveform.*NaN"):
        tagger.tag_waveform(np.full(9000, np.nan), 16000)
    with pytest.raises(AudioError, match="no samples"):
        tagger.tag_waveform(np.zeros(1, np.float32), 48000)  # a third of a sample at 16 kHz
    for option, message in (
        ({"hop_seconds": 0}, "hop_seconds=0"),
        ({"hop_seconds": -1}, "hop_seconds=-1"),
        ({"hop_seconds": float("nan")}, "hop_seconds=nan"),
        ({"hop_seconds": float("inf")}, "hop_seconds=inf"),
        ({"batch_size": 0}, "batch of 0"),
        ({"batch_size": -1}, "batch of -1"),
    ):
        with pytest.raises(ConfigError, match=message):
            tagger.tag_waveform(song(2), 16000, **option)


def test_progress_covers_the_whole_song(tmp_path):
    seconds = []
    soundfile.write(tmp_path / "a.wav", song(8, 44100), 44100)
    small().tag(tmp_path / "a.wav", progress=seconds.append)
    assert len(seconds) >= 2
    assert sum(seconds) == pytest.approx(8.0, abs=1e-3)


def test_tagging_leaves_the_model_as_it_was():
    tagger = small().train()
    before = {name: tensor.clone() for name, tensor in tagger.state_dict().items()}
    first = tagger.tag_waveform(song(1), 16000)
    assert tagger.training
    np.testing.assert_array_equal(first.scores, tagger.tag_waveform(song(1), 16000).scores)  # dropout was off
    assert all(torch.equal(tensor, before[name]) for name, tensor in tagger.state_dict().items())
    with pytest.raises(AudioError):
        tagger.tag_waveform(np.zeros(0), 16000)
    assert tagger.training
    assert tagger(torch.zeros(2, 8000)).requires_grad


def test_a_log_mel_made_elsewhere():
    tagger = build_tagger("spectrogram", "temporal-pooling", TAGS, 0.5, width=0.1).eval()
    waveform = torch.from_numpy(song(0.5))[None]
    log_mel = tagger.frontend.log_mel(waveform)
    with torch.inference_mode():
        assert torch.equal(tagger.from_log_mel(log_mel), tagger(waveform))
    given_mel, given_sound = tagger.features(log_mel, log_mel=True), tagger.features(waveform)
    assert set(given_mel) == set(given_sound)
    assert all(torch.equal(given_mel[name], given_sound[name]) for name in given_mel)
    for call in (small().from_log_mel, lambda x: small().features(x, log_mel=True)):
        with pytest.raises(ConfigError, match="'waveform-sample-level'"):
            call(log_mel)


def test_memory_of_a_long_file_is_bounded(tmp_path):
    """Six minutes of stereo against twenty seconds: the peak of the process grows by far less than the 127 MB of samples.

    One segment in thirty seconds is scored, so that the time goes into reading.
    """
    part = (np.stack([song(20, 44100)] * 2, axis=1) * 32767).astype(np.int16)
    for name, parts in (("short.wav", 1), ("long.wav", 18)):
        with soundfile.SoundFile(tmp_path / name, "w", 44100, 2, "PCM_16") as file:
            for _ in range(parts):
                file.write(part)
    small().save(tmp_path / "it.safetensors")
    result = python(f"""
        import resource
        import tagging
        tagger = tagging.load_tagger({str(tmp_path / "it.safetensors")!r})
        def peak(name):
            result = tagger.tag({str(tmp_path)!r} + "/" + name, hop_seconds=30)
            return len(result.times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        (_, first), (segments, second) = peak("short.wav"), peak("long.wav")
        print(segments, second - first)
    """)
    assert not result.returncode, result.stderr
    segments, grown = result.stdout.split()
    assert int(segments) == 12
    assert float(grown) < 15


def test_inference_leaves_the_mode_of_every_module_as_it_is():
    tagger = build_tagger("waveform", "temporal-pooling", ["a"], 3.0, width=0.25).train()
    tagger.backend.eval()
    before = [module.training for module in tagger.modules()]
    with tagger.inference() as network:
        assert not any(module.training for module in network.modules())
        assert [module.training for module in tagger.modules()] == before
        assert all(a is b for a, b in zip(network.parameters(), tagger.parameters(), strict=True))
    assert True in before and False in before


def test_threads_of_one_model_in_training_mode_do_not_disturb_each_other():
    """The first thread to be done must not switch dropout on for the others."""
    tagger = small().train()
    sounds = [song(seconds) for seconds in (0.6, 1.1, 2.2, 4.3)]
    expected = [tagger.tag_waveform(sound, 16000).taggram for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            results = pool.map(lambda sound: tagger.tag_waveform(sound, 16000).taggram, sounds)
            for result, alone in zip(results, expected, strict=True):
                np.testing.assert_array_equal(result, alone)
    assert all(module.training for module in tagger.modules())


def test_mistakes_are_named_before_anything_is_built():
    with pytest.raises(ConfigError, match="a list of names"):
        build_tagger("waveform", "temporal-pooling", "piano", 3.0)
    with pytest.raises(ConfigError, match="cannot be written to a file"):
        build_tagger("waveform", "temporal-pooling", ["a"], 3.0, frontend_options={"filters": np.arange(1, 8)})
    with pytest.raises(ConfigError, match="hop_length=-256"):
        build_tagger("waveform-frame-level", "temporal-pooling", ["a"], 3.0, frontend_options={"hop_length": -256})


@pytest.mark.parametrize("name", ["~no-such-user/x.safetensors", "x" * 300, "x" * 300 + ".safetensors"])
def test_names_that_cannot_be_paths(name):
    with pytest.raises(TaggingError):
        load_tagger(name)


def test_training_mode_with_one_waveform_says_what_to_do():
    tagger = build_tagger("waveform", "temporal-pooling", TAGS, 0.5, width=0.1)
    assert tagger.training
    with pytest.raises(ConfigError, match=r"tagger\.eval\(\)"):
        tagger(torch.zeros(1, 8000))
    tagger.backend.eval()  # a frozen back-end has nothing to normalise by the batch
    assert tagger(torch.zeros(1, 8000)).shape == (1, 3)
    assert tagger.eval()(torch.zeros(1, 8000)).shape == (1, 3)


def test_many_channels_are_noted_and_too_many_refused():
    """An array of songs looks like an array of channels."""
    tagger = small()
    sound = np.stack([song(1)] * 8)
    assert tagger.tag_waveform(sound[:2], 16000).notes == ()
    (note,) = tagger.tag_waveform(sound, 16000).notes
    assert "8 channels" in note
    with pytest.raises(AudioError, match="9 channels.*one by one"):
        tagger.tag_waveform(np.stack([song(1)] * 9), 16000)


def test_attributes_are_not_ranked_among_tags():
    tagger = build_tagger("waveform", "dense", MIXED, 0.5, width=0.1).eval()
    result = tagger.tag_waveform(song(1), 16000)
    assert {name for name, _ in result.top(9)} == {"fast", "major", "rock", "minor"}
    assert list(result.attributes) == ["energy", "age"]
    assert result.attributes["age"] == result["age"] == result.to_dict()["scores"]["age"]


def test_features_are_those_of_the_calling_thread():
    """Hooks are shared by all threads that use a model."""
    tagger = small()
    inputs = [0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    expected = [tagger.features(x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for features, alone in zip(pool.map(tagger.features, inputs), expected, strict=True):
                assert list(features) == list(alone)
                assert all(torch.equal(features[name], alone[name]) for name in alone)


def test_scores_that_are_no_numbers_are_no_result():
    tagger = build_tagger("waveform", "dense", ["a"], 0.5, width=0.1).eval()
    with torch.no_grad():
        next(tagger.parameters()).fill_(float("nan"))
    with pytest.raises(TaggingError, match="NaN"):
        tagger.tag_waveform(np.zeros(16000, np.float32), 16000)


def test_a_hop_of_less_than_a_sample_is_refused():
    tagger = build_tagger("waveform", "dense", ["a"], 0.5, width=0.1).eval()
    with pytest.raises(ConfigError, match="hop_seconds=1e-07.*one sample"):
        tagger.tag_waveform(np.zeros(16000, np.float32), 16000, hop_seconds=1e-7)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("sample_rate", [NAN, INFINITY, -1, 0, 1, 999, 10**9, "16000", None, 1j])
def test_sample_rates_that_no_sound_has_are_refused(sample_rate):
    with pytest.raises(ConfigError, match="a sample rate of "):
        small().tag_waveform(song(1), sample_rate)


@pytest.mark.parametrize(
    "options",
    [
        *({"hop_seconds": value} for value in (NAN, INFINITY, 0, -1, "0.5", [1], 1j)),
        *({"batch_size": value} for value in (0, -1, 1.5, "2", [1])),
    ],
    ids=str,
)
def test_options_of_a_song_that_are_no_positive_numbers_are_refused(options):
    name = "hop_seconds" if "hop_seconds" in options else "a batch of"
    with pytest.raises(ConfigError, match=name):
        small().tag_waveform(song(1), 16000, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"segment_seconds": value}, "segment_se|segment_samples") for value in (NAN, INFINITY, -1, "3", None, 1e9)),
        *(({"hop_seconds": value}, "hop_se|hop_samples|may overlap") for value in (NAN, INFINITY, -1, "3", 1e9, 1e-4)),
        *(
            ({"sample_rate": value}, "sample.rate|samples|Hz")
            for value in (NAN, INFINITY, -1, 0, 1, 999, 10**9, "16000", None, 1.5)
        ),
        *(({"width": value}, "width=") for value in (NAN, INFINITY, 0, -1, 1e9, "1", None, [1])),
        *(({"norm_momentum": value}, "norm_momentum=") for value in (NAN, 0, 2, "x", None)),
        *(({"dropout": value}, "dropout") for value in (NAN, -1, "x")),
        *(({"tags": value}, "tag") for value in ([1, 2], [None], 3, None, [["a"]], ["a", "a"], [b"a"])),
        *(
            ({f"{part}_options": value}, f"{part}_options")
            for part in ("frontend", "backend", "head")
            for value in (
                ["a"],
                "x",
                3,
                {1: 2},
                {"a": INFINITY},
                {"a": 10**9},
                {"a": [0] * 2000},
                {"a": [[[[[[[[[]]]]]]]]]},
            )
        ),
        ({"frontend": 3}, "front-end 3"),
        ({"backend": None}, "back-end None"),
        ({"head": ["linear"]}, "head"),
        ({"frontend_options": {"filters": np.arange(1, 8)}}, "cannot be written to a file"),
        ({"backend": "attention", "backend_options": {"num_layers": 10**6}}, "num_layers=1000000"),
        ({"backend": "recurrent", "backend_options": {"num_layers": 10**6}}, "num_layers=1000000"),
        ({"backend_options": {"pool_size": 10**6}}, "pool_size=1000000"),
        ({"frontend": "spectrogram", "frontend_options": {"mel": {"n_fft": 2**23}}}, "more than any sound needs"),
        ({"frontend": "spectrogram", "frontend_options": {"mel": {"n_mels": 2**23}}}, "more than any sound needs"),
    ],
    ids=str,
)
def test_a_tagger_of_impossible_values_is_refused(options, message):
    values = {"frontend": "waveform", "backend": "temporal-pooling", "tags": TAGS, "segment_seconds": 0.5, "width": 0.1}
    with pytest.raises(ConfigError, match=message):
        build_tagger(**{**values, **options})


BLOCKS = song(1.2)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float16, np.float32, np.float64])
def test_samples_of_every_type_are_the_same_song(dtype):
    """Integers are scaled by their range, in an array and in blocks."""
    tagger = small()
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    samples = (BLOCKS.astype(np.float64) * scale).astype(dtype)
    expected = tagger.tag_waveform(BLOCKS, 16000).scores
    np.testing.assert_allclose(tagger.tag_waveform(samples, 16000).scores, expected, atol=2e-3)
    in_blocks = tagger.tag_blocks(np.array_split(samples, 7)).scores
    np.testing.assert_allclose(in_blocks, tagger.tag_waveform(samples, 16000).scores, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([0.1, NAN], np.float32),
        np.array([0.1, INFINITY], np.float32),
        np.zeros((2, 3, 4), np.float32),
        np.array(0.5, np.float32),
        np.zeros(9, np.complex64),
        np.array(["a", "b"]),
        np.zeros(9, bool),
        [None, None],
    ],
    ids=lambda value: f"{np.asarray(value).dtype} {np.shape(value)}",
)
def test_a_block_that_is_no_sound_is_refused(wrong):
    with pytest.raises(AudioError, match=r"block 2\b"):
        small().tag_blocks([np.zeros(9000, np.float32), wrong])
    with pytest.raises(AudioError, match="waveform"):
        small().tag_waveform(wrong, 16000)
    assert small().tag_blocks([BLOCKS, np.zeros(0)]).scores.shape == (3,)
    with pytest.raises(AudioError, match="no samples"):
        small().tag_blocks([np.zeros(0)])
