"""Refused tokens in their owner's audit log: once an hour, bounded, never at a request's cost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from spacekey.domain.authentication import Reason, Rejected
from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.queries import audit as audit_queries
from spacekey.models.tables.audit import AuditEvent
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.audit.refusals import OUTCOMES, RefusalLog
from spacekey.resolvers.tokens.create import NewToken, create_token
from support.world import FACTS, OPERATOR, World, make_world


async def test_each_reason_is_written_with_its_outcome(store: Store) -> None:
    world = make_world(store)
    token_id, chain = await _token(world)
    log = RefusalLog(world.system)
    for reason in Reason:
        log.note(Rejected(reason, token_id), FACTS)
    await log.flush()
    events = await _refusals(world, chain)
    assert {event.after["reason"]: event.outcome for event in events if event.after} == {
        reason.value: outcome for reason, outcome in OUTCOMES.items()
    }
    assert {
        event.outcome for event in events if event.after and event.after["reason"] in ("rotated", "environment")
    } == {"alert"}
    assert all(event.target_id == event.actor_id == token_id for event in events)
    assert {(event.ip, event.request_id) for event in events} == {(FACTS.ip, FACTS.request_id)}
    assert [report.broken_at for report in await verify_chains(world.system, [chain])] == [None]


async def test_the_same_refusal_is_written_once_an_hour(store: Store) -> None:
    world = make_world(store)
    token_id, chain = await _token(world)
    log = RefusalLog(world.system)
    for minutes, expected in ((0, 1), (59, 1), (1, 2)):
        world.clock.forward(minutes=minutes)
        log.note(Rejected(Reason.EXPIRED, token_id), FACTS)
        await log.flush()
        assert len(await _refusals(world, chain)) == expected


async def test_refusals_of_no_token_are_nobodys_to_read(store: Store) -> None:
    world = make_world(store)
    _, chain = await _token(world)
    log = RefusalLog(world.system)
    log.note(Rejected(Reason.REVOKED, None), FACTS)
    log.note(Rejected(Reason.REVOKED, "key_unknown"), FACTS)
    await log.flush()
    assert await _refusals(world, chain) == []


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_the_memory_of_refusals_is_bounded(store: Store) -> None:
    world = make_world(store)
    log = RefusalLog(world.system, remembered_max=10, waiting_max=20)
    for number in range(1_000):
        log.note(Rejected(Reason.REVOKED, f"key_{number}"), FACTS)
    assert (len(log._noted), len(log._waiting)) == (10, 20)
    assert (log.waiting, log.lost) == (20, 980)


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_what_an_outage_lost_is_written_with_the_next_refusal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(store)
    token_id, chain = await _token(world)
    log = RefusalLog(world.system)
    with monkeypatch.context() as patched:

        def gone() -> None:
            raise ServiceUnavailable("gone")

        patched.setattr(store, "changing", gone)
        log.note(Rejected(Reason.REVOKED, token_id), FACTS)
        await log.flush()
        assert (log.waiting, log.lost) == (0, 1)
    log.note(Rejected(Reason.REVOKED, token_id), FACTS)
    await log.flush()
    assert len(await _refusals(world, chain)) == 1
    assert log.lost == 1


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_the_task_writes_by_itself(store: Store) -> None:
    world = make_world(store)
    token_id, chain = await _token(world)
    written = asyncio.Event()

    class Telling(RefusalLog):
        async def flush(self) -> None:
            await super().flush()
            written.set()

    log = Telling(world.system)
    task = asyncio.create_task(log.run())
    log.note(Rejected(Reason.REVOKED, token_id), FACTS)
    async with asyncio.timeout(120):
        await written.wait()
    assert len(await _refusals(world, chain)) == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _token(world: World) -> tuple[str, str]:
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "k", ("jobs:read",)))
    return issued.view.token.id, workspace.id


async def _refusals(world: World, chain: str) -> list[AuditEvent]:
    async with world.system.store.reading() as session:
        return [event async for event in audit_queries.audit_events(session, chain) if event.action == "token.refused"]
