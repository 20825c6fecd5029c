"""An installation of an earlier version goes on after the upgrade: the same access, every row, an audit log that fits.

Each ``installation_NNNN`` was written by that version (``support.installation``), with rows in every table.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from argon2 import PasswordHasher
from sqlalchemy import JSON, Boolean, Column, Connection, DateTime, MetaData, Table, inspect, text

from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.run import current, downgrade, upgrade
from spacekey.models.migrations.schema_version import SchemaState
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.sessions import sign_in
from spacekey.resolvers.audit.chains import Head, verify_chains
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from support.credentials import Home, access
from support.rows import users_by_ids
from support.world import FACTS, OPERATOR, PASSWORD, StoppedClock, World, make_world

HERE = Path(__file__).parent
REVISIONS = sorted(
    one.name.partition("_")[2] for one in HERE.glob("installation_*") if (one / "credentials.json").exists()
)


def facts_of(revision: str, name: str) -> dict[str, Any]:
    found = json.loads((HERE / f"installation_{revision}" / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def installed(bare_database_url: str, revision: str) -> AsyncIterator[Store]:
    """A database as the version left it."""
    store = Store(bare_database_url)
    await migrate._run(store, lambda config: command.upgrade(config, revision))
    async with store.engine.begin() as connection:
        await connection.run_sync(load, facts_of(revision, "rows"))
    yield store
    await store.aclose()


def load(connection: Connection, content: dict[str, dict[str, list[Any]]]) -> None:
    """Insert the rows, in the form in which SQLite keeps them."""
    sqlite = connection.dialect.name == SQLITE
    # Tokens refer to each other.
    off = "PRAGMA foreign_keys=OFF" if sqlite else "SET LOCAL session_replication_role = replica"
    connection.exec_driver_sql(off)
    for name, one in content.items():
        table = Table(name, MetaData(), *(Column(c["name"], c["type"]) for c in inspect(connection).get_columns(name)))
        for row in one["rows"]:
            values = {
                column: bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
                for column, value in zip(one["columns"], row, strict=True)
            }
            if sqlite:
                names, marks = ", ".join(f'"{column}"' for column in values), ", ".join("?" for _ in values)
                connection.exec_driver_sql(f"INSERT INTO {name} ({names}) VALUES ({marks})", tuple(values.values()))
            else:
                connection.execute(
                    table.insert().values({c: typed(table, c, v) for c, v in values.items() if v is not None})
                )
    if sqlite:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def typed(table: Table, column: str, value: Any) -> Any:
    """A value of SQLite's as PostgreSQL takes it."""
    kind = table.columns[column].type
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    if isinstance(kind, Boolean):
        return bool(value)
    return json.loads(value) if isinstance(kind, JSON) else value


