"""The audit log: one event in the transaction of each change, chained by SHA-256, and its export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from spacekey.domain.actor import SYSTEM_ACTOR, Actor, ActorKind
from spacekey.domain.clock import written_exactly
from spacekey.domain.ids import EVENT, USER, id_prefix, new_id
from spacekey.domain.refusal import NotFound
from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditChain
from spacekey.models.tables.records import AnyEvent, AuditRecord
from spacekey.resolvers.access.caller import Caller, RequestFacts
from spacekey.resolvers.addresses import plain_name
from spacekey.resolvers.system import System

GENESIS = bytes(32)
"""Hash that the first event of a chain follows."""

VERSION = 2
SALT_BYTES = 16
NAME_LENGTH_MAX = 254
CREDENTIAL_LENGTH_MAX = 60

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
"""Fields that an event's hash covers, by version. A list never changes: a new column needs a new version."""

ERASE = "user.erase"
ERASED_WITH = "erased_with"
"""Key under which an erasure lists the ids of what was erased with the person, such as invitations."""

CHECKPOINT = "audit.checkpoint"
HEADS = "heads"
"""Key under which a checkpoint holds heads: chain → [sequence number, hash in hexadecimal]."""

ACTIONS = frozenset(
    (
        "audit.checkpoint",
        "audit.restore",
        "member.add",
        "member.change_role",
        "member.end_invitations",
        "member.invite",
        "member.join",
        "member.remove",
        "member.withdraw_invitation",
        "portal_session.end",
        "portal_session.open",
        "role.remove",
        "role.set",
        "service.create",
        "service.end_secret",
        "service.revoke",
        "service.rotate",
        "session.end",
        "session.end_others",
        "session.sign_in",
        "session.sign_out",
        "settings.staleness",
        "space.create",
        "space.delete",
        "space.update",
        "token.create",
        "token.delete",
        "token.disable",
        "token.enable",
        "token.import",
        "token.refused",
        "token.revoke",
        "token.rotate",
        "token.update",
        "user.accept_invitation",
        "user.change_password",
        "user.create",
        "user.erase",
        "user.join",
        "user.link",
        "user.prove_email",
        "user.reset_password",
        "user.update",
        "workspace.create",
        "workspace.delete",
        "workspace.update",
    )
)
"""All actions that an event can have."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Actor of an event, the credential used, and the origin of the request."""

    actor: Actor
    credential: str
    request: RequestFacts


def actor_of(caller: Caller) -> Attribution:
    """Return the attribution of a caller."""
    return Attribution(caller.actor, caller.credential, caller.request)


async def record(
    transaction: Transaction,
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
) -> None:
    """Append an event to a chain, inside the caller's transaction.

    A person who acts is held until the transaction ends: either an erasure commits first and the change is refused, or
    it comes after and erases what this event says about the person. People are locked before chains and after
    workspaces.

    Names of people belong in ``target_name`` and ``target_facts``, never in ``before`` and ``after``, which are kept
    for as long as the log.

    :param chain: a workspace's id, or ``system``.
    :param action: the action, such as ``token.revoke``.
    :param target_name: the address or name of a person whom the change concerns.
    :param target_facts: further facts about that person, such as an address before and after.
    :param before: the changed facts before the change; JSON values only, never a secret.
    :param after: the same facts after the change.
    :raises NotFound: if the person who acts was erased meanwhile.
    """
    reader = reader_in(transaction)
    if (
        by.actor.kind is ActorKind.PERSON
        and id_prefix(by.actor.id) == USER
        and not await user_queries.hold_user(reader, by.actor.id)
    ):
        raise NotFound("account")
    head = await audit_queries.lock_chain(reader, chain)
    event = AuditRecord(
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
        actor_digest=None,
        actor_erased=False,
        target_salt=system.entropy(SALT_BYTES),
        target_digest=None,
        target_erased=False,
        hash=b"",
    )
    event = event._replace(actor_digest=actor_digest(event), target_digest=target_digest(event))
    event = event._replace(hash=event_hash(head.hash, event))
    head = await audit_queries.append_event(reader, event)
    if event.sequence == 1 and chain != SYSTEM_CHAIN:
        await anchor(reader, system, [head])


async def anchor(
    transaction: Transaction, system: System, heads: Sequence[AuditChain | audit_queries.ChainHead]
) -> None:
    """Write these heads to the system's chain, inside the caller's transaction, which holds them.

    The system's chain is always locked after those of workspaces, so that transactions cannot deadlock.
    """
    reader = reader_in(transaction)
    written: Facts = {head.chain: [head.sequence, head.hash.hex()] for head in heads}
    await record(
        reader,
        system,
        Attribution(SYSTEM_ACTOR, "", RequestFacts()),
        chain=SYSTEM_CHAIN,
        action=CHECKPOINT,
        target_id=SYSTEM_CHAIN,
        after={HEADS: written},
    )
    await audit_queries.mark_anchored(reader, written)


def event_hash(previous: bytes, event: AnyEvent) -> bytes:
    """Return SHA-256 of the previous hash and the event's hashed fields as canonical JSON.

    Canonical JSON has sorted keys and no blanks, in UTF-8; times are in UTC with microseconds and ``+00:00``, digests
    in hexadecimal.
    """
    facts: Facts = {name: getattr(event, name) for name in HASHED[event.version]}
    facts["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    for name, value in facts.items():
        if isinstance(value, bytes):
            facts[name] = value.hex()
    return hashlib.sha256(previous + _canonical(facts)).digest()


def actor_digest(event: AnyEvent) -> bytes:
    """Return the salted digest of the actor's personal fields: name, IP address, user agent."""
    named = {"name": event.actor_name, "ip": event.ip, "user_agent": event.user_agent}
    return _digest(event.actor_salt, named)


def target_digest(event: AnyEvent) -> bytes:
    """Return the salted digest of the target's personal fields: name and further facts."""
    return _digest(event.target_salt, {"name": event.target_name, "facts": event.target_facts})


def _digest(salt: bytes | None, facts: Facts) -> bytes:
    return hashlib.sha256((salt or b"") + _canonical(facts)).digest()


def _canonical(facts: Facts) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


async def export_chain(system: System, chain: str) -> AsyncIterator[str]:
    """Yield the chain's events in order as NDJSON, one event per line."""
    async with system.store.reading() as session:
        async for event in audit_queries.audit_events(session, chain):
            yield json.dumps(event_facts(event), sort_keys=True, ensure_ascii=False)


def event_facts(event: AnyEvent) -> Facts:
    """Return an event as JSON values: the time in RFC 3339 (UTC), hashes and salts in hexadecimal.

    The actor's name is as recorded, because its digest covers that form.
    """
    facts = event._asdict() if isinstance(event, AuditRecord) else event.model_dump()
    for part in ("actor_kind", "actor_id", "actor_name"):
        del facts[part]
    facts["at"] = written_exactly(event.at)
    facts["actor"] = {"kind": event.actor.kind.value, "id": event.actor.id, "name": event.actor.name}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in facts.items()}


def actor_facts(actor: Actor) -> Facts:
    """Return an actor as JSON values, with a person's address without its mark."""
    name, unproven = plain_name(actor)
    return {"kind": actor.kind.value, "id": actor.id, "name": name, "unproven": unproven}


def printable(text: str, length: int) -> str:
    """Return at most ``length`` printable characters of ``text``: clients can put anything into a header."""
    return "".join(one for one in text[:length] if one.isprintable())
