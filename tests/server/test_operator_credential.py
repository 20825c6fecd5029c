"""Services with scopes: workspaces, spaces and tokens of one product over HTTP, and nothing of any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from spacekey.domain.ids import KEY, SPACE, WORKSPACE, new_id
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.scope import MANAGEMENT_SCOPES, OPERATOR_SCOPES, SERVICE_SCOPES
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.services import create_service, revoke_service, rotate_service
from spacekey.server.settings import Settings
from support.server import Served, bearer, served
from support.world import OPERATOR, make_world

API = "/api/v1"
CREATING = ("operator:workspaces:create", "workspace:read")
MANAGING = (*CREATING, "workspace:write", "operator:workspaces:update", "operator:workspaces:delete")
SPACES = ("spaces:read", "spaces:write")
TENANT = {"external_id": "tenant-42", "name": "Acme"}


@pytest_asyncio.fixture
async def server(database_url: str) -> AsyncIterator[Served]:
    settings = Settings(database_url=database_url, api_per_minute=100_000, api_burst=100_000)
    async with served(database_url, settings=settings) as running:
        yield running


async def service(server: Served, *scopes: str, product: str = "spooled", name: str = "host") -> dict[str, str]:
    """The headers of a new service."""
    return bearer((await server.service(name, product, *scopes))[1])


async def post(server: Served, path: str, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    return await server.client.post(f"{API}{path}", json=body, headers=headers)


async def graphql(server: Served, document: str, headers: dict[str, str], **variables: Any) -> dict[str, Any]:
    body = {"query": document, "variables": variables}
    answer: dict[str, Any] = (await server.client.post("/graphql", json=body, headers=headers)).json()
    return answer


# What it does


async def test_a_host_opens_finds_changes_suspends_and_deletes_its_tenants_over_rest(server: Served) -> None:
    host, client = await service(server, *MANAGING), server.client
    made = await post(server, "/workspaces/ensure", {**TENANT, "plan": "enterprise"}, host)
    assert made.status_code == 201, made.text
    workspace = made.json()
    assert (workspace["product"], workspace["plan"], workspace["external_id"]) == ("spooled", "enterprise", "tenant-42")
    again = await post(server, "/workspaces/ensure", {**TENANT, "name": "Other", "plan": "free"}, host)
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, workspace, made.headers["etag"])
    address = f"{API}/workspaces/{workspace['id']}"
    found = (await client.get(f"{API}/workspaces?external_id=tenant-42", headers=host)).json()["workspaces"]
    shown = await client.get(address, headers=host)
    assert (found, shown.json(), shown.headers["etag"]) == ([workspace], workspace, made.headers["etag"])
    assert (await client.get(address, headers={**host, "If-None-Match": shown.headers["etag"]})).status_code == 304

    change = {"plan": "pro", "rate_limit": {"per_minute": 7, "burst": 3}, "suspended": True, "external_id": "tenant-43"}
    changed = await client.patch(address, json=change, headers={**host, "If-Match": shown.headers["etag"]})
    assert changed.status_code == 200, changed.text
    after = changed.json()
    assert after["suspended_at"] is not None
    assert {name: after[name] for name in ("plan", "rate_limit", "external_id")} == {
        name: change[name] for name in ("plan", "rate_limit", "external_id")
    }
    stale = await client.patch(address, json={"name": "N"}, headers={**host, "If-Match": shown.headers["etag"]})
    assert stale.status_code == 412
    resumed = await client.patch(
        address, json={"suspended": False, "rate_limit": None, "external_id": None}, headers=host
    )
    assert [resumed.json()[name] for name in ("suspended_at", "rate_limit", "external_id")] == [None] * 3

    current = (await client.get(address, headers=host)).headers["etag"]
    assert (await client.delete(address, headers={**host, "If-Match": shown.headers["etag"]})).status_code == 412
    assert (await client.delete(address, headers={**host, "If-Match": current})).status_code == 200
    assert (await client.get(address, headers=host)).status_code == 404
    assert (await post(server, "/workspaces/ensure", TENANT, host)).status_code == 201


async def test_the_same_over_graphql(server: Served) -> None:
    host = await service(server, *MANAGING, *SPACES)
    ensure = """mutation($id: String!) { ensureWorkspace(input: {externalId: $id, name: "Acme", product: "spooled"}) {
        ... on EnsureWorkspaceSuccess { created workspace { id externalId product { name } } } } }"""
    first, second = [await graphql(server, ensure, host, id="tenant-42") for _ in range(2)]
    made = first["data"]["ensureWorkspace"]
    assert (made["created"], second["data"]["ensureWorkspace"]["created"]) == (True, False)
    workspace = made["workspace"]["id"]
    found = await graphql(server, '{ workspace(externalId: "tenant-42") { id } workspaces { nodes { id } } }', host)
    assert found["data"] == {"workspace": {"id": workspace}, "workspaces": {"nodes": [{"id": workspace}]}}
    update = """mutation($id: ID!) { updateWorkspace(input: {id: $id, plan: "enterprise", suspended: true,
        rateLimit: {perMinute: 7, burst: 3}}) { ... on UpdateWorkspaceSuccess {
        workspace { plan { name } suspendedAt rateLimit { perMinute burst } } } } }"""
    after = (await graphql(server, update, host, id=workspace))["data"]["updateWorkspace"]["workspace"]
    assert after["suspendedAt"] is not None
    assert (after["plan"], after["rateLimit"]) == ({"name": "enterprise"}, {"perMinute": 7, "burst": 3})
    space = """mutation($id: ID!) { ensureSpace(input: {workspaceId: $id, externalId: "p-1", name: "Checkout"}) {
        ... on EnsureSpaceSuccess { created space { externalId slug } } } }"""
    spaces = [(await graphql(server, space, host, id=workspace))["data"]["ensureSpace"] for _ in range(2)]
    assert [one["created"] for one in spaces] == [True, False]
    assert spaces[0]["space"] == spaces[1]["space"] == {"externalId": "p-1", "slug": "checkout"}
    delete = "mutation($id: ID!) { deleteWorkspace(input: {id: $id}) { __typename } }"
    gone = await graphql(server, delete, host, id=workspace)
    assert gone["data"]["deleteWorkspace"]["__typename"] == "DeleteWorkspaceSuccess"


async def test_spaces_over_rest(server: Served) -> None:
    host, client = await service(server, *CREATING, *SPACES), server.client
    workspace = (await post(server, "/workspaces/ensure", TENANT, host)).json()["id"]
    body = {"workspace_id": workspace, "external_id": "project-7", "name": "Checkout"}
    made, again = [await post(server, "/spaces/ensure", body, host) for _ in range(2)]
    assert (made.status_code, again.status_code, again.json()) == (201, 200, made.json())
    address = f"{API}/spaces/{made.json()['id']}"
    assert (await client.get(address, headers=host)).headers["etag"] == made.headers["etag"]
    renamed = await client.patch(address, json={"name": "Returns"}, headers={**host, "If-Match": made.headers["etag"]})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Returns")
    other = await post(server, "/spaces", {"workspace_id": workspace, "name": "N", "slug": "checkout"}, host)
    assert (other.status_code, other.json()["code"]) == (409, "slug_taken")
    other = await post(server, "/spaces", {"workspace_id": workspace, "name": "N", "slug": "n"}, host)
    assert other.status_code == 201
    stale = await client.delete(address, headers={**host, "If-Match": made.headers["etag"]})
    assert stale.status_code == 412
    assert (await client.delete(address, headers=host)).status_code == 200
    assert (await client.get(address, headers=host)).status_code == 404


async def test_it_manages_tokens_if_it_has_their_scopes_and_grants_any_scope_of_the_product(server: Served) -> None:
    host = await service(server, *CREATING, "tokens:create", "tokens:read")
    workspace = (await post(server, "/workspaces/ensure", TENANT, host)).json()["id"]
    body = {"workspace_id": workspace, "name": "N", "permissions": ["jobs:read"], "external_id": "user-7"}
    made = await post(server, "/api-keys", body, host)
    assert made.status_code == 201, made.text
    assert made.json()["created_by"]["kind"] == "service"
    listed = await server.client.get(f"{API}/api-keys?workspace_id={workspace}&external_id=user-7", headers=host)
    assert [one["id"] for one in listed.json()["api_keys"]] == [made.json()["id"]]
    for permission in ("tokens:revoke", "members:write", "workspace:write", "tokens:introspect"):
        refused = await post(server, "/api-keys", {**body, "permissions": [permission]}, host)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_allowed")
    refused = await server.client.delete(f"{API}/api-keys/{made.json()['id']}", headers=host)
    assert (refused.status_code, refused.json()["missing_scopes"]) == (403, ["tokens:revoke"])
    everywhere = await server.client.get(f"{API}/api-keys", headers=host)
    assert (everywhere.status_code, "workspace" in everywhere.json()["detail"]) == (422, True)


async def test_what_it_does_is_audited_under_its_name(server: Served) -> None:
    service_id, secret = await server.service("host", "spooled", *MANAGING, "audit:read")
    host = bearer(secret)
    workspace = (await post(server, "/workspaces/ensure", TENANT, host)).json()["id"]
    await server.client.patch(f"{API}/workspaces/{workspace}", json={"plan": "pro"}, headers=host)
    answer = await server.client.get(f"{API}/audit-events?workspace_id={workspace}", headers=host)
    events = [(one["action"], one["actor"]["kind"], one["actor"]["id"]) for one in answer.json()["audit_events"]]
    assert events == [(f"workspace.{what}", "service", service_id) for what in ("update", "create")]


async def test_two_hosts_that_open_a_tenant_at_once_get_one_workspace(server: Served) -> None:
    host = await service(server, *CREATING)
    answers = await asyncio.gather(*(post(server, "/workspaces/ensure", TENANT, host) for _ in range(6)))
    assert {one.json()["id"] for one in answers} == {answers[0].json()["id"]}
    assert sorted(one.status_code for one in answers) == [200] * 5 + [201]


async def test_a_taken_external_id_and_a_taken_slug_are_told_apart(server: Served) -> None:
    host = await service(server, *CREATING)
    body = {**TENANT, "slug": "acme"}
    assert (await post(server, "/workspaces", body, host)).status_code == 201
    asked = ({**body, "slug": "other"}, {**body, "external_id": "tenant-1"}, {**body, "slug": "a b"})
    codes = [(await post(server, "/workspaces", given, host)).json()["code"] for given in asked]
    assert codes == ["external_id_taken", "slug_taken", "invalid_input"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"external_id": "x"}, "/name"),
    ({"name": "N"}, "/external_id"),
    ({**TENANT, "external_id": ""}, "/external_id"),
    ({**TENANT, "external_id": "x" * 201}, "/external_id"),
    ({**TENANT, "external_id": "x\x00"}, "/external_id"),
    ({**TENANT, "external_id": 7}, "/external_id"),
    ({**TENANT, "plan": "gold"}, "/plan"),
    ({**TENANT, "product": "nothing"}, "/product"),
    ({**TENANT, "product": "emit"}, "/product"),
    ({**TENANT, "slug": "UPPER"}, "/slug"),
    ({**TENANT, "owner": "a@example.com"}, "/owner"),
]


async def test_bad_input_makes_nothing(server: Served) -> None:
    host = await service(server, *MANAGING)
    for body, pointer in BAD:
        answer = await post(server, "/workspaces/ensure", body, host)
        assert answer.status_code == 422, (body, answer.text)
        assert pointer in {one["pointer"] for one in answer.json()["errors"]}, (body, answer.text)
    async with server.world.system.store.reading() as session:
        counted = await (await session.connection()).execute(text("SELECT count(*) FROM spacekey_workspaces"))
        assert counted.scalar_one() == 0
    workspace = (await post(server, "/workspaces/ensure", TENANT, host)).json()
    for change, pointer in (
        ({"plan": None}, "/plan"),
        ({"name": None}, "/name"),
        ({"suspended": None}, "/suspended"),
        ({"suspended": "yes"}, "/suspended"),
        ({"rate_limit": {"per_minute": 1}}, "/rate_limit/burst"),
        ({"rate_limit": {"per_minute": 0, "burst": 1}}, "/rate_limit/per_minute"),
        ({"rate_limit": {"per_minute": 1, "burst": 2**31}}, "/rate_limit/burst"),
        ({"product": "emit"}, "/product"),
    ):
        answer = await server.client.patch(f"{API}/workspaces/{workspace['id']}", json=change, headers=host)
        assert answer.status_code == 422, (change, answer.text)
        assert pointer in {one["pointer"] for one in answer.json()["errors"]}, (change, answer.text)
    shown = await server.client.get(f"{API}/workspaces/{workspace['id']}", headers=host)
    assert shown.json() == workspace


# Its credential


@pytest.mark.parametrize("scope", ["members:read", "members:write", "jobs:read", "owner", "operator:all", "*", ""])
async def test_no_service_has_scopes_of_members_of_products_or_unknown_ones(store: Store, scope: str) -> None:
    with pytest.raises(InvalidInput, match="scopes"):
        await create_service(make_world(store).system, OPERATOR, "one", "emit", [scope])


async def test_a_service_is_given_a_scope_at_least(store: Store) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        await create_service(make_world(store).system, OPERATOR, "one", "emit", [])


async def test_no_product_and_no_token_has_an_operators_scope(server: Served) -> None:
    workspace = await server.world.workspace("spooled", plan="enterprise")
    owner = await server.cookie((await server.world.member(workspace, "owner")).name)
    for scope in OPERATOR_SCOPES:
        body = {"workspace_id": workspace.id, "name": "N", "permissions": [scope]}
        assert (await post(server, "/api-keys", body, owner)).status_code == 422
        role = "mutation($i: SetRoleInput!) { setRole(input: $i) { __typename } }"
        asked = {"workspaceId": workspace.id, "name": "r", "grants": [scope]}
        answer = await graphql(server, role, owner, i=asked)
        assert answer["data"]["setRole"]["__typename"] == "InvalidInput"


REQUESTS: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("POST", "/workspaces/ensure", TENANT, 403),
    ("PATCH", "/workspaces/{workspace}", {"suspended": True}, 403),
    ("PATCH", "/workspaces/{workspace}", {"rate_limit": None}, 403),
    ("PATCH", "/workspaces/{workspace}", {"external_id": "mine"}, 422),
    ("DELETE", "/workspaces/{workspace}", None, 403),
]


async def test_callers_of_another_kind_are_told_which_credential_it_takes(server: Served) -> None:
    workspace = await server.world.workspace("spooled")
    _, token = await server.token(workspace.id, *MANAGEMENT_SCOPES)
    member = await server.cookie((await server.world.member(workspace, "owner")).name)
    create = 'mutation { createWorkspace(input: {name: "N", slug: "n", product: "spooled"}) { __typename } }'
    error = (await graphql(server, create, bearer(token)))["errors"][0]
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "operator:workspaces:create" in error["message"]
    answer = await post(server, "/workspaces", {"name": "N", "slug": "n", "product": "spooled"}, bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    for method, path, body, status in REQUESTS:
        for headers in (bearer(token), member):
            if method == "DELETE" and headers is member:
                continue  # an owner may
            address = f"{API}{path.replace('{workspace}', workspace.id)}"
            answer = await server.client.request(method, address, json=body, headers=headers)
            assert answer.status_code == status, (method, path, body, answer.text)
            if status == 403:
                assert "service" in answer.json()["detail"], answer.text
    named = {"name": "N", "slug": "named", "product": "spooled", "plan": "enterprise"}
    answer = await post(server, "/workspaces", named, member)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/plan")


async def test_a_service_without_the_scope_is_told_the_scope(server: Served) -> None:
    weak = await service(server, *sorted(set(SERVICE_SCOPES) - set(OPERATOR_SCOPES)))
    workspace = await server.world.workspace("spooled")
    for method, path, body, scope in (
        ("POST", "/workspaces/ensure", TENANT, "operator:workspaces:create"),
        ("POST", "/workspaces", {**TENANT, "slug": "n"}, "operator:workspaces:create"),
        ("PATCH", "/workspaces/{id}", {"suspended": True}, "operator:workspaces:update"),
        ("PATCH", "/workspaces/{id}", {"external_id": "x"}, "operator:workspaces:update"),
        ("DELETE", "/workspaces/{id}", None, "operator:workspaces:delete"),
    ):
        address = f"{API}{path.replace('{id}', workspace.id)}"
        answer = await server.client.request(method, address, json=body, headers=weak)
        assert (answer.status_code, answer.json()["missing_scopes"]) == (403, [scope])
        assert "service" in answer.json()["detail"]
    answer = await server.client.patch(f"{API}/workspaces/{workspace.id}", json={"plan": "enterprise"}, headers=weak)
    assert answer.status_code == 422  # not self-service


@pytest.mark.parametrize("how", ["revoked", "rotated"])
async def test_a_body_that_arrives_after_its_secret_ended_changes_nothing(server: Served, how: str) -> None:
    host, system = await service(server, *MANAGING, *SPACES, "tokens:create"), server.world.system
    workspace = (await post(server, "/workspaces/ensure", TENANT, host)).json()
    bodies = [
        ("POST", "/workspaces/ensure", {**TENANT, "external_id": "tenant-1"}),
        ("POST", "/workspaces/ensure", TENANT),
        ("POST", "/workspaces", {"name": "N", "slug": "late"}),
        ("PATCH", f"/workspaces/{workspace['id']}", {"name": "late"}),
        ("POST", "/spaces", {"workspace_id": workspace["id"], "name": "N", "slug": "late"}),
        ("POST", "/spaces/ensure", {"workspace_id": workspace["id"], "external_id": "late", "name": "N"}),
        ("POST", "/api-keys", {"workspace_id": workspace["id"], "name": "N", "permissions": ["jobs:read"]}),
    ]
    for number, (method, path, body) in enumerate(bodies):
        name = f"late-{number}"
        late = await service(server, *MANAGING, *SPACES, "tokens:create", name=name)
        sent = json.dumps(body)

        async def drawn_out(sent: str = sent, name: str = name) -> AsyncIterator[bytes]:
            yield sent[:5].encode()
            if how == "revoked":
                await revoke_service(system, OPERATOR, name)
            else:
                await rotate_service(system, OPERATOR, name, grace_seconds=0)
            yield sent[5:].encode()

        headers = {**late, "Content-Type": "application/json"}
        answer = await server.client.request(method, f"{API}{path}", content=drawn_out(), headers=headers)
        assert answer.status_code in (401, 403), (path, answer.text)
    async with server.world.system.store.reading() as session:
        connection = await session.connection()
        for table, count in (("workspaces", 1), ("spaces", 0), ("tokens", 0)):
            counted = await connection.execute(text(f"SELECT count(*) FROM spacekey_{table}"))
            assert counted.scalar_one() == count, table
    shown = await server.client.get(f"{API}/workspaces/{workspace['id']}", headers=host)
    assert shown.json() == workspace


async def test_a_service_that_revokes_its_own_secret_has_revoked_it(server: Served) -> None:
    first = await service(server, *MANAGING)
    second = bearer((await rotate_service(server.world.system, OPERATOR, "host")).secret)
    secret = first["Authorization"].removeprefix("Bearer ")
    for _ in range(2):
        answer = await server.client.post(f"{API}/revoke", data={"token": secret}, headers=first)
        assert answer.status_code == 200
    assert (await server.client.get(f"{API}/self", headers=first)).status_code == 401
    assert (await server.client.get(f"{API}/self", headers=second)).status_code == 200
    other = await service(server, *MANAGING, name="other")
    await server.client.post(f"{API}/revoke", data={"token": secret}, headers=other)
    await server.client.post(
        f"{API}/revoke", data={"token": second["Authorization"].removeprefix("Bearer ")}, headers=other
    )
    assert (await server.client.get(f"{API}/self", headers=second)).status_code == 200


# Isolation: every door, own and foreign

DOORS: dict[tuple[str, str], tuple[tuple[str, ...], dict[str, Any] | None]] = {
    ("GET", "/workspaces/{workspace}"): (("workspace:read",), None),
    ("PATCH", "/workspaces/{workspace}"): (("workspace:write",), {"name": "N"}),
    ("DELETE", "/workspaces/{workspace}"): (("workspace:write", "operator:workspaces:delete"), None),
    ("POST", "/spaces"): (("spaces:write",), {"workspace_id": "{workspace}", "name": "N", "slug": "n"}),
    ("POST", "/spaces/ensure"): (SPACES, {"workspace_id": "{workspace}", "external_id": "e", "name": "N"}),
    ("GET", "/spaces?workspace_id={workspace}"): (("spaces:read",), None),
    ("GET", "/spaces?workspace_id={workspace}&external_id=e"): (("spaces:read",), None),
    ("GET", "/spaces/{space}"): (("spaces:read",), None),
    ("PATCH", "/spaces/{space}"): (("spaces:write",), {"name": "N"}),
    ("DELETE", "/spaces/{space}"): (("spaces:write",), None),
    ("POST", "/api-keys"): (
        ("tokens:create",),
        {"workspace_id": "{workspace}", "name": "N", "permissions": ["jobs:read"]},
    ),
    ("GET", "/api-keys?workspace_id={workspace}"): (("tokens:read",), None),
    ("GET", "/api-keys/{key}"): (("tokens:read",), None),
    ("PATCH", "/api-keys/{key}"): (("tokens:update",), {"name": "N"}),
    ("POST", "/api-keys/{key}/disable"): (("tokens:disable",), None),
    ("POST", "/api-keys/{key}/enable"): (("tokens:disable",), None),
    ("POST", "/api-keys/{key}/rotate"): (("tokens:create", "tokens:revoke"), {}),
    ("POST", "/api-keys/{key}/revoke"): (("tokens:revoke",), {}),
    ("GET", "/usage?workspace_id={workspace}"): (("usage:read",), None),
    ("GET", "/usage/api-keys?workspace_id={workspace}"): (("usage:read", "tokens:read"), None),
    ("GET", "/quota?workspace_id={workspace}"): (("tokens:read",), None),
    ("GET", "/audit-events?workspace_id={workspace}"): (("audit:read",), None),
    ("POST", "/portal-sessions/end"): (
        ("operator:portal_sessions",),
        {"workspace_id": "{workspace}", "person_id": "user-7"},
    ),
}
"""Each REST call about something in a workspace, with the scopes that it takes."""


async def _things(server: Served, workspace: Workspace) -> dict[str, str]:
    space = await server.world.space(workspace, "main")
    key, _ = await server.token(workspace.id, "jobs:read", space_id=space.id)
    return {"workspace": workspace.id, "space": space.id, "key": key}


async def _knock(
    server: Served, door: tuple[str, str], body: dict[str, Any] | None, things: dict[str, str], who: dict[str, str]
) -> httpx.Response:
    method, path = door
    for name, one in things.items():
        path = path.replace(f"{{{name}}}", one)
    sent = (
        None
        if body is None
        else {name: things["workspace"] if one == "{workspace}" else one for name, one in body.items()}
    )
    return await server.client.request(method, f"{API}{path}", json=sent, headers=who)


async def test_every_door_opens_with_its_scopes_in_its_product_alone(server: Served) -> None:
    """With them, without them, in another product's workspace, and where there is nothing."""
    world = server.world
    nothing = {
        name: new_id(kind, world.clock(), world.system.entropy)
        for name, kind in (("workspace", WORKSPACE), ("space", SPACE), ("key", KEY))
    }
    foreign = await _things(server, await world.workspace("emit"))
    without = await service(server, *sorted(set(SERVICE_SCOPES)), product="emit", name="of-emit")
    for number, (door, (scopes, body)) in enumerate(DOORS.items()):
        own = await _things(server, await world.workspace("spooled", plan="enterprise"))
        able = await service(server, *scopes, name=f"able-{number}")
        weak = await service(server, *sorted(set(SERVICE_SCOPES) - set(scopes)), name=f"weak-{number}")
        refused = await _knock(server, door, body, own, weak)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope"), (door, refused.text)
        answers = [await _knock(server, door, body, one, able) for one in (foreign, nothing)]
        assert [one.status_code for one in answers] == [404, 404], (door, answers[0].text)
        assert answers[0].json() == answers[1].json(), door
        assert (await _knock(server, door, body, own, without)).status_code == 404, door
        allowed = await _knock(server, door, body, own, able)
        assert allowed.is_success, (door, allowed.text)


