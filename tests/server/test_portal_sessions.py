"""Portal sessions: bearers for the people of a host product, and everything that must not be done with one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.refusal import Conflict, CredentialNotAllowed, InvalidInput, NotFound, ScopeNotAllowed
from spacekey.domain.scope import MANAGEMENT_SCOPES, PORTAL_SCOPES, TOKEN_SCOPES
from spacekey.models.engine.store import Store
from spacekey.models.tables.records import TokenRecord
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import HostCaller, PortalCaller, RequestFacts, ServiceCaller
from spacekey.resolvers.portal_sessions import (
    SESSIONS_MAX,
    NewPortalSession,
    end_portal_sessions,
    open_portal_session,
)
from spacekey.resolvers.services import revoke_service, rotate_service
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list, token_view
from spacekey.resolvers.tokens.revoke_all import revoke_all
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.server.settings import Settings
from support.server import Served, bearer, served
from support.world import FACTS, OPERATOR, make_world

PAGE = "https://app.example.com"
API = "/api/v1"
OPENING = "operator:portal_sessions"
ADA = {"id": "user-7", "name": "Ada Lovelace"}
BOB = {"id": "user-8", "name": "Bob"}


@dataclass
class Host:
    """A host product: its server-side credential, a workspace of its product, and one of another product."""

    server: Served
    workspace: Workspace
    secret: str
    service_id: str

    async def ask_to_open(self, **given: Any) -> httpx.Response:
        """The request with which the host opens a session."""
        body = {"workspace_id": self.workspace.id, "person": ADA, "origins": [PAGE], **given}
        return await self.server.client.post(f"{API}/portal-sessions", json=body, headers=bearer(self.secret))

    async def opened(self, **given: Any) -> dict[str, Any]:
        """A new session, as the host is answered."""
        answer = await self.ask_to_open(**given)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def page(self, **given: Any) -> dict[str, str]:
        """The headers of a page's requests with a new session."""
        return {**bearer((await self.opened(**given))["secret"]), "Origin": PAGE}

    async def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """One request of a page."""
        return await self.server.client.get(f"{API}{path}", headers=headers)

    async def create(self, headers: dict[str, str], **given: Any) -> httpx.Response:
        """The request with which a page creates a key."""
        body = {"name": "from the page", "permissions": ["jobs:read"], **given}
        return await self.server.client.post(f"{API}/api-keys", json=body, headers=headers)

    async def graphql(self, document: str, headers: dict[str, str], **variables: Any) -> dict[str, Any]:
        """A GraphQL operation of a page."""
        body = {"query": document, "variables": variables}
        answer: dict[str, Any] = (await self.server.client.post("/graphql", json=body, headers=headers)).json()
        return answer

    async def owner_of(self, key: httpx.Response) -> str | None:
        """The external id of a key that was created."""
        assert key.is_success, key.text
        found: str | None = (await token_view(self.server.world.system, OPERATOR, key.json()["id"])).token.external_id
        return found

    async def key_of(self, external_id: str | None) -> str:
        """A key that belongs to a person of the host's."""
        new = NewToken(self.workspace.id, "a key", ("jobs:read",), external_id=external_id)
        return (await create_token(self.server.world.system, OPERATOR, new)).view.token.id


@pytest_asyncio.fixture
async def host(database_url: str) -> AsyncIterator[Host]:
    settings = Settings(
        database_url=database_url,
        cors_origins=(PAGE, "https://other.example.com"),
        api_per_minute=100_000,
        api_burst=100_000,
        anonymous_cpu_ms_burst=60_000,
    )
    async with served(database_url, settings=settings) as server:
        service_id, secret = await server.service("host", "spooled", OPENING)
        workspace = await server.world.workspace("spooled", plan="enterprise")
        yield Host(server, workspace, secret, service_id)


async def test_a_page_manages_its_persons_keys_over_rest_and_graphql(host: Host) -> None:
    opened = await host.opened()
    assert opened["secret"].startswith("spkportal_live_")
    assert set(opened["scopes"]) == {*TOKEN_SCOPES, *host.server.world.system.products["spooled"].scopes}
    page = {**bearer(opened["secret"]), "Origin": PAGE}
    created = await host.create(page)
    assert created.status_code == 201, created.text
    assert created.headers["access-control-allow-origin"] == PAGE
    key = created.json()
    assert await host.owner_of(created) == ADA["id"]
    assert key["created_by"] == {"kind": "external", "id": "user-7", "name": "Ada Lovelace", "unproven": False}
    listed = (await host.get("/api-keys", page)).json()["api_keys"]
    assert [one["id"] for one in listed] == [key["id"]]
    answer = await host.graphql(
        "query($id: ID!) { me { kind } tokens { nodes { id createdBy { kind actorId name } } } token(id: $id) { id } }",
        page,
        id=key["id"],
    )
    by = {"kind": "EXTERNAL", "actorId": "user-7", "name": "Ada Lovelace"}
    assert answer["data"] == {
        "me": {"kind": "PORTAL"},
        "tokens": {"nodes": [{"id": key["id"], "createdBy": by}]},
        "token": {"id": key["id"]},
    }
    rotated = await host.server.client.post(f"{API}/api-keys/{key['id']}/rotate", json={}, headers=page)
    assert (rotated.status_code, await host.owner_of(rotated)) == (201, ADA["id"])
    revoked = await host.server.client.delete(f"{API}/api-keys/{key['id']}", headers=page)
    assert revoked.json()["status"] == "revoked"
    me = (await host.get("/self", page)).json()
    assert (me["kind"], me["id"], me["workspace_id"]) == ("portal", opened["id"], host.workspace.id)


