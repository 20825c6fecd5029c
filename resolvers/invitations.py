"""Invitations: the codes with which people become members, made and withdrawn."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import INVITATION, id_prefix, new_id
from spacekey.domain.refusal import NotFound
from spacekey.domain.secret import Secret
from spacekey.models import invitation_queries, user_queries
from spacekey.models.user import Invitation
from spacekey.models.workspace import Member

from .audit import actor_of, record
from .authority import authority_in
from .caller import Caller
from .opaque import opaque_secret
from .strengthening import check_within
from .system import System

INVITATION_LIFETIME = timedelta(days=7)


async def invite(session: AsyncSession, system: System, caller: Caller, member: Member) -> tuple[str, Secret]:
    """An invitation's id, and a code for becoming this member, instead of any code given before.

    Inside the caller's transaction.
    """
    code = opaque_secret(system.entropy)
    now = system.clock()
    await invitation_queries.delete_invitations(session, member.user_id, member.workspace_id)
    invitation_id = new_id(INVITATION, now, system.entropy)
    session.add(
        Invitation(
            digest=code.digest(),
            id=invitation_id,
            user_id=member.user_id,
            workspace_id=member.workspace_id,
            role=member.role,
            invited_by=caller.name[:254],
            created_at=now,
            expires_at=now + INVITATION_LIFETIME,
        )
    )
    return invitation_id, code


async def withdraw_invitation(system: System, caller: Caller, invitation_id: str) -> None:
    """Take back an invitation that nobody has accepted yet: its code is good for nothing from then on.

    :raises NotFound: unknown, of a workspace that is not the caller's, accepted, or over.
    :raises Forbidden: without ``members:write``.
    :raises ScopeNotAllowed: it is for a role that holds more than the caller.
    """
    async with system.store.changing() as session:
        found = None
        if id_prefix(invitation_id) == INVITATION:
            found = await invitation_queries.invitation_by_id(session, invitation_id)
        if found is None:
            raise NotFound("invitation")
        try:
            authority = await authority_in(session, system, caller, found.workspace_id, lock=True)
        except NotFound:
            raise NotFound("invitation") from None
        if authority.space_id is not None:
            raise NotFound("invitation")
        authority.require("members:write")
        if found.role in authority.roles:
            check_within(authority, [found.role])
        if not await invitation_queries.delete_invitation(session, found.id, system.clock()):
            raise NotFound("invitation")
        user = await user_queries.user_by_id(session, found.user_id)
        await record(
            session,
            system,
            actor_of(caller),
            chain=found.workspace_id,
            action="member.withdraw_invitation",
            target_id=found.user_id,
            target_name="" if user is None else user.email,
            before={"role": found.role},
        )