async def test_lists_and_searches_hold_the_workspaces_of_its_product(server: Served) -> None:
    own = await server.world.workspace("spooled")
    await server.world.workspace("emit")
    host = await service(server, *MANAGING)
    for product in ("emit", "spooled"):
        other = await service(server, *MANAGING, product=product, name=f"of-{product}")
        assert (await post(server, "/workspaces/ensure", TENANT, other)).status_code == 201
    listed = (await server.client.get(f"{API}/workspaces", headers=host)).json()["workspaces"]
    assert {one["product"] for one in listed} == {"spooled"}
    assert own.id in {one["id"] for one in listed}
    found = (await server.client.get(f"{API}/workspaces?external_id=tenant-42", headers=host)).json()["workspaces"]
    assert [one["product"] for one in found] == ["spooled"]
    pages, cursor = [], ""
    while True:
        page = (await server.client.get(f"{API}/workspaces?limit=1{cursor}", headers=host)).json()
        pages += [one["id"] for one in page["workspaces"]]
        if not page["has_more"]:
            break
        cursor = f"&after={page['next_cursor']}"
    assert pages == [one["id"] for one in listed]
    answer = await graphql(server, "{ workspaces { nodes { id } } }", host)
    assert [one["id"] for one in answer["data"]["workspaces"]["nodes"]] == pages
