"""Weights from the wheel to the tagger: every way in which the cache, the file, or the network can be wrong."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import zipfile
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import full_disk, obstruct
from safetensors.torch import load_file, save_file

from tagging import list_pretrained, load_tagger
from tagging.errors import CheckpointError, ConfigError, DownloadError, TaggingError
from tagging.pretrained import list_musicnn, musicnn, pretrained_card
from tagging.pretrained.musicnn import fingerprint
from tagging.pretrained.tf_names import LAYOUTS, load_tf_weights, tf_weight_names
from tagging.pretrained.wheel import WHEEL, WHEEL_SHA256, fetched_wheel
from tagging.utils.files import cache_dir, sha256
from tagging.utils.legacy import current_state

CLOSED = "http://127.0.0.1:9/simple"  # the discard port: nothing answers there


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The published wheel, from the user's cache; fetched if it is not there."""
    folder = cache_dir("pretrained")
    with musicnn.locked(folder / WHEEL):
        return fetched_wheel(folder)


@pytest.fixture(scope="session")
def converted() -> list[Path]:
    """The four converted files, from the user's cache."""
    for name in list_musicnn():
        load_tagger(name)
    return [musicnn._path(cache_dir("pretrained"), pretrained_card(name)) for name in list_musicnn()]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no index that pip could ask."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", CLOSED)
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    return cache_dir("pretrained")


@pytest.fixture
def filled(cache, wheel) -> Path:
    """The same cache with the wheel in it."""
    shutil.copy(wheel, cache / WHEEL)
    return cache


def test_the_four_and_what_is_known_of_them():
    assert list_musicnn() == ["mtt-musicnn", "mtt-vgg", "msd-musicnn", "msd-vgg"] == list_pretrained()[:4]
    for name in list_musicnn():
        card = pretrained_card(name)
        assert len(set(card["tags"])) == 50
        assert 0.85 < card["scores"]["ROC-AUC"] < 0.95
        for entry in ("description", "dataset", "split", "licence", "citation", "source"):
            assert card[entry]
        tagger = load_tagger(name)
        assert tagger.vocabulary.names == tuple(card["tags"])
        assert tagger.card["licence"].startswith("ISC")
        assert not tagger.training
        assert tagger.segment_seconds == (186 * 256 + 512) / 16000
        assert tagger.config.hop_samples == 187 * 256  # patches of 187 frames side by side
    with pytest.raises(ConfigError, match="'msd_musicn'.*'msd-musicnn'"):
        load_tagger("msd_musicn")
    with pytest.raises(ConfigError, match="'vgg'"):
        pretrained_card("vgg")


def test_a_tagger_is_loaded_to_a_device():
    assert load_tagger("mtt-vgg", device="cpu").device.type == "cpu"
    assert load_tagger("mtt-vgg", device="meta").device.type == "meta"
    with pytest.raises(ConfigError, match="'no-device'"):
        load_tagger("mtt-vgg", device="no-device")


def test_momentum_is_the_originals():
    assert load_tagger("mtt-musicnn").backend.dense.norm.momentum == 0.01


def test_sizes_are_the_originals():
    """Numbers in the checkpoints without the optimiser's."""
    for name, numbers in (
        ("mtt-musicnn", 792_079),
        ("msd-musicnn", 792_079),
        ("mtt-vgg", 607_030),
        ("msd-vgg", 607_030),
    ):
        state = load_tagger(name).state_dict()
        assert sum(v.numel() for k, v in state.items() if not k.endswith("num_batches_tracked")) == numbers


def test_from_the_wheel_to_a_tagger_and_back_from_the_cache(filled, capfd):
    first = load_tagger("msd-vgg")
    assert fingerprint(first) == pretrained_card("msd-vgg")["fingerprint"]
    stored = sorted(path.name for path in filled.glob("*.safetensors"))
    assert [name.rpartition("-")[0] for name in stored] == sorted(list_musicnn())
    assert not list(filled.glob(".*"))  # nothing half-done is left
    (filled / WHEEL).unlink()  # it is not needed again
    again = load_tagger("msd-vgg")
    assert fingerprint(again) == fingerprint(first)
    assert "fetching" not in capfd.readouterr().err


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "one bit":
        path.write_bytes(whole[:-1001] + bytes([whole[-1001] ^ 1]) + whole[-1000:])
    elif how == "one number":
        weights = load_file(path)
        next(value for name, value in weights.items() if name.endswith("conv.weight")).view(-1)[0] += 1e-3
        save_file(weights, path, metadata={"tagging": "{}"})
    elif how == "another model":
        (other,) = path.parent.glob("mtt-vgg-*.safetensors")
        shutil.copy(other, path)


