"""Pages of spaces, members and audit events, as a caller may see them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound
from spacekey.models import audit_queries, user_queries, workspace_queries
from spacekey.models.audit import AuditEvent
from spacekey.models.user import User
from spacekey.models.workspace import Member, Space

from .authorities import authorities
from .authority import Authority, authority_in
from .caller import Caller
from .find_token import find_token
from .page_of_one import page_of_one
from .spaces import find_space
from .system import System
from .validate import NAME_LENGTH_MAX, clean_actor_id

CONDITION_LENGTH_MAX = 100


async def space_list(
    system: System, caller: Caller, workspace_id: str, request: PageRequest, text: str | None = None
) -> Page[Space]:
    """A page of a workspace's spaces, by name. A space token sees its own only.

    :param text: part of the name or the slug.
    :raises NotFound, Forbidden: not the caller's workspace, or without ``spaces:read``.
    :raises InvalidInput: text or a cursor that cannot be.
    """
    check_space_text(text)
    async with system.store.reading() as session:
        authority = await authority_in(session, system, caller, workspace_id)
        authority.require("spaces:read")
        if authority.space_id is None:
            return await workspace_queries.space_page(session, workspace_id, request, text)
        space = await workspace_queries.space_by_id(session, authority.space_id)
    return page_of_one([(space.id, space)] if space is not None else [], request)


def check_space_text(text: str | None) -> None:
    """Refuse to look for what no space can be called.

    :raises InvalidInput: naming the argument.
    """
    if text is not None and len(text) > NAME_LENGTH_MAX:
        raise InvalidInput("text", f"Must be at most {NAME_LENGTH_MAX} characters.")


async def one_space(system: System, caller: Caller, space_id: str) -> tuple[Space, Authority]:
    """One space and the caller's authority over it.

    :raises NotFound, Forbidden: not the caller's to see, or without ``spaces:read``.
    """
    async with system.store.reading() as session:
        space, authority = await find_space(session, system, caller, space_id)
        authority.require("spaces:read")
    return space, authority


async def member_list(
    system: System, caller: Caller, workspace_id: str, request: PageRequest
) -> Page[tuple[Member, User]]:
    """A page of a workspace's members.

    :raises NotFound, Forbidden: not the caller's workspace, or without ``members:read``.
    """
    async with system.store.reading() as session:
        await _whole_workspace(session, system, caller, workspace_id, "members:read")
        return await workspace_queries.member_page(session, workspace_id, request)


async def one_member(system: System, caller: Caller, workspace_id: str, user_id: str) -> tuple[Member, User]:
    """One member of a workspace, with the person.

    :raises NotFound, Forbidden: not a member, not the caller's workspace, or without ``members:read``.
    """
    async with system.store.reading() as session:
        await _whole_workspace(session, system, caller, workspace_id, "members:read")
        member = await workspace_queries.member(session, workspace_id, user_id)
        user = await user_queries.user_by_id(session, user_id)
    if member is None or user is None:
        raise NotFound("member")
    return member, user


async def audit_list(
    system: System,
    caller: Caller,
    workspace_id: str,
    request: PageRequest,
    where: AuditFilter = EVERYTHING,
) -> Page[AuditEvent]:
    """A page of a workspace's audit log, newest first, perhaps of one actor, one target or one action.

    :raises NotFound, Forbidden: not the caller's workspace, or without ``audit:read``.
    :raises InvalidInput: a condition or cursor that cannot be.
    """
    async with system.store.reading() as session:
        authority = await authority_in(session, system, caller, workspace_id)
        authority.require("audit:read")
        check_audit_conditions(where)
        if authority.space_id is not None:
            await _own_token(session, system, caller, where.target_id)
        return await audit_queries.audit_page(session, workspace_id, request, where)


def check_audit_conditions(where: AuditFilter) -> None:
    """Refuse what no database could look for.

    :raises InvalidInput: naming the condition.
    """
    if where.actor_id is not None:
        clean_actor_id("actor_id", where.actor_id)
    for field, text in (("target_id", where.target_id), ("action", where.action)):
        if text is not None and not (text.isprintable() and len(text) <= CONDITION_LENGTH_MAX):
            raise InvalidInput(field, "Nothing can be called that.")


async def _own_token(session: AsyncSession, system: System, caller: Caller, target_id: str | None) -> None:
    """A space token may read the trail of its own space's tokens, one at a time."""
    if target_id is None:
        raise NotFound("workspace")
    await find_token(session, system, caller, target_id)


async def _whole_workspace(
    session: AsyncSession, system: System, caller: Caller, workspace_id: str, scope: str
) -> Authority:
    authority = await authority_in(session, system, caller, workspace_id)
    if authority.space_id is not None:
        raise Forbidden([scope]) if scope not in authority.scopes else NotFound("workspace")
    authority.require(scope)
    return authority


async def spaces_seen(system: System, caller: Caller, space_ids: Iterable[str]) -> dict[str, Space]:
    """Several spaces by id, deleted ones included; those the caller may not see are left out."""
    async with system.store.reading() as session:
        spaces = await workspace_queries.spaces_by_ids(session, list(space_ids))
    held = await authorities(system, caller, {space.workspace_id for space in spaces})
    return {
        space.id: space
        for space in spaces
        if (authority := held.get(space.workspace_id)) is not None
        and authority.space_id in {None, space.id}
        and "spaces:read" in authority.scopes
    }
