"""Measure how heavy the pages of a built book are, and how soon they show something, in Chromium.

    python book/_tools/weigh_pages.py _build/html [--megabits 8] [--latency 60]

Text is sent compressed, as static hosts do. Each page loads into an empty cache over a connection of the given speed, and is
scrolled to its end, so that every figure is loaded. Sounds are not counted.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import shutil
import statistics
import threading
from functools import lru_cache, partial
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
SOUNDS = (".mp3", ".wav", ".ogg", ".flac")
TEXT = {".html", ".css", ".js", ".mjs", ".svg", ".json"}
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 600) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((go) => setTimeout(go, 50));
  }
}"""


@lru_cache
def compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A static server that compresses text."""

    protocol_version = "HTTP/1.1"
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not (path.is_file() and path.suffix in TEXT):
            super().do_GET()
            return
        body = compressed(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        pass


def weigh(browser, address: str, bytes_per_second: float, latency: float) -> tuple[int, int, float]:
    """Bytes over the wire, requests, and milliseconds to the first paint of content."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": latency, "downloadThroughput": bytes_per_second, "uploadThroughput": -1},
    )
    addresses: dict[str, str] = {}
    sizes: dict[str, float] = {}
    network.on(
        "Network.requestWillBeSent", lambda event: addresses.update({event["requestId"]: event["request"]["url"]})
    )
    network.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto(address, wait_until="load")
    paint = page.wait_for_function(PAINT).json_value()
    page.evaluate(SCROLL)
    page.wait_for_load_state("networkidle")
    context.close()
    sounds = {request for request, url in addresses.items() if url.endswith(SOUNDS)}
    return int(sum(size for request, size in sizes.items() if request not in sounds)), len(sizes), paint


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Weight and first paint of the pages of a built book.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabits", type=float, default=8, help="speed of the connection, Mbit/s")
    parser.add_argument("--latency", type=float, default=60, help="ms for each request")
    options = parser.parse_args()
    root = options.folder.resolve()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        print("kB     requests  first paint (s)  page")
        for page in sorted((root / "book").glob("*.html")):
            address = f"http://127.0.0.1:{server.server_port}/book/{page.name}"
            size, requests, paint = weigh(browser, address, options.megabits * 1e6 / 8, options.latency)
            rows.append((size, paint))
            print(f"{size / 1000:6.0f} {requests:9} {paint / 1000:16.2f}  {page.stem}", flush=True)
        browser.close()
    sizes, paints = zip(*rows, strict=True)
    print(f"{statistics.median(sizes) / 1000:6.0f} {'':9} {statistics.median(paints) / 1000:16.2f}  median")
    print(f"{max(sizes) / 1000:6.0f} {'':9} {max(paints) / 1000:16.2f}  largest")


if __name__ == "__main__":
    main()
