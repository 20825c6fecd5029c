"""What ``audit verify`` notices of changes that went round Spacekey, and what only a kept head does."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import ActorKind
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.run import upgrade
from spacekey.models.queries.audit import audit_chains, audit_events
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditEvent
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.audit.chains import ChainReport, Head, audit_heads, verify_chains, write_checkpoints
from spacekey.resolvers.audit.log import SALT_BYTES, actor_digest, event_hash, target_digest
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.spaces import create_space
from support.postgres import in_a_thread
from support.rows import a_user, add
from support.snapshot import snapshot
from support.world import OPERATOR, World, make_world

Rows = list[tuple[Any, ...]]

E, C = "spacekey_audit_events", "spacekey_audit_chains"
COLUMNS = [column.name for column in AuditEvent.__table__.columns]
BYTES = {"hash", "actor_salt", "actor_digest", "target_salt", "target_digest"}
NUMBERS = {"sequence", "version", "actor_erased", "target_erased"}


async def fill(world: World) -> None:
    """Three chains: one that goes on after its checkpoint, one that does not, one of a deleted workspace."""
    first, second = await world.workspace("guard"), await world.workspace("emit")
    third = await world.workspace("guard")
    owner = await world.member(first, "owner")
    for slug in ("one", "two", "three"):
        await create_space(world.system, owner, first.id, name=slug, slug=slug)
        await create_space(world.system, OPERATOR, second.id, name=slug, slug=slug)
    await delete_workspace(world.system, OPERATOR, third.id)
    await write_checkpoints(world.system)
    for slug in ("four", "five"):
        await create_space(world.system, owner, first.id, name=slug, slug=slug)


def file_of(store: Store) -> Path:
    return Path(store.url.database or "")


def unlocked(file: Path) -> sqlite3.Connection:
    """A connection of a person who may write the whole database."""
    connection = sqlite3.connect(file)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def log_of(connection: sqlite3.Connection) -> dict[str, Rows]:
    """Chain → its rows in order."""
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    found: dict[str, Rows] = {}
    for row in connection.execute(f"SELECT {names} FROM {E} ORDER BY chain, sequence"):
        found.setdefault(row[COLUMNS.index("chain")], []).append(row)
    return found


def heads_of(connection: sqlite3.Connection) -> dict[str, tuple[int, bytes, int]]:
    found = connection.execute(f"SELECT chain, sequence, hash, anchored FROM {C}")
    return {chain: (sequence, written, anchored) for chain, sequence, written, anchored in found}


def checked(file: Path, kept: list[Head] | None = None) -> list[ChainReport]:
    found: list[ChainReport] = []

    async def work() -> None:
        store = Store(f"sqlite:///{file}")
        try:
            found.extend(await verify_chains(make_world(store).system, kept=kept))
        finally:
            await store.aclose()

    in_a_thread(work)
    return found


@pytest.fixture
async def log(store: Store, tmp_path: Path) -> Path:
    """A file with a filled log in it, checkpointed into one file."""
    await fill(make_world(store))
    await store.aclose()
    file = tmp_path / "log.db"
    with closing(sqlite3.connect(file_of(store))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(file_of(store), file)
    return file


class Change:
    """One statement that Hypothesis picked, and the words for it."""

    def __init__(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        self.statement, self.values = statement, values

    def __repr__(self) -> str:
        return f"{self.statement} {self.values}"


def a_value(column: str) -> st.SearchStrategy[Any]:
    if column in BYTES:
        return st.binary(min_size=32, max_size=32) if column == "hash" else st.none() | st.binary(max_size=32)
    return st.integers(-1, 12) if column in NUMBERS else st.text(max_size=8)


@st.composite
def changes(draw: st.DrawFn, log: dict[str, Rows]) -> Change:
    """Any deletion, modification, reordering, truncation or insertion of rows."""
    chain = draw(st.sampled_from(sorted(log)))
    number = draw(st.integers(1, len(log[chain])))
    other = draw(st.integers(1, len(log[chain])))
    at = (chain, number)
    match draw(st.sampled_from(["modify", "delete", "cut", "clear", "swap", "copy", "head", "anchored"])):
        case "modify":
            column = draw(st.sampled_from(COLUMNS))
            value = draw(a_value(column))
            return Change(
                f'UPDATE OR IGNORE {E} SET "{column}" = ? WHERE chain = ? AND sequence = ?',
                (value, *at),
            )
        case "delete":
            return Change(f"DELETE FROM {E} WHERE chain = ? AND sequence = ?", at)
        case "cut":
            return Change(
                f"DELETE FROM {E} WHERE chain = ? AND sequence > ?;"
                f"UPDATE OR IGNORE {C} SET (sequence, hash) = (SELECT sequence, hash FROM {E} "
                "WHERE chain = ? AND sequence = ?) WHERE chain = ?",
                (*at, *at, chain),
            )
        case "clear":
            return Change(
                f"DELETE FROM {E} WHERE chain = ?;DELETE FROM {C} WHERE chain = ?",
                (chain, chain),
            )
        case "swap":
            return Change(
                f"UPDATE {E} SET sequence = -1 WHERE chain = ? AND sequence = ?;"
                f"UPDATE {E} SET sequence = ? WHERE chain = ? AND sequence = ?;"
                f"UPDATE {E} SET sequence = ? WHERE chain = ? AND sequence = -1",
                (*at, number, chain, other, other, chain),
            )
        case "copy":
            names = ", ".join(f'"{name}"' for name in COLUMNS if name not in {"id", "sequence"})
            return Change(
                f"INSERT OR IGNORE INTO {E} (id, sequence, {names}) "
                f"SELECT id || 'x', {len(log[chain]) + 1}, {names} FROM {E} WHERE chain = ? AND sequence = ?",
                at,
            )
        case "head":
            return Change(f"UPDATE {C} SET sequence = ? WHERE chain = ?", (other, chain))
    return Change(f"UPDATE {C} SET anchored = ? WHERE chain = ?", (draw(st.integers(0, number)), chain))


def apply(connection: sqlite3.Connection, change: Change) -> None:
    values = iter(change.values)
    for statement in change.statement.split(";"):
        connection.execute(statement, [next(values) for _ in range(statement.count("?"))])


def cannot_be_noticed(
    before: dict[str, Rows], after: dict[str, Rows], heads: dict[str, tuple[int, bytes, int]]
) -> bool:
    """The kind that docs/how-to/audit.md names: ends cut off to where no checkpoint vouches for them, heads and all.

    Checkpoints are looked for in the rows that are left of the system's chain, and so are cut off with its end.
    """
    for chain, rows in before.items():
        left = after.get(chain, [])
        if left != rows[: len(left)]:
            return False
        head = heads.get(chain)
        if (head is None) != (not left) or (
            head is not None and head[:2] != (left[-1][COLUMNS.index("sequence")], left[-1][COLUMNS.index("hash")])
        ):
            return False
    if set(after) - set(before):
        return False
    vouched: dict[str, int] = {}
    for row in after.get(SYSTEM_CHAIN, []):
        if row[COLUMNS.index("action")] == "audit.checkpoint":
            vouched |= {
                chain: number for chain, (number, _) in json.loads(row[COLUMNS.index("after")])["heads"].items()
            }
    return all(number <= len(after.get(chain, [])) for chain, number in vouched.items()) and all(
        anchored <= vouched.get(chain, 0) for chain, (_, _, anchored) in heads.items() if chain != SYSTEM_CHAIN
    )


@pytest.mark.parametrize("database_kind", [SQLITE])
@pytest.mark.long
def test_whatever_sql_does_to_the_log_is_reported_or_of_the_documented_kind(log: Path) -> None:
    with closing(sqlite3.connect(log)) as connection:
        before = log_of(connection)
    assert {len(rows) > 1 for rows in before.values()} == {True}
    assert [one.problem for one in checked(log)] == [None] * len(before)
    noticed = {True: 0, False: 0}

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(changes(before), min_size=1, max_size=3))
    def held(picked: list[Change]) -> None:
        file = log.with_name("tampered.db")
        shutil.copyfile(log, file)
        with closing(unlocked(file)) as connection:
            for change in picked:
                apply(connection, change)
            connection.commit()
            after, heads = log_of(connection), heads_of(connection)
        problems = [one.problem for one in checked(file) if one.problem is not None]
        assert bool(problems) == (not cannot_be_noticed(before, after, heads)), problems
        noticed[bool(problems)] += 1

    held()
    assert min(noticed.values()) > 0


def problems(file: Path, kept: list[Head] | None = None) -> dict[str, tuple[int | None, str]]:
    return {one.chain: (one.broken_at, one.problem) for one in checked(file, kept) if one.problem is not None}


@pytest.fixture
def workspaces(log: Path) -> Iterator[list[str]]:
    """The three workspaces' ids, in the order in which they were made."""
    with closing(sqlite3.connect(log)) as connection:
        yield [row[0] for row in connection.execute("SELECT id FROM spacekey_workspaces ORDER BY rowid")]


