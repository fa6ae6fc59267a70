"""Similar songs are those of the largest cosine; words are the table's tags."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from libraries import make_music, make_tagger, write_sound

from tagging import load_tagger
from tagging.errors import ConfigError
from tagging.library import search, similar, tag_library
from tagging.library.search import parse_query

TAGS = [
    "slow",
    "piano",
    "vocals",
    "female vocals",
    "no vocals",
    "Hip Hop",
    "bébé",
    "wind, brass",
    "brass",
    "Mod",
    "mod",
]
COLUMNS = {tag: (None, tag) for tag in TAGS}


@pytest.fixture(scope="module", params=[".csv", ".parquet"])
def library(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    model = make_tagger(folder / "it.safetensors")
    music = make_music(folder)
    out = folder / f"tags{request.param}"
    tag_library(music, out, models=[model], jobs=1, embeddings=True)
    return music, out, model


def test_similar_songs_have_the_largest_cosines(library):
    music, out, model = library
    tagger = load_tagger(model)
    vectors = {name: tagger.embed(music / name).astype(float) for name in ("0/0.wav", "0/2.wav", "0/4.wav", "1/1.flac")}
    matches = {match.path: match.score for match in similar("0/0.wav", out)}
    assert list(matches.values()) == sorted(matches.values(), reverse=True)
    assert set(matches) == {"0/2.wav", "0/4.wav", "1/1.flac", "1/3.flac", "1/5.flac"}  # neither itself nor its copy
    for name in ("0/2.wav", "0/4.wav", "1/1.flac"):
        a, b = vectors["0/0.wav"], vectors[name]
        assert matches[name] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)
    assert similar("1/copy.wav", out) == similar("0/0.wav", out) == similar(music / "0" / "0.wav", out)
    assert similar("0/0.wav", out, count=2) == similar("0/0.wav", out)[:2]


def test_a_song_from_elsewhere(library, tmp_path):
    _, out, _ = library
    new = write_sound(tmp_path / "new.wav", 2)  # the sound of 0/2.wav
    best = similar(new, out)[0]
    assert best.path == "0/2.wav"
    assert best.score == pytest.approx(1, abs=1e-6)
    with pytest.raises(ConfigError, match="neither in"):
        similar("nowhere.wav", out)
    with pytest.raises(ConfigError, match="could not be tagged"):
        similar("1/noise.mp3", out)
    with pytest.raises(ConfigError, match="unknown model"):
        similar("0/0.wav", out, model="msd-musicnn")


def test_a_search_ranks_by_the_tags(library):
    _, out, _ = library
    table = pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out)
    rows = table[table["error"].isna() & table["duplicate_of"].isna()].set_index("path")
    share = lambda tag: (rows[tag].rank() - 0.5) / len(rows)  # noqa: E731
    expected = share("slow") * (1 - share("female vocals"))
    matches = search("slow, not Female Vocals", out)
    assert {match.path: match.score for match in matches} == pytest.approx(expected.to_dict())
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    assert matches[0].scores["slow"] == pytest.approx(rows["slow"][matches[0].path])
    with pytest.raises(ConfigError, match="guitar"):
        search("guitars", out)


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("slow piano, not vocals", {"slow": True, "piano": True, "vocals": False}),
        ("not female vocals", {"female vocals": False}),
        ("no vocals", {"no vocals": True}),  # a tag of its own
        ("HIP  hop and a piano without slow", {"Hip Hop": True, "piano": True, "slow": False}),
        ("be\u0301be\u0301", {"bébé": True}),
        ("slow, not Wind , brass", {"slow": True, "wind, brass": False}),
        ("not, brass; slow", {"brass": True, "slow": True}),
        ("Mod", {"Mod": True}),
        ("slow mod", {"slow": True, "mod": True}),
    ],
)
def test_words_are_tags(query, terms):
    assert {term.columns[0]: term.wanted for term in parse_query(query, COLUMNS)} == terms


def test_a_tag_that_could_be_two():
    with pytest.raises(ConfigError, match="Mod or mod"):
        parse_query("MOD", COLUMNS)


@pytest.mark.parametrize("query", ["", ",", "and the", "pianoo", "not"])
def test_words_that_are_none(query):
    with pytest.raises(ConfigError, match="piano"):
        parse_query(query, COLUMNS)


def test_a_table_without_embeddings_and_what_is_no_table(library, tmp_path):
    music, _, model = library
    tag_library(music, tmp_path / "tags.csv", models=[model], jobs=1)
    with pytest.raises(ConfigError, match="--embeddings"):
        similar("0/0.wav", tmp_path / "tags.csv")
    for name, contents in (("a.csv", "path,slow\n"), ("a.parquet", "no parquet"), ("a.xlsx", "")):
        (tmp_path / name).write_text(contents)
        with pytest.raises(Exception, match=name.replace(".", r"\.")):
            search("slow", tmp_path / name)