async def test_everything_is_audited_with_the_person_or_the_service(host: Host) -> None:
    page = await host.page()
    key = (await host.create(page)).json()
    ended = {"workspace_id": host.workspace.id, "person_id": ADA["id"]}
    answer = await host.server.client.post(f"{API}/portal-sessions/end", json=ended, headers=bearer(host.secret))
    assert answer.json() == {"ended": 1}
    auditor = (await host.server.service("auditor", "spooled", "audit:read"))[1]
    events = (await host.get(f"/audit-events?workspace_id={host.workspace.id}", bearer(auditor))).json()["audit_events"]
    seen = [(one["action"], one["actor"]["kind"], one["actor"]["id"]) for one in events[:3]]
    assert seen == [
        ("portal_session.end", "service", host.service_id),
        ("token.create", "external", "user-7"),
        ("portal_session.open", "service", host.service_id),
    ]
    assert events[1]["target_id"] == key["id"]
    assert "spkportal" not in json.dumps(events)


# Whose request


async def test_each_request_needs_an_origin_of_its_list(host: Host) -> None:
    secret = (await host.opened())["secret"]
    refused: list[list[tuple[str, str]]] = [
        [],
        *[
            [("Origin", one)]
            for one in (
                "https://other.example.com",  # allowed by the setting, but not the session's
                "https://evil.example.com",
                "http://app.example.com",
                "https://app.example.com:443",
                "https://app.example.com:8443",
                "https://app.example.com.",
                "https://APP.example.com",
                "HTTPS://app.example.com",
                "https://app.example.com/",
                "https://app.example.com https://evil.example.com",
                "https://app.example.com, https://evil.example.com",
                "https://xn--app-example-com.com",
                "https://аpp.example.com",  # a Cyrillic letter, in whatever bytes
                "null",
                "*",
                "",
            )
        ],
        [("Origin", PAGE), ("Origin", PAGE)],
        [("Origin", PAGE), ("Origin", "https://evil.example.com")],
        [("Origin", "https://evil.example.com"), ("Origin", PAGE)],
        [("Referer", f"{PAGE}/keys")],
        [("X-Forwarded-Origin", PAGE), ("Sec-Fetch-Site", "same-origin")],
    ]
    for headers in refused:
        sent = [(name.encode(), value.encode()) for name, value in [*headers, *bearer(secret).items()]]
        rest = await host.server.client.get(f"{API}/self", headers=sent)
        assert (rest.status_code, rest.json()["code"]) == (401, "invalid_token"), headers
        query = {"query": "{ me { kind } }"}
        graphql = await host.server.client.post("/graphql", json=query, headers=sent)
        assert graphql.status_code == 401, headers
    good = await host.server.client.get(f"{API}/self", headers={**bearer(secret), "Origin": PAGE})
    assert good.status_code == 200


async def test_it_is_a_bearer_alone(host: Host) -> None:
    secret = (await host.opened())["secret"]
    for headers, query in (
        ({"Cookie": f"__Host-spacekey={secret}"}, ""),
        ({"X-Api-Key": secret}, ""),
        ({}, f"?access_token={secret}"),
    ):
        answer = await host.server.client.get(f"{API}/self{query}", headers={"Origin": PAGE, **headers})
        assert answer.status_code in (401, 422), headers


async def test_there_is_no_websocket_to_carry_it(host: Host) -> None:
    secret = (await host.opened())["secret"]
    headers = [(b"host", b"testserver"), (b"origin", PAGE.encode())]
    for path in ("/graphql", f"{API}/graphql", "/"):
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any, sent: list[str] = sent) -> None:
            sent.append(message["type"])

        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "ws",
            "headers": headers,
            "subprotocols": ["spacekey.bearer", secret],
            "client": ("192.0.2.1", 1),
            "server": ("testserver", 80),
            "extensions": {},
        }
        await host.server.app(scope, receive, send)
        assert "websocket.accept" not in sent


