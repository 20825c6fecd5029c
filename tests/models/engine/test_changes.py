"""Changes by a function of queries: one transaction, whole or nothing, and what is stored is what a session stores."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.models.engine.reading import Reader
from spacekey.models.engine.session_reader import SessionReader
from spacekey.models.engine.statements import insert_row
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Rehearsal, Store, watched_changes
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.token import Token
from spacekey.models.tables.user import User
from support.rows import a_token, a_user, a_workspace, add

only_sqlite = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
only_postgresql = pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)


async def users(store: Store) -> int:
    async with store.reading() as session:
        return len((await session.exec(select(User.id))).all())


def inserting(
    user: User, then: Callable[[Reader], Awaitable[None]] | None = None
) -> Callable[[Reader], Awaitable[str]]:
    """A change that makes an account, then does something else, and returns the account's id."""
    facts = user.model_dump()

    async def insert(reader: Reader) -> str:
        await insert_row(reader, User, facts)
        if then is not None:
            await then(reader)
        return user.id

    return insert


async def connection_of(reader: Reader) -> object:
    if reader.dialect == POSTGRESQL:
        return (await reader.rows("SELECT pg_backend_pid()"))[0][0]
    return id(reader._connection)  # type: ignore[attr-defined] # which one it is, is the promise


async def refusing(reader: Reader) -> None:
    raise NotFound("token")


async def test_what_a_change_returns_is_committed(store: Store) -> None:
    user = a_user()
    assert await store.change(inserting(user)) == user.id
    assert await users(store) == 1


async def test_a_change_that_raises_leaves_nothing_and_keeps_its_connection(store: Store) -> None:
    found = set()
    for _ in range(3):
        with pytest.raises(NotFound):
            await store.change(inserting(a_user(), refusing))
        found.add(await store.change(connection_of))
    assert await users(store) == 0
    assert len(found) == 1


async def test_a_broken_constraint_is_a_conflict_and_keeps_the_connection(store: Store) -> None:
    user = a_user()
    before = await store.change(connection_of)
    await store.change(inserting(user))
    with pytest.raises(Conflict, match="changed at the same time"):
        await store.change(inserting(user))
    assert await store.change(connection_of) == before
    assert await users(store) == 1


async def test_a_taken_external_id_is_told_as_such(store: Store) -> None:
    one, other = (a_workspace(external_id="tenant-1") for _ in range(2))
    await add(store, one)
    with pytest.raises(Conflict, match="external id"):
        await store.change(lambda reader: insert_row(reader, type(other), other.model_dump()))


async def test_changes_by_functions_and_by_sessions_take_turns(store: Store) -> None:
    await asyncio.gather(
        *(store.change(inserting(a_user())) for _ in range(8)), *(add(store, a_user()) for _ in range(8))
    )
    assert await users(store) == 16


async def test_a_session_and_a_function_store_the_same(store: Store) -> None:
    workspace = a_workspace()
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    facts: dict[str, Any] = {
        "name": "Straße é", "grants": ["é", 'b"'], "expires_at": moment, "metadata_": {"é": [1, None, {"b": 2.5}]},
        "external_id": "user-7", "description": "x",
    }  # fmt: skip
    one, other = a_token(workspace, **facts), a_token(workspace, **facts)
    await add(store, workspace, one)
    await store.change(lambda reader: token_queries.insert_token(reader, other))
    own = {"id", "digest", "name"} if one.name != other.name else {"id", "digest"}
    async with store.reading() as session:
        columns = [column.name for column in Token.__table__.columns if column.name not in own]
        shown = ", ".join(f"CAST({name} AS TEXT)" for name in columns)
        found = await (await session.connection()).execute(text(f"SELECT {shown} FROM spacekey_tokens"))
        first, second = found.all()
    assert dict(zip(columns, first, strict=True)) == dict(zip(columns, second, strict=True))


async def test_queries_in_a_session_see_what_it_has_changed(store: Store) -> None:
    workspace = a_workspace()
    async with store.changing() as session:
        session.add(workspace)
        found = await workspace_queries.workspace_records(SessionReader(session), [workspace.id])
        assert [one.roles for one in found] == [{}]


async def test_a_rehearsed_change_is_measured_and_undone(store: Store) -> None:
    async def measure(session: Any) -> int:
        return len((await session.exec(select(User.id))).all())

    rehearsal = Rehearsal(store, measure)
    user = a_user()
    assert await rehearsal.change(inserting(user)) == user.id
    assert rehearsal.measured == [(0, 1)]
    assert await users(store) == 0


