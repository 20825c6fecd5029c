"""Verification of the audit log: its chains are recomputed and compared with checkpoints and saved heads.

A chain alone cannot show that its end was cut off or that all of it was removed. So the heads of all chains are written
to the system's chain: a workspace's head with its first event, with its deletion, and periodically. A head that is
saved outside the database (``spacekey audit heads``) protects the system's chain itself. docs/how-to/audit.md says what
can be detected and what cannot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import UserError
from spacekey.models.queries import audit as audit_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditChain, AuditEvent
from spacekey.resolvers.system import System

from .log import CHECKPOINT, ERASE, ERASED_WITH, GENESIS, HASHED, HEADS, actor_digest, anchor, event_hash, target_digest

log = logging.getLogger("spacekey.audit")

CHECKPOINT_SECONDS = 300.0
HEADS_MAX = 100
"""Maximum number of heads in one checkpoint."""

BY_CHECKPOINT = "a checkpoint in the system's chain"
BY_KEPT_HEAD = "a saved head"


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of an event of a chain."""

    chain: str
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Result of verifying one chain.

    ``broken_at`` is the first sequence number that does not verify and ``problem`` says why; both are None for an
    intact chain. ``erased`` counts events whose names were erased with a person, which does not break the chain.
    """

    chain: str
    events: int
    broken_at: int | None
    erased: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Expected:
    """Expected hashes from the system's chain and the saved heads: number → (hash, source)."""

    numbers: Mapping[str, Mapping[int, tuple[bytes, str]]]
    erased_ids: frozenset[str]
    lost: str | None
    """Reason why the system's chain must have lost a checkpoint, or None if it has not."""


async def write_checkpoints(system: System) -> int:
    """Write a checkpoint for every chain that has grown since its last one, and return how many there were.

    Chains that another transaction is appending to are left for the next call.
    """
    count = 0
    while True:
        async with system.store.changing() as session:
            moved = await audit_queries.lock_moved_chains(session, HEADS_MAX)
            if moved:
                await anchor(session, system, moved)
        count += len(moved)
        if len(moved) < HEADS_MAX:
            return count


async def keep_writing_checkpoints(system: System) -> None:
    """Write checkpoints every few minutes until cancelled. A failure is logged, and the next interval tries again."""
    while True:
        await asyncio.sleep(CHECKPOINT_SECONDS)
        try:
            await write_checkpoints(system)
        except (ServiceUnavailable, UserError) as error:
            log.warning("could not write a checkpoint of the audit log: %s", error)
        except Exception:
            # A bug in one round must not end the task that writes all later checkpoints.
            log.exception("could not write a checkpoint of the audit log")


async def audit_heads(system: System) -> list[Head]:
    """Return the current heads of all chains, sorted by chain, to be saved out of reach of the database's writers."""
    async with system.store.reading() as session:
        heads = await audit_queries.chain_heads(session)
    return [Head(one.chain, one.sequence, one.hash) for one in heads]


async def all_chains(system: System) -> list[str]:
    """Return the names of all chains, the system's first: then its checkpoints name nothing that an export lacks."""
    async with system.store.reading() as session:
        names = await audit_queries.audit_chains(session)
    return sorted(names, key=lambda name: (name != SYSTEM_CHAIN, name))


async def verify_chains(
    system: System, chains: list[str] | None = None, kept: list[Head] | None = None
) -> list[ChainReport]:
    """Recompute every hash of the given chains, or of all, and compare them with checkpoints and saved heads.

    :param kept: heads, or numbers and hashes of any events, from an earlier export or ``audit_heads``.
    """
    async with system.store.reading() as session:
        heads = {one.chain: one for one in await audit_queries.chain_heads(session)}
        expected = await _expected(session, heads, kept or [])
        known = {*await audit_queries.audit_chains(session), *expected.numbers}
        names = chains if chains is not None else sorted(known | ({SYSTEM_CHAIN} if expected.lost else set()))
        return [await _verify_chain(session, name, expected) for name in names]


