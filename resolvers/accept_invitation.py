"""Become a member with an invitation's code; somebody new sets their first password with it."""

from __future__ import annotations

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.network import network_of
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.domain.secret import Secret
from spacekey.models import invitation_queries, user_queries, workspace_queries
from spacekey.models.user import Invitation, User
from spacekey.models.workspace import Member, Workspace

from .audit import Attribution, record
from .caller import MemberCaller, RequestFacts
from .own_words import words_around
from .passwords import Turn, check_password
from .sessions import SignedIn, open_session
from .system import System
from .workspace_facts import roles_from


async def accept_invitation(
    system: System, request: RequestFacts, caller: MemberCaller | None, *, code: str, password: str | None
) -> SignedIn:
    """Join the one workspace the code is for, and sign in.

    A code alone proves nothing about the person: somebody who has a password must be signed in with it.

    :param caller: who is signed in, if anybody is.
    :param password: the first password; not looked at when there is one already.
    :raises NotFound: the code is unknown, used or expired, or its workspace or role is gone.
    :raises InvalidInput: the password is too weak, or its owner has to sign in first.
    """
    digest = Secret(code.strip()).digest()
    async with system.store.reading() as session:
        invitation = await invitation_queries.invitation_by_digest(session, digest)
        user = await user_queries.user_by_id(session, invitation.user_id) if invitation else None
    if user is None or invitation is None or not _is_good(invitation, system.clock()):
        raise NotFound("invitation")
    turn = Turn(network_of(request.ip), signed_in=caller is not None)
    hashed = await _first_password(system, user, caller, password, invitation.workspace_id, turn)
    async with system.store.changing() as session:
        # The workspace first, as everybody else does: two that wait for each other would be an outage.
        workspace = await workspace_queries.lock_workspace(session, invitation.workspace_id)
        locked = await user_queries.lock_user(session, user.id)
        if locked is None or workspace is None or workspace.deleted_at is not None:
            raise NotFound("invitation")
        if not await invitation_queries.use_invitation(session, digest, system.clock()):
            raise NotFound("invitation")
        if hashed is not None:
            if locked.password_hash is not None:
                raise InvalidInput("code", _SIGN_IN_FIRST)
            locked.password_hash = hashed
        await _join(session, system, request, locked, workspace, invitation)
        return await open_session(session, system, locked, request, "user.accept_invitation")


_SIGN_IN_FIRST = "This invitation is for somebody who has an account. Sign in with it first, then accept."


async def _first_password(
    system: System, user: User, caller: MemberCaller | None, password: str | None, workspace_id: str, turn: Turn
) -> str | None:
    """The hash of a first password; None when the person has one and is signed in."""
    if user.password_hash is not None:
        if caller is None or caller.id != user.id:
            raise InvalidInput("code", _SIGN_IN_FIRST)
        return None
    if password is None:
        raise InvalidInput("password", "Choose a password: it is your first.")
    known = await words_around(system, user.id, user.email, user.name, invited_to=[workspace_id])
    await check_password("password", password, about=known)
    return await system.passwords.hash(password, turn)


async def _join(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    user: User,
    workspace: Workspace,
    invitation: Invitation,
) -> None:
    if invitation.role not in roles_from(system.catalog(workspace.catalog), workspace.roles):
        raise NotFound("invitation")
    if await workspace_queries.member(session, workspace.id, user.id) is not None:
        return
    session.add(Member(workspace_id=workspace.id, user_id=user.id, role=invitation.role, created_at=system.clock()))
    await record(
        session,
        system,
        Attribution(Actor(ActorKind.PERSON, user.id, user.email), "invitation", request),
        chain=workspace.id,
        action="member.join",
        target_id=user.id,
        target_name=user.email,
        after={"role": invitation.role},
    )


def _is_good(invitation: Invitation, now: datetime) -> bool:
    return invitation.used_at is None and now < invitation.expires_at
