"""The tagger as a whole: sizes, files, songs, and features."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import soundfile
import torch
from helpers import full_disk, python, tones
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from tagging import Tagger, Vocabulary, build_tagger, load_tagger
from tagging.errors import AudioError, CheckpointError, ConfigError, TaggingError
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
        frontend_options={"mel": {"bands": 40}, "timbral": [(0.5, 3, 20)], "temporal": [(9, 20)]},
        backend_options={"heads": 2},
        head_options={"hidden": 4},
        dropout=0.1,
    )
    assert tagger.config.frontend == "spectrogram-musically-motivated"
    assert (tagger.config.segment_samples, tagger.config.hop_samples, tagger.sample_rate) == (8000, 2000, 8000)
    assert tagger.backend.dense.dropout.p == tagger.head.dropout.p == 0.1
    tagger.card = {"licence": "mine", "scores": {"ROC-AUC": 0.5}}
    again = load_tagger(tagger.save(tmp_path / "deep" / "it.safetensors"))
    as_json = [json.loads(json.dumps(vars(one.config))) for one in (tagger, again)]
    assert as_json[0] == as_json[1]
    assert again.card == tagger.card
    assert again.vocabulary == tagger.vocabulary


def test_wrong_taggers_are_refused():
    for options, message in (
        ({"frontend": "wavefrom"}, "unknown front-end 'wavefrom': did you mean 'waveform'"),
        ({"backend": "temporal"}, "unknown back-end 'temporal': did you mean 'temporal-pooling'"),
        ({"head": "apart"}, "unknown head 'apart'"),
        ({"tags": []}, "a vocabulary needs at least one tag"),
        ({"segment_seconds": 0}, "segment_seconds=0 at a sample rate of 16000 Hz: both must be positive"),
        ({"segment_seconds": float("nan")}, "segment_seconds=nan"),
        ({"sample_rate": 0}, "at a sample rate of 0 Hz"),
        (
            {"segment_seconds": 0.1},
            "segments of 0.100 s are too short for .* 'waveform-sample-level': it needs 0.273 s",
        ),
        ({"hop_seconds": 0}, "hop_seconds=0 at a sample rate of 16000 Hz"),
        ({"backend_options": {"filter": 3}}, "unknown option 'filter': did you mean 'filters'"),
        ({"dropout": 1.5}, "dropout=1.5"),
    ):
        with pytest.raises(ConfigError, match=message):
            build_tagger(
                **{"frontend": "waveform", "backend": "temporal-pooling", "tags": TAGS, "width": 0.1, **options}
            )


# Files


def test_a_saved_file_explains_itself(tmp_path):
    path = small().save(tmp_path / "it.safetensors")
    with safe_open(path, framework="np") as file:
        about = json.loads(file.metadata()["tagging"])
    assert about["format"] == "tagging/1"
    assert [tag["name"] for tag in about["tags"]] == TAGS
    assert about["config"]["segment_samples"] == 8000


@pytest.mark.parametrize("name", ["laptop-waveform-100k", "laptop-spectrogram-100k"])
def test_half_of_the_bytes_hold_the_same_scores(name, tmp_path):
    tagger = load_tagger(name)
    whole, half = (tagger.save(tmp_path / str(half), half=half) for half in (False, True))
    assert half.stat().st_size < 0.53 * whole.stat().st_size
    again = load_tagger(half)
    kept = tagger.state_dict()
    for key, tensor in again.state_dict().items():
        assert tensor.dtype == kept[key].dtype
        if tensor.ndim < 2:
            assert torch.equal(tensor, kept[key])
        else:
            torch.testing.assert_close(tensor, kept[key], rtol=2**-11, atol=2**-25)
    sound = tones(9, 16000)
    said, meant = (one.tag_waveform(sound, 16000).taggram for one in (again, tagger))
    np.testing.assert_allclose(said, meant, atol=5e-3)
    assert 0 < np.abs(said - meant).mean() < 1e-3


def test_weights_too_large_for_half_precision_are_said(tmp_path):
    tagger = small()
    with torch.no_grad():
        tagger.head.kinds["classification"].weight[0, 0] = 7e4
    with pytest.raises(TaggingError, match=r"head\..*weight has weights beyond 65504.*save with half=False"):
        tagger.save(tmp_path / "it.safetensors", half=True)
    assert not list(tmp_path.iterdir())
    assert load_tagger(tagger.save(tmp_path / "it.safetensors")).head.kinds["classification"].weight[0, 0] == 7e4


def rewritten(path, **changes) -> None:
    """Change the description in a saved tagger; None removes an entry."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["tagging"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = {key: value for key, value in {**about, **changes}.items() if value is not None}
    save_file(weights, path, metadata={"tagging": json.dumps(about)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "tagging/99"}, "of format 'tagging/99', this version reads 'tagging/1'; update the package"),
        ({"format": None}, "of format None, this version reads"),
        ({"tags": None}, "its description and its weights do not fit together"),
        ({"tags": [{"name": "only one"}]}, "(?s:do not fit together .*size mismatch)"),
        ({"tags": [{"name": "a", "kinder": "x"}]}, "do not fit together .*kinder"),
        ({"tags": []}, "do not fit together .*at least one tag"),
        ({"config": None}, "do not fit together"),
        ({"config": {"frontend": "waveform"}}, "do not fit together .*backend"),
        ({"config": ["no", "mapping"]}, "do not fit together"),
        (
            {"config": {"frontend": "x", "backend": "y", "segment_samples": 1, "hop_samples": 1}},
            "unknown front-end 'x'",
        ),
        (
            {"config": {"frontend": "waveform", "backend": "dense", "segment_samples": "s", "hop_samples": 1}},
            "do not fit",
        ),
        ({"card": None}, "do not fit together"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path, changes, message):
    path = small().save(tmp_path / "it.safetensors")
    rewritten(path, **changes)
    with pytest.raises(CheckpointError, match=f"{path}: .*{message}"):
        Tagger.load(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    tagger = small()
    cases = {
        "missing": "no such file; give the path of a tagger saved with",
        "empty": "damaged or not a safetensors file",
        "text": "damaged or not a safetensors file",
        "pickle": "damaged or not a safetensors file",
        "torch": "damaged or not a safetensors file",
        "plain": "a safetensors file, but not of a tagger",
        "list": "of format None, this version reads",
        "nonsense": "a safetensors file, but not of a tagger",
    }
    paths = {name: tmp_path / f"{name}.safetensors" for name in cases}
    paths["empty"].touch()
    paths["text"].write_text("hello" * 1000)
    paths["pickle"].write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    torch.save(tagger.state_dict(), paths["torch"])
    save_file(tagger.state_dict(), paths["plain"])
    save_file(tagger.state_dict(), paths["list"], metadata={"tagging": "[]"})
    save_file(tagger.state_dict(), paths["nonsense"], metadata={"tagging": "{not json"})
    for name, message in cases.items():
        with pytest.raises(CheckpointError, match=f"{paths[name]}: {message}"):
            Tagger.load(paths[name])
        with pytest.raises(CheckpointError):
            load_tagger(paths[name])
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(CheckpointError, match="a directory; give the path of a .safetensors file"):
        load_tagger(tmp_path)


class Bomb:
    """What a pickle could do to whoever opens it: here, leave a file behind."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_the_bomb_works(tmp_path):
    """Else the test above would show nothing."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "exploded")))
    assert (tmp_path / "exploded").exists()


def test_damage_anywhere_is_refused_or_harmless(tmp_path_factory):
    """Cut or flipped anywhere, a file is refused with our own error, or the same weights are read, or other numbers."""
    tagger = small()
    path = tagger.save(tmp_path_factory.mktemp("files") / "it.safetensors")
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")

    @given(st.integers(0, len(whole) - 1))
    def cut(size):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"it\.safetensors"):
            Tagger.load(path)

    @given(st.integers(0, header - 1), st.integers(0, 7))
    def flip(place, bit):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            Tagger.load(path)
        except CheckpointError as error:
            assert "it.safetensors" in str(error)

    cut()
    flip()


