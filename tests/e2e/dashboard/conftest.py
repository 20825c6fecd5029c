"""A filled server and a browser for the dashboard's tests, both once; without a Chromium they are skipped, loudly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from spacekey.server.settings import Settings
from support.browser import chromium, chromium_path, sign_in
from support.dashboard.world import DashboardWorld, make_dashboard_world
from support.postgres import in_a_thread
from support.server import on_a_socket

WAIT_MS = 120_000


@dataclass
class Dashboard:
    """A running server with its filled database."""

    url: str
    world: DashboardWorld


@dataclass
class Visitor:
    """Somebody with a browser of their own. ``complaints`` is what the page wrote to its console.

    ``excused`` holds parts of complaints that a test asked for: the browser itself writes a line for every answer of
    401 or 503, some time after the answer.
    """

    page: Page
    dashboard: Dashboard
    complaints: list[str] = field(default_factory=list)
    excused: set[str] = field(default_factory=set)

    @property
    def faults(self) -> list[str]:
        """The complaints that are not excused."""
        return [one for one in self.complaints if not any(part in one for part in self.excused)]

    async def sign_in(self, email: str = "owner@example.com", path: str = "/") -> None:
        """Sign in at a path."""
        await sign_in(self.page, self.dashboard.url + path, email)

    async def go(self, path: str) -> None:
        """Open a path of the dashboard."""
        await self.page.goto(self.dashboard.url + path)
        await self.page.locator("h1").wait_for()

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The API's answer to a request with this browser's own session."""
        script = """async ([url, query, variables]) => (await fetch(url, { method: "POST",
            headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query, variables }) })).json()"""
        url = f"{self.dashboard.url}/graphql"
        answer: dict[str, Any] = await self.page.evaluate(script, [url, document, variables])
        return answer


NewVisitor = Callable[..., Awaitable[Visitor]]


async def fields(dialog: Locator) -> list[str]:
    """What a form asks for, from top to bottom."""
    await dialog.wait_for()
    found: list[str] = await dialog.locator("form > [data-field], form > .expiry").evaluate_all(
        "all => all.map((one) => one.dataset.field)"
    )
    return found


@pytest.fixture(scope="session")
def chromium_executable() -> str:
    """Where Chromium is."""
    path = chromium_path()
    if path is None:
        pytest.skip("NO CHROMIUM WAS FOUND: the dashboard is not tested; install one or set CHROMIUM to its path")
    return path


@pytest.fixture(scope="module")
def dashboard(chromium_executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The server on a database with the four systems, which no other file of tests has changed."""
    folder = tmp_path_factory.mktemp("dashboard")
    settings = Settings(
        database_url=f"sqlite:///{folder}/spacekey.db",
        log_level="error",
        workspace_creation="members",
        workspaces_owned_max=1000,
    )
    made: list[DashboardWorld] = []

    async def fill() -> None:
        made.append(await make_dashboard_world(settings))

    in_a_thread(fill)
    with on_a_socket(settings) as url:
        yield Dashboard(url, made[0])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_executable: str) -> AsyncIterator[Browser]:
    """One browser; every test has its own context in it."""
    expect.set_options(timeout=WAIT_MS)
    async with chromium(chromium_executable) as opened:
        yield opened
    # Playwright's subprocess says goodbye on the loop that is about to close.
    await asyncio.sleep(0)


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Browser, dashboard: Dashboard) -> AsyncIterator[NewVisitor]:
    """Makes visitors. When the test is over, none of their pages may have complained: no error, no CSP violation."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> Visitor:
            context = await browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin", **options})
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.set_default_timeout(WAIT_MS)
            made = Visitor(page, dashboard)
            page.on("console", lambda message: _note(made, message))
            page.on("pageerror", lambda error: made.complaints.append(str(error)))
            visitors.append(made)
            return made

        yield make
    assert [one.faults for one in visitors if one.faults] == []


def _note(visitor: Visitor, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        visitor.complaints.append(message.text)
