"""Signing in from outside, and the memberships that an issuer decides on.

A membership that an issuer's claim made counts for :data:`CLAIMED_FOR` after the claim was last seen. It ends at once
when the person comes without the claim. Memberships that were made here are neither changed nor ended by a claim.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.authentication import Authenticated
from spacekey.domain.ids import WORKSPACE, id_prefix
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.refusal import Conflict
from spacekey.models.queries import identities as identity_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.caller import MemberCaller, RequestFacts
from spacekey.resolvers.access.entitlements import check_room_for_member, roles_from
from spacekey.resolvers.accounts.outside import Described, Issuer, Person, account_of, by, checked, differs
from spacekey.resolvers.accounts.sessions import SignedIn, open_session, union_of_scopes
from spacekey.resolvers.addresses import shown_account
from spacekey.resolvers.audit.log import record
from spacekey.resolvers.system import System

from .invitations import end_void_invitations

CLAIMED_FOR = timedelta(hours=1)
"""How long a membership counts after its claim was last seen, and how long a session with claims lasts."""

REFRESH_AFTER = CLAIMED_FOR / 2
SESSION = timedelta(hours=12)
"""How long a session that was opened from outside lasts at most: a person who left the issuer is out by then."""

log = logging.getLogger("spacekey.identity")


async def sign_in_from_outside(
    system: System, request: RequestFacts, issuer: Issuer, person: Person, *, replaces: bytes | None = None
) -> SignedIn:
    """Open a session for a person whom the issuer has just authenticated. The account is created if it is new.

    :param replaces: the digest of the session that the browser had when the sign-in began.
    :raises InvalidInput: if the subject is not acceptable.
    """
    described = checked(issuer, person)
    lifetime = SESSION if described.roles is None else CLAIMED_FOR
    try:
        return await _signed_in(system, request, issuer, described, lifetime, replaces)
    except Conflict:  # the same person signed in for the first time twice at once
        return await _signed_in(system, request, issuer, described, lifetime, replaces)


async def principal_from_outside(
    system: System, request: RequestFacts, issuer: Issuer, person: Person
) -> Authenticated:
    """Return the principal of a person whom the issuer authenticates with each request.

    Writes only if something changed, or if the claims were last seen half of :data:`CLAIMED_FOR` ago.

    :raises InvalidInput: if the subject is not acceptable.
    :raises ServiceUnavailable: if the database is unreachable.
    """
    described = checked(issuer, person)
    async with system.store.reading() as session:
        user = await identity_queries.user_from_outside(session, issuer.name, described.subject)
        if user is not None and not await _is_news(session, system, issuer, user, described):
            return await _principal(session, system, user)
    try:
        user = await _refreshed(system, request, issuer, described)
    except Conflict:
        user = await _refreshed(system, request, issuer, described)
    async with system.store.reading() as session:
        return await _principal(session, system, user)


async def _principal(session: AsyncSession, system: System, user: User) -> Authenticated:
    scopes = await union_of_scopes(session, system, user.id)
    return Authenticated(Principal(id=user.id, kind=Kind.MEMBER, scopes=scopes, name=shown_account(user)))


async def _signed_in(
    system: System,
    request: RequestFacts,
    issuer: Issuer,
    person: Described,
    lifetime: timedelta,
    replaces: bytes | None,
) -> SignedIn:
    async with system.store.changing() as session:
        user = await _apply(session, system, request, issuer, person)
        return await open_session(
            session,
            system,
            user,
            request,
            "session.sign_in",
            issuer=issuer.name,
            lifetime=lifetime,
            replaces=replaces,
        )


async def _refreshed(system: System, request: RequestFacts, issuer: Issuer, person: Described) -> User:
    async with system.store.changing() as session:
        return await _apply(session, system, request, issuer, person)


async def _apply(
    session: AsyncSession, system: System, request: RequestFacts, issuer: Issuer, person: Described
) -> User:
    """Return the person's account after taking over what the issuer says, memberships included.

    Workspaces are locked first, in order, then people, as for every change of members.
    """
    known = await identity_queries.user_from_outside(session, issuer.name, person.subject)
    held = [] if known is None else await identity_queries.members_from_outside(session, known.id, issuer.name)
    wanted = dict(person.roles or {})
    names = {one.workspace_id for one in held} | {one for one in wanted if id_prefix(one) == WORKSPACE}
    session.expunge_all()
    locked = {}
    for name in sorted(names):
        workspace = await workspace_queries.lock_workspace(session, name)
        if workspace is not None and workspace.product in system.products:  # roles are known with the product alone
            locked[name] = workspace
    user = await account_of(session, system, request, issuer, person)
    await _follow_claims(session, system, request, issuer, user, wanted, locked)
    return user


async def _follow_claims(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    issuer: Issuer,
    user: User,
    wanted: Mapping[str, str],
    locked: Mapping[str, Workspace],
) -> None:
    """Make the person's memberships in the locked workspaces those of the claims."""
    caller = MemberCaller(user.id, shown_account(user), request, credential=by(user, issuer, request).credential)
    ends_at = system.clock() + CLAIMED_FOR
    for workspace_id, workspace in locked.items():
        role = _role_in(system, workspace, wanted.get(workspace_id))
        member = await workspace_queries.member(session, workspace_id, user.id)
        if member is None and role is not None:
            await _join(session, system, request, issuer, user, workspace_id, role)
        if member is None or member.issuer != issuer.name:
            continue
        before = member.role
        if role is None:
            await session.delete(member)
            await _record(
                session, system, request, issuer, user, "member.remove", workspace_id, before={"role": before}
            )
        else:
            member.role = role
            member.ends_at = ends_at
            session.add(member)
            if before != role:
                await _record(
                    session,
                    system,
                    request,
                    issuer,
                    user,
                    "member.change_role",
                    workspace_id,
                    before={"role": before},
                    after={"role": role},
                )
        await session.flush()
        if before != role:
            await end_void_invitations(session, system, caller, workspace_id, inviter_id=user.id)


