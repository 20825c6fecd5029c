"""Reading on the raw driver: one hop, one connection, nothing left behind whatever becomes of the function."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, get_type_hints

import pytest
from sqlalchemy import inspect

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.models.engine.reading import Reader
from spacekey.models.engine.sqlite_reads import READ_THREADS
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.queries.audit import ChainHead
from spacekey.models.queries.idempotency import KnownKey
from spacekey.models.tables import records
from spacekey.models.tables.audit import AuditChain, AuditEvent
from spacekey.models.tables.base import Row
from spacekey.models.tables.idempotency import IdempotencyKey
from spacekey.models.tables.portal import PortalSession
from spacekey.models.tables.service import Service
from spacekey.models.tables.token import Token
from spacekey.models.tables.user import Invitation, User
from spacekey.models.tables.workspace import Member, Space, Workspace
from support.rows import a_token, a_workspace, add

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

MINUTES = ENDLESS.replace("FROM n)", "FROM n WHERE i < 100000000)")
"""As much work, with an end, so that a test fails and does not hang."""

LEFT_OUT: dict[type[Row], tuple[type[Any], set[str]]] = {
    Token: (records.TokenRecord, {"digest", "search_text"}),
    Workspace: (records.WorkspaceRecord, set()),
    Space: (records.SpaceRecord, {"search_text"}),
    Member: (records.MemberRecord, {"issuer", "ends_at"}),
    Service: (records.ServiceRecord, set()),
    PortalSession: (records.PortalSessionRecord, {"digest"}),
    User: (records.UserRecord, {"password_hash"}),
    Invitation: (records.InvitationRecord, {"digest", "mail_digest"}),
    AuditEvent: (records.AuditRecord, set()),
    AuditChain: (ChainHead, set()),
    IdempotencyKey: (KnownKey, {"caller_id", "operation", "key_digest"}),
}
"""What of a table a record has not."""

only_sqlite = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
only_postgresql = pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)

COMPUTED = {records.TokenRecord: {"successor_used_at"}, records.UserRecord: {"has_password"}}


@pytest.mark.parametrize("row", LEFT_OUT, ids=lambda row: row.__name__)
def test_a_record_has_its_tables_columns_and_their_types(row: type[Row]) -> None:
    record, left_out = LEFT_OUT[row]
    wanted = {attribute.key for attribute in inspect(row).column_attrs} - left_out
    assert set(record._fields) - COMPUTED.get(record, set()) == wanted
    of_row, of_record = get_type_hints(row), get_type_hints(record)
    assert {name: of_record[name] for name in wanted} == {name: of_row[name] for name in wanted}


async def one(reader: Reader) -> object:
    return (await reader.rows("SELECT 1"))[0][0]


async def test_what_is_written_is_what_is_read(store: Store) -> None:
    workspace = a_workspace(roles={"auditor": {"title": "Auditor", "grants": ["a"]}, "viewer": None})
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    token = a_token(workspace, grants=["é", "b"], expires_at=moment, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    token.external_id, token.metadata_ = "user-7", {"é": [1, None, {"b": 2.5}]}
    await add(store, workspace, token)

    async def read(reader: Reader) -> Any:
        values = reader.values()
        text = records.columns(records.WorkspaceRecord, "w")
        [row] = await reader.records(
            records.WorkspaceRecord,
            f"SELECT {text} FROM spacekey_workspaces w WHERE w.id = {values.bind(workspace.id)}",
            values,
        )
        return row

    found = await store.read(read)
    assert found._asdict() == workspace.model_dump()

    async def of_token(reader: Reader) -> Any:
        values = reader.values()
        columns = records.columns(records.TokenRecord, "t").replace("u.at", "NULL")
        [row] = await reader.records(
            records.TokenRecord,
            f"SELECT {columns} FROM spacekey_tokens t WHERE t.expires_at = {values.bind(moment)}",
            values,
        )
        return row

    shown = (await store.read(of_token))._asdict()
    assert shown.pop("successor_used_at") is None
    assert shown == {name: value for name, value in token.model_dump().items() if name in shown}


async def test_a_refusal_keeps_the_connection(store: Store) -> None:
    numbers = set()
    for _ in range(5):
        with pytest.raises(NotFound):
            await store.read(_refusing)
        numbers.add(await store.read(_connection))
    assert len(numbers) == 1


async def _refusing(reader: Reader) -> None:
    await one(reader)
    raise NotFound("token")


async def _connection(reader: Reader) -> object:
    if reader.dialect == POSTGRESQL:
        return (await reader.rows("SELECT pg_backend_pid()"))[0][0]
    return id(reader._connection)  # type: ignore[attr-defined] # which one it is, is the promise


@only_sqlite
async def test_reading_writes_nothing(store: Store) -> None:
    async def write(reader: Reader) -> None:
        await reader.rows("DELETE FROM spacekey_workspaces")

    workspace = a_workspace()
    await add(store, workspace)
    with pytest.raises(ServiceUnavailable):
        await store.read(write)
    async with store.reading() as session:
        assert await session.get(Workspace, workspace.id) is not None


@only_sqlite
async def test_a_read_holds_up_neither_the_loop_nor_verification_and_ends_with_its_caller(store: Store) -> None:
    """Each endless search has a thread of its own; when its caller goes, the statement ends and the thread is free."""
    lookup = SqliteLookup(store.url.database or "")

    async def search(reader: Reader) -> None:
        await reader.rows(ENDLESS)

    for _ in range(3):
        searches = [asyncio.create_task(store.read(search)) for _ in range(READ_THREADS)]
        for _ in range(20):
            assert await lookup.by_digest(bytes(32)) is None
            await asyncio.sleep(0)
        assert not any(task.done() for task in searches)
        for task in searches:
            task.cancel()
        await asyncio.gather(*searches, return_exceptions=True)
    # They ended: READ_THREADS more reads find a thread each.
    assert await asyncio.gather(*(store.read(one) for _ in range(2 * READ_THREADS))) == [1] * 2 * READ_THREADS
    await lookup.aclose()


@only_sqlite
@pytest.mark.parametrize("begun", [True, False], ids=["before its statement", "before it began"])
async def test_a_read_whose_caller_goes_early_ends_too(store: Store, begun: bool) -> None:
    """The statement begins after the caller has gone, when there was nothing to interrupt yet."""
    started, gone, ended = Event(), Event(), Event()
    errors: list[str] = []

    async def search(reader: Reader) -> None:
        started.set()
        gone.wait()
        try:
            await reader.rows(MINUTES)
        except sqlite3.OperationalError as error:
            errors.append(str(error))
            raise
        finally:
            ended.set()

    task = asyncio.create_task(store.read(search))
    await asyncio.sleep(0)
    if begun:
        await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gone.set()
    if await asyncio.to_thread(started.wait, None if begun else 1):
        await asyncio.to_thread(ended.wait)
        assert errors == ["interrupted"]
    assert await store.read(one) == 1


@only_sqlite
async def test_a_function_may_wait_for_its_reader_only(store: Store) -> None:
    async def sleeps(_reader: Reader) -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="wait for its reader only"):
        await store.read(sleeps)
    assert await store.read(one) == 1


@only_sqlite
async def test_a_file_that_was_replaced_is_not_read(store: Store) -> None:
    assert await store.read(one) == 1
    file = Path(store.url.database or "")
    with _replaced(file), pytest.raises(ServiceUnavailable, match="moved, deleted or replaced"):
        await store.read(one)
    assert await store.read(one) == 1


@contextmanager
def _replaced(file: Path) -> Iterator[None]:
    kept = file.rename(file.with_suffix(".kept"))
    file.touch()
    try:
        yield
    finally:
        kept.replace(file)


async def test_a_closed_store_opens_again(store: Store) -> None:
    assert await store.read(one) == 1
    await store.aclose()
    assert await store.read(one) == 1


@only_sqlite
async def test_a_forked_process_reads_with_threads_of_its_own(store: Store) -> None:
    assert await store.read(one) == 1
    process = os.fork()
    if process == 0:
        asyncio.events._set_running_loop(None)
        code = 1
        try:
            code = 0 if asyncio.new_event_loop().run_until_complete(store.read(one)) == 1 else 2
        finally:
            os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, process, 0)
    assert os.waitstatus_to_exitcode(status) == 0


@only_postgresql
async def test_a_connection_that_went_stale_is_replaced(store: Store) -> None:
    pid = await store.read(_connection)

    async with store.reading() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    assert await store.read(one) == 1
    assert await store.read(_connection) != pid


@only_postgresql
async def test_a_value_that_is_refused_keeps_the_connection_and_is_the_callers_fault(store: Store) -> None:
    pid = await store.read(_connection)

    async def bad(reader: Reader) -> None:
        await reader.rows("SELECT 'x'::integer")

    with pytest.raises(InvalidInput):
        await store.read(bad)
    assert await store.read(_connection) == pid
