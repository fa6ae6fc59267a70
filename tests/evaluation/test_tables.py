"""Tables of scores and labels are matched by song and tag; mismatches are refused with an error that names them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tagging.errors import ConfigError, TaggingError
from tagging.evaluation.tables import read_tables
from tagging.tags import Tag, Vocabulary

SCORES = "song,rock,slow,fast\na,0.1,0.2,0.9\nb,1,0,0.5\n"


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_labels_are_matched_by_song_and_tag(write):
    labels = write("labels.csv", "\ufeffid, fast ,rock,slow\r\nb,1,0,\r\n\r\na,0,1,1\r\n")
    exclusive = write("groups.json", json.dumps({"pace": ["slow", "fast"]}))
    predictions = read_tables(write("scores.csv", SCORES), labels, exclusive)
    assert predictions.vocabulary == Vocabulary(
        [Tag("rock"), Tag("slow", exclusive_group="pace"), Tag("fast", exclusive_group="pace")]
    )
    np.testing.assert_array_equal(predictions.scores, [[0.1, 0.2, 0.9], [1, 0, 0.5]])
    np.testing.assert_array_equal(predictions.labels, [[1, 1, 0], [0, np.nan, 1]])


def test_scores_alone_are_enough(write):
    predictions = read_tables(write("scores.csv", '"song","rock, loud",Käse\n"x, y",0.25,1e-3'))
    assert predictions.vocabulary.names == ("rock, loud", "Käse")
    np.testing.assert_array_equal(predictions.scores, [[0.25, 0.001]])
    assert predictions.labels is predictions.groups is predictions.train_positives is None


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", TaggingError, "scores.csv: empty"),
        ("\n,\n", TaggingError, "scores.csv: empty"),
        ("song,rock\n", TaggingError, "without songs"),
        ("song\na\n", TaggingError, "header"),
        ("song,rock,\na,0,0\n", TaggingError, "header"),
        ("song,rock,rock\na,0,0\n", ConfigError, "'rock'"),
        ("song,rock\na,0\nb,1\na,0\n", ConfigError, "'a'"),
        ("song,rock\na,0\n,1\n", TaggingError, "line 3.*empty"),
        ("song,rock\na,0,1\n", TaggingError, "line 2: 3 cells.* 2"),
        ("song,rock\na,high\n", ConfigError, "line 2, tag 'rock': 'high'"),
        ("song,rock\na,nan\n", ConfigError, "line 2, tag 'rock': 'nan'"),
        (
            "song,rock\na,1.01\nb,-1\n",
            ConfigError,
            "song 'a', tag 'rock': 1.01.*2 such cells",
        ),
        ("song,rock\na,inf\n", ConfigError, "tag 'rock': 'inf'"),
        ("song,rock\na,1\nb,0\n", ConfigError, "every score is 0 or 1, like labels"),
        ("rock,pop\n0.5,0.25\n0.5,0.75\n", ConfigError, "'rock', has numbers like those of a tag"),
        ("song,rock,pop\na,1,\n", ConfigError, "tag 'pop': an empty cell"),
        (b"song,rock\n\xff,1\n", TaggingError, "UTF-8"),
    ],
)
def test_wrong_scores_are_refused(write, text, kind, message):
    with pytest.raises(kind, match=message):
        read_tables(write("scores.csv", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "song,rock,slow\na,0,0\nb,0,0\n",
            "'fast' only in .*scores.csv",
        ),
        ("song,rock,slow,fast,pop\na,0,0,0,0\nb,0,0,0,0\n", "tags differ: 'pop' only in .*labels.csv"),
        ("song,rock,slow,quick\na,0,0,0\nb,0,0,0\n", "'fast' only in .*scores.csv; 'quick' only in .*labels.csv"),
        ("song,rock,slow,fast\na,0,0,0\n", "songs differ: 'b' only in .*scores.csv"),
        ("song,rock,slow,fast\na,0,0,0\nb,0,0,0\nc,0,0,0\n", "songs differ: 'c' only in .*labels.csv"),
        ("song,rock,slow,fast\na,0,0,0\nb,0,0.5,0\n", "song 'b', tag 'slow': 0.5"),
        ("", "labels.csv: empty"),
    ],
)
def test_labels_that_do_not_match_are_refused(write, text, message):
    with pytest.raises(TaggingError, match=message):
        read_tables(write("scores.csv", SCORES), write("labels.csv", text))


def test_the_same_tag_in_another_unicode_form_is_the_same(write):
    scores = write("scores.csv", "song,bl\u00e9,th\u00e9\na,0.1,0.2\n")
    labels = write("labels.csv", "song;the\u0301;ble\u0301\na;1;0\n")
    exclusive = write("groups.json", json.dumps({"drinks": ["ble\u0301", "th\u00e9"]}))
    predictions = read_tables(scores, labels, exclusive)
    assert predictions.vocabulary.names == ("bl\u00e9", "th\u00e9")
    np.testing.assert_array_equal(predictions.labels, [[0, 1]])
    assert predictions.vocabulary.exclusive_groups == {"drinks": (0, 1)}


def test_many_differences_are_counted(write):
    many = "song,rock,slow,fast\n" + "".join(f"s{n},0,0,0\n" for n in range(9))
    with pytest.raises(ConfigError, match="'s0', 's1', 's2', 's3', 's4' and 4 more only in .*labels.csv"):
        read_tables(write("scores.csv", SCORES), write("labels.csv", many))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"pace": ["slow", "fats"]}', "groups.json.*'pace'.*'fats'.*'fast'"),
        ('{"a": ["slow", "fast"], "b": ["fast", "rock"]}', "'fast'.*'a' and 'b'"),
        ('{"a": ["slow", "slow"]}', "'slow'.*'a' and 'a'"),
        ('{"a": ["slow"], "a": ["fast"]}', "'a'"),
        ('["slow", "fast"]', "expected .*name of a group"),
        ('{"a": "slow"}', "expected .*name of a group"),
        ('{"a": [1]}', "expected .*name of a group"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_wrong_exclusive_groups_are_refused(write, text, message):
    with pytest.raises(TaggingError, match=message):
        read_tables(write("scores.csv", SCORES), exclusive=write("groups.json", text))


def test_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(TaggingError, match="missing.csv: cannot be read"):
        read_tables(tmp_path / "missing.csv")