@pytest.mark.parametrize("database_kind", [SQLITE])
def test_a_chain_that_was_taken_away_whole_is_missed(log: Path, workspaces: list[str]) -> None:
    for chain in workspaces:
        with closing(unlocked(log)) as connection:
            apply(
                connection,
                Change(
                    f"DELETE FROM {E} WHERE chain = ?;DELETE FROM {C} WHERE chain = ?",
                    (chain, chain),
                ),
            )
            connection.commit()
    found = problems(log)
    assert set(found) == set(workspaces)
    assert all(at == 1 and "checkpoint" in problem for at, problem in found.values())


@pytest.mark.parametrize("database_kind", [SQLITE])
def test_a_cut_with_its_head_moved_back_is_missed_as_far_as_the_last_checkpoint(
    log: Path, workspaces: list[str]
) -> None:
    first, second, _ = workspaces
    for chain, kept in ((first, 2), (second, 3)):
        with closing(unlocked(log)) as connection:
            connection.execute(f"DELETE FROM {E} WHERE chain = ? AND sequence > ?", (chain, kept))
            connection.execute(
                f"UPDATE OR IGNORE {C} SET (sequence, hash) = (SELECT sequence, hash FROM {E} "
                "WHERE chain = ? AND sequence = ?) WHERE chain = ?",
                (chain, kept, chain),
            )
            connection.commit()
    found = problems(log)
    assert {chain: at for chain, (at, _) in found.items()} == {first: 3, second: 4}


