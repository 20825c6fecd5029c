"""A database of version 1 still verifies, and erasing names breaks nothing that ids say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from spacekey.domain.actor import ActorKind
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.migrations import run as migrate
from spacekey.models.migrations.run import upgrade
from spacekey.models.queries.audit import audit_events
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditEvent
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.workspaces.spaces import create_space
from support.rows import a_user, add
from support.snapshot import snapshot
from support.world import OPERATOR, make_world

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


async def fill(store: Store) -> None:
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
    await fill(old)
    await upgrade(old)
    world = make_world(old)
    await create_space(world.system, OPERATOR, WORKSPACE, name="New", slug="fresh")
    events = await rows(old)
    assert [event.version for event in events] == [1] * len(ACTORS) + [2]
    assert [event.actor.kind for event in events[:-1]] == [kind for _, _, kind in ACTORS]
    assert {report.problem for report in await verify_chains(world.system)} == {None}


async def test_names_of_version_1_are_held_by_the_hash(old: Store) -> None:
    await fill(old)
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
    await fill(old)
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
