"""Every page of the dashboard, wide and narrow, light and dark: ``make screenshots``.

All go to build/screenshots, to be looked at; a few small ones go to docs/screenshots, for the README.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from playwright.async_api import Browser, Page  # noqa: E402 - needs the path above

from spacekey.server.settings import Settings  # noqa: E402
from support.browser import chromium, chromium_path, settled, sign_in  # noqa: E402
from support.dashboard.pages import dashboard_pages  # noqa: E402
from support.dashboard.world import DashboardWorld, make_dashboard_world  # noqa: E402
from support.server import on_a_socket  # noqa: E402

SIZES = {"wide": (1440, 900), "large": (1920, 1080), "middle": (1000, 800), "narrow": (390, 844)}
THEMES = ("light", "dark")
KEPT = {
    ("emit-space-tokens", "wide", "light"),
    ("token", "wide", "dark"),
    ("create", "narrow", "light"),
    ("teamspace-tokens", "narrow", "dark"),
}


LONG_NAMES = """async ([workspace, name]) => fetch("/graphql", { method: "POST",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify({
        query: "mutation ($input: CreateTokenInput!) { createToken(input: $input) { __typename } }",
        variables: { input: { ownerId: workspace, name, description: name, grants: ["member"] } } }) })"""


async def take(url: str, world: DashboardWorld, browser_path: str) -> None:
    """All of them."""
    async with chromium(browser_path) as browser:
        for size, (width, height) in SIZES.items():
            for theme in THEMES:
                if not _wanted(size, SIZES) or not _wanted(theme, THEMES):
                    continue
                await take_all(browser, url, world, size=size, viewport=(width, height), theme=theme)


async def take_all(
    browser: Browser, url: str, world: DashboardWorld, *, size: str, viewport: tuple[int, int], theme: str
) -> None:
    """The pages in one size and theme, with the dialogs that matter most."""
    context = await browser.new_context(
        viewport={"width": viewport[0], "height": viewport[1]},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="UTC",
        locale="en-GB",
    )
    page = await context.new_page()
    await page.goto(url)
    await settled(page)
    await save(page, "sign-in", size, theme)
    await sign_in(page, url)
    for name, path in dashboard_pages(world).items():
        await page.goto(url + path)
        await settled(page)
        await save(page, name, size, theme)
    await page.goto(f"{url}/space/{world.spaces['emit']}/tokens")
    await page.locator("[data-shortcut=c]").click()
    await page.get_by_role("textbox", name="Name").fill("Worker 7")
    await page.locator("dialog").get_by_label("jobs:worker").check()
    await save(page, "create", size, theme, whole=False)
    await page.locator("dialog [type=submit]").click()
    await page.get_by_role("heading", name="Worker 7 is ready").wait_for()
    await save(page, "secret", size, theme, whole=False)
    await page.goto(f"{url}/workspace/{world.workspaces['crowded']}/settings")
    await page.get_by_role("button", name="Delete workspace").click()
    await save(page, "delete-workspace", size, theme, whole=False)
    await page.keyboard.press("Escape")
    await take_states(page, url, world, size=size, theme=theme)
    await context.close()


async def take_states(page: Page, url: str, world: DashboardWorld, *, size: str, theme: str) -> None:
    """What a page shows while it waits, when it can't, and with what people rarely write."""
    crowded = f"{url}/workspace/{world.workspaces['crowded']}"
    await page.goto(f"{crowded}/access-tokens")
    await page.get_by_role("button", name="Actions for").first.click()
    await save(page, "menu", size, theme, whole=False)
    await page.get_by_role("menuitem", name=re.compile("Disable|Enable")).click()
    await page.locator("dialog [type=submit]").click()
    await page.locator("dialog").wait_for(state="detached")
    await save(page, "toast", size, theme, whole=False)
    await page.goto(f"{url}/space/{world.spaces['emit']}/tokens")
    await page.locator(".folded").click()
    await page.locator(".badge.revoked").wait_for()
    await save(page, "unfolded", size, theme)
    await page.goto(f"{crowded}/access-tokens?q=nothing-like-it")
    await page.locator(".empty").wait_for()
    await save(page, "no-match", size, theme, whole=False)
    await page.evaluate(LONG_NAMES, [world.workspaces["teamspace"], "A" * 60 + " of a very long name " + "B" * 19])
    await page.goto(f"{url}/workspace/{world.workspaces['teamspace']}/access-tokens")
    await page.locator("tbody tr").first.wait_for()
    await save(page, "long-names", size, theme)
    await page.get_by_role("link", name="AAAA").first.click()
    await settled(page)
    await save(page, "long-name-token", size, theme)
    await page.goto(f"{crowded}/access-tokens")
    await settled(page)
    for name, act in (
        ("loading", lambda route: None),
        ("unavailable", lambda route: route.fulfill(status=503, body='{"status": 503}')),
        ("unreachable", lambda route: route.abort()),
    ):
        await page.route("**/graphql", act)
        await page.locator("nav.sections").get_by_role("link", name="Spaces").click()
        await page.locator(".skeleton" if name == "loading" else "main .alert").first.wait_for()
        await save(page, name, size, theme, whole=False)
        await page.unroute("**/graphql")
        await page.goto(f"{crowded}/access-tokens")
        await settled(page)
    await page.context.set_offline(True)
    await page.locator("nav.sections").get_by_role("link", name="Members").click()
    await page.locator("main .alert").first.wait_for()
    await save(page, "offline", size, theme, whole=False)
    await page.context.set_offline(False)


def _wanted(one: str, among: Iterable[str]) -> bool:
    """Whether one of these is taken: where the command line names none of them, all are."""
    return one in sys.argv[1:] or not set(sys.argv[1:]) & set(among)


async def save(page: Page, name: str, size: str, theme: str, *, whole: bool = True) -> None:
    """One picture."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=folder / f"{name}-{size}-{theme}.png", full_page=whole)
    if (name, size, theme) in KEPT:
        kept = ROOT / "docs" / "screenshots"
        kept.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=kept / f"{name}.png")


def main() -> None:
    """Serve a filled database, and look at it: in all sizes and themes, or in those that are named."""
    if unknown := set(sys.argv[1:]) - {*SIZES, *THEMES}:
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}. Choose from {', '.join([*SIZES, *THEMES])}.")
    path = chromium_path()
    if path is None:
        sys.exit("No Chromium was found: install one, or set CHROMIUM to its path.")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/spacekey.db", log_level="warning")
        world = asyncio.run(make_dashboard_world(settings))
        with on_a_socket(settings) as url:
            asyncio.run(take(url, world, path))
    print(f"See {ROOT / 'build' / 'screenshots'}")


if __name__ == "__main__":
    main()
