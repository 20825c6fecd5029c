"""The secret stays in its dialog, the session that ends loses nothing, and what can go wrong is said in words."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import Dialog, Page, Route, expect

from support.browser import chromium
from support.world import PASSWORD

from .conftest import Dashboard, NewVisitor, Visitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

OTHER = "developer@emit.example"
CREATED_BY = """query ($id: ID!) { space(id: $id) { tokens(first: 100) { nodes { name createdBy { name } } } } }"""
UNAVAILABLE = {"errors": [{"message": "no", "extensions": {"code": "UNAVAILABLE"}}]}


def tokens_of(visitor: Visitor) -> str:
    """The path of emit's tokens."""
    return f"/space/{visitor.dashboard.world.spaces['emit']}/tokens"


async def open_form(page: Page, name: str) -> None:
    """The create dialog, filled in as far as it must be."""
    await page.locator("[data-shortcut=c]").click()
    await page.get_by_role("textbox", name="Name").fill(name)
    await page.get_by_role("button", name="Producer — app that submits jobs").click()


async def test_keyboard_alone_creates_copies_and_revokes(visitor: NewVisitor) -> None:
    owner = await visitor(permissions=["clipboard-read", "clipboard-write"])
    page, keyboard = owner.page, owner.page.keyboard
    await page.goto(owner.dashboard.url + tokens_of(owner))
    await reach(page, "textbox", "Sign-in name")
    await keyboard.type("owner@example.com")
    await keyboard.press("Tab")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await page.get_by_role("heading", name="Tokens of Production").wait_for()
    await reach(page, "button", "Create Token")
    await keyboard.press("Enter")
    await keyboard.type("By keyboard")
    await reach(page, "checkbox", "jobs:create")
    await keyboard.press("Space")
    await keyboard.press("Enter")
    await page.get_by_role("heading", name="By keyboard is ready").wait_for()
    secret = await page.locator("dialog textarea.secret").input_value()
    await keyboard.press("Enter")
    await expect(page.get_by_text("Copied.", exact=False).first).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await keyboard.press("Escape")
    await page.get_by_role("link", name="By keyboard").wait_for()
    await reach(page, "button", "Actions for By keyboard")
    await keyboard.press("Enter")
    await keyboard.press("End")
    await keyboard.press("ArrowUp")
    await keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_contain_text("It was never used.")
    await keyboard.press("Enter")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="By keyboard"))
    await expect(row).to_have_count(0)
    await reach(page, "button", "revoked or expired")
    await keyboard.press("Enter")
    await expect(row).to_contain_text("Revoked")