async def _join(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    issuer: Issuer,
    user: User,
    workspace_id: str,
    role: str,
) -> None:
    try:
        await check_room_for_member(session, workspace_id, user.id)
    except Conflict as error:
        log.warning("a claim was not followed in %s: %s", workspace_id, error)
        return
    now = system.clock()
    session.add(
        Member(
            workspace_id=workspace_id,
            user_id=user.id,
            role=role,
            created_at=now,
            issuer=issuer.name,
            ends_at=now + CLAIMED_FOR,
        )
    )
    await session.flush()
    if user.email is not None and user.email_proven_at is not None:
        await invitation_queries.delete_unused_invitations(session, workspace_id, user.email)
    await _record(session, system, request, issuer, user, "member.join", workspace_id, after={"role": role})


async def _record(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    issuer: Issuer,
    user: User,
    action: str,
    workspace_id: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    await record(
        session,
        system,
        by(user, issuer, request),
        chain=workspace_id,
        action=action,
        target_id=user.id,
        target_name=shown_account(user),
        before=before,
        after=after,
    )


def _role_in(system: System, workspace: Workspace, role: str | None) -> str | None:
    """Return the role if the workspace has it, else None: a claim for a role that is gone gives nothing."""
    if role is None or workspace.deleted_at is not None:
        return None
    if role in roles_from(system.product(workspace.product), workspace.roles):
        return role
    log.warning("a claim was not followed in %s: it has no role '%s'", workspace.id, role)
    return None


async def _is_news(session: AsyncSession, system: System, issuer: Issuer, user: User, person: Described) -> bool:
    """Return whether the issuer says something that the database does not hold yet."""
    if differs(user, person):
        return True
    held = {one.workspace_id: one for one in await identity_queries.members_from_outside(session, user.id, issuer.name)}
    wanted = dict(person.roles or {})
    due = system.clock() + CLAIMED_FOR - REFRESH_AFTER
    for workspace_id, member in held.items():
        if wanted.get(workspace_id) != member.role or member.ends_at is None or member.ends_at <= due:
            return True
    missing = [one for one in wanted if one not in held and id_prefix(one) == WORKSPACE]
    for workspace_id in missing:
        workspace = await workspace_queries.workspace_by_id(session, workspace_id)
        if workspace is None or workspace.product not in system.products:
            continue
        if _role_in(system, workspace, wanted[workspace_id]) is None:
            continue
        if await workspace_queries.member(session, workspace_id, user.id) is None:
            return True
    return False
