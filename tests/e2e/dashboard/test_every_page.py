"""What holds on every page: no accessibility fault in either theme, nothing wider than the window."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe

from support.browser import settled
from support.dashboard.pages import dashboard_pages

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


ALL = {"resultTypes": ["violations"]}
COLOURS = {**ALL, "runOnly": ["color-contrast", "link-in-text-block"]}


async def faults(visitor: Visitor) -> list[str]:
    """What axe-core finds in the light theme, and of colours, which alone depend on the theme, in the dark one."""
    found: list[str] = []
    themes: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (("light", ALL), ("dark", COLOURS))
    for theme, options in themes:
        await visitor.page.emulate_media(color_scheme=theme)
        results = await Axe().run(visitor.page, options=options)
        for one in results.response["violations"]:
            found += [f"{theme} {one['id']}: {node['html'][:200]} {node['failureSummary']}" for node in one["nodes"]]
    return found


async def test_the_check_itself_finds_faults(visitor: NewVisitor) -> None:
    reader = await visitor()
    await reader.go("/")
    await reader.page.evaluate("""() => {
        const added = document.createElement("p");
        added.append("barely to be seen", document.createElement("button"));
        added.style.color = "#777"; // too near to either ground
        document.querySelector("main").append(added);
    }""")
    found = " ".join(await faults(reader))
    assert "light button-name" in found
    assert "light color-contrast" in found
    assert "dark color-contrast" in found


async def test_no_page_has_an_accessibility_fault(visitor: NewVisitor) -> None:
    reader = await visitor()
    await reader.go("/")
    assert await faults(reader) == [], "sign in"
    await reader.sign_in()
    for name, path in dashboard_pages(reader.dashboard.world).items():
        await reader.go(path)
        await settled(reader.page)
        assert await faults(reader) == [], name


async def test_no_dialog_has_an_accessibility_fault(visitor: NewVisitor) -> None:
    reader = await visitor()
    world = reader.dashboard.world
    await reader.sign_in(path=f"/space/{world.spaces['emit']}/tokens")
    page = reader.page
    await page.locator("[data-shortcut=c]").click()
    assert await faults(reader) == [], "create"
    await page.get_by_role("textbox", name="Name").fill("Checked")
    await page.get_by_role("button", name="Producer — app that submits jobs").click()
    await page.locator("dialog [type=submit]").click()
    await page.get_by_role("heading", name="is ready").wait_for()
    assert await faults(reader) == [], "secret"
    await page.get_by_role("button", name="Done").click()
    assert await faults(reader) == [], "closing without a copy"
    await page.get_by_role("button", name="Close without copying").click()
    await page.get_by_role("button", name="Actions for Checked").click()
    assert await faults(reader) == [], "menu"
    await reader.go(f"/token/{world.tokens['emit Production server']}")
    for action in ("Edit", "Rotate", "Revoke", "Delete"):
        await page.get_by_role("button", name=action, exact=True).click()
        await page.get_by_role("dialog").wait_for()
        assert await faults(reader) == [], action
        await page.get_by_role("button", name="Cancel").click()
    for path, button in (
        (f"/workspace/{world.workspaces['emit']}/settings", "Delete workspace"),
        (f"/workspace/{world.workspaces['emit']}/members", "Withdraw the invitation of invited@example.com"),
        (f"/workspace/{world.workspaces['crowded']}/access-tokens", "Create API key"),
    ):
        await reader.go(path)
        await page.get_by_role("button", name=button, exact=True).click()
        await page.get_by_role("dialog").wait_for()
        assert await faults(reader) == [], button


TITLES_OF_NOTHING = """() => [...document.querySelectorAll("main td[data-title]")]
    .filter((one) => one.checkVisibility() && !one.textContent.trim() && !one.children.length)
    .map((one) => one.dataset.title)"""
LINKS_RUN_TOGETHER = """() => [...document.querySelectorAll("main a + a")]
    .filter((one) => one.previousSibling.nodeType === 1 || !one.previousSibling.textContent.trim())
    .filter((one) => !one.closest("nav, .tabs"))
    .filter((one) => getComputedStyle(one).display === "inline")
    .map((one) => one.textContent)"""


async def test_on_a_phone_no_page_is_too_wide_and_no_cell_has_a_title_only(visitor: NewVisitor) -> None:
    reader = await visitor(viewport={"width": 360, "height": 740})
    await reader.sign_in()
    for name, path in dashboard_pages(reader.dashboard.world).items():
        await reader.go(path)
        await settled(reader.page)
        assert await reader.page.evaluate("document.documentElement.scrollWidth") <= 360, name
        assert await reader.page.evaluate(TITLES_OF_NOTHING) == [], name
        assert await reader.page.evaluate(LINKS_RUN_TOGETHER) == [], name
