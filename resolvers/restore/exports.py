"""Exports of the audit log, as ``spacekey audit export`` prints them: read, verified, and joined to the database.

An event counts only if its hash follows from the one before, back to an event that the database has. So an export of
another installation, one with a gap and one that was changed are noticed. A chain cannot show that its end is missing;
the checkpoints in an exported chain ``system`` can, as far as they go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from spacekey.models.queries import restore as restore_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditEvent
from spacekey.resolvers.audit.log import (
    CHECKPOINT,
    GENESIS,
    HASHED,
    HEADS,
    actor_digest,
    event_hash,
    target_digest,
)
from spacekey.resolvers.system import System

HASH_BYTES = 32
_COLUMNS = tuple(column.name for column in AuditEvent.__table__.columns)
_BYTES = ("hash", "actor_salt", "actor_digest", "target_salt", "target_digest")
_TEXTS = ("id", "chain", "action", "outcome", "credential", "target_id", "ip", "user_agent", "request_id")


class UnreadableExport(ValueError):
    """A line that is no event of an export; the message says which and why."""


@dataclass(slots=True)
class JoinedChain:
    """A chain of the export beside the same chain of the database.

    :param chain: a workspace's id, or ``system``.
    :param database_ends_at: the number of the database's last event; 0 if it does not have the chain.
    :param joined_at: the number of the last event that both have; 0 if there is none.
    :param export_ends_at: the number of the export's last event, and ``export_hash`` its hash.
    :param until: the time of the export's last event; None before the first.
    :param lost: the export's events after ``joined_at``, in order: those that the restore lost.
    :param problem: why the export of this chain cannot be used; None if it can.
    :param was_replayed: whether an earlier call replayed all of it.
    """

    chain: str
    database_ends_at: int
    joined_at: int = 0
    export_ends_at: int = 0
    export_hash: bytes = GENESIS
    until: datetime | None = None
    lost: list[AuditEvent] = field(default_factory=list)
    problem: str | None = None
    was_replayed: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the database has the chain."""
        return self.database_ends_at > 0


@dataclass(slots=True)
class _Reading:
    """What is kept of a chain while its events are read."""

    joined: JoinedChain
    stored: dict[int, bytes]
    hashes: dict[int, bytes] = field(default_factory=dict)
    apart: bool = False
    """Whether the export and the database have differed: nothing later is common."""

    def add(self, event: AuditEvent) -> None:
        joined, number = self.joined, event.sequence
        if joined.problem is not None:
            return
        if number in self.hashes:
            if self.hashes[number] != event.hash:
                joined.problem = f"the exports do not agree about number {number}: one is of another history"
            return
        joined.problem = self._problem(event)
        if joined.problem is not None:
            return
        self.hashes[number] = event.hash
        joined.export_ends_at, joined.export_hash, joined.until = number, event.hash, event.at
        self.apart = self.apart or self.stored.get(number) != event.hash
        if self.apart:
            joined.lost.append(event)
        else:
            joined.joined_at = number

    def _problem(self, event: AuditEvent) -> str | None:
        number, last = event.sequence, self.joined.export_ends_at
        if last and number != last + 1:
            return f"number {last + 1} is missing from the export"
        previous = self.hashes.get(number - 1) if last else self._before(number)
        if previous is None:
            return (
                f"the export begins at number {number} and the database ends at number {self.joined.database_ends_at}; "
                "give the export in between, too"
            )
        if event.version not in HASHED:
            return f"number {number} was written by a newer Spacekey; use that version"
        erased = event.actor_erased or event.target_erased
        if event.version == 1 and erased:
            return None  # its hash covered the erased names
        if event.hash != event_hash(previous, event):
            if last:
                return f"number {number} was changed"
            return f"number {number} does not follow from the database's: the export is of another history, or changed"
        if event.version > 1 and (
            (not event.actor_erased and event.actor_digest != actor_digest(event))
            or (not event.target_erased and event.target_digest != target_digest(event))
        ):
            return f"a name, address or user agent of number {number} was changed"
        return None

    def _before(self, number: int) -> bytes | None:
        """Return the hash that the export's first event must follow; None if it is not known."""
        if number == 1:
            return GENESIS
        found = self.stored.get(number - 1)
        if found is not None:
            self.joined.joined_at = number - 1
        return found


Line: TypeAlias = tuple[str, str]
"""Where a line stands, such as ``line 3 of 'acme.ndjson'``, and its text."""


async def join_exports(system: System, lines: Iterable[Line]) -> dict[str, JoinedChain]:
    """Read exports and return the chains that they hold, each beside the database's.

    :param lines: the lines of one or more exports; of a chain, in order, where they may overlap.
    :raises UnreadableExport: if a line is no event.
    """
    readings: dict[str, _Reading] = {}
    heads: dict[str, tuple[int, bytes]] = {}
    for place, line in lines:
        if not line.strip():
            continue
        event = _event(place, line)
        if event.chain not in readings:
            stored = await system.store.read(
                lambda reader, chain=event.chain: restore_queries.chain_hashes(reader, chain)  # type: ignore[misc]
            )
            readings[event.chain] = _Reading(JoinedChain(event.chain, max(stored, default=0)), stored)
        readings[event.chain].add(event)
        if event.chain == SYSTEM_CHAIN and event.action == CHECKPOINT:
            heads.update(_heads(place, event))
    for chain, one in readings.items():
        _finish(one, heads.get(chain))
    return {chain: one.joined for chain, one in readings.items()}


def _finish(reading: _Reading, head: tuple[int, bytes] | None) -> None:
    joined = reading.joined
    if joined.problem is not None:
        return
    if joined.is_known and not joined.joined_at:
        joined.problem = "it has no event in common with the database: it is of another history"
    elif head is not None and head[0] > joined.export_ends_at:
        joined.problem = (
            f"its end is missing: it ends at number {joined.export_ends_at}, and according to a checkpoint in the "
            f"system's chain it continues to number {head[0]}"
        )
    elif head is not None and reading.hashes.get(head[0], head[1]) != head[1]:
        joined.problem = f"number {head[0]} differs from a checkpoint in the system's chain"


def _heads(place: str, event: AuditEvent) -> dict[str, tuple[int, bytes]]:
    try:
        found = {chain: (int(at), bytes.fromhex(written)) for chain, (at, written) in event.after[HEADS].items()}  # type: ignore[index]
    except (TypeError, ValueError, KeyError, AttributeError):
        raise UnreadableExport(f"{place} is a checkpoint without heads") from None
    return found


def _event(place: str, line: str) -> AuditEvent:
    """Return the event of a line.

    :raises UnreadableExport: if it is none.
    """
    try:
        facts: dict[str, Any] = json.loads(line)
        actor = facts.pop("actor")
        values = {name: facts[name] for name in _COLUMNS if name in facts}
        values["at"] = datetime.fromisoformat(values["at"])
        values |= {"actor_kind": actor["kind"], "actor_id": actor["id"], "actor_name": actor["name"]}
        for name in _BYTES:
            values[name] = None if values[name] is None else bytes.fromhex(values[name])
        event = AuditEvent(**values)
        good = (
            all(isinstance(values[name], str) for name in (*_TEXTS, "actor_id", "actor_name"))
            and type(event.sequence) is int
            and event.sequence > 0
            and type(event.version) is int
            and len(event.hash) == HASH_BYTES
            and event.at.tzinfo is not None
            and all(one is None or isinstance(one, dict) for one in (event.before, event.after, event.target_facts))
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        good = False
    if not good:
        raise UnreadableExport(f"{place} is no event of 'spacekey audit export'")
    return event
