"""OpenMIC-2018: instruments that nobody was asked for are unknown; no validation part is published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones

import tagging
from tagging.data.openmic import COUNTS, INSTRUMENTS
from tagging.errors import ConfigError, CorpusError

LABELS = """sample_key,instrument,relevance,num_responses
000046_3840,clarinet,0.17105,3
000046_3840,flute,0.5,3
000135_483840,voice,1.0,3
000178_3840,mallet_percussion,0.49999,5
"""


@pytest.fixture(params=["openmic-2018", ""])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / request.param
    (folder / "partitions").mkdir(parents=True)
    (folder / "partitions/split01_train.csv").write_text("000046_3840\n000135_483840\n")
    (folder / "partitions/split01_test.csv").write_text("000178_3840\n")
    (folder / "openmic-2018-aggregated-labels.csv").write_text(LABELS)
    (folder / "openmic-2018-metadata.csv").write_text(
        "start_time,sample_key,track_id,artist_id\n0,000046_3840,46,25\n0,000135_483840,135,\n0,000178_3840,178,26\n"
    )
    return tmp_path


def corpus(root: Path, split: str, **options):
    return tagging.open_corpus("openmic", root=root, split=split, strict=False, **options)


def test_what_nobody_was_asked_is_unknown(root: Path):
    data = corpus(root, "01/train")
    labels = dict(zip(data.ids, data.labels_of(np.arange(2)), strict=True))
    assert data.vocabulary.names == INSTRUMENTS
    assert {INSTRUMENTS[i]: labels["000046_3840"][i] for i in np.flatnonzero(~np.isnan(labels["000046_3840"]))} == {
        "clarinet": 0.0,
        "flute": 1.0,
    }
    assert np.isnan(labels["000135_483840"]).sum() == 19
    assert sorted(track.group for track in data) == ["artist 25", "track 000135"]
    assert np.nansum(corpus(root, "01/test").labels_of(np.arange(1))) == 0
    assert np.nansum(corpus(root, "01/test", threshold=0.4).labels_of(np.arange(1))) == 1


def test_counts_are_those_published(tmp_path: Path):
    (tmp_path / "partitions").mkdir()
    keys = {part: [f"{part}{number:06d}_0" for number in range(count)] for part, count in COUNTS.items()}
    for part, names in keys.items():
        (tmp_path / f"partitions/split01_{part}.csv").write_text("\n".join(names))
    lines = [f"{key},piano,1.0,3" for key in keys["train"] + keys["test"]]
    (tmp_path / "openmic-2018-aggregated-labels.csv").write_text("\n".join([LABELS.splitlines()[0], *lines]))
    for part, count in COUNTS.items():
        assert len(tagging.open_corpus("openmic", root=tmp_path, split=f"01/{part}")) == count
    (tmp_path / "partitions/split01_test.csv").write_text("\n".join(keys["test"][1:]))
    with pytest.raises(CorpusError, match="5,084 clips of 01/test, where 5,085 are published"):
        tagging.open_corpus("openmic", root=tmp_path, split="01/test")


def test_a_validation_part_of_ones_own(tmp_path: Path):
    (tmp_path / "partitions").mkdir()
    keys = [f"{number:06d}_0" for number in range(400)]
    (tmp_path / "partitions/split01_train.csv").write_text("\n".join(keys))
    (tmp_path / "openmic-2018-aggregated-labels.csv").write_text(
        "\n".join([LABELS.splitlines()[0], *(f"{key},piano,1.0,3" for key in keys)])
    )
    (tmp_path / "openmic-2018-metadata.csv").write_text(
        "\n".join(["sample_key,artist_id", *(f"{key},{number // 4}" for number, key in enumerate(keys))])
    )
    train, validation = (corpus(tmp_path, part, validation_share=0.2) for part in ("train", "validation"))
    assert len(train) + len(validation) == 400
    assert 40 < len(validation) < 130
    assert not {track.group for track in train} & {track.group for track in validation}
    assert train.splits == ("01/train", "01/validation", "01/test")
    assert any("20% of the training artists" in note for note in train.notes)
    with pytest.raises(ConfigError, match="no validation part is published.*validation_share=0.1"):
        corpus(tmp_path, "validation")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("flute", "kazoo", "line 3.*kazoo of 000046_3840"),
        ("0.5,", "1.5,", "relevance 1.5"),
        ("000135_483840,", "000999_0,", "1 of the clips of 01/train have no label"),
        ("sample_key", "key", "line 1"),
    ],
)
def test_damaged_labels(root: Path, old, new, message):
    path = next(root.rglob("openmic-2018-aggregated-labels.csv"))
    path.write_text(LABELS.replace(old, new))
    with pytest.raises(CorpusError, match=message):
        corpus(root, "01/train")


def test_sound_is_read(root: Path):
    folder = next(root.rglob("partitions")).parent
    path = folder / "audio/000/000178_3840.ogg"
    path.parent.mkdir(parents=True)
    soundfile.write(path, tones(1.0, 44100), 44100)
    assert len(corpus(root, "01/test")[0].read(0.0, 0.5)) == 8000
