"""Tokens that a list folds away: which, how many, and how they are shown again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

CREATE = """mutation ($input: CreateTokenInput!) { createToken(input: $input) {
    ... on CreateTokenSuccess { token { id } } } }"""
SPACE = """mutation ($input: CreateSpaceInput!) { createSpace(input: $input) {
    ... on CreateSpaceSuccess { space { id } } } }"""
REVOKE = "mutation ($input: RevokeTokensInput!) { revokeTokens(input: $input) { __typename } }"


async def filled_space(owner: Visitor, name: str, *, alive: int, revoked: int) -> str:
    """Return the path of the tokens of a space of Emit's."""
    asked = {"workspaceId": owner.dashboard.world.workspaces["emit"], "name": name, "slug": name.lower()}
    space: str = (await owner.ask(SPACE, input=asked))["data"]["createSpace"]["space"]["id"]
    ids: list[str] = []
    for number in range(alive + revoked):
        facts: dict[str, Any] = {"ownerId": space, "name": f"{name} {number}", "grants": ["jobs:read"]}
        ids.append((await owner.ask(CREATE, input=facts))["data"]["createToken"]["token"]["id"])
    await owner.ask(REVOKE, input={"ids": ids[alive:]})
    return f"/space/{space}/tokens"


async def rows(page: Page) -> list[str]:
    """The names in the table, sorted."""
    await expect(page.locator(".results[aria-busy]")).to_have_count(0)
    return sorted(await page.locator("tbody th a").all_inner_texts())


async def test_what_has_ended_is_folded_away_and_counted(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in()
    await owner.go(await filled_space(owner, "Fold", alive=2, revoked=3))
    assert await rows(page) == ["Fold 0", "Fold 1"]
    await expect(page.get_by_role("status").filter(has_text="2 tokens")).to_be_visible()
    button = page.get_by_role("button", name="Show 3 revoked or expired tokens")
    await button.click()
    await expect(page.locator("tbody tr")).to_have_count(5)
    await expect(page).to_have_url(re.compile(r"\?status=ANY$"))
    await expect(page.get_by_role("combobox", name="Status")).to_have_value("ANY")
    hide = page.get_by_role("button", name="Hide revoked and expired tokens")
    await expect(hide).to_be_focused()
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(5)
    await page.go_back()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.get_by_role("combobox", name="Status")).to_have_value("")
    await expect(page.get_by_role("combobox", name="Status").locator("option:checked")).to_have_text("Active, disabled")


async def test_a_chosen_status_shows_its_tokens_and_folds_nothing(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in()
    await owner.go(await filled_space(owner, "Chosen", alive=1, revoked=2))
    await page.get_by_role("combobox", name="Status").select_option("REVOKED")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await expect(page.locator(".folded")).to_have_count(0)
    await page.get_by_role("combobox", name="Status").select_option("ANY")
    await expect(page.locator("tbody tr")).to_have_count(3)


async def test_a_search_counts_what_it_finds_among_the_folded(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in()
    await owner.go(await filled_space(owner, "Search", alive=1, revoked=2))
    await page.get_by_role("searchbox", name="Search").fill("Search 2")
    await expect(page.get_by_text("No tokens match.")).to_be_visible()
    await page.get_by_role("button", name="Show 1 revoked or expired token").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert await rows(page) == ["Search 2"]


async def test_a_list_of_nothing_but_ended_tokens_is_not_an_empty_one(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in()
    await owner.go(await filled_space(owner, "Over", alive=1, revoked=0))
    await page.locator("tbody [data-action=delete]").wait_for()
    await page.get_by_role("button", name="Actions for Over 0").click()
    await page.get_by_role("menuitem", name="Revoke").click()
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_text("No active tokens.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("No active tokens.")).to_be_visible()
    await page.get_by_role("button", name="Show 1 revoked or expired token").click()
    await expect(page.locator("tbody .badge.revoked")).to_be_visible()


@pytest.mark.parametrize(
    ("product", "shown"),
    [
        ("emit", {"Active"}),
        ("spooled", {"Active", "Revoked"}),
        ("teamspace", {"Active", "Expired", "Revoked"}),
        ("guard", {"Active", "Expired", "Revoked"}),
    ],
)
async def test_each_product_folds_what_it_says(visitor: NewVisitor, product: str, shown: set[str]) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=f"/workspace/{owner.dashboard.world.workspaces[product]}/access-tokens")
    await expect(page.locator("tbody tr").first).to_be_visible()
    found = {re.sub(r"\W", "", one) for one in await page.locator("tbody .badge").all_inner_texts()}
    assert shown <= found
    assert found & {"Active", "Expired", "Revoked"} == shown
