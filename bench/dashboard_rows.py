"""The dashboard's table of tokens in a real Chromium: how long until rows stand there, and what a first visit moves.

Run it with ``python -m bench.dashboard_rows``. From the start of the navigation to the first row in the document, on
SQLite, signed in, nothing cached by the browser; for a workspace of 50 tokens and for one of a million in the same
database, and for the first over a simulated line, in turns. Budget of a first visit (issue 17): 70 KB compressed, and
rows within 1.3 s on that line.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import text

from spacekey.resolvers.accounts.users import create_user
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.build import build_system, prepare_store
from spacekey.server.settings import Settings

from ._turns import borrow_from_tests, ratios, show

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

FEW, MANY = 50, 1_000_000
ROUNDS = 12
SECONDS_MAX = 1.3
KILOBYTES_MAX = 70
LINE = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 1_600_000 / 8,
}
"""As Chromium simulates it: 1.6 Mbit/s, and each answer begins 150 ms after its request."""
EMAIL = "owner@example.com"

FILL = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    INSERT INTO spacekey_tokens (id, digest, prefix, name, description, kind, environment, workspace_id, grants,
        created_at, created_by_id, created_by_name, first_use_retires)
    SELECT 'key_' || substr(:workspace, 4, 18) || printf('%08d', n), randomblob(32), 'sp_live_abcd', 'Token ' || n, '',
        'workspace', 'live', :workspace, '["jobs:read"]', strftime('%Y-%m-%d %H:%M:%f000', 1767225600 + n, 'unixepoch'),
        'usr_x', 'u@example.com', false
    FROM numbers
"""
NOTES = (f"ratio: of {KILOBYTES_MAX} KB", "ratio: of the row above", f"ratio: median, of {SECONDS_MAX} s")
WATCH = """
    const seen = new MutationObserver(() => {
        if (window.rowsAfter !== undefined || !document.querySelector("tbody tr")) return;
        window.rowsAfter = performance.now();
    });
    seen.observe(document, { childList: true, subtree: true });
"""


@dataclass(frozen=True)
class Visit:
    """One first visit: milliseconds to the first row, requests, and bytes on the wire, headers included."""

    milliseconds: float
    requests: int
    size: int


async def fill(settings: Settings) -> list[str]:
    """Two workspaces of one owner; their ids."""
    from support.world import OPERATOR, PASSWORD

    system = build_system(settings)
    try:
        await prepare_store(system.store)
        await create_user(system, OPERATOR, email=EMAIL, name="Owner", password=PASSWORD)
        made = []
        for slug, count in (("few", FEW), ("many", MANY)):
            workspace = await create_workspace(system, OPERATOR, name=slug, slug=slug, product="spooled")
            await add_member(system, OPERATOR, workspace.id, email=EMAIL, role="owner")
            async with system.store.changing() as session:
                connection = await session.connection()
                await connection.execute(text(FILL), {"count": count, "workspace": workspace.id})
            made.append(workspace.id)
        return made
    finally:
        await system.store.aclose()


async def visit(context: BrowserContext, address: str, *, slow: bool = False) -> Visit:
    """Open the page in a tab without a cache, and wait for its rows."""
    page = await context.new_page()
    try:
        session = await context.new_cdp_session(page)
        await session.send("Network.enable")
        await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        if slow:
            await session.send("Network.emulateNetworkConditions", LINE)
        await page.add_init_script(WATCH)
        answers = []
        page.on("response", lambda response: answers.append(response))  # noqa: PLW0108 - Playwright marks handlers
        await page.goto(address)
        await page.locator("tbody tr").first.wait_for()
        sizes = [await one.request.sizes() for one in answers]
        size = sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)
        return Visit(await page.evaluate("window.rowsAfter"), len(answers), size)
    finally:
        await page.close()


async def compare(url: str, workspaces: list[str], path: str, rounds: int) -> list[dict[str, object]]:
    """A row for each workspace, and one for the line."""
    from support.browser import chromium, sign_in

    async with chromium(path) as browser:
        context = await browser.new_context()
        page = await context.new_page()
        await sign_in(page, url, EMAIL)
        await page.close()
        took: list[list[Visit]] = []
        for turn in range(rounds + 1):
            tables = [f"{url}/workspace/{one}/access-tokens" for one in workspaces]
            three = [await visit(context, one) for one in tables]
            three.append(await visit(context, tables[0], slow=True))
            if turn:  # the first round warms up
                took.append(three)
    few, many, slow = ([three[which] for three in took] for which in (0, 1, 2))
    rows = [
        _row(f"first visit to a table of {FEW} tokens", few),
        _row(f"the same among {MANY:,}", many),
        _row("the first on a line of 1.6 Mbit/s with 150 ms", slow),
    ]
    rows[0] |= {"ratio": round(float(str(rows[0]["kilobytes"])) / KILOBYTES_MAX, 3), "budget": 1}
    rows[1] |= ratios([one.milliseconds for one in many], [one.milliseconds for one in few])
    rows[2] |= {"ratio": round(float(str(rows[2]["median"])) / (1_000 * SECONDS_MAX), 3), "budget": 1}
    return [{**row, "note": note} for row, note in zip(rows, NOTES, strict=True)]


def _row(name: str, visits: list[Visit]) -> dict[str, object]:
    return {
        "name": name,
        "milliseconds_to_rows": round(min(one.milliseconds for one in visits)),
        "median": round(median(one.milliseconds for one in visits)),
        "requests": max(one.requests for one in visits),
        "kilobytes": round(max(one.size for one in visits) / 1_000, 1),
    }


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """A row for each workspace, and one for the line.

    :raises RuntimeError: there is no Chromium.
    """
    borrow_from_tests()
    from support.browser import chromium_path
    from support.server import on_a_socket

    path = chromium_path()
    if path is None:
        raise RuntimeError("no Chromium was found: install one, or set CHROMIUM to its path")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{Path(folder) / 'spacekey.db'}", log_level="error")
        workspaces = asyncio.run(fill(settings))
        with on_a_socket(settings) as url:
            return asyncio.run(compare(url, workspaces, path, rounds))


if __name__ == "__main__":
    show(measure())