# What it may be opened with

BAD: list[tuple[dict[str, Any], str]] = [
    ({"origins": []}, "/origins"),
    ({"origins": ["null"]}, "/origins/0"),
    ({"origins": ["*"]}, "/origins/0"),
    ({"origins": [PAGE, "https://*.example.com"]}, "/origins/1"),
    ({"origins": [f"{PAGE}/keys"]}, "/origins/0"),
    ({"origins": [f"{PAGE}?x=1"]}, "/origins/0"),
    ({"origins": ["app.example.com"]}, "/origins/0"),
    ({"origins": ["ftp://app.example.com"]}, "/origins/0"),
    ({"origins": ["https://evil.example.com"]}, "/origins/0"),
    ({"origins": [f"https://a{n}.example.com" for n in range(11)]}, "/origins"),
    ({"origins": PAGE}, "/origins"),
    ({"expires_in": 0}, "/expires_in"),
    ({"expires_in": 3_601}, "/expires_in"),
    ({"expires_in": -1}, "/expires_in"),
    ({"expires_in": "600"}, "/expires_in"),
    ({"tokens": "all"}, "/tokens"),
    ({"person": {"id": "", "name": "Ada"}}, "/person/id"),
    ({"person": {"id": "a" * 201, "name": "Ada"}}, "/person/id"),
    ({"person": {"id": "user\x007", "name": "Ada"}}, "/person/id"),
    ({"person": {"id": "user-7", "name": ""}}, "/person/name"),
    ({"person": {"id": "user-7"}}, "/person/name"),
    ({"person": "user-7"}, "/person"),
    ({"role": "owner"}, "/role"),
    ({"role": "nobody"}, "/role"),
    ({"role": "member", "scopes": ["jobs:read"]}, "/role"),
    ({"scopes": []}, "/scopes"),
    ({"scopes": ["jobs:raed"]}, "/scopes/0"),
    ({"scopes": ["owner"]}, "/scopes/0"),
    *[({"scopes": ["jobs:read", one]}, "/scopes/1") for one in sorted(set(MANAGEMENT_SCOPES) - PORTAL_SCOPES)],
    *[({"scopes": [one]}, "/scopes/0") for one in (OPENING, "operator:workspaces:create")],
    ({"cookie": True}, "/cookie"),
]


async def test_bad_input_opens_nothing_and_says_what_to_do(host: Host) -> None:
    for given, pointer in BAD:
        answer = await host.ask_to_open(**given)
        assert answer.status_code == 422, (given, answer.text)
        errors = answer.json()["errors"]
        assert pointer in {one["pointer"] for one in errors}, (given, errors)
        assert all(one["detail"] for one in errors)
    assert await _rows(host.server.world.system.store) == 0


async def test_all_that_is_wrong_is_told_at_once(host: Host) -> None:
    answer = await host.ask_to_open(
        person={"id": " ", "name": "\n"}, origins=["null", PAGE, f"{PAGE}/x"], scopes=["members:read", "jobs:raed"]
    )
    pointers = {one["pointer"] for one in answer.json()["errors"]}
    assert pointers == {"/person/id", "/person/name", "/origins/0", "/origins/2", "/scopes/0"}


async def test_a_suspended_workspace_gets_no_session_and_ends_those_it_has(host: Host) -> None:
    page = await host.page()
    await update_workspace(host.server.world.system, OPERATOR, host.workspace.id, WorkspaceChanges(suspended=True))
    answer = await host.ask_to_open()
    assert (answer.status_code, answer.json()["code"]) == (409, "workspace_suspended")
    assert (await host.get("/api-keys", page)).status_code == 401


async def test_without_the_setting_no_session_can_be_opened_and_the_answer_names_it(database_url: str) -> None:
    async with served(database_url) as server:
        _, secret = await server.service("host", "spooled", OPENING)
        workspace = await server.world.workspace("spooled")
        body = {"workspace_id": workspace.id, "person": ADA, "origins": [PAGE]}
        answer = await server.client.post(f"{API}/portal-sessions", json=body, headers=bearer(secret))
        assert answer.status_code == 422
        assert "SPACEKEY_CORS_ORIGINS" in answer.json()["detail"]


