"""The live tagger in a browser: scores are the package's, nothing leaves the page, what cannot be read is said."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsing import chromium, served, watch

import tagging

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "book").exists(), reason="the book is not part of this distribution"),
]
WAIT = 300_000  # ms; a busy machine takes its time


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page with the live tagger, in a subfolder of a plain static server."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        import book_frame
        import live_tagger
    finally:
        sys.path.pop(0)
    root = tmp_path_factory.mktemp("site")
    static = root / "sub" / "folder" / "_static"
    shutil.copytree(ROOT / "book" / "_static", static)
    if shutil.which("npm") is None:
        pytest.skip("the live tagger needs npm")
    live_tagger.write_assets(static)
    book_frame.write_sounds(static / "sounds")
    cells = json.loads((ROOT / "book" / "welcome.ipynb").read_text(encoding="utf-8"))["cells"]
    html = [line for line in cells[0]["source"] if line.startswith("<")]
    page = static.parent / "book" / "welcome.html"
    page.parent.mkdir()
    style = '<link rel="icon" href="../_static/favicon.svg"><link rel="stylesheet" href="../_static/book.css">'
    page.write_text(
        f'<!doctype html><html lang="en"><title>t</title>{style}<main><h1>t</h1>{"".join(html)}</main></html>'
    )
    with served(root) as origin:
        yield f"{origin}/sub/folder/book/welcome.html"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, address):
    """A new page, which must end without errors and without a request to another host."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    problems = watch(page, address.split("/sub/")[0])
    page.goto(address)
    page.wait_for_selector(".listen-live button")
    yield page
    context.close()
    assert problems == []


def finished(page, start="Analysed"):
    page.wait_for_function(
        "(start) => { const { status, work } = document.querySelector('.listen-live').listen;"
        " return !work && status.textContent.startsWith(start); }",
        arg=start,
        timeout=WAIT,
    )
    return page.inner_text(".listen-status")


def taggrams(page):
    rows = page.evaluate(
        "document.querySelector('.listen-live').listen.panels.map((p) => p.taggram.rows.map((r) => [...r]))"
    )
    return [np.float32(scores) for scores in rows]


def music(rate, channels, seconds=7.0):
    """Float32 [samples, channels]: a chord that swells, over soft noise."""
    random = np.random.default_rng(0)
    time = np.arange(round(rate * seconds)) / rate
    chord = sum(np.sin(2 * np.pi * pitch * time + pitch) / pitch**0.5 for pitch in (220, 277.2, 329.6, 880, 1760, 3200))
    sound = 2 * chord * (1 + np.sin(2 * np.pi * 0.4 * time))[None] + 0.02 * random.standard_normal(
        (channels, len(time))
    )
    return (0.3 * sound / np.abs(sound).max()).T.astype(np.float32)


def test_an_example_with_two_models_and_what_is_saved(page, address):
    page.select_option("#listen-second", "laptop-waveform-1M")
    page.click("text=Drowsy Maggie")
    assert "0:18" in finished(page)
    sound = page.request.get(page.url.replace("book/welcome.html", "_static/sounds/drowsy-maggie.mp3")).body()
    for scores, name in zip(taggrams(page), ("mtt-musicnn", "laptop-waveform-1M"), strict=True):
        wanted = tagging.load_tagger(name, runtime="onnx").tag(sound)
        np.testing.assert_allclose(scores, wanted.taggram, atol=1e-3)
        if name == "mtt-musicnn":
            assert (
                page.locator(".listen-tags").first.locator("button").first.inner_text().strip("✓ ")
                == wanted.top(1)[0][0]
            )
    saved = {}
    for kind in ("JSON", "CSV", "PNG"):
        with page.expect_download() as download:
            page.click(f"[aria-label='Save as {kind}']")
        saved[kind] = Path(download.value.path()).read_bytes()
    assert [entry["model"] for entry in json.loads(saved["JSON"])] == ["mtt-musicnn", "laptop-waveform-1M"]
    assert saved["CSV"].startswith(b"file,model,start_seconds,")
    assert saved["PNG"].startswith(b"\x89PNG")
    # a tag plays from where it is strongest
    page.locator(".listen-tags button").first.click()
    assert "violin is strongest at" in page.inner_text(".listen-status")
    page.wait_for_function("!document.querySelector('.listen-live audio').paused")


