"""The audit log: one row in the same transaction as the change, chained by SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import Actor
from spacekey.domain.clock import written_exactly
from spacekey.domain.ids import EVENT, new_id
from spacekey.models import audit_queries
from spacekey.models.audit import SYSTEM_CHAIN, AuditEvent

from .caller import Caller, RequestFacts
from .system import System

GENESIS = bytes(32)
"""What stands before a chain's first event."""

VERSION = 2
SALT_BYTES = 16
NAME_LENGTH_MAX = 254

HASHED: dict[int, tuple[str, ...]] = {
    1: (
        "id",
        "chain",
        "sequence",
        "at",
        "action",
        "outcome",
        "actor_id",
        "actor_name",
        "credential",
        "target_id",
        "before",
        "after",
        "ip",
        "user_agent",
        "request_id",
    ),
    2: (
        "version",
        "id",
        "chain",
        "sequence",
        "at",
        "action",
        "outcome",
        "actor_kind",
        "actor_id",
        "actor_digest",
        "credential",
        "target_id",
        "target_digest",
        "before",
        "after",
        "request_id",
    ),
}
"""The fields that an event's hash covers, by its version. A list is never changed: a new column needs a new version."""

ERASE = "user.erase"
ERASED_WITH = "erased_with"
"""Where an erasure's facts list the ids of what was erased with the person, such as invitations."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who did something, with which credential, from where."""

    actor: Actor
    credential: str
    request: RequestFacts


def actor_of(caller: Caller) -> Attribution:
    """Return what the audit log keeps of a caller."""
    return Attribution(caller.actor, caller.credential, caller.request)


async def record(
    session: AsyncSession,
    system: System,
    by: Attribution,
    *,
    chain: str,
    action: str,
    target_id: str,
    target_name: str = "",
    target_facts: Facts | None = None,
    before: Facts | None = None,
    after: Facts | None = None,
    outcome: str = "success",
) -> AuditEvent:
    """Append one event to a chain, inside the caller's transaction.

    What names a person belongs into ``target_name`` and ``target_facts``, never into ``before`` and ``after``: those
    stay for as long as the log does.

    :param chain: a workspace's id, or ``system``.
    :param action: what was done, such as ``token.revoke``.
    :param target_name: the address or name of a person the change was about.
    :param target_facts: further facts about that person, such as an address before and after.
    :param before: the changed facts as they were; JSON values only, never a secret.
    :param after: the same facts as they are now.
    """
    head = await audit_queries.lock_chain(session, chain)
    event = AuditEvent(
        id=new_id(EVENT, system.clock(), system.entropy),
        version=VERSION,
        chain=chain,
        sequence=head.sequence + 1,
        at=system.clock(),
        action=action,
        outcome=outcome,
        actor_kind=by.actor.kind.value,
        actor_id=by.actor.id,
        actor_name=by.actor.name[:NAME_LENGTH_MAX],
        credential=by.credential,
        target_id=target_id,
        target_name=target_name[:NAME_LENGTH_MAX],
        target_facts=target_facts,
        before=before,
        after=after,
        ip=by.request.ip[:64],
        user_agent=printable(by.request.user_agent, 300),
        request_id=by.request.request_id[:64],
        actor_salt=system.entropy(SALT_BYTES),
        target_salt=system.entropy(SALT_BYTES),
        hash=b"",
    )
    event.actor_digest, event.target_digest = actor_digest(event), target_digest(event)
    event.hash = event_hash(head.hash, event)
    head.sequence = event.sequence
    head.hash = event.hash
    session.add(event)
    session.add(head)
    return event


