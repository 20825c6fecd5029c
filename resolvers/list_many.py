"""The same list of several workspaces or spaces, in a number of statements that does not grow with them.

What stands in the way of one list is that list's answer: the others are none the worse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, NotFound, Refusal
from spacekey.models import audit_queries, invitation_queries, token_queries, workspace_queries
from spacekey.models.audit import AuditEvent
from spacekey.models.user import Invitation, User
from spacekey.models.workspace import Member, Space

from .authorities import authorities
from .authority import Authority
from .caller import Caller
from .list_others import audit_list, check_audit_conditions, check_space_text, space_list
from .list_tokens import TokenSearch, search_filter, views_of
from .system import System
from .token_view import TokenView

T = TypeVar("T")
Listed: TypeAlias = Page[T] | Refusal


async def token_lists(
    system: System,
    caller: Caller,
    places: Sequence[tuple[str, str | None]],
    *,
    search: TokenSearch,
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
) -> list[Listed[TokenView]]:
    """:func:`spacekey.resolvers.list_tokens.token_list` for each (workspace, space or None).

    :raises InvalidInput: a filter or cursor that cannot be.
    """
    held = await authorities(system, caller, {workspace_id for workspace_id, _ in places})
    allowed: dict[int, tuple[Authority, str | None]] = {}
    answers: list[Listed[TokenView]] = [NotFound("workspace") for _ in places]
    for number, (workspace_id, space_id) in enumerate(places):
        authority = held.get(workspace_id)
        if authority is None:
            continue
        if authority.space_id is not None and space_id not in {None, authority.space_id}:
            answers[number] = NotFound("space")
        elif "tokens:read" not in authority.scopes:
            answers[number] = Forbidden(["tokens:read"])
        else:
            allowed[number] = (authority, authority.space_id or space_id)
    now = system.clock()
    wheres = [search_filter(search, one.workspace.id, space_id, now) for one, space_id in allowed.values()]
    async with system.store.reading() as session:
        pages = await token_queries.token_pages(session, wheres, order, descending, request, now)
        pairs = [(one, token) for (one, _), page in zip(allowed.values(), pages, strict=True) for token in page.rows]
        views = iter(await views_of(session, system, pairs))
    for number, page in zip(allowed, pages, strict=True):
        answers[number] = Page([next(views) for _ in page.rows], page.cursors, page.has_next, page.has_previous)
    return answers


async def space_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest, text: str | None = None
) -> list[Listed[Space]]:
    """:func:`spacekey.resolvers.list_others.space_list` for each workspace.

    :raises InvalidInput: text or a cursor that cannot be.
    """
    check_space_text(text)

    async def read(session: AsyncSession, ids: Sequence[str]) -> list[Page[Space]]:
        return await workspace_queries.space_pages(session, ids, request, text)

    async def of_space_token(workspace_id: str) -> Page[Space]:
        return await space_list(system, caller, workspace_id, request, text)

    return await _lists(system, caller, workspace_ids, "spaces:read", read, of_space_token)


async def member_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest
) -> list[Listed[tuple[Member, User]]]:
    """:func:`spacekey.resolvers.list_others.member_list` for each workspace."""

    async def read(session: AsyncSession, ids: Sequence[str]) -> list[Page[tuple[Member, User]]]:
        return await workspace_queries.member_pages(session, ids, request)

    async def of_space_token(_workspace_id: str) -> Page[tuple[Member, User]]:
        raise NotFound("workspace")

    return await _lists(system, caller, workspace_ids, "members:read", read, of_space_token)


async def invitation_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest
) -> list[Listed[Invitation]]:
    """The invitations of each workspace that can still be accepted, the newest first. They take ``members:read``."""
    now = system.clock()

    async def read(session: AsyncSession, ids: Sequence[str]) -> list[Page[Invitation]]:
        return await invitation_queries.pending_invitation_pages(session, ids, request, now)

    async def of_space_token(_workspace_id: str) -> Page[Invitation]:
        raise NotFound("workspace")

    return await _lists(system, caller, workspace_ids, "members:read", read, of_space_token)


async def audit_lists(
    system: System,
    caller: Caller,
    workspace_ids: Sequence[str],
    request: PageRequest,
    where: AuditFilter = EVERYTHING,
) -> list[Listed[AuditEvent]]:
    """:func:`spacekey.resolvers.list_others.audit_list` for each workspace.

    :raises InvalidInput: a condition or cursor that cannot be.
    """
    check_audit_conditions(where)

    async def read(session: AsyncSession, ids: Sequence[str]) -> list[Page[AuditEvent]]:
        return await audit_queries.audit_pages(session, ids, request, where)

    async def of_space_token(workspace_id: str) -> Page[AuditEvent]:
        return await audit_list(system, caller, workspace_id, request, where)

    return await _lists(system, caller, workspace_ids, "audit:read", read, of_space_token)


async def _lists(
    system: System,
    caller: Caller,
    workspace_ids: Sequence[str],
    scope: str,
    read: Callable[[AsyncSession, Sequence[str]], Awaitable[list[Page[T]]]],
    of_space_token: Callable[[str], Awaitable[Page[T]]],
) -> list[Listed[T]]:
    """Those the caller may read are read together. A space token belongs to one workspace, and sees less of it."""
    held = await authorities(system, caller, workspace_ids)
    answers: dict[str, Listed[T]] = {one: NotFound("workspace") for one in workspace_ids}
    readable = []
    for workspace_id, authority in held.items():
        if scope not in authority.scopes:
            answers[workspace_id] = Forbidden([scope])
        elif authority.space_id is None:
            readable.append(workspace_id)
        else:
            try:
                answers[workspace_id] = await of_space_token(workspace_id)
            except Refusal as error:
                answers[workspace_id] = error
    if readable:
        async with system.store.reading() as session:
            answers |= zip(readable, await read(session, readable), strict=True)
    return [answers[one] for one in workspace_ids]
