"""Endpoints of ``/api/v1/workspaces`` and ``/spaces`` for one workspace or space: create, find, change, delete.

Lists are in :mod:`.places`."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from spacekey.domain.ids import SPACE, WORKSPACE
from spacekey.domain.refusal import CredentialNotAllowed, InputCode, InvalidInput
from spacekey.domain.unset import UNSET
from spacekey.middleware.routing.endpoints import requires
from spacekey.models.tables.records import AnySpace, AnyWorkspace
from spacekey.resolvers.access.caller import ServiceCaller
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.ensure import ENSURERS, ensured_space, ensured_workspace
from spacekey.resolvers.workspaces.lists import one_space, one_workspace
from spacekey.resolvers.workspaces.spaces import create_space, delete_space, update_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, create_workspace, update_workspace
from spacekey.server.context import known_caller, parts_of
from spacekey.server.timestamps import written

from .places import shown_space, shown_workspace, workspace_asked_for
from .preconditions import preconditions_of, tag_of
from .request_models import (
    ChangeSpace,
    ChangeWorkspace,
    CreateSpace,
    CreateWorkspace,
    EnsureSpace,
    EnsureWorkspace,
    NoQuery,
    Waiting,
)
from .requests import JSON_TYPE, MERGE_PATCH_TYPE, an_id, json_body, query_of
from .response_models import (
    CHANGED_WORKSPACE,
    DELETED_SPACE,
    DELETED_WORKSPACE,
    SPACE_SHOWN,
    WORKSPACE_SHOWN,
    ChangedWorkspace,
)


@requires()
async def post_workspace(request: Request) -> Response:
    """Create a workspace: ``POST /workspaces`` → 201."""
    body = await json_body(request, CreateWorkspace)
    made = await create_workspace(
        parts_of(request).system,
        known_caller(request),
        name=body.name,
        slug=body.slug,
        product=_product(request, body.product),
        plan=body.plan,
        external_id=body.external_id,
    )
    return _workspace(made, 201)


@requires()
async def put_workspace(request: Request) -> Response:
    """Find or create the workspace with an external id: ``POST /workspaces/ensure`` → 200 or 201."""
    body = await json_body(request, EnsureWorkspace)
    caller = known_caller(request)
    if not isinstance(caller, ServiceCaller):
        raise CredentialNotAllowed(ENSURERS)
    found, is_new = await ensured_workspace(
        parts_of(request).system,
        caller,
        external_id=body.external_id,
        name=body.name,
        product=_product(request, body.product),
        plan=body.plan,
        slug=body.slug,
    )
    return _workspace(found, 201 if is_new else 200)


@requires("workspace:read")
async def get_workspace(request: Request) -> Response:
    """Return a workspace: ``GET /workspaces/{id}`` → 200, or 304 if the client has it already."""
    query_of(request, NoQuery)
    conditions = preconditions_of(request)
    held = await one_workspace(parts_of(request).system, known_caller(request), _workspace_id(request))
    return conditions.answer("workspace", WORKSPACE_SHOWN, shown_workspace(held.workspace))


@requires("workspace:write")
async def patch_workspace(request: Request) -> Response:
    """Change a workspace: ``PATCH /workspaces/{id}``. Fields left out stay, null clears."""
    body = await json_body(request, ChangeWorkspace, types=(JSON_TYPE, MERGE_PATCH_TYPE))
    limit = body.rate_limit
    per_minute = burst = UNSET if limit is UNSET else None
    changes = WorkspaceChanges(
        name=body.name,
        slug=body.slug,
        plan=body.plan,
        external_id=body.external_id,
        suspended=body.suspended,
        per_minute=per_minute if limit is UNSET or limit is None else limit.per_minute,
        burst=burst if limit is UNSET or limit is None else limit.burst,
    )
    changed = await update_workspace(
        parts_of(request).system,
        known_caller(request),
        _workspace_id(request),
        changes,
        wait=query_of(request, Waiting).wait,
        precondition=_workspace_condition(request),
    )
    shown = shown_workspace(changed.workspace)
    answer: ChangedWorkspace = {**shown, "effective_at": written(changed.effective_at)}
    return CHANGED_WORKSPACE.response(answer, headers={"ETag": tag_of(WORKSPACE_SHOWN, shown)})


@requires("workspace:write")
async def remove_workspace(request: Request) -> Response:
    """Delete a workspace: ``DELETE /workspaces/{id}``. Its tokens are rejected from then on."""
    wait = query_of(request, Waiting).wait
    system, caller, condition = parts_of(request).system, known_caller(request), _workspace_condition(request)
    gone = await delete_workspace(system, caller, _workspace_id(request), wait=wait, precondition=condition)
    return DELETED_WORKSPACE.response({"id": gone.workspace.id, "effective_at": written(gone.effective_at)})


@requires("spaces:write")
async def post_space(request: Request) -> Response:
    """Create a space: ``POST /spaces`` → 201."""
    body = await json_body(request, CreateSpace)
    made = await create_space(
        parts_of(request).system,
        known_caller(request),
        workspace_asked_for(request, body.workspace_id),
        name=body.name,
        slug=body.slug,
        external_id=body.external_id,
    )
    return _space(made, 201)


@requires("spaces:read", "spaces:write")
async def put_space(request: Request) -> Response:
    """Find or create the space with an external id in a workspace: ``POST /spaces/ensure`` → 200 or 201."""
    body = await json_body(request, EnsureSpace)
    found, is_new = await ensured_space(
        parts_of(request).system,
        known_caller(request),
        workspace_asked_for(request, body.workspace_id),
        external_id=body.external_id,
        name=body.name,
        slug=body.slug,
    )
    return _space(found, 201 if is_new else 200)


@requires("spaces:read")
async def get_space(request: Request) -> Response:
    """Return a space: ``GET /spaces/{id}`` → 200, or 304 if the client has it already."""
    query_of(request, NoQuery)
    conditions = preconditions_of(request)
    space, _ = await one_space(parts_of(request).system, known_caller(request), _space_id(request))
    return conditions.answer("space", SPACE_SHOWN, shown_space(space))


@requires("spaces:write")
async def patch_space(request: Request) -> Response:
    """Change a space: ``PATCH /spaces/{id}``. Fields left out stay, null clears."""
    body = await json_body(request, ChangeSpace, types=(JSON_TYPE, MERGE_PATCH_TYPE))
    changed = await update_space(
        parts_of(request).system,
        known_caller(request),
        _space_id(request),
        name=body.name,
        slug=body.slug,
        external_id=body.external_id,
        precondition=_space_condition(request),
    )
    return _space(changed, 200)


@requires("spaces:write")
async def remove_space(request: Request) -> Response:
    """Delete a space: ``DELETE /spaces/{id}``. Its tokens are rejected from then on."""
    wait = query_of(request, Waiting).wait
    system, caller, condition = parts_of(request).system, known_caller(request), _space_condition(request)
    gone = await delete_space(system, caller, _space_id(request), wait=wait, precondition=condition)
    return DELETED_SPACE.response({"id": gone.space.id, "effective_at": written(gone.effective_at)})


def _product(request: Request, asked: str | None) -> str:
    """Return the product of a new workspace: a service's own if the request names none.

    :raises InvalidInput: if none is named and the caller is no service.
    """
    caller = known_caller(request)
    if asked is None and not isinstance(caller, ServiceCaller):
        raise InvalidInput("product", "Is required; a service knows its own.", InputCode.REQUIRED)
    return caller.product if asked is None and isinstance(caller, ServiceCaller) else asked or ""


def _workspace(workspace: AnyWorkspace, status: int) -> Response:
    shown = shown_workspace(workspace)
    return WORKSPACE_SHOWN.response(shown, status, {"ETag": tag_of(WORKSPACE_SHOWN, shown)})


def _space(space: AnySpace, status: int) -> Response:
    shown = shown_space(space)
    return SPACE_SHOWN.response(shown, status, {"ETag": tag_of(SPACE_SHOWN, shown)})


def _workspace_condition(request: Request) -> Callable[[AnyWorkspace], bool]:
    conditions = preconditions_of(request)
    return lambda workspace: conditions.allow(tag_of(WORKSPACE_SHOWN, shown_workspace(workspace)))


def _space_condition(request: Request) -> Callable[[AnySpace], bool]:
    conditions = preconditions_of(request)
    return lambda space: conditions.allow(tag_of(SPACE_SHOWN, shown_space(space)))


def _workspace_id(request: Request) -> str:
    return an_id(request.path_params["id"], WORKSPACE, "workspace")


def _space_id(request: Request) -> str:
    return an_id(request.path_params["id"], SPACE, "space")
