"""Invitations: the codes with which people become members, made, replaced and withdrawn.

An invitation holds what its maker says of the invited person and points at no account. Its maker must be allowed to
make it until it is accepted: see :func:`is_in_force`.
"""

from __future__ import annotations

from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import ActorKind
from spacekey.domain.ids import INVITATION, id_prefix, new_id
from spacekey.domain.refusal import Conflict, NotFound, Refusal
from spacekey.domain.secret import Secret, opaque_secret
from spacekey.models import invitation_queries
from spacekey.models.tables.user import Invitation
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller, MemberCaller, Operator, RequestFacts, TokenCaller
from spacekey.resolvers.access.delegation import check_strengthening, check_within, role_power
from spacekey.resolvers.audit.log import actor_of, record

from .system import System

INVITATION_LIFETIME = timedelta(days=7)
PENDING_MAX = 500
"""How many invitations to one workspace may wait at a time."""


async def invite(
    session: AsyncSession, system: System, authority: Authority, *, email: str, role: str, name: str | None
) -> tuple[Invitation, Secret]:
    """Make an invitation inside the caller's transaction, instead of the one that waits for the same address.

    :param email: in the form of :func:`spacekey.resolvers.addresses.clean_email`; ``name`` is clean, too.
    :raises ScopeNotAllowed: the one that waits is for a role that holds more than the caller, who may not replace it.
    :raises Conflict: too many wait.
    """
    now, workspace = system.clock(), authority.workspace
    present = await invitation_queries.pending_invitation(session, workspace.id, email, now)
    if present is not None:
        _check_may_end(authority, present)
    elif await invitation_queries.count_pending_invitations(session, workspace.id, now) >= PENDING_MAX:
        raise Conflict(f"{PENDING_MAX} invitations wait already; withdraw some, or wait until they are accepted.")
    await invitation_queries.delete_unused_invitations(session, workspace.id, email)
    code = opaque_secret(system.entropy)
    inviter = authority.caller.actor
    made = Invitation(
        digest=code.digest(),
        id=new_id(INVITATION, now, system.entropy),
        workspace_id=workspace.id,
        email=email,
        name=name,
        role=role,
        inviter_kind=inviter.kind.value,
        inviter_id=inviter.id,
        inviter_name=inviter.name[:254],
        created_at=now,
        expires_at=now + INVITATION_LIFETIME,
    )
    session.add(made)
    await record(
        session,
        system,
        actor_of(authority.caller),
        chain=workspace.id,
        action="member.invite",
        target_id=made.id,
        target_name=email,
        after={"role": role},
    )
    return made, code


async def withdraw_invitation(system: System, caller: Caller, invitation_id: str) -> None:
    """Take back an invitation that was not accepted yet: its code is good for nothing from then on.

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
        _check_may_end(authority, found)
        if not await invitation_queries.delete_invitation(session, found.id, system.clock()):
            raise NotFound("invitation")
        await record(
            session,
            system,
            actor_of(caller),
            chain=found.workspace_id,
            action="member.withdraw_invitation",
            target_id=found.id,
            target_name=found.email,
            before={"role": found.role},
        )


async def is_in_force(session: AsyncSession, system: System, invitation: Invitation) -> bool:
    """Whether the inviter could make this invitation now: the workspace and role exist, and they still hold
    ``members:write`` there and a ceiling over the role.

    :raises Unavailable: the workspace's catalog is not loaded here.
    """
    try:
        authority = await authority_in(session, system, _caller_of(invitation), invitation.workspace_id)
        if authority.space_id is not None or invitation.role not in authority.roles:
            return False
        authority.require("members:write")
        check_strengthening(authority, None, role_power([invitation.role]), system.clock())
    except Refusal:
        return False
    return True


async def end_void_invitations(
    session: AsyncSession, system: System, caller: Caller, workspace_id: str, *, inviter_id: str | None = None
) -> None:
    """End, for good, the invitations whose inviter could not make them any more, inside the caller's transaction.

    To be called after every change that takes authority away from members or tokens.

    :param inviter_id: the member or token that lost some; all of the workspace's inviters are looked at when None.
    """
    now = system.clock()
    waiting = await invitation_queries.pending_invitations(session, workspace_id, now, inviter_id=inviter_id)
    void = [one.id for one in waiting if not await is_in_force(session, system, one)]
    if not void:
        return
    await invitation_queries.delete_invitations_by_id(session, void)
    await record(
        session,
        system,
        actor_of(caller),
        chain=workspace_id,
        action="member.end_invitations",
        target_id=inviter_id or workspace_id,
        after={"invitations_ended": void},
    )


def _check_may_end(authority: Authority, invitation: Invitation) -> None:
    """:raises ScopeNotAllowed: it is for a role that holds more than the caller."""
    if invitation.role in authority.roles:
        check_within(authority, [invitation.role])


def _caller_of(invitation: Invitation) -> Caller:
    """The inviter as a caller, to ask what they may do now."""
    match invitation.inviter_kind:
        case ActorKind.PERSON:
            return MemberCaller(invitation.inviter_id, invitation.inviter_name, RequestFacts())
        case ActorKind.TOKEN:
            return TokenCaller(invitation.inviter_id, invitation.inviter_name, invitation.workspace_id, RequestFacts())
        case _:
            return Operator(RequestFacts())
