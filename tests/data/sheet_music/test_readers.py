"""ABC, kern and MusicXML become the same table of notes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tagging.data.sheet_music import readers

SCALE = "X:7\nT:A scale\nR:reel\nM:4/4\nL:1/4\nK:C\nC D E F | G A B c |]\n"
KERN = "**kern\t**kern\n*C:\t*C:\n*M4/4\t*M4/4\n=1\t=1\n4C\t4e\n4D\t4f\n2E\t2g\n==\t==\n*-\t*-\n"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="3.1"><work><work-title>Two notes</work-title></work>
<identification><rights>All Rights Reserved</rights></identification>
<part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>1</divisions><time><beats>2</beats><beat-type>4</beat-type></time>
<clef><sign>G</sign><line>2</line></clef></attributes>
<note><pitch><step>A</step><octave>4</octave></pitch><duration>1</duration><type>quarter</type></note>
<note><pitch><step>B</step><octave>4</octave></pitch><duration>1</duration><type>quarter</type></note>
</measure></part></score-partwise>"""


def test_abc_scale_has_its_pitches_and_times():
    (notes,) = readers.read_abc([SCALE])
    assert notes[:, 2].tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
    assert notes[:, 0].tolist() == [readers.TICKS * beat for beat in range(8)]
    assert notes.dtype == np.int32


def test_tunes_of_a_file_are_found_and_its_header_is_not_a_tune():
    text = "% a book\nH:history\n\n" + SCALE + "\n" + SCALE.replace("X:7", "X:8")
    assert [tune[:3] for tune in readers.split_abc(text)] == ["X:7", "X:8"]


def test_fields_of_a_tune():
    fields = readers.abc_fields("X:1\nT: One \nT:Two\nR:\nM:6/8\nK:Dmix\nabc|\n")
    assert fields == {"T": ["One", "Two"], "M": ["6/8"], "K": ["Dmix"]}


def test_many_tunes_at_once_give_what_each_gives_alone():
    tunes = [SCALE.replace("C D E F", " ".join(rest)) for rest in ("CDEF", "FEDC", "CCGG", "cBAG")]
    together = readers.read_abc(tunes)
    for tune, notes in zip(tunes, together, strict=True):
        np.testing.assert_array_equal(notes, readers.read_abc([tune])[0])


def test_an_unreadable_tune_is_none_and_its_neighbours_are_whole():
    broken = SCALE.replace("K:C", "K:H")
    first, second, third = readers.read_abc([SCALE, broken, SCALE])
    assert second is None or len(second) == 0
    np.testing.assert_array_equal(first, third)
    assert len(first) == 8


def test_lyrics_and_rhythm_fields_change_nothing():
    plain = readers.read_abc([SCALE])[0]
    dressed = SCALE.replace("R:reel", "R:hornpipe\nC:somebody\nN:a note").replace("F |", "F |\nw:do re mi fa\n")
    np.testing.assert_array_equal(readers.read_abc([dressed])[0], plain)


def test_a_music_line_that_begins_like_a_field_is_music():
    notes = readers.read_abc(["X:1\nM:2/4\nL:1/4\nK:C\nC D |\nA:| E F |]\n"])[0]
    assert 69 in notes[:, 2]


def test_kern_has_two_parts_and_a_meter():
    notes, meter = readers.read_score(KERN)
    assert meter == (4, 4)
    assert len(np.unique(notes[:, 4])) == 2
    assert sorted(notes[:, 2].tolist()) == [48, 50, 52, 64, 65, 67]
    assert notes[0, 0] == 0


def test_kern_records():
    text = "!!!COM: Palestrina\n!!!OTL: Kyrie \n!!!OPR: Missa\n**kern\t**kern\n*\t*G:mix\n"
    fields = readers.kern_fields(text)
    assert fields == {"COM": "Palestrina", "OTL": "Kyrie", "OPR": "Missa", "key": ["G", "mix"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", [".xml", ".mxl"])
def test_musicxml_in_every_encoding(tmp_path: Path, encoding: str, suffix: str):
    raw = XML.replace("UTF-8", "UTF-16" if encoding == "utf-16" else "UTF-8").encode(encoding)
    path = tmp_path / f"two{suffix}"
    if suffix == ".mxl":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("META-INF/container.xml", "<container/>")
            archive.writestr("two.xml", raw)
    else:
        path.write_bytes(raw)
    text = readers.score_text(path)
    notes, meter = readers.read_score(text)
    assert notes[:, 2].tolist() == [69, 71]
    assert meter == (2, 4)
    assert readers.xml_fields(text) == {"title": "Two notes", "rights": "All Rights Reserved"}


def test_an_unreadable_score_is_none():
    assert readers.read_score("this is no score") is None