def event_hash(previous: bytes, event: AuditEvent) -> bytes:
    """Return SHA-256 of the previous hash and the event's hashed fields as canonical JSON.

    Canonical is: sorted keys, no blanks, UTF-8, times in UTC with microseconds and ``+00:00``, digests in hexadecimal.
    """
    facts: Facts = {name: getattr(event, name) for name in HASHED[event.version]}
    facts["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    for name, value in facts.items():
        if isinstance(value, bytes):
            facts[name] = value.hex()
    return hashlib.sha256(previous + _canonical(facts)).digest()


def actor_digest(event: AuditEvent) -> bytes:
    """Return the salted digest of what names the actor: name, IP address, user agent."""
    named = {"name": event.actor_name, "ip": event.ip, "user_agent": event.user_agent}
    return _digest(event.actor_salt, named)


def target_digest(event: AuditEvent) -> bytes:
    """Return the salted digest of what names the target: name and further facts."""
    return _digest(event.target_salt, {"name": event.target_name, "facts": event.target_facts})


def _digest(salt: bytes | None, facts: Facts) -> bytes:
    return hashlib.sha256((salt or b"") + _canonical(facts)).digest()


def _canonical(facts: Facts) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What checking one chain found.

    ``broken_at`` is the first sequence number that does not fit and ``problem`` says how; both are None for a chain
    that is whole. ``erased`` counts events whose names were erased with a person, which breaks nothing.
    """

    chain: str
    events: int
    broken_at: int | None
    erased: int = 0
    problem: str | None = None


async def verify_chains(system: System, chains: list[str] | None = None) -> list[ChainReport]:
    """Recompute every hash of the given chains, or of all."""
    async with system.store.reading() as session:
        names = chains if chains is not None else await audit_queries.audit_chains(session)
        erased = await _erased_ids(session)
        return [await _verify_chain(session, name, erased) for name in names]


async def _erased_ids(session: AsyncSession) -> frozenset[str]:
    """Whose names may be missing: the persons that the system's chain says were erased, and what went with them."""
    found: set[str] = set()
    async for event in audit_queries.audit_events(session, SYSTEM_CHAIN, ERASE):
        found.add(event.target_id)
        found.update((event.after or {}).get(ERASED_WITH, ()))
    return frozenset(found)


async def _verify_chain(session: AsyncSession, chain: str, erased_ids: frozenset[str]) -> ChainReport:
    # Events may be appended while this reads: the last one must lie between the head before and the head after.
    first_head, first_hash = await _head(session, chain)
    previous, sequence, erased = GENESIS, 0, 0
    async for event in audit_queries.audit_events(session, chain):
        problem = _problem(previous, sequence, event, erased_ids)
        if problem is not None:
            return ChainReport(chain, sequence, sequence + 1, erased, problem)
        erased += event.actor_erased or event.target_erased
        previous, sequence = event.hash, event.sequence
        if sequence == first_head and previous != first_hash:
            return ChainReport(chain, sequence, sequence, erased, "the chain's head has another hash than this event")
    last_head, _ = await _head(session, chain)
    if first_head <= sequence <= last_head:
        return ChainReport(chain, sequence, None, erased)
    problem = f"the last event is number {sequence} but the chain's head says {first_head}"
    return ChainReport(chain, sequence, sequence + 1, erased, problem)


def _problem(previous: bytes, sequence: int, event: AuditEvent, erased_ids: frozenset[str]) -> str | None:
    """What is wrong with an event that should follow ``sequence``; None for nothing."""
    if event.sequence != sequence + 1:
        return f"number {sequence + 1} is missing"
    if event.version not in HASHED:
        return f"its version {event.version} is unknown: it was changed, or written by a newer Spacekey"
    if event.actor_erased and event.actor_id not in erased_ids:
        return "the actor's name was taken away, and no erasure of this person is on record"
    if event.target_erased and event.target_id not in erased_ids:
        return "the target's name was taken away, and no erasure of this person is on record"
    if event.version == 1:
        # The names of version 1 are hashed with the rest: what an erasure left can only be linked, not recomputed.
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


async def export_chain(system: System, chain: str) -> AsyncIterator[str]:
    """The chain as NDJSON, one event a line, in order."""
    async with system.store.reading() as session:
        async for event in audit_queries.audit_events(session, chain):
            yield json.dumps(event_facts(event), sort_keys=True, ensure_ascii=False)


def event_facts(event: AuditEvent) -> Facts:
    """An event in JSON values: its time as RFC 3339 in UTC, hashes and salts in hexadecimal."""
    facts = event.model_dump(exclude={"actor_kind", "actor_id", "actor_name"})
    facts["at"] = written_exactly(event.at)
    facts["actor"] = actor_facts(event.actor)
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in facts.items()}


def actor_facts(actor: Actor) -> Facts:
    """An actor in JSON values."""
    return {"kind": actor.kind.value, "id": actor.id, "name": actor.name}


def printable(text: str, length: int) -> str:
    """At most ``length`` characters of ``text``, without the unprintable: headers are anybody's to write."""
    return "".join(one for one in text[:length] if one.isprintable())
