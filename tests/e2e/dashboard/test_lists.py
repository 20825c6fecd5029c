"""Lists longer than a page, what is exported from them, and charts whose numbers are those of the table behind."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from support.browser import settled
from support.dashboard.world import SPACES_MANY, TOKENS_MANY

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

SIZE = 50
KEYS = ("allowed", "denied", "rateLimited")
USAGE = "query ($id: ID!) { token(id: $id) { usage(days: 30) { day allowed denied rateLimited } } }"
BARS = """() => [...document.querySelectorAll("svg.chart rect.part")].map((one) => ({
    key: one.classList[1], x: Number(one.getAttribute("x")), height: Number(one.getAttribute("height")) }))"""


async def names(page: Page) -> list[str]:
    """The first column of the table."""
    return await page.locator("tbody th a").all_inner_texts()


async def turn(page: Page, button: str, first: str) -> None:
    """Press a button of the pager, and wait for the page that begins with this row."""
    await page.get_by_role("button", name=button).click()
    await expect(page.locator("tbody th a").first).to_have_text(first)


async def test_pages_of_tokens_are_turned_by_cursor_and_keep_the_filters(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens?q=batch&environment=live&sort=NAME.ASC")
    every = [f"Batch {number:03}" for number in range(TOKENS_MANY)]
    assert await names(page) == every[:SIZE]
    await expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    await turn(page, "Next", every[SIZE])
    assert await names(page) == every[SIZE : 2 * SIZE]
    await turn(page, "Next", every[2 * SIZE])
    assert await names(page) == every[2 * SIZE :]
    await expect(page.get_by_role("button", name="Next")).to_be_disabled()
    await turn(page, "Previous", every[SIZE])
    assert await names(page) == every[SIZE : 2 * SIZE]
    for part in ("q=batch", "environment=live", "sort=NAME.ASC"):
        assert part in page.url
    await page.reload()
    await settled(page)
    assert await names(page) == every[SIZE : 2 * SIZE]
    await expect(page.get_by_role("searchbox", name="Search")).to_have_value("batch")
    await turn(page, "First page", every[0])
    await turn(page, "Next", every[SIZE])
    await page.get_by_role("searchbox", name="Search").fill("Batch 11")
    await expect(page.locator("tbody tr")).to_have_count(10)
    assert await names(page) == every[110:120]
    assert "after=" not in page.url


async def test_a_table_that_is_drawn_afresh_keeps_the_focus(visitor: NewVisitor) -> None:
    """Between a press of Tab and the next key the rows may be drawn again: the key is for the same control."""
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens?sort=NAME.ASC")
    href = await page.locator("tbody th a").first.get_attribute("href") or ""
    arrived = asyncio.Event()

    async def hold(route: Route) -> None:
        await arrived.wait()
        await route.continue_()

    document = """mutation ($input: UpdateTokenInput!) { updateToken(input: $input) { __typename } }"""
    await owner.ask(document, input={"id": href.rpartition("/")[2], "description": "Changed meanwhile"})
    await page.route("**/graphql", hold)
    async with page.expect_request("**/graphql"):
        await page.get_by_role("searchbox", name="Search").fill("batch")
    button = page.get_by_role("button", name="Actions for Batch 000")
    await button.focus()
    arrived.set()
    await expect(page.get_by_text("Changed meanwhile")).to_be_visible()
    await expect(button).to_be_focused()


async def test_pages_of_spaces_and_of_the_audit_log_are_turned_too(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/spaces")
    await turn(page, "Next", "Shop 050")
    await turn(page, "Next", "Shop 100")
    assert len(await names(page)) == SPACES_MANY - 100
    await turn(page, "Previous", "Shop 050")
    await owner.go(f"/workspace/{workspace}/audit-log?action=token.create")
    await settled(page)
    numbers = await page.locator("tbody summary").evaluate_all(
        "all => all.map((one) => one.getAttribute('aria-label'))"
    )
    await page.get_by_role("button", name="Next").click()
    await expect(page.locator("tbody summary").first).not_to_have_attribute("aria-label", numbers[0])
    assert "action=token.create" in page.url
    more = await page.locator("tbody summary").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    assert not set(numbers) & set(more)
    assert len(numbers) == len(more) == SIZE


async def test_the_whole_audit_log_is_exported_and_not_only_its_first_page(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/audit-log?action=token.create")
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Export as NDJSON").click()
    saved = await (await started.value).path()
    events = [json.loads(line) for line in saved.read_text(encoding="utf-8").splitlines()]
    assert len(events) == TOKENS_MANY
    assert {one["action"] for one in events} == {"token.create"}
    sequences = [one["sequence"] for one in events]
    assert sequences == sorted(set(sequences), reverse=True)
    await expect(page.get_by_text(f"{TOKENS_MANY} events saved: all of them.")).to_be_visible()


async def test_a_space_beyond_the_first_hundred_is_found_by_name_when_a_token_is_made(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens?q=batch")
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    choice = dialog.get_by_role("combobox", name="Belongs to")
    await expect(choice.locator("option")).to_have_count(101)
    await expect(choice.locator("option", has_text="Shop 104")).to_have_count(0)
    await dialog.get_by_role("searchbox", name="Find a space").fill("shop 104")
    await expect(dialog.get_by_text("1 space is found.")).to_be_visible()
    await expect(choice.locator("option:checked")).to_have_text("Space Shop 104")
    await dialog.get_by_role("searchbox", name="Find a space").press("Enter")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("textbox", name="Name").fill("For the last shop")
    await dialog.get_by_role("checkbox", name="queues:read").check()
    await page.locator("dialog [type=submit]").click()
    await page.get_by_role("heading", name="For the last shop is ready").wait_for()
    answer = await owner.ask(
        """query ($id: ID!) { workspace(id: $id) {
            tokens(filter: { text: "last shop" }) { nodes { space { name } } } } }""",
        id=workspace,
    )
    assert answer["data"]["workspace"]["tokens"]["nodes"] == [{"space": {"name": "Shop 104"}}]


async def used_by_day(visitor: Visitor, token: str) -> dict[str, dict[str, int]]:
    """What the API says about a token: day → counts."""
    answer = await visitor.ask(USAGE, id=token)
    return {one.pop("day"): one for one in answer["data"]["token"]["usage"]}


async def test_the_charts_numbers_are_those_of_the_table_behind_and_of_the_api(visitor: NewVisitor) -> None:
    """By day: every bar's height is its number on one scale, a day's bars stand in one column."""
    owner = await visitor()
    page, token = owner.page, owner.dashboard.world.tokens["guard Production server"]
    await owner.sign_in(path=f"/token/{token}")
    await page.get_by_text("Show the numbers").click()
    rows = page.locator("figure tbody tr")
    table: dict[str, dict[str, int]] = {}
    for row in await rows.all():
        day = await row.locator("time").get_attribute("datetime") or ""
        numbers = await row.locator("td").all_inner_texts()
        table[day] = dict(zip(KEYS, (int(one.replace(",", "")) for one in numbers), strict=True))
    assert table == await used_by_day(owner, token)
    assert sum(one["denied"] > 0 for one in table.values()) > 1
    bars = await page.evaluate(BARS)
    columns = sorted({bar["x"] for bar in bars})
    assert len(columns) == len(table)
    scale = next(bar["height"] for bar in bars if bar["key"] == "allowed") / table[min(table)]["allowed"]
    for day, x in zip(sorted(table), columns, strict=True):
        drawn = {bar["key"]: round(bar["height"] / scale) for bar in bars if bar["x"] == x}
        assert drawn == {key: count for key, count in table[day].items() if count}, day
    name = await page.locator("svg.chart").get_attribute("aria-label")
    said = [int(one) for one in re.findall(r"(\d+) (?:allowed|denied|limited)", name or "")]
    assert said == [sum(one[key] for one in table.values()) for key in KEYS]


async def exported(page: Page) -> list[dict[str, str]]:
    """The rows of the usage page's CSV file."""
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Export as CSV").click()
    download = await started.value
    assert download.suggested_filename.endswith(".csv")
    return rows_of(await download.path())


