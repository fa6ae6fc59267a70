"""Song cards: lists equal a slow search, unknown is not wrong, names cannot break the page."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from helpers import MIXED
from hypothesis import given
from hypothesis import strategies as st

from tagging.book.player import listen
from tagging.book.song_cards import picker_html, readable_title, sample_by_group, song_card, top_list
from tagging.errors import ConfigError
from tagging.evaluation.predictions import Predictions
from tagging.tags import TrackTags, Vocabulary

# fast, energy (an attribute), major, rock, minor, age (an attribute)
LABELS = np.array([[1, 0.5, np.nan, 0, 1, 0.5], [0, 0.1, 1, 1, 0, 0.2]])
PREDICTIONS = Predictions(np.array([[0.3, 1.0, 0.9, 0.3, 0.1, 1.0], [0.2, 0.9, 0.1, 0.4, 0.3, 0.8]]), MIXED, LABELS)
OTHER = dataclasses.replace(PREDICTIONS, scores=1 - PREDICTIONS.scores)


def test_a_list_holds_the_highest_scores_of_classification_tags():
    listed = top_list(PREDICTIONS, 0, 3)
    assert [(entry.name, entry.score, entry.label) for entry in listed] == [
        ("major", 0.9, None),
        ("fast", 0.3, True),  # as high as rock, and before it
        ("rock", 0.3, False),
    ]


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_lists_equal_a_slow_search(seed, top_k):
    random = np.random.default_rng(seed)
    labels = random.choice([0, 1, np.nan], (3, 8))
    predictions = Predictions(random.random((3, 8)), Vocabulary(list("abcdefgh")), labels)
    for song in range(3):
        rest, wanted = dict(zip("abcdefgh", predictions.scores[song], strict=True)), []
        while len(wanted) < top_k:
            wanted.append(max(rest, key=rest.get))
            del rest[wanted[-1]]
        listed = top_list(predictions, song, top_k)
        assert [entry.name for entry in listed] == wanted
        for entry in listed:
            label = labels[song, "abcdefgh".index(entry.name)]
            assert entry.label is {0.0: False, 1.0: True}.get(label)


def test_a_card_tells_unknown_from_wrong():
    card = song_card({"one": PREDICTIONS, "other": OTHER}, 0, title="A song", top_k=3)
    assert [tag.name for tag in card.annotated] == ["fast", "minor"]
    assert card.unknown == ("major",)
    assert (card.hits("one"), card.hits("other")) == (1, 2)
    page = BeautifulSoup(card._repr_html_(), "html.parser")
    lists = [
        [(item.span["aria-label"], item.meter["value"]) for item in column.select("li")] for column in page.select("ol")
    ]
    assert lists[0] == [("unknown", "0.900"), ("annotated", "0.300"), ("not annotated", "0.300")]
    assert "1 of 3" in page.select("ol")[0].find_previous("p").text
    assert [item.text for item in page.select("ul li")] == ["fast human", "minor human"]
    assert "unknown: major" in page.text
    assert not page.select("audio")
    assert [item.strong is not None for item in page.select("ol")[0].select("li")] == [False, True, False]


def test_names_cannot_break_the_page():
    nasty = '<script>alert("x")</script> & co'
    predictions = Predictions(np.array([[0.5, 0.4]]), Vocabulary([nasty, "b"]), np.array([[1.0, np.nan]]))
    sound = listen(np.zeros(8000, np.float32), 8000, nasty)
    card = song_card({nasty: predictions}, 0, title=nasty, about=nasty, player=sound, top_k=2)
    page = BeautifulSoup(picker_html([card, card]), "html.parser")
    assert not page.select("script")
    assert len(page.select(".song-picker > section")) == len(page.select("audio")) == 2
    section = page.section
    assert section["aria-label"] == section.find(class_="song-title").text == section.audio["aria-label"] == nasty
    assert page.text.count(nasty) == 2 * 6  # title, about, caption, annotated, name of the model, in its list


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="give at least one"):
        song_card({}, 0, title="")
    with pytest.raises(ConfigError, match="'b' and 'a' have different songs"):
        song_card({"a": PREDICTIONS, "b": dataclasses.replace(PREDICTIONS, labels=LABELS[::-1])}, 0, title="")
    with pytest.raises(ConfigError, match="'b' and 'a'"):
        song_card(
            {"a": PREDICTIONS, "b": dataclasses.replace(PREDICTIONS, vocabulary=Vocabulary(list("abcdef")))},
            0,
            title="",
        )
    with pytest.raises(ConfigError, match="without labels"):
        top_list(dataclasses.replace(PREDICTIONS, labels=None), 0)
    with pytest.raises(ConfigError, match="'b' and 'a'"):
        song_card({"a": PREDICTIONS, "b": dataclasses.replace(PREDICTIONS, labels=None)}, 0, title="")
    for song in (-1, 2):
        with pytest.raises(ConfigError, match=f"song {song}: give 0 to 1"):
            top_list(PREDICTIONS, song, 2)
    for top_k in (0, 5):
        with pytest.raises(ConfigError, match=f"top_k={top_k}: give 1 to 4"):
            top_list(PREDICTIONS, 0, top_k)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30), st.data())
def test_samples_are_spread_evenly_over_groups(groups, data):
    count = data.draw(st.integers(1, len(groups)))
    drawn = sample_by_group(groups, count, seed=3)
    assert drawn == sample_by_group(groups, count, seed=3)
    assert len(set(drawn)) == count
    taken, sizes = Counter(groups[song] for song in drawn), Counter(groups)
    assert len(taken) == min(count, len(sizes))
    # no group has two more than another group with songs left
    assert all(taken[more] <= taken[less] + 1 for more in taken for less in sizes if taken[less] < sizes[less])


def test_another_seed_draws_other_songs():
    groups = ["a", "b"] * 50
    assert sample_by_group(groups, 10, seed=0) != sample_by_group(groups, 10, seed=1)
    for count in (0, 101):
        with pytest.raises(ConfigError, match=f"count={count}: give 1 to 100"):
            sample_by_group(groups, count)


MODULE = Path(__file__).parents[2] / "book" / "_static" / "song_picker.js"
NODE = shutil.which("node")

# As much of a page as the picker touches: elements with properties, children and listeners.
RUN = """
import { SongPicker, another, segmentAt } from "./song_picker.mjs";
class Element {
  constructor(tag) { Object.assign(this, { tag, children: [], attributes: {}, listeners: {} }); }
  append(...more) { this.children.push(...more); }
  prepend(...more) { this.children.unshift(...more); }
  setAttribute(name, value) { this.attributes[name] = value; }
  getAttribute(name) { return this.attributes[name]; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  querySelectorAll(tag) { return this.children.filter((child) => child.tag === tag); }
  querySelector(name) { return this.querySelectorAll(name.replace(".", ""))[0] ?? null; }
}
globalThis.document = { createElement: (tag) => new Element(tag), querySelectorAll: () => [] };
const root = new Element("div");
const silenced = [];
for (const title of ["a", "b", "c"]) {
  const song = new Element("section");
  song.setAttribute("aria-label", title);
  const sound = new Element("audio");
  sound.pause = () => silenced.push(title);
  song.append(sound);
  root.append(song);
}
// the first song has a taggram of three segments
const taggram = Object.assign(new Element("song-taggram"), { dataset: { times: "0,3,6" } });
const heard = new Set();
for (const segment of ["0", "1", "2"]) {
  const classList = { toggle: (name, on) => (on ? heard.add(segment) : heard.delete(segment)) };
  taggram.append(Object.assign(new Element("i"), { dataset: { segment }, classList }));
}
root.children[0].append(taggram);
const picker = new SongPicker(root, "picker");
const seen = [];
const note = (event) => seen.push({
  event,
  shown: picker.songs.filter((song) => !song.hidden).map((song) => song.getAttribute("aria-label")),
  chosen: picker.select.value,
  status: picker.status.textContent,
  silenced: silenced.splice(0),
});
note("start");
const [row] = root.children;
const [previous, next, any] = row.querySelectorAll("button");
for (const [event, act] of [["previous", previous.listeners.click],
  ["next", next.listeners.click], ["next", next.listeners.click],
  ["select", () => { picker.select.value = "2"; picker.select.listeners.change(); }], ["any", any.listeners.click]]) {
  act();
  note(event);
}
const [label] = row.querySelectorAll("label");
console.log(JSON.stringify({
  seen,
  labelled: label.htmlFor === picker.select.id,
  options: picker.select.children.map((option) => option.textContent),
  lots: [0, 0.24, 0.25, 0.5, 0.75, 0.999].map((lot) => another(3, 5, lot)),
  alone: another(0, 1, 0.9),
  heard: [0, 0.5, 3, 5.9, 20, 0].map((seconds) => {
    const sound = picker.songs[0].querySelector("audio");
    sound.currentTime = seconds;
    sound.listeners.timeupdate();
    return [...heard].join();
  }),
  segments: [-1, 0, 2.9995, 7].map((seconds) => segmentAt([0, 3, 6], seconds)),
}));
"""


@pytest.mark.skipif(not NODE or not MODULE.exists(), reason="needs Node.js and the sources of the book")
def test_the_page_shows_one_song_at_a_time_and_silences_the_others(tmp_path):
    shutil.copy(MODULE, tmp_path / "song_picker.mjs")
    (tmp_path / "run.mjs").write_text(RUN)
    result = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout)
    assert results["labelled"]
    assert results["heard"] == ["", "0", "1", "1", "2", ""]
    assert results["segments"] == [0, 0, 1, 2]
    assert results["options"] == ["1: a", "2: b", "3: c"]
    *steps, last = results["seen"]
    assert [(step["event"], step["shown"], step["chosen"], step["status"]) for step in steps] == [
        ("start", ["a"], "0", ""),
        ("previous", ["c"], "2", "3 of 3"),
        ("next", ["a"], "0", "1 of 3"),
        ("next", ["b"], "1", "2 of 3"),
        ("select", ["c"], "2", ""),
    ]
    for step in steps:
        assert set(step["silenced"]) == {"a", "b", "c"} - set(step["shown"])
    assert len(last["shown"]) == 1
    assert last["shown"] != ["c"]
    assert results["lots"] == [4, 4, 0, 1, 2, 2]  # every other place of five, never the third again
    assert results["alone"] == 0


def test_a_taggram_has_a_row_for_each_tag_and_a_cell_for_each_segment():
    scores = np.float32([[0.04, 0.5, 0.2, 1.0, 0.0, 0.1], [0.25, 0.7, 0.2, 0.5, 0.0, 0.3]])
    tags = TrackTags(MIXED, scores.mean(axis=0), np.float32([0, 3]), scores, 3.0)
    card = song_card({"one": PREDICTIONS}, 0, title="A song", taggram=tags, top_k=3)
    picture = BeautifulSoup(card._repr_html_(), "html.parser").select_one(".song-taggram")
    assert picture["data-times"] == "0.000,3.000"
    assert picture["role"] == "img"
    assert picture["aria-label"] == "Taggram of 2 segments of 3 s. Highest means: rock 0.75, major 0.20, fast 0.14."
    cells = picture.select("i")
    assert [cell["data-segment"] for cell in cells] == ["0", "1"] * 3
    shares = [int(cell["style"].split("%")[0].split()[-1]) for cell in cells]
    assert shares == [100, 71, 45, 45, 20, 50]  # square roots of the scores, in percent


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("bwv434.mxl", "BWV 434"),
        ("PMFC_06_Giovanni-02-Apress_un_fiume_a.xml", "PMFC 06 Giovanni-02-Apress un fiume a"),
        ("WER HAT DIE SCHOENSTEN SCHAEFCHEN", "Wer hat die schoensten schaefchen"),
        ("madrigal.3.4.mxl", "madrigal 3 4"),
        ("Jack's The Lad", "Jack's The Lad"),
        ("St. Anne's Reel", "St. Anne's Reel"),
        ("KV 331", "KV 331"),
        ("Op. 9", "Op. 9"),
        ("", ""),
    ],
)
def test_titles_for_readers(name, title):
    assert readable_title(name) == title
