"""Members, invitations and audit events by their ids, as a caller may see them.

A function for one object refuses; a function for many leaves out what the caller may not see.
"""

from __future__ import annotations

from collections.abc import Iterable

from spacekey.domain.ids import EVENT, INVITATION, id_prefix
from spacekey.domain.refusal import NotFound
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AuditRecord, InvitationRecord, MemberRecord, UserRecord
from spacekey.resolvers.access.authority import authorities
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.list import token_to_read

READ_MEMBERS = "members:read"
READ_AUDIT = "audit:read"


async def one_invitation(system: System, caller: Caller, invitation_id: str) -> InvitationRecord:
    """Return a pending invitation.

    :raises NotFound, Forbidden: if it is unknown, accepted, withdrawn or expired, its workspace is not the caller's, or
        without ``members:read``.
    """
    now = system.clock()

    async def read(reader: Reader) -> InvitationRecord:
        known = id_prefix(invitation_id) == INVITATION
        for invitation in await invitation_queries.pending_records(reader, [invitation_id], now) if known else []:
            authority = (await authorities(reader, system, caller, [invitation.workspace_id])).get(
                invitation.workspace_id
            )
            if authority is not None and authority.space_id is None:
                authority.require(READ_MEMBERS)
                return invitation
        raise NotFound("invitation")

    return await system.store.read(read)


async def one_event(system: System, caller: Caller, event_id: str) -> AuditRecord:
    """Return an event of a workspace's audit log. A space token sees those about the tokens of its space.

    :raises NotFound, Forbidden: if it is unknown, its workspace is not the caller's, or without ``audit:read``.
    """

    async def read(reader: Reader) -> AuditRecord:
        known = id_prefix(event_id) == EVENT
        for event in await audit_queries.event_records(reader, [event_id]) if known else []:
            authority = (await authorities(reader, system, caller, [event.chain])).get(event.chain)
            if authority is None:
                break
            if authority.space_id is not None:
                try:
                    await token_to_read(reader, system, caller, event.target_id)
                except NotFound:
                    break
            authority.require(READ_AUDIT)
            return event
        raise NotFound("audit event")

    return await system.store.read(read)


async def members_seen(
    system: System, caller: Caller, ids: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[MemberRecord, UserRecord]]:
    """Return members with their accounts by (workspace id, user id)."""
    wanted = set(ids)

    async def read(reader: Reader) -> dict[tuple[str, str], tuple[MemberRecord, UserRecord]]:
        held = await authorities(reader, system, caller, {workspace_id for workspace_id, _ in wanted})
        readable = {
            key for key, one in held.items() if one is not None and one.space_id is None and READ_MEMBERS in one.scopes
        }
        pairs = [pair for pair in wanted if pair[0] in readable]
        found = await workspace_queries.member_records(reader, pairs)
        return {(member.workspace_id, member.user_id): (member, user) for member, user in found}

    return await system.store.read(read)


async def invitations_seen(system: System, caller: Caller, ids: Iterable[str]) -> dict[str, InvitationRecord]:
    """Return pending invitations by id."""
    wanted = [one for one in ids if id_prefix(one) == INVITATION]
    now = system.clock()

    async def read(reader: Reader) -> dict[str, InvitationRecord]:
        invitations = await invitation_queries.pending_records(reader, wanted, now)
        held = await authorities(reader, system, caller, {one.workspace_id for one in invitations})
        return {
            one.id: one
            for one in invitations
            if (authority := held.get(one.workspace_id)) is not None
            and authority.space_id is None
            and READ_MEMBERS in authority.scopes
        }

    return await system.store.read(read)
