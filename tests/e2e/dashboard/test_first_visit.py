"""What a first visit costs: bytes, requests, and what waits for what. Counted in a browser, without a clock."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest
from playwright.async_api import Page, Request, Route, expect

from support.browser import settled

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

KILOBYTES_MAX = 70
REQUESTS_MAX = 8
SCRIPT = re.compile(r"/assets/app\.\w+\.js$")
LATER = re.compile(r"/assets/later\.\w+\.js")
EARLY = re.compile(r"/assets/early\.\w+\.js$")
ROWS = "tbody tr"


def lists(visitor: Visitor) -> list[str]:
    """Paths of lists: of a workspace with a full page, at a product's own path, and of a space."""
    world = visitor.dashboard.world
    return [
        f"/workspace/{world.workspaces['crowded']}/access-tokens",
        f"/workspace/{world.workspaces['spooled']}/account/api-keys",
        f"/workspace/{world.workspaces['teamspace']}",
        f"/space/{world.spaces['emit']}/tokens",
    ]


async def fresh_page(visitor: Visitor) -> Page:
    """A page of the same reader that has nothing in its cache."""
    page = await visitor.page.context.new_page()
    session = await visitor.page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return page


async def size(request: Request) -> int:
    """Bytes of an answer as it was sent, with its headers."""
    sizes = await request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


async def test_a_first_visit_to_a_full_table_is_small(visitor: NewVisitor) -> None:
    owner = await visitor()
    await owner.sign_in()
    page = await fresh_page(owner)
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright marks handlers
    await page.goto(owner.dashboard.url + lists(owner)[0])
    await expect(page.locator(ROWS)).to_have_count(50)
    await page.wait_for_load_state("networkidle")
    sizes = [await size(one) for one in asked]
    listed = [f"{one.method} {one.url} {bytes_sent}" for one, bytes_sent in zip(asked, sizes, strict=True)]
    assert sum(sizes) <= KILOBYTES_MAX * 1_000, listed
    assert len(asked) <= REQUESTS_MAX, listed
    assert not any(LATER.search(one.url) for one in asked)


@pytest.mark.parametrize("which", range(4))
async def test_the_rows_are_asked_for_while_the_script_is_on_its_way(visitor: NewVisitor, which: int) -> None:
    """The script is held back until the server has answered with the rows: it asks for nothing again."""
    owner = await visitor()
    await owner.sign_in()
    page = await fresh_page(owner)
    answered = asyncio.Event()
    questions: list[str] = []

    async def hold(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    def note(request: Request) -> None:
        if not request.url.endswith("/graphql"):
            return
        questions.append(request.post_data or "")
        if "TokenRow" in questions[-1]:
            answered.set()

    await page.route(SCRIPT, hold)
    page.on("requestfinished", note)
    await page.goto(owner.dashboard.url + lists(owner)[which], wait_until="commit")
    await expect(page.locator(ROWS).first).to_be_visible()
    assert len(questions) == 2
    assert max(Counter(questions).values()) == 1


async def test_no_script_waits_for_another_to_be_asked_for(visitor: NewVisitor) -> None:
    """The first is held back until the next one is asked for: the document names both."""
    owner = await visitor()
    await owner.sign_in()
    page = await fresh_page(owner)
    asked = asyncio.Event()
    page.on("request", lambda request: asked.set() if SCRIPT.search(request.url) else None)

    async def hold(route: Route) -> None:
        await asked.wait()
        await route.continue_()

    await page.route(EARLY, hold)
    await page.goto(owner.dashboard.url + lists(owner)[0], wait_until="commit")
    await expect(page.locator(ROWS).first).to_be_visible()


async def test_a_page_of_the_second_script_is_preloaded_at_its_own_address(visitor: NewVisitor) -> None:
    owner = await visitor()
    await owner.sign_in()
    page = await fresh_page(owner)
    loaded = asyncio.Event()
    page.on("requestfinished", lambda request: loaded.set() if LATER.search(request.url) else None)

    async def hold(route: Route) -> None:
        await loaded.wait()
        await route.continue_()

    await page.route(SCRIPT, hold)
    path = f"/workspace/{owner.dashboard.world.workspaces['crowded']}/members"
    await page.goto(owner.dashboard.url + path, wait_until="commit")
    await expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()


async def test_the_second_script_comes_once_at_the_first_sign_of_a_hand(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if LATER.search(request.url) else None)
    await owner.sign_in(path=lists(owner)[0])
    await expect(page.locator(ROWS).first).to_be_visible()
    await page.get_by_role("link", name="Members").click()
    await expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()
    await page.get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    assert len(asked) == 1


async def test_a_second_script_that_did_not_come_is_told_and_tried_again(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    owner.excused.update(("ERR_FAILED", "modulepreload"))
    await page.route(LATER, lambda route: route.abort())
    await owner.sign_in(path=lists(owner)[0])
    await page.get_by_role("link", name="Members").click()
    await expect(page.get_by_role("heading", name="This page couldn't be loaded")).to_be_visible()
    await expect(page.locator("nav.sections").first).to_be_visible()
    await page.unroute(LATER)
    await expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()


async def test_a_page_of_an_older_version_is_loaded_again_once_its_second_script_is_gone(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    owner.excused.update(("404 (Not Found)", "modulepreload"))
    documents: list[str] = []
    page.on("request", lambda request: documents.append(request.url) if request.is_navigation_request() else None)
    await owner.sign_in(path=lists(owner)[0])

    async def be_gone(route: Route) -> None:
        if len(documents) > 1:
            await route.continue_()
        else:
            await route.fulfill(status=404)

    await page.route(LATER, be_gone)
    await page.reload()
    await settled(page)
    documents.clear()
    await page.goto(page.url)
    await page.get_by_role("link", name="Members").click()
    await expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()
    assert len(documents) == 2


async def test_a_changed_second_script_is_not_run(visitor: NewVisitor) -> None:
    """Its digest stands in the page."""
    owner = await visitor()
    page = owner.page
    owner.excused.update(("integrity", "modulepreload"))
    body = "globalThis.wasRun = true; export const PAGES = {};"
    await page.route(LATER, lambda route: route.fulfill(content_type="text/javascript", body=body))
    await owner.sign_in(path=lists(owner)[0])
    await page.get_by_role("link", name="Members").click()
    await expect(page.get_by_role("heading", name="This page couldn't be loaded")).to_be_visible()
    assert await page.evaluate("globalThis.wasRun") is None


async def test_tools_find_the_modules_behind_the_scripts(visitor: NewVisitor) -> None:
    owner = await visitor()
    session = await owner.page.context.new_cdp_session(owner.page)
    maps: dict[str, str] = {}
    session.on("Debugger.scriptParsed", lambda one: maps.update({one["url"]: one["sourceMapURL"]}))
    await session.send("Debugger.enable")
    await owner.sign_in(path=lists(owner)[0])
    await owner.page.get_by_role("link", name="Members").click()
    await expect(owner.page.get_by_role("heading", name="Members", level=1)).to_be_visible()
    found = {url.rpartition("/")[2].partition(".")[0]: name for url, name in maps.items() if "/assets/" in url}
    assert found.keys() == {"early", "app", "later"}
    assert all(name.endswith(".js.map") for name in found.values())
