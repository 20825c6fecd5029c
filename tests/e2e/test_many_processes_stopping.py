"""One server of several killed, and one told to stop: nothing that was promised is broken by it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from spacekey.models.engine.store import Store
from spacekey.models.migrations.schema_version import head
from support.apps.jobs_requests import bearer
from support.people import Person
from support.processes import serving_process
from support.programs.fleet import Fleet
from support.programs.waiting import SECONDS_MAX, until

pytestmark = pytest.mark.long


def test_a_killed_server_leaves_the_others_going_and_its_app_says_503_until_it_is_back(fleet: Fleet) -> None:
    (ended_id, ended), (_, kept) = fleet.token("queues:read"), fleet.token("queues:read")
    with serving_process(fleet.installation) as (url, process):
        asking = fleet.installation.jobs_app(remote=url, token=fleet.credentials["spooled"])
        with asking as its_app, httpx.Client(base_url=its_app, trust_env=False, timeout=120) as app:

            def says(secret: str) -> int:
                return app.get("/queues", headers=bearer(secret)).status_code

            assert [says(kept), says(ended)] == [200, 200]
            process.send_signal(signal.SIGKILL)
            process.wait(SECONDS_MAX)
            assert fleet.statuses(kept) == {200}
            fleet.at_b.change_token("revoke", ended_id)  # T has passed when this is answered, so nothing is kept
            assert [says(one) for one in (kept, ended) for _ in range(3)] == [503] * 6
            assert fleet.statuses(ended) == {401}
            with serving_process(fleet.installation, int(url.rpartition(":")[2])):
                assert {says(kept) for _ in range(3)} <= {200, 503}
                until(lambda: says(kept) == 200)
                assert says(ended) == 401


def test_a_server_told_to_stop_answers_what_it_has_begun_and_writes_what_it_has_noted(fleet: Fleet) -> None:
    """A revocation is held up by a lock until the server no longer listens; then it waits for T, and is answered."""
    (token_id, secret), (used_id, used) = fleet.token("queues:read"), fleet.token("jobs:read")
    with (
        serving_process(fleet.installation) as (url, process),
        Person(url, fleet.at_a.session) as person,
        ThreadPoolExecutor(1) as beside,
    ):
        with _locked(fleet.installation.database_url, token_id) as somebody_waits:
            revoking = beside.submit(person.change_token, "revoke", token_id)
            until(somebody_waits)
            assert httpx.get(f"{url}/api/v1/self", headers=bearer(used), trust_env=False).status_code == 200
            process.send_signal(signal.SIGTERM)
            until(lambda: _refuses_connections(url))
            assert process.poll() is None
            assert not revoking.done()
        assert revoking.result()["__typename"] == "RevokeTokenSuccess"
        assert fleet.statuses(secret) == {401}
        assert process.wait(SECONDS_MAX) == 0
    shown = fleet.at_b.ask("query T($id: ID!) { token(id: $id) { lastUsedAt usage(days: 2) { allowed } } }", id=used_id)
    assert shown["token"]["lastUsedAt"] is not None
    assert sum(day["allowed"] for day in shown["token"]["usage"]) == 1


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def _locked(database_url: str, token_id: str) -> Iterator[Callable[[], bool]]:
    """Hold a token's row; gives whether somebody waits for it."""
    store = Store(database_url)
    with asyncio.Runner() as runner:
        holding, looking = (runner.run(_connected(store)) for _ in range(2))
        try:
            row = sa.text("SELECT 1 FROM spacekey_tokens WHERE id = :id FOR UPDATE").bindparams(id=token_id)
            runner.run(holding.execute(row))
            yield lambda: runner.run(_somebody_waits(looking))
        finally:
            for one in (holding, looking):
                runner.run(one.close())
            runner.run(store.aclose())


async def _somebody_waits(looking: AsyncConnection) -> bool:
    """Look in a transaction of its own: within one, PostgreSQL shows the activity as it was at the first look."""
    found = await looking.execute(sa.text(WAITING))
    await looking.rollback()
    return int(found.scalar_one()) > 0


async def _connected(store: Store) -> AsyncConnection:
    return await store.engine.connect()


def _refuses_connections(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", trust_env=False, timeout=120)
    except httpx.TransportError:
        return True
    return False


def test_a_running_server_outlives_a_newer_migration_and_a_starting_one_says_why_not(fleet: Fleet) -> None:
    _, secret = fleet.token("queues:read")
    _tables_are_of(fleet, "9999")
    try:
        assert httpx.get(f"{fleet.b}/readyz", trust_env=False, timeout=120).status_code == 200
        assert fleet.statuses(secret) == {200}
        refused = fleet.installation.run("serve", "--port", "0")
        assert refused.returncode == 2
        assert "9999" in refused.stderr
        assert "Traceback" not in refused.stderr
    finally:
        _tables_are_of(fleet, None)


def _tables_are_of(fleet: Fleet, revision: str | None) -> None:
    """Note another revision in the database, as its migration would; None is this version's."""

    async def work() -> None:
        store = Store(fleet.installation.database_url)
        async with store.engine.begin() as connection:
            await connection.execute(
                sa.text("UPDATE spacekey_alembic_version SET version_num = :revision"), {"revision": revision or head()}
            )
        await store.aclose()

    asyncio.run(work())
