"""Mutations of workspaces, their roles and their spaces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.domain import refusal as domain
from spacekey.domain.unset import UNSET
from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.workspace import Space as SpaceRow
from spacekey.models.tables.workspace import Workspace as WorkspaceRow
from spacekey.resolvers.access.caller import ServiceCaller
from spacekey.resolvers.workspaces import spaces, workspaces
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.ensure import ENSURERS, ensured_space, ensured_workspace
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.spaces import ChangedSpace
from spacekey.resolvers.workspaces.workspaces import ChangedWorkspace, WorkspaceChanges
from spacekey.schema.context import Context, SpacekeyInfo
from spacekey.schema.errors import answering
from spacekey.schema.types.objects import Space, Workspace, shown_workspace, space_type
from spacekey.schema.types.results import (
    AnyRefusal,
    Conflict,
    InvalidInput,
    NotFound,
    ScopeNotAllowed,
    answered,
    error_value,
)

from .inputs import EFFECTIVE, EXTERNAL_ID, WAIT, check_not_null, kept, kept_tuple, kept_whole

TENANTS_ID = f"{EXTERNAL_ID.format(whose='its tenant')} Only the operator sets it; it is unique in the product."
PROJECTS_ID = f"{EXTERNAL_ID.format(whose='the space')} It is unique in the workspace."


@strawberry.type(description="The workspace was created.")
class CreateWorkspaceSuccess:
    """Result with the new workspace."""

    workspace: Workspace | None = strawberry.field(description="The new workspace.")


@strawberry.type(description="There is a workspace with the external ID.")
class EnsureWorkspaceSuccess:
    """Result with the workspace that was found or created."""

    workspace: Workspace | None = strawberry.field(description="The workspace.")
    created: bool = strawberry.field(description="Whether it was created now. If not, it was not changed.")


@strawberry.type(description="There is a space with the external ID.")
class EnsureSpaceSuccess:
    """Result with the space that was found or created."""

    space: Space | None = strawberry.field(description="The space.")
    created: bool = strawberry.field(description="Whether it was created now. If not, it was not changed.")


@strawberry.type(description="The workspace was changed.")
class UpdateWorkspaceSuccess:
    """Result with the workspace after the change."""

    workspace: Workspace | None = strawberry.field(description="The workspace after the change.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The role was configured.")
class SetRoleSuccess:
    """Result with the workspace after its role was configured."""

    workspace: Workspace | None = strawberry.field(description="The workspace with the role.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The role was removed from the workspace.")
class DeleteRoleSuccess:
    """Result with the name of the removed role."""

    deleted_role_name: str = strawberry.field(description="The name of the removed role.")
    workspace: Workspace | None = strawberry.field(description="The workspace without the role.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The workspace was deleted, with its memberships and tokens.")
class DeleteWorkspaceSuccess:
    """Result with the deleted workspace's id."""

    deleted_workspace_id: strawberry.ID = strawberry.field(description="The ID of the deleted workspace.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


CreateWorkspaceResult: TypeAlias = Annotated[
    CreateWorkspaceSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("CreateWorkspaceResult", description="The result of `createWorkspace`."),
]
EnsureWorkspaceResult: TypeAlias = Annotated[
    EnsureWorkspaceSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("EnsureWorkspaceResult", description="The result of `ensureWorkspace`."),
]
EnsureSpaceResult: TypeAlias = Annotated[
    EnsureSpaceSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("EnsureSpaceResult", description="The result of `ensureSpace`."),
]
UpdateWorkspaceResult: TypeAlias = Annotated[
    UpdateWorkspaceSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("UpdateWorkspaceResult", description="The result of `updateWorkspace`."),
]
SetRoleResult: TypeAlias = Annotated[
    SetRoleSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("SetRoleResult", description="The result of `setRole`."),
]
DeleteRoleResult: TypeAlias = Annotated[
    DeleteRoleSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("DeleteRoleResult", description="The result of `deleteRole`."),
]
DeleteWorkspaceResult: TypeAlias = Annotated[
    DeleteWorkspaceSuccess | NotFound | Conflict,
    strawberry.union("DeleteWorkspaceResult", description="The result of `deleteWorkspace`."),
]


@strawberry.type
class WorkspaceMutations:
    """Mutations of workspaces and their roles."""

    @strawberry.mutation(
        graphql_type=CreateWorkspaceResult | None,
        description=(
            "Create a workspace. A person becomes its owner, if people may create workspaces; a service needs the "
            "scope `operator:workspaces:create`. Not available to tokens."
        ),
        directives=[requires_scopes()],
    )
    async def create_workspace(self, info: SpacekeyInfo, input: CreateWorkspaceInput) -> object:  # noqa: A002
        """Call :func:`workspaces.create_workspace`."""
        context = info.context
        answer = await answered(
            context,
            lambda: workspaces.create_workspace(
                context.system,
                context.known_caller,
                name=input.name,
                slug=input.slug,
                product=input.product,
                plan=input.plan,
                external_id=input.external_id,
            ),
        )
        if not isinstance(answer, WorkspaceRow):
            return answer
        shown = await _shown(context, answer.id)
        return CreateWorkspaceSuccess(workspace=shown) if isinstance(shown, Workspace) else shown

    @strawberry.mutation(
        graphql_type=EnsureWorkspaceResult | None,
        description=(
            "Find the workspace of a product with an external ID, or create it. Available to services only, with the "
            "scopes `operator:workspaces:create` and `workspace:read`."
        ),
        directives=[requires_scopes()],
    )
    async def ensure_workspace(self, info: SpacekeyInfo, input: EnsureWorkspaceInput) -> object:  # noqa: A002
        """Call :func:`ensured_workspace`."""
        context = info.context
        caller = context.known_caller

        async def ensure() -> tuple[WorkspaceRow, bool]:
            if not isinstance(caller, ServiceCaller):
                raise domain.CredentialNotAllowed(ENSURERS)
            return await ensured_workspace(
                context.system,
                caller,
                external_id=input.external_id,
                name=input.name,
                product=input.product,
                plan=input.plan,
                slug=input.slug,
            )

        answer = await answered(context, ensure)
        if not isinstance(answer, tuple):
            return answer
        shown = await _shown(context, answer[0].id)
        return EnsureWorkspaceSuccess(workspace=shown, created=answer[1]) if isinstance(shown, Workspace) else shown

    @strawberry.mutation(
        graphql_type=UpdateWorkspaceResult | None,
        description="Change the name, slug, plan or policy of a workspace.",
        directives=[requires_scopes("workspace:write")],
    )
    async def update_workspace(self, info: SpacekeyInfo, input: UpdateWorkspaceInput) -> object:  # noqa: A002
        """Call :func:`workspaces.update_workspace`."""
        context = info.context
        answer = await answered(
            context,
            lambda: workspaces.update_workspace(
                context.system, context.known_caller, input.id, input.changes(), wait=input.wait
            ),
        )
        if not isinstance(answer, ChangedWorkspace):
            return answer
        shown = await _shown(context, answer.workspace.id)
        if not isinstance(shown, Workspace):
            return shown
        return UpdateWorkspaceSuccess(workspace=shown, effective_at=answer.effective_at)

    @strawberry.mutation(
        graphql_type=SetRoleResult | None,
        description=("Configure a role of a workspace. Members and tokens that hold it change immediately."),
        directives=[requires_scopes("workspace:write")],
    )
    async def set_role(self, info: SpacekeyInfo, input: SetRoleInput) -> object:  # noqa: A002
        """Call :func:`set_role`."""
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
        if not isinstance(answer, ChangedWorkspace):
            return answer
        shown = await _shown(context, answer.workspace.id)
        if not isinstance(shown, Workspace):
            return shown
        return SetRoleSuccess(workspace=shown, effective_at=answer.effective_at)

    @strawberry.mutation(
        graphql_type=DeleteRoleResult | None,
        description="Remove a role from a workspace. No member, token or pending invitation may have it.",
        directives=[requires_scopes("workspace:write")],
    )
    async def delete_role(self, info: SpacekeyInfo, input: DeleteRoleInput) -> object:  # noqa: A002
        """Call :func:`delete_role`."""
        context = info.context
        answer = await answered(
            context,
            lambda: delete_role(
                context.system, context.known_caller, input.workspace_id, name=input.name, wait=input.wait
            ),
        )
        if not isinstance(answer, ChangedWorkspace):
            return answer
        shown = await _shown(context, answer.workspace.id)
        if not isinstance(shown, Workspace):
            return shown
        return DeleteRoleSuccess(deleted_role_name=input.name, workspace=shown, effective_at=answer.effective_at)

    @strawberry.mutation(
        graphql_type=DeleteWorkspaceResult | None,
        description=("Delete a workspace with all that belongs to it. Available to its owners only, signed in."),
        directives=[requires_scopes("workspace:write")],
    )
    async def delete_workspace(self, info: SpacekeyInfo, input: DeleteWorkspaceInput) -> object:  # noqa: A002
        """Call :func:`delete_workspace`."""
        context = info.context
        answer = await answered(
            context, lambda: delete_workspace(context.system, context.known_caller, input.id, wait=input.wait)
        )
        if isinstance(answer, ChangedWorkspace):
            deleted = strawberry.ID(answer.workspace.id)
            return DeleteWorkspaceSuccess(deleted_workspace_id=deleted, effective_at=answer.effective_at)
        return answer


async def _shown(context: Context, workspace_id: str) -> Workspace | AnyRefusal:
    """Return the workspace as the caller sees it after the change, read again."""
    with answering():
        authority = await context.loaders.authority.load(workspace_id)
    if authority is None:
        return error_value(domain.NotFound("workspace"))
    # A caller who may edit it is shown the result even without ``workspace:read``: the change is already made.
    return shown_workspace(authority)


@strawberry.input(
    description=(
        "The limits that a workspace sets for its own tokens. Fields that are left out keep their value; "
        "null removes a limit."
    )
)
class PolicyInput:
    """Input with the fields of a policy."""

    max_lifetime_seconds: int | None = strawberry.field(
        default=strawberry.UNSET, description="The maximum lifetime of a token, in seconds. Null removes the limit."
    )
    default_lifetime_seconds: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "The lifetime of a token that is created without an expiry, in seconds. Null removes the default."
        ),
    )
    expiry_required: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether each token must have an expiry."
    )
    scopes_allowed: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description=("The scopes that tokens of this workspace can use. Null allows all scopes of the plan."),
    )


