"""Lists of a workspace's tokens, spaces, members, invitations and audit events, and single objects in them.

The functions for several workspaces (:func:`token_lists` and so on) read the same list of each, in a number of
statements that does not grow with the workspaces. A refusal for one workspace is the answer for that list only; the
others are not affected. The function for one workspace is the same with one list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from spacekey.domain.external import clean_external_id
from spacekey.domain.ids import SPACE, id_prefix
from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, InputCode, InvalidInput, NotFound, UserError
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.pagination import page_of_one
from spacekey.models.tables.audit import OUTCOMES
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
from spacekey.resolvers.tokens.list import TokenSearch, check_search, search_filter, token_to_read, views_of
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.validation import NAME_LENGTH_MAX, clean_actor_id, clean_moment, is_slug, unknown

T = TypeVar("T")
Listed: TypeAlias = Page[T] | UserError
Held: TypeAlias = Mapping[str, Authority | None]
Place: TypeAlias = tuple[str, str | None]
"""Workspace id, and the id of one of its spaces or None."""

CONDITION_LENGTH_MAX = 100


async def token_lists(
    system: System,
    caller: Caller,
    places: Sequence[Place],
    *,
    search: TokenSearch,
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
    held: Held | None = None,
) -> list[Listed[TokenView]]:
    """Return :func:`spacekey.resolvers.tokens.list.token_list` for each (workspace, space or None).

    :param held: the caller's authority by workspace id, if it was read already; also in the functions below.
    :raises InvalidInput: for an invalid filter or cursor.
    """
    check_search(system, search)
    held = await known_authorities(system, caller, places, held)
    refusals, allowed = readable_places(held, places, "tokens:read")
    answers: list[Listed[TokenView]] = [refusals.get(number, NotFound("workspace")) for number in range(len(places))]
    now = system.clock()
    wheres = [search_filter(system, search, one, space_id, now) for one, space_id in allowed.values()]

    async def read(reader: Reader) -> list[Page[TokenRecord]]:
        return await token_queries.token_pages(reader, wheres, order, descending, request, now)

    pages = await system.store.read(read) if wheres else []
    for (number, (authority, _)), page in zip(allowed.items(), pages, strict=True):
        views = views_of([(authority, token) for token in page.rows], now)
        answers[number] = Page(views, page.cursors, page.has_next, page.has_previous)
    return answers


async def space_list(
    system: System, caller: Caller, workspace_id: str, request: PageRequest, text: str | None = None
) -> Page[SpaceRecord]:
    """Return a page of a workspace's spaces, by name. A space token sees its own only.

    :param text: part of the name or the slug.
    :raises NotFound, Forbidden: if the workspace is not the caller's, or without ``spaces:read``.
    :raises InvalidInput: for an invalid text or cursor.
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


async def space_lists(
    system: System,
    caller: Caller,
    workspace_ids: Sequence[str],
    request: PageRequest,
    text: str | None = None,
    held: Held | None = None,
) -> list[Listed[SpaceRecord]]:
    """Return :func:`space_list` for each workspace.

    :raises InvalidInput: for an invalid text or cursor.
    """
    check_space_text(text)

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[SpaceRecord]]:
        return await workspace_queries.space_pages(reader, ids, request, text)

    async def of_space_token(workspace_id: str) -> Page[SpaceRecord]:
        return await space_list(system, caller, workspace_id, request, text)

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "spaces:read", read, of_space_token)


async def one_workspace(
    system: System,
    caller: Caller,
    workspace_id: str | None = None,
    slug: str | None = None,
    external_id: str | None = None,
    product: str | None = None,
) -> Authority:
    """Return the caller's authority in a workspace, named by its id, its slug or its external id.

    :param product: the product of the external id; None for any that the caller can see.
    :raises NotFound, Forbidden: if the workspace is not the caller's, or without ``workspace:read``.
    :raises InvalidInput: unless exactly one of the three is given; or if workspaces of several products have the
        external id, and no product is given.
    """
    given = [
        name
        for name, value in (("id", workspace_id), ("slug", slug), ("external_id", external_id))
        if value is not None
    ]
    if len(given) > 1:
        raise InvalidInput(given[1], f"Give either {given[0]} or {given[1]}, not both.", InputCode.EXCLUSIVE)
    if not given:
        raise InvalidInput("id", "Give the id, the slug or the external id of a workspace.", InputCode.REQUIRED)
    if product is not None and external_id is None:
        raise InvalidInput("product", "Give it together with external_id only.", InputCode.EXCLUSIVE)

    async def read(reader: Reader) -> Authority:
        if external_id is not None:
            return await _linked_workspace(reader, system, caller, external_id, product)
        found = workspace_id
        if slug is not None:
            found = await workspace_queries.workspace_id_by_slug(reader, slug) if is_slug(slug) else None
        if found is None:
            raise NotFound("workspace")
        authority = await authority_to_read(reader, system, caller, found)
        authority.require("workspace:read")
        return authority

    return await system.store.read(read)


