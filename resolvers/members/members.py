"""Members of a workspace: invite, add, change the role of and remove them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import USER, id_prefix
from spacekey.domain.product import OWNER_ROLE
from spacekey.domain.refusal import Conflict, ConflictCode, Faults, InputCode, InvalidInput, NotFound
from spacekey.domain.secret import Secret
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.user import Invitation, User
from spacekey.models.tables.workspace import Member
from spacekey.resolvers.access.authority import Authority, authority_in
from spacekey.resolvers.access.caller import Caller, Operator, acts_as_operator
from spacekey.resolvers.access.delegation import check_strengthening, check_within, role_power
from spacekey.resolvers.access.entitlements import check_room_for_member
from spacekey.resolvers.accounts.links import wake
from spacekey.resolvers.addresses import clean_email, shown_account, shown_email
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.staleness import effective_now, settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name, unknown

from .invitations import end_void_invitations, invite


@dataclass(frozen=True, slots=True)
class Membership:
    """A member with their account."""

    member: Member
    user: User
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation with its code, which is available only now."""

    pending: Invitation
    invitation: Secret
    effective_at: datetime


async def add_member(
    system: System, caller: Caller, workspace_id: str, *, email: str, role: str, name: str | None = None
) -> Membership | Invited:
    """Invite a person to a workspace. The person who presents the code becomes a member.

    The answer is the same for every address, whether an account claims it, has proven it or neither: an invitation with
    a code. A second invitation replaces the first. Only the operator adds an account that has proven the address
    directly.

    :param name: the person's name in the workspace's list of invitations; it is not given to any account.
    :raises NotFound, Forbidden: if the workspace is not the caller's, or without the scope to add members.
    :raises InvalidInput: if the address, name or role is not acceptable.
    :raises ScopeNotAllowed: if the role, or that of the invitation it would replace, goes beyond the caller's own.
    :raises Conflict: if a member has proven the address, too many invitations are pending, or the workspace is full.
    """
    faults, called = Faults(), None
    with faults:
        address = clean_email("email", email)
    with faults:
        called = clean_name("name", name) if name is not None else None
    faults.raise_found()
    async with system.store.changing() as session:
        authority = await _members_authority(session, system, caller, workspace_id)
        _check_role(system, authority, role)
        if await workspace_queries.member_by_proven_email(session, workspace_id, address) is not None:
            raise Conflict(
                f"{shown_email(address)} is a member already; change the role instead.", ConflictCode.ALREADY_MEMBER
            )
        proven = await user_queries.user_by_proven_email(session, address) if acts_as_operator(caller) else None
        if proven is not None:
            return await _add(session, system, authority, proven, role)
        made, code = await invite(session, system, authority, email=address, role=role, name=called)
    wake(system)
    return Invited(made, code, effective_now(system))


async def add_account(system: System, caller: Operator, workspace_id: str, user_id: str, *, role: str) -> Membership:
    """Make an account, given by its id, a member directly.

    :raises NotFound: if the workspace or account does not exist.
    :raises InvalidInput: if the role does not exist.
    :raises Conflict: if the account is already a member.
    """
    async with system.store.changing() as session:
        authority = await _members_authority(session, system, caller, workspace_id)
        _check_role(system, authority, role)
        user = await user_queries.user_by_id(session, user_id) if id_prefix(user_id) == USER else None
        if user is None:
            raise NotFound("account")
        if await workspace_queries.member(session, workspace_id, user.id) is not None:
            raise Conflict(
                f"The account {user.id} is a member already; change the role instead.", ConflictCode.ALREADY_MEMBER
            )
        return await _add(session, system, authority, user, role)


async def _add(session: AsyncSession, system: System, authority: Authority, user: User, role: str) -> Membership:
    workspace_id = authority.workspace.id
    await check_room_for_member(session, workspace_id, user.id)
    member = Member(workspace_id=workspace_id, user_id=user.id, role=role, created_at=system.clock())
    session.add(member)
    if user.email is not None and user.email_proven_at is not None:
        await invitation_queries.delete_unused_invitations(session, workspace_id, user.email)
    await record(
        session,
        system,
        actor_of(authority.caller),
        chain=workspace_id,
        action="member.add",
        target_id=user.id,
        target_name=shown_account(user),
        after={"role": role},
    )
    return Membership(member, user, effective_now(system))


