"""Members and what their roles may be changed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.catalog import OWNER_ROLE
from spacekey.domain.ids import USER, id_prefix, new_id
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound
from spacekey.domain.secret import Secret
from spacekey.models import invitation_queries, user_queries, workspace_queries
from spacekey.models.user import User
from spacekey.models.workspace import Member

from .audit import actor_of, record
from .authority import Authority, authority_in
from .caller import Caller, Operator
from .invitations import invite
from .settle import settle, staleness_seconds
from .strengthening import check_strengthening, check_within, role_power
from .system import System
from .validate import clean_email, clean_name, unknown


@dataclass(frozen=True, slots=True)
class Membership:
    """A member with the person. With an ``invitation``, shown once, they become one by accepting it.

    Until then ``user`` is what the invitation says of them, under its id: whether they have an account, since when and
    by what name is nobody's business who merely knows their address.
    """

    member: Member
    user: User
    effective_at: datetime
    invitation: Secret | None = None


async def add_member(
    system: System, caller: Caller, workspace_id: str, *, email: str, role: str, name: str | None = None
) -> Membership:
    """Invite a person to a workspace, by e-mail address: they are a member once they have accepted the code.

    Everybody gets a code, whether they have an account or not: it shows nothing about others, and nobody becomes a
    member, or gets at another workspace, through a code that was not theirs. A second invitation replaces the first.
    Only the operator adds somebody who has a password at once, without a code.

    :raises NotFound, Forbidden: not the caller's workspace, or not to add members to.
    :raises InvalidInput: the address or role are not usable.
    :raises ScopeNotAllowed: the role holds more than the caller.
    :raises Conflict: the person is a member already.
    """
    address = clean_email("email", email)
    async with system.store.changing() as session:
        authority = await _members_authority(session, system, caller, workspace_id)
        _check_role(system, authority, role)
        user = await user_queries.user_by_email(session, address)
        if user is None:
            user = await _new_user(session, system, address, name)
        if await workspace_queries.member(session, workspace_id, user.id) is not None:
            raise Conflict(f"{address} is a member already; change the role instead.")
        at_once = isinstance(caller, Operator) and user.password_hash is not None
        member = Member(workspace_id=workspace_id, user_id=user.id, role=role, created_at=system.clock())
        invitation = None
        if at_once:
            session.add(member)
            await invitation_queries.delete_invitations(session, user.id, workspace_id)
        else:
            invitation_id, invitation = await invite(session, system, caller, member)
            user = User(id=invitation_id, email=address, name=name or address, created_at=member.created_at)
        await record(
            session,
            system,
            actor_of(caller),
            chain=workspace_id,
            action="member.add" if at_once else "member.invite",
            target_id=user.id,
            target_name=address,
            after={"role": role},
        )
    return Membership(member, user, system.clock(), invitation)


async def change_member_role(
    system: System, caller: Caller, workspace_id: str, user_id: str, *, role: str, wait: bool = True
) -> Membership:
    """Give a member another role. Both the old and the new one must lie within what the caller holds.

    :raises NotFound, Forbidden, InvalidInput, ScopeNotAllowed: as :func:`add_member`.
    :raises Conflict: the workspace would lose its last owner.
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
                target_name=user.email,
                before={"role": before},
                after={"role": role},
            )
        staleness = await staleness_seconds(session, system)
    return Membership(member, user, await settle(system, staleness, wait=wait))


async def remove_member(
    system: System, caller: Caller, workspace_id: str, user_id: str, *, wait: bool = True
) -> Membership:
    """Remove a member. The tokens they made stay: tokens belong to the workspace.

    :raises NotFound, Forbidden, ScopeNotAllowed: as :func:`change_member_role`.
    :raises Conflict: the workspace would lose its last owner.
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
            target_name=user.email,
            before={"role": member.role},
        )
        staleness = await staleness_seconds(session, system)
    return Membership(member, user, await settle(system, staleness, wait=wait))


async def _members_authority(session: AsyncSession, system: System, caller: Caller, workspace_id: str) -> Authority:
    authority = await authority_in(session, system, caller, workspace_id, lock=True)
    if authority.space_id is not None:
        raise NotFound("workspace")
    authority.require("members:write")
    return authority


async def _member(session: AsyncSession, authority: Authority, user_id: str) -> tuple[Member, User]:
    """A member whose present role lies within what the caller holds: nobody demotes those above them."""
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
        raise InvalidInput("role", unknown("role", role, authority.roles))
    check_strengthening(authority, None, role_power([role]), system.clock())


async def _keep_an_owner(session: AsyncSession, workspace_id: str) -> None:
    if await workspace_queries.count_members_with_role(session, workspace_id, OWNER_ROLE) <= 1:
        raise Conflict("This is the workspace's last owner; make somebody else an owner first.")


async def _new_user(session: AsyncSession, system: System, email: str, name: str | None) -> User:
    user = User(
        id=new_id(USER, system.clock(), system.entropy),
        email=email,
        name=clean_name("name", name) if name is not None else email.split("@")[0],
        created_at=system.clock(),
    )
    session.add(user)
    await session.flush()
    return user
