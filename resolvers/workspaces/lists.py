"""The same list of several workspaces or spaces, in a number of statements that does not grow with them.

What stands in the way of one list is that list's answer: the others are none the worse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from spacekey.domain.ids import SPACE, id_prefix
from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound, Refusal
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.pagination import page_of_one
from spacekey.models.tables.records import (
    AuditRecord,
    InvitationRecord,
    MemberRecord,
    SpaceRecord,
    TokenRecord,
    UserRecord,
)
from spacekey.resolvers.access.authority import Authority, authorities, authorities_in, authority_to_read
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.list import TokenSearch, search_filter, token_to_read, views_of
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.validation import NAME_LENGTH_MAX, clean_actor_id

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
    """:func:`spacekey.resolvers.workspaces.lists.space_list` for each workspace.

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
    """:func:`spacekey.resolvers.workspaces.lists.member_list` for each workspace."""

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
    """:func:`spacekey.resolvers.workspaces.lists.audit_list` for each workspace.

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


CONDITION_LENGTH_MAX = 100


async def space_list(
    system: System, caller: Caller, workspace_id: str, request: PageRequest, text: str | None = None
) -> Page[SpaceRecord]:
    """A page of a workspace's spaces, by name. A space token sees its own only.

    :param text: part of the name or the slug.
    :raises NotFound, Forbidden: not the caller's workspace, or without ``spaces:read``.
    :raises InvalidInput: text or a cursor that cannot be.
    """
    check_space_text(text)

    async def read(reader: Reader) -> Page[SpaceRecord]:
        authority = await authority_to_read(reader, system, caller, workspace_id)
        authority.require("spaces:read")
        if authority.space_id is None:
            return await workspace_queries.space_page(reader, workspace_id, request, text)
        own = await workspace_queries.space_records(reader, [authority.space_id])
        return page_of_one([(space.id, space) for space in own], request)

    return await system.store.read(read)


def check_space_text(text: str | None) -> None:
    """Refuse to look for what no space can be called.

    :raises InvalidInput: naming the argument.
    """
    if text is not None and len(text) > NAME_LENGTH_MAX:
        raise InvalidInput("text", f"Must be at most {NAME_LENGTH_MAX} characters.")


async def one_space(system: System, caller: Caller, space_id: str) -> tuple[SpaceRecord, Authority]:
    """One space and the caller's authority over it.

    :raises NotFound, Forbidden: not the caller's to see, or without ``spaces:read``.
    """

    async def read(reader: Reader) -> tuple[SpaceRecord, Authority]:
        found = await workspace_queries.space_records(reader, [space_id]) if id_prefix(space_id) == SPACE else []
        for space in found:
            authority = (await authorities(reader, system, caller, [space.workspace_id])).get(space.workspace_id)
            if space.deleted_at is None and authority is not None and authority.space_id in {None, space.id}:
                authority.require("spaces:read")
                return space, authority
        raise NotFound("space")

    return await system.store.read(read)


async def member_list(
    system: System, caller: Caller, workspace_id: str, request: PageRequest
) -> Page[tuple[MemberRecord, UserRecord]]:
    """A page of a workspace's members.

    :raises NotFound, Forbidden: not the caller's workspace, or without ``members:read``.
    """

    async def read(reader: Reader) -> Page[tuple[MemberRecord, UserRecord]]:
        await _whole_workspace(reader, system, caller, workspace_id, "members:read")
        return await workspace_queries.member_page(reader, workspace_id, request)

    return await system.store.read(read)


async def one_member(
    system: System, caller: Caller, workspace_id: str, user_id: str
) -> tuple[MemberRecord, UserRecord]:
    """One member of a workspace, with the person.

    :raises NotFound, Forbidden: not a member, not the caller's workspace, or without ``members:read``.
    """

    async def read(reader: Reader) -> tuple[MemberRecord, UserRecord]:
        await _whole_workspace(reader, system, caller, workspace_id, "members:read")
        found = await workspace_queries.member_record(reader, workspace_id, user_id)
        if found is None:
            raise NotFound("member")
        return found

    return await system.store.read(read)


async def audit_list(
    system: System,
    caller: Caller,
    workspace_id: str,
    request: PageRequest,
    where: AuditFilter = EVERYTHING,
) -> Page[AuditRecord]:
    """A page of a workspace's audit log, newest first, perhaps of one actor, one target or one action.

    :raises NotFound, Forbidden: not the caller's workspace, or without ``audit:read``.
    :raises InvalidInput: a condition or cursor that cannot be.
    """

    async def read(reader: Reader) -> Page[AuditRecord]:
        authority = await authority_to_read(reader, system, caller, workspace_id)
        authority.require("audit:read")
        check_audit_conditions(where)
        if authority.space_id is not None:
            await _own_token(reader, system, caller, where.target_id)
        return await audit_queries.audit_page(reader, workspace_id, request, where)

    return await system.store.read(read)


def check_audit_conditions(where: AuditFilter) -> None:
    """Refuse what no database could look for.

    :raises InvalidInput: naming the condition.
    """
    if where.actor_id is not None:
        clean_actor_id("actor_id", where.actor_id)
    for field, text in (("target_id", where.target_id), ("action", where.action)):
        if text is not None and not (text.isprintable() and len(text) <= CONDITION_LENGTH_MAX):
            raise InvalidInput(field, "Nothing can be called that.")


async def _own_token(reader: Reader, system: System, caller: Caller, target_id: str | None) -> None:
    """A space token may read the trail of its own space's tokens, one at a time."""
    if target_id is None:
        raise NotFound("workspace")
    await token_to_read(reader, system, caller, target_id)


async def _whole_workspace(reader: Reader, system: System, caller: Caller, workspace_id: str, scope: str) -> None:
    authority = await authority_to_read(reader, system, caller, workspace_id)
    if authority.space_id is not None:
        raise Forbidden([scope]) if scope not in authority.scopes else NotFound("workspace")
    authority.require(scope)


async def spaces_seen(system: System, caller: Caller, space_ids: Iterable[str]) -> dict[str, SpaceRecord]:
    """Several spaces by id, deleted ones included; those the caller may not see are left out."""
    wanted = list(space_ids)

    async def read(reader: Reader) -> dict[str, SpaceRecord]:
        spaces = await workspace_queries.space_records(reader, wanted)
        held = await authorities(reader, system, caller, {space.workspace_id for space in spaces})
        return {
            space.id: space
            for space in spaces
            if (authority := held.get(space.workspace_id)) is not None
            and authority.space_id in {None, space.id}
            and "spaces:read" in authority.scopes
        }

    return await system.store.read(read)
