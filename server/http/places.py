"""Endpoints of ``/api/v1/workspaces`` and ``/api/v1/spaces``: where keys can be created, to read."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.ids import WORKSPACE
from spacekey.domain.page import PageRequest
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.middleware.routing.endpoints import requires
from spacekey.models.tables.records import SpaceRecord
from spacekey.resolvers.access.authority import Authority, workspace_list
from spacekey.resolvers.workspaces.lists import space_list
from spacekey.server.context import known_caller, known_principal, parts_of
from spacekey.server.timestamps import written

from .request_models import ListSpaces, ListWorkspaces
from .requests import an_id, following_page, query_of
from .response_models import SPACE_PAGE, WORKSPACE_PAGE, Space, Workspace


@requires("workspace:read")
async def list_workspaces(request: Request) -> Response:
    """List the caller's workspaces by name. A token belongs to one."""
    query = query_of(request, ListWorkspaces)
    asked = PageRequest(size=query.limit, after=query.after)
    page = await workspace_list(parts_of(request).system, known_caller(request), asked)
    cursor, headers = following_page(request, page)
    rows = [_workspace(authority) for authority in page.rows]
    return WORKSPACE_PAGE.response(
        {"workspaces": rows, "has_more": cursor is not None, "next_cursor": cursor}, headers=headers
    )


@requires("spaces:read")
async def list_spaces(request: Request) -> Response:
    """List a workspace's spaces by name. A space token sees its own."""
    query = query_of(request, ListSpaces)
    workspace_id = query.workspace_id if query.workspace_id is not None else known_principal(request).workspace_id
    if workspace_id is None:
        raise InvalidInput("workspace_id", "Is required for members; a token knows its own.", InputCode.REQUIRED)
    asked = PageRequest(size=query.limit, after=query.after)
    page = await space_list(
        parts_of(request).system,
        known_caller(request),
        an_id(workspace_id, WORKSPACE, "workspace"),
        asked,
        query.text,
    )
    cursor, headers = following_page(request, page)
    rows = [_space(space) for space in page.rows]
    return SPACE_PAGE.response({"spaces": rows, "has_more": cursor is not None, "next_cursor": cursor}, headers=headers)


def _workspace(authority: Authority) -> Workspace:
    workspace = authority.workspace
    return {
        "id": workspace.id,
        "name": workspace.name,
        "slug": workspace.slug,
        "plan": workspace.plan,
        "created_at": written(workspace.created_at),
        "suspended_at": written(workspace.suspended_at),
    }


def _space(space: SpaceRecord) -> Space:
    return {
        "id": space.id,
        "name": space.name,
        "slug": space.slug,
        "workspace_id": space.workspace_id,
        "created_at": written(space.created_at),
    }