@pytest.mark.parametrize("how", ["cut", "empty", "one bit", "one number", "another model"])
def test_damaged_weights_are_made_again_never_used(filled, converted, how):
    for good in converted:
        shutil.copy(good, filled)
    (path,) = filled.glob("msd-vgg-*.safetensors")
    before = path.read_bytes()
    damage(path, how)
    assert path.read_bytes() != before
    tagger = load_tagger("msd-vgg")
    assert fingerprint(tagger) == pretrained_card("msd-vgg")["fingerprint"]
    torch.testing.assert_close(current_state(load_file(path)), tagger.state_dict(), rtol=0, atol=0)


def test_a_description_changed_in_the_cache_is_not_believed(cache, converted):
    """The fingerprint covers the weights; names, hop and card are known to the package and come from there."""
    for good in converted:
        shutil.copy(good, cache)
    (path,) = cache.glob("msd-vgg-*.safetensors")
    about = {"format": "tagging/1", "tags": [{"name": "x"}], "config": {}, "card": {"licence": "none"}}
    save_file(load_file(path), path, metadata={"tagging": json.dumps(about)})
    tagger = load_tagger("msd-vgg")
    assert tagger.vocabulary.names == tuple(pretrained_card("msd-vgg")["tags"])
    assert tagger.card["licence"].startswith("ISC")


def test_a_wrong_wheel_is_refused_and_removed(cache):
    (cache / WHEEL).write_bytes(b"not what was published")
    with pytest.raises(DownloadError, match=f"{WHEEL}.*{WHEEL_SHA256}"):
        load_tagger("mtt-vgg")
    assert not (cache / WHEEL).exists()
    assert not list(cache.glob("*.safetensors"))


def test_a_wrong_wheel_from_an_index_is_refused(cache, tmp_path_factory, monkeypatch):
    """pip takes it, as it is a wheel; its contents are never run."""
    folder = tmp_path_factory.mktemp("index")
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        info = "musicnn-0.1.0.dist-info"
        archive.writestr("musicnn/__init__.py", "raise SystemExit('this was run')")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: musicnn\nVersion: 0.1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    with pytest.raises(DownloadError, match=f"{sha256(folder / WHEEL)}.*{WHEEL_SHA256}"):
        load_tagger("mtt-vgg")
    assert not (cache / WHEEL).exists()


def test_without_network_the_message_says_how_to_copy_the_file(cache, wheel):
    with pytest.raises(DownloadError) as caught:
        load_tagger("mtt-vgg")
    message = str(caught.value)
    assert "pip download --no-deps musicnn==0.1.0" in message
    assert f"copy {WHEEL} to {cache}" in message
    assert list(cache.iterdir()) == []
    shutil.copy(wheel, cache)  # as the message says
    assert load_tagger("mtt-vgg").vocabulary.names[0] == "guitar"


def test_without_pip_the_message_says_what_uv_can_do(cache, tmp_path_factory, monkeypatch):
    """As in an environment that uv has made."""
    folder = tmp_path_factory.mktemp("no-pip")
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pip': raise ModuleNotFoundError(\"No module named 'pip'\", name='pip')\n"
        "sys.meta_path.insert(0, Without())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with pytest.raises(DownloadError) as caught:
        load_tagger("mtt-vgg")
    message = str(caught.value)
    assert "pip, which this environment does not have" in message
    assert f"uvx pip download --no-deps --only-binary=:all: --dest {cache} musicnn==0.1.0" in message
    assert "uv pip install pip" in message
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("path", [None, ":{0}", "relative:.:{0}"])
def test_no_module_of_the_current_folder_runs(cache, wheel, tmp_path_factory, monkeypatch, path):
    """Whatever PYTHONPATH leaves of it: an empty entry is the current folder."""
    hostile, absolute = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("own")
    ran = f"open({str(hostile / 'RAN')!r}, 'w')\n"
    for name in (
        "pip.py",
        "runpy.py",
        "threading.py",
        "sitecustomize.py",
        "relative/pip.py",
        "pip/__init__.py",
        "pip/__main__.py",
    ):
        (hostile / name).parent.mkdir(exist_ok=True)
        (hostile / name).write_text(ran)
    monkeypatch.chdir(hostile)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if path is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", path.format(absolute))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    assert sha256(fetched_wheel(cache)) == WHEEL_SHA256
    assert not (hostile / "RAN").exists()