@strawberry.input(description="The workspace to create.")
class CreateWorkspaceInput:
    """Input of ``createWorkspace``."""

    name: str = strawberry.field(description="The name of the workspace.")
    slug: str = strawberry.field(description="The unique name of the workspace in URLs.")
    product: str = strawberry.field(description="The name of the product that the workspace belongs to.")
    plan: str | None = strawberry.field(
        default=None,
        description="The name of the plan. Only services choose it; by default the product's default plan.",
    )
    external_id: str | None = strawberry.field(default=None, description=TENANTS_ID)


@strawberry.input(description="The workspace to find or create.")
class EnsureWorkspaceInput:
    """Input of ``ensureWorkspace``."""

    external_id: str = strawberry.field(description=TENANTS_ID)
    name: str = strawberry.field(description="The name of a new workspace.")
    product: str = strawberry.field(description="The name of the product that the workspace belongs to.")
    slug: str | None = strawberry.field(
        default=None, description="The name of a new workspace in URLs. By default one that is made from its name."
    )
    plan: str | None = strawberry.field(
        default=None, description="The name of a new workspace's plan. By default the product's default plan."
    )


@strawberry.input(description="The space to find or create.")
class EnsureSpaceInput:
    """Input of ``ensureSpace``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    external_id: str = strawberry.field(description=PROJECTS_ID)
    name: str = strawberry.field(description="The name of a new space.")
    slug: str | None = strawberry.field(
        default=None, description="The name of a new space in URLs. By default one that is made from its name."
    )


@strawberry.input(description="A rate limit of a workspace's own, in place of its plan's.")
class RateLimitInput:
    """Input with the fields of a rate limit."""

    per_minute: int = strawberry.field(description="The number of requests allowed in a minute, over time.")
    burst: int = strawberry.field(description="The number of requests allowed at once.")


@strawberry.input(
    description=("The changes to a workspace. Fields that are left out keep their value; null clears a field.")
)
class UpdateWorkspaceInput:
    """Input of ``updateWorkspace``."""

    id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The new name of the workspace.")
    slug: str | None = strawberry.field(
        default=strawberry.UNSET, description="The new unique name of the workspace in URLs."
    )
    plan: str | None = strawberry.field(default=strawberry.UNSET, description="The name of the new plan.")
    policy: PolicyInput | None = strawberry.field(
        default=strawberry.UNSET, description="The changes to the limits that the workspace sets for its own tokens."
    )
    external_id: str | None = strawberry.field(default=strawberry.UNSET, description=f"{TENANTS_ID} Null removes it.")
    rate_limit: RateLimitInput | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "The rate limit of each of its tokens; null for the plan's. Takes a service with the scope "
            "`operator:workspaces:update`."
        ),
    )
    suspended: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Whether all tokens of the workspace are rejected. Takes a service with the scope "
            "`operator:workspaces:update`."
        ),
    )
    wait: bool = strawberry.field(default=True, description=WAIT)

    def changes(self) -> WorkspaceChanges:
        """Return the same as a resolver's argument.

        :raises InvalidInput: null for a field that cannot be cleared.
        """
        given = {"name": self.name, "slug": self.slug, "plan": self.plan, "policy": self.policy}
        policy = PolicyInput() if self.policy is None or self.policy is strawberry.UNSET else self.policy
        check_not_null(**given, expiry_required=policy.expiry_required, suspended=self.suspended)
        limit = kept(self.rate_limit)
        return WorkspaceChanges(
            name=kept_whole("name", self.name),
            slug=kept_whole("slug", self.slug),
            plan=kept_whole("plan", self.plan),
            lifetime_seconds_max=kept(policy.max_lifetime_seconds),
            lifetime_seconds_default=kept(policy.default_lifetime_seconds),
            expiry_required=kept_whole("expiry_required", policy.expiry_required),
            scopes_allowed=kept_tuple(policy.scopes_allowed),
            per_minute=UNSET if limit is UNSET else None if limit is None else limit.per_minute,
            burst=UNSET if limit is UNSET else None if limit is None else limit.burst,
            suspended=kept_whole("suspended", self.suspended),
            external_id=kept(self.external_id),
        )


@strawberry.input(description="The role of a workspace to add or change.")
class SetRoleInput:
    """Input of ``setRole``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    name: str = strawberry.field(description="The name of the role.")
    grants: list[str] = strawberry.field(description="The scopes and shorthands that the role consists of.")
    title: str | None = strawberry.field(default=None, description="The name of the role as shown to people.")
    description: str | None = strawberry.field(default=None, description="What the role is for, in a sentence.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The role to remove from a workspace.")
