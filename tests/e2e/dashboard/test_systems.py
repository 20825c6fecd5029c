"""Each of the four systems' flows, and the roles that may not: no control for it, and the API refuses too."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from .conftest import NewVisitor, Visitor, fields

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREATE = """mutation ($input: CreateTokenInput!) {
    createToken(input: $input) { __typename ... on CreateTokenSuccess { secret } } }"""
SECRET = re.compile(r"[a-z]+_(?:live|test)_[0-9A-Za-z]{38}")


async def the_secret(page: Page) -> str:
    """The secret of the dialog that shows it, which is then closed without a copy."""
    shown = page.locator("dialog textarea.secret")
    secret = await shown.input_value()
    assert SECRET.fullmatch(secret)
    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Close without copying").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    return secret


async def accepted(visitor: Visitor, secret: str) -> int:
    """The status with which the API answers a program with this secret, without the browser's session."""
    script = """async (secret) => (await fetch("/api/v1/self", { credentials: "omit",
        headers: { Authorization: `Bearer ${secret}` } })).status"""
    visitor.excused.add("401 (Unauthorized)")
    status: int = await visitor.page.evaluate(script, secret)
    return status


async def act(page: Page, name: str, action: str) -> None:
    """An action of a row's menu."""
    await page.get_by_role("button", name=f"Actions for {name}").first.click()
    await page.get_by_role("menuitem", name=action).click()


async def shown(page: Page, header: str) -> set[str]:
    """What the table shows of its tokens, in the column of this name."""
    await expect(page.get_by_role("columnheader", name=header, exact=True)).to_be_visible()
    return set(await page.locator(f"tbody td[data-title='{header}'] code").all_inner_texts())


@pytest.mark.long
async def test_emit_a_worker_key_of_a_space(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['emit']}/spaces")
    await page.get_by_role("link", name="Production").click()
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("Worker 7")
    await dialog.get_by_role("checkbox", name="jobs:write").check()
    await expect(dialog.get_by_text("Allows 6 scopes")).to_be_visible()
    await expect(dialog.get_by_text("Included by jobs:write.").first).to_be_visible()
    await dialog.get_by_role("button", name="Worker — service that processes jobs").click()
    await expect(dialog.get_by_role("checkbox", name="jobs:write")).not_to_be_checked()
    await expect(dialog.get_by_text("Allows 9 scopes")).to_be_visible()
    await page.locator("dialog [type=submit]").click()
    secret = await the_secret(page)
    assert secret.startswith("em_live_")
    assert await accepted(owner, secret) == 200
    await act(page, "Worker 7", "Revoke")
    await expect(page.get_by_role("dialog")).to_contain_text("Programs that use it lose access immediately")
    await page.get_by_role("textbox", name="Reason").fill("Replaced")
    await page.locator("dialog [type=submit]").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Worker 7"))
    await expect(row).to_have_count(0)
    await page.get_by_role("button", name="revoked or expired").click()
    await expect(row).to_contain_text("Revoked")
    assert await accepted(owner, secret) == 401


