"""Workspaces, spaces, members, roles, plan and policy: made, changed and ended where people see them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from support.browser import settled
from support.world import PASSWORD

from .conftest import NewVisitor

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def menu(page: Page, name: str, action: str) -> None:
    """An action of a row's menu."""
    await page.get_by_role("button", name=f"Actions for {name}").click()
    await page.get_by_role("menuitem", name=action).click()


async def test_a_workspace_is_made_filled_and_its_space_deleted_by_typing_its_name(visitor: NewVisitor) -> None:
    owner = await visitor()
    page = owner.page
    await owner.sign_in()
    await page.get_by_role("button", name="New workspace").click()
    await page.get_by_role("textbox", name="Name").fill("Café Nord")
    await expect(page.get_by_role("textbox", name="Slug")).to_have_value("cafe-nord")
    await page.get_by_role("combobox", name="Product").select_option("emit")
    await page.get_by_role("button", name="Create workspace").click()
    await expect(page.get_by_role("heading", name="No tokens yet")).to_be_visible()
    await page.locator("[data-shortcut=c]").click()
    await expect(page.get_by_role("heading", name="No spaces yet")).to_be_visible()
    await page.get_by_role("button", name="New space").first.click()
    await page.get_by_role("textbox", name="Name").fill("Kitchen")
    await page.get_by_role("button", name="Create space").click()
    await expect(page.get_by_role("heading", name="Kitchen has no tokens yet")).to_be_visible()
    await page.get_by_role("link", name="Spaces", exact=True).click()
    await menu(page, "Kitchen", "Rename")
    await page.get_by_role("textbox", name="Name").fill("Bar")
    await page.get_by_role("button", name="Save").click()
    await menu(page, "Bar", "Delete")
    await page.get_by_role("textbox", name="Type kitchen").fill("bar")
    await page.get_by_role("button", name="Delete space").click()
    await expect(page.get_by_text("This is not kitchen.")).to_be_visible()
    await page.get_by_role("textbox", name="Type kitchen").fill("kitchen")
    await page.get_by_role("button", name="Delete space").click()
    await expect(page.get_by_role("heading", name="No spaces yet")).to_be_visible()


async def test_an_invited_member_sets_a_password_and_holds_the_role(visitor: NewVisitor) -> None:
    owner, newcomer = await visitor(), await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["spooled"]
    await owner.sign_in(path=f"/workspace/{workspace}/members")
    await page.get_by_role("button", name="Invite member").click()
    await page.get_by_role("textbox", name="Email address").fill("new@person.example")
    await expect(page.get_by_role("radio", name="Member")).to_be_checked()
    await page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    code = await page.get_by_label("The invitation code").input_value()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Close without copying").click()
    row = (
        page.get_by_role("region", name="Members", exact=True).get_by_role("row").filter(has_text="new@person.example")
    )
    waiting = page.get_by_role("region", name="Invitations").get_by_role("row").filter(has_text="new@person.example")
    await expect(row).to_have_count(0)
    await expect(waiting).to_contain_text("by owner@example.com")

    await newcomer.go("/invitation")
    await newcomer.page.get_by_label("Invitation code").fill(code)
    await newcomer.page.get_by_label("New password").fill(PASSWORD)
    await newcomer.page.get_by_label("Repeat the password").fill("something else entirely")
    await newcomer.page.get_by_role("button", name="Create account and join").click()
    await expect(newcomer.page.get_by_text("The passwords don't match.")).to_be_visible()
    await newcomer.page.get_by_label("Repeat the password").fill(PASSWORD)
    await newcomer.page.get_by_role("button", name="Create account and join").click()
    await newcomer.page.get_by_role("link", name="Acme queues").click()
    await expect(newcomer.page.get_by_role("heading", name="API Keys")).to_be_visible()
    await expect(newcomer.page.locator("[data-shortcut=c]")).to_have_count(0)

    await page.reload()
    await expect(row).to_have_count(1)
    await expect(waiting).to_have_count(0)
    await menu(page, "new@person.example", "Change role")
    await page.get_by_role("radio", name="Admin").check()
    await page.get_by_role("button", name="Change role").click()
    await expect(row).to_contain_text("Admin")
    await newcomer.page.reload()
    await expect(newcomer.page.locator("[data-shortcut=c]")).to_be_visible()

    await menu(page, "new@person.example", "Remove")
    await page.get_by_role("button", name="Remove member").click()
    await expect(row).to_have_count(0)
    await newcomer.page.reload()
    await expect(newcomer.page.get_by_role("heading", name="Page not found")).to_be_visible()


