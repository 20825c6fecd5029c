"""The store: all or nothing, and one word for a database that does not answer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.models.engine.sqlite import OneHopConnection, _connect, begin_immediate
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store, database_url
from spacekey.models.migrations.run import current, upgrade
from spacekey.models.queries.workspaces import lock_workspace
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Workspace
from support.postgres import PostgresServer
from support.rows import NOW, a_user, a_workspace, add


async def users(store: Store) -> int:
    async with store.reading() as session:
        return int(
            (await (await session.connection()).execute(text("SELECT count(*) FROM spacekey_users"))).scalar_one()
        )


class Oops(Exception):
    pass


async def test_a_change_that_raises_leaves_nothing(store: Store) -> None:
    async def change() -> None:
        async with store.changing() as session:
            session.add(a_user())
            await session.flush()
            raise Oops

    with pytest.raises(Oops):
        await change()
    assert await users(store) == 0
    await add(store, a_user())
    assert await users(store) == 1


async def test_a_cancelled_change_leaves_nothing_and_frees_the_writer(store: Store) -> None:
    written = asyncio.Event()

    async def change() -> None:
        async with store.changing() as session:
            session.add(a_user())
            await session.flush()
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(change())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await users(store) == 0
    await add(store, a_user())


async def test_a_reading_session_keeps_nothing(store: Store) -> None:
    async with store.reading() as session:
        session.add(a_user())
    assert await users(store) == 0


async def test_moments_come_back_aware_in_utc_to_the_microsecond(store: Store) -> None:
    user = a_user(created_at=datetime.fromisoformat("2026-05-04T21:30:15.123456+09:00"))
    await add(store, user)
    async with store.reading() as session:
        found = await session.get_one(User, user.id)
    assert found.created_at == NOW
    assert found.created_at.utcoffset() == NOW.utcoffset()


async def test_a_naive_moment_is_refused(store: Store) -> None:
    user = a_user()
    user.created_at = NOW.replace(tzinfo=None)
    with pytest.raises(Exception, match="naive datetime"):
        await add(store, user)
    assert await users(store) == 0


@pytest.mark.parametrize("database_kind", [SQLITE])
class TestLockedSqlite:
    async def test_a_locked_database_is_unavailable_and_half_written_never(self, store: Store) -> None:
        hurried = Store(str(store.url), busy_seconds=0.01)
        other = sqlite3.connect(str(store.url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailable):
            await add(hurried, a_user(), a_user())
        # Readers go on meanwhile.
        assert await users(hurried) == 0
        other.execute("ROLLBACK")
        assert await users(hurried) == 0
        await add(hurried, a_user())
        assert await users(hurried) == 1
        other.close()
        await hurried.aclose()

    async def test_a_writer_that_waits_for_another_gives_up(self, store: Store) -> None:
        hurried = Store(str(store.url), busy_seconds=0.01)
        async with hurried.changing():
            with pytest.raises(ServiceUnavailable):
                await add(hurried, a_user())
        await add(hurried, a_user())
        await hurried.aclose()

    async def test_the_wait_for_another_process_can_be_cut_off_at_any_time(self, store: Store) -> None:
        patient = Store(str(store.url), busy_seconds=1_000)
        other = sqlite3.connect(str(store.url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(add(patient, a_user()))
        await asyncio.wait((waiting,), timeout=0.01)
        waiting.cancel()
        # The lock is still held: whoever waited inside SQLite could not come back.
        await asyncio.wait((waiting,), timeout=60)
        assert waiting.cancelled()
        other.execute("ROLLBACK")
        await add(patient, a_user())
        assert await users(patient) == 1
        other.close()
        await patient.aclose()

    async def test_waiting_for_ones_turn_and_for_the_lock_is_one_wait(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left: list[float] = []

        async def begin(connection: AsyncConnection, seconds: float) -> None:
            left.append(seconds)
            await begin_immediate(connection, seconds)

        monkeypatch.setattr("spacekey.models.engine.store.begin_immediate", begin)
        patient = Store(str(store.url), busy_seconds=1_000)
        async with patient.changing():
            waiting = asyncio.create_task(add(patient, a_user()))
            await asyncio.sleep(0.05)
        await waiting
        assert left[1] <= 1_000 - 0.05
        await patient.aclose()

    async def test_writers_of_one_store_take_turns(self, store: Store) -> None:
        await asyncio.gather(*(add(store, a_user()) for _ in range(20)))
        assert await users(store) == 20

    async def test_acknowledged_changes_survive(self, store: Store) -> None:
        async with store.reading() as session:
            connection = await session.connection()
            pragmas = [
                (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        assert pragmas == ["wal", 2, 1]


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
class TestLockedPostgres:
    async def test_a_row_locked_by_another_is_unavailable(self, store: Store) -> None:
        workspace = a_workspace()
        await add(store, workspace)
        hurried = Store(store.url.render_as_string(hide_password=False), busy_seconds=0.05)

        async def change() -> None:
            async with hurried.changing() as session:
                session.add(a_user())
                await session.flush()
                await lock_workspace(session, workspace.id)

        async with store.changing() as session:
            assert await lock_workspace(session, workspace.id) is not None
            with pytest.raises(ServiceUnavailable):
                await change()
        assert await users(store) == 0
        await change()
        assert await users(store) == 1
        await hurried.aclose()

    async def test_a_deadlock_is_unavailable_for_one_and_fine_for_the_other(self, store: Store) -> None:
        first, second = a_workspace(), a_workspace()
        await add(store, first, second)
        both = asyncio.Barrier(2)

        async def change(one: Workspace, other: Workspace) -> None:
            async with store.changing() as session:
                await lock_workspace(session, one.id)
                await both.wait()
                await lock_workspace(session, other.id)

        ends = await asyncio.gather(change(first, second), change(second, first), return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["NoneType", "ServiceUnavailable"]


async def test_locking_a_workspace_reads_it_anew(store: Store) -> None:
    workspace = a_workspace(name="before")
    await add(store, workspace)
    async with store.reading() as stale:
        assert (await stale.get_one(Workspace, workspace.id)).name == "before"
        async with store.changing() as session:
            (await session.get_one(Workspace, workspace.id)).name = "after"
        locked = await lock_workspace(stale, workspace.id)
        assert locked is not None
        assert locked.name == "after"
        assert await lock_workspace(stale, "ws_none") is None


class TestGone:
    async def test_a_server_that_is_not_there_is_unavailable(self, tmp_path: Path) -> None:
        store = Store(f"postgresql://somebody:hunter2@/x?host={tmp_path}")
        for asking in (store.ping(), add(store, a_user()), upgrade(store), current(store)):
            with pytest.raises(ServiceUnavailable) as gone:
                await asking
            assert "hunter2" not in f"{gone.value!r} {gone.value.__cause__!r}"
        await store.aclose()

    async def test_a_database_that_is_not_there_is_no_acceptance(self, postgres: PostgresServer) -> None:
        store = Store(postgres.url("not_there"))
        with pytest.raises(ServiceUnavailable):
            await store.ping()
        await store.aclose()

    async def test_a_connection_killed_in_the_middle_is_unavailable(self, postgres: PostgresServer) -> None:
        store = Store(postgres.url("postgres"))

        async def killed() -> None:
            async with store.changing() as session:
                pid = (await (await session.connection()).execute(text("SELECT pg_backend_pid()"))).scalar_one()
                postgres.execute(f"SELECT pg_terminate_backend({pid}, 10000)")
                await (await session.connection()).execute(text("SELECT 1"))

        with pytest.raises(ServiceUnavailable):
            await killed()
        await store.ping()
        await store.aclose()

    async def test_a_file_that_is_no_database_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "odd.db").write_bytes(b"not a database" * 100)
        store = Store(f"sqlite:///{tmp_path}/odd.db")
        with pytest.raises(ServiceUnavailable):
            await store.ping()
        await store.aclose()

    async def test_a_sqlite_folder_that_is_not_there_is_unavailable(self, tmp_path: Path) -> None:
        store = Store(f"sqlite:///{tmp_path}/none/spacekey.db")
        before = set(threading.enumerate())
        with pytest.raises(ServiceUnavailable):
            await store.ping()
        await store.aclose()
        # After a connection that failed the driver's thread says goodbye to the loop, unasked: it must still be there.
        for thread in set(threading.enumerate()) - before:
            if "_connection_worker_thread" in thread.name:
                await asyncio.to_thread(thread.join)


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/x", "sqlite://", "sqlite:///:memory:", "hunter2", "", "postgresql+asyncpg"]
)
def test_any_other_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        database_url(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite"),
        ("postgresql://h/x", "postgresql+asyncpg"),
        ("postgres://h/x", "postgresql+asyncpg"),
        ("postgresql+psycopg://h/x", "postgresql+asyncpg"),
    ],
)
def test_the_async_driver_is_filled_in(url: str, driver: str) -> None:
    assert database_url(url).drivername == driver


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
@pytest.mark.parametrize(
    "broken",
    [
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    ],
    ids=["closed", "confused", "terminated"],
)
async def test_a_connection_that_breaks_while_it_is_prepared_is_no_answer(store: Store, broken: Exception) -> None:
    def breaks(*_: object) -> None:
        raise broken

    event.listen(store.engine.sync_engine, "connect", breaks)
    with pytest.raises(ServiceUnavailable):
        await store.ping()
    with pytest.raises(ServiceUnavailable):
        await add(store, a_user())
    event.remove(store.engine.sync_engine, "connect", breaks)
    await store.ping()


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_statement_is_handed_to_its_thread_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a statement gives comes with it: nothing is handed over to make a cursor, to fetch rows or to close."""
    assert await users(store) == 0  # the connection is open now
    handed: list[str] = []
    execute: Any = OneHopConnection._execute

    async def noted(self: OneHopConnection, function: Any, *arguments: Any, **named: Any) -> Any:
        handed.append(arguments[1] if function.__name__ == "_run" else function.__name__)
        return await execute(self, function, *arguments, **named)

    monkeypatch.setattr(OneHopConnection, "_execute", noted)
    workspaces = [a_workspace() for _ in range(3)]
    async with store.changing() as session:
        session.add_all(workspaces)
        await session.flush()
        found = (await session.exec(select(Workspace).order_by(col(Workspace.id)))).all()
        assert [one.id for one in found] == sorted(one.id for one in workspaces)
    words = [one.split(None, 1)[0] for one in handed]
    assert words == ["BEGIN", "INSERT", "SELECT", "commit", "rollback"]


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_closing_ends_also_if_the_thread_is_stopped_meanwhile(store: Store) -> None:
    """As when a cancelled close is followed by a forced one."""
    connection = await _connect(str(store.url.database))
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    connection.stop()
    async with asyncio.timeout(120):
        await closing
