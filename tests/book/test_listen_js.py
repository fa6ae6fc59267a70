"""The parts of the live tagger that need no page, against the package's. Needs Node.js, which the package itself does not."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from helpers import MIXED
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.models.inference import cut_segments, taggram
from tagging.tags import TrackTags

STATIC = Path(__file__).parents[2] / "book" / "_static"
MODULES = STATIC / "listen"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE or not MODULES.exists(), reason="needs Node.js and the sources of the book")

RUN = """
import fs from "node:fs";
const names = ["headers", "resample", "save", "segments", "sound", "taggram", "../shared/ticks"];
const modules = await Promise.all(names.map((name) => import(`./listen/${name}.js`)));
const { declaredRate, isMp3, Mixer, Resampler, partOf, resample, segmentStarts, meanScores, ranking, Taggram, colour, ticks,
  clock, csv, json, mixed, wav, resultName } = Object.assign({}, ...modules);
const given = JSON.parse(fs.readFileSync("given.json"));
const floats = (name) => new Float32Array(new Uint8Array(fs.readFileSync(name)).buffer);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    for name in ("listen", "shared"):
        shutil.copytree(STATIC / name, folder / name)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def node(folder, code, **given):
    """Run statements that end by printing JSON; arrays travel as raw numbers in files."""
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "run.js").write_text(RUN + code)
    result = subprocess.run([NODE, "run.js"], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout or "null")


def resampled(folder, samples, rate, to=16000):
    samples.astype(np.float32).tofile(folder / "in.f32")
    code = 'fs.writeFileSync("out.f32", resample(floats("in.f32"), given.rate, given.to));'
    node(folder, code, rate=rate, to=to)
    return np.fromfile(folder / "out.f32", np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 12345])
