"""The operator's own apps: they check the tokens of all workspaces of their product, and do nothing else."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import text

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.page import PageRequest
from spacekey.domain.refusal import Conflict
from spacekey.domain.secret import Secret, mint
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import Store
from spacekey.resolvers.services import create_service, list_services, revoke_service, rotate_service
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, served
from support.world import OPERATOR, make_world


async def test_it_checks_the_tokens_of_every_workspace_of_its_product_and_of_no_other(database_url: str) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        verifier = RemoteVerifier(
            ORIGIN,
            Secret(own_secret),
            timeout=ANSWER_SECONDS_MAX,
            allow_plain_http=True,
            transport=httpx.ASGITransport(server.app),
            clock=lambda: 0.0,
        )
        for _ in range(2):
            workspace = await server.world.workspace("emit")
            space = await server.world.space(workspace)
            token_id, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
            verdict = await verifier.verify(Secret(secret))
            assert isinstance(verdict, Authenticated)
            assert (verdict.principal.id, verdict.principal.space_id) == (token_id, space.id)
        other = await server.world.workspace("spooled")
        _, foreign = await server.token(other.id, "jobs:read")
        assert await verifier.verify(Secret(foreign)) == Rejected(Reason.UNKNOWN)
        await verifier.aclose()


async def test_no_tenant_takes_its_access_away(database_url: str) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        workspace = await server.world.workspace("emit")
        space = await server.world.space(workspace)
        _, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
        suspended = WorkspaceChanges(suspended=True)
        await update_workspace(server.world.system, OPERATOR, workspace.id, suspended)
        answer = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=bearer(own_secret))
        assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_it_reports_usage_for_tokens_of_its_product_alone(database_url: str) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        mine = await server.world.workspace("emit")
        space = await server.world.space(mine)
        own, _ = await server.token(mine.id, "jobs:read", space_id=space.id)
        foreign, _ = await server.token((await server.world.workspace("spooled")).id, "jobs:read")
        now = server.world.clock().isoformat()
        uses = [{"token_id": one, "at": now, "allowed": 1} for one in (own, foreign)]
        answer = await server.client.post("/api/v1/usage", json={"uses": uses}, headers=bearer(own_secret))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})


REQUESTS: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("GET", "/api/v1/api-keys", None, 403),
    ("POST", "/api/v1/api-keys", {"name": "one", "permissions": ["jobs:read"]}, 403),
    ("GET", "/api/v1/api-keys/{token}", None, 403),
    ("PATCH", "/api/v1/api-keys/{token}", {"name": "mine now"}, 403),
    ("DELETE", "/api/v1/api-keys/{token}", None, 403),
    ("POST", "/api/v1/api-keys/{token}/rotate", {}, 403),
    ("GET", "/api/v1/usage", None, 403),
    ("GET", "/api/v1/usage/api-keys", None, 403),
    ("GET", "/api/v1/quota", None, 403),
    ("GET", "/api/v1/audit-events", None, 403),
    ("GET", "/api/v1/workspaces", None, 403),
    ("GET", "/api/v1/spaces", None, 403),
    ("GET", "/api/v1/self", None, 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS)
async def test_it_can_do_nothing_else_over_rest(
    database_url: str, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        workspace = await server.world.workspace("emit")
        space = await server.world.space(workspace)
        token_id, _ = await server.token(workspace.id, "jobs:read", space_id=space.id)
        path = path.format(token=token_id)
        answer = await server.client.request(method, path, json=body, headers=bearer(own_secret))
        assert answer.status_code == status, answer.text


async def test_over_graphql_it_is_somebody_who_sees_nothing(database_url: str) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        workspace = await server.world.workspace("emit")
        query = "query($id: ID!) { me { kind scopes token { id } } node(id: $id) { id } }"
        body = {"query": query, "variables": {"id": workspace.id}}
        answer = (await server.client.post("/graphql", json=body, headers=bearer(own_secret))).json()
        me = {"kind": "SERVICE", "scopes": ["tokens:introspect"], "token": None}
        assert answer["data"] == {"me": me, "node": None}


async def test_it_cannot_revoke_the_tokens_it_checks(database_url: str) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        workspace = await server.world.workspace("emit")
        space = await server.world.space(workspace)
        _, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
        headers = bearer(own_secret)
        await server.client.post("/api/v1/revoke", data={"token": secret}, headers=headers)
        answer = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=headers)
        assert answer.json()["active"] is True


async def test_its_own_secret_and_that_of_another_app_are_unknown_to_introspection(database_url: str) -> None:
    async with served(database_url) as server:
        own, other = [(await server.service(f"{product}-api", product))[1] for product in ("emit", "spooled")]
        for secret in (own, other):
            answer = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=bearer(own))
            assert answer.json() == {"active": False}


async def test_a_secret_that_is_stored_nowhere_is_refused(database_url: str) -> None:
    unknown = mint("spk", "live", secrets.token_bytes)
    async with served(database_url) as server:
        answer = await server.client.get("/api/v1/self", headers=bearer(unknown))
        assert answer.status_code == 401


async def _status(server: Served, secret: str) -> tuple[int, str | None]:
    answer = await server.client.get("/api/v1/self", headers=bearer(secret))
    return answer.status_code, answer.json().get("code")


async def test_nothing_is_accepted_once_its_revocation_has_been_answered(database_url: str) -> None:
    async with served(database_url) as server:
        service_id, secret = await server.service("emit-api", "emit")
        newer = (await rotate_service(server.world.system, OPERATOR, "emit-api")).secret.reveal()
        assert [await _status(server, one) for one in (secret, newer)] == [(200, None), (200, None)]
        await revoke_service(server.world.system, OPERATOR, service_id)
        assert [await _status(server, one) for one in (secret, newer)] == [(401, "invalid_token")] * 2


async def test_an_earlier_secret_works_until_the_grace_period_ends(database_url: str) -> None:
    async with served(database_url) as server:
        _, first = await server.service("emit-api", "emit")
        system = server.world.system
        second = (await rotate_service(system, OPERATOR, "emit-api", grace_seconds=60)).secret.reveal()
        third = (await rotate_service(system, OPERATOR, "emit-api", grace_seconds=3_600)).secret.reveal()
        server.world.clock.forward(seconds=59)
        assert [(await _status(server, one))[0] for one in (first, second, third)] == [200, 200, 200]
        server.world.clock.forward(seconds=1)
        assert [(await _status(server, one))[0] for one in (first, second, third)] == [401, 200, 200]
        server.world.clock.forward(seconds=3_540)
        assert [(await _status(server, one))[0] for one in (first, second, third)] == [401, 401, 200]


async def test_an_outage_is_503_for_a_service_and_no_refusal(database_url: str) -> None:
    async with served(database_url) as server:
        _, secret = await server.service("emit-api", "emit")
        async with server.world.system.store.changing() as session:
            await (await session.connection()).execute(text("ALTER TABLE spacekey_services RENAME TO gone"))
        assert (await _status(server, secret))[0] == 503


async def test_at_most_so_many_services_and_one_of_each_name(store: Store) -> None:
    world = make_world(store)
    await create_service(world.system, OPERATOR, "one", "emit")
    with pytest.raises(Conflict, match="Rotate its secret"):
        await create_service(world.system, OPERATOR, "one", "spooled")
    made = await asyncio.gather(
        *(create_service(world.system, OPERATOR, "two", "emit") for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in made) == ["Conflict", "Conflict", "IssuedService"]
    page = await list_services(world.system, OPERATOR, PageRequest(10))
    assert {one.name for one in page.rows} == {"one", "two"}


async def test_the_secret_is_in_no_repr(store: Store) -> None:
    issued = await create_service(make_world(store).system, OPERATOR, "one", "emit")
    assert issued.secret.reveal() not in repr(issued)


async def test_its_own_requests_are_nobodys_usage_and_hold_up_no_batch(database_url: str) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "tokens:introspect")
        for own in (own_secret, secret):
            assert (await server.client.get("/api/v1/self", headers=bearer(own))).status_code == 200
        await server.parts.usage.flush()
        assert (server.parts.usage.waiting, server.parts.usage.lost) == (0, 0)


@pytest.mark.parametrize("path", ["/api/v1/usage", "/api/v1/introspect", "/api/v1/introspect/batch"])
@pytest.mark.parametrize("rotated", [False, True])
async def test_a_body_that_arrives_after_its_secret_ended_does_nothing(
    database_url: str, path: str, rotated: bool
) -> None:
    async with served(database_url) as server:
        _, own_secret = await server.service("emit-api", "emit")
        mine = await server.world.workspace("emit")
        space = await server.world.space(mine)
        token_id, secret = await server.token(mine.id, "jobs:read", space_id=space.id)
        use = {"token_id": token_id, "at": server.world.clock().isoformat(), "allowed": 1}
        kind, body = {
            "/api/v1/usage": ("application/json", json.dumps({"uses": [use]})),
            "/api/v1/introspect": ("application/x-www-form-urlencoded", urlencode({"token": secret})),
            "/api/v1/introspect/batch": ("application/json", json.dumps({"tokens": [{"token": secret}]})),
        }[path]

        async def drawn_out() -> AsyncIterator[bytes]:
            yield body[:5].encode()
            if rotated:
                await rotate_service(server.world.system, OPERATOR, "emit-api", grace_seconds=0)
            else:
                await revoke_service(server.world.system, OPERATOR, "emit-api")
            yield body[5:].encode()

        headers = {**bearer(own_secret), "Content-Type": kind}
        answer = await server.client.post(path, content=drawn_out(), headers=headers)
        assert answer.status_code in (401, 403), answer.text
