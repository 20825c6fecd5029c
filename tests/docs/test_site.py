"""``make docs`` builds a site without a warning; its links lead somewhere, and it asks no other host for anything."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from playwright.sync_api import sync_playwright

from support.browser import QUIET, chromium_path
from support.pages import ROOT

SITE = ROOT / "build" / "site"
PAGES = ("", "how-to/back-up-and-restore/", "reference/graphql/", "reference/rest-api/", "reference/python-api/")


@pytest.fixture(scope="module")
def site() -> Path:
    house = subprocess.run(["make", "house"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert house.returncode == 0, house.stderr
    built = subprocess.run(
        [sys.executable, "docs/build_site.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return SITE


class Links(HTMLParser):
    """What a page loads, where it leads, and which places it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.leads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        if tag in {"script", "img", "iframe", "source", "video", "audio", "embed"} and "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") != "canonical":
            self.loaded.append(values.get("href", ""))
        if tag == "a" and "href" in values:
            self.leads.append(values["href"])


@pytest.mark.long
def test_every_page_of_the_docs_is_there_as_html_and_as_markdown(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs")
        folder = name.parent if name.name == "README.md" else name.with_suffix("")
        assert (site / folder / "index.html").is_file(), name
        assert (site / name).is_file(), name
    listed = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text())
    assert len(listed) > 100
    assert [one for one in listed if not (site / one).is_file()] == []
    assert (site / "openapi.json").is_file()
    assert "boost" not in (site / "decisions" / "README.md").read_text()


@pytest.mark.long
def test_steps_have_the_numbers_that_the_page_gives_them(site: Path) -> None:
    """Also those after a block of code, where a list begins again."""
    page = (site / "how-to" / "back-up-and-restore" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<ol(?: start="(\d)")?>', page) == ["", "3", "5"]


@pytest.mark.long
def test_links_of_every_page_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = {file: Links(file.read_text(encoding="utf-8")) for file in site.rglob("*.html") if file.name != "404.html"}
    assert len(found) > 200
    for file, page in found.items():
        for address in page.loaded:
            assert not re.match(r"(?:https?:)?//", address), (file, address)
        for address in page.leads:
            target, anchor = urldefrag(unquote(address))
            if re.match(r"[a-z]+:", target):
                continue
            there = (file.parent / target).resolve() if target else file
            there = there / "index.html" if there.is_dir() else there
            assert there.is_file(), (file, address)
            assert not anchor or there not in found or anchor in found[there].places, (file, address)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.long
def test_a_browser_asks_no_other_host_and_the_search_finds_the_guide(address: str) -> None:
    program = chromium_path()
    if program is None:
        pytest.skip(
            "NO CHROMIUM WAS FOUND: the site is not looked at in a browser; install one or set CHROMIUM to its path"
        )
    outside: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        for width, scheme in ((1280, "light"), (390, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.on(
                "request",
                lambda one: outside.append(one.url) if not one.url.startswith((address, "data:", "blob:")) else None,
            )
            page.on("pageerror", lambda error: errors.append(str(error)))
            for name in PAGES:
                page.goto(address + name)
                page.wait_for_load_state("networkidle")
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide == 0, (name, width)
            context.close()
        page = browser.new_page()
        page.goto(address)
        page.fill("input.md-search__input", "restore-check")
        page.locator(".md-search-result__item", has_text="Back up and restore").first.wait_for()
        browser.close()
    assert outside == []
    assert errors == []


# The navigation of the documentation site names every page once. The build itself is the long form, in test_site.


MADE_BY_THE_BUILD = {"CHANGELOG.md", "reference/python-api.md"}


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    listed = re.findall(r"^ +- (?:[^:\n]+: )?([\w/-]+\.md)$", (docs / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {one.relative_to(docs).as_posix() for one in docs.rglob("*.md")}
    wanted = {one for one in pages if not re.match(r"decisions/\d", one)} | MADE_BY_THE_BUILD
    assert sorted(listed) == sorted(wanted), "docs/mkdocs.yml: add the page to nav"