class DeleteRoleInput:
    """Input of ``deleteRole``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    name: str = strawberry.field(description="The name of the role.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(
    description=("The workspace to delete. All of its tokens are rejected and all memberships end, for good.")
)
class DeleteWorkspaceInput:
    """Input of ``deleteWorkspace``."""

    id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The space to create.")
class CreateSpaceInput:
    """Input of ``createSpace``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    name: str = strawberry.field(description="The name of the space.")
    slug: str = strawberry.field(description="The name of the space in URLs, unique in the workspace.")
    external_id: str | None = strawberry.field(default=None, description=PROJECTS_ID)


@strawberry.input(description="The changes to a space. Fields that are left out keep their value.")
class UpdateSpaceInput:
    """Input of ``updateSpace``."""

    id: strawberry.ID = strawberry.field(description="The ID of the space.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The new name of the space.")
    slug: str | None = strawberry.field(default=strawberry.UNSET, description="The new name of the space in URLs.")
    external_id: str | None = strawberry.field(default=strawberry.UNSET, description=f"{PROJECTS_ID} Null removes it.")


@strawberry.input(description="The space to delete. Its tokens are rejected from then on.")
class DeleteSpaceInput:
    """Input of ``deleteSpace``."""

    id: strawberry.ID = strawberry.field(description="The ID of the space.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.type(description="The space was created.")
class CreateSpaceSuccess:
    """Result with the new space."""

    space: Space | None = strawberry.field(description="The new space.")


@strawberry.type(description="The space was changed.")
class UpdateSpaceSuccess:
    """Result with the space after the change."""

    space: Space | None = strawberry.field(description="The space after the change.")


@strawberry.type(description="The space was deleted. Its tokens are rejected.")
class DeleteSpaceSuccess:
    """Result with the deleted space's id."""

    deleted_space_id: strawberry.ID = strawberry.field(description="The ID of the deleted space.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


CreateSpaceResult: TypeAlias = Annotated[
    CreateSpaceSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("CreateSpaceResult", description="The result of `createSpace`."),
]
UpdateSpaceResult: TypeAlias = Annotated[
    UpdateSpaceSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("UpdateSpaceResult", description="The result of `updateSpace`."),
]
DeleteSpaceResult: TypeAlias = Annotated[
    DeleteSpaceSuccess | NotFound | Conflict,
    strawberry.union("DeleteSpaceResult", description="The result of `deleteSpace`."),
]


@strawberry.type
class SpaceMutations:
    """Mutations of spaces."""

    @strawberry.mutation(
        graphql_type=CreateSpaceResult | None,
        description="Create a space in a workspace.",
        directives=[requires_scopes("spaces:write")],
    )
    async def create_space(self, info: SpacekeyInfo, input: CreateSpaceInput) -> object:  # noqa: A002
        """Create a space."""
        context = info.context
        answer = await answered(
            context,
            lambda: spaces.create_space(
                context.system,
                context.known_caller,
                input.workspace_id,
                name=input.name,
                slug=input.slug,
                external_id=input.external_id,
            ),
        )
        return CreateSpaceSuccess(space=space_type(answer)) if isinstance(answer, SpaceRow) else answer

    @strawberry.mutation(
        graphql_type=EnsureSpaceResult | None,
        description="Find the space of a workspace with an external ID, or create it.",
        directives=[requires_scopes("spaces:read", "spaces:write")],
    )
    async def ensure_space(self, info: SpacekeyInfo, input: EnsureSpaceInput) -> object:  # noqa: A002
        """Call :func:`ensured_space`."""
        context = info.context
        answer = await answered(
            context,
            lambda: ensured_space(
                context.system,
                context.known_caller,
                input.workspace_id,
                external_id=input.external_id,
                name=input.name,
                slug=input.slug,
            ),
        )
        if not isinstance(answer, tuple):
            return answer
        return EnsureSpaceSuccess(space=space_type(answer[0]), created=answer[1])

    @strawberry.mutation(
        graphql_type=UpdateSpaceResult | None,
        description="Change the name, slug or external ID of a space.",
        directives=[requires_scopes("spaces:write")],
    )
    async def update_space(self, info: SpacekeyInfo, input: UpdateSpaceInput) -> object:  # noqa: A002
        """Rename a space."""
        context = info.context

        async def update() -> SpaceRow:
            check_not_null(name=input.name, slug=input.slug)
            return await spaces.update_space(
                context.system,
                context.known_caller,
                input.id,
                name=kept_whole("name", input.name),
                slug=kept_whole("slug", input.slug),
                external_id=kept(input.external_id),
            )

        answer = await answered(context, update)
        return UpdateSpaceSuccess(space=space_type(answer)) if isinstance(answer, SpaceRow) else answer

    @strawberry.mutation(
        graphql_type=DeleteSpaceResult | None,
        description="Delete a space. Its tokens are rejected from then on.",
        directives=[requires_scopes("spaces:write")],
    )
    async def delete_space(self, info: SpacekeyInfo, input: DeleteSpaceInput) -> object:  # noqa: A002
        """Delete a space; its tokens are refused from then on."""
        context = info.context
        answer = await answered(
            context, lambda: spaces.delete_space(context.system, context.known_caller, input.id, wait=input.wait)
        )
        if not isinstance(answer, ChangedSpace):
            return answer
        deleted = strawberry.ID(answer.space.id)
        return DeleteSpaceSuccess(deleted_space_id=deleted, effective_at=answer.effective_at)
