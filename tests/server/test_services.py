"""The operator's own apps: they check the tokens of all workspaces of their product, and do nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.server.build import build_parts
from spacekey.server.introspectors import Introspector, new_introspector, read_introspectors
from spacekey.server.settings import Settings
from support.server import ANSWER_SECONDS_MAX, ORIGIN, bearer, served
from support.world import OPERATOR

APP, APP_SECRET = new_introspector("emit-api", "emit", secrets.token_bytes)


def settings(database_url: str, *introspectors: Introspector) -> Settings:
    """A server's settings with these apps."""
    return Settings(database_url=database_url, introspectors=introspectors)


async def test_it_checks_the_tokens_of_every_workspace_of_its_product_and_of_no_other(database_url: str) -> None:
    async with served(database_url, settings=settings(database_url, APP)) as server:
        verifier = RemoteVerifier(
            ORIGIN,
            APP_SECRET,
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
    async with served(database_url, settings=settings(database_url, APP)) as server:
        workspace = await server.world.workspace("emit")
        space = await server.world.space(workspace)
        _, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
        suspended = WorkspaceChanges(suspended=True)
        await update_workspace(server.world.system, OPERATOR, workspace.id, suspended)
        answer = await server.client.post(
            "/api/v1/introspect", data={"token": secret}, headers=bearer(APP_SECRET.reveal())
        )
        assert (answer.status_code, answer.json()) == (200, {"active": False})


async def test_it_reports_usage_for_tokens_of_its_product_alone(database_url: str) -> None:
    async with served(database_url, settings=settings(database_url, APP)) as server:
        mine = await server.world.workspace("emit")
        space = await server.world.space(mine)
        own, _ = await server.token(mine.id, "jobs:read", space_id=space.id)
        foreign, _ = await server.token((await server.world.workspace("spooled")).id, "jobs:read")
        now = server.world.clock().isoformat()
        uses = [{"token_id": one, "at": now, "allowed": 1} for one in (own, foreign)]
        answer = await server.client.post("/api/v1/usage", json={"uses": uses}, headers=bearer(APP_SECRET.reveal()))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})


REQUESTS: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("GET", "/api/v1/api-keys", None, 403),
    ("POST", "/api/v1/api-keys", {"name": "one", "permissions": ["jobs:read"]}, 403),
    ("GET", "/api/v1/api-keys/{token}", None, 403),
    ("PATCH", "/api/v1/api-keys/{token}", {"name": "mine now"}, 403),
    ("DELETE", "/api/v1/api-keys/{token}", None, 403),
    ("POST", "/api/v1/api-keys/{token}/rotate", {}, 403),
    ("GET", "/api/v1/self", None, 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS)
async def test_it_can_do_nothing_else_over_rest(
    database_url: str, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    async with served(database_url, settings=settings(database_url, APP)) as server:
        workspace = await server.world.workspace("emit")
        space = await server.world.space(workspace)
        token_id, _ = await server.token(workspace.id, "jobs:read", space_id=space.id)
        path = path.format(token=token_id)
        answer = await server.client.request(method, path, json=body, headers=bearer(APP_SECRET.reveal()))
        assert answer.status_code == status, answer.text


async def test_over_graphql_it_is_somebody_who_sees_nothing(database_url: str) -> None:
    async with served(database_url, settings=settings(database_url, APP)) as server:
        workspace = await server.world.workspace("emit")
        query = "query($id: ID!) { me { kind scopes token { id } } node(id: $id) { id } }"
        body = {"query": query, "variables": {"id": workspace.id}}
        answer = (await server.client.post("/graphql", json=body, headers=bearer(APP_SECRET.reveal()))).json()
        me = {"kind": "workspace", "scopes": ["tokens:introspect"], "token": None}
        assert answer["data"] == {"me": me, "node": None}


async def test_it_cannot_revoke_the_tokens_it_checks(database_url: str) -> None:
    async with served(database_url, settings=settings(database_url, APP)) as server:
        workspace = await server.world.workspace("emit")
        space = await server.world.space(workspace)
        _, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
        headers = bearer(APP_SECRET.reveal())
        await server.client.post("/api/v1/revoke", data={"token": secret}, headers=headers)
        answer = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=headers)
        assert answer.json()["active"] is True