@pytest.mark.parametrize("watched", [True, False])
async def test_only_a_change_whose_commit_was_sent_may_have_been_made(store: Store, watched: bool) -> None:
    async def outage(_reader: Reader) -> None:
        raise ServiceUnavailable("no answer")

    async def tried(change: Callable[[Reader], Awaitable[str]]) -> bool:
        with pytest.raises(ServiceUnavailable) as failed:
            await store.change(change)
        return failed.value.may_have_changed

    async def both() -> tuple[bool, bool]:
        before = await tried(inserting(a_user(), outage))
        if store.dialect == SQLITE:
            gone = str(store.url.database)

            async def move(_reader: Reader) -> None:
                os.rename(gone, f"{gone}.moved")  # noqa: PTH104 - a function of queries runs in a thread

            return before, await tried(inserting(a_user(), move))

        async def end(reader: Reader) -> None:
            pid = (await reader.rows("SELECT pg_backend_pid()"))[0][0]
            async with store.reading() as session:
                await (await session.connection()).exec_driver_sql(f"SELECT pg_terminate_backend({pid})")

        return before, await tried(inserting(a_user(), end))

    if watched:
        with watched_changes():
            assert await both() == (False, True)
    else:
        assert await both() == (False, True)


@only_sqlite
async def test_a_cancelled_change_is_undone_before_the_next_one_begins(store: Store) -> None:
    running, may_end = threading.Event(), threading.Event()

    async def wait(_reader: Reader) -> None:
        running.set()
        may_end.wait(10)

    task = asyncio.create_task(store.change(inserting(a_user(), wait)))
    await asyncio.to_thread(running.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    following = asyncio.create_task(store.change(inserting(a_user())))
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await following
    assert await users(store) == 1


@only_postgresql
async def test_a_change_cancelled_on_postgresql_releases_its_locks(store: Store) -> None:
    workspace = a_workspace()
    await add(store, workspace)
    held = asyncio.Event()

    async def hold(reader: Reader) -> None:
        await workspace_queries.hold_workspace(reader, workspace.id)
        held.set()
        await reader.rows("SELECT pg_sleep(30)")

    task = asyncio.create_task(store.change(hold))
    await held.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await store.change(lambda reader: workspace_queries.hold_workspace(reader, workspace.id))


@only_postgresql
async def test_a_lock_is_waited_for_no_longer_than_the_store_says(database_url: str, store: Store) -> None:
    workspace = a_workspace()
    await add(store, workspace)
    hurried = Store(database_url, busy_seconds=0.05)
    async with store.changing() as session:
        await workspace_queries.lock_workspace(session, workspace.id)
        with pytest.raises(ServiceUnavailable, match="lock"):
            await hurried.change(lambda reader: workspace_queries.hold_workspace(reader, workspace.id))
    await hurried.aclose()


@only_postgresql
async def test_a_connection_that_went_stale_is_replaced(store: Store) -> None:
    pid = await store.change(connection_of)
    async with store.reading() as session:
        await (await session.connection()).exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    assert await store.change(connection_of) != pid


@only_sqlite
async def test_another_process_lock_is_waited_for_and_then_an_outage(store: Store, database_url: str) -> None:
    hurried = Store(database_url, busy_seconds=0.1)
    other = sqlite3.connect(str(store.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceUnavailable, match="locked"):
        await hurried.change(inserting(a_user()))
    other.execute("ROLLBACK")
    await hurried.change(inserting(a_user()))
    other.close()
    await hurried.aclose()
    assert await users(store) == 1


@only_sqlite
async def test_a_change_survives_a_power_cut_and_keeps_foreign_keys(store: Store) -> None:
    async def pragmas(reader: Reader) -> list[Any]:
        return [(await reader.rows(f"PRAGMA {name}"))[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert await store.change(pragmas) == ["wal", 2, 1]


@only_sqlite
async def test_a_forked_process_changes_with_a_connection_of_its_own(store: Store) -> None:
    mine, childs = inserting(a_user()), inserting(a_user())
    await store.change(mine)
    process = os.fork()
    if process == 0:
        asyncio.events._set_running_loop(None)
        code = 1
        try:
            asyncio.new_event_loop().run_until_complete(store.change(childs))
            code = 0
        finally:
            os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert await users(store) == 2


async def test_a_closed_store_opens_again(store: Store) -> None:
    await store.change(inserting(a_user()))
    await store.aclose()
    await store.change(inserting(a_user()))
    assert await users(store) == 2
