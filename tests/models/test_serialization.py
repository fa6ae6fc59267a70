"""Files of taggers: what was saved is loaded, and nothing else."""

from __future__ import annotations

import json
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import full_disk, tones
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from tagging import Tagger, build_tagger, load_tagger
from tagging.errors import CheckpointError, ConfigError, TaggingError
from tagging.models.base import FRONTENDS
from tagging.models.frontends.sample_level import SampleLevel

TAGS = ["a", "b", "c"]


def small(**options) -> Tagger:
    return build_tagger(
        "waveform", "temporal-pooling", TAGS, **{"segment_seconds": 0.5, "width": 0.1, **options}
    ).eval()


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
    whole_state = tagger.state_dict()
    for key, tensor in again.state_dict().items():
        assert tensor.dtype == whole_state[key].dtype
        if tensor.ndim < 2:
            assert torch.equal(tensor, whole_state[key])
        else:
            torch.testing.assert_close(tensor, whole_state[key], rtol=2**-11, atol=2**-25)
    sound = tones(9, 16000)
    halved, plain = (one.tag_waveform(sound, 16000).taggram for one in (again, tagger))
    np.testing.assert_allclose(halved, plain, atol=5e-3)
    assert 0 < np.abs(halved - plain).mean() < 1e-3


def test_weights_too_large_for_half_precision_are_refused(tmp_path):
    tagger = small()
    with torch.no_grad():
        tagger.head.kinds["classification"].weight[0, 0] = 7e4
    with pytest.raises(TaggingError, match=r"head\..*weight .*65504.*half=False"):
        tagger.save(tmp_path / "it.safetensors", half=True)
    assert not list(tmp_path.iterdir())
    assert load_tagger(tagger.save(tmp_path / "it.safetensors")).head.kinds["classification"].weight[0, 0] == 7e4


