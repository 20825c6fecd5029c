"""What asking about a token writes down: a use when everything has accepted it, a refusal where one may know of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spacekey import MemoryLimiter, TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated
from spacekey.domain.page import AuditFilter, page_request
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.records import AuditRecord
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.lists import audit_list
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from spacekey.verifiers import VerifierChain
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, served
from support.world import FACTS, OPERATOR


async def refusals(server: Served, workspace_id: str, token_id: str) -> list[AuditRecord]:
    """What the owner's log has of the token's refusals."""
    await server.parts.refusals.flush()
    request = page_request(10, None, None, None)
    page = await audit_list(server.world.system, OPERATOR, workspace_id, request, AuditFilter(target_id=token_id))
    return [one for one in page.rows if one.action == "token.refused"]


async def denied(server: Served, token_id: str) -> int:
    """How many denied requests its usage counts."""
    await server.parts.usage.flush()
    since = server.world.clock() - timedelta(days=8)
    async with server.world.system.store.reading() as session:
        days = (await usage_queries.usage_by_day(session, [token_id], since)).get(token_id, [])
    return sum(day.denied for day in days)


async def introspect(server: Served, own: str, secret: str, **told: str) -> Any:
    answer = await server.client.post("/api/v1/introspect", data={"token": secret, **told}, headers=bearer(own))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("asking", ["another tenant", "another space", "another product"])
async def test_a_stranger_writes_nothing_into_an_owners_log_or_usage(database_url: str, asking: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace = await server.world.workspace("spooled" if asking != "another product" else "emit")
        mine, other = [await server.world.space(workspace, slug) for slug in ("mine", "other")]
        token_id, secret = await server.token(workspace.id, "jobs:read", space_id=mine.id)
        await revoke_token(server.world.system, OPERATOR, token_id)
        if asking == "another product":
            own = service
        elif asking == "another space":
            _, own = await server.token(workspace.id, "tokens:introspect", space_id=other.id)
        else:
            _, own = await server.token((await server.world.workspace("spooled")).id, "tokens:introspect")
        told = {"client_ip": "203.0.113.66", "client_user_agent": "forged/1"}
        assert await introspect(server, own, secret, **told) == {"active": False}
        assert await refusals(server, workspace.id, token_id) == []
        assert await denied(server, token_id) == 0


@pytest.mark.parametrize("asking", ["a token", "a service", "a token of the space"])
async def test_a_refusal_names_the_service_that_reported_it_and_what_is_its_word(
    database_url: str, asking: str
) -> None:
    async with served(database_url) as server:
        service_id, service = await server.service()
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        token_id, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
        await revoke_token(server.world.system, OPERATOR, token_id)
        space_id = space.id if asking == "a token of the space" else None
        own_id, own = await server.token(workspace.id, "tokens:introspect", space_id=space_id)
        by = {"kind": "token", "id": own_id, "name": "t"}
        if asking == "a service":
            own, by = service, {"kind": "service", "id": service_id, "name": "jobs-api"}
        for _ in range(2):  # the second within the hour is not written
            assert await introspect(server, own, secret, client_ip="192.0.2.7") == {"active": False}
        (event,) = await refusals(server, workspace.id, token_id)
        assert event.ip == "192.0.2.7"
        assert event.after is not None
        assert event.after["reported_by"] == {**by, "name": event.after["reported_by"]["name"]}
        assert event.after["as_reported"] == ["ip", "user_agent"]
        assert await denied(server, token_id) == 2


async def test_one_services_reports_do_not_hide_anothers(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, token_id)
        (one_id, one), (two_id, two) = [await server.token(workspace.id, "tokens:introspect") for _ in range(2)]
        for own in (one, two, one):
            await introspect(server, own, secret)
        found = await refusals(server, workspace.id, token_id)
        assert sorted((event.after or {})["reported_by"]["id"] for event in found) == sorted((one_id, two_id))


async def test_usage_of_tokens_outside_the_reporters_authority_is_left_out(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        mine, other = [await server.world.space(workspace, slug) for slug in ("mine", "other")]
        token_id, _ = await server.token(workspace.id, "jobs:read", space_id=mine.id)
        at = server.world.clock().isoformat()
        body = {"uses": [{"token_id": token_id, "at": at, "denied": 5, "ip": "203.0.113.66"}]}
        foreign = await server.world.workspace("spooled")
        for workspace_id, space_id in ((foreign.id, None), (workspace.id, other.id)):
            _, own = await server.token(workspace_id, "tokens:introspect", space_id=space_id)
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert (answer.status_code, answer.json()) == (200, {"accepted": 0})
        assert await denied(server, token_id) == 0
        assert (await token_view(server.world.system, OPERATOR, token_id)).token.last_used_ip is None


@requires("jobs:read")
async def jobs(_request: Request) -> JSONResponse:
    return JSONResponse({})


class Rotated:
    """A live token that was rotated so that its successor's first use ends it."""

    def __init__(self, server: Served, old_id: str, new: Secret, new_id: str) -> None:
        self.server, self.old_id, self.new, self.new_id = server, old_id, new, new_id

    async def old_status(self) -> str:
        """Whether it is still good."""
        return (await token_view(self.server.world.system, OPERATOR, self.old_id)).status.value


