"""Pages of spaces, members and audit events, as a caller may see them."""

from __future__ import annotations

from collections.abc import Iterable

from spacekey.domain.ids import SPACE, id_prefix
from spacekey.domain.page import EVERYTHING, AuditFilter, Page, PageRequest
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AuditRecord, MemberRecord, SpaceRecord, UserRecord
from spacekey.resolvers.access.authority import Authority, authorities, authority_to_read
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.tokens.list import token_to_read

from .page_of_one import page_of_one
from .system import System
from .validation import NAME_LENGTH_MAX, clean_actor_id

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
