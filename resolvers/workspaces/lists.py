"""The same list of several workspaces or spaces, in a number of statements that does not grow with them.

What stands in the way of one list is that list's answer: the others are none the worse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, NotFound, Refusal
from spacekey.models import invitation_queries
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import (
    AuditRecord,
    InvitationRecord,
    MemberRecord,
    SpaceRecord,
    TokenRecord,
    UserRecord,
)
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.authorities import authorities_in
from spacekey.resolvers.list_others import audit_list, check_audit_conditions, check_space_text, space_list
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.list import TokenSearch, search_filter, views_of
from spacekey.resolvers.tokens.view import TokenView

T = TypeVar("T")
Listed: TypeAlias = Page[T] | Refusal
Held: TypeAlias = Mapping[str, Authority | None]


async def token_lists(
    system: System,
    caller: Caller,
    places: Sequence[tuple[str, str | None]],
    *,
    search: TokenSearch,
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
    held: Held | None = None,
) -> list[Listed[TokenView]]:
    """:func:`spacekey.resolvers.tokens.list.token_list` for each (workspace, space or None).

    :param held: the caller's authority by workspace id, where it was read already; here and in what follows.

    :raises InvalidInput: a filter or cursor that cannot be.
    """
    held = await _known(system, caller, [workspace_id for workspace_id, _ in places], held)
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

    async def read(reader: Reader) -> list[Page[TokenRecord]]:
        return await token_queries.token_pages(reader, wheres, order, descending, request, now)

    pages = await system.store.read(read) if wheres else []
    for (number, (authority, _)), page in zip(allowed.items(), pages, strict=True):
        views = views_of([(authority, token) for token in page.rows], now)
        answers[number] = Page(views, page.cursors, page.has_next, page.has_previous)
    return answers


async def space_lists(
    system: System,
    caller: Caller,
    workspace_ids: Sequence[str],
    request: PageRequest,
    text: str | None = None,
    held: Held | None = None,
) -> list[Listed[SpaceRecord]]:
    """:func:`spacekey.resolvers.list_others.space_list` for each workspace.

    :raises InvalidInput: text or a cursor that cannot be.
    """
    check_space_text(text)

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[SpaceRecord]]:
        return await workspace_queries.space_pages(reader, ids, request, text)

    async def of_space_token(workspace_id: str) -> Page[SpaceRecord]:
        return await space_list(system, caller, workspace_id, request, text)

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "spaces:read", read, of_space_token)


async def member_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest, held: Held | None = None
) -> list[Listed[tuple[MemberRecord, UserRecord]]]:
    """:func:`spacekey.resolvers.list_others.member_list` for each workspace."""

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[tuple[MemberRecord, UserRecord]]]:
        return await workspace_queries.member_pages(reader, ids, request)

    async def of_space_token(_workspace_id: str) -> Page[tuple[MemberRecord, UserRecord]]:
        raise NotFound("workspace")

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "members:read", read, of_space_token)


async def invitation_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest, held: Held | None = None
) -> list[Listed[InvitationRecord]]:
    """The invitations of each workspace that can still be accepted, the newest first. They take ``members:read``."""
    now = system.clock()

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[InvitationRecord]]:
        return await invitation_queries.pending_invitation_pages(reader, ids, request, now)

    async def of_space_token(_workspace_id: str) -> Page[InvitationRecord]:
        raise NotFound("workspace")

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "members:read", read, of_space_token)


async def audit_lists(
    system: System,
    caller: Caller,
    workspace_ids: Sequence[str],
    request: PageRequest,
    where: AuditFilter = EVERYTHING,
    held: Held | None = None,
) -> list[Listed[AuditRecord]]:
    """:func:`spacekey.resolvers.list_others.audit_list` for each workspace.

    :raises InvalidInput: a condition or cursor that cannot be.
    """
    check_audit_conditions(where)

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[AuditRecord]]:
        return await audit_queries.audit_pages(reader, ids, request, where)

    async def of_space_token(workspace_id: str) -> Page[AuditRecord]:
        return await audit_list(system, caller, workspace_id, request, where)

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "audit:read", read, of_space_token)


async def _known(system: System, caller: Caller, workspace_ids: Iterable[str], held: Held | None) -> Held:
    return held if held is not None else await authorities_in(system, caller, workspace_ids)


async def _lists(
    system: System,
    held: Held,
    workspace_ids: Sequence[str],
    scope: str,
    read: Callable[[Reader, Sequence[str]], Awaitable[list[Page[T]]]],
    of_space_token: Callable[[str], Awaitable[Page[T]]],
) -> list[Listed[T]]:
    """Those the caller may read are read together. A space token belongs to one workspace, and sees less of it."""
    answers: dict[str, Listed[T]] = {one: NotFound("workspace") for one in workspace_ids}
    readable = []
    for workspace_id in answers:
        authority = held.get(workspace_id)
        if authority is None:
            continue
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
        pages = await system.store.read(lambda reader: read(reader, readable))
        answers.update(zip(readable, pages, strict=True))
    return [answers[one] for one in workspace_ids]