async def test_somebody_with_an_account_joins_by_the_code_alone(visitor: NewVisitor) -> None:
    owner, other = await visitor(), await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["spooled"]
    await owner.sign_in(path=f"/workspace/{workspace}/members")
    await page.get_by_role("button", name="Invite member").click()
    await page.get_by_role("textbox", name="Email address").fill("admin@guard.example")
    await page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    code = await page.get_by_label("The invitation code").input_value()
    await other.sign_in("admin@guard.example")
    await other.page.get_by_role("link", name="Accept an invitation").click()
    await expect(other.page.get_by_label("New password")).to_have_count(0)
    await other.page.get_by_label("Invitation code").fill(code)
    await other.page.get_by_role("button", name="Join the workspace").click()
    await expect(other.page.get_by_role("link", name="Acme queues")).to_be_visible()


async def test_a_withdrawn_invitation_is_gone_and_its_code_opens_nothing(visitor: NewVisitor) -> None:
    owner, invited = await visitor(), await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["guard"]
    await owner.sign_in(path=f"/workspace/{workspace}/members")
    await page.get_by_role("button", name="Invite member").click()
    await page.get_by_role("textbox", name="Email address").fill("wrong@person.example")
    await page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    code = await page.get_by_label("The invitation code").input_value()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Close without copying").click()
    await page.get_by_role("button", name="Withdraw the invitation of wrong@person.example").click()
    await page.get_by_role("button", name="Withdraw invitation").click()
    await expect(page.get_by_role("heading", name="Pending invitations")).to_have_count(0)
    await invited.go("/invitation")
    await invited.page.get_by_label("Invitation code").fill(code)
    for label in ("New password", "Repeat the password"):
        await invited.page.get_by_label(label).fill(PASSWORD)
    await invited.page.get_by_role("button", name="Create account and join").click()
    await expect(invited.page.get_by_role("alert")).to_contain_text("no such invitation")


async def test_who_only_reads_members_sees_invitations_and_withdraws_none(visitor: NewVisitor) -> None:
    reader = await visitor()
    page, workspace = reader.page, reader.dashboard.world.workspaces["emit"]
    await reader.sign_in("viewer@emit.example", f"/workspace/{workspace}/members")
    await expect(page.get_by_role("region", name="Invitations").get_by_text("invited@example.com")).to_be_visible()
    await expect(page.get_by_role("button", name="Withdraw")).to_have_count(0)
    found = "query ($id: ID!) { workspace(id: $id) { invitations { nodes { id } } } }"
    waiting = (await reader.ask(found, id=workspace))["data"]["workspace"]["invitations"]["nodes"][0]["id"]
    withdraw = "mutation ($id: ID!) { withdrawInvitation(input: { id: $id }) { __typename } }"
    answer = await reader.ask(withdraw, id=waiting)
    assert answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


async def test_a_workspace_is_deleted_by_typing_its_slug_and_its_members_still_sign_in(visitor: NewVisitor) -> None:
    owner, other = await visitor(), await visitor()
    page = owner.page
    await owner.sign_in("owner@guard.example")
    await page.get_by_role("button", name="New workspace").click()
    await page.get_by_role("textbox", name="Name").fill("Doomed")
    await page.get_by_role("combobox", name="Product").select_option("spooled")
    await page.get_by_role("button", name="Create workspace").click()
    await page.locator("[data-shortcut=c]").click()
    await page.get_by_role("textbox", name="Name").fill("Ends with it")
    await page.get_by_role("checkbox", name="jobs:read").check()
    await page.locator("dialog [type=submit]").click()
    secret = await page.locator("dialog textarea.secret").input_value()
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Close without copying").click()
    status = """async (secret) => (await fetch("/api/v1/self", { credentials: "omit",
        headers: { Authorization: `Bearer ${secret}` } })).status"""
    assert await page.evaluate(status, secret) == 200
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_role("button", name="Delete workspace").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Type doomed").fill("domed")
    await dialog.get_by_role("button", name="Delete workspace").click()
    await expect(dialog.get_by_text("This is not doomed.")).to_be_visible()
    await dialog.get_by_role("textbox", name="Type doomed").fill("doomed")
    await dialog.get_by_role("button", name="Delete workspace").click()
    await expect(page.get_by_text("Doomed was deleted.")).to_be_visible()
    await expect(page.get_by_role("link", name="Doomed")).to_have_count(0)
    owner.excused.add("401 (Unauthorized)")
    assert await page.evaluate(status, secret) == 401
    await other.sign_in("owner@guard.example")
    await expect(other.page.get_by_role("link", name="Guarded")).to_be_visible()


async def test_only_owners_see_how_to_delete_a_workspace_and_the_api_refuses_others(visitor: NewVisitor) -> None:
    admin = await visitor()
    page, workspace = admin.page, admin.dashboard.world.workspaces["guard"]
    await admin.sign_in("admin@guard.example", f"/workspace/{workspace}/settings")
    await expect(page.get_by_role("heading", name="Plan")).to_be_visible()
    await expect(page.get_by_role("button", name="Delete workspace")).to_have_count(0)
    answer = await admin.ask("mutation ($id: ID!) { deleteWorkspace(input: { id: $id }) { __typename } }", id=workspace)
    assert answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


