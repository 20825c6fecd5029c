"""Forward authentication: what a proxy is told about a request, and that nothing but a token opens it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from spacekey.domain.ids import SPACE, new_id
from spacekey.resolvers.services import create_service
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.workspaces.spaces import delete_space
from spacekey.server.settings import Settings
from support.server import bearer, served
from support.world import OPERATOR

AUTHORIZE = "/api/v1/authorize"
IDENTITY = ("token-id", "workspace-id", "space-id", "environment", "scopes", "external-id")


def identity(answer: Any) -> dict[str, str]:
    """The identity headers that an answer has."""
    return {name: value for name in IDENTITY if (value := answer.headers.get(f"x-spacekey-{name}")) is not None}


async def test_all_scopes_that_are_asked_for_are_needed(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read", "queues:read")
        told = {
            "token-id": token_id,
            "workspace-id": workspace.id,
            "space-id": "",
            "environment": "live",
            "external-id": "",
            "scopes": "jobs:read queues:read",
        }
        for query in ("", "?scope=jobs:read", "?scope=jobs:read&scope=queues:read", "?scope=jobs:read%20queues:read"):
            answer = await server.client.get(AUTHORIZE + query, headers=bearer(secret))
            assert (answer.status_code, answer.content, identity(answer)) == (200, b"", told), query
            assert answer.headers["cache-control"] == "no-store"
        for query in ("?scope=dlq:write", "?scope=jobs:read&scope=dlq:write", "?scope=jobs:read+dlq:write"):
            answer = await server.client.get(AUTHORIZE + query, headers=bearer(secret))
            assert (answer.status_code, answer.json()["missing_scopes"]) == (403, ["dlq:write"]), query
            assert 'scope="dlq:write"' in answer.headers["www-authenticate"]
            assert identity(answer) == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_any_method_is_answered_alike(database_url: str, method: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        answer = await server.client.request(method, f"{AUTHORIZE}?scope=jobs:read", headers=bearer(secret))
        assert (answer.status_code, identity(answer)["token-id"]) == (200, token_id)
        assert (await server.client.request(method, AUTHORIZE)).status_code == 401


@pytest.mark.parametrize(
    "query",
    ["scope=", "scope=jobs:read&scope=", "scope=%20", "scope=jobs:read%20", "scope=a%22b", "scope=%C3%A9", "unknown=1",
     "scopes=jobs:read", "Scope=jobs:read", "environment=", "environment=prod",
     "scope=a" + "+a".join(map(str, range(102)))],
)  # fmt: skip
async def test_a_question_that_is_wrong_is_never_answered_with_yes(database_url: str, query: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for headers in (bearer(secret), {}):
            answer = await server.client.get(f"{AUTHORIZE}?{query}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_what_is_no_token_is_refused(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        owner = await server.world.member(workspace, "owner")
        cookie = await server.cookie(owner.name)
        service = await create_service(server.world.system, OPERATOR, "proxy", "spooled")
        absent = await server.client.get(AUTHORIZE)
        assert (absent.status_code, absent.headers["www-authenticate"]) == (401, 'Bearer realm="spacekey"')
        assert (await server.client.get(AUTHORIZE, headers=cookie)).status_code == 401
        for other in (service.secret.reveal(), "sp_live_" + "0" * 38, "x"):
            answer = await server.client.get(AUTHORIZE, headers=bearer(other))
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        beside = await server.client.post(
            AUTHORIZE, headers=bearer(secret) | cookie | {"Origin": "https://evil.example"}
        )
        assert (beside.status_code, identity(beside)["token-id"]) == (200, token_id)
        basic = await server.client.get(AUTHORIZE, headers={"Authorization": "Basic YTpi"})
        assert basic.status_code == 401
        twice = await server.client.get(AUTHORIZE, headers=[("Authorization", f"Bearer {secret}")] * 2)
        assert twice.status_code == 400
        await revoke_token(server.world.system, OPERATOR, token_id)
        assert (await server.client.get(AUTHORIZE, headers=bearer(secret))).status_code == 401


async def test_the_environment_that_is_asked_for_is_needed(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for environment, status in (("live", 200), ("test", 401)):
            answer = await server.client.get(f"{AUTHORIZE}?environment={environment}", headers=bearer(secret))
            assert answer.status_code == status


async def test_the_space_that_is_asked_for_is_needed(database_url: str) -> None:
    async with served(database_url) as server:
        world = server.world
        workspace, foreign = await world.workspace("emit"), await world.workspace("emit")
        own, other, elsewhere = [
            await world.space(one, slug) for one, slug in ((workspace, "a"), (workspace, "b"), (foreign, "a"))
        ]
        gone = await world.space(workspace, "c")
        _, of_space = await server.token(workspace.id, "jobs:read", space_id=own.id)
        await delete_space(world.system, OPERATOR, gone.id)
        unknown = new_id(SPACE, world.clock(), world.system.entropy)
        for space_id, status in ((own.id, 200), (other.id, 403), (elsewhere.id, 403), (unknown, 403), ("x", 403)):
            answer = await server.client.get(AUTHORIZE, params={"space_id": space_id}, headers=bearer(of_space))
            assert answer.status_code == status, space_id
        spooled, strange = await world.workspace("spooled"), await world.workspace("spooled")
        mine, theirs = await world.space(spooled, "a"), await world.space(strange, "a")
        ended = await world.space(spooled, "b")
        await delete_space(world.system, OPERATOR, ended.id)
        _, of_workspace = await server.token(spooled.id, "jobs:read")
        for space_id, status in ((mine.id, 200), (theirs.id, 403), (ended.id, 403), (unknown, 403), ("x", 403)):
            answer = await server.client.get(AUTHORIZE, params={"space_id": space_id}, headers=bearer(of_workspace))
            assert answer.status_code == status, space_id


@pytest.mark.parametrize("external_id", ["user-7", "Zoë", "a%20b", "a b", "é,=;\"'"])
async def test_values_are_safe_in_headers(database_url: str, external_id: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        new = NewToken(workspace.id, "t", ("jobs:read",), external_id=external_id)
        made = await create_token(server.world.system, OPERATOR, new)
        answer = await server.client.get(AUTHORIZE, headers=bearer(made.secret.reveal()))
        sent = identity(answer)["external-id"]
        assert sent.isascii()
        assert sent.isprintable()
        assert unquote(sent) == external_id


async def test_the_plans_limit_holds_and_uses_and_refusals_are_counted(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        answers = [await server.client.get(f"{AUTHORIZE}?scope=jobs:read", headers=bearer(secret)) for _ in range(25)]
        assert {one.status_code for one in answers} == {200, 429}
        limited = next(one for one in answers if one.status_code == 429)
        assert int(limited.headers["retry-after"]) >= 1
        assert identity(limited) == {}
        counted = await server.client.get("/metrics")
        assert f'route="{AUTHORIZE}",status="429"' in counted.text
        uses = [use for use in server.parts.usage.take(1_000) if use.token_id == token_id]
        assert sum(use.allowed for use in uses) == sum(one.status_code == 200 for one in answers)
        assert {scope for use in uses for scope in use.scopes} == {"jobs:read"}


async def test_a_preflight_is_no_permission(database_url: str) -> None:
    """With CORS for pages switched on, a preflight gets 204 everywhere else; to a proxy that would be a yes."""
    settings = Settings(database_url=database_url, cors_origins=("https://app.example.com",))
    async with served(database_url, settings=settings) as server:
        headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
        assert (await server.client.options("/api/v1/self", headers=headers)).status_code == 204
        answer = await server.client.options(AUTHORIZE, headers=headers)
        assert answer.status_code == 401
        assert "access-control-allow-origin" not in answer.headers


async def test_an_outage_is_503(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        await server.parts.verifier.aclose()
        server.parts.verifier._lookup = Down()  # type: ignore[assignment]
        answer = await server.client.get(AUTHORIZE, headers=bearer(secret))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1


class Down:
    """A lookup whose database does not answer."""

    async def by_digest(self, _digest: bytes) -> None:
        from spacekey.domain.errors import ServiceUnavailable

        raise ServiceUnavailable("down")

    async def aclose(self) -> None:
        """Nothing to close."""
