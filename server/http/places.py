"""Endpoints of ``/api/v1/workspaces``, ``/spaces`` and ``/audit-events``: where keys are, and what was done there."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.ids import WORKSPACE
from spacekey.domain.page import AuditFilter, Page, PageRequest
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound
from spacekey.middleware.routing.endpoints import requires
from spacekey.models.tables.records import AnySpace, AnyWorkspace, AuditRecord, SpaceRecord
from spacekey.resolvers.access.authority import workspace_list
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.audit.log import actor_facts
from spacekey.resolvers.system import System
from spacekey.resolvers.workspaces.lists import audit_list, linked_workspaces, one_linked_space, space_list
from spacekey.server.context import known_caller, known_principal, parts_of
from spacekey.server.timestamps import written

from .request_models import ListAuditEvents, ListSpaces, ListWorkspaces
from .requests import an_id, following_page, query_of
from .response_models import (
    AUDIT_EVENT_PAGE,
    SPACE_PAGE,
    WORKSPACE_PAGE,
    Actor,
    AuditEvent,
    Space,
    Workspace,
)


@requires("workspace:read")
async def list_workspaces(request: Request) -> Response:
    """List the caller's workspaces by name. A token belongs to one."""
    query = query_of(request, ListWorkspaces)
    asked = PageRequest(size=query.limit, after=query.after)
    system, caller = parts_of(request).system, known_caller(request)
    if query.external_id is not None:
        linked = await linked_workspaces(system, caller, query.external_id, query.product)
        page = Page(linked, [one.workspace.id for one in linked], has_next=False, has_previous=False)
    elif query.product is not None:
        raise InvalidInput("external_id", "Is required beside 'product'.", InputCode.REQUIRED)
    else:
        page = await workspace_list(system, caller, asked)
    cursor, headers = following_page(request, page)
    rows = [shown_workspace(authority.workspace) for authority in page.rows]
    return WORKSPACE_PAGE.response(
        {"workspaces": rows, "has_more": cursor is not None, "next_cursor": cursor}, headers=headers
    )


@requires("spaces:read")
async def list_spaces(request: Request) -> Response:
    """List a workspace's spaces by name. A space token sees its own."""
    query = query_of(request, ListSpaces)
    asked = PageRequest(size=query.limit, after=query.after)
    system, caller = parts_of(request).system, known_caller(request)
    workspace_id = workspace_asked_for(request, query.workspace_id)
    if query.external_id is not None:
        if query.text is not None:
            raise InvalidInput("text", "Give either external_id or text.", InputCode.EXCLUSIVE)
        page = await _linked_space(system, caller, workspace_id, query.external_id)
    else:
        page = await space_list(system, caller, workspace_id, asked, query.text)
    cursor, headers = following_page(request, page)
    rows = [shown_space(space) for space in page.rows]
    return SPACE_PAGE.response({"spaces": rows, "has_more": cursor is not None, "next_cursor": cursor}, headers=headers)


@requires("audit:read")
async def list_audit_events(request: Request) -> Response:
    """List the events of a workspace's audit log, newest first. A space token sees those about itself."""
    query = query_of(request, ListAuditEvents)
    where = AuditFilter(
        actor_id=query.actor_id,
        target_id=query.target_id,
        action=query.action,
        outcome=query.outcome,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    asked, workspace_id = (
        PageRequest(size=query.limit, after=query.after),
        workspace_asked_for(request, query.workspace_id),
    )
    page = await audit_list(parts_of(request).system, known_caller(request), workspace_id, asked, where)
    cursor, headers = following_page(request, page)
    rows = [_event(event) for event in page.rows]
    return AUDIT_EVENT_PAGE.response(
        {"audit_events": rows, "has_more": cursor is not None, "next_cursor": cursor}, headers=headers
    )


async def _linked_space(system: System, caller: Caller, workspace_id: str, external_id: str) -> Page[SpaceRecord]:
    try:
        space, _ = await one_linked_space(system, caller, workspace_id, external_id)
    except NotFound as error:
        if error.what != "space":
            raise
        return Page([], [], has_next=False, has_previous=False)
    return Page([space], [space.id], has_next=False, has_previous=False)


def workspace_asked_for(request: Request, workspace_id: str | None) -> str:
    """Return the id of the workspace that the query names, or that of the token.

    :raises InvalidInput: for a person who names none.
    :raises NotFound: for text that is no id.
    """
    asked = workspace_id if workspace_id is not None else known_principal(request).workspace_id
    if asked is None:
        raise InvalidInput("workspace_id", "Is required for members; a token knows its own.", InputCode.REQUIRED)
    return an_id(asked, WORKSPACE, "workspace")


def _event(event: AuditRecord) -> AuditEvent:
    return {
        "id": event.id,
        "at": written(event.at),
        "action": event.action,
        "outcome": event.outcome,
        "actor": cast("Actor", actor_facts(event.actor)),
        "target_id": event.target_id,
        "target_name": event.target_name,
        "before": event.before,
        "after": event.after,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
    }


def shown_workspace(workspace: AnyWorkspace) -> Workspace:
    """Return a workspace as lists and single answers show it."""
    own = workspace.per_minute is not None and workspace.burst is not None
    return {
        "id": workspace.id,
        "name": workspace.name,
        "slug": workspace.slug,
        "product": workspace.product,
        "plan": workspace.plan,
        "rate_limit": {"per_minute": workspace.per_minute or 0, "burst": workspace.burst or 0} if own else None,
        "created_at": written(workspace.created_at),
        "suspended_at": written(workspace.suspended_at),
        "external_id": workspace.external_id,
    }


def shown_space(space: AnySpace) -> Space:
    """Return a space as lists and single answers show it."""
    return {
        "id": space.id,
        "name": space.name,
        "slug": space.slug,
        "workspace_id": space.workspace_id,
        "created_at": written(space.created_at),
        "external_id": space.external_id,
    }
