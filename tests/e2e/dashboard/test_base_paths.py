"""The dashboard below any path of a host, in a browser: each page, deep links, signing in and out, two at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from spacekey.server.app import build_app
from spacekey.server.settings import Settings
from support.apps.mounts import BASES, NASTY, Proxy, host_of
from support.browser import settled, sign_in
from support.dashboard.pages import dashboard_pages
from support.dashboard.world import DashboardWorld, make_dashboard_world
from support.databases import sqlite_database
from support.postgres import in_a_thread
from support.running_app import running
from support.schema import spacekey_schema

from .conftest import Dashboard, NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

WAYS = [*((base, "mounted") for base in (*BASES, NASTY)), ("/keys", "kept"), ("/a/b%20c", "stripped")]
THEIRS = "theirs=set-by-the-host; Path=/"


def settings_on(database_url: str, **more: str) -> Settings:
    """Settings of a server for a browser."""
    return Settings(database_url=database_url, log_level="error", workspace_creation="members", **more)  # type: ignore[arg-type]


def app_on(settings: Settings) -> Starlette:
    """The server as an app."""
    return build_app(settings, schema=spacekey_schema())


async def _cookie(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("the host's own page", headers={"Set-Cookie": THEIRS})


def site(database_url: str, base: str, way: str) -> ASGIApp:
    """The server below a path: in a host with middleware of its own, or behind a proxy."""
    if way != "mounted":
        public = settings_on(database_url, public_url=f"http://127.0.0.1{base}")
        return Proxy(app_on(public), base, keeps=way == "kept")
    around = [Middleware(GZipMiddleware), Middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)]
    return host_of((base, app_on(settings_on(database_url))), middleware=around, routes=[Route("/own", _cookie)])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> tuple[str, DashboardWorld]:
    """A database with the four systems, and what is in it."""
    url = sqlite_database(tmp_path_factory.mktemp("based"), sqlite_template)
    made: list[DashboardWorld] = []

    async def fill() -> None:
        made.append(await make_dashboard_world(settings_on(url)))

    in_a_thread(fill)
    return url, made[0]


@contextmanager
def dashboard_below(filled: tuple[str, DashboardWorld], base: str, way: str) -> Iterator[Dashboard]:
    """The dashboard at a base path."""
    with running(site(filled[0], base, way)) as url:
        yield Dashboard(url + base, filled[1])


def watched(page: Page, dashboard: Dashboard) -> list[str]:
    """The addresses that a page asks for outside of its base path, from now on."""
    outside: list[str] = []
    base = unquote(dashboard.url) + "/"

    def look(url: str) -> None:
        if not unquote(url).startswith((base, "blob:")) and urlsplit(url).path != "/own":
            outside.append(url)

    page.on("request", lambda request: look(request.url))
    page.on("framenavigated", lambda frame: look(frame.url))
    return outside


@pytest.mark.parametrize(("base", "way"), WAYS)
async def test_the_dashboard_is_whole_below_any_path(
    visitor: NewVisitor, filled: tuple[str, DashboardWorld], base: str, way: str
) -> None:
    with dashboard_below(filled, base, way) as dashboard:
        owner = await visitor()
        owner.dashboard = dashboard
        page, outside = owner.page, watched(owner.page, dashboard)
        name = f"{way} below {unquote(base) or 'the host'}"
        space = f"/space/{dashboard.world.spaces['emit']}/tokens"
        await owner.sign_in(path=space)
        await page.locator("[data-shortcut=c]").click()
        await page.get_by_role("textbox", name="Name").fill(name)
        await page.get_by_role("button", name="Producer — app that submits jobs").click()
        await page.locator("dialog [type=submit]").click()
        assert (await page.locator("dialog textarea.secret").input_value()).startswith("em_live_")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Close without copying").click()
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        deep = page.url
        assert unquote(urlsplit(deep).path).startswith(f"{unquote(base)}/token/key_")
        await page.reload()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", name="Tokens of Production")).to_be_visible()
        await _each_page_and_its_links(owner, outside)
        await page.get_by_role("button", name="Account of").click()
        await page.get_by_role("menuitem", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert unquote(page.url) == unquote(f"{dashboard.url}/")
        assert outside == []


async def _each_page_and_its_links(owner: Visitor, outside: list[str]) -> None:
    for name, path in dashboard_pages(owner.dashboard.world).items():
        await owner.go(path)
        await settled(owner.page)
        links = await owner.page.locator("a[href]").evaluate_all("all => all.map((one) => one.href)")
        beyond = [one for one in links if not unquote(one).startswith(f"{unquote(owner.dashboard.url)}/")]
        assert [one for one in beyond if not one.endswith("#main")] == [], name
    assert outside == []


async def test_two_dashboards_on_one_host_do_not_disturb_each_other_or_the_host(
    visitor: NewVisitor, filled: tuple[str, DashboardWorld], tmp_path: Path, sqlite_template: Path
) -> None:
    """Two with databases of their own, and a third with the first one's: a browser is three people at once."""
    other = sqlite_database(tmp_path, sqlite_template)
    in_a_thread(lambda: make_dashboard_world(settings_on(other)))
    paths = {"/one": filled[0], "/two": other, "/one/more": filled[0]}
    people = dict(zip(paths, ("owner@example.com", "developer@emit.example", "admin@emit.example"), strict=True))
    apps = [(path, app_on(settings_on(url))) for path, url in sorted(paths.items(), reverse=True)]
    with running(host_of(*apps, routes=[Route("/own", _cookie)])) as url:
        reader = await visitor()
        reader.excused.add("404 (Not Found)")  # the host's own page has no icon
        context = reader.page.context
        await reader.page.goto(f"{url}/own")
        pages = {path: await context.new_page() for path in paths}
        for path, page in pages.items():
            await sign_in(page, f"{url}{path}/account", people[path])
        for path, page in pages.items():
            await page.reload()
            await expect(page.get_by_role("button", name=f"Account of {people[path]}")).to_be_visible()
        await pages["/two"].get_by_label("Theme").select_option("dark")
        await pages["/two"].get_by_role("button", name="Account of").click()
        await pages["/two"].get_by_role("menuitem", name="Sign out").click()
        await expect(pages["/two"].get_by_role("heading", name="Sign in")).to_be_visible()
        for path in ("/one", "/one/more"):
            await pages[path].reload()
            await expect(pages[path].get_by_role("button", name=f"Account of {people[path]}")).to_be_visible()
            assert await pages[path].evaluate("document.documentElement.dataset.theme ?? null") is None
        names = sorted(cookie["name"] for cookie in await context.cookies())
        assert len(names) == 3
        assert "theirs" in names


async def test_a_page_whose_files_were_taken_away_by_a_proxy_says_what_to_set(
    visitor: NewVisitor, filled: tuple[str, DashboardWorld]
) -> None:
    """The server was not told of the proxy, so what it links to is not there."""
    with running(Proxy(app_on(settings_on(filled[0])), "/keys", keeps=False)) as url:
        reader = await visitor()
        reader.excused |= {"404 (Not Found)", "integrity"}
        await reader.page.goto(f"{url}/keys/")
        await expect(reader.page.get_by_text("set SPACEKEY_PUBLIC_URL to the URL that browsers open")).to_be_visible()
