"""Every sentence of the four products about their pages, walked in a browser in the sentences' own words."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from support.dashboard.world import NAMES

from .conftest import NewVisitor, Visitor
from .seeds import Sentence, Walk, act, badge, chip, column, copied, in_form, practice, row_class, text, to_the_list

pytestmark = pytest.mark.long
IN_A_BROWSER = pytest.mark.asyncio(loop_scope="session")

WORKER = (
    *("jobs:read", "jobs:poll", "jobs:ack", "jobs:progress", "jobs:event", "jobs:complete", "jobs:fail"),
    *("jobs:keepalive", "jobs:read:progress"),
)


# --- Emit ---


async def emit_one_space(walk: Walk) -> None:
    await walk.visitor.go(f"/workspace/{walk.workspace}/access-tokens")
    await walk.open_form()
    options = await walk.dialog.locator("select[name=space] option").all_inner_texts()
    assert "Space Production" in options
    assert not any("workspace" in one.lower() for one in options)
    await walk.cancel()


async def emit_open_a_space(walk: Walk) -> None:
    await walk.page.get_by_role("link", name="Spaces").click()
    await expect(walk.page.get_by_role("heading", name="Spaces", level=1)).to_be_visible()
    await walk.page.get_by_role("main").get_by_role("link", name="Production", exact=True).click()
    await expect(walk.page.get_by_role("heading", name="Tokens of Production")).to_be_visible()


async def emit_go_to_tokens(walk: Walk) -> None:
    inside = walk.page.locator("nav.sections ul").first
    await expect(walk.page.locator("nav.sections h2").first).to_have_text("Production")
    await expect(inside.get_by_role("link", name="Tokens")).to_have_attribute("aria-current", "page")
    await inside.get_by_role("link", name="Tokens").click()


async def emit_create_token(walk: Walk) -> None:
    await walk.page.get_by_role("button", name="Create Token", exact=True).click()
    await expect(walk.dialog).to_be_visible()


async def emit_name_and_scopes(walk: Walk) -> None:
    await walk.dialog.get_by_label("Name").fill("Seed")
    await walk.dialog.get_by_role("checkbox", name="jobs:create").check()
    await expect(walk.dialog.locator(".summary")).to_contain_text("jobs:create")


async def emit_use_cases(walk: Walk) -> None:
    for title, scopes in (
        ("Producer — app that submits jobs", ["jobs:create"]),
        ("Worker — service that processes jobs", WORKER),
        ("Monitor — dashboard or alerting", ["jobs:read"]),
        ("Producer + monitor", ["jobs:create", "jobs:read"]),
        ("Third-party client — live job updates only", ["jobs:read:progress"]),
        ("Minimal worker — no progress/events", ["jobs:poll", "jobs:ack", "jobs:complete", "jobs:fail"]),
    ):
        await chip(title, *scopes)(walk)


async def emit_shorthand(walk: Walk) -> None:
    await walk.open_form()
    await chip("Monitor — dashboard or alerting", "jobs:read")(walk)
    await walk.dialog.get_by_role("checkbox", name="jobs:read", exact=True).first.uncheck()
    await walk.dialog.locator("input[value='jobs:worker']").check()
    await expect(walk.dialog.locator(".summary")).to_contain_text("Allows 9 scopes")


async def emit_copy_once(walk: Walk) -> None:
    await walk.create("Seed")
    await text("Copy the key immediately — it's shown only once", where="dialog")(walk)
    await walk.dialog.locator(".secret-row button").click()
    assert await copied(walk) == walk.secrets["Seed"]
    await text("Store keys in environment variables or a secrets manager", where="dialog")(walk)
    await walk.close_secret()
    await expect(walk.page.get_by_text(walk.secrets["Seed"])).to_have_count(0)


async def emit_rotate(walk: Walk) -> None:
    await act(walk, "Seed", "rotate")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.dialog.locator("textarea.secret")).to_be_visible()
    await walk.close_secret()
    await expect(walk.page.get_by_role("heading", name="Rotation in progress")).to_be_visible()


async def emit_delete(walk: Walk) -> None:
    await to_the_list(walk)
    await act(walk, "Seed", "delete")
    await walk.dialog.get_by_label("Type Seed to confirm").fill("Seed")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.dialog).to_have_count(0)


EMIT = [
    Sentence("Each key is scoped to a single space.", emit_one_space),
    Sentence("Open a space in the dashboard", emit_open_a_space),
    Sentence("Go to Tokens", emit_go_to_tokens),
    Sentence("Click Create Token", emit_create_token),
    Sentence("Enter a name and select scopes", emit_name_and_scopes),
    Sentence("(or use the Worker preset)", chip("Worker — service that processes jobs", *WORKER)),
    Sentence("Use case — Recommended scopes", emit_use_cases),
    Sentence(
        "The Worker preset in the token creation dialog selects all the scopes a typical worker needs.",
        chip("Worker — service that processes jobs", *WORKER),
    ),
    Sentence("You can also use the shorthand jobs:worker scope which expands to the full worker set", emit_shorthand),
    Sentence(
        "All Available Scopes",
        in_form(
            "Create new jobs in the space",
            "List jobs, get job details and events",
            "Claim pending jobs from the dispatch queue",
            "Acknowledge receipt of a polled job",
            "Send in-progress updates",
            "Publish checkpoint events",
            "Mark jobs as completed",
            "Mark jobs as failed",
            "Extend a running job's timeout",
            "Subscribe to single-job WebSocket streams (no space-wide feed)",
            "Shorthand — expands to all worker scopes above",
            "Shorthand — expands to mutation scopes (ack, progress, event, complete, fail, keepalive)",
        ),
    ),
    Sentence("Copy the key immediately — it's shown only once", emit_copy_once),
    Sentence("create a new key, update your services, then delete the old one", emit_rotate),
    Sentence("Delete unused keys", emit_delete),
    Sentence(
        "Store keys in environment variables or a secrets manager — never commit them to source control",
        practice("Use separate keys for producers and workers"),
    ),
]


# --- Spooled ---


async def spooled_place(walk: Walk) -> None:
    await walk.visitor.go("/account/api-keys")
    await expect(walk.page.locator("nav.sections h2").first).to_have_text("Account")
    await expect(walk.page.get_by_role("link", name="API Keys", exact=True)).to_have_attribute("aria-current", "page")
    assert walk.page.url.endswith("/account/api-keys")
    await to_the_list(walk)


async def spooled_columns(walk: Walk) -> None:
    shown = await walk.columns()
    assert {"Name", "Created"} <= set(shown)


async def spooled_create(walk: Walk) -> None:
    await walk.open_form()
    await walk.dialog.get_by_role("radio", name="Test").check()
    await walk.dialog.get_by_role("checkbox", name="jobs:read").check()
    await walk.create("Seed")


async def spooled_curl(walk: Walk) -> None:
    shown = walk.dialog.get_by_role("tabpanel")
    await expect(shown).to_contain_text(f'curl -H "Authorization: Bearer {walk.secrets["Seed"]}"')
    await expect(shown).to_contain_text("https://api.spooled.cloud/api/v1/jobs")
    for name in ("Python", "JavaScript"):
        await walk.dialog.get_by_role("tab", name=name).click()
        await expect(shown).to_contain_text("SPOOLED_API_KEY")


async def spooled_env(walk: Walk) -> None:
    secret = walk.secrets["Seed"]
    await walk.dialog.get_by_role("tab", name=".env").click()
    await text("# .env file (add to .gitignore!)", where="dialog")(walk)
    await text(f"SPOOLED_API_KEY={secret}", where="dialog")(walk)
    await walk.dialog.get_by_role("tab", name="Shell").click()
    await text(f"export SPOOLED_API_KEY={secret}", where="dialog")(walk)
    await text('curl -H "Authorization: Bearer $SPOOLED_API_KEY"', where="dialog")(walk)


async def spooled_once(walk: Walk) -> None:
    await walk.close_secret()
    await expect(walk.page.get_by_text(walk.secrets["Seed"])).to_have_count(0)


async def spooled_prefix(walk: Walk) -> None:
    row = walk.row("Seed")
    await expect(row).to_contain_text("sp_test_")
    await expect(row.locator(".badge.test")).to_be_visible()
    await expect(walk.row("Production server")).to_contain_text("sp_live_")


async def spooled_permissions(walk: Walk) -> None:
    await walk.open_form()
    for scope, about, use_case in (
        ("jobs:read", "List and get jobs", "Monitoring dashboards"),
        ("jobs:write", "Create, complete, fail jobs", "Producers and workers"),
        ("queues:read", "List queues and stats", "Monitoring"),
        ("queues:write", "Pause, resume queues", "Admin tools"),
        ("dlq:read", "List DLQ jobs", "Debugging tools"),
        ("dlq:write", "Retry, purge DLQ", "Admin tools"),
    ):
        row = walk.dialog.locator(".check").filter(has=walk.page.locator(f"input[value='{scope}']"))
        await expect(row).to_contain_text(about)
        await expect(row).to_contain_text(use_case)
    await walk.cancel()


async def spooled_rotation(walk: Walk) -> None:
    await act(walk, "Seed", "rotate")
    await text("a new API key with the same permissions", where="dialog")(walk)
    await walk.dialog.locator("[type=submit]").click()
    await text("Update your services to use the new key, verify everything works with it", where="dialog")(walk)
    await walk.close_secret()
    await text("The new key hasn't been used yet.", where="main")(walk)
    await to_the_list(walk)


async def spooled_revoke(walk: Walk) -> None:
    await act(walk, "Seed", "revoke")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.row("Seed").locator(".badge.revoked")).to_be_visible()


async def spooled_rotate_now(walk: Walk) -> None:
    await act(walk, "Production server", "rotate")
    await walk.dialog.locator("select[name=graceSeconds]").select_option("0")
    await walk.cancel()


async def spooled_limits(walk: Walk) -> None:
    await walk.visitor.go(f"/workspace/{walk.workspace}/settings")
    for shown in ("100 requests per minute", "burst 20", "1,000 requests per minute", "burst 100", "Custom"):
        await text(shown, where="main")(walk)


SPOOLED = [
    Sentence("Account → API Keys", spooled_place),
    Sentence("Key name and creation date", spooled_columns),
    Sentence("Last used timestamp", column("Last used")),
    Sentence("Permissions assigned", column("Permissions")),
    Sentence("Create new keys", spooled_create),
    Sentence("Include your API key in the Authorization header of all requests.", spooled_curl),
    Sentence("Use environment variables to keep them secure.", spooled_env),
    Sentence("key shown only once!", spooled_once),
    Sentence("sp_live_ Production, sp_test_ Test/Development", spooled_prefix),
    Sentence("Key prefix matches environment", spooled_prefix),
    Sentence("Permission Description Use Case", spooled_permissions),
    Sentence("Rotate keys regularly", spooled_rotation),
    Sentence("Create a new API key with the same permissions … Revoke the old key", spooled_revoke),
    Sentence("Revoke compromised keys", badge("Unused experiment", "Revoked", "revoked")),
    Sentence("Key status (active vs revoked)", badge("Production server", "Active", "active")),
    Sentence("Generate a new key if compromised", spooled_rotate_now),
    Sentence("Plan, Rate Limit, Burst", spooled_limits),
]


# --- Teamspace ---


async def teamspace_from_workspaces(walk: Walk) -> None:
    await walk.visitor.go("/")
    await walk.page.get_by_role("link", name="Northwind docs").click()
    await expect(walk.table).to_be_visible()


async def teamspace_sidebar(walk: Walk) -> None:
    link = walk.page.locator("nav.sections").get_by_role("link", name="Access Tokens", exact=True)
    await link.click()
    await expect(link).to_have_attribute("aria-current", "page")


async def teamspace_path(walk: Walk) -> None:
    assert walk.page.url.endswith(f"/workspace/{walk.workspace}/access-tokens")
    await walk.page.reload()
    await expect(walk.table).to_be_visible()


async def teamspace_page(walk: Walk) -> None:
    await expect(walk.page.get_by_role("heading", name="Access Tokens", level=1)).to_be_visible()
    for name in NAMES:
        await expect(walk.row(name)).to_be_visible()


async def teamspace_roles(walk: Walk) -> None:
    await in_form(
        "Viewer",
        "Read-only access to API endpoints",
        "Team Member",
        "Standard read and write access",
        "Workspace Manager",
        "Extended permissions for workspace management",
        "Administrator",
        "Full access to most API endpoints",
        "Owner",
        "Complete access to all API endpoints",
    )(walk)


async def teamspace_expiry(walk: Walk) -> None:
    await walk.open_form()
    await walk.dialog.get_by_label("Expiry date").select_option("never")
    await walk.dialog.get_by_label("Viewer").check()
    await walk.create("Seed")
    await walk.close_secret()


async def teamspace_not_specified(walk: Walk) -> None:
    await expect(walk.row("Seed").locator("[data-title=Expires]")).to_have_text("Not specified")


async def teamspace_buttons(walk: Walk) -> None:
    names = [f"{action} Seed" for action in ("Edit", "Disable", "Delete", "Copy")]
    buttons = walk.row("Seed").locator(".row-action")
    assert await buttons.evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))") == names


async def teamspace_edit(walk: Walk) -> None:
    await act(walk, "Seed", "edit")
    await walk.dialog.locator("textarea[name=description]").fill("Zapier Sync")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.row("Seed")).to_contain_text("Zapier Sync")
    await act(walk, "Seed", "toggle")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.row("Seed")).to_contain_text("Disabled")
    assert await walk.status("Seed") == 401
    await act(walk, "Seed", "toggle")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.row("Seed")).to_contain_text("Active")
    assert await walk.status("Seed") == 200


async def teamspace_masked(walk: Walk) -> None:
    shown = await walk.row("Seed").locator("[data-title=Token]").inner_text()
    assert shown == walk.secrets["Seed"][:10] + "•" * 8


async def teamspace_copy(walk: Walk) -> None:
    await act(walk, "Seed", "copy")
    assert re.fullmatch(r"owner@example\.com_key_\w+", await copied(walk))
    await expect(walk.row("Old worker").locator("[data-action=copy]")).to_have_count(0)


async def teamspace_faded(walk: Walk) -> None:
    await row_class("Old worker", "disabled")(walk)
    cell = walk.row("Old worker").locator("[data-title=Token]")
    assert float(await cell.evaluate("one => getComputedStyle(one).opacity")) < 1


async def teamspace_columns(walk: Walk) -> None:
    await walk.page.get_by_text("Columns", exact=True).click()
    for title in ("Label", "Token", "Scope", "Created", "Expires", "Actions"):
        await expect(walk.page.get_by_role("checkbox", name=title, exact=True)).to_be_checked()


async def teamspace_toggle(walk: Walk) -> None:
    for title in ("Created", "Actions"):
        box = walk.page.get_by_role("checkbox", name=title, exact=True)
        await box.uncheck()
        assert title not in await walk.columns()
        await box.check()
        assert title in await walk.columns()


async def teamspace_id(walk: Walk) -> None:
    await walk.visitor.go(f"/token/{walk.visitor.dashboard.world.tokens['teamspace Production server']}")
    await text("Token ID", where="main")(walk)
    await expect(walk.page.locator("main").get_by_text(re.compile(r"_key_\w+")).first).to_be_visible()


async def teamspace_configuration(walk: Walk) -> None:
    await walk.visitor.go(f"/workspace/{walk.workspace}/roles")
    await expect(walk.page.get_by_role("heading", name="Workspace Manager")).to_be_visible()
    await to_the_list(walk)


async def teamspace_sign_in(walk: Walk) -> None:
    secret = walk.secrets["Seed"]
    context = walk.page.context.browser
    assert context is not None
    page = await context.new_page()
    try:
        await page.goto(walk.visitor.dashboard.url)
        await page.get_by_label("Sign-in name").fill(secret)
        await page.get_by_label("Password").fill(secret)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("form")).to_contain_text("Tokens are for programs and can't sign in.")
    finally:
        await page.close()


async def delete_it(walk: Walk) -> None:
    await act(walk, "Seed", "delete")
    await walk.dialog.get_by_label("Type Seed to confirm").fill("Seed")
    await walk.dialog.locator("[type=submit]").click()
    await expect(walk.row("Seed")).to_have_count(0)


TEAMSPACE = [
    Sentence("Navigate to the workspace by clicking on it from the Workspaces page.", teamspace_from_workspaces),
    Sentence("In the workspace sidebar, click on “Access Tokens”", teamspace_sidebar),
    Sentence("or navigate to /workspace/:workspaceId/access-tokens.", teamspace_path),
    Sentence("you'll see the Access Tokens page with a list of all access tokens in the workspace.", teamspace_page),
    *(Sentence(f"{one}: column", column(one)) for one in ("Label", "Token", "Scope", "Created", "Expires", "Status")),
    Sentence("Each access token is assigned a scope (role)", teamspace_roles),
    Sentence("Expirable: Can have an optional expiration date for enhanced security", teamspace_expiry),
    Sentence("When the token expires (or “Not specified” if no expiry)", teamspace_not_specified),
    Sentence("Actions: Edit, enable/disable, delete, and copy buttons", teamspace_buttons),
    Sentence("Manageable: Can be created, edited, disabled, enabled, and deleted", teamspace_edit),
    Sentence("Tokens are partially masked for security (only first 10 characters shown)", teamspace_masked),
    Sentence("Disabled tokens appear with reduced opacity", teamspace_faded),
    Sentence("Expired tokens are highlighted in red", row_class("Migration script", "expired")),
    Sentence("Active tokens show a copy button for easy copying", teamspace_copy),
    Sentence("Click the “Columns” button in the header", teamspace_columns),
    Sentence("Toggle visibility for: Label Token Scope Created Expires Actions", teamspace_toggle),
    Sentence("The table updates immediately to show only selected columns", teamspace_toggle),
    Sentence("Cannot be used to log into the web interface", teamspace_sign_in),
    Sentence("The available scopes depend on your workspace's role configuration.", teamspace_configuration),
    Sentence("Workspace Owner: Full access to all features", delete_it),
    Sentence("Token ID: Unique identifier (email_id format)", teamspace_id),
    Sentence("Last Used: (If tracked) When the token was last used", text("Last used", where="main")),
]
ROLES = {
    "administrator": (
        "Administrator: Can create, edit, disable, enable, and delete tokens",
        True,
        "edit toggle delete copy",
    ),
    "manager": ("Workspace Manager: Can create and edit tokens", True, "edit copy"),
    "member": ("Team Member: Can view tokens (read-only)", False, "copy"),
    "viewer": ("Viewer: Read-only access", False, "copy"),
}


# --- Guard ---


async def guard_place(walk: Walk) -> None:
    await walk.visitor.go(f"/workspace/{walk.workspace}/members")
    await expect(walk.page.locator("nav.sections h2").first).to_have_text("Admin")
    await walk.page.get_by_role("link", name="API Keys", exact=True).click()
    await expect(walk.page.get_by_role("heading", name="API Keys", level=1)).to_be_visible()
    assert walk.page.url.endswith("/api-keys")


async def guard_paid(walk: Walk) -> None:
    await walk.visitor.go(f"/workspace/{walk.visitor.dashboard.world.workspaces['unpaid']}/api-keys")
    await text("API keys are available on the Paid plan only.", where="main")(walk)
    await expect(
        walk.page.get_by_role("main").get_by_role("link", name="See the plans in the settings")
    ).to_be_visible()
    await to_the_list(walk)


async def guard_form(walk: Walk) -> None:
    await walk.page.get_by_role("button", name="Create API Key").click()
    await expect(walk.dialog).to_be_visible()


async def guard_fields(walk: Walk) -> None:
    form = walk.dialog
    assert await form.get_by_label("Name").get_attribute("placeholder") == "e.g., CI/CD Pipeline"
    await form.get_by_label("Name").fill("CI/CD Pipeline")


async def guard_expiry(walk: Walk) -> None:
    await expect(walk.dialog.get_by_label("Expiry Date (optional)")).to_be_visible()


async def guard_description(walk: Walk) -> None:
    field = walk.dialog.get_by_label("Description (optional)")
    assert await field.get_attribute("placeholder") == "e.g., Used by GitHub Actions deploy workflow"


async def guard_full_access(walk: Walk) -> None:
    await walk.dialog.get_by_role("checkbox", name="Full Access (grants all scopes)").check()
    await text("Allows 4 scopes", where="dialog .summary")(walk)


async def guard_create(walk: Walk) -> None:
    await expect(walk.dialog.get_by_role("button", name="Create", exact=True)).to_be_visible()
    await walk.create("CI/CD Pipeline")


async def guard_copy(walk: Walk) -> None:
    await walk.dialog.locator(".secret-row").get_by_role("button", name="Copy").click()
    assert await copied(walk) == walk.secrets["CI/CD Pipeline"]


async def guard_once(walk: Walk) -> None:
    await text("The full API key is only shown once.", where="dialog")(walk)
    assert await walk.status("CI/CD Pipeline") == 200
    await walk.close_secret()


async def guard_columns(walk: Walk) -> None:
    order = ["Name", "Key Prefix", "Scopes", "Last Used", "Status", "Created", "Actions"]
    assert await walk.columns() == order


async def guard_prefix(walk: Walk) -> None:
    shown = await walk.row("CI/CD Pipeline").locator("[data-title='Key Prefix']").inner_text()
    assert re.fullmatch(r"eg_live_\w{4}…", shown)


async def guard_trash(walk: Walk) -> None:
    button = walk.row("CI/CD Pipeline").get_by_role("button", name="Revoke CI/CD Pipeline")
    await expect(button.locator("svg.icon")).to_be_visible()
    await button.click()


async def guard_confirmation(walk: Walk) -> None:
    said = "Are you sure you want to revoke this API key? Any applications using it will immediately lose access."
    await text(said, where="dialog")(walk)


async def guard_buttons(walk: Walk) -> None:
    await walk.cancel()
    await expect(walk.row("CI/CD Pipeline").locator(".badge.active")).to_be_visible()
    await act(walk, "CI/CD Pipeline", "revoke")
    await walk.dialog.get_by_role("button", name="Revoke", exact=True).click()
    await expect(walk.dialog).to_have_count(0)


async def guard_invalid(walk: Walk) -> None:
    assert await walk.status("CI/CD Pipeline") == 401


async def guard_clean_up(walk: Walk) -> None:
    await act(walk, "Migration script", "revoke")
    await walk.dialog.get_by_role("button", name="Revoke", exact=True).click()
    await expect(walk.dialog).to_have_count(0)


GUARD = [
    Sentence("Navigate to API Keys under the Admin section in the sidebar.", guard_place),
    Sentence("API keys are available on the Paid plan only.", guard_paid),
    Sentence("Click the create button to open the form.", guard_form),
    Sentence('Name — A descriptive name (e.g., "CI/CD Pipeline")', guard_fields),
    Sentence("Expiry Date (optional) — When the key should expire", guard_expiry),
    Sentence("Description (optional) — What the key is used for", guard_description),
    Sentence(
        "Sessions (Read), Sessions (Write), Resources (Read), Audit Logs (Read)",
        in_form("Sessions (Read)", "Sessions (Write)", "Resources (Read)", "Audit Logs (Read)"),
    ),
    Sentence("Full Access (grants all scopes)", guard_full_access),
    Sentence("Click Create.", guard_create),
    Sentence(
        'an alert appears: "Copy your API key now — it will not be shown again"',
        text("Copy your API key now — it will not be shown again", where="dialog .alert"),
    ),
    Sentence("Click Copy to copy the full key to your clipboard.", guard_copy),
    Sentence(
        "Store it in a secure location (e.g., GitHub Secrets, AWS Secrets Manager, HashiCorp Vault).",
        text(
            "Store it in a secure location (e.g., GitHub Secrets, AWS Secrets Manager, HashiCorp Vault).",
            where="dialog",
        ),
    ),
    Sentence("The full API key is only shown once.", guard_once),
    Sentence("Name, Key Prefix, Scopes, Last Used, Status, Created, (Delete)", guard_columns),
    Sentence("First characters of the key (e.g., eg_live_1234...)", guard_prefix),
    Sentence("Active (green), Expired (yellow), or Revoked (red)", badge("Production server", "Active", "active")),
    Sentence("They show as Expired (yellow) in the table.", badge("Migration script", "Expired", "expired")),
    Sentence("Click the delete button (trash icon) on the key row.", guard_trash),
    Sentence("A confirmation dialog appears", guard_confirmation),
    Sentence("Click Revoke to confirm, or Cancel to keep the key.", guard_buttons),
    Sentence("Any requests using it will return 401 Unauthorized", guard_invalid),
    Sentence("The key shows as Revoked (red) in the table", badge("CI/CD Pipeline", "Revoked", "revoked")),
    Sentence("Expired keys should be revoked to clean up the list.", guard_clean_up),
    Sentence("Check Last Used to identify inactive keys", column("Last Used")),
]
ADMIN_ONLY = "Admin Only"
SEEDS = {"emit": EMIT, "spooled": SPOOLED, "teamspace": TEAMSPACE, "guard": GUARD}


def test_every_sentence_stands_in_the_table() -> None:
    assert {name: len(rows) for name, rows in SEEDS.items()} | {"roles": len(ROLES), "guard": len(GUARD) + 1} == {
        "emit": 14,
        "spooled": 17,
        "teamspace": 27,
        "roles": 4,
        "guard": 25,
    }


async def walked(visitor: Visitor, product: str) -> None:
    walk = Walk(visitor, product)
    for one in SEEDS[product]:
        try:
            await one.see(walk)
        except Exception as error:
            error.add_note(f"{product}: {one.says}")
            raise


@IN_A_BROWSER
@pytest.mark.parametrize("product", SEEDS)
async def test_a_products_sentences_are_true_in_the_browser(visitor: NewVisitor, product: str) -> None:
    owner = await visitor(permissions=["clipboard-read", "clipboard-write"], viewport={"width": 1440, "height": 900})
    await owner.sign_in()
    await walked(owner, product)


@IN_A_BROWSER
@pytest.mark.parametrize("role", ROLES)
async def test_teamspace_what_a_role_may_do_to_tokens(visitor: NewVisitor, role: str) -> None:
    _says, creates, actions = ROLES[role]
    reader = await visitor(viewport={"width": 1440, "height": 900})
    workspace = reader.dashboard.world.workspaces["teamspace"]
    await reader.sign_in(f"{role}@teamspace.example", f"/workspace/{workspace}/access-tokens")
    walk = Walk(reader, "teamspace")
    await expect(walk.table).to_be_visible()
    await expect(reader.page.locator("[data-shortcut=c]")).to_have_count(1 if creates else 0)
    buttons = walk.row("Production server").locator(".row-action")
    assert await buttons.evaluate_all("all => all.map((one) => one.dataset.action)") == actions.split()


@IN_A_BROWSER
async def test_guard_admin_only(visitor: NewVisitor) -> None:
    member = await visitor()
    workspace = member.dashboard.world.workspaces["guard"]
    await member.sign_in("member@guard.example", f"/workspace/{workspace}/api-keys")
    await expect(member.page.get_by_role("main")).to_contain_text(ADMIN_ONLY)
    await expect(member.page.get_by_role("link", name="API Keys")).to_have_count(0)
