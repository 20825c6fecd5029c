"""Lists as people work with them: steps that Back takes back, a selection over pages, many changed at once, counts."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from support.browser import settled

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

CREATE = """mutation ($input: CreateTokenInput!) { createToken(input: $input) {
    ... on CreateTokenSuccess { token { id } } } }"""
REVOKE = "mutation ($id: ID!) { revokeToken(input: { id: $id }) { __typename } }"


async def made(owner: Visitor, workspace: str, *names: str) -> dict[str, str]:
    """New tokens: ids by name."""
    found = {}
    for name in names:
        given = {"ownerId": workspace, "name": name, "grants": ["jobs:read"]}
        found[name] = (await owner.ask(CREATE, input=given))["data"]["createToken"]["token"]["id"]
    return found


async def status_of(owner: Visitor, token: str) -> str | None:
    """A token's status by the API; None if it is deleted."""
    found = (await owner.ask("query ($id: ID!) { token(id: $id) { status } }", id=token))["data"]["token"]
    return None if found is None else str(found["status"])


async def test_each_filter_is_a_step_that_back_takes_back_and_the_count_follows(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["spooled"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens")
    rows = page.locator("tbody tr")
    every = await rows.count()
    await page.get_by_role("combobox", name="Status").select_option("EXPIRED")
    await expect(page).to_have_url(re.compile("status=EXPIRED"))
    await expect(rows).not_to_have_count(every)
    expired = await rows.count()
    await expect(page.locator(".list-foot")).to_contain_text(re.compile(rf"^{expired} "))
    await page.get_by_role("searchbox", name="Search").press_sequentially("Replaced", delay=20)
    await expect(rows).to_have_count(1)
    await expect(page).to_have_url(re.compile("q=Replaced"))
    await page.go_back()
    await settled(page)
    await expect(rows).to_have_count(expired)
    await expect(page.get_by_role("searchbox", name="Search")).to_have_value("")
    await page.go_back()
    await settled(page)
    await expect(rows).to_have_count(every)
    await expect(page.get_by_role("combobox", name="Status")).to_have_value("")


async def test_a_selection_is_kept_over_pages(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens?q=batch&sort=NAME.ASC")
    bar = page.get_by_role("group", name="Selected")
    await page.get_by_role("checkbox", name="Select Batch 003").check()
    await page.get_by_role("button", name="Next").click()
    await expect(page.locator("tbody th a").first).to_have_text("Batch 050")
    await expect(bar).to_contain_text("1 selected, 1 of them on other pages")
    await page.get_by_role("checkbox", name="Select all on this page").check()
    await expect(bar).to_contain_text("51 selected, 1 of them on other pages")
    await page.get_by_role("checkbox", name="Select Batch 060").uncheck()
    await page.get_by_role("button", name="Previous").click()
    await expect(page.get_by_role("checkbox", name="Select Batch 003")).to_be_checked()
    await expect(bar).to_contain_text("50 selected, 49 of them on other pages")
    await page.get_by_role("button", name="Clear selection").click()
    await expect(bar).to_be_hidden()
    await expect(page.get_by_role("checkbox", name="Select Batch 003")).not_to_be_checked()


async def test_many_are_disabled_and_deleted_at_once_and_what_failed_is_named(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in()
    ids = await made(owner, workspace, "Many 1", "Many 2", "Many 3")
    await owner.go(f"/workspace/{workspace}/access-tokens?q=Many")
    for name in ids:
        await page.get_by_role("checkbox", name=f"Select {name}").check()
    await owner.ask(REVOKE, id=ids["Many 2"])  # in another tab, say
    await page.get_by_role("button", name="Disable…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Disable 3").click()
    failed = page.get_by_role("dialog", name=re.compile("couldn't be disabled"))
    await expect(failed.get_by_role("row", name="Many 2")).to_contain_text("revoked")
    await expect(failed.locator("tbody tr")).to_have_count(1)
    await failed.locator(".dialog-body").get_by_role("button", name="Close").click()
    assert [await status_of(owner, one) for one in ids.values()] == ["DISABLED", "REVOKED", "DISABLED"]
    await page.get_by_role("checkbox", name="Select all on this page").check()
    await page.get_by_role("button", name="Delete…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete 3").click()
    await expect(page.get_by_text("3 API keys were deleted.")).to_be_visible()
    assert [await status_of(owner, one) for one in ids.values()] == [None, None, None]


async def test_escape_and_a_link_ask_before_what_was_typed_is_lost(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens?q=batch")
    create = page.locator("[data-shortcut=c]")
    dialog = page.get_by_role("dialog")
    await create.click()
    await expect(dialog.get_by_role("textbox", name="Name")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await create.click()
    name = dialog.get_by_role("textbox", name="Name")
    await name.fill("Typed")
    await page.keyboard.press("Escape")
    await expect(dialog.get_by_role("alert")).to_contain_text("hasn't been saved")
    await dialog.get_by_role("button", name="Keep editing").click()
    await expect(name).to_be_focused()
    await expect(name).to_have_value("Typed")
    await page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="Discard").click()
    await expect(dialog).to_have_count(0)
    await owner.go("/account")
    await page.get_by_label("Name", exact=True).fill("Another name")
    asked: list[str] = []

    async def stay(question: object) -> None:
        asked.append(question.message)  # type: ignore[attr-defined]
        await question.dismiss()  # type: ignore[attr-defined]

    page.once("dialog", stay)
    await page.locator("header a").first.click()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Another name")
    assert asked == ["Leave this page? What you entered hasn't been saved."]
    page.once("dialog", lambda question: question.accept())
    await page.locator("header a").first.click()
    await expect(page.get_by_role("heading", name="Workspaces")).to_be_visible()
    username = "form:has([name=current]) [autocomplete=username]"
    await owner.go("/account")
    assert await page.locator(username).input_value() == "owner@example.com"