def test_resampling_equals_the_packages(folder, rate):
    # a sweep through what passes: near the edge of the band the two filters are not the same
    seconds = np.arange(round(0.7 * rate)) / rate
    top = 0.9 * min(rate, 16000) / 2
    sweep = np.sin(2 * np.pi * (100 * seconds + (top - 100) * seconds**2 / 1.4)) * np.hanning(len(seconds))
    wanted = soxr.resample(sweep.astype(np.float32), rate, 16000, "HQ")
    result = resampled(folder, sweep, rate)
    assert abs(len(result) - len(wanted)) <= 1
    length = min(len(result), len(wanted))
    np.testing.assert_allclose(result[:length], wanted[:length], atol=1e-4)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_what_would_alias_is_removed(folder, rate):
    tone = np.sin(2 * np.pi * 8100 * np.arange(rate // 2) / rate)
    assert np.abs(resampled(folder, tone, rate)[1000:-1000]).max() < 1e-5


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_parts_equal_the_whole(folder, rate):
    np.random.default_rng(0).standard_normal(rate).astype(np.float32).tofile(folder / "in.f32")
    code = """
    const song = floats("in.f32");
    const whole = new Resampler(song, given.rate, 16000);
    const differences = given.starts.map((start) => {
      const { part, offset } = partOf(song, given.rate, 16000, start, 3000);
      const read = new Resampler(part, given.rate, 16000, { offset, total: song.length }).read(start, 3000);
      return Math.max(...whole.read(start, 3000).map((value, i) => Math.abs(value - read[i])));
    });
    console.log(JSON.stringify(differences));
    """
    differences = node(folder, code, rate=rate, starts=[-256, 0, 1, 777, 5000, 13100, 15900, 16010])
    assert max(differences) == 0


def test_segments_are_those_of_the_package(folder):
    random = np.random.default_rng(0)
    cases = [
        [n, s, h, p] for n in (1, 9, 10, 11, 20, 25, 100) for s, h in ((10, 10), (10, 4), (10, 15)) for p in (0, 3)
    ]
    cases += [
        [int(random.integers(1, 500)), int(random.integers(1, 60)), int(random.integers(1, 60)), 2] for _ in range(60)
    ]
    code = """console.log(JSON.stringify(given.cases.map(([length, segmentSamples, hopSamples, songPadding]) =>
      segmentStarts(length, { segmentSamples, hopSamples, songPadding }))));"""
    for (length, segment, hop, padding), result in zip(cases, node(folder, code, cases=cases), strict=True):
        song = np.ones(length, np.float32)
        wanted = list(cut_segments([song], segment, hop, padding))
        assert result == {"starts": [i * hop for i in range(len(wanted))], "padded": wanted[0][1]}, (
            length,
            segment,
            hop,
        )


MODEL = {
    "name": "m",
    "title": "a model",
    "sampleRate": 100,
    "segmentSamples": 50,
    "hopSamples": 48,
    "songPadding": 2,
    "thresholds": {},
    "card": {"licence": "MIT"},
    "tags": [{"name": tag.name, "kind": tag.kind} for tag in MIXED],
}
FILLED = """
const taggram = new Taggram(given.model);
taggram.plan(segmentStarts(given.length, given.model));
for (const segment of given.order) taggram.add(segment, Float32Array.from(given.rows[segment]));
"""


def song(seed, length):
    """A taggram of random scores by the package: its result, and what the page is given."""
    random = np.random.default_rng(seed)
    scores = iter(random.choice([0.1, 0.5, *random.random(4)], (1000, len(MIXED))).astype(np.float32))
    result = taggram(lambda batch: next(scores)[None], [np.ones(length, np.float32)], 50, 48, padding=2)
    tags = TrackTags(
        MIXED, result.scores.mean(0, dtype=np.float64).astype(np.float32), result.starts / 100, result.scores, 0.5
    )
    order = random.permutation(len(result.scores)).tolist()
    return tags, {"model": MODEL, "length": length, "rows": result.scores.tolist(), "order": order}


@settings(max_examples=5)
@given(st.integers(0, 2**32), st.integers(10, 2000))
def test_song_scores_and_ranks_are_those_of_the_package(folder, seed, length):
    tags, given_ = song(seed, length)
    code = (
        FILLED + "console.log(JSON.stringify({ means: [...taggram.means], top: taggram.top(3), part: taggram.part }));"
    )
    result = node(folder, code, **given_)
    np.testing.assert_array_equal(np.float32(result["means"]), tags.scores)
    assert [MIXED[tag].name for tag in result["top"]] == [name for name, _ in tags.top(3)]
    assert result["part"] == 1


def test_saved_files_say_what_the_command_says(folder):
    tags, given_ = song(0, 300)
    code = (
        FILLED
        + 'console.log(JSON.stringify({ json: json("a, b.mp3", [taggram], ["note"]), csv: csv("a, b.mp3", [taggram]) }));'
    )
    files = node(folder, code, **given_)
    (entry,) = json.loads(files["json"])
    wanted = tags.to_dict() | {"notes": ["note"], "padded_seconds": 0}
    assert set(wanted) <= set(entry)
    assert {key: entry[key] for key in ("segments", "segment_seconds", "padded_seconds", "notes")} == {
        key: wanted[key] for key in ("segments", "segment_seconds", "padded_seconds", "notes")
    }
    assert entry["scores"] == pytest.approx(wanted["scores"], abs=1e-6)
    assert entry["times"] == pytest.approx(tags.times.tolist(), abs=1e-6)
    head, whole, *rows = files["csv"].splitlines()
    assert head == "file,model,start_seconds," + ",".join(MIXED.names)
    assert whole.startswith('"a, b.mp3",m,song,')
    assert len(rows) == len(tags.times)


def test_drawing_data(folder):
    _, given_ = song(1, 300)
    code = (
        FILLED
        + """
    const tags = taggram.top(2);
    const half = new Taggram(given.model);
    half.plan({ starts: taggram.starts, padded: 0 });
    half.add(1, taggram.rows[1]);
    console.log(JSON.stringify({
      cells: taggram.cells(tags), half: half.cells(tags).length, strongest: tags.map((tag) => taggram.strongest(tag)),
      at: [0, 0.45, 0.47, 99].map((time) => taggram.segmentAt(time)), tags,
      light: [0, 0.25, 0.5, 1, 2].map((score) => colour(score, "light")),
      dark: [0, 0.25, 0.5, 1, 2].map((score) => colour(score, "dark")),
      ticks: [3, 18, 180, 1800].map((seconds) => ticks(seconds, 6)), clock: [0, 59.9, 83, 600].map(clock),
      names: ["a.mp3", "../x/y.wav", "", "Größe 1.flac"].map((name) => resultName(name, "csv")),
    }));
    """
    )
    result = node(folder, code, **given_)
    first = [cell for cell in result["cells"] if cell["row"] == 0]
    assert first[0]["left"] == 0
    assert first[-1]["right"] == 1
    assert all(left["right"] == pytest.approx(right["left"]) for left, right in pairwise(first))
    rows = np.float32(given_["rows"])
    assert [cell["score"] for cell in first] == pytest.approx(rows[:, result["tags"][0]].tolist())
    assert result["strongest"] == [int(np.argmax(rows[:, tag])) for tag in result["tags"]]
    assert result["half"] == 2
    assert result["at"] == [0, 0, 1, len(rows) - 1]
    brightness = np.sum(result["light"], axis=1)
    assert (np.diff(brightness[:4]) < 0).all()
    assert brightness[3] == brightness[4]
    assert (np.diff(np.sum(result["dark"], axis=1)[:4]) > 0).all()
    assert [len(times) <= 8 for times in result["ticks"]] == [True] * 4
    assert result["clock"] == ["0:00", "0:59", "1:23", "10:00"]
    assert result["names"] == ["a-tags.csv", ".._x_y-tags.csv", "song-tags.csv", "Größe 1-tags.csv"]


@pytest.mark.parametrize(
    ("name", "rate", "subtype"),
    [
        *(("a.wav", rate, None) for rate in (8000, 22050, 44100, 96000)),
        ("a.wav", 44100, "FLOAT"),
        ("a.w64", 44100, None),
        *(("a.flac", rate, None) for rate in (16000, 44100, 192000)),
        *(("a.mp3", rate, None) for rate in (8000, 11025, 16000, 22050, 32000, 44100, 48000)),
        *(("a.ogg", rate, None) for rate in (8000, 44100)),
        ("a.opus", 24000, "OPUS"),
        *(("a.aiff", rate, None) for rate in (11025, 44100)),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_rates_in_headers(folder, name, rate, subtype, channels):
    soundfile.write(
        folder / name,
        np.zeros((rate // 2, channels)),
        rate,
        subtype=subtype,
        format="OGG" if subtype == "OPUS" else None,
    )
    wanted = {"a.opus": 48000, "a.w64": None}.get(name, rate)
    assert declared(folder, name) == wanted
    assert are_mp3(folder, name) == [name == "a.mp3"]


def declared(folder, *names):
    code = (
        "console.log(JSON.stringify(given.names.map((name) => declaredRate(new Uint8Array(fs.readFileSync(name))))));"
    )
    rates = node(folder, code, names=names)
    return rates[0] if len(rates) == 1 else rates


def are_mp3(folder, *names):
    code = "console.log(JSON.stringify(given.names.map((name) => isMp3(new Uint8Array(fs.readFileSync(name))))));"
    return node(folder, code, names=names)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "wanted"),
    [
        ("b.m4a", "aac", 44100, 44100),
        ("b.m4a", "aac", 22050, 44100),
        ("b.m4a", "alac", 16000, 16000),
        ("b.aac", "aac", 48000, 48000),
        ("b.webm", "libopus", 48000, 48000),
    ],
)
def test_rates_in_containers(folder, name, codec, rate, wanted):
    with av.open(folder / name, "w") as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        format_ = stream.codec_context.codec.audio_formats[0].name
        for start in range(0, rate, 1024):
            values = np.zeros((1, 1024), np.int32 if "32" in format_ else np.float32 if "flt" in format_ else np.int16)
            frame = av.AudioFrame.from_ndarray(values, format=format_, layout="mono")
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert declared(folder, name) == wanted
    assert are_mp3(folder, name) == [False]


def test_no_rate_is_read_from_what_is_no_sound(folder):
    random = np.random.default_rng(0)
    soundfile.write(folder / "whole.wav", np.zeros(100), 8000)
    contents = [b"", b"RIFF", b"these are words\n" * 100, bytes(1000), b"\x1aE\xdf\xa3", b"fLaC", b"OggS" + bytes(20)]
    contents += [
        (folder / "whole.wav").read_bytes()[:20],
        b"\0\0\0\x20ftypM4A " + bytes(40) + b"stsd",
        random.bytes(4000),
    ]
    names = [f"c{i}" for i in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    assert declared(folder, *names) == [None] * len(names)
    assert are_mp3(folder, *names) == [False] * len(names)
    # an mp3 behind a tag with a picture, whose bytes look like frames
    soundfile.write(folder / "plain.mp3", random.standard_normal(20000) / 9, 22050)
    tag = b"ID3\x03\0\0\0\0\x10\x00" + b"\xff\xfb\x90\x64" * 512
    (folder / "tagged.mp3").write_bytes(tag + (folder / "plain.mp3").read_bytes())
    assert declared(folder, "tagged.mp3") == 22050
    assert are_mp3(folder, "tagged.mp3") == [True]


def test_channels_are_averaged_and_doubtful_levels_noted(folder):
    code = """
    const sounds = { quiet: [[1e-4, -1e-4]], silent: [[0, 0], [0, 0]], opposed: [[0.5, -0.5], [-0.5, 0.5]], loud: [[5, 0]],
      plain: [[0.5, -0.5], [0.25, 0]], wrong: [[NaN]], integers: [[3000]] };
    const results = {};
    for (const [name, channels] of Object.entries(sounds)) {
      try {
        const { samples, notes } = await mixed(channels.map((channel) => Float32Array.from(channel)));
        results[name] = { samples: [...samples], notes: notes.join() };
      } catch (error) { results[name] = error.message; }
    }
    const mixer = new Mixer(); // in pieces, as a decoder gives them
    for (const piece of [[[0.5], [0.25]], [[-0.5, 1], [0, 0]]]) mixer.add(piece.map((channel) => Float32Array.from(channel)));
    results.pieces = [...mixer.finish().samples];
    const file = wav(Float32Array.from([0, 0.5, -1, 2]), 22050);
    fs.writeFileSync("written.wav", new Uint8Array(await file.arrayBuffer()));
    console.log(JSON.stringify(results));
    """
    results = node(folder, code)
    assert results["plain"] == {"samples": [0.375, -0.25], "notes": ""}
    assert results["pieces"] == [0.375, -0.25, 0.5]
    for name, word in {
        "quiet": "Nearly silent",
        "silent": "Silent",
        "opposed": "cancel",
        "loud": "far too loud",
    }.items():
        assert word in results[name]["notes"], name
    assert "not numbers" in results["wrong"]
    assert "3.00e+3" in results["integers"]
    samples, rate = soundfile.read(folder / "written.wav")
    assert rate == 22050
    assert samples == pytest.approx([0, 0.5, -1, 1], abs=1e-4)