@pytest.mark.long
async def test_emit_rotation_shows_both_keys_side_by_side(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/token/{world.tokens['emit Production server']}")
    await expect(page.get_by_text("10.0.0.7")).to_be_visible()
    await page.get_by_role("button", name="Rotate").click()
    await page.get_by_role("combobox", name="The old token").select_option("3600")
    await page.locator("dialog [type=submit]").click()
    secret = await the_secret(page)
    await expect(page.get_by_role("heading", name="Rotation in progress")).to_be_visible()
    await expect(page.get_by_text("The new one hasn't been used yet")).to_be_visible()
    await expect(page.get_by_role("heading", name="New token")).to_be_visible()
    assert await accepted(owner, secret) == 200


@pytest.mark.long
async def test_emit_an_unused_scope_is_removed_from_the_key(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/token/{world.tokens['emit Old worker']}")
    await page.get_by_role("button", name="Remove jobs:poll").click()
    await expect(page.get_by_role("dialog")).to_contain_text("jobs:worker will be replaced by the other scopes")
    await page.get_by_role("button", name="Remove scope").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    await expect(page.get_by_role("button", name="Remove jobs:poll")).to_have_count(0)
    await expect(page.get_by_role("button", name="Remove jobs:ack")).to_be_visible()


@pytest.mark.long
async def test_spooled_a_test_key_is_told_apart_from_a_live_one(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['spooled']}/access-tokens")
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    assert await fields(dialog) == ["name", "expiresAt", "description", "space", "environment", "grants"]
    await dialog.get_by_role("textbox", name="Name").fill("Staging")
    await dialog.get_by_role("radio", name="Test").check()
    await dialog.get_by_role("checkbox", name="queues:read").check()
    await page.locator("dialog [type=submit]").click()
    assert (await the_secret(page)).startswith("sp_test_")
    await page.get_by_role("combobox", name="Environment").select_option("test")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Staging")
    await expect(rows).to_contain_text("test")


async def test_spooled_bulk_revoking_ends_all_that_were_ticked(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, world = owner.page, owner.dashboard.world
    await owner.sign_in(path=f"/workspace/{world.workspaces['spooled']}/access-tokens?status=EXPIRED")
    await page.get_by_role("combobox", name="Status").select_option("DISABLED")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("checkbox", name="Select Old worker").check()
    await page.get_by_role("button", name="Revoke…").click()
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_text("No API keys match.")).to_be_visible()
    await page.get_by_role("combobox", name="Status").select_option("REVOKED")
    await expect(page.get_by_role("link", name="Old worker")).to_be_visible()


@pytest.mark.long
async def test_teamspace_an_administrator_disables_and_enables(visitor: NewVisitor) -> None:
    admin = await visitor()
    page, world = admin.page, admin.dashboard.world
    path = f"/workspace/{world.workspaces['teamspace']}/access-tokens"
    await admin.sign_in("administrator@teamspace.example", path)
    for name in ("Label", "Token", "Scope", "Created", "Expires", "Status", "Actions"):
        await expect(page.get_by_role("columnheader", name=name).first).to_be_visible()
    await expect(page.get_by_role("columnheader", name="Key prefix")).to_have_count(0)
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("radio", name="Owner")).to_be_disabled()
    await expect(dialog.get_by_role("radio", checked=True)).to_have_count(1)
    await expect(dialog.get_by_role("checkbox")).to_have_count(0)
    await dialog.get_by_role("textbox", name="Label").fill("CI pipeline")
    await dialog.get_by_role("radio", name="Team Member").check()
    await dialog.get_by_label("Expiry date").select_option("never")
    await page.locator("dialog [type=submit]").click()
    secret = await the_secret(page)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="CI pipeline"))
    await expect(row).to_contain_text("Team Member")
    await expect(row).to_contain_text("Not specified")
    await act(page, "CI pipeline", "Disable")
    await page.locator("dialog [type=submit]").click()
    await expect(row).to_contain_text("Disabled")
    assert await accepted(admin, secret) == 401
    await act(page, "CI pipeline", "Enable")
    await page.locator("dialog [type=submit]").click()
    await expect(row).to_contain_text("Active")
    assert await accepted(admin, secret) == 200


@pytest.mark.long
async def test_teamspace_the_columns_button_changes_the_table_at_once_and_is_remembered(visitor: NewVisitor) -> None:
    reader = await visitor()
    page, world = reader.page, reader.dashboard.world
    await reader.sign_in(path=f"/workspace/{world.workspaces['teamspace']}/access-tokens")
    header = page.get_by_role("columnheader", name="Expires")
    await expect(header).to_be_visible()
    await page.get_by_text("Columns", exact=True).click()
    await page.get_by_role("checkbox", name="Expires").uncheck()
    await expect(header).to_have_count(0)
    await page.reload()
    await expect(page.get_by_role("columnheader", name="Created")).to_be_visible()
    await expect(header).to_have_count(0)
    assert await page.evaluate("Object.keys(localStorage)") == ["spacekey.columns.tokens"]


@pytest.mark.long
@pytest.mark.parametrize("role", ["viewer", "member"])
async def test_teamspace_viewers_and_team_members_only_look(visitor: NewVisitor, role: str) -> None:
    reader = await visitor()
    page, workspace = reader.page, reader.dashboard.world.workspaces["teamspace"]
    await reader.sign_in(f"{role}@teamspace.example", f"/workspace/{workspace}/access-tokens")
    await expect(page.get_by_role("link", name="Production server")).to_be_visible()
    await expect(page.locator("[data-shortcut=c]")).to_have_count(0)
    await expect(page.get_by_role("checkbox", name=re.compile("^Select"))).to_have_count(0)
    await page.get_by_role("button", name="Actions for Production server").click()
    assert await page.get_by_role("menuitem").all_inner_texts() == ["Copy"]
    answer = await reader.ask(CREATE, input={"ownerId": workspace, "name": "No", "grants": ["viewer"]})
    assert answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


