"""The same numbers as the original TensorFlow networks; tests/reference/README.md says how those were made."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from tagging import Tagger, build_tagger, list_sounds, load_tagger, sound_path
from tagging.models.backends.temporal_pooling import TemporalPooling
from tagging.pretrained import list_musicnn
from tagging.pretrained.tf_names import load_tf_weights
from tagging.utils.files import sha256

EACH = pytest.mark.parametrize("name", list_musicnn())


@pytest.fixture(scope="module")
def stored(reference):
    return reference("musicnn")


@pytest.fixture(scope="module")
def log_mel(stored) -> torch.Tensor:
    """[3 patches, 96 bands, 187 frames]"""
    mel = np.log10(np.float32(10000) * stored["mel"].astype(np.float32) + np.float32(1))
    return torch.from_numpy(mel.transpose(0, 2, 1))


def scores(tagger: Tagger, log_mel: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return tagger.from_log_mel(log_mel).sigmoid().numpy()


def key(name: str, what: str) -> str:
    return f"{name.replace('-', '_')}__{what}"


@EACH
def test_taggram_from_the_same_log_mel(name, stored, log_mel):
    error = np.abs(scores(load_tagger(name), log_mel) - stored[key(name, "taggram")]).max()
    assert error < 1e-5


@EACH
def test_one_segment_at_a_time_gives_the_same(name, stored, log_mel):
    """As songs are tagged on a CPU."""
    tagger = load_tagger(name)
    computed = np.concatenate([scores(tagger, one[None]) for one in log_mel])
    assert np.abs(computed - stored[key(name, "taggram")]).max() < 1e-5


def close(computed: np.ndarray, expected: np.ndarray) -> None:
    assert computed.shape == expected.shape
    assert np.abs(computed - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["mtt-musicnn", "msd-musicnn"])
def test_features_of_musicnn(name, stored, log_mel):
    """Of every segment, where the original's own extractor repeats the first one's."""
    computed = load_tagger(name).features(log_mel, log_mel=True)
    frames = stored["musicnn_frames"]
    for feature in ("timbral", "temporal", "cnn1", "cnn2", "cnn3"):
        close(computed[feature][..., frames].transpose(1, 2).numpy(), stored[key(name, feature)])
    for feature in ("mean_pool", "max_pool", "penultimate"):
        close(computed[feature].numpy(), stored[key(name, feature)])


@pytest.mark.parametrize("name", ["mtt-vgg", "msd-vgg"])
def test_features_of_vgg(name, stored, log_mel):
    computed = load_tagger(name).features(log_mel, log_mel=True)
    for level in range(1, 5):
        one = computed[f"pool{level}"].numpy().transpose(0, 3, 2, 1)  # [patch, frame, band, channel]
        positions = np.ix_(
            range(3), stored[f"pool{level}_frames"], stored[f"pool{level}_bands"], stored["pool_channels"]
        )
        close(one[positions], stored[key(name, f"pool{level}")])
    close(computed["pool5"].numpy().transpose(0, 3, 2, 1), stored[key(name, "pool5")])


@EACH
@pytest.mark.parametrize("sound", list_sounds())
def test_taggrams_of_files(name, sound, reference):
    """From the Ogg file: decoding, resampling, log-mel and rounding are ours, and so is the cutting into segments."""
    stored = reference("sounds")
    assert str(stored[f"{sound}__sha256"]) == sha256(sound_path(sound)), (
        "the sound has changed: compute the reference values again"
    )
    expected = stored[f"{sound}__{name.replace('-', '_')}"]
    computed = load_tagger(name).tag(sound_path(sound)).taggram
    assert computed.shape == expected.shape
    # measured: 1.1e-5. Where a mel value lies between two half floats, the last bit of a transform decides which it becomes,
    # a step of 5e-4 of the value; processors differ in such bits. Without rounding the error would be 6e-5 or more.
    assert np.abs(computed - expected).max() < 4e-5


# Wrong choices must show: each of these is a trap of the original, and a test that let it pass would be worth nothing


def broken(tagger: Tagger, how: str) -> Tagger:
    if how == "epsilon of PyTorch":
        for module in tagger.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eps = 1e-5
    elif how == "even filters centred the other way":
        for block in tagger.frontend.temporal:
            block.padding = block.padding[::-1]
    elif how == "padding before the input norm":
        zero = tagger.frontend.input_norm(torch.zeros(1, 1, 1, 1)).item()  # what a frame of silence becomes
        for block in tagger.frontend.timbral:
            block.forward = with_padding_of(block, zero)
    elif how == "maximum and mean in blocks":
        units = tagger.backend.norm_pooled.num_features // 2
        order = torch.arange(2 * units).reshape(units, 2).T.flatten()
        tagger.backend.norm_pooled.register_forward_pre_hook(lambda _, x: (x[0][:, order],))
    return tagger


def with_padding_of(block: nn.Module, value: float):
    def forward(x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.pad(x, block.padding, value=value)
        return block.norm(torch.relu(block.conv(x))).amax(dim=2)

    return forward


@pytest.mark.parametrize(
    ("how", "at_least"),
    [
        ("epsilon of PyTorch", 0.05),
        ("even filters centred the other way", 0.05),
        ("padding before the input norm", 0.01),
        ("maximum and mean in blocks", 0.1),
    ],
)
def test_wrong_choices_break_parity(how, at_least, stored, log_mel):
    wrong = broken(load_tagger("mtt-musicnn"), how)
    assert np.abs(scores(wrong, log_mel) - stored["mtt_musicnn__taggram"]).max() > at_least


def test_the_stored_mel_catches_arithmetic_in_half_precision(stored, log_mel):
    """The product 10000 x mel in float16, as NumPy 2 would compute it, overflows; the reference knows how often."""
    with np.errstate(over="ignore"):
        product = np.float16(10000) * stored["mel"]
    assert np.isinf(product).sum() == 1004
    assert torch.isfinite(log_mel).all()


# The paper's models

PAPER = {"wave": ("waveform", "paper-waveform"), "spec": ("spectrogram", "paper-spectrogram")}


def recipe(stored: dict[str, np.ndarray], model: str) -> dict[str, np.ndarray]:
    """Weights drawn as tests/reference/README.md says, one variable after another."""
    rng = np.random.RandomState(int(stored["seed"]))
    variables = {}
    for name, shape in json.loads(str(stored[f"{model}__variables"])):
        last = name.rpartition("/")[2]
        if last == "kernel":
            value = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
            if name == "dense_1/kernel":
                value = value * float(stored[f"{model}__last_kernel_factor"])
        elif last in ("bias", "beta"):
            value = 0.1 * rng.standard_normal(shape)
        elif last == "gamma":
            value = rng.uniform(0.5, 1.5, shape)
            value = np.where(rng.uniform(size=shape) < 0.2, -value, value)
        elif last == "moving_mean":
            value = 0.2 * rng.standard_normal(shape)
        elif last == "moving_variance":
            value = rng.uniform(0.5, 1.5, shape)
        else:
            raise AssertionError(f"the recipe has no rule for {name}")
        variables[name] = np.asarray(value, dtype=np.float32)
    first = np.array([value.ravel()[0] for value in variables.values()])
    np.testing.assert_array_equal(first, stored[f"{model}__first_values"])
    return variables


@pytest.fixture(scope="module", params=list(PAPER))
def paper(request, reference):
    """Name, tagger with the recipe's weights, its input, and the stored numbers."""
    model, stored = request.param, reference("paper")
    frontend, layout = PAPER[model]
    tagger = build_tagger(frontend, "temporal-pooling", [f"tag{index}" for index in range(50)])
    load_tf_weights(tagger, recipe(stored, model), layout)
    if model == "wave":
        sound = 0.1 * np.random.RandomState(7).standard_normal((2, 240_000))
    else:
        sound = np.random.RandomState(8).uniform(0, 4, (2, 938, 96)).transpose(0, 2, 1)
    return model, tagger, torch.from_numpy(np.ascontiguousarray(sound, dtype=np.float32)), stored


