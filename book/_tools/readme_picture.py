"""The moving picture of the README: the front page analyses an example and plays it.

    make book && python book/_tools/readme_picture.py _build/html book/_static/readme.webp

Needs Chromium and playwright.
"""

from __future__ import annotations

import functools
import http.server
import io
import shutil
import sys
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
VIEW = {"width": 1000, "height": 780}  # CSS pixels
WIDTH = 720  # of the picture, pixels
SECONDS_A_FRAME = 0.4
PLAYED = 12  # frames while the song plays


def main(built: str, picture: str) -> None:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(http.server.SimpleHTTPRequestHandler, directory=built)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS))), args=OPTIONS
        )
        page = browser.new_page(viewport=VIEW, color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.server_port}/book/welcome.html")
        page.wait_for_selector(".listen-live button")
        frames = [frame(page)]
        page.click("text=Drowsy Maggie")
        while not page.inner_text(".listen-status").startswith("Analysed"):
            frames.append(frame(page))
            page.wait_for_timeout(100)
        page.click(".listen-tags button >> nth=0")
        for _ in range(PLAYED):
            page.wait_for_timeout(1000 * SECONDS_A_FRAME)
            frames.append(frame(page))
        browser.close()
    first, *others = distinct(frames)
    first.save(picture, save_all=True, append_images=others, duration=round(1000 * SECONDS_A_FRAME), loop=0, quality=60)
    print(f"{picture}: {len(frames)} frames, {Path(picture).stat().st_size / 1024:.0f} KiB")


def frame(page: Page) -> Image.Image:
    """The live tagger as it is now."""
    page.locator(".listen-live").scroll_into_view_if_needed()
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)


def distinct(frames: list[Image.Image]) -> list[Image.Image]:
    """Frames without those that are equal to the one before."""
    return [image for image, before in zip(frames, [None, *frames], strict=False) if image != before]


if __name__ == "__main__":
    main(*sys.argv[1:])
