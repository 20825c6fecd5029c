"""Invitations to a workspace: create, accept and withdraw them, and end those whose inviter lost authority.

The code is the only proof that an invitation carries. Whatever address it was created for, accepting it changes only
the account of the person who presents it, existing or new, and gives membership in the inviting workspace and nothing
else. An invitation is valid only while its inviter could still create it: it is checked at acceptance, and every change
that takes authority away ends the invitations that depended on it (:func:`end_void_invitations`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.ids import INVITATION, USER, id_prefix, new_id
from spacekey.domain.network import network_of
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound, UserError
from spacekey.domain.secret import Secret, opaque_secret
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.mail import WaitingMail
from spacekey.models.tables.user import Invitation, User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller, MemberCaller, Operator, RequestFacts, TokenCaller
from spacekey.resolvers.access.delegation import check_strengthening, check_within, role_power
from spacekey.resolvers.access.entitlements import check_room_for_member
from spacekey.resolvers.accounts.links import INVITATION as INVITATION_MAIL
from spacekey.resolvers.accounts.links import Letter, enqueue_in
from spacekey.resolvers.accounts.sessions import SignedIn, check_takes_passwords, open_session
from spacekey.resolvers.accounts.users import is_free, prove, words_about
from spacekey.resolvers.addresses import shown_account, sign_in_name_of
from spacekey.resolvers.audit.log import Attribution, actor_of, record
from spacekey.resolvers.passwords.hashing import Turn, check_password
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name

NEW_ACCOUNT_WEIGHT = 0.1
"""Weight of a new account among its network's attempts: a workshop may join at once, a flood may not."""

INVITATION_LIFETIME = timedelta(days=7)
PENDING_MAX = 500
"""Maximum number of pending invitations to one workspace."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A new member. ``signed_in`` is the first session of a new account, None if the caller was signed in already."""

    user: User
    workspace_id: str
    signed_in: SignedIn | None


async def invite(
    session: AsyncSession, system: System, authority: Authority, *, email: str, role: str, name: str | None
) -> tuple[Invitation, Secret]:
    """Create an invitation inside the caller's transaction. It replaces a pending one for the same address.

    Where the server sends mail, a link is mailed too; the caller calls :func:`wake` after the transaction.

    :param email: in the form of :func:`spacekey.resolvers.addresses.clean_email`; ``name`` is clean too.
    :raises ScopeNotAllowed: if the pending invitation is for a role beyond the caller's own, who may not replace it.
    :raises Conflict: if too many invitations are pending.
    """
    now, workspace = system.clock(), authority.workspace
    present = await invitation_queries.pending_invitation(session, workspace.id, email, now)
    if present is not None:
        _check_may_end(authority, present)
    elif await invitation_queries.count_pending_invitations(session, workspace.id, now) >= PENDING_MAX:
        raise Conflict(
            f"{PENDING_MAX} invitations are pending already; withdraw some, or wait until they are accepted.",
            ConflictCode.LIMIT_REACHED,
        )
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
    if system.outbox is not None:
        await enqueue_in(session, system, INVITATION_MAIL, made.id)
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


async def accept_invitation(
    system: System,
    request: RequestFacts,
    caller: MemberCaller | None,
    *,
    code: str,
    password: str | None = None,
    name: str | None = None,
) -> Joined:
    """Join the workspace of an invitation, as the caller or with a new account.

    The code that stands in the mail to the invited address, and was shown to no one else, also proves that address: for
    a new account, or for the caller's if it claims that address, unless another account has proven it.

    :param caller: the signed-in member; None creates an account and signs in.
    :param password: for the new account; a signed-in member gives none.
    :param name: for the new account; by default the part of the address before the @.
    :raises ServiceUnavailable: if too many passwords are waiting to be hashed.
    :raises TooManyAttempts: for too many acceptances from this network; each is counted before anything is hashed.
    :raises NotFound: if the code is unknown, used or expired, its workspace or role is gone, or its inviter may no
        longer invite to the role. Nothing was hashed.
    :raises InvalidInput: if the password or name is not acceptable, the caller is already a member, or new accounts are
        made by signing in from outside.
    """
    by_network = f"invitations from {network_of(request.ip)}"
    system.attempts.count(system.clock(), {by_network: 1.0})
    digest = Secret(code.strip()).digest()
    async with system.store.reading() as session:
        invitation, workspace = await _good_invitation(session, system, digest)
    if caller is not None:
        if password is not None:
            raise InvalidInput(
                "password", "You are signed in and join with this account; leave the password out.", InputCode.EXCLUSIVE
            )
        joined = await _join_signed_in(system, request, caller, digest)
        system.attempts.take_back(system.clock(), {by_network: 1.0})
        return joined
    check_takes_passwords(system)
    account = await _new_account(system, invitation, workspace, password, name, Turn(network_of(request.ip)))
    try:
        joined = await _join_as(system, request, account, digest)
    except Conflict:  # another account took the same sign-in name at this moment
        joined = await _join_as(system, request, account, digest)
    system.attempts.take_back(system.clock(), {by_network: 1 - NEW_ACCOUNT_WEIGHT})
    return joined


