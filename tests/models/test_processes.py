"""Forks, spawned processes, workers and threads: the scores are those of one process and one thread, and nothing hangs."""

from __future__ import annotations

import copy
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
from helpers import python, tones
from torch import nn

import tagging
from tagging import Tagger, build_tagger, load_tagger
from tagging.errors import ConfigError
from tagging.models.base import evaluation_view

SOUND = tones(1.3, 16000)


def small(frontend: str = "spectrogram", backend: str = "temporal-pooling", **options) -> Tagger:
    torch.manual_seed(0)
    return build_tagger(frontend, backend, ["a", "b"], 0.5, width=0.1, **options)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Two threads that have worked: from now on a fork without them would wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.ones(4_000_000).exp().sum()
    yield
    torch.set_num_threads(before)


def in_fork(function: Callable[[], Any]) -> Any:
    """What a function returns in a forked process; an error if that takes a minute."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(function()))
    process.start()
    try:
        assert ours.poll(60), "the forked process hangs"
        return ours.recv()
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("frontend", ["spectrogram", "waveform"])
def test_a_fork_after_threads_tags_as_its_parent(frontend, two_threads):
    tagger = small(frontend)
    expected = tagger.tag_waveform(SOUND, 16000).taggram

    def work() -> tuple[int, float, np.ndarray]:
        parallel = torch.ones(4_000_000).exp().sum().item()  # a loop that the parent's threads would share
        return torch.get_num_threads(), parallel, tagger.tag_waveform(SOUND, 16000).taggram

    count, _, taggram = in_fork(work)
    assert count == 1
    np.testing.assert_allclose(taggram, expected, atol=1e-6)
    assert torch.get_num_threads() == 2  # the parent keeps its own


class Songs(torch.utils.data.Dataset):
    """Scores as items, computed in the workers of a DataLoader."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger = tagger

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> np.ndarray:
        return self.tagger.tag_waveform(np.roll(SOUND, index), 16000).scores


def test_workers_of_a_data_loader_tag_as_their_parent(two_threads):
    songs = Songs(small())
    loader = torch.utils.data.DataLoader(songs, batch_size=None, num_workers=2, timeout=60)
    for index, scores in enumerate(loader):
        np.testing.assert_allclose(scores, songs[index], atol=1e-6)


@pytest.mark.slow
def test_a_spawned_process_tags_as_its_parent():
    tagger = small().eval()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.apply_async(tagger.tag_waveform, (SOUND, 16000)).get(120)
    np.testing.assert_array_equal(result.taggram, tagger.tag_waveform(SOUND, 16000).taggram)


def test_one_and_two_threads_score_the_same_to_the_bit(two_threads):
    for name in ("laptop-spectrogram-100k", "laptop-waveform-100k"):
        tagger = load_tagger(name)
        two = tagger.tag_waveform(tones(3.5, 16000), 16000).taggram
        torch.set_num_threads(1)
        np.testing.assert_array_equal(tagger.tag_waveform(tones(3.5, 16000), 16000).taggram, two)
        torch.set_num_threads(2)


@pytest.mark.parametrize("training", [True, False])
def test_eight_threads_share_one_tagger(training):
    tagger = small(dropout=0.5).train(training)
    sounds = [tones(seconds, 16000) for seconds in (0.5, 0.6, 1.1, 2.2) * 4]
    before = copy.deepcopy(tagger.state_dict())
    expected = [tagger.tag_waveform(sound, 16000).taggram for sound in sounds]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda sound: tagger.tag_waveform(sound, 16000).taggram, sounds))
    for result, alone in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, alone)
    assert all(module.training is training for module in tagger.modules())
    for name, tensor in tagger.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_one_thread_trains_while_another_tags():
    """Each has its mode: the statistics of batches move, dropout drops, and the scores are those of evaluation mode."""
    tagger = small("waveform", dropout=0.5, norm_momentum=1e-9).train()
    expected = tagger.tag_waveform(SOUND, 16000).taggram
    done, modes = threading.Event(), set()

    def train() -> None:
        while not done.is_set():
            tagger(torch.randn(2, 8000)).sum().backward()
            modes.update(module.training for module in tagger.modules())

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(30):
            np.testing.assert_allclose(tagger.tag_waveform(SOUND, 16000).taggram, expected, atol=1e-6)
    finally:
        done.set()
        thread.join()
    assert modes == {True}
    assert tagger.frontend.strided.norm.num_batches_tracked > 0