async def rotated(server: Served, workspace_id: str) -> Rotated:
    old_id, _ = await server.token(workspace_id, "jobs:read")
    issued = await rotate_token(server.world.system, OPERATOR, old_id, retire_on_first_use=True)
    return Rotated(server, old_id, issued.secret, issued.view.token.id)


def remote(server: Served, own: str, environment: str | None = None) -> RemoteVerifier:
    transport = httpx.ASGITransport(server.app)
    return RemoteVerifier(
        ORIGIN,
        own,
        environment=environment,
        timeout=ANSWER_SECONDS_MAX,
        transport=transport,
        collect_usage=False,
        allow_plain_http=True,
    )


VERIFIERS = ["embedded", "embedded that knows", "remote", "remote that knows", "chain"]


def verifier_of(kind: str, server: Served, database_url: str, own: str, environment: str) -> Verifier:
    """One whose app, or which itself, holds tokens to the environment."""
    knows = environment if kind.endswith("knows") else None
    if kind.startswith("embedded"):
        products = packaged_products()
        return DatabaseVerifier(
            database_url, products, environment=knows, clock=server.world.clock, collect_usage=False
        )
    if kind.startswith("remote"):
        return remote(server, own, knows)
    return VerifierChain({"sp": remote(server, own)})


@pytest.mark.parametrize("kind", VERIFIERS)
async def test_a_successor_refused_for_its_environment_ends_nothing(database_url: str, kind: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token = await rotated(server, workspace.id)
        for environment, status, old in (("test", 401, "active"), ("live", 200, "expired")):
            verifier = verifier_of(kind, server, database_url, own, environment)
            middleware = [Middleware(TokenMiddleware, verifier=verifier, environment=environment)]
            app = Starlette(routes=[Route("/jobs", jobs)], middleware=middleware)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
                answer = await client.get("/jobs", headers=bearer(token.new.reveal()))
            await verifier.aclose()
            assert (answer.status_code, await token.old_status()) == (status, old), environment


async def test_a_stranger_who_asks_about_a_successor_ends_nothing(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace, foreign = [await server.world.workspace("spooled") for _ in range(2)]
        space = await server.world.space(workspace)
        token = await rotated(server, workspace.id)
        _, stranger = await server.token(foreign.id, "tokens:introspect")
        _, neighbour = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        for own in (stranger, neighbour):
            assert await introspect(server, own, token.new.reveal()) == {"active": False}
            assert await token.old_status() == "active"
        assert (await introspect(server, service, token.new.reveal()))["active"] is True
        assert await token.old_status() == "expired"


async def test_a_token_that_lacks_a_scope_is_used_all_the_same(database_url: str) -> None:
    """Its client has the new secret, which is what the old one waits for; what it may do is another question."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token = await rotated(server, workspace.id)
        verifier = DatabaseVerifier(database_url, packaged_products(), clock=server.world.clock, collect_usage=False)
        routes = [Route("/jobs", requires("jobs:write")(jobs))]
        app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            assert (await client.get("/jobs", headers=bearer(token.new.reveal()))).status_code == 403
        await verifier.aclose()
        assert await token.old_status() == "expired"


async def test_two_apps_of_one_verifier_are_told_apart(database_url: str) -> None:
    """The refused one does not end the old token, and the answer that was read for it is good for the other one."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token = await rotated(server, workspace.id)
        verifier = DatabaseVerifier(database_url, packaged_products(), clock=server.world.clock, collect_usage=False)
        statuses = []
        for environment in ("test", "live"):
            middleware = [Middleware(TokenMiddleware, verifier=verifier, environment=environment)]
            app = Starlette(routes=[Route("/jobs", jobs)], middleware=middleware)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
                statuses.append((await client.get("/jobs", headers=bearer(token.new.reveal()))).status_code)
        assert isinstance(await verifier.verify(token.new), Authenticated)
        await verifier.aclose()
        assert statuses == [401, 200]


@pytest.mark.parametrize("kind", ["embedded", "remote", "chain"])
async def test_a_chain_of_rotations_has_one_limit(database_url: str, kind: str) -> None:
    """A bot that rotates itself with a grace of 0 gets no more through than one that does not: here its burst of 20."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "tokens:create", "tokens:revoke", "jobs:read")
        _, own = await server.token(workspace.id, "tokens:introspect")
        first_id, statuses = token_id, []
        verifier = verifier_of(kind, server, database_url, own, "live")
        limits = MemoryLimiter(clock=lambda: 0.0)
        middleware = [Middleware(TokenMiddleware, verifier=verifier, limits=limits)]
        app = Starlette(routes=[Route("/jobs", jobs)], middleware=middleware)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            for _ in range(4):
                verdict = await verifier.verify(Secret(secret))
                assert isinstance(verdict, Authenticated)
                assert (verdict.principal.id, verdict.principal.rate_limit_key) == (token_id, first_id)
                statuses += [(await client.get("/jobs", headers=bearer(secret))).status_code for _ in range(10)]
                itself = TokenCaller(token_id, "bot", workspace.id, FACTS)
                issued = await rotate_token(server.world.system, itself, token_id, grace_seconds=0)
                token_id, secret = issued.view.token.id, issued.secret.reveal()
        await verifier.aclose()
        assert statuses == [200] * 20 + [429] * 20
