"""A caller's authority in many workspaces at once, in a number of statements that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import NotFound
from spacekey.models import workspace_queries
from spacekey.models.workspace import Member, Workspace

from .authority import Authority, authority_in
from .caller import Caller, MemberCaller
from .page_of_one import page_of_one
from .system import System
from .workspace_facts import roles_from, scopes_of

READ = "workspace:read"


async def authorities(system: System, caller: Caller, workspace_ids: Iterable[str]) -> dict[str, Authority]:
    """The caller's authority by workspace id; workspaces the caller does not belong to are left out."""
    wanted = set(workspace_ids)
    async with system.store.reading() as session:
        if not isinstance(caller, MemberCaller):
            return await _one_by_one(session, system, caller, wanted)
        memberships = await workspace_queries.members_of_user(session, caller.id)
        mine = {member.workspace_id: member for member in memberships if member.workspace_id in wanted}
        workspaces = await workspace_queries.workspaces_by_ids(session, list(mine))
    kept = [one for one in workspaces if one.deleted_at is None]
    return {one.id: member_authority(system, caller, one, mine[one.id]) for one in kept}


async def workspace_list(system: System, caller: Caller, request: PageRequest) -> Page[Authority]:
    """A page of the workspaces a caller belongs to and may read, by name. A token belongs to one.

    A workspace where the caller lacks ``workspace:read``, or whose catalog is not loaded here, is left out and makes
    its page shorter.
    """
    async with system.store.reading() as session:
        if isinstance(caller, MemberCaller):
            page = await workspace_queries.workspaces_of_user_page(session, caller.id, request)
            members = {one.workspace_id: one for one in await workspace_queries.members_of_user(session, caller.id)}
            held = {
                cursor: member_authority(system, caller, one, members[one.id])
                for one, cursor in zip(page.rows, page.cursors, strict=True)
                if one.id in members and one.catalog in system.catalogs
            }
            readable = {cursor: one for cursor, one in held.items() if READ in one.scopes}
            return Page(list(readable.values()), list(readable), page.has_next, page.has_previous)
        workspace_id = getattr(caller, "workspace_id", "")
        found = await _one_by_one(session, system, caller, {workspace_id})
    return page_of_one([(one.workspace.id, one) for one in found.values() if READ in one.scopes], request)


def member_authority(system: System, caller: MemberCaller, workspace: Workspace, member: Member) -> Authority:
    """The authority a membership gives."""
    catalog = system.catalog(workspace.catalog)
    return Authority(
        caller=caller,
        workspace=workspace,
        catalog=catalog,
        roles=roles_from(catalog, workspace.roles),
        scopes=scopes_of(catalog, workspace, [member.role], Kind.MEMBER),
        grants=(member.role,),
    )


async def _one_by_one(
    session: AsyncSession, system: System, caller: Caller, workspace_ids: set[str]
) -> dict[str, Authority]:
    """A token belongs to one workspace: at most one of the ids is found."""
    found = {}
    own = getattr(caller, "workspace_id", None)
    for workspace_id in workspace_ids if own is None else workspace_ids & {own}:
        try:
            found[workspace_id] = await authority_in(session, system, caller, workspace_id)
        except NotFound:
            continue
    return found
