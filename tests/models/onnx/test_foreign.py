"""ONNX taggers of other programs, with a card: what they compute against NumPy, and what is said of those that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tagging import cli, load_tagger, sound_path
from tagging.audio.mel import PRESETS, LogMel
from tagging.audio.mel_spec import MelSpec, log_mel_array
from tagging.errors import CheckpointError, ConfigError, TaggingError
from tagging.models.onnx.foreign import ForeignTagger

CLASSES = ["rock", "jazz", "folk"]
SAMPLES, FRAMES, BANDS = 4000, 20, 16
SMALL = {"n_fft": 256, "hop_length": 200, "n_mels": BANDS, "pad_mode": "none"}
MEL = MelSpec(sample_rate=8000, **SMALL)
WEIGHTS = np.random.default_rng(0).standard_normal((FRAMES * BANDS, 3)).astype(np.float32) / 20


def write(folder: Path, shape: list, nodes: list, outputs: dict[str, list], weights: np.ndarray, **card) -> Path:
    """A model ``it.onnx`` that takes ``x``, with its card."""
    graph = helper.make_graph(
        nodes,
        "it",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in outputs.items()],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([0, -1]), "flat")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = folder / "it.onnx"
    onnx.save(model, path)
    about = {"classes": CLASSES, "inference": {"sample_rate": 8000}, "licence": "CC0", **card}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


DENSE = [helper.make_node("Reshape", ["x", "flat"], ["features"]), helper.make_node("MatMul", ["features", "w"], ["y"])]
SIGMOID = helper.make_node("Sigmoid", ["y"], ["scores"])


def waveform_model(folder: Path, shape=("batch", SAMPLES), **card) -> Path:
    weights = np.random.default_rng(1).standard_normal((SAMPLES, 3)).astype(np.float32)
    return write(
        folder, list(shape), DENSE, {"y": ["batch", 3]}, weights, **{"tagging": {"activation": "sigmoid"}, **card}
    )


def mel_model(folder: Path, shape, **card) -> Path:
    outputs = {"scores": ["batch", 3], "features": ["batch", FRAMES * BANDS]}
    return write(folder, shape, [*DENSE, SIGMOID], outputs, WEIGHTS, **card)


def sound(seconds: float = 2, rate: int = 8000) -> np.ndarray:
    return (0.1 * np.random.default_rng(2).standard_normal(round(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_spectrogram_is_that_of_pytorch(preset):
    spec = PRESETS[preset]
    segments = np.stack([sound(1, spec.sample_rate), 3 * sound(1, spec.sample_rate)[::-1]])
    expected = LogMel(spec)(torch.from_numpy(segments)).numpy()
    ours = log_mel_array(segments, spec)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=1e-4 if spec.round_to_float16 else 1e-5, atol=1e-4)


def test_a_model_of_waveforms(tmp_path):
    tagger = load_tagger(waveform_model(tmp_path))
    assert isinstance(tagger, ForeignTagger)
    assert (tagger.vocabulary.names, tagger.segment_seconds, tagger.card["licence"]) == (tuple(CLASSES), 0.5, "CC0")
    waveform = sound()
    result = tagger.tag_waveform(waveform, 8000)
    weights = np.random.default_rng(1).standard_normal((SAMPLES, 3)).astype(np.float32)
    expected = 1 / (1 + np.exp(-waveform.reshape(4, SAMPLES) @ weights))
    np.testing.assert_allclose(result.taggram, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(tagger.tag_waveform(waveform, 8000, batch_size=3).taggram, result.taggram, atol=1e-6)
    assert len(tagger.logits(waveform.reshape(4, SAMPLES))) == 4
    assert tagger.tag(sound_path("greensleeves")).top(1)
    with pytest.raises(ConfigError, match="names no embeddings"):
        tagger.embed_waveform(waveform, 8000)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        (["batch", FRAMES, BANDS], (0, 2, 1)),
        (["batch", 1, BANDS, FRAMES], (0, 1, 2)),
        ([6, FRAMES, BANDS], (0, 2, 1)),
        (["batch", "time", BANDS], (0, 2, 1)),
    ],
)
def test_a_model_of_spectrograms(tmp_path, shape, order):
    """Whatever the order of the axes, with a channel or without, for a fixed batch, or with a length that only the card says."""
    schema = {
        "inputs": [{"name": "x", "shape": ["batch", FRAMES, BANDS]}],
        "outputs": [
            {"name": "scores", "op": "Sigmoid", "output_purpose": "predictions"},
            {"name": "features", "output_purpose": "embeddings"},
        ],
    }
    thresholds = {"jazz": 0.4}
    path = mel_model(tmp_path, shape, schema=schema, tagging={"mel": SMALL, "thresholds": thresholds})
    tagger = load_tagger(path)
    assert (tagger.segment_samples, tagger.hop_samples) == ((FRAMES - 1) * 200 + 256, FRAMES * 200)
    assert tagger.thresholds == thresholds
    waveform = sound(4)
    mel = log_mel_array(np.stack([waveform[i * 4000 :][: tagger.segment_samples] for i in range(7)]), MEL)
    features = mel.transpose(order).reshape(7, -1)
    result = tagger.tag_waveform(waveform, 8000)
    np.testing.assert_allclose(result.taggram, 1 / (1 + np.exp(-features @ WEIGHTS)), rtol=0, atol=1e-5)
    np.testing.assert_allclose(tagger.embed_waveform(waveform, 8000, per_segment=True), features, rtol=0, atol=1e-5)
    with pytest.raises(ConfigError, match="no logits"):
        tagger.logits(mel[:, 0])


def test_musicnn_as_essentia_publishes_it(tmp_path, capsys):
    """Fields and input of a card of that family: [batch, 187, 96], names of another format in the schema."""
    weights = np.random.default_rng(3).standard_normal((187 * 96, 3)).astype(np.float32) / 500
    schema = {
        "inputs": [{"name": "model/Placeholder", "type": "float", "shape": [187, 96]}],
        "outputs": [{"name": "model/Sigmoid", "shape": [1, 3], "op": "Sigmoid", "output_purpose": "predictions"}],
    }
    inference = {"sample_rate": 16000, "algorithm": "TensorflowPredictMusiCNN"}
    path = write(
        tmp_path,
        ["batch", 187, 96],
        [*DENSE, SIGMOID],
        {"scores": ["batch", 3]},
        weights,
        inference=inference,
        schema=schema,
    )
    tagger, musicnn = load_tagger(path), load_tagger("msd-musicnn", runtime="onnx")
    assert (tagger.segment_samples, tagger.hop_samples) == (musicnn.segment_samples, musicnn.hop_samples)
    assert cli.main(["tag", str(sound_path("greensleeves")), "--model", str(path)]) == 0
    assert "rock" in capsys.readouterr().out


BAD_CARDS = [
    ({"classes": []}, "classes"),
    ({"classes": ["a", "a", "b"]}, "given twice"),
    ({"classes": ["a", "b"]}, r"of shape \(1, 3\), where \(1, 2\)"),
    ({"inference": {}}, "sample_rate"),
    ({"inference": {"sample_rate": "8000"}}, "sample_rate='8000'"),
    ({"inference": {"sample_rate": 8000, "algorithm": "TensorflowPredictVGGish"}}, "its input is not known here"),
    ({"tagging": {"surprise": 1}}, "surprise"),
    ({"tagging": {}}, "does the output y hold scores"),
    ({"tagging": {"activation": "none"}}, None),
    ({"tagging": {"activation": "relu"}}, "activation"),
    ({"tagging": {"activation": "sigmoid", "hop_seconds": 1e-4}}, "may overlap"),
    ({"tagging": {"activation": "sigmoid", "thresholds": {"metal": 0.5}}}, "thresholds.*metal"),
    ({"tagging": {"activation": "sigmoid", "mel": "paper"}}, "16000 Hz, inference.sample_rate is 8000"),
    ({"tagging": {"activation": "sigmoid", "mel": "papre"}}, "did you mean 'paper'"),
    ({"tagging": {"activation": "sigmoid", "mel": SMALL}}, "spectrogram .* is expected"),
    ({"tagging": {"activation": "sigmoid", "mel": {**SMALL, "n_mel": 1}}}, "n_mel"),
]


@pytest.mark.parametrize(("card", "message"), BAD_CARDS)
def test_a_card_that_does_not_fit_is_said(tmp_path, card, message):
    path = waveform_model(tmp_path, **card)
    if message is None:  # of silence the outputs are 0, so a score; of music they are not
        with pytest.raises(TaggingError, match="outside \\[0, 1\\]"):
            load_tagger(path).tag_waveform(10 * sound().clip(-0.1, 0.1), 8000)
        return
    with pytest.raises(CheckpointError, match=message):
        load_tagger(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"classes": ' + "[" * 10_000, "\0", '"text"'])
def test_a_card_of_another_kind_is_said(tmp_path, text):
    path = waveform_model(tmp_path)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(CheckpointError, match="not a card of a tagger"):
        load_tagger(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("batch", "samples"), "give its numbers in the card"),
        ((SAMPLES,), "a waveform .* is expected"),
        (("batch", 2, SAMPLES), "a waveform .* is expected"),
        (("batch", 2**30), "at most"),
    ],
)
def test_a_shape_that_does_not_fit_is_said(tmp_path, shape, message):
    nodes = [helper.make_node("ReduceMax", ["x"], ["one"], keepdims=0), helper.make_node("Mul", ["one", "w"], ["y"])]
    weights = np.ones((1, 3), np.float32)
    path = write(tmp_path, list(shape), nodes, {"y": [1, 3]}, weights, tagging={"activation": "none"})
    with pytest.raises(CheckpointError, match=message):
        load_tagger(path)


def nested_if(depth: int):
    node = helper.make_node("Identity", ["x"], ["y"])
    for _ in range(depth):
        graph = helper.make_graph([node], "branch", [], [helper.make_empty_tensor_value_info("y")])
        node = helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=graph)
    return node


def chosen(path: Path, node) -> None:
    """Put a node before the rest of a model, as exports of PyTorch do where a shape is open."""
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    node.output[0] = "chosen"
    model.graph.node[0].input[0] = "chosen"
    model.graph.node.insert(0, node)
    onnx.save(model, path)


@pytest.mark.parametrize("depth", [1, 4])
def test_branches_are_run(tmp_path, depth):
    path = waveform_model(tmp_path)
    before = load_tagger(path).tag_waveform(sound(), 8000)
    chosen(path, nested_if(depth))
    np.testing.assert_array_equal(load_tagger(path).tag_waveform(sound(), 8000).taggram, before.taggram)


def loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    return helper.make_node("Loop", ["", "c"], ["y"], body=body)


def loop_in_branch():
    graph = helper.make_graph([loop()], "branch", [], [helper.make_empty_tensor_value_info("y")])
    return helper.make_node("If", ["c"], ["y"], then_branch=graph, else_branch=graph)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (loop(), "Loop runs a graph of its own"),
        (loop_in_branch(), "Loop runs a graph of its own"),
        (nested_if(5), "If runs a graph of its own"),
        (helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft"), "none of ONNX's own"),
    ],
)
def test_operations_that_might_not_end_are_refused(tmp_path, node, message):
    path = waveform_model(tmp_path)
    chosen(path, node)
    with pytest.raises(CheckpointError, match=f"it.onnx: .*{message}"):
        load_tagger(path)


def test_weights_in_other_files_are_refused(tmp_path):
    path = waveform_model(tmp_path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(CheckpointError, match="save it as one file"):
        load_tagger(path)


def test_without_a_card_the_message_asks_for_one(tmp_path):
    path = waveform_model(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match="needs a card beside it"):
        load_tagger(path)