async def _linked_workspace(
    reader: Reader, system: System, caller: Caller, external_id: str, product: str | None
) -> Authority:
    held = await _linked(reader, system, caller, external_id, product)
    if len(held) > 1:
        reason = "Is required: workspaces of several products have this external id."
        raise InvalidInput("product", reason, InputCode.REQUIRED)
    if not held:
        raise NotFound("workspace")
    held[0].require("workspace:read")
    return held[0]


async def linked_workspaces(
    system: System, caller: Caller, external_id: str, product: str | None = None
) -> list[Authority]:
    """Return the caller's authority in the workspaces with this external id that it may read, at most one a product.

    :raises InvalidInput: if the external id is malformed.
    """
    found = await system.store.read(lambda reader: _linked(reader, system, caller, external_id, product))
    return [one for one in found if "workspace:read" in one.scopes]


async def _linked(
    reader: Reader, system: System, caller: Caller, external_id: str, product: str | None
) -> list[Authority]:
    products = system.products if product is None else [product]
    cleaned = clean_external_id("external_id", external_id)
    ids = await workspace_queries.workspace_ids_by_external_id(reader, cleaned, products)
    held = await authorities(reader, system, caller, ids)
    return sorted(held.values(), key=lambda one: one.workspace.product)


async def one_linked_space(
    system: System, caller: Caller, workspace_id: str, external_id: str
) -> tuple[SpaceRecord, Authority]:
    """Return a space by its external id in a workspace, and the caller's authority over it.

    :raises NotFound, Forbidden: as :func:`one_space`.
    :raises InvalidInput: if the external id is malformed.
    """
    cleaned = clean_external_id("external_id", external_id)

    async def read(reader: Reader) -> tuple[SpaceRecord, Authority]:
        authority = (await authorities(reader, system, caller, [workspace_id])).get(workspace_id)
        if authority is None:
            raise NotFound("workspace")
        authority.require("spaces:read")
        space = await workspace_queries.space_record_by_external_id(reader, workspace_id, cleaned)
        if space is None or authority.space_id not in {None, space.id}:
            raise NotFound("space")
        return space, authority

    return await system.store.read(read)


async def one_space(system: System, caller: Caller, space_id: str) -> tuple[SpaceRecord, Authority]:
    """Return a space and the caller's authority over it.

    :raises NotFound, Forbidden: if the caller may not see the space, or without ``spaces:read``.
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


async def spaces_seen(system: System, caller: Caller, space_ids: Iterable[str]) -> dict[str, SpaceRecord]:
    """Return spaces by id, deleted ones included; those that the caller may not see are left out."""
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


async def member_list(
    system: System, caller: Caller, workspace_id: str, request: PageRequest
) -> Page[tuple[MemberRecord, UserRecord]]:
    """Return a page of a workspace's members.

    :raises NotFound, Forbidden: if the workspace is not the caller's, or without ``members:read``.
    """

    async def read(reader: Reader) -> Page[tuple[MemberRecord, UserRecord]]:
        await _whole_workspace(reader, system, caller, workspace_id, "members:read")
        return await workspace_queries.member_page(reader, workspace_id, request)

    return await system.store.read(read)


async def member_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest, held: Held | None = None
) -> list[Listed[tuple[MemberRecord, UserRecord]]]:
    """Return :func:`member_list` for each workspace."""

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[tuple[MemberRecord, UserRecord]]]:
        return await workspace_queries.member_pages(reader, ids, request)

    async def of_space_token(_workspace_id: str) -> Page[tuple[MemberRecord, UserRecord]]:
        raise NotFound("workspace")

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "members:read", read, of_space_token)


async def one_member(
    system: System, caller: Caller, workspace_id: str, user_id: str
) -> tuple[MemberRecord, UserRecord]:
    """Return a member of a workspace with the account.

    :raises NotFound, Forbidden: if there is no such member, the workspace is not the caller's, or without
        ``members:read``.
    """

    async def read(reader: Reader) -> tuple[MemberRecord, UserRecord]:
        await _whole_workspace(reader, system, caller, workspace_id, "members:read")
        found = await workspace_queries.member_record(reader, workspace_id, user_id)
        if found is None:
            raise NotFound("member")
        return found

    return await system.store.read(read)


async def invitation_lists(
    system: System, caller: Caller, workspace_ids: Sequence[str], request: PageRequest, held: Held | None = None
) -> list[Listed[InvitationRecord]]:
    """Return the pending invitations of each workspace, newest first. They require ``members:read``."""
    now = system.clock()

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[InvitationRecord]]:
        return await invitation_queries.pending_invitation_pages(reader, ids, request, now)

    async def of_space_token(_workspace_id: str) -> Page[InvitationRecord]:
        raise NotFound("workspace")

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "members:read", read, of_space_token)


async def audit_list(
    system: System,
    caller: Caller,
    workspace_id: str,
    request: PageRequest,
    where: AuditFilter = EVERYTHING,
) -> Page[AuditRecord]:
    """Return a page of a workspace's audit log, newest first, optionally of those that meet conditions.

    :raises NotFound, Forbidden: if the workspace is not the caller's, or without ``audit:read``.
    :raises InvalidInput: for an invalid condition or cursor.
    """

    async def read(reader: Reader) -> Page[AuditRecord]:
        authority = await authority_to_read(reader, system, caller, workspace_id)
        authority.require("audit:read")
        check_audit_conditions(where)
        if authority.space_id is not None:
            await _own_token(reader, system, caller, where.target_id)
        return await audit_queries.audit_page(reader, workspace_id, request, where)

    return await system.store.read(read)


async def audit_lists(
    system: System,
    caller: Caller,
    workspace_ids: Sequence[str],
    request: PageRequest,
    where: AuditFilter = EVERYTHING,
    held: Held | None = None,
) -> list[Listed[AuditRecord]]:
    """Return :func:`audit_list` for each workspace.

    :raises InvalidInput: for an invalid condition or cursor.
    """
    check_audit_conditions(where)

    async def read(reader: Reader, ids: Sequence[str]) -> list[Page[AuditRecord]]:
        return await audit_queries.audit_pages(reader, ids, request, where)

    async def of_space_token(workspace_id: str) -> Page[AuditRecord]:
        return await audit_list(system, caller, workspace_id, request, where)

    held = await _known(system, caller, workspace_ids, held)
    return await _lists(system, held, workspace_ids, "audit:read", read, of_space_token)


def check_space_text(text: str | None) -> None:
    """Raise if no space can contain the text.

    :raises InvalidInput: with the argument's name.
    """
    if text is not None and len(text) > NAME_LENGTH_MAX:
        raise InvalidInput("text", f"Must be at most {NAME_LENGTH_MAX} characters.", InputCode.TOO_LONG)


def check_audit_conditions(where: AuditFilter) -> None:
    """Raise if no event can match a condition.

    :raises InvalidInput: with the condition's name.
    """
    if where.actor_id is not None:
        clean_actor_id("actor_id", where.actor_id)
    if where.outcome is not None and where.outcome not in OUTCOMES:
        raise InvalidInput("outcome", unknown("outcome", where.outcome, OUTCOMES), InputCode.UNKNOWN_VALUE)
    for field, moment in (("created_after", where.created_after), ("created_before", where.created_before)):
        if moment is not None:
            clean_moment(field, moment)
    for field, text in (("target_id", where.target_id), ("action", where.action)):
        if text is not None and not (text.isprintable() and len(text) <= CONDITION_LENGTH_MAX):
            raise InvalidInput(field, "No event can have this value.", InputCode.INVALID_FORMAT)


async def known_authorities(system: System, caller: Caller, places: Iterable[Place], held: Held | None) -> Held:
    """Return the caller's authority by workspace id, read now unless it is known already."""
    return await _known(system, caller, [workspace_id for workspace_id, _ in places], held)


