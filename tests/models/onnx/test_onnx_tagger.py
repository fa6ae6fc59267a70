"""Exported taggers: scores equal to PyTorch's, files of strangers, memory, and that nothing needs PyTorch."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers import python
from hypothesis import given, strategies
from onnx import TensorProto, helper, numpy_helper

from tagging import (
    Tagger,
    build_tagger,
    list_backends,
    list_frontends,
    list_heads,
    list_pretrained,
    load_tagger,
    sound_path,
)
from tagging.errors import CheckpointError, ConfigError, TaggingError
from tagging.models.onnx.container import DESCRIPTION, check_model, fill, is_intact, metadata, with_metadata
from tagging.models.onnx.export import onnx_bytes
from tagging.models.onnx.onnx_tagger import OnnxTagger
from tagging.pretrained.graphs import FOLDER, Graph
from tagging.tags import Tag, Vocabulary
from tagging.utils.protobuf import field

VOCABULARY = Vocabulary(
    ["slow", Tag("energy", kind="regression"), Tag("major", "classification", "m"), Tag("x", "classification", "m")]
)
CARD = {"licence": "CC0", "thresholds": {"slow": 0.25}}


def build(frontend: str, backend: str, head: str = "linear") -> Tagger:
    seconds = 2.1 if frontend == "spectrogram-vgg" else 0.6
    tagger = build_tagger(frontend, backend, VOCABULARY, seconds, width=0.08, head=head).eval()
    tagger.card = dict(CARD)
    for module in tagger.modules():  # statistics and gains as training leaves them, of both signs
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return tagger


def check(runtime: OnnxTagger, tagger: Tagger) -> None:
    """Scores and embeddings of several batches are PyTorch's within 1e-5 (of the largest, for embeddings)."""
    for batch in (1, 2, 5):
        segments = 0.1 * np.random.default_rng(batch).standard_normal((batch, tagger.segment_samples)).astype(
            np.float32
        )
        np.testing.assert_allclose(runtime.scores(segments), tagger.scores(segments), rtol=0, atol=1e-5)
        features = tagger.embeddings(segments)
        np.testing.assert_allclose(
            runtime.embeddings(segments), features, rtol=0, atol=1e-5 * max(1, abs(features).max())
        )


@pytest.fixture(scope="module")
def plain() -> tuple[Tagger, bytes]:
    """A small tagger that is exported quickly, after some steps of training, and its file."""
    torch.manual_seed(0)
    tagger = build("waveform-frame-level", "dense").train()
    optimizer = torch.optim.Adam(tagger.parameters(), 1e-3)
    for _ in range(5):
        waveform, labels = 0.1 * torch.randn(4, tagger.segment_samples), torch.rand(4, len(VOCABULARY)).round()
        torch.nn.functional.binary_cross_entropy_with_logits(tagger(waveform), labels).backward()
        optimizer.step()
    return tagger.eval(), onnx_bytes(tagger)


@pytest.fixture
def file(plain, tmp_path) -> Path:
    path = tmp_path / "it.onnx"
    path.write_bytes(plain[1])
    return path


# Parity


@pytest.mark.parametrize("name", list_pretrained())
def test_pretrained_taggers_score_the_same(name):
    """Real music, in one run without PyTorch's networks and one with them."""
    runtime, tagger = load_tagger(name, runtime="onnx"), load_tagger(name)
    ours, theirs = runtime.tag(sound_path("greensleeves")), tagger.tag(sound_path("greensleeves"))
    np.testing.assert_allclose(ours.taggram, theirs.taggram, rtol=0, atol=1e-5)
    assert (runtime.vocabulary, runtime.card) == (tagger.vocabulary, tagger.card)
    np.testing.assert_array_equal(ours.times, theirs.times)
    assert ours.notes == theirs.notes


@pytest.mark.slow
@pytest.mark.parametrize("backend", list_backends())
@pytest.mark.parametrize("frontend", list_frontends())
def test_every_pair_scores_the_same(frontend, backend):
    tagger = build(frontend, backend)
    check(OnnxTagger.from_bytes(onnx_bytes(tagger), "it"), tagger)


