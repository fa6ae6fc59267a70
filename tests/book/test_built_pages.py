"""Every page of the built book, in a subfolder of a plain static server: no error, nothing from elsewhere, and open to all.

Needs ``make book``. axe finds what a program can find of WCAG; the focus of the keyboard, and pages wider than a phone, it does
not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from browsing import chromium, watch

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "_build" / "html"
PAGES = sorted(path.stem for path in (BOOK / "book").glob("*.html"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PAGES, reason="there is no built book: run `make book`")]
WAIT = 300_000  # ms; a busy machine takes its time
AXE = {"axe.min.js": "20c09fe157a8a34a30e241aaa1fcdade657734f08ab379ecfbeb7d45cc46e878"}

# One element of each kind gets the focus, as if by the keyboard, and must look different from before.
UNSEEN = """async () => {
  const look = (element) => {
    const chain = [element, element.nextElementSibling, element.parentElement].filter(Boolean);
    return chain.map((part) => {
      const style = getComputedStyle(part);
      const ring = style.outlineStyle === "none" || style.outlineWidth === "0px" ? "" : style.outline;
      return [ring, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecoration].join();
    }).join();
  };
  const kinds = new Map();
  for (const element of document.querySelectorAll("a[href], button, input, select, summary, audio, [tabindex='0']")) {
    const key = [element.tagName, element.className, element.type, element.parentElement.className].join();
    if (!kinds.has(key) && element.checkVisibility({ visibilityProperty: true }) && !element.disabled) kinds.set(key, element);
  }
  const unseen = [];
  for (const element of kinds.values()) {
    document.activeElement.blur();
    const before = look(element);
    element.focus({ preventScroll: true });
    await new Promise((go) => setTimeout(go, 60)); // the theme fades some in
    if (document.activeElement === element && element.matches(":focus-visible") && look(element) === before) {
      unseen.push(element.outerHTML.slice(0, 120));
    }
  }
  return unseen;
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("host")
    maker = ROOT / "book" / "_tools" / "make_site.py"
    subprocess.run([sys.executable, maker, BOOK, root / "sub" / "folder"], check=True)
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        port = server.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}/sub/folder"
        server.terminate()


@pytest.fixture(scope="module")
def axe():
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    try:
        from npm_files import npm_files
    finally:
        sys.path.pop(0)
    from sphinx.errors import ConfigError

    try:
        return npm_files("axe-core@4.14.0", AXE)["axe.min.js"].read_text(encoding="utf-8")
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page(browser, axe, address, name, scheme):
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    context.set_default_timeout(WAIT)
    page = context.new_page()
    problems = watch(page, address)
    page.goto(f"{address}/book/{name}.html")
    page.wait_for_load_state("networkidle")
    page.evaluate(axe)
    # what does not depend on colours is judged once
    rules = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else None
    report = page.evaluate(
        "(runOnly) => axe.run(document, { resultTypes: ['violations'], ...(runOnly && { runOnly }) })", rules
    )
    problems += [f"{one['id']}: {node['html'][:160]}" for one in report["violations"] for node in one["nodes"]]
    page.keyboard.press("Tab")
    problems += [f"focus cannot be seen: {html}" for html in page.evaluate(UNSEEN)]
    if scheme == "light":
        page.set_viewport_size({"width": 390, "height": 800})
        if (wide := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
            problems.append(f"{wide} px wider than a phone of 390 px")
    context.close()
    assert not problems, "\n".join(dict.fromkeys(problems))


def test_the_front_door_leads_to_the_first_page(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/")
    page.wait_for_url(f"{address}/book/*.html")
    assert page.locator("h1").count()
    page.close()


@pytest.mark.parametrize(
    ("name", "explorer"), [("what_goes_in", "mel-explorer"), ("spectrogram_frontends", "filter-explorer")]
)
def test_a_swipe_over_an_explorer_scrolls_the_page(browser, address, name, explorer):
    phone = {"width": 390, "height": 844}
    with browser.new_context(viewport=phone, has_touch=True, is_mobile=True, reduced_motion="reduce") as context:
        context.set_default_timeout(WAIT)
        page = context.new_page()
        page.goto(f"{address}/book/{name}.html")
        page.locator(f".{explorer}").first.scroll_into_view_if_needed()
        canvas = page.locator(f".{explorer} canvas").first
        canvas.wait_for()
        canvas.evaluate("(element) => element.scrollIntoView({ block: 'center', behavior: 'instant' })")
        page.wait_for_timeout(500)
        box, before = canvas.bounding_box(), page.evaluate("scrollY")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch = context.new_cdp_session(page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 16):
            points = [{"x": x, "y": y - 10 * step}]
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
            page.wait_for_timeout(16)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_function("(before) => scrollY > before + 100", arg=before)
