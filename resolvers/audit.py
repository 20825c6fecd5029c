"""The audit log: one row in the same transaction as the change, chained by SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.clock import written_exactly
from spacekey.domain.ids import EVENT, new_id
from spacekey.models import audit_queries
from spacekey.models.audit import AuditEvent

from .caller import RequestFacts
from .system import System

GENESIS = bytes(32)
"""What stands before a chain's first event."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, as they were then."""

    id: str
    name: str
    credential: str
    request: RequestFacts


async def record(
    session: AsyncSession,
    system: System,
    actor: Actor,
    *,
    chain: str,
    action: str,
    target_id: str,
    before: Facts | None = None,
    after: Facts | None = None,
    outcome: str = "success",
) -> AuditEvent:
    """Append one event to a chain, inside the caller's transaction.

    :param chain: a workspace's id, or ``system``.
    :param action: what was done, such as ``token.revoke``.
    :param before: the changed facts as they were; JSON values only, never a secret.
    :param after: the same facts as they are now.
    """
    head = await audit_queries.lock_chain(session, chain)
    event = AuditEvent(
        id=new_id(EVENT, system.clock(), system.entropy),
        chain=chain,
        sequence=head.sequence + 1,
        at=system.clock(),
        action=action,
        outcome=outcome,
        actor_id=actor.id,
        actor_name=actor.name,
        credential=actor.credential,
        target_id=target_id,
        before=before,
        after=after,
        ip=actor.request.ip[:64],
        user_agent=printable(actor.request.user_agent, 300),
        request_id=actor.request.request_id[:64],
        hash=b"",
    )
    event.hash = event_hash(head.hash, event)
    head.sequence = event.sequence
    head.hash = event.hash
    session.add(event)
    session.add(head)
    return event


def event_hash(previous: bytes, event: AuditEvent) -> bytes:
    """SHA-256 of the previous hash and this event's canonical JSON: sorted keys, no blanks, UTF-8, ``+00:00`` for Z."""
    facts = event.model_dump(exclude={"hash"})
    facts["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What checking one chain found. ``broken_at`` is the first sequence number that does not fit."""

    chain: str
    events: int
    broken_at: int | None


async def verify_chains(system: System, chains: list[str] | None = None) -> list[ChainReport]:
    """Recompute every hash of the given chains, or of all."""
    async with system.store.reading() as session:
        names = chains if chains is not None else await audit_queries.audit_chains(session)
        return [await _verify_chain(session, name) for name in names]


async def _verify_chain(session: AsyncSession, chain: str) -> ChainReport:
    # Events may be appended while this reads: the last one must lie between the head before and the head after.
    first_head, first_hash = await _head(session, chain)
    previous, sequence = GENESIS, 0
    async for event in audit_queries.audit_events(session, chain):
        if event.sequence != sequence + 1 or event.hash != event_hash(previous, event):
            return ChainReport(chain, sequence, sequence + 1)
        previous, sequence = event.hash, event.sequence
        if sequence == first_head and previous != first_hash:
            return ChainReport(chain, sequence, sequence)
    last_head, _ = await _head(session, chain)
    return ChainReport(chain, sequence, None if first_head <= sequence <= last_head else sequence + 1)


async def _head(session: AsyncSession, chain: str) -> tuple[int, bytes]:
    head = await audit_queries.chain_head(session, chain)
    return (0, GENESIS) if head is None else (head.sequence, head.hash)


async def export_chain(system: System, chain: str) -> AsyncIterator[str]:
    """The chain as NDJSON, one event a line, in order."""
    async with system.store.reading() as session:
        async for event in audit_queries.audit_events(session, chain):
            yield json.dumps(event_facts(event), sort_keys=True, ensure_ascii=False)


def event_facts(event: AuditEvent) -> Facts:
    """An event in JSON values: its time as RFC 3339 in UTC, the hash in hexadecimal."""
    facts = event.model_dump()
    facts["at"] = written_exactly(event.at)
    facts["hash"] = event.hash.hex()
    return facts


def printable(text: str, length: int) -> str:
    """At most ``length`` characters of ``text``, without the unprintable: headers are anybody's to write."""
    return "".join(one for one in text[:length] if one.isprintable())