@pytest.mark.slow
@pytest.mark.parametrize("head", list_heads())
def test_every_head_scores_the_same(head):
    tagger = build("waveform-frame-level", "dense", head)
    check(OnnxTagger.from_bytes(onnx_bytes(tagger), "it"), tagger)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["msd-musicnn", "mtt-vgg", "laptop-spectrogram-1M", "laptop-waveform-1M"])
def test_shipped_graphs_are_those_that_are_exported(name, tmp_path):
    """The graphs without weights in the package, against an export of today."""
    runtime, shipped = (
        OnnxTagger.load(load_tagger(name).export(tmp_path / "it.onnx")),
        load_tagger(name, runtime="onnx"),
    )
    segments = load_segments(runtime)
    np.testing.assert_allclose(runtime.scores(segments), shipped.scores(segments), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(path.stem for path in FOLDER.glob("*.onnx")))
def test_what_does_not_depend_on_the_sound_is_computed_once(kind, tmp_path):
    """Sines and cosines are constants once onnxruntime has loaded a file; three times as fast for a long spectrum."""
    graph = Graph(kind)
    model = fill(graph.model, {name: np.ones(shape, np.float32) for name, shape in graph.shapes().items()})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    operations = {node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node}
    assert "Conv" in operations
    assert operations & {"Sin", "Cos", "Range", "CastLike", "Sqrt"} == set()


def load_segments(tagger: OnnxTagger) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((3, tagger.segment_samples))).astype(np.float32)


def test_a_trained_tagger_scores_the_same(plain):
    check(OnnxTagger.from_bytes(plain[1], "it"), plain[0])


# The same object


def test_it_does_what_a_tagger_does(plain, file):
    tagger, runtime = plain[0], load_tagger(file)
    assert isinstance(runtime, OnnxTagger)
    assert (runtime.vocabulary, runtime.card, runtime.thresholds) == (VOCABULARY, CARD, {"slow": 0.25})
    sound = sound_path("greensleeves")
    for options in ({}, {"hop_seconds": 0.25}, {"batch_size": 7}):
        ours, theirs = runtime.tag(sound, **options), tagger.tag(sound, **options)
        np.testing.assert_allclose(ours.taggram, theirs.taggram, rtol=0, atol=1e-5)
    waveform = np.random.default_rng(0).standard_normal(44100).astype(np.float32) * 0.1
    np.testing.assert_allclose(
        runtime.tag_waveform(waveform, 22050).scores, tagger.tag_waveform(waveform, 22050).scores, rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(runtime.embed(sound), tagger.embed(sound), rtol=0, atol=1e-5)
    each = runtime.embed(sound, per_segment=True)
    assert each.shape == (len(runtime.tag(sound).times), tagger.backend.out_features)
    np.testing.assert_allclose(each.mean(axis=0), runtime.embed(sound), rtol=0, atol=1e-6)


def test_half_precision_and_the_spectrogram_are_made_where_asked(tmp_path):
    tagger = build("spectrogram-vgg", "dense")
    runtime = OnnxTagger.load(tagger.export(tmp_path / "it.onnx", half=True, log_mel=True))
    stored = {tensor.name: tensor.data_type for tensor in onnx.load(tmp_path / "it.onnx").graph.initializer}
    assert stored["frontend.blocks.0.conv.weight.float16"] == TensorProto.FLOAT16
    assert stored["frontend.blocks.0.conv.bias"] == stored["frontend.log_mel.bank"] == TensorProto.FLOAT
    segments = load_segments(runtime)
    np.testing.assert_allclose(runtime.scores(segments), tagger.scores(segments), rtol=0, atol=5e-3)
    with torch.inference_mode():
        expected = tagger.frontend.log_mel(torch.from_numpy(segments)).numpy()
    np.testing.assert_allclose(runtime.log_mel(segments), expected, rtol=0, atol=1e-5)


def test_what_cannot_be_exported_is_said(plain, file, tmp_path):
    tagger = plain[0]
    with pytest.raises(ConfigError, match=r"must end in \.onnx"):
        tagger.export(tmp_path / "it.safetensors")
    with pytest.raises(ConfigError, match="takes waveforms, not spectrograms"):
        tagger.export(tmp_path / "it.onnx", log_mel=True)
    with pytest.raises(ConfigError, match="export it with log_mel=True"):
        load_tagger(file).log_mel(load_segments(load_tagger(file)))
    with pytest.raises(ConfigError, match="runs on the CPU"):
        load_tagger(file, device="cuda")
    with pytest.raises(ConfigError, match="does not run ONNX files"):
        load_tagger(file, runtime="torch")
    with pytest.raises(ConfigError, match="unknown runtime 'tensorflow'"):
        load_tagger(file, runtime="tensorflow")
    with pytest.raises(ConfigError, match="expected \\[batch, samples\\]"):
        load_tagger(file).scores(np.zeros(100, np.float32))
    with pytest.raises(TaggingError, match="onnxruntime cannot compute logits"):
        load_tagger(file).scores(np.zeros((1, 10), np.float32))


# Files of strangers


def changed(model: bytes, change, **description) -> bytes:
    """A model with another graph or description and a digest that is right."""
    proto = onnx.load_from_string(model)
    about = {**json.loads(metadata(model)[DESCRIPTION]), **description}
    change(proto)
    return with_metadata(proto.SerializeToString(), json.dumps(about))


def external(proto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def external_attribute(proto) -> None:
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [0.0])
    value.external_data.add(key="location", value="../secret")
    proto.graph.node.append(helper.make_node("Constant", [], ["unused"], value=value))


def endless(proto) -> None:
    body = helper.make_graph([], "body", [], [])
    proto.graph.node.append(helper.make_node("Loop", ["", ""], ["unused"], body=body))


def nested(proto) -> None:
    graph = helper.make_graph([], "body", [], [])
    for _ in range(5):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], then_branch=graph)], "body", [], [])
    proto.graph.node.append(helper.make_node("If", ["c"], ["unused"], then_branch=graph))


