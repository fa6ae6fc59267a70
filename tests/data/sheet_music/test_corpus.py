"""The sheet-music corpus from outside: a sequence of tracks with audio and labels."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tagging
from tagging.baselines.features import extraction
from tagging.data.sheet_music.annotations import COMPOSITION_TAGS
from tagging.data.sheet_music.corpus import VOCABULARY, SheetMusic, _load_or_make
from tagging.data.sheet_music.sources import ANNOTATED_IN, SOURCES, source_of
from tagging.errors import ConfigError, CorpusError
from tagging.utils.arrays import write_array


def digest(corpus: SheetMusic, index: int) -> str:
    return hashlib.sha256(corpus.segment(index, 0.0, 15.0).audio.tobytes()).hexdigest()


def test_a_track(corpus: SheetMusic):
    track = corpus[7]
    sound = track.read()
    assert sound.dtype == np.int16
    assert sound.shape == (15 * corpus.sample_rate,)
    assert track.labels.shape == (len(corpus.vocabulary),)
    assert track.labels.dtype == np.float32
    assert track.id == f"scores/{corpus.version}/7"
    np.testing.assert_array_equal(track.read(start=3.0, seconds=3.0), sound[3 * 16000 : 6 * 16000])
    np.testing.assert_array_equal(corpus[-1].read(), corpus[len(corpus) - 1].read())


def test_a_segment_is_that_stretch_of_the_dry_clip(corpus: SheetMusic):
    whole = corpus[3].dry()
    np.testing.assert_array_equal(corpus.segment(3, 4.5, 3.0).audio, whole[72000:120000])


@pytest.mark.parametrize(("start", "seconds"), [(-1, 3), (13, 3), (0, 0), (0, 15.5), (15, None)])
def test_stretches_outside_the_track_are_refused(corpus: SheetMusic, start: float, seconds: float | None):
    with pytest.raises(ConfigError, match="not within the track"):
        corpus[0].read(start, seconds)


def test_an_index_outside_ends_a_loop(corpus: SheetMusic):
    with pytest.raises(IndexError):
        corpus[len(corpus)]


def test_labels_are_what_they_claim(corpus: SheetMusic):
    vocabulary = corpus.vocabulary
    for index in range(150):
        labels = corpus[index].labels
        known = labels[vocabulary.classification & ~np.isnan(labels)]
        assert np.isin(known, (0, 1)).all()
        even = labels[vocabulary.regression & ~np.isnan(labels)]
        assert ((even >= 0) & (even <= 1)).all()
        for name in ("mode", "meter", "region", "period"):
            assert np.nansum(labels[list(vocabulary.exclusive_groups[name])]) <= 1


def test_regression_labels_are_uniform(corpus: SheetMusic):
    labels = np.array([corpus.segment(index, 3.0, 3.0).labels for index in range(800)])
    for row in np.flatnonzero(corpus.vocabulary.regression):
        values = labels[:, row]
        quartiles = np.nanpercentile(values, [25, 50, 75])
        np.testing.assert_allclose(quartiles, [0.25, 0.5, 0.75], atol=0.09, err_msg=corpus.vocabulary[row].name)


def test_instruments_are_labelled_where_they_sound(corpus: SheetMusic):
    from tagging.data.sheet_music.instruments import INSTRUMENT_TAGS, OF_PROGRAM

    for index in range(60):
        made = corpus.arrangement(index)
        labels = corpus.segment(index, 6.0, 3.0).labels
        inside = np.minimum(made.start + made.duration, 144000) - np.maximum(made.start, 96000) >= 800
        expected = {OF_PROGRAM[p].tag for p in made.program[inside].tolist() if p in OF_PROGRAM} - {None}
        given = {name for name in INSTRUMENT_TAGS if labels[corpus.vocabulary.position(name)] == 1}
        assert given == expected


def test_reverb_is_unknown_for_dry_clips(cache: Path):
    dry = tagging.open_corpus("sheet-music", clips=5, degraded=False)
    wet = tagging.open_corpus("sheet-music", clips=5)
    reverb = VOCABULARY.position("reverb")
    assert np.isnan(dry[0].labels[reverb])
    assert 0 <= wet[0].labels[reverb] <= 1
    np.testing.assert_array_equal(dry[0].read(), wet[0].dry())
    assert not np.array_equal(wet[0].read(), wet[0].dry())


def test_order_and_process_do_not_matter(corpus: SheetMusic, cache: Path):
    forward = [digest(corpus, index) for index in range(20)]
    backward = [digest(corpus, index) for index in reversed(range(20))]
    code = (
        "import hashlib, tagging; corpus = tagging.open_corpus('scores', clips=2000)\n"
        "for index in range(20): print(hashlib.sha256(corpus.segment(index, 0.0, 15.0).audio.tobytes()).hexdigest())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=True)
    assert backward[::-1] == forward
    assert run.stdout.split() == forward
    assert len(set(forward)) == 20


RANKS = np.random.default_rng(0).normal(size=(4, 4096))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:8] + b"\xff" + path.read_bytes()[9:]),  # TokenError of np.load
        lambda path: path.write_bytes(path.read_bytes()[:-200] + b"\xff" + path.read_bytes()[-199:]),
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: write_array(path, RANKS[:, :7]),
        lambda path: write_array(path, RANKS.astype(np.float32)),
        lambda path: write_array(path, np.full_like(RANKS, np.inf)),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_table_of_ranks_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage):
    monkeypatch.setattr("tagging.data.sheet_music.attributes.COMPUTED", range(4))
    path, measured = tmp_path / "ranks.npy", []

    def measure() -> np.ndarray:
        measured.append(1)
        return RANKS

    for _ in range(2):
        np.testing.assert_array_equal(_load_or_make(path, measure), RANKS)
    assert len(measured) == 1
    damage(path)
    for _ in range(2):
        np.testing.assert_array_equal(_load_or_make(path, measure), RANKS)
    assert len(measured) == 2


def test_ranks_of_earlier_versions_are_read_and_those_that_cannot_be_kept_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tagging.data.sheet_music.attributes.COMPUTED", range(4))
    np.save(tmp_path / "ranks.npy", RANKS)
    np.testing.assert_array_equal(_load_or_make(tmp_path / "ranks.npy", lambda: pytest.fail("is there")), RANKS)
    with pytest.warns(match="measured again each time: cannot write /proc/ranks.npy"):
        np.testing.assert_array_equal(_load_or_make(Path("/proc/ranks.npy"), lambda: RANKS), RANKS)


def test_opening_prints_nothing(cache: Path):
    code = "import tagging; tagging.open_corpus('scores')"
    run = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=True)
    assert run.stdout == run.stderr == ""


def test_small_sets_are_the_beginning_of_large_ones(cache: Path):
    small, large = (tagging.open_corpus("sheet-music", clips=clips) for clips in (150, 5000))
    for index in (0, 99, 149):
        assert small[index].source == large[index].source
        assert digest(small, index) == digest(large, index)


def test_no_composition_is_repeated_before_all_are_used(corpus: SheetMusic):
    collections = [corpus.library.pieces[piece]["collection"] for piece in corpus.pool]
    airs = sum(name == "airdsAirs" for name in collections)
    sampled = [corpus.composition(index) for index in range(len(corpus))]
    first = [piece for piece in sampled if corpus.library.pieces[piece]["collection"] == "airdsAirs"][:airs]
    assert len(set(first)) == airs


def test_splits_share_no_family(cache: Path):
    groups = [
        {corpus.group(index) for index in range(len(corpus))}
        for corpus in (tagging.open_corpus("sheet-music", split=split, clips=1000) for split in SheetMusic.splits)
    ]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def test_seed_licence_and_compositions(cache: Path):
    other = tagging.open_corpus("sheet-music", clips=100, seed=1)
    assert digest(other, 0) != digest(tagging.open_corpus("sheet-music", clips=100), 0)
    few = tagging.open_corpus("sheet-music", clips=200, compositions=10)
    more = tagging.open_corpus("sheet-music", clips=200, compositions=20)
    assert len({few.composition(index) for index in range(200)}) == 10
    assert set(few.pool) < set(more.pool)
    opened = tagging.open_corpus("sheet-music", clips=100, licence="open")
    assert opened.library.facts["open"][opened.pool].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "trainn"}, "did you mean 'train'"),
        ({"licence": "free"}, "licence"),
        ({"clips": 0}, "clips=0: give a whole number from 1 to"),
        ({"compositions": 10**6}, "compositions=1000000"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_options_are_explained(cache: Path, options: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        tagging.open_corpus("sheet-music", **options)


def test_an_unbuilt_corpus_says_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    with pytest.raises(CorpusError, match="tagging prepare sheet-music"):
        tagging.open_corpus("sheet-music")
    with pytest.raises(ConfigError, match="did you mean 'scores'"):
        tagging.open_corpus("score")
    assert "sheet-music" in tagging.list_corpora()


def test_the_corpus_describes_itself(corpus: SheetMusic):
    parts = corpus.parts()
    assert set(parts) == {"composition", "collection", "human", "computed", "instrument", "meter", "mode"}
    assert not ((parts["meter"] | parts["mode"]) & ~parts["computed"]).any()
    assert (parts["composition"] ^ parts["instrument"]).all()
    assert (sum(parts[name].astype(int) for name in ("collection", "human", "computed", "instrument")) == 1).all()
    for part, names in (
        ("collection", ("folk song", "Chinese", "Scottish")),
        ("human", ("jig", "Hessian", "legend", "shange")),
        ("computed", ("duple meter", "dorian", "register")),
        ("instrument", ("harp", "tempo")),
    ):
        assert all(parts[part][VOCABULARY.position(name)] for name in names), part
    assert corpus.provenance() == {"bank": corpus.bank.version}
    assert corpus.name == "sheet-music"
    assert "MIT" in corpus.licence
    assert corpus.description == "synthesized clips of sheet music"


def test_what_a_source_does_not_annotate(corpus: SheetMusic):
    indices = np.arange(300)
    strata, annotated, labels = corpus.strata(indices), corpus.annotated(indices), corpus.labels_of(indices)
    assert {"Aird's Airs", "other scores"} == set(strata) <= set(SOURCES)
    assert annotated.shape == labels.shape == (300, len(VOCABULARY))
    books, scores = annotated[strata == "Aird's Airs"], annotated[strata == "other scores"]
    for name, in_books, in_scores in (
        ("jig", True, False), ("Scottish", True, False), ("Hessian", False, False), ("shange", False, False),
        ("Kyrie and Agnus", False, False), ("fiddle tune", True, True), ("duple meter", True, True), ("harp", True, True),
    ):  # fmt: skip
        tag = VOCABULARY.position(name)
        assert (books[:, tag] == in_books).all(), name
        assert (scores[:, tag] == in_scores).all(), name
    assert not ((labels == 1) & ~annotated).any()
    assert corpus.annotated(np.arange(0)).shape == (0, len(VOCABULARY))


def test_every_source_and_every_tag_of_the_table_exists():
    assert set(ANNOTATED_IN) <= {tag.name for tag in COMPOSITION_TAGS}
    assert set.union(*ANNOTATED_IN.values()) <= set(SOURCES)
    pieces = [{"collection": "essenFolksong", "file": name} for name in ("han1.abc", "erk5.abc")]
    pieces += [{"collection": name, "file": "1"} for name in ("bach", "nottingham-dataset", "josquin")]
    assert [source_of(piece) for piece in pieces] == [
        "Essen, China", "Essen, Europe", "Bach", "other fiddle tunes", "other scores",
    ]  # fmt: skip


def test_caches_keep_their_names(corpus: SheetMusic, cache: Path):
    """Features of earlier versions are filed under the first name of the corpus."""
    dry = tagging.open_corpus("sheet-music", clips=5, degraded=False)
    assert corpus.cache_name == f"scores-{corpus.library.version}-train-all-0"
    assert dry.cache_name == f"{corpus.cache_name}-dry"
    assert extraction._folder(dry, 3.0, extraction.hand_made()).name == f"{dry.cache_name}-3s-1"


def test_the_vocabulary_says_where_every_tag_comes_from():
    sources = {tag.source for tag in VOCABULARY}
    assert sources == {"human", "collection", "computed", "arranger"}
    assert VOCABULARY.regression.sum() == 10
    assert all(tag.description for tag in VOCABULARY)


def test_a_machine_with_a_copied_cache_and_without_the_readers_makes_the_same_clips(corpus: SheetMusic, cache: Path):
    absent = ("music21", "symusic", "verovio", "pretty_midi", "tinysoundfont", "numba", "librosa", "soundfile")
    code = (
        "import hashlib, importlib.metadata, sys\n"
        f"sys.modules.update(dict.fromkeys({(*absent, 'sklearn', 'matplotlib', 'platformdirs', 'tqdm')}))\n"
        "def version(name): raise importlib.metadata.PackageNotFoundError(name)\n"
        "importlib.metadata.version = version\n"
        "import tagging; from tagging.data import stream; from tagging.data.sheet_music.degradations import Degradations\n"
        "corpus = tagging.open_corpus('scores', clips=2000)\n"
        "for batch in stream(corpus, range(4), batch_size=2, seconds=15.0, workers=1, starts=[0] * 4):\n"
        "    for sound in batch.audio: print(hashlib.sha256(sound.tobytes()).hexdigest())\n"
    )
    assert len(corpus.bank.first) > 0  # built where the synthesizer is
    run = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [digest(corpus, index) for index in range(4)]
