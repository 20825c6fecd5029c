"""Made-up session cookies: bounded by the address they come from, and honest browsers behind it work on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from spacekey.domain.authentication import Anonymous, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.secret import Secret
from spacekey.middleware.limits.limiter import Flooded
from spacekey.resolvers.accounts import sessions
from spacekey.server.http import identity
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.limits import SessionFlood
from support.server import Served, served

ME = "{ me { user { email } } }"
EMAIL = "ada@example.com"
SCOPE: dict[str, Any] = {"type": "http", "client": ("192.0.2.1", 1)}
BURST = 30
REFILL_SECONDS = 2.0


@dataclass
class Reads:
    """Which sessions were looked up in the store."""

    secrets: list[Secret] = field(default_factory=list)


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[Reads]:
    """Count what is looked up while the body runs."""
    reads = Reads()

    async def looked_up(system: Any, secret: Secret, **given: Any) -> Any:
        reads.secrets.append(secret)
        return await sessions.session_outcome(system, secret, **given)

    with patch.context() as inner:
        inner.setattr(identity, "session_outcome", looked_up)
        yield reads


def made_up() -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={secrets.token_urlsafe(32)}", "Sec-Fetch-Site": "same-origin"}


async def me(server: Served, headers: dict[str, str], path: str = "/graphql") -> httpx.Response:
    if path == "/graphql":
        return await server.client.post(path, json={"query": ME}, headers=headers)
    return await server.client.get(path, headers=headers)


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/self"])
async def test_made_up_cookies_are_looked_up_only_so_often_for_an_address(
    database_url: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async with served(database_url) as server:
        await server.world.user(EMAIL)
        good = await server.cookie(EMAIL)
        assert (await me(server, good, path)).status_code == 200
        began = time.monotonic()
        with counted(monkeypatch) as reads:
            answers = [await me(server, made_up(), path) for _ in range(BURST + 20)]
        refilled = int((time.monotonic() - began) / REFILL_SECONDS) + 1
        refused = [one for one in answers if one.status_code == 429]
        assert len(reads.secrets) <= BURST + refilled
        assert len(refused) == BURST + 20 - len(reads.secrets)
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
        assert (await me(server, good, path)).status_code == 200, "a browser that is known to be signed in works on"


async def test_an_ended_session_is_looked_up_once_and_keeps_no_one_from_signing_in(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(database_url) as server:
        await server.world.user(EMAIL)
        stale = made_up()
        with counted(monkeypatch) as reads:
            answers = [await me(server, stale) for _ in range(3 * BURST)]
        assert {one.status_code for one in answers} == {200}
        assert {one.json()["data"]["me"] for one in answers} == {None}
        assert len(reads.secrets) == 1
        assert (await me(server, await server.cookie(EMAIL))).json()["data"]["me"]["user"]["email"] == EMAIL


async def test_cookies_and_tokens_of_an_address_are_counted_apart(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for _ in range(2 * BURST):
            await me(server, made_up())
        answer = await me(server, {"Authorization": f"Bearer {secret}"}, "/api/v1/self")
        assert answer.status_code == 200


@pytest.mark.parametrize("outcome", [Rejected(Reason.EXPIRED), Anonymous(), Unavailable("the store is down")])
async def test_only_what_can_never_be_a_session_is_remembered(outcome: AuthenticationResult) -> None:
    asked: list[Secret] = []

    async def look_up(secret: Secret) -> AuthenticationResult:
        asked.append(secret)
        return outcome

    flood, secret = SessionFlood(), Secret("s" * 43)
    for _ in range(2 * BURST):
        assert await flood.outcome(SCOPE, secret, look_up) == outcome
    assert len(asked) == 2 * BURST


async def test_what_is_remembered_of_unknown_cookies_has_a_bound() -> None:
    asked: list[str] = []

    async def look_up(secret: Secret) -> AuthenticationResult:
        asked.append(secret.reveal())
        return Rejected(Reason.UNKNOWN)

    flood = SessionFlood(unknown_max=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert await flood.outcome(SCOPE, Secret(name), look_up) == Rejected(Reason.UNKNOWN)
    assert asked == ["a", "b", "c", "b"], "the one that was sent last stays longest"
    for number in range(2 * BURST):
        last = await flood.outcome(SCOPE, Secret(f"made up {number}"), look_up)
    assert isinstance(last, Flooded)
    assert len(asked) <= BURST + 1