async def withdraw_invitation(system: System, caller: Caller, invitation_id: str) -> None:
    """Withdraw a pending invitation; its code stops working.

    :raises NotFound: if it is unknown, belongs to another workspace, or was accepted or has expired.
    :raises Forbidden: without ``members:write``.
    :raises ScopeNotAllowed: if it is for a role beyond the caller's own.
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
    """Return whether the inviter could create this invitation now.

    The workspace and the role must exist, and the inviter must still hold ``members:write`` and everything in the role.

    :raises ServiceUnavailable: if the workspace's product is not loaded in this process.
    """
    try:
        authority = await authority_in(session, system, _caller_of(invitation), invitation.workspace_id)
        if authority.space_id is not None or invitation.role not in authority.roles:
            return False
        authority.require("members:write")
        check_strengthening(authority, None, role_power([invitation.role]), system.clock())
    except UserError:
        return False
    return True


async def end_void_invitations(
    session: AsyncSession, system: System, caller: Caller, workspace_id: str, *, inviter_id: str | None = None
) -> None:
    """Delete the invitations whose inviter could no longer create them, inside the caller's transaction.

    Call it after every change that takes authority from members or tokens.

    :param inviter_id: the member or token that lost authority; None checks all inviters of the workspace.
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


async def _good_invitation(session: AsyncSession, system: System, digest: bytes) -> tuple[Invitation, Workspace]:
    """Return the invitation with its workspace.

    :raises NotFound: if there is none that can be accepted now.
    """
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
    """Mark the invitation as used; final only if the transaction commits.

    The workspace is locked first, as for every change of members, then the invitation. So a change that takes authority
    from the inviter either waits for this transaction or is seen by it.

    :raises NotFound: if the invitation can no longer be accepted.
    """
    invitation = await invitation_queries.invitation_by_digest(session, digest)
    workspace = await workspace_queries.lock_workspace(session, invitation.workspace_id) if invitation else None
    if invitation is None or workspace is None:
        raise NotFound("invitation")
    if not await invitation_queries.use_invitation(session, invitation.digest, system.clock()):
        raise NotFound("invitation")
    if not await is_in_force(session, system, invitation):
        raise NotFound("invitation")
    return invitation, workspace


async def _join_signed_in(system: System, request: RequestFacts, caller: MemberCaller, digest: bytes) -> Joined:
    async with system.store.changing() as session:
        invitation, workspace = await _use(session, system, digest)
        user = await user_queries.lock_user(session, caller.id)
        if user is None:
            raise NotFound("invitation")
        if await workspace_queries.member(session, workspace.id, user.id) is not None:
            raise InvalidInput(
                "code",
                "You are a member of this workspace already. The invitation was not used.",
                InputCode.NOT_ALLOWED,
            )
        await _join(session, system, request, user, invitation, caller.credential)
        await _prove_by_mail(session, system, request, user, invitation, digest)
    return Joined(user, invitation.workspace_id, None)


async def _new_account(
    system: System,
    invitation: Invitation,
    workspace: Workspace,
    password: str | None,
    name: str | None,
    turn: Turn,
) -> User:
    """Return an account that is not stored yet, with its password hashed.

    :raises InvalidInput: if the password or name is not acceptable.
    """
    if password is None:
        raise InvalidInput(
            "password",
            "Choose a password for a new account; if you have an account, sign in first.",
            InputCode.REQUIRED,
        )
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
    """Store the new account, make it a member and sign it in.

    :raises Conflict: if another account took the sign-in name meanwhile.
    """
    account = User(**new.model_dump())
    async with system.store.changing() as session:
        invitation, _ = await _use(session, system, digest)
        if not await is_free(session, sign_in_name_of(invitation.email), invitation.email, account.id):
            account.sign_in_name = None
        session.add(account)
        await session.flush()
        await _join(session, system, request, account, invitation, "invitation")
        await _prove_by_mail(session, system, request, account, invitation, digest)
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


async def write_invitation_mail(session: AsyncSession, system: System, mail: WaitingMail) -> Letter | None:
    """Return the mail of an invitation with a new code, inside the caller's transaction; None if it is over."""
    invitation = await invitation_queries.invitation_by_id(session, mail.about)
    if invitation is None or invitation.used_at is not None or system.clock() >= invitation.expires_at:
        return None
    code = opaque_secret(system.entropy)
    invitation.mail_digest = code.digest()
    session.add(invitation)
    await session.flush()
    return Letter(
        invitation.email,
        "You are invited to a workspace",
        "A member of a workspace has invited this address. Accept with this link, with an account that you have or "
        "with a new one:",
        f"/invitation#{code.reveal()}",
        "The link can be used once, within a week. If you do not know what this is about, ignore this mail.",
    )


async def _prove_by_mail(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    user: User,
    invitation: Invitation,
    digest: bytes,
) -> None:
    """Prove the account's address if it is the invited one and the code stood in the mail to it alone."""
    if digest != invitation.mail_digest or user.email != invitation.email or user.email_proven_at is not None:
        return
    try:
        lost = await prove(session, system, user)
    except Conflict:
        return  # another account has proven it, and keeps it
    await record(
        session,
        system,
        Attribution(Actor(ActorKind.PERSON, user.id, shown_account(user)), "mailed link", request),
        chain=SYSTEM_CHAIN,
        action="user.prove_email",
        target_id=user.id,
        target_name=shown_account(user),
        after=lost or None,
    )


def _check_may_end(authority: Authority, invitation: Invitation) -> None:
    """Raise if the caller may not end the invitation.

    :raises ScopeNotAllowed: if it is for a role beyond the caller's own.
    """
    if invitation.role in authority.roles:
        check_within(authority, [invitation.role])


def _caller_of(invitation: Invitation) -> Caller:
    """Return the inviter as a caller, to check the inviter's authority now."""
    match invitation.inviter_kind:
        case ActorKind.PERSON:
            return MemberCaller(invitation.inviter_id, invitation.inviter_name, RequestFacts())
        case ActorKind.TOKEN:
            return TokenCaller(invitation.inviter_id, invitation.inviter_name, invitation.workspace_id, RequestFacts())
        case _:
            return Operator(RequestFacts())