async def counts(store: Store, names: list[str]) -> dict[str, int]:
    async with store.engine.connect() as connection:
        return {name: (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() for name in names}


async def test_an_installation_is_upgraded_with_everything_in_it(installed: Store, revision: str) -> None:
    rows, kept = facts_of(revision, "rows"), facts_of(revision, "credentials")
    world = make_world(installed, clock=StoppedClock(datetime.fromisoformat(kept["at"])))
    home = Home(
        world,
        tokens=kept["tokens"],
        invitations=kept["invitations"],
        spaces=kept["spaces"],
        people={way: MemberCaller(id_, name, FACTS) for way, (id_, name) in kept["people"].items()},
        portal={way: (id_, Secret(secret)) for way, (id_, secret) in kept["portal"].items()},
        secrets={way: Secret(one) for way, one in kept["secrets"].items()},
        sessions={way: Secret(one) for way, one in kept["sessions"].items()},
        codes={way: Secret(one) for way, one in kept["codes"].items()},
        services={way: Secret(one) for way, one in kept["services"].items()},
    )
    before = await counts(installed, list(rows))
    assert before == {name: len(one["rows"]) for name, one in rows.items()}
    assert 0 not in before.values()

    await upgrade(installed)

    assert (await current(installed)).state is SchemaState.CURRENT
    assert await counts(installed, list(rows)) == before
    heads = [Head(chain, number, bytes.fromhex(written)) for chain, number, written in kept["heads"]]
    assert {one.problem for one in await verify_chains(world.system, kept=heads)} == {None}
    assert {what: sorted(scopes) for what, scopes in (await access(home, world)).items()} == kept["access"]

    issued = await create_token(
        world.system, OPERATOR, NewToken(await main_workspace(installed), "new", ("jobs:read",))
    )
    await revoke_token(world.system, OPERATOR, issued.view.token.id)
    await revoke_token(world.system, OPERATOR, home.tokens["kept"])
    assert {one.problem for one in await verify_chains(world.system, kept=heads)} == {None}


async def main_workspace(store: Store) -> str:
    async with store.engine.connect() as connection:
        found = await connection.execute(text("SELECT id FROM spacekey_workspaces WHERE slug = 'kept-renamed'"))
        return str(found.scalar_one())


# A database from before addresses were proven: who made what is found out, and everyone still signs in.


BEFORE = "0002"
HOME = "ws_" + "1" * 26
THEN = datetime(2026, 5, 1, 12, tzinfo=UTC)
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

USERS = {
    "usr_operators": "operators@example.com",
    "usr_invited": "invited@example.com",
    "usr_program": "program@example.com",
    "usr_plain": "a@tesla.test",
    "usr_long_s": "a@teſla.test",
    "usr_sharp": "straße@example.com",
    "usr_hidden": "own\u200ber@example.com",
    "usr_strange": "a@ſ.test",
}
"""Accounts with a password; the first, the third and the last by the operator or a program."""


@pytest.fixture
async def old(bare_database_url: str) -> AsyncIterator[Store]:
    """A database at the revision before, with people in it."""
    store = Store(bare_database_url)
    await migrate._run(store, lambda config: command.upgrade(config, BEFORE))
    await fill(store)
    yield store
    await store.aclose()


def moment(store: Store, at: datetime = THEN) -> Any:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if store.dialect == SQLITE else at


async def insert(store: Store, table: str, **values: Any) -> None:
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    async with store.engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)


async def fill(store: Store) -> None:
    hashed, then = HASHER.hash(PASSWORD), moment(store)
    for user_id, email in USERS.items():
        await insert(store, "spacekey_users", id=user_id, email=email, name="N", password_hash=hashed, created_at=then)
    for user_id in ("usr_waiting", "usr_owning", "usr_nameless"):
        email = f"{user_id}@example.com"
        await insert(store, "spacekey_users", id=user_id, email=email, name="Joke", password_hash=None, created_at=then)
    await insert(
        store,
        "spacekey_workspaces",
        id=HOME,
        name="W",
        slug="w",
        catalog="emit",
        plan="free",
        roles="{}",
        expiry_required=False,
        created_at=then,
    )
    for user_id, role in (("usr_invited", "owner"), ("usr_owning", "owner")):
        await insert(store, "spacekey_members", workspace_id=HOME, user_id=user_id, role=role, created_at=then)
    await insert(
        store,
        "spacekey_user_sessions",
        digest=b"s" * 32,
        id="ses_1",
        user_id="usr_invited",
        created_at=then,
        last_seen_at=then,
        expires_at=then,
        ip="",
        user_agent="",
    )
    for number, user_id in enumerate(("usr_waiting", "usr_nameless", "usr_operators"), 1):
        await insert(
            store,
            "spacekey_invitations",
            digest=bytes([number]) * 32,
            id=f"inv_{number}",
            user_id=user_id,
            workspace_id=HOME,
            role="viewer",
            invited_by="invited@example.com",
            created_at=then,
            expires_at=moment(store, datetime(2026, 8, 1, tzinfo=UTC)),
            used_at=None,
        )
    events = [
        ("system", "user.create", "operator", "usr_operators"),
        ("system", "user.create", "operator", "usr_strange"),
        ("system", "user.create", "usr_other", "usr_program"),
        (HOME, "member.invite", "usr_invited", "inv_1"),
        (HOME, "member.invite", "operator", "inv_3"),
    ]
    for number, (chain, action, actor, target) in enumerate(events, 1):
        await insert(
            store,
            "spacekey_audit_events",
            id=f"evt_{number}",
            chain=chain,
            sequence=number,
            at=then,
            action=action,
            outcome="success",
            actor_id=actor,
            actor_name=actor,
            credential="c",
            target_id=target,
            ip="",
            user_agent="",
            request_id="",
            hash=bytes(32),
        )

    for chain in ("system", HOME):
        await insert(store, "spacekey_audit_chains", chain=chain, sequence=len(events), hash=bytes(32))


