"""The reader's own account: where they are signed in, signing out there, and another password."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from support.browser import settled
from support.world import PASSWORD

from .conftest import NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

ANOTHER = "eleven copper kettles in a row"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


async def signed_out(visitor: Visitor) -> None:
    """Its session is over: the next page asks to sign in."""
    await visitor.page.reload()
    await expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_sessions_are_listed_and_ended_one_by_one_or_all_others(visitor: NewVisitor) -> None:
    """Nothing of a session but its id is known to the page, and the id opens nothing. Nobody else is this person."""
    email = "member@spooled.example"
    here = await visitor()
    office, phone, home = await visitor(user_agent=FIREFOX), await visitor(user_agent=SAFARI), await visitor()
    for one in (office, phone, home):
        await one.sign_in(email)
    await here.sign_in(email, "/account")
    page = here.page
    rows = page.get_by_role("region", name="Your sessions").locator("tbody tr")
    await expect(rows).to_have_count(4)
    await expect(rows.filter(has_text="this session")).to_have_count(1)
    await expect(rows.filter(has_text="Firefox on Windows")).to_contain_text("127.0.0.1")
    await page.get_by_role("button", name="End the session of Firefox on Windows").click()
    await page.get_by_role("button", name="End session").click()
    await expect(rows).to_have_count(3)
    await signed_out(office)
    await expect(rows.filter(has_text="Safari on iPhone")).to_have_count(1)
    await page.get_by_role("button", name="End all others").click()
    await page.get_by_role("button", name="End them all").click()
    await expect(rows).to_have_count(1)
    await expect(page.get_by_role("button", name="End all others")).to_have_count(0)
    for one in (phone, home):
        await signed_out(one)
    await page.reload()
    await expect(rows).to_contain_text("this session")


async def test_another_password_ends_the_other_sessions_and_opens_the_next(visitor: NewVisitor) -> None:
    email = "admin@emit.example"
    here, elsewhere, later = await visitor(), await visitor(), await visitor()
    await elsewhere.sign_in(email)
    await here.sign_in(email, "/account")
    page = here.page

    async def fill(old: str, new: str, again: str) -> None:
        for label, text in (("Current password", old), ("New password", new), ("Repeat the password", again)):
            await page.get_by_label(label).fill(text)
        await page.get_by_role("button", name="Change password").click()

    await fill("not the right one at all", ANOTHER, ANOTHER)
    await expect(page.get_by_text("This is not your current password.")).to_be_visible()
    await fill(PASSWORD, ANOTHER, "something else entirely")
    await expect(page.get_by_text("The passwords don't match.")).to_be_visible()
    await fill(PASSWORD, "aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaa")
    await expect(page.locator("[data-field=password] > .field-error")).not_to_be_empty()
    await expect(page.get_by_label("Current password")).to_have_value(PASSWORD)
    await fill(PASSWORD, ANOTHER, ANOTHER)
    await expect(page.get_by_text("Your password was changed.")).to_be_visible()
    await expect(page.get_by_label("Current password")).to_have_value("")
    await expect(page.get_by_role("region", name="Your sessions").locator("tbody tr")).to_have_count(1)
    await page.reload()
    await expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    await signed_out(elsewhere)
    await later.go("/")
    for password in (PASSWORD, ANOTHER):
        await later.page.get_by_label("Sign-in name").fill(email)
        await later.page.get_by_label("Password").fill(password)
        await later.page.get_by_role("button", name="Sign in").click()
        if password == PASSWORD:
            await expect(later.page.get_by_role("alert")).to_contain_text("name or password is wrong")
    await later.page.get_by_role("heading", name="Sign in").wait_for(state="detached")
    await settled(later.page)
    await expect(later.page.get_by_role("link", name="Emit jobs")).to_be_visible()


async def test_signing_out_ends_the_session_for_good(visitor: NewVisitor) -> None:
    reader = await visitor()
    await reader.sign_in("viewer@teamspace.example", "/account")
    kept = await reader.page.context.storage_state()
    thief = await visitor(storage_state=kept)
    await thief.go("/account")
    await expect(thief.page.get_by_role("heading", name="Your account")).to_be_visible()
    await reader.page.get_by_role("main").get_by_role("button", name="Sign out").click()
    await expect(reader.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await signed_out(thief)


async def test_graphiql_is_not_linked_to_unless_it_is_served(visitor: NewVisitor) -> None:
    reader = await visitor()
    await reader.sign_in()
    await reader.page.get_by_role("button", name="Account of owner@example.com").click()
    assert await reader.page.get_by_role("menuitem").all_inner_texts() == ["Your account", "Sign out"]
