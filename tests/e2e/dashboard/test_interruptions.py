"""What comes between: an outage, a reload, another tab. Nothing typed is lost, and nothing half done stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.async_api import Page, Response, Route, expect
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import Store
from support.browser import settled
from support.dashboard.world import DashboardWorld

from .conftest import NewVisitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


class Gone:
    """What a session of a database that does not answer is."""

    async def __aenter__(self) -> AsyncSession:
        raise ServiceUnavailable("the database does not answer")

    async def __aexit__(self, *_error: object) -> None:
        pass


async def unread(_store: Store, _function: object) -> None:
    raise ServiceUnavailable("the database does not answer")


@contextmanager
def database_gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server's database does not answer: the server, which runs in this process, says so with 503."""
    with monkeypatch.context() as patched:
        patched.setattr(Store, "reading", lambda _store: Gone())
        patched.setattr(Store, "changing", lambda _store: Gone())
        patched.setattr(Store, "read", unread)
        yield


async def test_a_503_of_the_server_keeps_what_was_typed_and_the_next_try_goes_through(
    visitor: NewVisitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await visitor()
    owner.excused.add("503 (Service Unavailable)")
    page, world = owner.page, owner.dashboard.world
    statuses: list[int] = []

    def note(response: Response) -> None:
        statuses.append(response.status)

    await owner.sign_in(path=f"/space/{world.spaces['emit']}/tokens")
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("Typed before the outage")
    await dialog.get_by_role("textbox", name="Description").fill("Kept")
    await dialog.get_by_role("button", name="Producer — app that submits jobs").click()
    await dialog.get_by_label("Expiry date").select_option("never")
    page.on("response", note)
    with database_gone(monkeypatch):
        await page.locator("dialog [type=submit]").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed")
        await expect(dialog.get_by_role("alert")).to_contain_text("What you entered is kept.")
    assert statuses == [503]
    await expect(dialog.get_by_role("textbox", name="Name")).to_have_value("Typed before the outage")
    await expect(dialog.get_by_role("textbox", name="Description")).to_have_value("Kept")
    await expect(dialog.get_by_role("checkbox", name="jobs:create")).to_be_checked()
    await expect(dialog.get_by_label("Expiry date")).to_have_value("never")
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_role("heading", name="Typed before the outage is ready")).to_be_visible()


async def test_a_page_that_meets_an_outage_says_so_and_comes_back_by_trying_again(
    visitor: NewVisitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await visitor()
    owner.excused.add("503 (Service Unavailable)")
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['guard']}/members")
    with database_gone(monkeypatch):
        await page.get_by_role("link", name="Roles").click()
        await expect(page.get_by_role("alert")).to_contain_text("can't answer right now")
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("can't answer right now")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Roles")).to_be_visible()


def dialogs(world: DashboardWorld) -> dict[str, list[tuple[str, ...]]]:
    """Path → the ways to each of its dialogs: a button, or a row's menu button and the item."""
    crowded, emit = world.workspaces["crowded"], world.workspaces["emit"]
    shop, viewer = "Actions for Shop 000", "Actions for viewer@emit.example"
    invited = "Withdraw the invitation of invited@example.com"
    return {
        "/": [("New workspace",)],
        "/account": [("End all others",)],
        f"/space/{world.spaces['emit']}/tokens": [("Create Token",), ("Actions for Old worker", "Enable")],
        f"/token/{world.tokens['guard Nightly import']}": [("Edit",), ("Disable",), ("Revoke",), ("Delete",)],
        f"/token/{world.tokens['teamspace Nightly import']}": [("Edit",), ("Revoke",)],
        f"/workspace/{crowded}/spaces": [("New space",), (shop, "Rename"), (shop, "Delete")],
        f"/workspace/{emit}/members": [("Invite member",), (invited,), (viewer, "Change role"), (viewer, "Remove")],
        f"/workspace/{emit}/roles": [("New role",), ("Edit Viewer",), ("Remove Viewer",)],
        f"/workspace/{emit}/settings": [("Delete workspace",)],
    }