async def rewritten(file: Path) -> None:
    """The first workspace's log without its last event, and every chain and checkpoint written as if it never was."""
    store = Store(f"sqlite:///{file}")
    async with store.changing() as session:
        for chain in [one for one in await audit_chains(session) if one != SYSTEM_CHAIN] + [SYSTEM_CHAIN]:
            previous, heads = bytes(32), {}
            async for event in audit_events(session, chain):
                if event.action == "space.create":
                    event.actor_name, event.actor_salt = "mallory", bytes(SALT_BYTES)
                    event.actor_digest = actor_digest(event)
                    event.target_digest = target_digest(event)
                if event.action == "audit.checkpoint":
                    heads = {
                        one: [number, (await _hash_at(session, one, number)).hex()]
                        for one, (number, _) in (event.after or {})["heads"].items()
                    }
                    event.after = {"heads": heads}
                previous = event.hash = event_hash(previous, event)
                session.add(event)
            await session.flush()
            await (await session.connection()).execute(
                text(f"UPDATE {C} SET hash = :h WHERE chain = :c"), {"h": previous, "c": chain}
            )
    await store.aclose()


async def _hash_at(session: AsyncSession, chain: str, number: int) -> bytes:
    found = await (await session.connection()).execute(
        text(f"SELECT hash FROM {E} WHERE chain = :c AND sequence = :n"), {"c": chain, "n": number}
    )
    return bytes(found.scalar_one())


@pytest.mark.parametrize("database_kind", [SQLITE])
def test_a_database_that_was_rewritten_whole_is_noticed_by_a_kept_head_alone(log: Path, workspaces: list[str]) -> None:
    kept: list[Head] = []

    async def keep() -> None:
        store = Store(f"sqlite:///{log}")
        kept.extend(await audit_heads(make_world(store).system))
        await store.aclose()

    in_a_thread(keep)
    with closing(unlocked(log)) as connection:
        connection.commit()
    in_a_thread(lambda: rewritten(log))
    assert problems(log) == {}
    found = problems(log, kept)
    assert SYSTEM_CHAIN in found
    assert set(found) >= set(workspaces[:2])
    assert all("a saved head" in problem for _, problem in found.values())


@pytest.mark.parametrize("database_kind", [SQLITE])
async def test_events_that_come_while_it_is_checked_are_no_problem(store: Store) -> None:
    world = make_world(store)
    await fill(world)
    kept = await audit_heads(world.system)
    await fill_more(world)
    assert {one.problem for one in await verify_chains(world.system, kept=kept)} == {None}


async def fill_more(world: World) -> None:
    workspace = await world.workspace("guard")
    await create_space(world.system, OPERATOR, workspace.id, name="six", slug="six")
    assert await write_checkpoints(world.system) > 0
    assert await write_checkpoints(world.system) == 0


# A database of version 1 still verifies, and erasing names breaks nothing that ids say.


WORKSPACE = "ws_00000000000000000000000001"
ACTORS = [
    ("usr_00000000000000000000000001", "ada@example.com", ActorKind.PERSON),
    ("key_00000000000000000000000001", "bot", ActorKind.TOKEN),
    ("operator", "operator", ActorKind.OPERATOR),
    ("nobody", "nobody", ActorKind.PERSON),
]


@pytest.fixture
async def old(bare_database_url: str) -> AsyncIterator[Store]:
    """A store at revision 0002, as the version before wrote it."""
    store = Store(bare_database_url)
    await migrate._run(store, lambda config: command.upgrade(config, "0002"))
    yield store
    await store.aclose()


def hash_of_version_1(previous: bytes, facts: dict[str, Any]) -> bytes:
    """As the version before computed it: every column but the hash, the time with its offset."""
    written = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + written.encode()).digest()


