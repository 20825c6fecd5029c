"""guard, as its users live with it: admins only, the paid plan only, full access, statuses, revoking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from spacekey.domain.product import Product
from spacekey.domain.product_file import load_product
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.apps.every_scope import every_scope_app, opened_by
from support.apps.jobs_requests import bearer
from support.people import Person, accept_invitation
from support.processes import OWNER_EMAIL, Installation, Running
from support.running_app import running as running_app

pytestmark = pytest.mark.sampled(2)

PRODUCT = {"sessions:read", "sessions:write", "resources:read", "audit_logs:read"}
EXPIRES_IN = timedelta(seconds=3)
EXPIRED_SECONDS_MAX = 120.0


@pytest.fixture(scope="module")
def workspace_id(running: Running) -> str:
    return str(running.workspace("guard")["id"])


@pytest.fixture(scope="module")
def product() -> Product:
    return load_product(next(path for path in packaged_products() if path.name == "guard.toml"))


@pytest.fixture(scope="module")
def app(running: Running, product: Product) -> Iterator[httpx.Client]:
    """An app with a route for each scope, on the same database as the server."""
    verifier = DatabaseVerifier(running.installation.database_url, packaged_products())
    with (
        running_app(every_scope_app(product, verifier)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def member(running: Running, owner: Person, workspace_id: str) -> Iterator[Person]:
    """Somebody who uses the product and is no admin."""
    added = owner.change(
        "addMember",
        "AddMemberInput",
        "AddMemberSuccess { invitationCode }",
        workspaceId=workspace_id,
        email="member@example.com",
        role="member",
    )
    with accept_invitation(running.url, added["invitationCode"], "seven little boats on a lake") as person:
        yield person


def test_the_free_plan_has_no_keys_and_the_paid_plan_has(
    installation: Installation, owner: Person, app: httpx.Client, product: Product
) -> None:
    home = installation.command("workspace", "create", "unpaid", "--product", "guard", "--owner", OWNER_EMAIL)
    wanted = {"name": "Service", "grants": ["full_access"], "workspaceId": home["id"]}
    refused = owner.create_token(**wanted)
    assert (refused["__typename"], refused["plan"]) == ("PlanLimit", "free")
    chosen = {"id": home["id"], "plan": "paid"}
    by_owner = owner.change(
        "updateWorkspace", "UpdateWorkspaceInput", "UpdateWorkspaceSuccess { effectiveAt }", **chosen
    )
    assert by_owner["__typename"] != "UpdateWorkspaceSuccess"

    installation.command("workspace", "edit", "unpaid", "--plan", "paid")
    made = owner.create_token(**wanted)
    assert opened_by(app, product, made["secret"]) == PRODUCT

    installation.command("workspace", "edit", "unpaid", "--plan", "free", "--yes")
    assert opened_by(app, product, made["secret"]) == set()
    installation.command("workspace", "edit", "unpaid", "--plan", "paid")
    assert opened_by(app, product, made["secret"]) == PRODUCT


def test_a_member_who_is_no_admin_neither_sees_nor_makes_keys(member: Person, workspace_id: str) -> None:
    look = "query L($id: ID!) { workspace(id: $id) { tokens(first: 1) { nodes { id } } } }"
    make = """mutation C($input: CreateTokenInput!) { createToken(input: $input) { __typename } }"""
    values = {"ownerId": workspace_id, "name": "Mine", "grants": ["sessions:read"]}
    for answer in (member.post(look, id=workspace_id), member.post(make, input=values)):
        assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"INSUFFICIENT_SCOPE"}


@pytest.mark.parametrize("scope", sorted(PRODUCT))
def test_a_scope_alone_opens_itself(
    owner: Person, app: httpx.Client, workspace_id: str, product: Product, scope: str
) -> None:
    made = owner.create_token(name=scope, grants=[scope], description="One service", workspaceId=workspace_id)
    assert made["secret"].startswith("eg_live_")
    assert made["token"]["prefix"] == made["secret"][:12] + "…"
    assert opened_by(app, product, made["secret"]) == {scope}


def test_full_access_is_all_of_the_product_and_nothing_of_the_management(
    running: Running, owner: Person, app: httpx.Client, workspace_id: str, product: Product
) -> None:
    made = owner.create_token(name="Everything", grants=["full_access"], workspaceId=workspace_id)
    assert set(made["token"]["scopes"]) == PRODUCT
    assert opened_by(app, product, made["secret"]) == PRODUCT
    keys = httpx.get(f"{running.url}/api/v1/api-keys", headers=bearer(made["secret"]), trust_env=False, timeout=120)
    assert keys.status_code == 403


def test_a_revoked_key_gets_401_at_once_and_stays_in_the_table(
    owner: Person, app: httpx.Client, workspace_id: str
) -> None:
    made = owner.create_token(name="Revoked", grants=["full_access"], workspaceId=workspace_id)
    assert app.get("/sessions:read", headers=bearer(made["secret"])).status_code == 200
    revoked = owner.change_token("revoke", made["token"]["id"], reason="The laptop was lost")
    assert app.get("/sessions:read", headers=bearer(made["secret"])).status_code == 401
    assert revoked["token"]["revokedReason"] == "The laptop was lost"
    status = {token["id"]: token["status"] for token in owner.tokens(workspace_id)}
    assert status[made["token"]["id"]] == "REVOKED"
    for again in ("enable", "update"):
        more = {"name": "Back"} if again == "update" else {}
        assert owner.change_token(again, made["token"]["id"], **more)["__typename"] == "Conflict"


@pytest.mark.long
def test_an_expired_key_is_invalid_by_itself_and_can_still_be_revoked(
    owner: Person, app: httpx.Client, workspace_id: str
) -> None:
    expires_at = (datetime.now(UTC) + EXPIRES_IN).isoformat()
    made = owner.create_token(name="Short", grants=["sessions:read"], expiresAt=expires_at, workspaceId=workspace_id)
    assert made["token"]["status"] == "ACTIVE"
    deadline = time.monotonic() + EXPIRED_SECONDS_MAX
    while app.get("/sessions:read", headers=bearer(made["secret"])).status_code != 401:
        assert time.monotonic() < deadline, "it never expired"
        time.sleep(0.1)
    assert datetime.now(UTC) >= datetime.fromisoformat(expires_at)
    shown = owner.token(made["token"]["id"])
    assert shown is not None
    assert shown["status"] == "EXPIRED"
    assert owner.change_token("revoke", made["token"]["id"])["token"]["status"] == "REVOKED"


def test_inactive_keys_can_be_spotted_from_the_command_line(
    installation: Installation, running: Running, owner: Person, workspace_id: str
) -> None:
    made = owner.create_token(name="Idle", grants=["sessions:read"], workspaceId=workspace_id)
    listed = installation.run("token", "inactive", "-w", running.workspace("guard")["slug"], "--days", "0", "--json")
    assert listed.returncode == 0, listed.stderr
    assert made["token"]["id"] in listed.stdout
