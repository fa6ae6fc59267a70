"""Audio models of ``transformers`` as taggers: tiny ones with random weights, saved and loaded again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers import tones
from songs import make_songs

import tagging
from tagging.cli import main
from tagging.pretrained.transformers_tagger import TransformersTagger, transformers_digest
from tagging.training.embedders import embedder

transformers = pytest.importorskip("transformers")
LABELS = {0: "rock", 1: "pop", 2: "jazz"}


def wav2vec2(folder: Path, kind: str = "Wav2Vec2ForSequenceClassification", **options) -> str:
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8, 8),
        conv_stride=(10, 8), conv_kernel=(10, 8), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, id2label=LABELS, label2id={v: k for k, v in LABELS.items()},
        **options,
    )  # fmt: skip
    getattr(transformers, kind)(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)
    return f"hf:{folder}"


def ast(folder: Path) -> str:
    torch.manual_seed(0)
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_length=100, num_mel_bins=32,
        id2label=LABELS, label2id={v: k for k, v in LABELS.items()}, problem_type="multi_label_classification",
    )  # fmt: skip
    transformers.ASTForAudioClassification(config).save_pretrained(folder)
    transformers.ASTFeatureExtractor(max_length=100, num_mel_bins=32).save_pretrained(folder)
    return f"hf:{folder}"


@pytest.mark.parametrize(
    ("make", "rate", "seconds", "is_exclusive"), [(wav2vec2, 8000, 10.0, True), (ast, 16000, 1.0, False)]
)
def test_a_classifier_tags_songs_by_segments(tmp_path, make, rate, seconds, is_exclusive):
    tagger = tagging.load_tagger(make(tmp_path / "model"))
    assert (tagger.sample_rate, tagger.segment_seconds) == (rate, seconds)
    assert list(tagger.vocabulary.names) == list(LABELS.values())
    assert bool(tagger.vocabulary.exclusive_groups) is is_exclusive
    waveform = tones(2.5 * seconds, rate)
    result = tagger.tag_waveform(waveform, rate)
    segments = [waveform[row * tagger.segment_samples :][: tagger.segment_samples] for row in range(2)]
    inputs = tagger.extractor(segments, sampling_rate=rate, return_tensors="pt")
    with torch.inference_mode():
        outputs = tagger.model(**inputs, output_hidden_states=True)
    expected = outputs.logits.softmax(-1) if is_exclusive else outputs.logits.sigmoid()
    np.testing.assert_allclose(result.taggram, expected, atol=1e-5)
    np.testing.assert_allclose(result.scores, expected.mean(0), atol=1e-5)
    vectors = tagger.embed_waveform(waveform, rate, per_segment=True)
    np.testing.assert_allclose(vectors, outputs.hidden_states[-1].mean(1), atol=1e-5)
    assert vectors.shape == (2, 16) == (2, tagger.num_features)


def test_commands_take_it_by_its_name(tmp_path, capsys):
    name = ast(tmp_path / "model")
    make_songs(tmp_path / "songs", 24, seconds=0.5)
    song = tmp_path / "song.wav"
    soundfile.write(song, tones(2.2, 22050), 22050)
    assert main(["tag", str(song), "--model", name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["model"] == name and "rock" in json.dumps(shown)
    source = ["--root", str(tmp_path / "songs" / "music"), "--labels", str(tmp_path / "songs" / "tags.csv")]
    assert main(["probe", name, *source, "--folds", "2", "--workers", "1", "--quiet"]) == 0
    assert "32 features" in capsys.readouterr().out
    assert embedder(name).name != embedder(name, "mean").name


def test_a_library_is_tagged_with_it(tmp_path, capsys):
    name, table = ast(tmp_path / "model"), str(tmp_path / "tags.csv")
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music" / "song.wav", tones(2.2, 22050), 22050)
    for expected in ("1 tagged", "0 tagged"):
        assert main(["tag-library", str(tmp_path / "music"), "--out", table, "--model", name]) == 0
        shown = capsys.readouterr()
        assert expected in shown.out + shown.err
    assert "rock" in Path(table).read_text().splitlines()[0]
    digest = transformers_digest(name)
    ast(tmp_path / "other")
    assert transformers_digest(f"hf:{tmp_path / 'model'}") == digest
    encoder = wav2vec2(tmp_path / "encoder", "Wav2Vec2Model")
    assert main(["tag-library", str(tmp_path / "music"), "--out", table, "--model", encoder]) != 0
    assert "a model without tags" in capsys.readouterr().err


def test_an_encoder_embeds_and_has_no_tags(tmp_path):
    tagger = tagging.load_tagger(wav2vec2(tmp_path / "model", "Wav2Vec2Model"))
    assert isinstance(tagger, TransformersTagger) and not tagger.is_classifier
    assert tagger.embed_waveform(tones(1.0, 8000), 8000).shape == (16,)
    with pytest.raises(tagging.TaggingError, match="an encoder without tags"):
        tagger.tag_waveform(tones(1.0, 8000), 8000)


SETTINGS = {
    "rate": ("preprocessor_config.json", {"sampling_rate": "x"}),
    "no rate": ("preprocessor_config.json", {"sampling_rate": None}),
    "negative rate": ("preprocessor_config.json", {"sampling_rate": -16000}),
    "long": ("preprocessor_config.json", {"n_samples": 10**13}),
    "labels": ("config.json", {"id2label": {"0": "rock", "7": "jazz"}}),
    "heads": ("config.json", {"num_attention_heads": 0}),
    "fewer layers": ("config.json", {"num_hidden_layers": 0}),
}
DAMAGES = ["pickle", "code", "head", "extractor", "config", "folder", "cut", "empty", "noise", *SETTINGS]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_trusted_or_read_is_refused(tmp_path, damage):
    folder = tmp_path / "model"
    name = wav2vec2(folder)
    weights = folder / "model.safetensors"
    if damage == "pickle":
        from safetensors.torch import load_file

        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    elif damage == "code":
        config = json.loads((folder / "config.json").read_text()) | {"model_type": "own"}
        config["auto_map"] = {"AutoConfig": "own.Config"}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "own.py").write_text("raise SystemExit('code of a model was run')")
    elif damage == "head":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        save_file({key: value for key, value in tensors.items() if "classifier" not in key}, weights, {"format": "pt"})
    elif damage == "extractor":
        (folder / "preprocessor_config.json").unlink()
    elif damage in ("cut", "empty", "noise"):
        content = weights.read_bytes()
        weights.write_bytes({"cut": content[:-100], "empty": b"", "noise": bytes(range(256)) * 9}[damage])
    elif damage in SETTINGS:
        file, changes = SETTINGS[damage]
        settings = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(settings | changes))
    elif damage == "config":
        (folder / "config.json").write_text("{")
    else:
        name = f"hf:{tmp_path / 'nowhere'}"
    with pytest.raises(tagging.CheckpointError, match=r"^hf:"):
        tagging.load_tagger(name)