async def fill_as_version_1(store: Store) -> None:
    """A chain of version 1 in a workspace of then."""
    async with store.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO spacekey_workspaces (id, name, slug, catalog, plan, roles, expiry_required, created_at) "
                f"VALUES ('{WORKSPACE}', 'Old', 'old', 'guard', 'free', '{{}}', false, '2026-01-01 00:00:00')"
            )
        )
        previous = bytes(32)
        for sequence, (actor_id, name, _) in enumerate(ACTORS, 1):
            facts: dict[str, Any] = {
                "id": f"evt_{sequence:026}",
                "chain": WORKSPACE,
                "sequence": sequence,
                "at": "2026-01-01T00:00:00.000000+00:00",
                "action": "member.add",
                "outcome": "success",
                "actor_id": actor_id,
                "actor_name": name,
                "credential": "session",
                "target_id": "usr_00000000000000000000000002",
                "before": None,
                "after": {"email": "bob@example.com", "role": "viewer"},
                "ip": "192.0.2.1",
                "user_agent": "tests",
                "request_id": "r1",
            }
            previous = hash_of_version_1(previous, facts)
            row = {**facts, "at": "2026-01-01 00:00:00", "after": json.dumps(facts["after"]), "hash": previous}
            at = ":at" if store.dialect == SQLITE else "'2026-01-01 00:00:00+00'"
            after = ":after" if store.dialect == SQLITE else "cast(:after AS json)"
            row.pop("before")
            await connection.execute(
                text(
                    "INSERT INTO spacekey_audit_events (id, chain, sequence, at, action, outcome, actor_id, "
                    'actor_name, credential, target_id, "after", ip, user_agent, request_id, hash) VALUES '
                    f"(:id, :chain, :sequence, {at}, :action, :outcome, :actor_id, :actor_name, :credential, "
                    f":target_id, {after}, :ip, :user_agent, :request_id, :hash)"
                ),
                row if store.dialect == SQLITE else {key: one for key, one in row.items() if key != "at"},
            )
        await connection.execute(
            text(
                "INSERT INTO spacekey_audit_chains (chain, sequence, hash) "
                f"VALUES ('{WORKSPACE}', {len(ACTORS)}, :hash)"
            ),
            {"hash": previous},
        )


async def rows(store: Store, chain: str = WORKSPACE) -> list[AuditEvent]:
    async with store.reading() as session:
        return [event async for event in audit_events(session, chain)]


async def test_a_database_of_version_1_verifies_and_goes_on_in_version_2(old: Store) -> None:
    await fill_as_version_1(old)
    await upgrade(old)
    world = make_world(old)
    await create_space(world.system, OPERATOR, WORKSPACE, name="New", slug="fresh")
    events = await rows(old)
    assert [event.version for event in events] == [1] * len(ACTORS) + [2]
    assert [event.actor.kind for event in events[:-1]] == [kind for _, _, kind in ACTORS]
    assert {report.problem for report in await verify_chains(world.system)} == {None}


async def test_names_of_version_1_are_held_by_the_hash(old: Store) -> None:
    await fill_as_version_1(old)
    await upgrade(old)
    world = make_world(old)
    async with old.engine.begin() as connection:
        if old.dialect == SQLITE:
            await connection.execute(text("DROP TRIGGER spacekey_audit_events_no_update"))
        else:
            await connection.execute(text("ALTER TABLE spacekey_audit_events DISABLE TRIGGER USER"))
        await connection.execute(text("UPDATE spacekey_audit_events SET actor_name = 'mallory' WHERE sequence = 2"))
    reports = {report.chain: report for report in await verify_chains(world.system)}
    assert reports[WORKSPACE].broken_at == 2
    assert SYSTEM_CHAIN not in reports or reports[SYSTEM_CHAIN].problem is None


async def test_erasing_a_person_leaves_a_gap_of_version_1_that_is_told_apart_from_tampering(old: Store) -> None:
    await fill_as_version_1(old)
    await upgrade(old)
    world = make_world(old)
    bob = a_user(id="usr_00000000000000000000000002", email="bob@example.com", name="Bob")
    await add(old, bob)
    await create_space(world.system, OPERATOR, WORKSPACE, name="New", slug="fresh")
    await erase_user(world.system, OPERATOR, bob.id)
    events = await rows(old)
    assert [event.after for event in events[: len(ACTORS)]] == [{"role": "viewer"}] * len(ACTORS)
    assert "bob@example.com" not in repr(await snapshot(old))
    reports = {report.chain: report for report in await verify_chains(world.system)}
    assert (reports[WORKSPACE].problem, reports[WORKSPACE].erased) == (None, len(ACTORS))