def of_another_domain(proto) -> None:
    proto.graph.node.append(helper.make_node("Run", [], ["unused"], domain="com.example"))


def infinite(proto) -> None:
    tensor = next(t for t in proto.graph.initializer if t.name.endswith("linear.weight"))
    tensor.raw_data = np.full(tensor.dims, np.inf, np.float32).tobytes()


def renamed(proto) -> None:
    proto.graph.output[0].name = "something"


def enormous(proto) -> None:
    """3 * 10^9 numbers, which the arena refuses."""
    size = numpy_helper.from_array(np.array([3, 10**9]), "size")
    proto.graph.initializer.append(size)
    last = next(node for node in proto.graph.node if "logits" in node.output)
    last.output[0] = "small"
    proto.graph.node.append(helper.make_node("ReduceMean", ["waveform"], ["one"], keepdims=0))
    proto.graph.node.append(helper.make_node("Expand", ["one", "size"], ["big"]))
    proto.graph.node.append(helper.make_node("ReduceMax", ["big"], ["top"], keepdims=0))
    proto.graph.node.append(helper.make_node("Add", ["small", "top"], ["logits"]))


CHANGES = [
    (external, {}, "in another file"),
    (external_attribute, {}, "in another file"),
    (endless, {}, "Loop runs a graph of its own"),
    (nested, {}, "If runs a graph of its own"),
    (of_another_domain, {}, r"com\.example\.Run is none of ONNX's own"),
    (infinite, {}, "NaN or infinite weights in"),
    (renamed, {}, "onnxruntime cannot run it"),
    (lambda proto: None, {"format": "tagging-onnx/99"}, "update the package"),
    (lambda proto: None, {"sample_rate": 1e9}, "sample_rate"),
    (lambda proto: None, {"segment_samples": 2**40}, "segment_samples"),
    (lambda proto: None, {"hop_samples": 1}, "may overlap"),
    (lambda proto: None, {"tags": []}, "tags"),
    (lambda proto: None, {"tags": [{"name": "a"}, {"name": "a"}]}, "given twice"),
    (lambda proto: None, {"card": {"x": "y" * 2**24}}, "16,777,216"),
    (lambda proto: None, {"surprise": 1}, "surprise"),
]


