"""A database that hangs, or has no connection to give, is "cannot tell" in time, and all is well soon afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import make_url

from spacekey.domain.authentication import Authenticated, Unavailable
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.resolvers.staleness import set_staleness
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.databases import postgres_database
from support.postgres import PostgresServer
from support.server import bearer, served
from support.world import OPERATOR

from .fault_schedule import hanging, slots_taken, tokens_locked

pytestmark = pytest.mark.long

AT_ONCE = 40
"""Ten times as many as the lookup has connections."""
BACK_SECONDS_MAX = 60.0
LOOK_AGAIN_SECONDS = 0.05


@pytest.fixture
def url(durable_postgres: PostgresServer) -> Iterator[str]:
    """A database on the server that is going to hang."""
    with postgres_database(durable_postgres) as made:
        yield made


@asynccontextmanager
async def database_outage(how: str, postgres: PostgresServer, url: str) -> AsyncIterator[None]:
    """What keeps the database from answering."""
    database = make_url(url).database or ""
    if how == "hanging":
        with hanging(postgres):
            yield
    elif how == "no slots":
        async with slots_taken(postgres, database):
            yield
    else:
        async with tokens_locked(postgres, database):
            yield


async def seconds_until_valid(verifier: DatabaseVerifier, secret: str) -> float:
    """How long it took until the verifier accepted again."""
    began = time.monotonic()
    while not isinstance(await verifier.verify(Secret(secret)), Authenticated):
        assert time.monotonic() < began + BACK_SECONDS_MAX, "it did not recover"
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return time.monotonic() - began


@pytest.mark.parametrize("how", ["hanging", "no slots", "locked"])
async def test_an_unavailable_database_cannot_tell_and_recovers(
    how: str, durable_postgres: PostgresServer, url: str
) -> None:
    async with served(url) as server:
        system = server.world.system
        await set_staleness(system, OPERATOR, 0.0)  # every verification reads
        workspace = await server.world.workspace("spooled", plan="enterprise")
        _, secret = await server.token(workspace.id, "jobs:read")
        verifier = DatabaseVerifier(url, packaged_products(), clock=server.world.clock)
        assert isinstance(await verifier.verify(Secret(secret)), Authenticated)
        assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 200

        # All of these answers come while the trouble lasts: nothing waits for its end.
        async with database_outage(how, durable_postgres, url):
            began = time.monotonic()
            verdicts = await asyncio.gather(*(verifier.verify(Secret(secret)) for _ in range(AT_ONCE)))
            told_seconds = time.monotonic() - began
            assert all(isinstance(one, Unavailable) for one in verdicts), verdicts
            began = time.monotonic()
            answer = await server.client.get("/api/v1/self", headers=bearer(secret))
            answered_seconds = time.monotonic() - began
            assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
            if how == "hanging":
                ready = await server.client.get("/readyz")
                assert (ready.status_code, "Try again." in ready.json()["detail"]) == (503, True)
            began = time.monotonic()
            with pytest.raises(ServiceUnavailable):
                await create_token(system, OPERATOR, NewToken(workspace.id, "one more", ("jobs:read",)))
            refused_seconds = time.monotonic() - began

        back_seconds = await seconds_until_valid(verifier, secret)
        began = time.monotonic()
        while (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code != 200:
            assert time.monotonic() < began + BACK_SECONDS_MAX, "the server did not recover"
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        await server.token(workspace.id, "jobs:read")
        all_back_seconds = time.monotonic() - began
        await verifier.aclose()
    print(
        f"\n{how}: {AT_ONCE} verifications could not tell after {told_seconds:.2f} s, the server answered 503 after "
        f"{answered_seconds:.2f} s, a change was refused after {refused_seconds:.2f} s; "
        f"back after {back_seconds:.2f} s, the server and its changes after {all_back_seconds:.2f} s"
    )