async def test_its_own_secret_and_that_of_another_app_are_unknown_to_introspection(database_url: str) -> None:
    other, other_secret = new_introspector("spooled-api", "spooled", secrets.token_bytes)
    async with served(database_url, settings=settings(database_url, APP, other)) as server:
        for secret in (APP_SECRET, other_secret):
            answer = await server.client.post(
                "/api/v1/introspect", data={"token": secret.reveal()}, headers=bearer(APP_SECRET.reveal())
            )
            assert answer.json() == {"active": False}


async def test_a_secret_that_is_in_no_entry_is_refused(database_url: str) -> None:
    _, unknown = new_introspector("emit-api", "emit", secrets.token_bytes)
    async with served(database_url, settings=settings(database_url, APP)) as server:
        answer = await server.client.get("/api/v1/self", headers=bearer(unknown.reveal()))
        assert answer.status_code == 401


def test_two_entries_of_one_name_are_both_good_so_that_secrets_can_be_replaced() -> None:
    newer, _ = new_introspector("emit-api", "emit", secrets.token_bytes)
    assert read_introspectors(f"{APP.setting}, {newer.setting}") == (APP, newer)


def test_a_product_that_is_not_loaded_is_named_with_the_nearest(tmp_path: Any) -> None:
    wrong, _ = new_introspector("emit-api", "emti", secrets.token_bytes)
    with pytest.raises(ConfigurationError, match=r"SPACEKEY_INTROSPECTORS: 'emit-api' .*'emti'.*'emit'"):
        build_parts(settings(f"sqlite:///{tmp_path}/a.db", wrong))


WRONG: list[Callable[[], str]] = [
    APP_SECRET.reveal,
    lambda: f"emit-api=emit:{APP_SECRET.reveal()}",
    lambda: f"emit-api={APP.digest.hex()}",
    lambda: f"=emit:{APP.digest.hex()}",
    lambda: f"emit api=emit:{APP.digest.hex()}",
    lambda: f"{APP.setting}0",
    lambda: APP.setting[:-1],
    APP.setting.upper,
    lambda: ",".join([APP.setting] * 101),
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_entry_is_an_error_that_repeats_nothing_of_it(text: Callable[[], str]) -> None:
    with pytest.raises(ConfigurationError, match=r"NAME=PRODUCT:SHA256|at most 100") as caught:
        Settings.from_environ({"SPACEKEY_INTROSPECTORS": text()})
    assert APP_SECRET.reveal() not in str(caught.value)
    assert "SPACEKEY_INTROSPECTORS" in str(caught.value)


@pytest.mark.parametrize("name", ["", "Emit", "a b", "a=b", "a:b", "a,b", "x" * 41, "-a"])
def test_a_name_that_no_entry_can_hold_is_refused_when_it_is_made(name: str) -> None:
    with pytest.raises(ConfigurationError):
        new_introspector(name, "emit", secrets.token_bytes)


def test_the_secret_is_in_no_repr() -> None:
    assert APP.digest.hex() not in repr(APP)
    assert APP_SECRET.reveal() not in repr((APP, APP_SECRET))


async def test_its_own_requests_are_nobodys_usage_and_hold_up_no_batch(database_url: str) -> None:
    async with served(database_url, settings=settings(database_url, APP)) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "tokens:introspect")
        for own in (APP_SECRET.reveal(), secret):
            assert (await server.client.get("/api/v1/self", headers=bearer(own))).status_code == 200
        await server.parts.usage.flush()
        assert (server.parts.usage.waiting, server.parts.usage.lost) == (0, 0)
