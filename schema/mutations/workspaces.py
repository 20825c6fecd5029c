"""Mutations of workspaces and their roles."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.workspace import Workspace as WorkspaceRow
from spacekey.resolvers.workspaces import workspaces
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.resolvers.workspaces.workspaces import ChangedWorkspace
from spacekey.schema.answering import answering
from spacekey.schema.context import Context, SpacekeyInfo
from spacekey.schema.types.results import AnyRefusal, Conflict, InvalidInput, NotFound, ScopeNotAllowed, answered
from spacekey.schema.workspace_inputs import (
    CreateWorkspaceInput,
    DeleteWorkspaceInput,
    SetRoleInput,
    UpdateWorkspaceInput,
)
from spacekey.schema.workspace_types import Workspace, shown_workspace


@strawberry.type(description="The workspace as it is now.")
class WorkspaceSuccess:
    """A workspace after a change."""

    workspace: Workspace
    effective_at: datetime


@strawberry.type(description="The workspace is gone, and everything that was given in it has ended.")
class DeleteWorkspaceSuccess:
    """The workspace that was deleted."""

    deleted_workspace_id: strawberry.ID = strawberry.field(
        description="The workspace's `id`, to drop from a client's cache."
    )
    effective_at: datetime = strawberry.field(description="From then on no process accepts a token of it.")


WorkspaceResult: TypeAlias = Annotated[
    WorkspaceSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict, strawberry.union("WorkspaceResult")
]
DeleteWorkspaceResult: TypeAlias = Annotated[
    DeleteWorkspaceSuccess | NotFound | Conflict, strawberry.union("DeleteWorkspaceResult")
]


@strawberry.type
class WorkspaceMutations:
    """What can be done to workspaces."""

    @strawberry.mutation(
        graphql_type=WorkspaceResult,
        description="Create a workspace; you become its owner. For signed-in people, where the server lets them.",
        directives=[requires_scopes()],
    )
    async def create_workspace(self, info: SpacekeyInfo, input: CreateWorkspaceInput) -> object:  # noqa: A002
        """A door to :func:`workspaces.create_workspace`."""
        context = info.context
        caller = context.signed_in_caller
        answer = await answered(
            context,
            lambda: workspaces.create_workspace(
                context.system, caller, name=input.name, slug=input.slug, catalog=input.catalog
            ),
        )
        if isinstance(answer, WorkspaceRow):
            return await _workspace_success(context, ChangedWorkspace(answer, answer.created_at))
        return answer

    @strawberry.mutation(
        graphql_type=WorkspaceResult,
        description="Edit a workspace's name, slug, plan and policy.",
        directives=[requires_scopes("workspace:write")],
    )
    async def update_workspace(self, info: SpacekeyInfo, input: UpdateWorkspaceInput) -> object:  # noqa: A002
        """A door to :func:`workspaces.update_workspace`."""
        context = info.context
        answer = await answered(
            context,
            lambda: workspaces.update_workspace(
                context.system, context.known_caller, input.id, input.changes(), wait=input.wait
            ),
        )
        return await _workspace_success(context, answer) if isinstance(answer, ChangedWorkspace) else answer

    @strawberry.mutation(
        graphql_type=WorkspaceResult,
        description="Configure a role of a workspace; members and tokens that hold it change at once.",
        directives=[requires_scopes("workspace:write")],
    )
    async def set_role(self, info: SpacekeyInfo, input: SetRoleInput) -> object:  # noqa: A002
        """A door to :func:`set_role`."""
        context = info.context
        answer = await answered(
            context,
            lambda: set_role(
                context.system,
                context.known_caller,
                input.workspace_id,
                name=input.name,
                title=input.title,
                description=input.description,
                grants=input.grants,
                wait=input.wait,
            ),
        )
        return await _workspace_success(context, answer) if isinstance(answer, ChangedWorkspace) else answer

    @strawberry.mutation(
        graphql_type=DeleteWorkspaceResult,
        description="Delete a workspace with all that lies in it; for its owners, signed in.",
        directives=[requires_scopes("workspace:write")],
    )
    async def delete_workspace(self, info: SpacekeyInfo, input: DeleteWorkspaceInput) -> object:  # noqa: A002
        """A door to :func:`delete_workspace`."""
        context = info.context
        answer = await answered(
            context, lambda: delete_workspace(context.system, context.known_caller, input.id, wait=input.wait)
        )
        if isinstance(answer, ChangedWorkspace):
            deleted = strawberry.ID(answer.workspace.id)
            return DeleteWorkspaceSuccess(deleted_workspace_id=deleted, effective_at=answer.effective_at)
        return answer


async def _workspace_success(context: Context, changed: ChangedWorkspace) -> WorkspaceSuccess | AnyRefusal:
    """The workspace as the caller sees it after the change, read afresh."""
    with answering():
        authority = await context.loaders.authority.load(changed.workspace.id)
    if authority is None:
        return NotFound(message="There is no such workspace, or you have no access to it.")
    # Whoever may edit it is shown what was edited, with or without ``workspace:read``: it is done already.
    return WorkspaceSuccess(workspace=shown_workspace(authority), effective_at=changed.effective_at)