async def _expected(session: AsyncSession, heads: Mapping[str, AuditChain], kept: list[Head]) -> _Expected:
    anchors: dict[str, tuple[int, bytes]] = {}
    erased: set[str] = set()
    lost = None
    try:
        async for event in audit_queries.audit_events(session, SYSTEM_CHAIN, CHECKPOINT):
            for chain, (sequence, written) in (event.after or {}).get(HEADS, {}).items():
                # Every hash covers the one before, so the last hash vouches for all earlier events.
                anchors[chain] = (int(sequence), bytes.fromhex(written))
        async for event in audit_queries.audit_events(session, SYSTEM_CHAIN, ERASE):
            erased.add(event.target_id)
            erased.update((event.after or {}).get(ERASED_WITH, ()))
    except (ValueError, TypeError, AttributeError):
        lost = "a checkpoint or an erasure in it cannot be read"
    for chain, head in heads.items():
        anchored = anchors.get(chain, (0, GENESIS))[0]
        if chain != SYSTEM_CHAIN and head.anchored > anchored and lost is None:
            lost = f"the checkpoint of number {head.anchored} of the chain {chain} is missing from it"
    numbers: dict[str, dict[int, tuple[bytes, str]]] = {
        chain: {sequence: (written, BY_CHECKPOINT)} for chain, (sequence, written) in anchors.items()
    }
    for one in kept:
        numbers.setdefault(one.chain, {})[one.sequence] = (one.hash, BY_KEPT_HEAD)
    return _Expected(numbers, frozenset(erased), lost)


async def _verify_chain(session: AsyncSession, chain: str, expected: _Expected) -> ChainReport:
    # Events may be appended while this reads: the last one must lie between the head before and the head after.
    first_head, first_hash = await _head(session, chain)
    numbers = expected.numbers.get(chain, {})
    previous, sequence, erased = GENESIS, 0, 0

    def broken(at: int, problem: str) -> ChainReport:
        return ChainReport(chain, sequence, at, erased, problem)

    try:
        async for event in audit_queries.audit_events(session, chain):
            problem = _problem(previous, sequence, event, expected.erased_ids)
            if problem is not None:
                return broken(sequence + 1, problem)
            erased += event.actor_erased or event.target_erased
            previous, sequence = event.hash, event.sequence
            wanted, by = numbers.get(sequence, (previous, ""))
            if wanted != previous:
                return broken(sequence, f"its hash differs from {by}")
            if sequence == first_head and first_hash != previous:
                return broken(sequence, "its hash differs from the chain's head")
    except (ValueError, TypeError, AttributeError):
        return broken(sequence + 1, "it or the event after it cannot be read")
    last, by = max([(first_head, "the chain's head"), *((number, by) for number, (_, by) in numbers.items())])
    if last > sequence:
        return broken(sequence + 1, f"it is missing: according to {by}, the chain continues to number {last}")
    if sequence > (await _head(session, chain))[0]:
        return broken(first_head + 1, f"according to the chain's head, number {first_head} is the last")
    if chain == SYSTEM_CHAIN and expected.lost is not None:
        return broken(sequence + 1, expected.lost)
    return ChainReport(chain, sequence, None, erased)


def _problem(previous: bytes, sequence: int, event: AuditEvent, erased_ids: frozenset[str]) -> str | None:
    """Return the reason why an event cannot follow ``sequence``, or None if it can."""
    if event.sequence != sequence + 1:
        return "it is missing"
    if event.version not in HASHED:
        return f"its version {event.version} is unknown: it was changed, or written by a newer Spacekey"
    if event.actor_erased and event.actor_id not in erased_ids:
        return "the actor's name was removed, but no erasure of this person is recorded"
    if event.target_erased and event.target_id not in erased_ids:
        return "the target's name was removed, but no erasure of this person is recorded"
    if event.version == 1:
        # In version 1 the hash covers the names: after an erasure the event can be linked but not recomputed.
        whole = not (event.actor_erased or event.target_erased)
        return "it was changed" if whole and event.hash != event_hash(previous, event) else None
    if event.hash != event_hash(previous, event):
        return "it was changed"
    if not event.actor_erased and event.actor_digest != actor_digest(event):
        return "the actor's name, address or user agent was changed"
    if not event.target_erased and event.target_digest != target_digest(event):
        return "the target's name or facts were changed"
    return None


async def _head(session: AsyncSession, chain: str) -> tuple[int, bytes]:
    head = await audit_queries.chain_head(session, chain)
    return (0, GENESIS) if head is None else (head.sequence, head.hash)