@takes_access_away
async def change_member_role(
    system: System, caller: Caller, workspace_id: str, user_id: str, *, role: str, wait: bool = True
) -> Membership:
    """Change a member's role. The caller must hold everything in both the old and the new role.

    :raises NotFound, Forbidden, InvalidInput, ScopeNotAllowed: as :func:`add_member`.
    :raises Conflict: if the workspace would lose its last owner.
    """
    async with system.store.changing() as session:
        authority = await _members_authority(session, system, caller, workspace_id)
        member, user = await _member(session, authority, user_id)
        _check_role(system, authority, role)
        before = member.role
        if before == OWNER_ROLE and role != OWNER_ROLE:
            await _keep_an_owner(session, workspace_id)
        member.role = role
        if before != role:
            session.add(member)
            await record(
                session,
                system,
                actor_of(caller),
                chain=workspace_id,
                action="member.change_role",
                target_id=user_id,
                target_name=shown_account(user),
                before={"role": before},
                after={"role": role},
            )
            await end_void_invitations(session, system, caller, workspace_id, inviter_id=user_id)
        staleness = await staleness_seconds(session, system)
    return Membership(member, user, await settle(system, staleness, wait=wait))


@takes_access_away
async def remove_member(
    system: System, caller: Caller, workspace_id: str, user_id: str, *, wait: bool = True
) -> Membership:
    """Remove a member. The tokens they created stay: tokens belong to the workspace.

    :raises NotFound, Forbidden, ScopeNotAllowed: as :func:`change_member_role`.
    :raises Conflict: if the workspace would lose its last owner.
    """
    async with system.store.changing() as session:
        authority = await _members_authority(session, system, caller, workspace_id)
        member, user = await _member(session, authority, user_id)
        if member.role == OWNER_ROLE:
            await _keep_an_owner(session, workspace_id)
        await session.delete(member)
        await record(
            session,
            system,
            actor_of(caller),
            chain=workspace_id,
            action="member.remove",
            target_id=user_id,
            target_name=shown_account(user),
            before={"role": member.role},
        )
        await session.flush()
        await end_void_invitations(session, system, caller, workspace_id, inviter_id=user_id)
        staleness = await staleness_seconds(session, system)
    return Membership(member, user, await settle(system, staleness, wait=wait))


async def _members_authority(session: AsyncSession, system: System, caller: Caller, workspace_id: str) -> Authority:
    authority = await authority_in(session, system, caller, workspace_id, lock=True)
    if authority.space_id is not None:
        raise NotFound("workspace")
    authority.require("members:write")
    return authority


async def _member(session: AsyncSession, authority: Authority, user_id: str) -> tuple[Member, User]:
    """Return a member whose present role is within the caller's own, so that members cannot demote those above them."""
    if id_prefix(user_id) != USER:
        raise NotFound("member")
    member = await workspace_queries.member(session, authority.workspace.id, user_id)
    user = await user_queries.user_by_id(session, user_id)
    if member is None or user is None:
        raise NotFound("member")
    check_within(authority, [member.role])
    return member, user


def _check_role(system: System, authority: Authority, role: str) -> None:
    if role not in authority.roles:
        raise InvalidInput("role", unknown("role", role, authority.roles), InputCode.UNKNOWN_VALUE)
    check_strengthening(authority, None, role_power([role]), system.clock())


async def _keep_an_owner(session: AsyncSession, workspace_id: str) -> None:
    if await workspace_queries.count_members_with_role(session, workspace_id, OWNER_ROLE) <= 1:
        raise Conflict(
            "This is the workspace's last owner; make another member an owner first.", ConflictCode.LAST_OWNER
        )