async def reach(page: Page, role: str, name: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        wanted = page.get_by_role("textbox", name=name) if role == "textbox" else page.get_by_role(role, name=name)  # type: ignore[arg-type]
        if await wanted.first.evaluate("one => one === document.activeElement"):
            return
    pytest.fail(f"the keyboard does not reach {role} {name}")


async def test_the_secret_is_nowhere_once_its_dialog_is_closed(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    await open_form(page, "Kept nowhere")
    await page.locator("dialog [type=submit]").click()
    secret = await page.locator("dialog textarea.secret").input_value()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("You haven't copied the")).to_be_visible()
    assert secret not in page.url
    await page.get_by_role("button", name="Close without copying").click()
    await page.get_by_role("link", name="Kept nowhere").wait_for()
    kept = await page.evaluate(
        """async () => JSON.stringify([document.documentElement.outerHTML,
            [...document.querySelectorAll("input, textarea")].map((one) => one.value), { ...localStorage },
            { ...sessionStorage }, await indexedDB.databases(), await caches.keys(), history.state, document.cookie,
            performance.getEntries().map((one) => one.name)])"""
    )
    assert secret not in kept
    assert "Kept nowhere" in kept
    assert await page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


async def test_a_whole_token_in_the_search_box_is_cut_before_it_travels(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    secret = "em_live_" + "Ab1" * 12 + "Zz"
    await page.get_by_role("searchbox", name="Search").fill(secret)
    await expect(page.get_by_text("only its first 12 characters are searched for")).to_be_visible()
    await expect(page.get_by_text("No tokens match.")).to_be_visible()
    assert page.url.endswith("?q=em_live_Ab1A")
    assert secret not in " ".join(sent)


async def test_a_token_pasted_into_the_sign_in_is_told_apart(visitor: NewVisitor) -> None:
    reader = await visitor()
    page = reader.page
    sent: list[str | None] = []
    await reader.go("/")
    page.on("request", lambda request: sent.append(request.post_data) if request.method != "GET" else None)
    await page.get_by_label("Sign-in name").fill("owner@example.com")
    await page.get_by_label("Password").fill("em_live_" + "Ab1" * 12 + "Zz")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("This is an API token.")).to_be_visible()
    await expect(page.get_by_label("Password")).to_have_value("")
    assert sent == []


async def test_a_wrong_password_is_said_and_the_address_kept(visitor: NewVisitor) -> None:
    reader = await visitor()
    page = reader.page
    await reader.go("/account")
    await page.get_by_label("Sign-in name").fill("nobody@example.com")
    await page.get_by_label("Password").fill("not the right one at all")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("name or password is wrong")
    await expect(page.get_by_label("Sign-in name")).to_have_value("nobody@example.com")


async def test_a_session_that_ended_asks_and_goes_on_with_what_was_typed(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    await open_form(page, "Typed before")
    await page.context.clear_cookies()
    await page.locator("dialog [type=submit]").click()
    again = page.get_by_role("dialog", name="Sign in again")
    await again.get_by_label("Password").fill(PASSWORD)
    await again.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Typed before is ready")).to_be_visible()
    assert page.url.endswith(tokens_of(owner))


async def test_a_page_never_acts_as_another_person_who_signed_in_meanwhile(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    await open_form(page, "Typed as the owner")
    await signed_in_elsewhere(page, OTHER)
    owner.excused.add("401 (Unauthorized)")
    await page.locator("dialog [type=submit]").click()
    again = page.get_by_role("dialog", name="Sign in again")
    await expect(again).to_contain_text("someone else has signed in with this browser")
    assert (await owner.ask("{ me { user { email } } }"))["data"]["me"]["user"]["email"] == OTHER
    await again.get_by_label("Password").fill(PASSWORD)
    await again.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Typed as the owner is ready")).to_be_visible()
    created = await owner.ask(CREATED_BY, id=owner.dashboard.world.spaces["emit"])
    (made,) = [one for one in created["data"]["space"]["tokens"]["nodes"] if one["name"] == "Typed as the owner"]
    assert made["createdBy"]["name"] == "owner@example.com"


async def signed_in_elsewhere(page: Page, email: str) -> None:
    """What another tab of the same browser does when somebody else signs in there."""
    other = await page.context.new_page()
    await other.goto(page.url)
    script = """async ([query, input]) => {
        const body = JSON.stringify({ query, variables: { input } });
        const headers = { "Content-Type": "application/json" };
        return (await fetch("/graphql", { method: "POST", headers, body })).json(); }"""
    document = "mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }"
    answer = await other.evaluate(script, [document, {"email": email, "password": PASSWORD}])
    assert answer["data"]["signIn"]["__typename"] == "SignInSuccess", answer
    await other.close()


async def test_a_token_in_an_address_field_is_not_repeated_on_the_page(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=f"/workspace/{owner.dashboard.world.workspaces['emit']}/members")
    await page.get_by_role("button", name="Invite").first.click()
    dialog = page.get_by_role("dialog")
    secret = "em_live_" + "Ab1" * 12 + "Zz"
    await dialog.get_by_label("Email address").fill(secret)
    await dialog.locator("button[type=submit]").click()
    await expect(dialog.get_by_text("Enter an email address, like ada@example.com.")).to_be_visible()
    assert secret not in await page.locator("body").inner_text()


async def test_a_session_the_browser_does_not_keep_is_explained(dashboard: Dashboard, chromium_executable: str) -> None:
    port = dashboard.url.rpartition(":")[2]
    async with chromium(chromium_executable, "--host-resolver-rules=MAP keys.test 127.0.0.1") as browser:
        page = await browser.new_page()
        await page.goto(f"http://keys.test:{port}/account")
        await page.get_by_label("Sign-in name").fill("owner@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("Your browser didn't keep the session")
        await expect(page.get_by_role("alert")).to_contain_text("an HTTPS address")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_an_outage_keeps_the_forms_content(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    await open_form(page, "Typed during an outage")

    async def outage(route: Route) -> None:
        await route.fulfill(status=200, content_type="application/json", body=json.dumps(UNAVAILABLE))

    await page.route("**/graphql", outage)
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_role("alert")).to_contain_text("can't answer right now. Nothing was changed")
    await expect(page.get_by_role("textbox", name="Name")).to_have_value("Typed during an outage")
    await page.unroute("**/graphql")

    async def proxy(route: Route) -> None:
        await route.fulfill(status=504, content_type="text/html", body="<h1>504</h1>")

    owner.excused.add("504 (Gateway Timeout)")
    await page.route("**/graphql", proxy)
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_role("alert")).to_contain_text("The server didn't answer")
    await expect(page.get_by_role("alert")).not_to_contain_text("Nothing was changed")
    await page.unroute("**/graphql")
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_role("heading", name="Typed during an outage is ready")).to_be_visible()


async def test_what_the_server_refuses_stands_at_its_field(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    await page.locator("[data-shortcut=c]").click()
    await page.locator("dialog [type=submit]").click()
    name = page.get_by_role("textbox", name="Name")
    await expect(name).to_be_focused()
    await expect(name).to_have_accessible_description(re.compile("Fill this in"))
    await name.fill("Without any scope")
    await page.locator("dialog [type=submit]").click()
    await expect(page.locator("[data-field=grants] > .field-error")).not_to_be_empty()


async def test_a_reload_while_the_secret_is_shown_is_asked_about_and_does_not_bring_it_back(
    visitor: NewVisitor,
) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in(path=tokens_of(owner))
    await open_form(page, "Reloaded")
    await page.locator("dialog [type=submit]").click()
    secret = await page.locator("dialog textarea.secret").input_value()
    asked: list[str] = []

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", answer)
    await page.reload()
    await expect(page.get_by_role("link", name="Reloaded")).to_be_visible()
    assert asked == ["beforeunload"]
    assert secret not in await page.content()


async def test_going_back_while_the_secret_is_shown_is_asked_about(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in()
    await page.get_by_role("link", name="Emit jobs").click()
    await page.get_by_role("link", name="Production", exact=True).first.click()
    await page.get_by_role("heading", name="Tokens of Production").wait_for()
    await open_form(page, "Nearly lost")
    await page.locator("dialog [type=submit]").click()
    secret = await page.locator("dialog textarea.secret").input_value()
    await page.evaluate("history.back()")
    await expect(page.get_by_text("You haven't copied the")).to_be_visible()
    await expect(page.locator("dialog textarea.secret")).to_have_value(secret)
    assert page.url.endswith(tokens_of(owner))
    await page.get_by_role("button", name="Close without copying").click()
    await expect(page.get_by_role("link", name="Nearly lost")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Tokens of Production")).to_have_count(0)


async def test_of_two_tabs_that_rotate_the_second_is_sent_to_the_successor(visitor: NewVisitor) -> None:
    owner = await visitor()
    world = owner.dashboard.world
    path = f"/token/{world.tokens['guard Production server']}"
    await owner.sign_in(path=path)
    first, second = owner.page, await owner.page.context.new_page()
    await second.goto(owner.dashboard.url + path)
    for page in (first, second):
        await page.get_by_role("button", name="Rotate", exact=True).click()
    await first.locator("dialog [type=submit]").click()
    await first.get_by_role("heading", name="is ready").wait_for()
    await second.locator("dialog [type=submit]").click()
    await expect(second.get_by_role("alert")).to_contain_text("already been rotated")
    await second.get_by_role("link", name="Open the new one").click()
    await expect(second.get_by_role("heading", name="Rotation in progress")).to_be_visible()
    assert await first.locator("dialog textarea.secret").is_visible()


async def test_of_two_tabs_that_edit_neither_undoes_the_other(visitor: NewVisitor) -> None:
    owner = await visitor()
    path = f"/token/{owner.dashboard.world.tokens['spooled Migration script']}"
    await owner.sign_in(path=path)
    first, second = owner.page, await owner.page.context.new_page()
    await second.goto(owner.dashboard.url + path)
    for page in (first, second):
        await page.get_by_role("button", name="Edit", exact=True).click()
    await first.get_by_role("textbox", name="Name").fill("Renamed")
    await first.get_by_role("button", name="Save changes").click()
    await first.get_by_role("dialog").wait_for(state="detached")
    await second.get_by_role("textbox", name="Description").fill("Described")
    await second.get_by_role("button", name="Save changes").click()
    await expect(second.get_by_role("heading", name="Renamed")).to_be_visible()
    await expect(second.get_by_text("Described", exact=True)).to_be_visible()