def rows_of(saved: Path) -> list[dict[str, str]]:
    with saved.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_usage_is_exported_as_csv_with_the_numbers_of_the_page(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['guard']}/usage")
    rows = await exported(page)
    token = world.tokens["guard Production server"]
    mine = {
        one["day_utc"]: {key: int(one["rate_limited" if key == "rateLimited" else key]) for key in KEYS}
        for one in rows
        if one["token_id"] == token
    }
    assert mine == await used_by_day(owner, token)
    bar = page.locator(".bars li").filter(has=page.get_by_role("link", name="Production server"))
    total = sum(sum(one.values()) for one in mine.values())
    await expect(bar.locator("span")).to_have_text(f"{total:,}")
    await page.get_by_text("Show the numbers").last.click()
    row = page.locator("figure tbody tr").filter(has_text="Production server").locator("td")
    shown = [int(one.replace(",", "")) for one in await row.all_inner_texts()]
    assert shown == [sum(one[key] for one in mine.values()) for key in KEYS]
    await page.get_by_role("combobox", name="Span").select_option("7")
    await expect(page.locator("figcaption").first).to_contain_text("Requests by day, the last 7 days")
    assert len({one["day_utc"] for one in await exported(page)}) <= 8


async def test_more_inactive_tokens_than_the_page_shows_are_found_by_the_same_span(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/usage?days=7")
    await page.get_by_role("link", name="see them in the list").click()
    await expect(page.get_by_role("combobox", name="Use")).to_have_value("unused.7")
    await expect(page.locator("tbody tr")).to_have_count(SIZE)


async def test_a_name_that_a_spreadsheet_would_run_is_exported_as_text(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    name = '=HYPERLINK("http://x", "y")'
    rename = "mutation ($input: UpdateTokenInput!) { updateToken(input: $input) { __typename } }"
    await owner.sign_in(path=f"/workspace/{world.workspaces['teamspace']}/usage")
    await owner.ask(rename, input={"id": world.tokens["teamspace Migration script"], "name": name})
    await page.reload()
    await settled(page)
    assert f"'{name}" in {one["name"] for one in await exported(page)}