@pytest.mark.long
async def test_teamspace_a_manager_creates_and_edits_and_does_not_end(visitor: NewVisitor) -> None:
    manager = await visitor()
    page, world = manager.page, manager.dashboard.world
    token = world.tokens["teamspace Production server"]
    await manager.sign_in("manager@teamspace.example", f"/token/{token}")
    await expect(page.get_by_role("button", name="Edit")).to_be_visible()
    for name in ("Rotate", "Disable", "Revoke", "Delete"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_role("textbox", name="Description").fill("Edited by the manager")
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_role("main")).to_contain_text("Edited by the manager")
    revoke = "mutation ($id: ID!) { revokeToken(input: { id: $id }) { __typename } }"
    answer = await manager.ask(revoke, id=token)
    assert answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


@pytest.mark.long
async def test_teamspace_a_token_of_two_roles_is_edited_without_a_change_of_them_and_then_holds_one(
    visitor: NewVisitor,
) -> None:
    admin = await visitor()
    page, token = admin.page, admin.dashboard.world.tokens["teamspace Two roles"]
    grants = "query ($id: ID!) { token(id: $id) { grants } }"
    await admin.sign_in("administrator@teamspace.example", f"/token/{token}")
    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_role("radio", name="Viewer")).to_be_visible()
    await page.get_by_role("textbox", name="Description").fill("Edited")
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_role("main")).to_contain_text("Edited")
    assert (await admin.ask(grants, id=token))["data"]["token"]["grants"] == ["viewer", "member"]
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_role("radio", name="Viewer").check()
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert (await admin.ask(grants, id=token))["data"]["token"]["grants"] == ["viewer"]


@pytest.mark.long
async def test_guard_full_access_and_the_key_that_stays_as_revoked(visitor: NewVisitor) -> None:
    admin = await visitor()
    page, world = admin.page, admin.dashboard.world
    await admin.sign_in("admin@guard.example", f"/workspace/{world.workspaces['guard']}/access-tokens")
    prefixes = await shown(page, "Key Prefix")
    assert prefixes
    assert all(re.fullmatch(r"eg_live_\w{4}…", one) for one in prefixes)
    await expect(page.get_by_role("columnheader", name="Token")).to_have_count(0)
    await page.locator("[data-shortcut=c]").click()
    dialog = page.get_by_role("dialog")
    assert await fields(dialog) == ["name", "expiresAt", "description", "grants"]
    await expect(dialog.get_by_label("Expiry date (optional)")).to_be_visible()
    await dialog.get_by_role("textbox", name="Name").fill("Backend")
    await dialog.get_by_role("checkbox", name="full_access").check()
    await expect(dialog.get_by_text("Allows 4 scopes")).to_be_visible()
    await page.locator("dialog [type=submit]").click()
    await expect(page.get_by_role("dialog")).to_contain_text("it will not be shown again")
    secret = await the_secret(page)
    assert secret.startswith("eg_live_")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="Migration script"))
    await expect(row).to_contain_text("Expired")
    await act(page, "Migration script", "Revoke")
    await page.locator("dialog [type=submit]").click()
    await expect(row).to_contain_text("Revoked")


async def test_guard_members_see_no_keys(visitor: NewVisitor) -> None:
    member = await visitor()
    page, workspace = member.page, member.dashboard.world.workspaces["guard"]
    await member.sign_in("member@guard.example", f"/workspace/{workspace}/access-tokens")
    await expect(page.get_by_text("Admin Only")).to_be_visible()
    await expect(page.get_by_role("link", name="Tokens", exact=True)).to_have_count(0)
    document = "query ($id: ID!) { workspace(id: $id) { tokens { nodes { id } } } }"
    answer = await member.ask(document, id=workspace)
    assert answer["errors"][0]["extensions"]["code"] == "INSUFFICIENT_SCOPE"


@pytest.mark.long
async def test_guard_without_the_paid_plan_there_are_no_keys(visitor: NewVisitor) -> None:
    owner = await visitor()
    page, workspace = owner.page, owner.dashboard.world.workspaces["unpaid"]
    await owner.sign_in(path=f"/workspace/{workspace}/access-tokens")
    await expect(page.get_by_text("API keys are available on the Paid plan only.")).to_be_visible()
    await expect(page.locator("[data-shortcut=c]")).to_have_count(0)
    await expect(page.get_by_role("link", name="See the plans in the settings")).to_be_visible()
    answer = await owner.ask(CREATE, input={"ownerId": workspace, "name": "No", "grants": ["full_access"]})
    assert answer["data"]["createToken"]["__typename"] == "PlanLimit"