async def test_a_reload_during_any_dialog_closes_it_and_changes_nothing(visitor: NewVisitor) -> None:
    """What the page showed before, it shows again; no dialog comes back, and nothing was sent."""
    owner, other = await visitor(), await visitor()
    page = owner.page
    await other.sign_in()
    await owner.sign_in()
    changes: list[str] = []
    page.on(
        "request",
        lambda request: changes.append(request.post_data or "") if "mutation" in str(request.post_data) else None,
    )
    page.on("dialog", lambda question: question.accept())  # the browser asks whether to leave what was typed
    for path, ways in dialogs(owner.dashboard.world).items():
        await owner.go(path)
        for steps in ways:
            await settled(page)
            shown = await page.get_by_role("main").inner_text()
            await page.get_by_role("button", name=steps[0], exact=True).first.click()
            for step in steps[1:]:
                await page.get_by_role("menuitem", name=step).click()
            await page.get_by_role("dialog").wait_for()
            field = page.get_by_role("dialog").locator("input[type=text], input:not([type])")
            if await field.count():
                await field.first.fill("typed and gone")
            await page.reload()
            await page.locator("h1").wait_for()
            await settled(page)
            await expect(page.get_by_role("dialog")).to_have_count(0)
            assert lines(await page.get_by_role("main").inner_text()) == lines(shown), (path, steps)
    assert changes == []


def lines(text: str) -> list[str]:
    """What a page says, but for the distances in time, which go on."""
    return [line for line in text.splitlines() if " ago" not in line and "in " not in line and "now" not in line]


async def two_tabs(visitor: NewVisitor, path: str) -> tuple[Page, Page]:
    owner = await visitor()
    await owner.sign_in(path=path)
    other = await owner.page.context.new_page()
    await other.goto(owner.dashboard.url + path)
    await settled(other)
    return owner.page, other


async def test_of_two_tabs_one_revokes_while_the_other_edits_and_is_told(visitor: NewVisitor) -> None:
    owner = await visitor()
    world = owner.dashboard.world
    first, second = await two_tabs(visitor, f"/token/{world.tokens['teamspace Old worker']}")
    await second.get_by_role("button", name="Edit", exact=True).click()
    await first.get_by_role("button", name="Revoke", exact=True).click()
    await first.locator("dialog [type=submit]").click()
    await expect(first.get_by_role("heading", name="Revoked")).to_be_visible()
    await second.get_by_role("textbox", name="Label").fill("Too late")
    await second.get_by_role("button", name="Save changes").click()
    await expect(second.get_by_role("alert")).to_contain_text("revoked")
    await expect(second.get_by_role("textbox", name="Label")).to_have_value("Too late")


async def test_of_two_tabs_one_deletes_the_workspace_and_the_other_finds_nothing(visitor: NewVisitor) -> None:
    owner = await visitor()
    await owner.sign_in()
    create = """mutation ($input: CreateWorkspaceInput!) {
        createWorkspace(input: $input) { ... on CreateWorkspaceSuccess { workspace { id } } } }"""
    made = await owner.ask(create, input={"name": "Short lived", "slug": "short-lived", "product": "spooled"})
    workspace = made["data"]["createWorkspace"]["workspace"]["id"]
    first, second = owner.page, await owner.page.context.new_page()
    await first.goto(f"{owner.dashboard.url}/workspace/{workspace}/settings")
    await second.goto(f"{owner.dashboard.url}/workspace/{workspace}/access-tokens")
    await second.locator("[data-shortcut=c]").click()
    await second.get_by_role("textbox", name="Name").fill("Never made")
    await second.get_by_role("checkbox", name="jobs:read").check()
    await first.get_by_role("button", name="Delete workspace").click()
    await first.get_by_role("textbox", name="Type short-lived").fill("short-lived")
    await first.get_by_role("dialog").get_by_role("button", name="Delete workspace").click()
    await expect(first.get_by_text("Short lived was deleted.")).to_be_visible()
    await second.locator("dialog [type=submit]").click()
    await expect(second.get_by_role("alert")).to_contain_text("no such workspace")
    await second.reload()
    await expect(second.get_by_role("heading", name="Page not found")).to_be_visible()


async def test_a_menu_stays_open_while_its_table_is_drawn_afresh(visitor: NewVisitor) -> None:
    """A list that arrives late must not take the menu away under the reader's hand; the focus finds its way back."""
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["crowded"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens?q=batch&sort=NAME.ASC")
    released = asyncio.Event()

    async def late(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await page.route("**/graphql", late)
    await page.get_by_role("searchbox", name="Search").fill("batch 00")  # other rows: the same ones are not drawn again
    await page.get_by_role("button", name="Actions for Batch 000").click()
    old = await page.locator("tbody").element_handle()
    assert old is not None
    released.set()
    await page.wait_for_function("one => !one.isConnected", arg=old)
    await expect(page.get_by_role("menuitem", name="Revoke")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menuitem")).to_have_count(0)
    await expect(page.get_by_role("button", name="Actions for Batch 000")).to_be_focused()
    await page.get_by_role("button", name="Actions for Batch 000").click()
    await page.get_by_role("menuitem", name="Revoke").click()
    await expect(page.get_by_role("dialog", name="Revoke Batch 000?")).to_be_visible()
