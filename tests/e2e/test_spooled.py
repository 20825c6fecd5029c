"""spooled, as its users live with it: the documented REST requests to the letter, live and test keys, plans."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from support.apps.jobs_requests import ALL_SPOOLED_PERMISSIONS, allowed_of, bearer, expected
from support.people import Person
from support.processes import Installation, Running

pytestmark = pytest.mark.sampled(2)

SECONDS_MAX = 120.0
API = "/api/v1/api-keys"
MANAGEMENT = [
    "tokens:read",
    "tokens:create",
    "tokens:update",
    "tokens:disable",
    "tokens:revoke",
    "tokens:delete",
    "tokens:introspect",
]


@pytest.fixture(scope="module")
def workspace_id(running: Running) -> str:
    return str(running.workspace("spooled")["id"])


@pytest.fixture(scope="module")
def manager_made(owner: Person, workspace_id: str) -> dict[str, Any]:
    """A key that may create keys, as it was made; the apps ask the server with it."""
    grants = [*MANAGEMENT, *ALL_SPOOLED_PERMISSIONS]
    return owner.create_token(name="Key manager", grants=grants, workspaceId=workspace_id)


@pytest.fixture(scope="module")
def manager(manager_made: dict[str, Any]) -> str:
    """Its secret."""
    return str(manager_made["secret"])


@pytest.fixture(scope="module")
def reported(manager_made: dict[str, Any]) -> dict[str, Any]:
    """What the audit log says of a refusal that the apps met: who reported it, and what is only their word."""
    by = {"kind": "token", "id": manager_made["token"]["id"], "name": "Key manager"}
    return {"reported_by": by, "as_reported": ["ip", "user_agent"]}


@pytest.fixture(scope="module")
def api(running: Running, manager: str) -> Iterator[httpx.Client]:
    """The server's REST API, with that key."""
    with httpx.Client(base_url=running.url, headers=bearer(manager), trust_env=False, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def app(running: Running, manager: str) -> Iterator[httpx.Client]:
    """The example app for production and test keys alike."""
    yield from _app(running, manager, None)


@pytest.fixture(scope="module")
def live_app(running: Running, manager: str) -> Iterator[httpx.Client]:
    """The example app in production: it takes live keys only."""
    yield from _app(running, manager, "live")


def _app(running: Running, token: str, environment: str | None) -> Iterator[httpx.Client]:
    with (
        running.installation.jobs_app(remote=running.url, token=token, environment=environment) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        yield client


def _create(api: httpx.Client, name: str, *permissions: str, **more: Any) -> dict[str, Any]:
    answer = api.post(API, json={"name": name, "permissions": permissions, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_the_documented_request_gets_the_documented_answer_to_the_letter(running: Running, manager: str) -> None:
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=120)
    body = '{"name": "Production Server", "permissions": ["jobs:read", "jobs:write", "queues:read"]}'
    headers = {"Authorization": f"Bearer {manager}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/api-keys", body, headers)
    answer = connection.getresponse()
    shown = json.loads(answer.read())
    connection.close()
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(shown)[:5] == ["id", "name", "key", "permissions", "created_at"]
    assert shown["id"].startswith("key_")
    assert shown["name"] == "Production Server"
    assert shown["key"].startswith("sp_live_")
    assert shown["permissions"] == ["jobs:read", "jobs:write", "queues:read"]
    assert shown["created_at"].endswith("Z")
    assert datetime.fromisoformat(shown["created_at"]).tzinfo is not None


@pytest.mark.parametrize("permission", sorted(ALL_SPOOLED_PERMISSIONS))
def test_a_permission_alone_opens_what_it_says_and_nothing_else(
    api: httpx.Client, app: httpx.Client, permission: str
) -> None:
    made = _create(api, permission, permission)
    assert allowed_of(app, made["key"]) == expected({permission}, "spooled")


def test_a_key_that_may_not_create_keys_is_told_which_scope_it_lacks(running: Running, api: httpx.Client) -> None:
    plain = _create(api, "Plain", "jobs:read")["key"]
    body = {"name": "More", "permissions": ["jobs:read"]}
    answer = httpx.post(running.url + API, json=body, headers=bearer(plain), trust_env=False, timeout=120)
    assert answer.status_code == 403
    assert 'scope="tokens:create"' in answer.headers["www-authenticate"]


def test_nobody_hands_out_more_than_they_hold(running: Running, api: httpx.Client) -> None:
    limited = _create(api, "Limited", "tokens:create", "jobs:read")["key"]
    body = {"name": "More", "permissions": ["jobs:read", "dlq:write"]}
    answer = httpx.post(running.url + API, json=body, headers=bearer(limited), trust_env=False, timeout=120)
    assert answer.status_code == 403
    assert (answer.json()["code"], answer.json()["missing_scopes"]) == ("scope_not_allowed", ["dlq:write"])


def test_the_list_shows_each_key_with_its_status_and_never_the_key(api: httpx.Client) -> None:
    kept, ended = _create(api, "Kept", "jobs:read"), _create(api, "Ended", "jobs:read")
    assert api.delete(f"{API}/{ended['id']}").json()["status"] == "revoked"
    answer = api.get(API, params={"limit": 100})
    rows = {row["id"]: row for row in answer.json()["api_keys"]}
    assert rows[kept["id"]]["status"] == "active"
    assert rows[ended["id"]]["status"] == "revoked"
    assert rows[kept["id"]]["prefix"] == kept["key"][:12] + "…"
    assert rows[kept["id"]]["environment"] == "live"
    assert rows[kept["id"]]["last_used_at"] is None
    assert rows[kept["id"]]["permissions"] == ["jobs:read"]
    assert kept["key"][12:] not in answer.text
    only_revoked = api.get(API, params={"limit": 100, "status": "revoked"}).json()["api_keys"]
    assert {row["status"] for row in only_revoked} == {"revoked"}


def test_live_and_test_keys_say_what_they_are_and_test_keys_stay_out_of_production(
    owner: Person, workspace_id: str, app: httpx.Client, live_app: httpx.Client, reported: dict[str, Any]
) -> None:
    made = {
        environment: owner.create_token(
            name=f"{environment} key", grants=["jobs:read"], environment=environment, workspaceId=workspace_id
        )
        for environment in ("live", "test")
    }
    keys = {environment: one["secret"] for environment, one in made.items()}
    assert keys["live"].startswith("sp_live_")
    assert keys["test"].startswith("sp_test_")
    for secret in keys.values():
        assert app.get("/jobs", headers=bearer(secret)).status_code == 200
    assert live_app.get("/jobs", headers=bearer(keys["live"])).status_code == 200
    refused = live_app.get("/jobs", headers=bearer(keys["test"]))
    unknown = live_app.get("/jobs", headers=bearer("sp_live_unknown"))
    assert refused.status_code == 401
    assert refused.content == unknown.content
    assert refused.headers["www-authenticate"] == unknown.headers["www-authenticate"]
    # The caller learns nothing, the owner everything.
    assert _refusals(owner, workspace_id, made["test"]["token"]["id"]) == [
        {"outcome": "ALERT", "after": {"reason": "environment", "environment": "test", **reported}}
    ]


def test_rotation_gives_the_same_permissions_and_the_old_key_until_it_is_revoked(
    api: httpx.Client, app: httpx.Client
) -> None:
    old = _create(api, "Rotated", "jobs:read", "queues:read")
    answer = api.post(f"{API}/{old['id']}/rotate")
    assert answer.status_code == 201
    new = answer.json()
    assert new["permissions"] == old["permissions"]
    for key in (old["key"], new["key"]):
        assert app.get("/queues", headers=bearer(key)).status_code == 200
    assert api.delete(f"{API}/{old['id']}").status_code == 200
    assert app.get("/queues", headers=bearer(old["key"])).status_code == 401
    assert app.get("/queues", headers=bearer(new["key"])).status_code == 200


def test_a_revoked_key_is_refused_at_once_and_cannot_be_brought_back(api: httpx.Client, app: httpx.Client) -> None:
    made = _create(api, "Revoked", "jobs:read")
    assert app.get("/jobs", headers=bearer(made["key"])).status_code == 200
    assert api.delete(f"{API}/{made['id']}").json()["status"] == "revoked"
    assert app.get("/jobs", headers=bearer(made["key"])).status_code == 401
    assert api.patch(f"{API}/{made['id']}", json={"disabled": False}).status_code == 409
    assert app.get("/jobs", headers=bearer(made["key"])).status_code == 401


def test_the_owner_sees_in_the_audit_log_that_a_dead_key_is_still_in_use(
    owner: Person, api: httpx.Client, app: httpx.Client, workspace_id: str, reported: dict[str, Any]
) -> None:
    made = _create(api, "Forgotten in a cron job", "jobs:read")
    api.delete(f"{API}/{made['id']}")
    assert app.get("/jobs", headers=bearer(made["key"])).status_code == 401
    assert _refusals(owner, workspace_id, made["id"]) == [
        {"outcome": "DENIED", "after": {"reason": "revoked", "environment": "live", **reported}}
    ]


def test_limits_follow_the_plan_of_keys_that_exist(
    running: Running, installation: Installation, owner: Person, workspace_id: str
) -> None:
    made = owner.create_token(name="Limited", grants=["tokens:introspect"], workspaceId=workspace_id)["secret"]

    def limit() -> dict[str, int] | None:
        form = {"token": made}
        url = f"{running.url}/api/v1/introspect"
        answer = httpx.post(url, data=form, headers=bearer(made), trust_env=False, timeout=120).json()
        found: dict[str, int] | None = answer.get("rate_limit")
        return found

    slug = running.workspace("spooled")["slug"]
    try:
        assert limit() == {"per_minute": 100, "burst": 20}
        installation.command("workspace", "edit", slug, "--plan", "pro")
        assert limit() == {"per_minute": 1000, "burst": 100}
        installation.command("workspace", "edit", slug, "--plan", "enterprise", "--yes")
        assert limit() is None
        installation.command("workspace", "edit", slug, "--per-minute", "7000", "--burst", "300", "--yes")
        assert limit() == {"per_minute": 7000, "burst": 300}
    finally:
        installation.command("workspace", "edit", slug, "--plan-limit", "--yes")
        installation.command("workspace", "edit", slug, "--plan", "free", "--yes")


@pytest.mark.long
def test_the_free_plan_has_room_for_so_many_keys_and_an_upgrade_makes_more(
    running: Running, installation: Installation, owner: Person
) -> None:
    made = installation.command("workspace", "create", "small", "--product", "spooled", "--owner", "owner@example.com")
    for number in range(20):
        assert "secret" in owner.create_token(name=f"Key {number}", grants=["jobs:read"], workspaceId=made["id"])
    refused = owner.create_token(name="One more", grants=["jobs:read"], workspaceId=made["id"])
    assert (refused["__typename"], refused["plan"]) == ("PlanLimit", "free")
    installation.command("workspace", "edit", "small", "--plan", "pro")
    assert "secret" in owner.create_token(name="One more", grants=["jobs:read"], workspaceId=made["id"])


def _refusals(owner: Person, workspace_id: str, token_id: str) -> list[dict[str, Any]]:
    """What the owner's audit log says about the token's refusals: they are written off the request path."""
    document = """query A($id: ID!, $target: ID!) { workspace(id: $id) {
        auditLog(filter: {targetId: $target, action: TOKEN_REFUSED}) { nodes { outcome after } }
    } }"""
    deadline = time.monotonic() + SECONDS_MAX
    # Refusals are written off the request path.
    while not (nodes := owner.ask(document, id=workspace_id, target=token_id)["workspace"]["auditLog"]["nodes"]):
        assert time.monotonic() < deadline, "it was never written"
        time.sleep(0.1)
    return list(nodes)
