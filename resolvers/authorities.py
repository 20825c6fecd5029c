"""The workspaces a caller belongs to, with the caller's authority in each."""

from __future__ import annotations

from collections.abc import Iterable

from spacekey.domain.page import Page, PageRequest
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.access.authority import Authority, authorities, member_authority
from spacekey.resolvers.access.caller import Caller, MemberCaller

from .page_of_one import page_of_one
from .system import System

READ = "workspace:read"


async def workspace_list(system: System, caller: Caller, request: PageRequest) -> Page[Authority]:
    """A page of the workspaces a caller belongs to and may read, by name. A token belongs to one.

    A workspace where the caller lacks ``workspace:read``, or whose catalog is not loaded here, is left out and makes
    its page shorter.
    """

    async def read(reader: Reader) -> Page[Authority]:
        if isinstance(caller, MemberCaller):
            page = await workspace_queries.workspaces_of_user_page(reader, caller.id, request)
            held = {
                cursor: member_authority(system, caller, workspace, member.role)
                for (workspace, member), cursor in zip(page.rows, page.cursors, strict=True)
                if workspace.catalog in system.catalogs
            }
            readable = {cursor: one for cursor, one in held.items() if READ in one.scopes}
            return Page(list(readable.values()), list(readable), page.has_next, page.has_previous)
        found = await authorities(reader, system, caller, [getattr(caller, "workspace_id", "")])
        return page_of_one([(one.workspace.id, one) for one in found.values() if READ in one.scopes], request)

    return await system.store.read(read)


async def authorities_in(system: System, caller: Caller, workspace_ids: Iterable[str]) -> dict[str, Authority]:
    """The caller's authority by workspace id; workspaces the caller does not belong to are left out."""
    return await system.store.read(lambda reader: authorities(reader, system, caller, workspace_ids))
