"""What happened: usage over time by mouse and keyboard, totals that are the API's, the audit log in sentences."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from support.browser import settled

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

KEYS = ("allowed", "denied", "rateLimited")
USAGE = """query ($id: ID!) { workspace(id: $id) { usage(days: 30) { day allowed denied rateLimited }
    busiestTokens(days: 30, first: 25) { token { id name } allowed denied rateLimited } } }"""


async def usage(visitor: Visitor, workspace: str) -> dict[str, list[dict[str, int]]]:
    """What the API says of a workspace."""
    answer = await visitor.ask(USAGE, id=workspace)
    found: dict[str, list[dict[str, int]]] = answer["data"]["workspace"]
    return found


def number(text: str, word: str) -> int:
    """The number in front of a word."""
    found = re.search(rf"([\d,]+) {word}", text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


async def test_a_days_requests_are_read_with_the_keyboard_and_by_pointing(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["emit"]
    await owner.sign_in(path=f"/workspace/{workspace}/usage")
    days = {one["day"]: one for one in (await usage(owner, workspace))["usage"]}
    chart, reading = page.get_by_role("slider"), page.locator(".reading")
    for key, word in zip(KEYS, ("allowed", "denied", "limited"), strict=True):
        assert number(await reading.inner_text(), word) == sum(one[key] for one in days.values())
    await chart.focus()
    newest = await chart.get_attribute("aria-valuetext") or ""
    await page.keyboard.press("ArrowLeft")
    before = await chart.get_attribute("aria-valuetext") or ""
    assert before != newest
    assert await reading.inner_text() == before
    assert number(before, "allowed") == days[sorted(days)[-2]]["allowed"]
    await page.keyboard.press("Home")
    await expect(chart).to_have_attribute("aria-valuenow", "1")
    await page.keyboard.press("ArrowLeft")
    await expect(chart).to_have_attribute("aria-valuenow", "1")
    await page.keyboard.press("End")
    await expect(chart).to_have_attribute("aria-valuetext", newest)
    await page.keyboard.press("Tab")
    box = await chart.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] - 8, box["y"] + 20)
    await expect(reading).to_have_text(newest)
    await page.mouse.move(2, 2)
    await expect(reading).to_contain_text("All 30 days")


async def test_the_busiest_tokens_come_first_and_what_is_not_shown_is_in_the_sum(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    workspace, token = world.workspaces["guard"], world.tokens["guard Migration script"]
    await owner.sign_in(path=f"/workspace/{workspace}/usage")
    told = await usage(owner, workspace)
    names = await page.locator(".bars li a").all_inner_texts()
    assert names == [one["token"]["name"] for one in told["busiestTokens"]]  # type: ignore[index]
    await owner.ask("mutation ($id: ID!) { deleteToken(input: { id: $id }) { __typename } }", id=token)
    await page.reload()
    await settled(page)
    bars = await page.locator(".bars li > span:last-child").all_inner_texts()
    total = sum(one[key] for one in told["usage"] for key in KEYS)
    assert sum(int(one.replace(",", "")) for one in bars) == total
    await expect(page.locator(".bars li").last).to_contain_text("All others, deleted")


async def sentences(page: Page) -> list[str]:
    """The first column of the log."""
    return await page.locator("tbody th").all_inner_texts()


async def test_the_log_is_told_in_sentences_with_names_and_links(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    workspace = world.workspaces["emit"]
    await owner.sign_in(path=f"/workspace/{workspace}/audit-log")
    told = " | ".join(await sentences(page))
    for sentence in (
        "The operator created the workspace",
        "The operator created the space Production",
        "The operator added Developer as Developer",
        "The operator disabled the token Old worker",
        "The operator invited invited@example.com as Developer",
    ):
        assert sentence in told
    assert "usr_" not in told
    assert "key_" not in told
    await page.get_by_role("link", name="Old worker").first.click()
    await expect(page.get_by_role("heading", name="Old worker")).to_be_visible()
    await page.go_back()
    await page.get_by_role("link", name="Production", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Tokens of Production")).to_be_visible()


async def test_the_log_is_narrowed_by_person_action_outcome_and_day_and_back_undoes_each(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    workspace = world.workspaces["teamspace"]
    await owner.sign_in(path=f"/workspace/{workspace}/audit-log")
    update = "mutation ($input: UpdateTokenInput!) { updateToken(input: $input) { __typename } }"
    token = world.tokens["teamspace Production server"]
    await owner.ask(update, input={"id": token, "description": "For the log"})
    await page.get_by_label("Who").select_option(label="Owner")
    await expect(page).to_have_url(re.compile("by=usr_"))
    await expect(page.get_by_label("Who")).to_be_focused()
    told = await sentences(page)
    assert told
    assert all(one.startswith(("Owner", "owner@example.com")) for one in told)
    assert any("changed the access token Production server" in one and "For the log" in one for one in told)
    await page.get_by_label("What happened").select_option("token.revoke")
    await expect(page).to_have_url(re.compile("action=token.revoke"))
    await page.get_by_label("Outcome").select_option(label="Denied")
    await expect(page.get_by_text("No events match")).to_be_visible()
    await page.go_back()
    await page.go_back()
    await expect(page.get_by_label("What happened")).to_have_value("")
    await expect(page.get_by_label("Who")).not_to_have_value("")
    await page.get_by_label("To", exact=True).fill("2020-01-01")
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("No events match")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(page.get_by_text("The operator created the workspace")).to_be_visible()
