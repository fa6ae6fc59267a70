"""What the live tagger of the front page costs in Chromium: seconds, memory, and whether the page answers meanwhile.

    make book && python benchmarks/live_page.py _build/html

Songs are synthesized and encoded as stereo mp3 at 44.1 kHz. Seconds are those of the clock, with the processor seconds of the
whole browser and the load of the machine beside them; memory is the proportional set size of all its processes above that
before the song; the longest pause is that of a timer in the page.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
TICKS = os.sysconf("SC_CLK_TCK")
WATCH = """() => {
  window.longest = 0;
  let last = performance.now();
  setInterval(() => {
    window.longest = Math.max(window.longest, performance.now() - last);
    last = performance.now();
  }, 20);
}"""
DONE = """() => {
  const { work, status } = document.querySelector('.listen-live').listen;
  return !work && status.textContent.startsWith('Analysed') && status.textContent;
}"""


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def log_message(self, *_args) -> None:
        pass


def processes(root: int) -> set[int]:
    """A process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {root}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def megabytes(pids: set[int]) -> float:
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1000


def cpu_seconds(pids: set[int]) -> float:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def song(path: Path, minutes: float) -> Path:
    random, rate = np.random.default_rng(0), 44100
    time_ = np.arange(round(60 * minutes * rate)) / rate
    pitches = 220 * 2 ** (random.integers(0, 24, round(120 * minutes) + 1) / 12)
    tone = np.sin(2 * np.pi * np.cumsum(pitches[(time_ * 2).astype(int)]) / rate)
    sound = 0.3 * tone[:, None] + 0.03 * random.standard_normal((len(time_), 2))
    soundfile.write(path, sound.astype(np.float32), rate)
    return path


def measure(browser, address: str, started: set[int], model: str, path: Path, minutes: float) -> dict[str, object]:
    page = browser.new_page()
    page.goto(address)
    page.wait_for_selector(".listen-live button")
    page.select_option("#listen-first", model)
    page.evaluate(WATCH)
    pids = set().union(*map(processes, started))
    idle, cpu, peak, began = megabytes(pids), cpu_seconds(pids), 0.0, time.perf_counter()
    page.set_input_files("#listen-file", path)
    while not (status := page.evaluate(DONE)):
        peak = max(peak, megabytes(set().union(*map(processes, started))))
        time.sleep(0.25)
    seconds = time.perf_counter() - began
    pids = set().union(*map(processes, started))
    result = {
        "model": model,
        "minutes": minutes,
        "seconds": round(seconds, 1),
        "analysed": status,
        "cpu_seconds": round(cpu_seconds(pids) - cpu, 1),
        "peak_mb": round(peak - idle),
        "longest_pause_ms": round(page.evaluate("window.longest")),
        "load": round(os.getloadavg()[0], 1),
    }
    page.close()
    return result


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Seconds and memory of the live tagger in Chromium.")
    parser.add_argument("folder", type=Path, help="the built book")
    parser.add_argument("--models", nargs="+", default=["mtt-musicnn", "laptop-spectrogram-1M"])
    parser.add_argument("--minutes", nargs="+", type=float, default=[3, 10])
    options = parser.parse_args()
    handler = functools.partial(Handler, directory=options.folder.resolve())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/book/welcome.html"
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        before = processes(os.getpid())
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        started = processes(os.getpid()) - before
        for minutes in options.minutes:
            file = song(Path(folder, f"{minutes:g}.mp3"), minutes)
            for model in options.models:
                print(json.dumps(measure(browser, address, started, model, file, minutes)), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