def rewritten(path, **changes) -> None:
    """Change the description in a saved tagger; None removes an entry."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["tagging"])
        del about["sha256"]
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = {key: value for key, value in {**about, **changes}.items() if value is not None}
    save_file(weights, path, metadata={"tagging": json.dumps(about)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "tagging/99"}, "'tagging/99'.*'tagging/1'"),
        ({"format": None}, "format"),
        ({"format": 1}, "format=1: it should be a valid string"),
        ({"tags": None}, "tags"),
        ({"tags": [{"name": "only one"}]}, "damaged or not what it describes .*size mismatch"),
        ({"tags": [{"name": "a", "kinder": "x"}]}, "damaged or not what it describes .*kinder"),
        (
            {"tags": [{"name": 1}, {"name": 2}, {"name": 3}]},
            "damaged or not what it describes .*name=1: it must be text",
        ),
        ({"tags": [{"name": "a", "exclusive_group": ["g"]}]}, "exclusive_group=.*it must be text"),
        ({"tags": [{"name": "a", "kind": ["x"]}]}, "damaged or not what it describes"),
        ({"tags": ["a", "b", "c"]}, "tags.0='a': it should be an object"),
        ({"tags": {"a": 1}}, "tags=.*valid array"),
        ({"tags": []}, "tags=.*at least 1 item"),
        ({"config": None}, "config"),
        ({"config": {"frontend": "waveform"}}, "damaged or not what it describes .*backend"),
        ({"config": ["no", "mapping"]}, "config=.*an object"),
        (
            {"config": {"frontend": "x", "backend": "y", "segment_samples": 1, "hop_samples": 1}},
            "front-end 'x' and the back-end 'y'.*--plugin",
        ),
        ({"config": {"frontend": ["waveform"], "backend": "dense"}}, "damaged or not"),
        ({"card": None}, "card"),
        ({"card": "free"}, "card='free': it should be an object"),
        ({"card": {"text": "x" * 2**24}}, "16,777,216"),
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
        "missing": "no such file",
        "empty": "damaged",
        "text": "damaged",
        "pickle": "damaged",
        "torch": "damaged",
        "plain": "not of a tagger",
        "list": "cannot be read",
        "nonsense": "cannot be read .*Invalid JSON",
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
        with pytest.raises(CheckpointError, match=f"{paths[name]}: .*{message}"):
            Tagger.load(paths[name])
        with pytest.raises(CheckpointError):
            load_tagger(paths[name])
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(CheckpointError, match="a directory"):
        load_tagger(tmp_path)


class Bomb:
    """What a pickle could do when it is opened: here, leave a file behind."""

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
    def flip(position, bit):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << bit
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
        description = json.loads(file.metadata()["tagging"])
        del description["sha256"]  # as files of earlier versions
        metadata = {"tagging": json.dumps(description)}
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    first = next(iter(weights))
    for changed in ({k: v for k, v in weights.items() if k != first}, {**weights, "extra": torch.zeros(1)}):
        save_file(changed, path, metadata=metadata)
        with pytest.raises(CheckpointError, match="damaged or not what it describes"):
            Tagger.load(path)


def test_saving_on_a_full_disk_leaves_the_old_file(tmp_path):
    path = small().save(tmp_path / "it.safetensors")
    before = path.read_bytes()
    with pytest.raises(TaggingError, match=f"cannot write {path}: File too large"), full_disk(50_000):
        small(width=0.2).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_impossible_paths_are_reported(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "it.safetensors", "/proc/nowhere/it.safetensors"):
        with pytest.raises(TaggingError, match=f"cannot write {path}"):
            small().save(path)


def test_a_file_of_unregistered_parts_says_which(tmp_path, monkeypatch):
    """And is not called damaged: once the module that registers them is imported, it loads."""
    with monkeypatch.context() as registered:
        registered.setitem(FRONTENDS._factories, "mine", SampleLevel)
        path = build_tagger("mine", "dense", TAGS, 0.5, width=0.1).save(tmp_path / "it.safetensors")
        assert load_tagger(path).config.frontend == "mine"
    with pytest.raises(CheckpointError, match=f"{path}.*front-end 'mine'.*--plugin") as caught:
        load_tagger(path)
    assert "damaged" not in str(caught.value)
    assert "back-end" not in str(caught.value)


OLD_MEL = {"n_fft": 512, "hop": 128, "bands": 64, "low": 30.0, "high": 7000.0, "scale": "htk", "norm": False}


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (
            {
                "frontend": "spectrogram",
                "frontend_options": {
                    "mel": {
                        "n_fft": 512, "hop_length": 128, "n_mels": 64, "f_min": 30.0, "f_max": 7000.0,
                        "mel_scale": "htk", "norm": None, "pad_mode": "none", "round_to_float16": True,
                    }
                },
                "backend": "temporal-pooling",
                "backend_options": {"dense_units": 30, "kernel_size": 5, "pool_size": 3, "single_channel_norm": False},
            },
            {
                "frontend_options": {"mel": {**OLD_MEL, "pad": "none", "half": True}, "toeplitz": True},
                "backend_options": {"units": 30, "kernel": 5, "pool": 3, "one_channel_norm": False},
            },
        ),
        (
            {
                "frontend": "waveform", "backend": "attention",
                "backend_options": {"embed_dim": 32, "num_heads": 2, "num_layers": 1},
            },
            {"frontend_options": {"onednn": True}, "backend_options": {"units": 32, "heads": 2, "layers": 1}},
        ),
        (
            {
                "frontend": "waveform-frame-level", "frontend_options": {"kernel_size": 256, "hop_length": 128},
                "backend": "recurrent", "backend_options": {"hidden_size": 20, "num_layers": 1},
            },
            {"frontend_options": {"length": 256, "hop": 128}, "backend_options": {"units": 20, "layers": 1}},
        ),
        (
            {
                "frontend": "waveform-frame-level-many-shapes", "frontend_options": {"kernel_sizes": [128, 512]},
                "backend": "dense", "backend_options": {"dense_units": [40, 20]},
            },
            {"frontend_options": {"lengths": [128, 512]}, "backend_options": {"units": [40, 20]}},
        ),
    ],
)  # fmt: skip
def test_files_of_earlier_versions_are_read(new, old, tmp_path):
    """With the names of options, kinds and weights of their time; without a momentum, which was the paper's."""
    tagger = build_tagger(**new, tags=TAGS, segment_seconds=0.7, width=0.5).eval()
    path = tagger.save(tmp_path / "it.safetensors")
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["tagging"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del description["sha256"]
    description["config"] = {**description["config"], **old, "head": "together"}
    del description["config"]["norm_momentum"]
    description["tags"] = [{"name": name, "kind": "bi-modal", "group": None} for name in TAGS]
    weights = {name.replace("kinds.classification", "kinds.bi-modal"): tensor for name, tensor in weights.items()}
    save_file(weights, path, metadata={"tagging": json.dumps(description)})
    again = load_tagger(path)
    assert again.config.head == "linear"
    assert again.config.norm_momentum == 0.01
    waveform = 0.1 * torch.randn(2, round(0.7 * 16000))
    with torch.inference_mode():
        assert torch.equal(again(waveform), tagger(waveform))
    resaved = load_tagger(again.save(path))
    assert resaved.config == again.config


def test_a_digest_notices_every_bit_of_the_weights(tmp_path):
    tagger = small()
    path = tagger.save(tmp_path / "it.safetensors")
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    generator = np.random.default_rng(0)
    for position, bit in zip(generator.integers(header, len(whole), 40), generator.integers(0, 8, 40), strict=True):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=f"{path}: damaged: .*SHA-256"):
            Tagger.load(path)
    path.write_bytes(whole)
    assert tagger.save(tmp_path / "again.safetensors").read_bytes() == whole
    Tagger.load(path)