def test_weights_that_are_missing_or_left_over_are_refused(tmp_path):
    path = small().save(tmp_path / "it.safetensors")
    with safe_open(path, framework="pt") as file:
        metadata, weights = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    first = next(iter(weights))
    for changed in ({k: v for k, v in weights.items() if k != first}, {**weights, "extra": torch.zeros(1)}):
        save_file(changed, path, metadata=metadata)
        with pytest.raises(CheckpointError, match="do not fit together"):
            Tagger.load(path)


def test_saving_on_a_full_disk_leaves_the_old_file(tmp_path):
    path = small().save(tmp_path / "it.safetensors")
    before = path.read_bytes()
    with pytest.raises(TaggingError, match=f"cannot write {path}: File too large"), full_disk(50_000):
        small(width=0.2).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_impossible_places_are_reported(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file" / "it.safetensors", "/proc/nowhere/it.safetensors"):
        with pytest.raises(TaggingError, match=f"cannot write {place}"):
            small().save(place)


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
    assert short.notes == ("shorter than one segment of 0.5 s: 0.3 s of silence were added",)
    filled = np.pad(song(0.2), (0, 4800))
    np.testing.assert_array_equal(short.scores, tagger.tag_waveform(filled, 16000).scores)
    soundfile.write(tmp_path / "one.wav", np.full(1, 0.5), 16000)
    assert len(tagger.tag(tmp_path / "one.wav").times) == 1
    soundfile.write(tmp_path / "silent.flac", np.zeros(16000), 16000)
    assert tagger.tag(tmp_path / "silent.flac").notes == (
        "the file is silent: its scores describe the model, not music",
    )
    soundfile.write(tmp_path / "low.wav", song(1, 8000), 8000)
    assert "sampled at 8000 Hz" in tagger.tag(tmp_path / "low.wav").notes[0]


def test_wrong_songs_and_requests_are_refused(tmp_path):
    tagger = small()
    with pytest.raises(AudioError, match="missing.wav: no such file"):
        tagger.tag(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="waveform holds NaN"):
        tagger.tag_waveform(np.full(9000, np.nan), 16000)
    with pytest.raises(AudioError, match="holds no samples"):
        tagger.tag_waveform(np.zeros(1, np.float32), 48000)  # a third of a sample at 16 kHz
    for option, message in (
        ({"hop_seconds": 0}, "hop_seconds=0 at a sample rate of 16000 Hz: both must be positive, finite numbers"),
        ({"hop_seconds": -1}, "hop_seconds=-1"),
        ({"hop_seconds": float("nan")}, "hop_seconds=nan"),
        ({"hop_seconds": float("inf")}, "hop_seconds=inf"),
        ({"batch_size": 0}, "a batch of 0 segments"),
        ({"batch_size": -1}, "a batch of -1 segments"),
    ):
        with pytest.raises(ConfigError, match=message):
            tagger.tag_waveform(song(2), 16000, **option)


def test_progress_hears_the_whole_song(tmp_path):
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
        with pytest.raises(ConfigError, match="'waveform-sample-level' hears waveforms, not spectrograms"):
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


def test_listening_gives_frozen_parts_back_frozen():
    tagger = build_tagger("waveform", "temporal-pooling", ["a"], 3.0, width=0.25).train()
    tagger.backend.eval()
    with tagger.evaluating():
        assert not any(module.training for module in tagger.modules())
    assert tagger.training and tagger.frontend.training
    assert not any(module.training for module in tagger.backend.modules())


def test_mistakes_are_named_before_anything_is_built():
    with pytest.raises(ConfigError, match="a list of names is needed"):
        build_tagger("waveform", "temporal-pooling", "piano", 3.0)
    with pytest.raises(ConfigError, match="cannot be written to a file"):
        build_tagger("waveform", "temporal-pooling", ["a"], 3.0, width=np.float32(0.25))
    with pytest.raises(ConfigError, match="hop must be at least 1"):
        build_tagger("waveform-frame-level", "temporal-pooling", ["a"], 3.0, frontend_options={"hop": -256})


@pytest.mark.parametrize("name", ["~no-such-user/x.safetensors", "x" * 300, "x" * 300 + ".safetensors"])
def test_names_that_cannot_be_paths(name):
    with pytest.raises(TaggingError):
        load_tagger(name)
