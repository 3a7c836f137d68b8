"""The report in a browser: accessible, at home at any width, and never outside itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from earmark.readers import read
from earmark.report import write_report
from report_runs import chances, run_folder
from surroundings import tones
from test_report import fake_run_of, hostile_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium is installed; on Debian: apt-get install chromium"
)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser):
    """Open a file; whatever goes wrong on the page, or leaves it, fails the test."""
    contexts, wrong = [], []

    def open_file(path: Path, scheme: str = "light", width: int = 1100, scripts: bool = True):
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            offline=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                None
                if request.url == path.as_uri() or request.url.startswith("data:")
                else wrong.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope="module")
def pages(tmp_path_factory, write_wav):
    """A page with sound, one of hostile names, one of fifty classes."""
    folder = tmp_path_factory.mktemp("pages")
    pattern = "{label}_{group}_{take}.wav"
    data = read(tones(folder / "tones", write_wav, groups=10, takes=4), pattern=pattern)
    run = fake_run_of(data, folder / "sound", {"data.pattern": pattern})
    many = np.arange(600) % 50
    wide = run_folder(folder / "wide", [f"class number {i}" for i in range(50)], many, chances(many, 50, 0.5))
    return {
        "sound": write_report(run, folder / "sound.html", with_audio=True).report,
        "hostile": write_report(hostile_run(folder / "hostile"), folder / "hostile.html").report,
        "wide": write_report(wide, folder / "wide.html").report,
    }


@pytest.mark.parametrize("scheme", THEMES)
@pytest.mark.parametrize("name", ["sound", "hostile", "wide"])
def test_axe_finds_nothing(open_page, pages, name, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(pages[name], scheme)
    page.locator(".matrix td a").first.click()
    found = Axe().run(page)
    assert not found.violations_count, found.generate_report()


@pytest.mark.parametrize("name", ["sound", "hostile", "wide"])
@pytest.mark.parametrize("width", [320, 400, 800])
def test_no_width_makes_the_page_scroll_sideways(open_page, pages, name, width):
    page = open_page(pages[name], width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scripts", [True, False])
def test_a_cell_opens_its_clips_by_keyboard(open_page, pages, scripts):
    page = open_page(pages["sound"], scripts=scripts)
    assert page.locator(".cell:visible").count() == 0
    cell = page.locator(".matrix td.w0 a, .matrix td.w1 a, .matrix td.w2 a, .matrix td.w3 a").first
    count, where = int(cell.inner_text()), cell.get_attribute("href")
    cell.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".cell:visible")
    panel.wait_for()
    assert f"#{panel.get_attribute('id')}" == where
    assert panel.locator("li").count() == count
    assert ".wav" in panel.locator("li").first.inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # back to the table
    panel.wait_for(state="hidden")


def test_what_has_the_focus_is_seen(open_page, pages):
    page = open_page(pages["sound"])
    page.keyboard.press("Tab")
    outline = page.evaluate(
        "getComputedStyle(document.activeElement).outlineStyle + document.activeElement.tagName"
    )
    assert outline == "solidA"


def test_pictures_and_sound_are_whole(open_page, pages):
    page = open_page(pages["sound"])
    sizes = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight])")
    assert len(sizes) == 10
    assert all(done and 80 <= wide <= 260 and high == 56 for done, wide, high in sizes)
    played = page.evaluate(
        """async () => {
            const sounds = [...document.querySelectorAll("audio")];
            await Promise.all(sounds.map(s => { s.muted = true; return s.play(); }));
            return sounds.map(s => s.duration);
        }"""
    )
    assert len(played) == 10
    assert all(
        0.4 < seconds < 0.7 for seconds in played
    )  # the tones last half a second, and MP3 adds a frame or two


def test_no_script_would_run(browser, pages):
    page = browser.new_page()  # not watched: what it blocks, it tells
    page.goto(pages["hostile"].as_uri())
    page.evaluate("window.ran = 0; 0")
    blocked = page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener("securitypolicyviolation", e => resolve(e.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.ran = 1";
            document.body.append(script);
            setTimeout(() => resolve("nothing"), 2000);
        })"""
    )
    assert blocked == "script-src-elem"
    assert page.evaluate("window.ran") == 0
    page.close()


def test_on_paper_there_is_no_navigation_and_it_is_light(open_page, pages):
    page = open_page(pages["sound"], "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("nav").is_visible()
    assert not page.locator("audio").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