async def test_the_last_owner_stays(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["unpaid"]
    await owner.sign_in(path=f"/workspace/{workspace}/members")
    await menu(page, "owner@example.com", "Remove")
    await page.get_by_role("button", name="Remove member").click()
    await expect(page.get_by_role("alert")).to_contain_text("last owner")


async def test_a_changed_role_changes_what_a_member_may_do(visitor: NewVisitor) -> None:
    owner, viewer = await visitor(), await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["emit"]
    await viewer.sign_in("viewer@emit.example", f"/workspace/{workspace}/access-tokens")
    await expect(viewer.page.get_by_role("link", name="Audit log")).to_have_count(0)
    await owner.sign_in(path=f"/workspace/{workspace}/roles")
    await page.get_by_role("button", name="Edit Viewer").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Paste a GraphQL operation").fill(
        "query ($id: ID!) { workspace(id: $id) { auditLog { nodes { action } } } }"
    )
    await dialog.get_by_role("button", name="Find its scopes").click()
    await expect(dialog.get_by_role("checkbox", name="audit:read")).to_be_checked()
    await dialog.get_by_role("button", name="Save role").click()
    await dialog.wait_for(state="detached")
    await viewer.page.reload()
    await viewer.page.get_by_role("link", name="Audit log").click()
    await expect(viewer.page.get_by_role("rowheader", name="set what the role Viewer allows").first).to_be_visible()
    await expect(viewer.page.locator("[data-shortcut=c]")).to_have_count(0)


async def test_a_roles_name_may_be_as_long_as_its_field_allows(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["emit"]
    await owner.sign_in(path=f"/workspace/{workspace}/roles")
    await page.get_by_role("button", name="New role").click()
    most = int(await page.get_by_role("textbox", name="Name").get_attribute("maxlength") or 0)
    document = """mutation ($input: SetRoleInput!) {
        setRole(input: $input) { ... on InvalidInput { errors { path } } } }"""
    for length, refused in ((most, "grants"), (most + 1, "name")):
        asked = {"workspaceId": workspace, "name": "a" * length, "title": "Long", "grants": ["nothing:known"]}
        answer = await owner.ask(document, input=asked)
        assert answer["data"]["setRole"]["errors"][0]["path"][0] == refused, length


async def test_policy_and_plan_bind_the_create_form(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["guard"]
    await owner.sign_in(path=f"/workspace/{workspace}/settings")
    await expect(page.get_by_role("radio", name="Free")).to_be_enabled()
    await page.get_by_role("spinbutton", name="Longest lifetime in days").fill("45")
    await page.get_by_text("Scopes that API keys can have").click()
    await page.get_by_role("checkbox", name="sessions:write").uncheck()
    await page.get_by_role("button", name="Save policy").click()
    await expect(page.get_by_text("The policy was saved.")).to_be_visible()
    await page.get_by_role("link", name="API Keys", exact=True).click()
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("checkbox", name="sessions:write")).to_be_disabled()
    await expect(dialog.get_by_role("checkbox", name="sessions:write")).to_have_accessible_description(
        re.compile("Not allowed by this workspace's policy")
    )
    await expect(dialog.get_by_role("checkbox", name="full_access")).to_be_disabled()
    lengths = await dialog.get_by_role("combobox", name="Expiry date").locator("option").all_inner_texts()
    assert lengths == ["7 days from now", "30 days from now", "On a date…"]
    # As it was, for the other tests.
    await page.goto(f"{owner.dashboard.url}/workspace/{workspace}/settings")
    await settled(page)
    await page.get_by_role("spinbutton", name="Longest lifetime in days").fill("")
    await page.get_by_role("checkbox", name="sessions:write").check()
    await page.get_by_role("button", name="Save policy").click()
    await expect(page.get_by_text("The policy was saved.")).to_be_visible()


async def test_plans_are_shown_with_their_rate_limits(visitor: NewVisitor) -> None:
    owner = await visitor()
    await owner.sign_in(path=f"/workspace/{owner.dashboard.world.workspaces['spooled']}/settings")
    for plan, rate in (
        ("Free", "100 requests per minute for each API key, burst 20"),
        ("Pro", "1,000 requests per minute for each API key, burst 100"),
        ("Enterprise", "Custom rate limit"),
    ):
        choice = owner.page.get_by_role("radio", name=plan)
        await expect(choice).to_have_accessible_description(re.compile(rate))


async def test_the_audit_log_is_narrowed_and_exported(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["emit"]
    await owner.sign_in(path=f"/workspace/{workspace}/audit-log")
    await page.get_by_role("combobox", name="What").select_option("token.disable")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Export as NDJSON").click()
    saved = await (await started.value).path()
    assert '"action":"token.disable"' in saved.read_text(encoding="utf-8")
