"""What is said of a database that cannot be used is true, says what to do, and holds no secret."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import select

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Conflict, InvalidInput
from spacekey.models.engine.outage import outage_of
from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store, answering, watched_changes
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.migrations.run import current, upgrade
from spacekey.models.tables.setting import Setting
from support.postgres import ADMIN, PostgresServer
from support.rows import a_user, add

HIDDEN = "hidden-word"


async def said(url: str) -> str:
    """What every way of asking says, which must be the same."""
    store = Store(url)
    told = set()
    for asking in (store.ping(), add(store, a_user()), upgrade(store), current(store)):
        with pytest.raises(ServiceUnavailable) as gone:
            await asking
        told.add(str(gone.value))
        assert not gone.value.may_have_changed
        assert HIDDEN not in f"{gone.value!r} {gone.value.__cause__!r}"
    await store.aclose()
    (only,) = told
    return only


async def test_a_database_that_does_not_exist(postgres: PostgresServer) -> None:
    url = postgres.url("not_there")
    assert await said(url) == (
        "PostgreSQL has no database of this name (3D000); create it, or correct SPACEKEY_DATABASE_URL"
    )
    lookup = PostgresLookup(url)
    with pytest.raises(ServiceUnavailable, match="no database of this name"):
        await lookup.by_digest(b"d" * 32)


async def test_a_login_that_is_refused(postgres: PostgresServer) -> None:
    stranger = postgres.url("postgres").replace(f"//{ADMIN}@", f"//stranger:{HIDDEN}@")
    assert "does not accept connections from this user" in await said(stranger)


async def test_a_server_that_is_not_there() -> None:
    told = await said(f"postgresql://nobody:{HIDDEN}@127.0.0.1:1/none")
    assert told == ("the database does not answer (ConnectionRefusedError); start it, or correct SPACEKEY_DATABASE_URL")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "odd.db").write_bytes(b"not a database" * 100)
    assert "not an SQLite database, or is damaged" in await said(f"sqlite:///{tmp_path}/odd.db")


async def test_a_folder(tmp_path: Path) -> None:
    assert "must name a file" in await said(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (asyncpg.TooManyConnectionsError("sorry, 100 already"), "memory, disk or connections (53300)"),
        (asyncpg.LockNotAvailableError("of row 17"), "holds a lock that this needs (55P03)"),
        (asyncpg.InvalidPasswordError(f"for {HIDDEN}"), "rejected this user or password (28P01)"),
        (asyncpg.InterfaceError("connection is closed"), "does not answer (InterfaceError)"),
        (sqlite3.OperationalError("database is locked"), "another program has locked the SQLite file"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "let this user write"),
        (sqlite3.DatabaseError("database disk image is malformed"), "restore it from a backup"),
        (sqlite3.OperationalError("database or disk is full"), "free some space"),
        (TimeoutError(), "hangs"),
        (ConnectionResetError(HIDDEN), "does not answer (ConnectionResetError)"),
    ],
)
def test_each_kind_says_what_to_do(error: Exception, words: str) -> None:
    told = outage_of(error)
    assert told is not None
    assert words in told
    assert HIDDEN not in told


def test_a_bug_is_no_outage() -> None:
    assert outage_of(sqlite3.OperationalError("no such column: nmae")) is None


@pytest.mark.parametrize("database_kind", [SQLITE])
async def test_a_change_is_in_doubt_only_after_a_commit_was_sent(store: Store) -> None:
    hurried = Store(str(store.url), busy_seconds=0.01)
    other = sqlite3.connect(str(store.url.database), isolation_level=None)

    async def locked_out() -> bool:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailable) as refused:
            await add(hurried, a_user())
        other.execute("ROLLBACK")
        return refused.value.may_have_changed

    with watched_changes():
        assert not await locked_out()
        await add(hurried, a_user())
        assert await locked_out()
    with watched_changes():
        assert not await locked_out()
    other.close()
    await hurried.aclose()


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
async def test_a_commit_whose_answer_is_lost_is_in_doubt(store: Store, postgres: PostgresServer) -> None:
    async def killed() -> None:
        async with store.changing() as session:
            await session.connection()
            found = await (await session.connection()).execute(text("SELECT pg_backend_pid()"))
            session.add(a_user())
            await session.flush()
            postgres.execute(f"SELECT pg_terminate_backend({found.scalar_one()}, 10000)")

    with pytest.raises(ServiceUnavailable) as lost:
        await killed()
    assert lost.value.may_have_changed


ANSWERS = {
    "outage": {"08", "0A", "25", "26", "28", "3D", "3F", "40", "53", "54", "55", "57", "58", "F0", "HV", "XX"},
    "bad input": {"22"},
    "conflict": {"23"},
}
"""Class of SQLSTATE (PostgreSQL, Appendix A) → what a client is told: 503, 422, 409. All others are bugs (500)."""

WITHIN_ANOTHER_CLASS = {
    "22021": "outage",
    "22P05": "outage",
    "42501": "outage",
    "42P01": "outage",
    "42703": "outage",
} | {"42P05": "outage"}


def every_sqlstate() -> dict[str, type[asyncpg.PostgresError]]:
    """All that PostgreSQL has, as the driver lists them."""
    found = {}
    for one in vars(asyncpg.exceptions).values():
        if isinstance(one, type) and issubclass(one, asyncpg.PostgresError):
            found[str(getattr(one, "sqlstate", None))] = one
    return {sqlstate: one for sqlstate, one in found.items() if sqlstate != "None"}


@pytest.mark.parametrize("sqlstate", sorted(every_sqlstate()))
async def test_every_sqlstate_has_its_answer(sqlstate: str) -> None:
    by_class = {code: answer for answer, codes in ANSWERS.items() for code in codes}
    wanted = WITHIN_ANOTHER_CLASS.get(sqlstate) or by_class.get(sqlstate[:2], "bug")
    error = every_sqlstate()[sqlstate](HIDDEN)
    kind = IntegrityError if wanted == "conflict" else DBAPIError
    kinds = {"outage": ServiceUnavailable, "bad input": InvalidInput, "conflict": Conflict, "bug": DBAPIError}
    with pytest.raises(kinds[wanted]) as told:
        async with answering():
            raise kind("SELECT 1", {}, error)
    if wanted != "bug":
        assert HIDDEN not in f"{told.value!r} {told.value.__cause__!r}"


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
async def test_a_nul_in_a_text_is_bad_input_and_no_outage(store: Store) -> None:
    with pytest.raises(InvalidInput):
        async with store.reading() as session:
            await session.exec(select(Setting).where(Setting.name == "a\0b"))