@pytest.mark.parametrize(("change", "description", "message"), CHANGES)
def test_a_strangers_file_is_refused(plain, tmp_path, change, description, message):
    path = tmp_path / "it.onnx"
    path.write_bytes(changed(plain[1], change, **description))
    with pytest.raises(CheckpointError, match=f"{path}: .*{message}"):
        load_tagger(path)


def test_memory_is_bounded(plain):
    runtime = OnnxTagger.from_bytes(changed(plain[1], enormous), "it")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TaggingError, match="onnxruntime cannot compute"):
        runtime.scores(load_segments(runtime))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB


def test_other_tags_than_outputs_are_noticed(plain):
    runtime = OnnxTagger.from_bytes(changed(plain[1], lambda proto: None, tags=[{"name": "a"}]), "it")
    with pytest.raises(TaggingError, match="logits of shape"):
        runtime.scores(load_segments(runtime))


def test_files_of_other_kinds_are_refused(plain, tmp_path):
    bare = onnx.load_from_string(plain[1])
    del bare.metadata_props[:]
    cases = {
        "empty": (b"", "without a description"),
        "text": (b"hello" * 1000, "not a tagger in an ONNX file"),
        "number": (field(14, field(1, 2**40) + field(2, "")), "a number where a text is expected"),  # not 2**40 bytes
        "cut": (plain[1][:-1000], ""),
        "bare": (bare.SerializeToString(), "without a description of its tags"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / f"{name}.onnx").write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{name}.onnx: .*{message}"):
            load_tagger(tmp_path / f"{name}.onnx")
    for name in ("missing.onnx", "folder.onnx"):
        (tmp_path / "folder.onnx").mkdir(exist_ok=True)
        with pytest.raises(CheckpointError, match="no such file"):
            load_tagger(tmp_path / name)


@given(data=strategies.data())
def test_every_damage_is_noticed(plain, data):
    model = bytearray(plain[1])
    position = data.draw(strategies.integers(0, len(model) - 1))
    model[position] ^= data.draw(strategies.integers(1, 255))
    assert not is_intact(bytes(model))
    with pytest.raises(CheckpointError):
        OnnxTagger.from_bytes(bytes(model), "it")


@given(noise=strategies.binary(max_size=300))
def test_noise_ends_in_an_error(noise):
    with pytest.raises(CheckpointError):
        OnnxTagger.from_bytes(noise, "it")
    with pytest.raises(ValueError):
        check_model(noise)


# Without PyTorch


def test_pytorch_is_not_imported(file):
    """Nor what else takes long to import: of a command, of a file, and of every pretrained tagger."""
    sound = str(sound_path("greensleeves"))
    result = python(
        f"""
        import sys

        class NoTorch:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("torch", "onnx", "onnxscript", "matplotlib", "pandas"):
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, NoTorch())
        import tagging
        from tagging import cli
        sound = {sound!r}
        for name in ["msd-musicnn", "laptop-waveform-1M", "laptop-spectrogram-1M", {str(file)!r}]:
            tagger = tagging.load_tagger(name, runtime="onnx")
            assert tagger.tag(sound).top(1) and tagger.embed(sound).ndim == 1
        assert cli.main(["tag", sound, "--model", {str(file)!r}]) == 0
        assert cli.main(["tag", sound, "--json"]) == 0
        print("pydantic" in sys.modules, "torch" in sys.modules)
        """
    )
    assert result.stdout.splitlines()[-1] == "True False", result.stderr


def test_a_song_of_hours_takes_the_memory_of_seconds():
    """Peak memory of half an hour against that of half a minute, in one process."""
    result = python(
        """
        import resource
        import numpy as np
        import tagging

        def blocks(seconds):
            for start in range(0, seconds, 10):
                yield np.sin(np.arange(160_000, dtype=np.float32) * (0.01 + start % 7 / 100))

        tagger = tagging.load_tagger("laptop-waveform-1M", runtime="onnx")
        tagger.tag_blocks(blocks(30))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tagger.tag_blocks(blocks(1800))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        """
    )
    assert int(result.stdout) < 20_000, result.stderr  # KiB