def test_files_without_a_digest_are_read(tmp_path):
    path = small().save(tmp_path / "it.safetensors")
    rewritten(path)
    assert b"sha256" not in path.read_bytes()
    Tagger.load(path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "backend.dense.linear.weight",
            lambda t: t * float("nan"),
            "NaN or infinite weights in backend.dense.linear.weight",
        ),
        ("backend.dense.linear.weight", lambda t: t.double() * 1e300, "NaN or infinite weights"),
        ("backend.dense.norm.running_var", lambda t: t - 5, "a negative variance in backend.dense.norm.running_var"),
        ("backend.dense.linear.weight", lambda t: t.to(torch.complex64), "complex64 where torch.float32"),
        ("backend.dense.linear.weight", lambda t: t.long(), "int64 where torch.float32"),
        ("backend.dense.norm.num_batches_tracked", lambda t: t.float(), "float32 where torch.int64"),
        ("backend.dense.linear.weight", lambda t: t[None], "size mismatch for backend.dense.linear.weight"),
    ],
)
def test_weights_that_are_no_weights_are_refused(tmp_path, name, change, message):
    path = small().save(tmp_path / "it.safetensors")
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["tagging"])
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del about["sha256"]
    save_file({**weights, name: change(weights[name]).contiguous()}, path, metadata={"tagging": json.dumps(about)})
    with pytest.raises(CheckpointError, match=f"{path}: .*{message}"):
        Tagger.load(path)


HUGE = {
    "width": 30,
    "segment_samples": 10**9,
    "sample_rate": 10**9,
    "hop_samples": 10**9,
    "backend_options": {"filters": 2**24},
    "frontend_options": {"filters": [2**24] * 7},
}


@pytest.mark.parametrize("field", HUGE)
def test_a_description_allocates_nothing(tmp_path, field):
    """Width 30 would be 11 GB: here the weights alone may not exist, which a limit on memory shows."""
    path = small().save(tmp_path / "it.safetensors")
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["tagging"])["config"]
    rewritten(path, config={**config, field: HUGE[field]})
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (virtual + 300_000_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=f"{path}: .*(size mismatch|it should be|GiB)"):
            Tagger.load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize(
    "card", [{"score": np.float32(0.5)}, {"score": {1, 2}}, {"text": "\ud800"}, 3, ["a"]], ids=repr
)
def test_a_card_that_cannot_be_read_again_is_not_saved(tmp_path, card):
    tagger = small()
    tagger.card = card
    with pytest.raises(ConfigError, match="card cannot be saved"):
        tagger.save(tmp_path / "it.safetensors")
    tagger.card = deep = {}
    for _ in range(500):
        deep["more"] = deep = {}
    with pytest.raises(ConfigError, match="card cannot be saved"):
        tagger.save(tmp_path / "it.safetensors")
    assert not list(tmp_path.iterdir())


def test_segments_too_large_for_a_computer_are_refused(tmp_path):
    """Two minutes with a hop of 8 samples: a spectrogram of 92 MB, and the maps behind it gigabytes."""
    options = {"mel": {"hop_length": 8}}
    tagger = build_tagger("spectrogram-vgg", "temporal-pooling", TAGS, 120.0, width=0.1, frontend_options=options)
    path = tagger.save(tmp_path / "it.safetensors")
    with pytest.raises(CheckpointError, match="GiB: shorten the segments"):
        load_tagger(path)
