"""Columns have different names; a table that is damaged in any way is said to be, in one way."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.cli import main
from tagging.errors import ConfigError, TaggingError
from tagging.library import LibraryTable, search, similar
from tagging.library.description import Description
from tagging.library.exports import chosen_tag, playlists_of
from tagging.library.results import Row, SongResult
from tagging.library.songs import ModelFacts
from tagging.library.table import write_table
from tagging.utils.files import DamagedError


def described(*models: tuple[str, list[str]], present: tuple[str, ...] = (), features: int = 2) -> Description:
    facts = [
        ModelFacts(name, "0" * 64, tags, {tag: 0.5 for tag in tags if tag in present}, features)
        for name, tags in models
    ]
    return Description("/music", tuple(facts))


def write(path, count: int = 5):
    description = described(("it.onnx", ["slow", "loud"]), present=("slow",))
    generator = np.random.default_rng(0)
    rows = [
        Row(f"{number}.wav", 100, "a" * 64, "", SongResult("", (), 1.0, *generator.random((2, 2), np.float32)))
        for number in range(count)
    ]
    write_table(path, description, [*rows, Row("z.wav", 1, "b" * 64, "", SongResult("cannot be decoded"))])
    return path


@pytest.mark.parametrize(
    ("names", "prefixes"),
    [
        (["a.onnx", "b.safetensors"], ["a", "b"]),
        (["run1/a/tagger.safetensors", "run2/b/tagger.safetensors"], ["a/tagger", "b/tagger"]),
        (["run1/a/tagger.safetensors", "run2/a/tagger.safetensors"], ["run1/a/tagger", "run2/a/tagger"]),
        (["x/a.onnx", "b.onnx", "y/A.onnx"], ["x/a", "b", "y/A"]),
        (["a.onnx", "a.safetensors"], ["a.onnx", "a.safetensors"]),
        (["a.onnx", "./a.onnx"], ["a.onnx", "./a.onnx"]),
        (["msd-musicnn", "msd-musicnn.onnx"], ["msd-musicnn", "msd-musicnn.onnx"]),
        (["t.onnx", "/x/t.onnx"], ["t.onnx", "x/t"]),
        (["hf:a/b", "a/b.onnx"], ["hf:a/b", "b"]),
    ],
)
def test_models_have_different_prefixes(names, prefixes):
    description = described(*((name, ["slow"]) for name in names), present=("slow",))
    assert list(description.columns) == [f"{prefix}/slow" for prefix in prefixes]
    assert list(description.embedding_columns) == [f"{prefix}/embedding" for prefix in prefixes]
    description.check_columns()


@pytest.mark.parametrize(
    ("tags", "columns"),
    [
        (["rock", "rock_present"], ["rock", "it/rock_present"]),
        (["rock_present", "rock"], ["it/rock_present", "rock"]),
        (["Path", "embedding", "it/Path"], ["it/Path", "it/embedding", "it/it/Path"]),
        (["Rock", "rock"], ["Rock", "rock"]),
    ],
)
def test_no_two_columns_of_one_name(tags, columns):
    description = described(("it.onnx", tags), present=("rock",))
    assert list(description.columns) == columns
    description.check_columns()
    double = described(("a.onnx", ["embedding", *tags]), ("b.onnx", tags), present=("rock",))
    double.check_columns()
    assert len(double.kinds) == 7 + 2 * len(tags) + 1 + 2 + 2 * ("rock" in tags)


def test_tags_that_differ_in_case():
    both = described(("it.onnx", ["Rock", "rock", "Slow", "a=b"]), present=("Rock", "rock", "Slow", "a=b"))
    chosen = {
        text: chosen_tag(text, both)[0] for text in ("Rock", "rock", "rock=1", "slow", "SLOW=0.5", "a=b", "A=B=0")
    }
    assert list(chosen.values()) == ["Rock", "rock", "rock", "Slow", "Slow", "a=b", "a=b"]
    for text in ("ROCK", "ROCK=0.1"):
        with pytest.raises(ConfigError, match="Rock or rock"):
            chosen_tag(text, both)
    for text in ("slow=", "slow=2", "slow=nan"):
        with pytest.raises(ConfigError, match="from 0 to 1"):
            chosen_tag(text, both)


@pytest.mark.parametrize("texts", [["rock=0", "rock=0.99"], ["a/b=0", "a-b=0"], ["Slow=0", "slow=0"]])
def test_playlists_that_would_be_one_file(tmp_path, texts):
    description = described(("it.onnx", ["rock", "a/b", "a-b", "Slow", "slow"]))
    with pytest.raises(ConfigError, match=f"{texts[0]} and {texts[1]}: both"):
        playlists_of(texts, description, tmp_path / "t.csv")
    assert len(playlists_of(["rock=0", "rock=0", "slow=0"], description, tmp_path / "t.csv")) == 2


def read_all(path) -> None:
    """All that reads a table."""
    similar("0.wav", path)
    search("slow, not loud", path)
    list(LibraryTable(path).blocks(list(LibraryTable(path).description.kinds)))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_was_written_is_read(tmp_path, suffix):
    path = write(tmp_path / f"t{suffix}")
    table = LibraryTable(path)
    assert table.description == described(("it.onnx", ["slow", "loud"]), present=("slow",))
    (block,) = table.blocks(list(table.description.kinds))
    scores, vectors = np.moveaxis([np.random.default_rng(0).random((5, 2, 2), np.float32)][0], 1, 0)
    np.testing.assert_allclose(block["slow"][:5], scores[:, 0], rtol=1e-7)
    np.testing.assert_allclose(np.array(block["embedding"][:5]), vectors, rtol=1e-7)
    assert block["slow_present"][:5] == [bool(score >= 0.5) for score in scores[:, 0]]
    assert (block["slow"][5], block["embedding"][5], block["error"][5]) == (None, None, "cannot be decoded")
    read_all(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_is_evaluated_and_its_bias_measured(tmp_path, capsys, suffix):
    """Its columns of facts are no tags; songs without scores, and songs and tags without labels, are left out."""
    path, labels = str(write(tmp_path / f"t{suffix}")), tmp_path / "labels.csv"
    labels.write_text("song,slow\n" + "".join(f"{number}.wav,{number % 2}\n" for number in range(4)))
    assert main(["evaluate", path, "--labels", str(labels), "--output", str(tmp_path / "report")]) == 0
    out = capsys.readouterr().out
    assert "without labels, so left out: 1 songs: 4.wav" in out and "without labels, so left out: 1 tags: loud" in out
    assert "4 songs in 4 groups, 1 tags" in out
    assert main(["bias", path, "--output", str(tmp_path / "bias")]) == 0
    assert "5 songs" in capsys.readouterr().out


def test_a_csv_table_that_was_cut_anywhere(tmp_path):
    path = write(tmp_path / "t.csv")
    whole = path.read_bytes()
    for length in range(len(whole) - 1):  # without the last \\n all is there
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError, match="write it again"):
            read_all(path)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("1.wav,", "1.wav,,", "line 3: 12 cells"),
        ("1.wav,,,", "1.wav,,", "line 3: 10 cells"),
        ("slow,", "slwo,", "line 1"),
        ("\n1.wav", "\n", "row 2, column path"),
        ("[", "[1,", "row 1, column embedding: 2 numbers"),
        ("[", "[" * 100000 + "1", "."),
        ("[", "[true,", "row 1, column embedding"),
        ("[0", "[NaN,0", "row 1, column embedding"),
        ("[0.", "[1e999", "row 1, column embedding"),
        (",1.0,100,", ",inf,100,", "row 1, column seconds"),
        (",true,", ",maybe,", "slow_present"),
        ("false,0.", "false,1e999", "column loud: ."),
        ("false,0.", "false,x0.", "."),
    ],
)
def test_a_csv_table_with_other_cells(tmp_path, old, new, match):
    path = write(tmp_path / "t.csv")
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())
    with pytest.raises(DamagedError, match=match) as caught:
        read_all(path)
    assert str(caught.value).count("write it again") == 1


def test_old_tables_without_a_count(tmp_path):
    path = write(tmp_path / "t.csv")
    beside = tmp_path / "t.csv.json"
    facts = json.loads(beside.read_text())
    assert (facts.pop("rows"), facts.pop("columns")[:2]) == (6, ["path", "duplicate_of"])
    beside.write_text(json.dumps(facts))
    read_all(path)
    header = path.read_text().splitlines()[0]
    for text in ("", header + "\n", header + "\n0.wav,,\n"):
        path.write_text(text)
        with pytest.raises(DamagedError):
            read_all(path)


@pytest.mark.parametrize(
    "change",
    [
        {"root": 3}, {"root": ""}, {"hop_seconds": "long"}, {"hop_seconds": -1}, {"models": []}, {"models": {}}, {"models": [1]},
        {"models": [{}]}, {"format": None}, {"format": []},
        *({"models": [{"name": "it.onnx", "digest": "0", "tags": ["slow", "loud"], "thresholds": {}, "features": 2} | part]}
          for part in ({"name": 1}, {"digest": None}, {"tags": "slow"}, {"tags": [1]}, {"tags": ["a", "a"]}, {"thresholds": []},
                       {"thresholds": {"slow": "x"}}, {"features": "2"}, {"features": True}, {"features": -1}, {"more": 1})),
    ],
)  # fmt: skip
def test_a_damaged_description(tmp_path, change):
    for suffix in (".csv", ".parquet"):
        path = write(tmp_path / f"t{suffix}")
        rewrite_description(path, change)
        with pytest.raises(DamagedError, match="write it again"):
            read_all(path)


def rewrite_description(path, change: dict) -> None:
    if path.suffix == ".csv":
        beside = path.with_name("t.csv.json")
        beside.write_text(json.dumps(json.loads(beside.read_text()) | change))
    else:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"tagging"]) | change
        pq.write_table(table.replace_schema_metadata({"tagging": json.dumps(facts)}), path)


def test_one_advice(tmp_path):
    for suffix in (".csv", ".parquet"):
        path = write(tmp_path / f"t{suffix}")
        rewrite_description(path, {"format": "tagging-table/2"})
        with pytest.raises(TaggingError, match="update the package") as caught:
            LibraryTable(path)
        assert "write it again" not in str(caught.value)
    beside = tmp_path / "t.csv.json"
    for contents in ("", "[" * 100000, "null", None):
        beside.unlink() if contents is None else beside.write_text(contents)
        with pytest.raises(DamagedError, match="write it again"):
            LibraryTable(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("slow", ["a"] * 6),
        ("slow", [0.5, float("nan"), 0.5, 0.5, 0.5, None]),
        ("slow", [0.5, None, 0.5, 0.5, 0.5, None]),
        ("slow", [[0.5]] * 6),
        ("embedding", [[0.5, 0.5], [0.5], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], None]),
        ("embedding", [[0.5, 0.5, 0.5]] * 6),
        ("embedding", [[0.5, None]] * 6),
        ("embedding", [[0.5, float("nan")]] * 6),
        ("embedding", [[[0.5], [0.5]]] * 6),
        ("embedding", [0.5] * 6),
        ("path", [None, "b", "c", "d", "e", "f"]),
        ("path", ["", "b", "c", "d", "e", "f"]),
        ("path", [1, 2, 3, 4, 5, 6]),
        ("duplicate_of", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_parquet_table_with_other_values(tmp_path, column, values):
    path = write(tmp_path / "t.parquet")
    table = pq.read_table(path)
    index = table.schema.get_field_index(column)
    changed = table.set_column(index, column, pa.array(values)).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, path)
    with pytest.raises(DamagedError, match=column):
        read_all(path)
    shutil.copy(write(tmp_path / "again.parquet"), path)
    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(DamagedError):
        read_all(path)