def readable_places(
    held: Held, places: Sequence[Place], *scopes: str, whole: bool = False, mixed: bool = False
) -> tuple[dict[int, UserError], dict[int, tuple[Authority, str | None]]]:
    """Decide which of these places the caller may read.

    :param whole: whether it takes the whole workspace, which a space token does not see.
    :param mixed: whether it tells of the tokens of several people, as ``whole`` does, which a portal session for its
        person's tokens does not see.
    :return: the refusals by number, and the caller's authority by number with the space that it sees, or None.
    """
    refusals: dict[int, UserError] = {}
    allowed: dict[int, tuple[Authority, str | None]] = {}
    for number, (workspace_id, space_id) in enumerate(places):
        authority = held.get(workspace_id)
        if authority is None:
            refusals[number] = NotFound("workspace")
        elif authority.space_id is not None and space_id not in {None, authority.space_id}:
            refusals[number] = NotFound("space")
        elif missing := frozenset(scopes) - authority.scopes:
            refusals[number] = Forbidden(missing)
        elif (whole and authority.space_id is not None) or ((whole or mixed) and authority.external_id is not None):
            refusals[number] = NotFound("workspace")
        else:
            allowed[number] = (authority, authority.space_id or space_id)
    return refusals, allowed


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
    """Read the lists that the caller may read together. A space token belongs to one workspace and sees less of it."""
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
            except UserError as error:
                answers[workspace_id] = error
    if readable:
        pages = await system.store.read(lambda reader: read(reader, readable))
        answers.update(zip(readable, pages, strict=True))
    return [answers[one] for one in workspace_ids]


async def _own_token(reader: Reader, system: System, caller: Caller, target_id: str | None) -> None:
    """Check that a space token reads the events of one of its own space's tokens."""
    if target_id is None:
        raise NotFound("workspace")
    await token_to_read(reader, system, caller, target_id)


async def _whole_workspace(reader: Reader, system: System, caller: Caller, workspace_id: str, scope: str) -> None:
    authority = await authority_to_read(reader, system, caller, workspace_id)
    if authority.space_id is not None:
        raise Forbidden([scope]) if scope not in authority.scopes else NotFound("workspace")
    authority.require(scope)
