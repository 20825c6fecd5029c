"""A server that is told to stop gives a revocation that waits for T the time it needs, whatever T is."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from spacekey.models.engine.store import POSTGRESQL, Store
from spacekey.resolvers.staleness import STALENESS_SECONDS_MAX, set_staleness
from spacekey.resolvers.tokens.list import token_view
from spacekey.server.serving import serve
from support.programs.environ import without_settings
from support.server import bearer, served
from support.world import OPERATOR, make_world

T_SECONDS = 4.0
PROGRAM = """
import os
from spacekey.server.serving import serve
from spacekey.server.settings import Settings
serve.GRACEFUL_SECONDS = 1
serve.serve(Settings.from_environ(os.environ), on_start=lambda address: print(address, flush=True))
"""


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_a_revocation_that_waits_longer_than_other_requests_may_is_answered(database_url: str) -> None:
    async with served(database_url) as beside, _process(database_url) as (url, process):
        workspace = await beside.world.workspace("spooled")
        _, own = await beside.token(workspace.id, "tokens:read", "tokens:revoke")
        token_id, _ = await beside.token(workspace.id, "jobs:read")
        await set_staleness(beside.world.system, OPERATOR, T_SECONDS)
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=300) as client:
            asking = client.delete(f"/api/v1/api-keys/{token_id}", headers=bearer(own))
            revoking = asyncio.create_task(asking)
            while (await token_view(beside.world.system, OPERATOR, token_id)).token.revoked_at is None:
                assert not revoking.done()
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            answer = await revoking
        assert answer.status_code in (200, 204), answer.text
        assert await asyncio.wait_for(process.wait(), 60) == 0


@asynccontextmanager
async def _process(database_url: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    environ = without_settings() | {"SPACEKEY_DATABASE_URL": database_url, "SPACEKEY_PORT": "0"}
    command = (sys.executable, "-c", PROGRAM)
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip(), process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(("seconds", "wanted"), [(0.0, 10), (1.0, 11), (60.0, 70)])
async def test_requests_under_way_get_ten_seconds_and_t(store: Store, seconds: float, wanted: float) -> None:
    system = make_world(store).system
    await set_staleness(system, OPERATOR, seconds)
    assert await serve.grace_seconds(system) == wanted


async def test_without_a_database_that_answers_t_may_be_the_largest(store: Store) -> None:
    system = make_world(store).system
    silent = Store("postgresql://nobody@127.0.0.1:1/nothing")
    assert await serve.grace_seconds(replace(system, store=silent)) == serve.GRACEFUL_SECONDS + STALENESS_SECONDS_MAX