async def test_whoever_is_no_service_with_its_scope_is_told_which_credential_it_takes(host: Host) -> None:
    page = await host.page()
    _, token = await host.server.token(host.workspace.id, *MANAGEMENT_SCOPES)
    owner = await host.server.cookie((await host.server.world.member(host.workspace, "owner")).name)
    weak = (
        await host.server.service(
            "weak", "spooled", *sorted(set(MANAGEMENT_SCOPES) - {"members:read", "members:write"})
        )
    )[1]
    body = {"workspace_id": host.workspace.id, "person": ADA, "origins": [PAGE]}
    for headers in (page, bearer(token), owner):
        answer = await host.server.client.post(f"{API}/portal-sessions", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert OPENING in answer.json()["detail"]
        document = "mutation($i: CreatePortalSessionInput!) { createPortalSession(input: $i) { __typename } }"
        asked = {"workspaceId": host.workspace.id, "person": ADA, "origins": [PAGE]}
        error = (await host.graphql(document, headers, i=asked))["errors"][0]
        assert (error["extensions"]["code"], OPENING in error["message"]) == ("FORBIDDEN", True)
    answer = await host.server.client.post(f"{API}/portal-sessions", json=body, headers=bearer(weak))
    assert (answer.status_code, answer.json()["missing_scopes"]) == (403, [OPENING])
    assert "service" in answer.json()["detail"]


async def test_another_products_workspace_looks_unknown(host: Host) -> None:
    foreign = await host.server.world.workspace("emit")
    answers = [
        (await host.ask_to_open(workspace_id=one)).json() for one in (foreign.id, "ws_01kb8bz9q1s3v5w7y9a1c3e5g7", "x")
    ]
    assert [one["code"] for one in answers] == ["not_found"] * 3
    assert answers[0] == answers[1]


# Its ceiling


async def test_a_role_gives_no_more_than_portal_scopes_and_never_more_than_at_opening(host: Host) -> None:
    system, workspace = host.server.world.system, host.workspace.id
    grants = [
        "jobs:read",
        "tokens:read",
        "members:write",
        "members:read",
        "workspace:write",
        "audit:read",
        "spaces:write",
    ]
    await set_role(system, OPERATOR, workspace, name="desk", grants=grants)
    opened = await host.opened(role="desk")
    assert opened["scopes"] == ["jobs:read", "tokens:read"]
    page = {**bearer(opened["secret"]), "Origin": PAGE}

    async def scopes() -> list[str]:
        found: list[str] = (await host.get("/self", page)).json()["scopes"]
        return found

    await set_role(system, OPERATOR, workspace, name="desk", grants=["jobs:read", "jobs:write", *TOKEN_SCOPES])
    assert await scopes() == ["jobs:read", "tokens:read"]
    await set_role(system, OPERATOR, workspace, name="desk", grants=["jobs:write", "tokens:read"])
    assert await scopes() == ["tokens:read"]
    await delete_role(system, OPERATOR, workspace, name="desk")
    assert await scopes() == []
    await set_role(system, OPERATOR, workspace, name="desk", grants=[*TOKEN_SCOPES, "jobs:write"])
    assert await scopes() == ["tokens:read"]


async def test_a_plan_that_is_gone_takes_the_products_scopes_at_once(host: Host) -> None:
    page = await host.page()
    async with host.server.world.system.store.changing() as session:
        await (await session.connection()).execute(text("UPDATE spacekey_workspaces SET plan = 'gone'"))
    assert (await host.get("/self", page)).json()["scopes"] == sorted(TOKEN_SCOPES)


async def test_it_hands_on_what_it_holds_and_nothing_else(host: Host) -> None:
    page = await host.page(scopes=["jobs:read", "tokens:create", "tokens:update", "tokens:read"])
    for permissions in (["jobs:write"], ["tokens:revoke"], ["members:read"], ["owner"], ["workspace:write"]):
        answer = await host.create(page, permissions=permissions)
        assert answer.status_code in (403, 422), permissions
    key = (await host.create(page)).json()
    changed = await host.server.client.patch(
        f"{API}/api-keys/{key['id']}", json={"permissions": ["jobs:read", "jobs:write"]}, headers=page
    )
    assert changed.status_code == 403


async def test_a_host_in_process_is_held_to_its_ceiling(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled", plan="enterprise")
    new = NewPortalSession(workspace.id, "user-7", "Ada", (PAGE,), scopes=("jobs:read", "tokens:read"))
    by = Actor(ActorKind.EXTERNAL, "admin-1", "Grace")
    free = HostCaller(RequestFacts(), by)
    opened = await open_portal_session(world.system, free, new)
    assert opened.session.service_id is None
    held = HostCaller(RequestFacts(), by, ("jobs:read",))
    with pytest.raises(ScopeNotAllowed, match="tokens:read"):
        await open_portal_session(world.system, held, new)
    assert await end_portal_sessions(world.system, free, workspace.id, "user-7") == 1


# Whose keys it sees


async def test_it_sees_no_key_of_anyone_else_by_any_route(host: Host) -> None:
    page = await host.page(scopes=["jobs:read", "jobs:write", *PORTAL_SCOPES])
    own = await host.key_of(ADA["id"])
    for other in (await host.key_of(BOB["id"]), await host.key_of(None)):
        for method, path, body in (
            ("GET", "/api-keys/{id}", None),
            ("PATCH", "/api-keys/{id}", {"name": "mine"}),
            ("PATCH", "/api-keys/{id}", {"disabled": True}),
            ("PATCH", "/api-keys/{id}", {"external_id": ADA["id"]}),
            ("DELETE", "/api-keys/{id}", None),
            ("POST", "/api-keys/{id}/revoke", {}),
            ("POST", "/api-keys/{id}/disable", None),
            ("POST", "/api-keys/{id}/enable", None),
            ("POST", "/api-keys/{id}/rotate", {}),
        ):
            address = f"{API}{path}"
            answers = [
                (await host.server.client.request(method, address.replace("{id}", one), json=body, headers=page))
                for one in (other, "key_01kb8c2v4r6t8x0z2b4d6f8h0k")
            ]
            assert [one.status_code for one in answers] == [404, 404], (method, path)
            assert answers[0].json() == answers[1].json()
        for mutation in ("disableToken", "enableToken", "revokeToken", "deleteToken", "rotateToken"):
            document = f"mutation($id: ID!) {{ {mutation}(input: {{id: $id}}) {{ __typename }} }}"
            assert (await host.graphql(document, page, id=other))["data"][mutation]["__typename"] == "NotFound"
        for mutation in ("disableTokens", "revokeTokens", "deleteTokens"):
            document = f"mutation($ids: [ID!]!) {{ {mutation}(input: {{ids: $ids}}) {{ __typename }} }}"
            answer = await host.graphql(document, page, ids=[own, other])
            assert answer["data"][mutation]["__typename"] == "NotFound"
        found = await host.graphql("query($id: ID!) { token(id: $id) { id } node(id: $id) { id } }", page, id=other)
        assert found["data"] == {"token": None, "node": None}
    listed = (await host.get("/api-keys?count=true", page)).json()
    assert ([one["id"] for one in listed["api_keys"]], listed.get("count")) == ([own], 1)
    assert (await host.get(f"/api-keys?external_id={BOB['id']}", page)).json()["api_keys"] == []
    assert (await host.create(page, external_id=BOB["id"])).status_code == 422
    document = """query($id: ID!) { tokens { nodes { id } } few: tokens(filter: {externalId: "user-8"}) { nodes { id } }
        workspace(id: $id) {
        tokens { nodes { id } } tokensCount { count }
    } }"""
    answer = await host.graphql(document, page, id=host.workspace.id)
    assert answer["data"] == {
        "tokens": {"nodes": [{"id": own}]},
        "few": {"nodes": []},
        "workspace": {"tokens": {"nodes": [{"id": own}]}, "tokensCount": {"count": 1}},
    }
    for path in ("/usage", "/usage/api-keys", "/quota"):
        assert (await host.get(path, page)).status_code == 404, path
    for field in ("usage { day }", "busiestTokens { allowed }", "tokenQuota { used }"):
        answer = await host.graphql(
            f"query($id: ID!) {{ workspace(id: $id) {{ {field} }} }}", page, id=host.workspace.id
        )
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND", field


async def test_it_gives_no_key_to_anyone_else(store: Store) -> None:
    """Where a caller may name an external id, in a new key or in a change, it is the person's own."""
    world = make_world(store)
    workspace = await world.workspace("spooled", plan="enterprise")

    async def person(tokens: str) -> PortalCaller:
        new = NewPortalSession(workspace.id, "user-7", "Ada", (PAGE,), tokens=tokens)
        opened = (await open_portal_session(world.system, OPERATOR, new)).session
        by = Actor(ActorKind.EXTERNAL, opened.person_id, opened.person_name)
        return PortalCaller(opened.id, workspace.id, by, FACTS, opened.digest)

    async def create(caller: PortalCaller, external_id: str | None) -> Token | TokenRecord:
        new = NewToken(workspace.id, "t", ("jobs:read",), external_id=external_id)
        return (await create_token(world.system, caller, new)).view.token

    own, every = await person("own"), await person("workspace")
    for caller in (own, every):
        assert [(await create(caller, one)).external_id for one in (None, "user-7")] == ["user-7"] * 2
    token = await create(own, None)
    with pytest.raises(InvalidInput, match="your own"):
        await create(own, "user-8")
    for given in ("user-8", None):
        with pytest.raises(InvalidInput, match="your own"):
            await update_token(world.system, own, token.id, TokenChanges(external_id=given))
    assert (await create(every, "user-8")).external_id == "user-8"
    changed = await update_token(world.system, every, token.id, TokenChanges(external_id="user-8"))
    assert changed.view.token.external_id == "user-8"
    with pytest.raises(NotFound):
        await update_token(world.system, own, token.id, TokenChanges(external_id="user-7"))
    page = await token_list(
        world.system,
        own,
        workspace.id,
        search=TokenSearch(external_id="user-8"),
        order=TokenOrder.CREATED_AT,
        descending=True,
        request=PageRequest(10),
    )
    assert page.rows == []


async def test_it_makes_no_key_that_sees_what_it_does_not(host: Host) -> None:
    """A key is not confined to its person: one with management scopes would see the whole workspace."""
    page = await host.page()
    own = (await host.create(page)).json()["id"]
    of_admin, _ = await host.server.token(host.workspace.id, "jobs:read")
    managing = NewToken(host.workspace.id, "t", ("jobs:read", "tokens:read"), external_id=ADA["id"])
    given = (await create_token(host.server.world.system, OPERATOR, managing)).view.token.id
    for scope in TOKEN_SCOPES:
        made = await host.create(page, permissions=["jobs:read", scope])
        assert (made.status_code, made.json()["code"], made.json()["missing_scopes"]) == (
            403,
            "scope_not_allowed",
            [scope],
        )
        changed = await host.server.client.patch(
            f"{API}/api-keys/{own}", json={"permissions": ["jobs:read", scope]}, headers=page
        )
        assert changed.status_code == 403
    rotated = await host.server.client.post(f"{API}/api-keys/{given}/rotate", json={}, headers=page)
    assert (rotated.status_code, rotated.json()["code"]) == (403, "scope_not_allowed")
    wide = await host.page(tokens="workspace")
    key = (await host.create(wide, permissions=["jobs:read", "tokens:read"])).json()["key"]
    assert (await host.get(f"/api-keys/{of_admin}", bearer(key))).status_code == 200


async def test_asked_for_it_sees_all_keys_of_the_workspace(host: Host) -> None:
    page = await host.page(tokens="workspace", scopes=["jobs:read", *PORTAL_SCOPES])
    ids = {await host.key_of(ADA["id"]), await host.key_of(BOB["id"]), await host.key_of(None)}
    assert {one["id"] for one in (await host.get("/api-keys", page)).json()["api_keys"]} == ids
    assert await host.owner_of(await host.create(page)) == ADA["id"]
    for path in ("/usage", "/usage/api-keys", "/quota"):
        assert (await host.get(path, page)).status_code == 200, path


async def test_a_person_of_another_workspace_with_the_same_id_is_another_person(host: Host) -> None:
    other = await host.server.world.workspace("spooled", plan="enterprise")
    here, there = await host.page(), await host.page(workspace_id=other.id)
    key = (await host.create(here)).json()["id"]
    assert (await host.get("/api-keys", there)).json()["api_keys"] == []
    assert (await host.get(f"/api-keys/{key}", there)).status_code == 404
    assert (await host.create(there, workspace_id=host.workspace.id)).status_code == 404
    assert await end_portal_sessions(host.server.world.system, OPERATOR, other.id, ADA["id"]) == 1
    assert (await host.get("/self", here)).status_code == 200


async def test_a_repeated_request_of_another_person_is_another_request(host: Host) -> None:
    ada, bob = await host.page(), await host.page(person=BOB)
    headers = {"Idempotency-Key": '"8e03978e-40d5-43e6-bc93-6894a57f9324"'}
    first = await host.create({**ada, **headers})
    assert first.status_code == 201
    second = await host.create({**bob, **headers})
    assert (second.status_code, await host.owner_of(second)) == (201, BOB["id"])
    again = await host.create({**(await host.page()), **headers})  # with another session of the same person's
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert "key" not in again.json()


# What it never does

WRITES = {
    "createWorkspace": '(input: {name: "N", slug: "n", product: "spooled"})',
    "updateWorkspace": '(input: {id: $id, name: "N"})',
    "deleteWorkspace": "(input: {id: $id})",
    "setRole": '(input: {workspaceId: $id, name: "desk", grants: ["jobs:read"]})',
    "deleteRole": '(input: {workspaceId: $id, name: "desk"})',
    "createSpace": '(input: {workspaceId: $id, name: "N", slug: "n"})',
    "addMember": '(input: {workspaceId: $id, email: "a@example.com", role: "member"})',
    "updateAccount": '(input: {name: "N"})',
    "endPortalSessions": '(input: {workspaceId: $id, personId: "user-7"})',
}


async def test_it_touches_no_member_no_setting_and_no_other_session(host: Host) -> None:
    page = await host.page(tokens="workspace", scopes=["jobs:read", *PORTAL_SCOPES])
    for name, given in WRITES.items():
        declared = "($id: ID!)" if "$id" in given else ""
        document = f"mutation{declared} {{ {name}{given} {{ __typename }} }}"
        variables = {"id": host.workspace.id} if declared else {}
        error = (await host.graphql(document, page, **variables))["errors"][0]
        assert error["extensions"]["code"] in ("INSUFFICIENT_SCOPE", "FORBIDDEN"), name
    for selection in ("members { nodes { email } }", "invitations { nodes { email } }", "auditLog { nodes { id } }"):
        document = f"query($id: ID!) {{ workspace(id: $id) {{ {selection} }} }}"
        error = (await host.graphql(document, page, id=host.workspace.id))["errors"][0]
        assert error["extensions"]["code"] == "INSUFFICIENT_SCOPE"
    other = await host.opened(person=BOB)
    answer = await host.server.client.delete(f"{API}/portal-sessions/{other['id']}", headers=page)
    assert answer.status_code == 403
    for path, form in (("/introspect", {"token": other["secret"]}), ("/usage", None)):
        answer = await host.server.client.post(f"{API}{path}", data=form, json=None, headers=page)
        assert answer.status_code == 403


async def test_it_signs_in_nowhere_and_its_person_cannot_be_mistaken_for_a_member(host: Host) -> None:
    """A host may use ids that look like Spacekey's own."""
    member = await host.server.world.member(host.workspace, "owner")
    page = await host.page(person={"id": member.id, "name": "Not the owner"})
    created = (await host.create(page)).json()
    assert created["created_by"]["kind"] == "external"
    me = await host.graphql("{ me { kind user { id } token { id } scopes } }", page)
    assert (me["data"]["me"]["user"], me["data"]["me"]["token"]) == (None, None)
    assert not {one for one in me["data"]["me"]["scopes"] if one.startswith(("members", "workspace"))}
    sign_in = "mutation($i: SignInInput!) { signIn(input: $i) { __typename } }"
    given = {"email": member.id, "password": page["Authorization"].removeprefix("Bearer ")}
    answer = await host.graphql(sign_in, {"Origin": PAGE}, i=given)
    assert answer["data"]["signIn"]["__typename"] in ("InvalidInput", "SignInFailed")


# How it ends


async def ends(host: Host, page: dict[str, str]) -> None:
    """Nothing is accepted any more."""
    for answer in (
        await host.get("/api-keys", page),
        await host.create(page),
        await host.server.client.post("/graphql", json={"query": "{ me { kind } }"}, headers=page),
    ):
        assert answer.status_code == 401


async def test_it_ends_by_time(host: Host) -> None:
    page = await host.page(expires_in=60)
    host.server.world.clock.forward(seconds=59)
    assert (await host.get("/self", page)).status_code == 200
    host.server.world.clock.forward(seconds=1)
    await ends(host, page)


async def test_it_ends_when_its_person_ends_and_nobody_elses_does(host: Host) -> None:
    pages, bob = [await host.page(), await host.page()], await host.page(person=BOB)
    body = {"workspace_id": host.workspace.id, "person_id": ADA["id"]}
    answer = await host.server.client.post(f"{API}/portal-sessions/end", json=body, headers=bearer(host.secret))
    assert (answer.status_code, answer.json()) == (200, {"ended": 2})
    for page in pages:
        await ends(host, page)
    assert (await host.get("/self", bob)).status_code == 200


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_user_who_has_gone_creates_no_key_with_a_session_that_is_left(host: Host, everywhere: bool) -> None:
    """Also one who had no key to revoke yet."""
    page, bob = await host.page(), await host.page(person=BOB)
    where = None if everywhere else host.workspace.id
    revoked, _ = await revoke_all(host.server.world.system, OPERATOR, where, ADA["id"])
    assert revoked == 0
    await ends(host, page)
    assert (await host.get("/self", bob)).status_code == 200


async def test_it_ends_by_its_id_by_its_own_word_and_by_its_secret(host: Host) -> None:
    first, second, third = [await host.opened() for _ in range(3)]
    delete = host.server.client.delete
    for _ in range(2):  # a retry after a lost answer
        assert (await delete(f"{API}/portal-sessions/{first['id']}", headers=bearer(host.secret))).status_code == 204
    own = {**bearer(second["secret"]), "Origin": PAGE}
    assert (await delete(f"{API}/portal-sessions/{second['id']}", headers=own)).status_code == 204
    revoking = {**bearer(third["secret"]), "Origin": PAGE}
    answer = await host.server.client.post(f"{API}/revoke", data={"token": third["secret"]}, headers=revoking)
    assert answer.status_code == 200
    for opened in (first, second, third):
        await ends(host, {**bearer(opened["secret"]), "Origin": PAGE})


async def test_it_ends_with_its_workspace_and_with_the_service_that_opened_it(host: Host) -> None:
    system = host.server.world.system
    other = await host.server.world.workspace("spooled")
    of_deleted, kept = await host.page(workspace_id=other.id), await host.page()
    await delete_workspace(system, OPERATOR, other.id)
    await ends(host, of_deleted)
    await rotate_service(system, OPERATOR, "host", grace_seconds=0)
    assert (await host.get("/self", kept)).status_code == 200
    await revoke_service(system, OPERATOR, "host")
    await ends(host, kept)


async def test_a_workspace_renamed_or_given_another_slug_keeps_its_sessions(host: Host) -> None:
    page = await host.page()
    changes = WorkspaceChanges(name="Renamed", slug="renamed")
    await update_workspace(host.server.world.system, OPERATOR, host.workspace.id, changes)
    assert (await host.get("/self", page)).json()["workspace_id"] == host.workspace.id


@pytest.mark.parametrize("how", ["person", "workspace", "service"])
async def test_a_body_that_arrives_after_its_end_creates_nothing(host: Host, how: str) -> None:
    page, system = await host.page(), host.server.world.system
    body = json.dumps({"name": "late", "permissions": ["jobs:read"]})

    async def drawn_out() -> AsyncIterator[bytes]:
        yield body[:5].encode()
        if how == "person":
            await end_portal_sessions(system, OPERATOR, host.workspace.id, ADA["id"])
        elif how == "workspace":
            await update_workspace(system, OPERATOR, host.workspace.id, WorkspaceChanges(suspended=True))
        else:
            await revoke_service(system, OPERATOR, "host")
        yield body[5:].encode()

    headers = {**page, "Content-Type": "application/json"}
    answer = await host.server.client.post(f"{API}/api-keys", content=drawn_out(), headers=headers)
    assert answer.status_code in (401, 403, 404), answer.text
    async with system.store.reading() as session:
        counted = await (await session.connection()).execute(text("SELECT count(*) FROM spacekey_tokens"))
        assert counted.scalar_one() == 0


async def test_a_persons_sessions_are_bounded_and_the_oldest_ends(host: Host) -> None:
    first = await host.page()
    for _ in range(SESSIONS_MAX - 1):
        host.server.world.clock.forward(seconds=1)
        await host.opened()
    assert (await host.get("/self", first)).status_code == 200
    await host.opened()
    await ends(host, first)


async def test_rows_of_sessions_that_expired_a_day_ago_are_deleted(host: Host) -> None:
    for _ in range(3):
        await host.opened()
    host.server.world.clock.forward(days=2)
    await host.opened()
    assert await _rows(host.server.world.system.store) == 1


async def test_sessions_of_one_person_share_one_rate_limit(database_url: str) -> None:
    settings = Settings(
        database_url=database_url, cors_origins=("*",), api_burst=3, api_per_minute=1, anonymous_cpu_ms_burst=60_000
    )
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        new = NewPortalSession(workspace.id, "user-7", "Ada", (PAGE,))
        found = []
        for _ in range(4):
            opened = await open_portal_session(server.world.system, OPERATOR, new)
            headers = {**bearer(opened.secret), "Origin": PAGE}
            found.append((await server.client.get(f"{API}/self", headers=headers)).status_code)
        assert found == [200, 200, 200, 429]


async def test_an_outage_is_503_and_no_refusal(host: Host) -> None:
    page = await host.page()
    async with host.server.world.system.store.changing() as session:
        await (await session.connection()).execute(text("ALTER TABLE spacekey_portal_sessions RENAME TO gone"))
    assert (await host.get("/self", page)).status_code == 503


async def test_two_ends_at_once_are_one(host: Host) -> None:
    await host.opened()
    system = host.server.world.system
    ended = await asyncio.gather(
        *(end_portal_sessions(system, OPERATOR, host.workspace.id, ADA["id"]) for _ in range(3))
    )
    assert sorted(ended) == [0, 0, 1]


async def test_opening_and_ending_need_the_right_workspace(store: Store) -> None:
    world = make_world(store)
    foreign = await world.workspace("emit")
    service = ServiceCaller("svc_1", "host", "spooled", RequestFacts(), b"\0" * 32)
    with pytest.raises(CredentialNotAllowed):
        await end_portal_sessions(world.system, service, foreign.id, "user-7")
    with pytest.raises(NotFound):
        await end_portal_sessions(world.system, OPERATOR, "ws_01kb8bz9q1s3v5w7y9a1c3e5g7", "user-7")
    await update_workspace(world.system, OPERATOR, foreign.id, WorkspaceChanges(suspended=True))
    with pytest.raises(Conflict):
        await open_portal_session(world.system, OPERATOR, NewPortalSession(foreign.id, "a", "A", (PAGE,)))
    with pytest.raises(InvalidInput):
        await end_portal_sessions(world.system, OPERATOR, foreign.id, "")


async def _rows(store: Store) -> int:
    async with store.reading() as session:
        counted = await (await session.connection()).execute(text("SELECT count(*) FROM spacekey_portal_sessions"))
        return int(counted.scalar_one())