def test_settings_of_pip_may_be_relative_to_the_current_folder(cache, wheel, monkeypatch):
    monkeypatch.chdir(wheel.parent.parent)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheel.parent.name)
    assert sha256(fetched_wheel(cache)) == WHEEL_SHA256


@pytest.mark.parametrize("obstacle", ["folder", "pipe"])
def test_what_is_no_wheel_is_refused_by_name(cache, obstacle):
    obstruct(cache / WHEEL, obstacle)
    with pytest.raises(DownloadError, match=f"{cache / WHEEL} is not a file: remove it"):
        load_tagger("mtt-vgg")


@pytest.mark.parametrize("obstacle", ["folder", "pipe"])
def test_what_is_no_file_in_the_place_of_weights_is_refused_by_name(filled, converted, obstacle):
    for good in converted:
        shutil.copy(good, filled)
    (path,) = filled.glob("msd-vgg-*.safetensors")
    path.unlink()
    obstruct(path, obstacle)
    with pytest.raises(TaggingError, match=f"cannot write {path}"):
        load_tagger("msd-vgg")


def load_all_as_another_user() -> None:
    if os.geteuid() == 0:  # permission bits do not stop the superuser
        os.setgid(65534)
        os.seteuid(65534)
    for name in list_musicnn():
        assert load_tagger(name).vocabulary.names[0]


def test_a_complete_cache_is_only_read(filled, converted):
    """Of another user, or read-only: no lock, no probe, nothing cleared."""
    for good in converted:
        shutil.copy(good, filled)
    abandoned = filled / ".tagging-0123456789abcdef.part"
    abandoned.mkdir()
    names, folders = set(filled.iterdir()), [folder for folder in filled.parents if "pytest" in str(folder)]
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder in folders:  # those of pytest are closed to other users
        folder.chmod(0o711)
    filled.chmod(0o555)
    before = filled.stat().st_mtime_ns
    process = multiprocessing.get_context("fork").Process(target=load_all_as_another_user)
    process.start()
    process.join()
    for folder, mode in modes.items():
        folder.chmod(mode)
    filled.chmod(0o755)
    assert process.exitcode == 0
    assert set(filled.iterdir()) == names
    assert filled.stat().st_mtime_ns == before
    load_tagger("msd-vgg")  # by the owner, who can
    assert set(filled.iterdir()) == names - {abandoned}


def load_and_report(name: str, results: Queue) -> None:
    """In a process of its own: the second tag, and modules that must not have been imported."""
    tag = load_tagger(name).vocabulary.names[1]
    sys.stderr.flush()
    results.put((name, tag, sorted({"tensorflow", "musicnn"} & set(sys.modules))))


def test_two_processes_at_once_fetch_once(cache, wheel, monkeypatch, capfd):
    """Both start with an empty cache; one fetches and converts, the other waits, both have their tagger.

    Neither needs TensorFlow, and nothing of the wheel is imported.
    """
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    context = multiprocessing.get_context("fork")  # a fork has PyTorch already, whose import takes seconds
    results = context.Queue()
    both = [context.Process(target=load_and_report, args=(name, results)) for name in ("mtt-musicnn", "msd-vgg")]
    for process in both:
        process.start()
    reports = sorted(results.get(timeout=200) for _ in both)
    for process in both:
        process.join()
    assert reports == [("msd-vgg", "pop", []), ("mtt-musicnn", "classical", [])]
    assert capfd.readouterr().err.count("fetching the musicnn weights") == 1
    assert sha256(cache / WHEEL) == WHEEL_SHA256
    assert not list(cache.glob(".*"))
    assert not [path for path in cache.iterdir() if path.is_dir()]  # pip's scratch folder is gone