async def migrated(old: Store) -> World:
    await upgrade(old)
    return make_world(old)


async def test_only_what_the_operator_made_is_proven(old: Store) -> None:
    await migrated(old)
    async with old.reading() as session:
        users = await users_by_ids(session, USERS)
    proven = {one.id for one in users if one.email_proven_at is not None}
    assert proven == {"usr_operators"}
    assert {one.id: one.email for one in users} == USERS


async def test_everyone_signs_in_with_the_text_they_signed_in_with(old: Store) -> None:
    world = await migrated(old)
    for user_id, email in USERS.items():
        for typed in (email, f" {email} ", *([email.upper()] if email.upper().lower() == email else [])):
            signed_in = await sign_in(world.system, FACTS, email=typed, password=PASSWORD)
            assert signed_in.user.id == user_id, typed


async def test_people_who_never_accepted_are_gone_but_no_membership_is(old: Store) -> None:
    await migrated(old)
    async with old.reading() as session:
        users = await users_by_ids(session, ["usr_waiting", "usr_nameless", "usr_owning"])
        assert [one.id for one in users] == ["usr_owning"]
        assert users[0].password_hash is None
        for user_id in ("usr_invited", "usr_owning"):
            member = await workspace_queries.member(session, HOME, user_id)
            assert member is not None
            assert member.role == "owner"
        found = await user_queries.session_by_digest(session, b"s" * 32)
        assert found is not None
        assert found[1].id == "usr_invited"


async def test_an_invitation_is_kept_with_its_maker_or_not_at_all(old: Store) -> None:
    await migrated(old)
    async with old.reading() as session:
        kept = {
            one.id: (one.email, one.inviter_kind, one.inviter_id)
            for one in await invitation_queries.pending_invitations(session, HOME, THEN)
        }
    assert kept == {
        "inv_3": ("operators@example.com", "operator", "operator"),
        "inv_1": ("usr_waiting@example.com", "person", "usr_invited"),
    }


async def test_nothing_points_at_a_row_that_is_gone_and_new_ones_cannot(old: Store) -> None:
    await migrated(old)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await insert(
            old, "spacekey_members", workspace_id=HOME, user_id="usr_none", role="owner", created_at=moment(old)
        )


async def test_it_goes_back_while_every_account_has_an_address_of_its_own(old: Store) -> None:
    await migrated(old)
    await downgrade(old, BEFORE)
    await upgrade(old)
    async with old.reading() as session:
        assert {one.id for one in await users_by_ids(session, USERS)} == set(USERS)
    async with old.changing() as session:
        for user in await users_by_ids(session, ["usr_plain"]):
            user.email = None
            session.add(user)
    with pytest.raises(RuntimeError, match="older version cannot hold"):
        await downgrade(old, BEFORE)


async def test_a_code_of_before_is_accepted_and_gives_what_it_says(old: Store) -> None:
    """To an address that the operator made an account with: the new account does not get its name or its proof."""
    code = Secret("a-code-of-before")
    async with old.engine.begin() as connection:
        statement = text("UPDATE spacekey_invitations SET digest = :digest WHERE id = 'inv_3'")
        await connection.execute(statement, {"digest": code.digest()})
    world = await migrated(old)
    joined = await accept_invitation(world.system, FACTS, None, code=code.reveal(), password="seven boats in the rain!")
    assert (joined.user.email, joined.user.email_proven_at) == ("operators@example.com", None)
    assert joined.user.sign_in_name is None