def test_a_view_shares_weights_hooks_and_forward_passes():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = self.second = nn.Dropout(0.5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    model = Twice()
    x = torch.ones(5)
    view = evaluation_view(model)
    assert torch.equal(view(x), x) and view.first is view.second and model.training
    model.forward = MethodType(lambda self, x: type(self).forward(self, x) + 1, model)  # as Accelerate replaces it
    assert torch.equal(evaluation_view(model)(x), x + 1)
    model.register_forward_hook(lambda module, inputs, output: output + 1)
    assert torch.equal(evaluation_view(model)(x), x + 2)
    evaluation_view(model).register_forward_hook(lambda module, inputs, output: 0 * output)
    assert torch.equal(evaluation_view(model)(x), x + 2)  # a hook of one view is nobody else's


# Types of numbers


@pytest.fixture(params=[torch.float64, torch.bfloat16, torch.float16], ids=str)
def default_dtype(request) -> Iterator[torch.dtype]:
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(torch.float32)


PAIRS = [
    *((frontend, "temporal-pooling") for frontend in tagging.list_frontends()),
    *(("spectrogram", backend) for backend in tagging.list_backends() if backend != "temporal-pooling"),
]
EACH_PART = pytest.mark.parametrize(("frontend", "backend"), PAIRS)


def of_parts(frontend: str, backend: str) -> Tagger:
    seconds = 1.1 if frontend == "spectrogram-vgg" else 0.5
    return build_tagger(frontend, backend, ["a", "b"], seconds, width=0.1, head="per-tag").eval()


@EACH_PART
def test_a_tagger_is_float32_whatever_the_default(frontend, backend, tmp_path, default_dtype):
    torch.set_default_dtype(torch.float32)
    tagger = of_parts(frontend, backend)
    expected = tagger.tag_waveform(SOUND, 16000).taggram
    path = tagger.save(tmp_path / "it.safetensors")
    torch.set_default_dtype(default_dtype)
    assert {tensor.dtype for tensor in of_parts(frontend, backend).state_dict().values()} <= {
        torch.float32,
        torch.int64,
    }
    again = load_tagger(path)
    np.testing.assert_array_equal(again.tag_waveform(SOUND, 16000).taggram, expected)
    assert again.save(tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    tagging.fuse(again).tag_waveform(SOUND, 16000)


@EACH_PART
@pytest.mark.parametrize(("dtype", "tolerance"), [("half", 5e-3), ("bfloat16", 4e-2), ("double", 1e-5)])
def test_taggers_of_other_types_score_the_same(frontend, backend, dtype, tolerance):
    tagger = of_parts(frontend, backend)
    expected = tagger.tag_waveform(SOUND, 16000).taggram
    for other in (getattr(copy.deepcopy(tagger), dtype)(), getattr(tagging.fuse(tagger), dtype)()):
        result = other.tag_waveform(SOUND, 16000)
        assert result.taggram.dtype == result.scores.dtype == np.float32
        np.testing.assert_allclose(result.taggram, expected, atol=tolerance)
    other = getattr(copy.deepcopy(tagger), dtype)()
    features = other.features(torch.from_numpy(SOUND[None, : tagger.segment_samples]))
    np.testing.assert_allclose(features["logits"].float().sigmoid(), expected[:1], atol=tolerance)
    tagging.fuse(other).tag_waveform(SOUND, 16000)
    np.testing.assert_allclose(other.float().tag_waveform(SOUND, 16000).taggram, expected, atol=tolerance)


def test_log_mel_stays_single_precision():
    mel = tagging.models.frontends.build_frontend("spectrogram").log_mel
    window = mel.window.clone()
    assert torch.equal(mel.half().double().bfloat16().window, window)
    assert mel.bank.dtype == torch.float32
    assert mel.to("meta").window.is_meta


def test_loading_imports_nothing_that_is_not_needed():
    result = python("""
        import sys
        import tagging
        tagging.load_tagger("laptop-waveform-100k")
        from tagging.pretrained import musicnn, pretrained_card
        musicnn.build("musicnn", pretrained_card("msd-musicnn")["tags"])
        print(sorted({"tensorflow", "musicnn", "librosa", "sklearn", "pandas"} & set(sys.modules)))
    """)
    assert result.stdout == "[]\n", result.stderr


# Inputs


WRONG = {
    "int64": torch.zeros(2, 8000, dtype=torch.int64),
    "int16": torch.zeros(2, 8000, dtype=torch.int16),
    "bool": torch.zeros(2, 8000, dtype=torch.bool),
    "complex": torch.zeros(2, 8000, dtype=torch.complex64),
    "one axis": torch.zeros(8000),
    "three axes": torch.zeros(2, 1, 8000),
    "no axis": torch.tensor(0.5),
    "array": np.zeros((2, 8000), np.float32),
    "list": [[0.0] * 8000] * 2,
    "nothing": None,
}


@pytest.mark.parametrize("frontend", tagging.list_frontends())
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_batch_of_waveforms_is_refused(frontend, kind):
    tagger = of_parts(frontend, "temporal-pooling")
    calls = [tagger, tagger.features, lambda x: tagging.renormalise(tagger, [x])]
    if isinstance(WRONG[kind], torch.Tensor):
        calls.append(tagger.frontend)
    for call in calls:
        with pytest.raises(ConfigError, match="a waveform of (type|shape)"):
            call(WRONG[kind])
    if frontend.startswith("spectrogram"):
        with pytest.raises(ConfigError, match="log-mel spectrogram of (type|shape)"):
            tagger.from_log_mel(WRONG[kind])


def test_floats_of_any_width_are_waveforms():
    tagger = of_parts("waveform", "temporal-pooling")
    waveform = torch.from_numpy(SOUND[None, :8000])
    with torch.inference_mode():
        assert torch.equal(tagger(waveform.double()), tagger(waveform))
        torch.testing.assert_close(tagger(waveform.half()), tagger(waveform), atol=0.02, rtol=0)
