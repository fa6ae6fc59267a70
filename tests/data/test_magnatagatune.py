"""MagnaTagATune: three ways to split it, its fixed list of tags, dead files, shared artists; fetched from a loopback server."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones
from loopback import serving

import tagging
from tagging.cli import main
from tagging.data.magnatagatune import COUNTS, DEAD, LEE_TOP50, NUM_TAGS, TOP50, read_annotations
from tagging.errors import ConfigError, CorpusError
from tagging.training.parts import open_part
from tagging.training.settings import DataSettings

# in another order than TOP50, as in the real file, among tags that are not in it
HEADER = [*(f"rare {number}" for number in range(NUM_TAGS - 50)), *sorted(TOP50)]
CLIPS = {
    "2": ("f/ana-album-01-song-0-29.mp3", ["guitar", "metal"]),
    "6": ("f/ben-album-01-song-0-29.mp3", ["rare 3"]),
    "10": ("c/cleo-album-01-song-0-29.mp3", ["female voice"]),
    "11": ("c/ana-album-02-song-0-29.mp3", []),
    "14": ("0/ana-album-03-song-0-29.mp3", ["metal"]),
    "19": ("b/dora-album-01-song-0-29.mp3", ["rock", "rare 1"]),
    "22": ("a/dora-album-02-song-0-29.mp3", []),
    "55753": (DEAD["55753"], ["guitar"]),
}


def annotations(clips: dict[str, tuple[str, list[str]]] = CLIPS, header: list[str] = HEADER) -> str:
    """The text of a file as published: tabs, quoted cells, a name that says otherwise."""
    rows = [["clip_id", *header, "mp3_path"]]
    rows += [[clip, *(str(int(tag in tags)) for tag in header), path] for clip, (path, tags) in clips.items()]
    return "".join("\t".join(f'"{cell}"' for cell in row) + "\n" for row in rows)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "annotations_final.csv").write_text(annotations())
    return tmp_path


def corpus(root: Path, split: str, **options):
    return tagging.open_corpus("magnatagatune", root=root, split=split, strict=False, **options)


@pytest.mark.parametrize(
    ("split", "clips"),
    [
        ("pons/train", {"14", "19", "22"}),
        ("pons/validation", {"10", "11"}),
        ("pons/test", {"2", "6"}),
        ("lee/train", {"14", "19"}),
        ("lee/valid", {"10"}),
        ("lee/test", {"2"}),
        ("won/train", {"14", "19"}),
        ("train", {"14", "19"}),
    ],
)
def test_splits(root: Path, split, clips):
    data = corpus(root, split)
    assert set(data.ids) == clips
    assert data.vocabulary.names == TOP50
    assert data.split == {"lee/valid": "lee/validation", "train": "lee/train"}.get(split, split)


def test_labels_are_found_by_name(root: Path):
    data = corpus(root, "lee/train")
    labels = dict(zip(data.ids, data.labels_of(np.arange(2)), strict=True))
    assert [TOP50[row] for row in np.flatnonzero(labels["14"])] == ["metal"]
    assert [TOP50[row] for row in np.flatnonzero(labels["19"])] == ["rock"]
    assert (TOP50[47], TOP50[48]) == ("metal", "female voice")
    assert (LEE_TOP50[47], LEE_TOP50[48]) == ("female voice", "metal")
    assert sorted(LEE_TOP50) == sorted(TOP50)
    everything = corpus(root, "lee/train", tags="all")
    assert everything.vocabulary.names == tuple(HEADER)
    assert everything.tag_counts()["rare 1"] == 1


def test_dead_files_and_shared_artists_are_said(root: Path):
    assert "55753" not in corpus(root, "pons/train").ids
    assert any("1 clips are left out" in note for note in corpus(root, "won/train").notes)
    data = corpus(root, "lee/test")
    assert data[0].group == "ana"
    assert "1 of the 2 artists in these folders are in the training folders too" in data.notes
    assert any("magnatagatune, lee/test: 1 of the 2 artists" in line for line in data.remarks())


def test_counts_are_those_published(root: Path):
    with pytest.raises(
        CorpusError, match=r"8 clips in annotations_final.csv, where 25,863 are published.*strict=False"
    ):
        tagging.open_corpus("magnatagatune", root=root, split="lee/train")
    assert any("2 clips of lee/train, where 15,244 are published" in note for note in corpus(root, "lee/train").notes)
    # `won` counts the dead clips in
    assert any("3 clips of won/train, where 15,247 are published" in note for note in corpus(root, "won/train").notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id,guitar,mp3_path\n", "separated by tabs"),
        ("", "it ends here|not as published"),
        (annotations().replace('"1"', '"2"', 1), "line 2.*clip 2: expected 188 cells of 0 and 1"),
        (annotations() + '"99"\t"1"\n', "line 10"),
        (annotations(header=HEADER[:-1]), "lacks the tags world|lacks the tags"),
    ],
)
def test_a_damaged_table(tmp_path: Path, text, message):
    (tmp_path / "annotations_final.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        corpus(tmp_path, "lee/train")


def test_wrong_choices(root: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="did you mean 'lee/train'"):
        corpus(root, "lea/train")
    with pytest.raises(ConfigError, match="choice of tags"):
        corpus(root, "lee/train", tags="top40")
    with pytest.raises(CorpusError, match="no such folder.*tagging prepare magnatagatune --root"):
        corpus(tmp_path / "other", "lee/train")


def test_it_is_downloaded_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sound, packed, root = io.BytesIO(), io.BytesIO(), tmp_path / "mtt"
    soundfile.write(sound, tones(1.0, 16000), 16000, format="MP3")
    with zipfile.ZipFile(packed, "w") as archive:
        for path, _ in CLIPS.values():
            archive.writestr(path, b"" if path in DEAD.values() else sound.getvalue())
    data, base = packed.getvalue(), "/datasets/magnatagatune/"
    third = len(data) // 3
    with serving() as server:
        server.files = {
            f"{base}annotations_final.csv": annotations().encode(),
            **{f"{base}mp3.zip.00{n + 1}": data[n * third : None if n == 2 else (n + 1) * third] for n in range(3)},
        }
        server.faults = ["", "cut 100"]
        arguments = [
            "prepare",
            "magnatagatune",
            "--root",
            str(root),
            "--set",
            f"mirror={server.url}",
            "remove_archives=true",
        ]
        assert main(arguments) == 0
        assert server.ranges == [None, None, 100, None, None]
        output = capsys.readouterr()
        assert "licence: CC BY-NC-SA 3.0" in output.err
        assert "magnatagatune: ready" in output.out
        assert main(arguments) == 0
        assert len(server.ranges) == 5, "what is there is not asked for again"
    assert not list(root.glob("mp3.zip*"))
    track = corpus(root, "lee/test")[0]
    assert track.seconds == pytest.approx(1.0, abs=0.2)
    assert len(track.read(0.25, 0.5)) == 8000
    options = ["--root", str(root), "--set", "strict=false", "split=pons/test"]
    assert main(["corpus", "info", "magnatagatune", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sound: 2 of 2 files are in place" in lines
    assert "groups of pons/test that are in pons/train too: 1 of 2: ana" in lines
    (root / track.path).write_bytes(b"")
    assert "sound: 1 of 2 files are in place; missing or empty: " in "\n".join(corpus(root, "pons/test").summary())
    with pytest.raises(CorpusError, match="1 of 2 sound files are missing or empty"):
        corpus(root, "pons/test").check_readable(0.05)


@pytest.mark.slow
@pytest.mark.skipif(
    "TAGGING_DATASETS" not in os.environ, reason="set TAGGING_DATASETS to a folder with real annotations"
)
def test_real_annotations():
    """The real file in ``$TAGGING_DATASETS/magnatagatune``."""
    root = Path(os.environ["TAGGING_DATASETS"], "magnatagatune")
    if not (root / "annotations_final.csv").exists():
        pytest.skip(f"{root} has no annotations_final.csv")
    for protocol, parts in COUNTS.items():
        for part, count in parts.items():
            data = tagging.open_corpus("magnatagatune", root=root, split=f"{protocol}/{part}")
            assert len(data) == count - 3 * (f"{protocol}/{part}" == "won/train")
            assert len(data.vocabulary) == 50
    assert "45 of the 75 artists in these folders are in the training folders too" in data.notes
    assert len(read_annotations(root / "annotations_final.csv").tags) == NUM_TAGS


def test_a_run_and_a_probe_take_the_way_to_split(root: Path):
    """``split=pons`` of the corpus's options, as on the command line; a split of its own is asked for by its whole name."""
    data = DataSettings(corpus="magnatagatune", corpus_options={"root": str(root), "strict": False, "split": "pons"})
    assert [open_part(data, part).split for part in ("train", "test", "lee/test")] == [
        "pons/train",
        "pons/test",
        "lee/test",
    ]
    wrong = DataSettings(corpus="magnatagatune", corpus_options=data.corpus_options | {"split": "hamel"})
    with pytest.raises(ConfigError, match="unknown way to split 'hamel'.*pons"):
        open_part(wrong, "train")
    with pytest.raises(ConfigError, match="folder is split in one way; leave the option out"):
        open_part(DataSettings(corpus="folder", corpus_options={"root": str(root), "split": "train"}), "train")