def test_identical_samples_give_identical_scores(page, tmp_path):
    soundfile.write(tmp_path / "a.wav", music(16000, 1), 16000, subtype="FLOAT")
    page.set_input_files("#listen-file", tmp_path / "a.wav")
    finished(page)
    wanted = tagging.load_tagger("mtt-musicnn", runtime="onnx").tag(tmp_path / "a.wav")
    np.testing.assert_allclose(taggrams(page)[0], wanted.taggram, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_own_files_at_their_own_rates(page, tmp_path, channels):
    page.select_option("#listen-first", "laptop-spectrogram-1M")
    tagger = tagging.load_tagger("laptop-spectrogram-1M", runtime="onnx")
    for rate in (8000, 44100, 48000):
        path = tmp_path / f"{rate}.mp3"
        soundfile.write(path, music(rate, channels), rate)
        page.set_input_files("#listen-file", path)
        page.wait_for_function(
            f"document.querySelector('.listen-status').textContent.includes('{path.name} in')", timeout=WAIT
        )
        finished(page)
        assert page.evaluate("document.querySelector('.listen-live').listen.sound.rate") == rate
        samples = page.evaluate("[...document.querySelector('.listen-live').listen.sound.samples]")
        np.testing.assert_allclose(samples, tagging.load_audio(path)[0], atol=1e-5)
        np.testing.assert_allclose(taggrams(page)[0], tagger.tag(path).taggram, atol=1e-3, err_msg=path.name)
        assert ("Sampled at 8000 Hz" in page.inner_text(".listen-remarks")) == (rate == 8000)


def test_silence_short_sounds_and_what_is_no_sound(page, tmp_path):
    page.select_option("#listen-first", "laptop-waveform-1M")
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
    page.set_input_files("#listen-file", tmp_path / "silence.wav")
    assert "Silent" in finished(page)
    assert "2.0 s of silence were added" in page.inner_text(".listen-remarks")
    (tmp_path / "words.mp3").write_text("not music\n" * 1000)
    page.set_input_files("#listen-file", tmp_path / "words.mp3")
    finished(page, "The browser found no sound")
    (tmp_path / "empty.mp3").write_bytes(b"")
    page.set_input_files("#listen-file", tmp_path / "empty.mp3")
    finished(page, "The file is empty")
    assert page.locator(".listen-panel").count() == 0


def test_a_run_can_be_cancelled_and_another_begun(page, tmp_path):
    soundfile.write(tmp_path / "long.mp3", music(44100, 2, 120), 44100)
    page.set_input_files("#listen-file", tmp_path / "long.mp3")
    page.wait_for_function("document.querySelector('.listen-live').listen.panels[0]?.taggram.scored > 0", timeout=WAIT)
    page.click("text=Cancel")
    assert finished(page, "Cancelled") == "Cancelled."
    page.select_option("#listen-first", "laptop-waveform-1M")
    assert "2:00" in finished(page)
    wanted = tagging.load_tagger("laptop-waveform-1M", runtime="onnx").tag(tmp_path / "long.mp3")
    np.testing.assert_allclose(taggrams(page)[0], wanted.taggram, atol=1e-3)


def test_the_microphone(page):
    page.select_option("#listen-first", "laptop-waveform-1M")
    page.click("text=Use the microphone")
    page.wait_for_function(
        "document.querySelector('.listen-status').textContent.startsWith('Recording, 2')", timeout=WAIT
    )
    page.click("text=Stop and analyse")
    assert "microphone.wav" in finished(page)
