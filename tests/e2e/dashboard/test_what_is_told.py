"""What the list and the page of a token tell: how much of it is shown, why it ended, that a use of it was refused."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from support.dashboard.world import SENDER

from .conftest import NewVisitor, fields

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def test_teamspace_ten_characters_of_a_token_are_shown_and_copied_everywhere(visitor: NewVisitor) -> None:
    owner = await visitor(permissions=["clipboard-read", "clipboard-write"])
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['teamspace']}/access-tokens")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Nightly import")).first
    masked = await row.locator("td[data-title='Token'] code").inner_text()
    assert re.fullmatch(r"[a-z]+_live_\w+•{8}", masked)
    assert len(masked) == 18
    await row.get_by_role("button", name="Actions for Nightly import").click()
    await page.get_by_role("menuitem", name="Copy").click()
    await expect(page.get_by_text("Token ID copied.")).to_be_visible()
    assert re.fullmatch(r"\S+_key_\w+", await page.evaluate("navigator.clipboard.readText()"))
    brand = masked.partition("_live_")[0] + "_live_"
    beyond = re.compile(rf"{brand}\w{{{11 - len(brand)}}}")
    await owner.go(f"/token/{world.tokens['teamspace Nightly import']}")
    await expect(page.get_by_role("heading", name="Rotation in progress")).to_be_visible()
    await page.locator("summary").evaluate_all("all => all.forEach((one) => one.click())")
    assert beyond.findall(await page.get_by_role("main").inner_text()) == []
    await page.get_by_role("button", name="Edit", exact=True).click()
    await expect(page.get_by_role("textbox", name="Label")).to_have_value("Nightly import")
    assert await fields(page.get_by_role("dialog")) == ["name", "expiresAt", "description", "grants"]


async def test_spooled_a_key_in_the_wrong_environment_is_seen_by_its_owner(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    token = world.tokens["spooled Production server"]
    await owner.sign_in(path=f"/workspace/{world.workspaces['spooled']}/audit-log?action=token.refused")
    row = page.locator("tbody tr")
    await expect(row).to_have_count(1)
    for text in ("A live token was sent to a test app", "⚠ Alert", "Production server", SENDER.ip):
        await expect(row).to_contain_text(text)
    await owner.go(f"/token/{token}")
    notice = page.locator("main .alert").first
    for text in ("A live token was sent to a test app", "ago", SENDER.ip, SENDER.user_agent, "Give that app a test"):
        await expect(notice).to_contain_text(text)
    await owner.go(f"/token/{world.tokens['guard Unused experiment']}")
    await expect(page.locator("main .alert").first).to_contain_text("Used after it was revoked")
    await expect(page.locator("tbody").get_by_text("Used after it was revoked")).to_be_visible()
    await owner.go(f"/token/{world.tokens['guard Production server']}")
    await expect(page.locator("main .alert")).to_have_count(0)


async def test_spooled_why_a_key_has_ended_is_said_and_one_disabled_before_is_enabled(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['spooled']}/access-tokens?status=EXPIRED")
    replaced = page.get_by_role("row").filter(has=page.get_by_role("link", name="Replaced key"))
    await expect(replaced).to_contain_text("Replaced, ended 3 hours ago")
    twice = page.get_by_role("row").filter(has=page.get_by_role("link", name="Ended twice"))
    await expect(twice).to_contain_text("Also disabled")
    await page.get_by_role("button", name="Actions for Replaced key").click()
    await expect(page.get_by_role("menuitem", name="Disable")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Enable")).to_have_count(0)
    await page.keyboard.press("Escape")
    await owner.go(f"/token/{world.tokens['spooled Ended twice']}")
    fact = page.locator(".facts > div").filter(has=page.get_by_text("Disabled", exact=True))
    await expect(fact).to_contain_text("ago")
    await expect(page.get_by_role("button", name="Disable")).to_have_count(0)
    await page.get_by_role("button", name="Enable", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("It has also expired")
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_role("button", name="Disable", exact=True)).to_be_visible()
    await expect(fact).to_have_count(0)
    await expect(page.get_by_role("heading", name="Expired")).to_be_visible()


async def test_the_operator_is_named_once(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['guard']}/audit-log?action=token.revoke")
    # Other tests revoke tokens too, as people.
    row = page.locator("tbody tr").filter(has_text="The operator revoked the API key").first
    await expect(row).to_be_visible()
    assert (await row.locator("th").inner_text()).count("operator") == 1
    await owner.go(f"/token/{world.tokens['guard Production server']}")
    made = page.get_by_role("main").get_by_text(re.compile(r" by "))
    assert (await made.first.inner_text()).rpartition(" by ")[2].split() == ["operator"]
