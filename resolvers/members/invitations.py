"""Become a member with an invitation's code, with the account one is signed in with or with a new one.

The code is the only claim an invitation makes. Whatever address it was made for, accepting it changes no account but
the presenter's own or the new one, and gives membership in the inviting workspace and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.ids import INVITATION, USER, id_prefix, new_id
from spacekey.domain.network import network_of
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound, Refusal
from spacekey.domain.secret import Secret, opaque_secret
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.user import Invitation, User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller, MemberCaller, Operator, RequestFacts, TokenCaller
from spacekey.resolvers.access.delegation import check_strengthening, check_within, role_power
from spacekey.resolvers.access.entitlements import check_room_for_member
from spacekey.resolvers.accounts.sessions import SignedIn, open_session
from spacekey.resolvers.accounts.users import is_free, words_about
from spacekey.resolvers.addresses import shown_account, sign_in_name_of
from spacekey.resolvers.audit.log import Attribution, actor_of, record
from spacekey.resolvers.passwords.hashing import Turn, check_password
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name

NEW_ACCOUNT_WEIGHT = 0.1
"""What a new account costs its network among the attempts: a workshop joins at once, a flood does not."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A new member. ``signed_in`` is the first session of a new account, None for one that was signed in."""

    user: User
    workspace_id: str
    signed_in: SignedIn | None


async def accept_invitation(
    system: System,
    request: RequestFacts,
    caller: MemberCaller | None,
    *,
    code: str,
    password: str | None = None,
    name: str | None = None,
) -> Joined:
    """Join the workspace the code is for, as the caller or as a new account.

    :param caller: the member who is signed in; None makes a new account and signs in.
    :param password: the new account's; a signed-in member gives none.
    :param name: the new account's; the part of the address before the @ when None.
    :raises Unavailable: too many passwords wait to be hashed.
    :raises TooManyAttempts: too many acceptances from this network; every one is counted, before anything is hashed.
    :raises NotFound: the code is unknown, used or expired, its workspace or role is gone, or its inviter may no longer
        invite to it. Nothing was hashed.
    :raises InvalidInput: the password or name are not usable, or the caller is a member already.
    """
    by_network = f"invitations from {network_of(request.ip)}"
    system.attempts.count(system.clock(), {by_network: 1.0})
    digest = Secret(code.strip()).digest()
    async with system.store.reading() as session:
        invitation, workspace = await _good_invitation(session, system, digest)
    if caller is not None:
        if password is not None:
            raise InvalidInput("password", "You are signed in and join with this account; leave the password out.")
        joined = await _join_signed_in(system, request, caller, digest)
        system.attempts.take_back(system.clock(), {by_network: 1.0})
        return joined
    account = await _new_account(system, invitation, workspace, password, name, Turn(network_of(request.ip)))
    try:
        joined = await _join_as(system, request, account, digest)
    except Conflict:  # another account got the same sign-in name at this moment
        joined = await _join_as(system, request, account, digest)
    system.attempts.take_back(system.clock(), {by_network: 1 - NEW_ACCOUNT_WEIGHT})
    return joined


async def _good_invitation(session: AsyncSession, system: System, digest: bytes) -> tuple[Invitation, Workspace]:
    """:raises NotFound: there is none that can be accepted now."""
    invitation = await invitation_queries.invitation_by_digest(session, digest)
    if invitation is None or invitation.used_at is not None or system.clock() >= invitation.expires_at:
        raise NotFound("invitation")
    if not await is_in_force(session, system, invitation):
        raise NotFound("invitation")
    workspace = await workspace_queries.workspace_by_id(session, invitation.workspace_id)
    if workspace is None:
        raise NotFound("invitation")
    return invitation, workspace


async def _use(session: AsyncSession, system: System, digest: bytes) -> tuple[Invitation, Workspace]:
    """Use the code up, for good only if the transaction commits.

    The workspace is locked first, as by everything that changes members, then the invitation: whoever takes the
    inviter's authority away waits for this transaction to end, or this one sees that it is gone.

    :raises NotFound: it cannot be accepted any more.
    """
    invitation = await invitation_queries.invitation_by_digest(session, digest)
    workspace = await workspace_queries.lock_workspace(session, invitation.workspace_id) if invitation else None
    if invitation is None or workspace is None:
        raise NotFound("invitation")
    if not await invitation_queries.use_invitation(session, digest, system.clock()):
        raise NotFound("invitation")
    if not await is_in_force(session, system, invitation):
        raise NotFound("invitation")
    return invitation, workspace


async def _join_signed_in(system: System, request: RequestFacts, caller: MemberCaller, digest: bytes) -> Joined:
    async with system.store.changing() as session:
        invitation, workspace = await _use(session, system, digest)
        user = await user_queries.user_by_id(session, caller.id)
        if user is None:
            raise NotFound("invitation")
        if await workspace_queries.member(session, workspace.id, user.id) is not None:
            raise InvalidInput("code", "You are a member of this workspace already. The invitation was not used.")
        await _join(session, system, request, user, invitation, caller.credential)
    return Joined(user, invitation.workspace_id, None)


async def _new_account(
    system: System,
    invitation: Invitation,
    workspace: Workspace,
    password: str | None,
    name: str | None,
    turn: Turn,
) -> User:
    """An account that is not stored yet, its password hashed.

    :raises InvalidInput: the password or name are not usable.
    """
    if password is None:
        raise InvalidInput("password", "Choose a password for a new account; if you have an account, sign in first.")
    chosen = clean_name("name", name) if name is not None else invitation.email.partition("@")[0]
    about = words_about(system, invitation.email, chosen, workspace.name, workspace.slug)
    await check_password("password", password, about=about)
    return User(
        id=new_id(USER, system.clock(), system.entropy),
        sign_in_name=sign_in_name_of(invitation.email),
        email=invitation.email,
        name=chosen,
        password_hash=await system.passwords.hash(password, turn),
        created_at=system.clock(),
    )


async def _join_as(system: System, request: RequestFacts, new: User, digest: bytes) -> Joined:
    """:raises Conflict: the sign-in name was given to another account while this one was made."""
    account = User(**new.model_dump())
    async with system.store.changing() as session:
        invitation, _ = await _use(session, system, digest)
        if not await is_free(session, sign_in_name_of(invitation.email), invitation.email, account.id):
            account.sign_in_name = None
        session.add(account)
        await session.flush()
        await _join(session, system, request, account, invitation, "invitation")
        signed_in = await open_session(session, system, account, request, "user.accept_invitation")
    return Joined(account, invitation.workspace_id, signed_in)


async def _join(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    user: User,
    invitation: Invitation,
    credential: str,
) -> None:
    await check_room_for_member(session, invitation.workspace_id, user.id)
    member = Member(
        workspace_id=invitation.workspace_id, user_id=user.id, role=invitation.role, created_at=system.clock()
    )
    session.add(member)
    await record(
        session,
        system,
        Attribution(Actor(ActorKind.PERSON, user.id, shown_account(user)), credential, request),
        chain=invitation.workspace_id,
        action="member.join",
        target_id=user.id,
        target_name=shown_account(user),
        after={"role": invitation.role, "invitation": invitation.id, "invited_by": invitation.inviter_id},
    )


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