def test_the_papers_models(paper):
    model, tagger, sound, stored = paper
    computed = tagger.features(sound, log_mel=model == "spec")
    logits = computed["logits"].numpy()
    assert np.abs(1 / (1 + np.exp(-logits)) - stored[f"{model}__probabilities"]).max() < 1e-5  # the issue asks for 1e-4
    assert np.abs(logits - stored[f"{model}__logits"]).max() < 1e-4
    frames = stored[f"{model}__frames"]
    close(computed["frontend"][..., frames].transpose(1, 2).numpy(), stored[f"{model}__frontend"])


def probabilities(model: str, tagger: Tagger, sound: torch.Tensor) -> np.ndarray:
    return tagger.features(sound, log_mel=model == "spec")["logits"].sigmoid().numpy()


def test_the_papers_models_are_sensitive_to_the_epsilon(paper, monkeypatch):
    model, tagger, sound, stored = paper
    for module in tagger.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            monkeypatch.setattr(module, "eps", 1e-5)
    assert np.abs(probabilities(model, tagger, sound) - stored[f"{model}__probabilities"]).max() > 3e-4


def test_the_papers_models_are_sensitive_to_the_order_of_norm_and_pool(paper, monkeypatch):
    """A fifth of the gains are negative, so that normalisation and maximum do not commute."""
    model, tagger, sound, stored = paper
    if model == "wave":
        for conv in tagger.frontend.convs:
            norm, pool = conv.norm, conv.pool
            monkeypatch.setattr(conv, "forward", lambda x, c=conv.conv, n=norm, p=pool: n(p(torch.relu(c(x)))))
    else:
        for block in tagger.frontend.timbral:
            monkeypatch.setattr(block, "forward", lambda x, b=block: pooled_first(b, x))
    assert np.abs(probabilities(model, tagger, sound) - stored[f"{model}__probabilities"]).max() > 1e-2


def pooled_first(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = torch.relu(block.conv(nn.functional.pad(x, block.padding))).amax(dim=2, keepdim=True)
    return block.norm(x)[:, :, 0]


def test_the_papers_models_are_sensitive_to_interleaving(paper, monkeypatch):
    model, tagger, sound, stored = paper
    order = torch.arange(1024).reshape(512, 2).T.flatten()
    dense = tagger.backend.dense.linear
    monkeypatch.setattr(dense, "forward", lambda x: nn.functional.linear(x[:, order], dense.weight, dense.bias))
    assert np.abs(probabilities(model, tagger, sound) - stored[f"{model}__probabilities"]).max() > 0.05


def test_the_back_end_has_one_norm_for_all_filters(paper):
    _, tagger, _, _ = paper
    assert isinstance(tagger.backend, TemporalPooling)
    sizes = [getattr(tagger.backend, f"cnn{index}").norm.num_features for index in (1, 2, 3)]
    assert sizes == [512, 1, 1]
