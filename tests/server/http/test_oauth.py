"""Introspection, revocation and usage: what remote verifiers live on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.domain.principal import Kind, Limit
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import SQLITE
from spacekey.models.queries import usage as usage_queries
from spacekey.resolvers.tokens.revoke import revoke_token
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, changed, fault_of, served
from support.world import OPERATOR


async def test_a_good_token_is_described_as_remote_verifiers_read_it(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, secret = await server.token(
            workspace.id, "jobs:read", "queues:read", space_id=space.id, expires_in=timedelta(days=1)
        )
        answer = await _introspect(server, own, secret)
        assert answer == {
            "active": True,
            "sub": token_id,
            "token_type": "Bearer",
            "kind": "space",
            "name": "a token",
            "scope": "jobs:read queues:read",
            "workspace_id": workspace.id,
            "space_id": space.id,
            "environment": "live",
            "exp": int((server.world.clock() + timedelta(days=1)).timestamp()),
            "expires_at": "2026-06-02T12:00:00.000Z",
            "rate_limit": {"per_minute": 100, "burst": 20},
            "max_age": 0.0 if server.world.system.store.dialect == SQLITE else 1.0,
        }


async def test_the_remote_verifier_and_this_server_understand_each_other(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        seconds = 100.0
        transport = httpx.ASGITransport(server.app)
        verifier = RemoteVerifier(
            ORIGIN,
            own,
            allow_plain_http=True,
            transport=transport,
            clock=lambda: seconds,
            timeout=ANSWER_SECONDS_MAX,
        )
        verdict = await verifier.verify(Secret(secret))
        assert isinstance(verdict, Authenticated)
        assert verdict.principal.id == token_id
        assert (verdict.principal.kind, verdict.principal.rate_limit) == (Kind.WORKSPACE, Limit(100, 20))
        await revoke_token(server.world.system, OPERATOR, token_id)
        seconds += sum(server.world.naps)  # what the answer to the revocation waited for
        assert isinstance(await verifier.verify(Secret(secret)), Rejected)
        await verifier.aclose()


async def test_everything_else_is_inactive_and_nothing_more(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("emit")
        far = await server.world.space(foreign)
        space, other = await server.world.space(workspace), await server.world.space(workspace, "other")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, in_space = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        revoked_id, revoked = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, revoked_id)
        _, sibling = await server.token(workspace.id, "jobs:read", space_id=other.id)
        _, foreigner = await server.token(foreign.id, "jobs:read", space_id=far.id)
        for asker, secret in (
            (own, revoked),
            (own, foreigner),
            (own, "nonsense"),
            (own, changed(revoked)),
            (in_space, sibling),
            (in_space, own),
        ):
            assert await _introspect(server, asker, secret) == {"active": False}
        assert (await _introspect(server, in_space, in_space))["active"] is True
        assert (await _introspect(server, own, sibling))["active"] is True


async def test_introspection_needs_its_scope_and_a_form(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, poor = await server.token(workspace.id, "jobs:read")
        _, own = await server.token(workspace.id, "tokens:introspect")
        path = "/api/v1/introspect"
        refused = await server.client.post(path, data={"token": poor}, headers=bearer(poor))
        assert refused.status_code == 403
        assert 'scope="tokens:introspect"' in refused.headers["www-authenticate"]
        assert (await server.client.post(path, data={"token": own})).status_code == 401
        assert (await server.client.post(path, json={"token": own}, headers=bearer(own))).status_code == 415
        form = bearer(own) | {"Content-Type": "application/x-www-form-urlencoded"}
        for body in ("", "token=", "other=1", "token=a&token=b", "token=%ff", "&".join("a=1" for _ in range(50))):
            assert (await server.client.post(path, content=body, headers=form)).status_code == 400, body
        assert (await server.client.post(path, content="token=" + "x" * 9_000, headers=form)).status_code == 413


async def test_a_token_revokes_itself_without_any_scope(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        assert (await _revoke(server, secret, secret)).status_code == 200
        assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 401


async def test_others_are_revoked_with_the_scope_alone_and_strangers_never(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        _, weak = await server.token(workspace.id, "jobs:read")
        _, strong = await server.token(workspace.id, "tokens:revoke")
        _, target = await server.token(workspace.id, "jobs:read")
        _, stranger = await server.token(foreign.id, "jobs:read")
        assert (await _revoke(server, weak, target)).status_code == 403
        assert (await server.client.get("/api/v1/self", headers=bearer(target))).status_code == 200
        for one in (target, stranger, "nonsense", changed(target)):
            answer = await _revoke(server, strong, one)
            assert (answer.status_code, answer.content) == (200, b"")
        assert (await server.client.get("/api/v1/self", headers=bearer(target))).status_code == 401
        assert (await server.client.get("/api/v1/self", headers=bearer(stranger))).status_code == 200


async def test_reported_usage_is_added_to_own_tokens_and_left_out_for_others(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect", "tokens:read")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        foreign_id, _ = await server.token(foreign.id, "jobs:read")
        at = "2026-06-01T11:30:00Z"
        use = {"at": at, "ip": "192.0.2.9", "allowed": 3, "denied": 1, "scopes": ["jobs:read", "made:up"]}
        rows = [use | {"token_id": one} for one in (token_id, token_id, foreign_id, "key_unknown")]
        answer = await server.client.post("/api/v1/usage", json={"uses": rows}, headers=bearer(own))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
        shown = await server.client.get(f"/api/v1/api-keys/{token_id}", headers=bearer(own))
        assert shown.json()["last_used_at"] == "2026-06-01T11:30:00.000Z"
        since = server.world.clock() - timedelta(days=1)
        async with server.world.system.store.reading() as session:
            days = await usage_queries.usage_by_day(session, [token_id, foreign_id], since)
            scopes = await usage_queries.scopes_used(session, [token_id], since)
        assert {one: [(day.allowed, day.denied) for day in found] for one, found in days.items()} == {
            token_id: [(6, 2)]
        }
        assert scopes == {token_id: frozenset({"jobs:read"})}


BAD_USE: list[tuple[Any, str]] = [
    ({"uses": "x"}, "uses"),
    ({"uses": [1]}, "uses.0"),
    ({}, "uses"),
    ({"uses": [{"at": "2026-06-01T11:30:00Z"}]}, "uses.0.token_id"),
    ({"uses": [{"token_id": "key_1"}]}, "uses.0.at"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z", "allowed": -1}]}, "uses.0.allowed"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z", "allowed": True}]}, "uses.0.allowed"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z", "alowed": 1}]}, "uses.0.alowed"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z"}] * 1_001}, "uses"),
]


async def test_bad_reports_are_refused_whole(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        for body, field in BAD_USE:
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert (answer.status_code, fault_of(answer)) == (422, field), (body, answer.text)


@pytest.mark.parametrize("path", ["/api/v1/self", "/api/v1/api-keys"])
async def test_the_three_refusals_of_credentials_stay_three(database_url: str, path: str) -> None:
    async with served(database_url) as server:
        absent = await server.client.get(path)
        assert absent.status_code == 401
        assert "error=" not in absent.headers["www-authenticate"]
        unknown = await server.client.get(path, headers=bearer("sp_live_" + "0" * 38))
        assert unknown.status_code == 401
        assert 'error="invalid_token"' in unknown.headers["www-authenticate"]
        twice = await server.client.get(path, headers={"Authorization": "Bearer a b"})
        assert (twice.status_code, twice.json()["code"]) == (400, "invalid_request")


async def _introspect(server: Served, asker: str, secret: str) -> dict[str, Any]:
    answer = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=bearer(asker))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def _revoke(server: Served, asker: str, secret: str) -> httpx.Response:
    return await server.client.post("/api/v1/revoke", data={"token": secret}, headers=bearer(asker))