def test_a_full_disk_while_converting_is_reported(filled):
    """The weights are larger than the limit: an error that names the file, nothing half-written, and nothing used."""
    with (
        pytest.raises(TaggingError, match=r"cannot write .*-musicnn-.*\.safetensors: File too large"),
        full_disk(1_000_000),
    ):
        load_tagger("mtt-vgg")
    assert [path.name for path in filled.iterdir()] == [WHEEL]


# The map of names


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_layouts_name_every_weight_once(layout):
    """Each module with weights has one TensorFlow layer, and each layer one module."""
    architecture = {"musicnn": "musicnn", "vgg": "vgg"}.get(layout)
    if architecture:
        tagger = musicnn.build(architecture, [f"tag{index}" for index in range(50)])
    else:
        from tagging import build_tagger

        tagger = build_tagger(layout.removeprefix("paper-"), "temporal-pooling", [f"tag{index}" for index in range(50)])
    modules = list(tf_weight_names(layout).values())
    assert len(modules) == len(set(modules))
    owners = {name.rpartition(".")[0] for name in tagger.state_dict()}
    assert set(modules) == owners


def original_variables(layout: str) -> dict[str, np.ndarray]:
    """Any weights, in TensorFlow's names and shapes, for a small vgg."""
    tagger = musicnn.build("vgg", ["a", "b"])
    names = {"weight": "kernel", "bias": "bias", "running_mean": "moving_mean", "running_var": "moving_variance"}
    variables = {}
    for layer, module in tf_weight_names(layout).items():
        for name, tensor in tagger.get_submodule(module).state_dict().items():
            if name != "num_batches_tracked":
                norm = "running_mean" in tagger.get_submodule(module).state_dict()
                variable = {"weight": "gamma", "bias": "beta"}.get(name, names[name]) if norm else names[name]
                variables[f"{layer}/{variable}"] = torch.rand_like(tensor).numpy().T
    return variables


def test_original_weights_reach_their_modules():
    variables = original_variables("vgg")
    tagger = load_tf_weights(musicnn.build("vgg", ["a", "b"]), variables, "vgg")
    assert not tagger.training
    state = tagger.state_dict()
    np.testing.assert_array_equal(state["frontend.blocks.3.conv.weight"].numpy().T, variables["4CNN/kernel"])
    np.testing.assert_array_equal(
        state["frontend.blocks.4.norm.running_var"], variables["batch_normalization_5/moving_variance"]
    )
    np.testing.assert_array_equal(state["head.kinds.classification.weight"].numpy().T, variables["dense/kernel"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("3CNN/kernel"), "lacks.*frontend.blocks.2.conv.weight"),
        (lambda v: v.update({"6CNN/kernel": np.ones(1)}), "'vgg'.*'6CNN/kernel'"),
        (lambda v: v.update({"1CNN/kernels": np.ones(1)}), "'vgg'.*'1CNN/kernels'"),
        (lambda v: v.update({"1CNN/gamma": np.ones(128)}), "'1CNN/gamma'"),
        (
            lambda v: v.update({"2CNN/bias": np.ones(127)}),
            r"'2CNN/bias'.*\(127,\).*'frontend.blocks.1",
        ),
        (lambda v: v.update({"dense/kernel": v["dense/kernel"].T}), "'dense/kernel'"),
    ],
)
def test_original_weights_that_do_not_fit_are_refused(change, message):
    variables = original_variables("vgg")
    change(variables)
    tagger = musicnn.build("vgg", ["a", "b"])
    before = fingerprint(tagger)
    with pytest.raises(CheckpointError, match=message):
        load_tf_weights(tagger, variables, "vgg")
    assert fingerprint(tagger) == before


def test_unknown_layouts_suggest_the_nearest():
    with pytest.raises(ConfigError, match="'paper-wave'.*'paper-waveform'"):
        tf_weight_names("paper-wave")


def test_the_download_has_the_size_that_is_said(wheel):
    assert round(wheel.stat().st_size / 1e6) == 29  # README, the pages and the note of the download
