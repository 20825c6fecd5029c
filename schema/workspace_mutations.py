"""Mutations of workspaces, spaces, members and roles."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.models.workspace import Space as SpaceRow
from spacekey.models.workspace import Workspace as WorkspaceRow
from spacekey.resolvers import members, spaces, workspaces
from spacekey.resolvers.members import Membership
from spacekey.resolvers.roles import set_role
from spacekey.resolvers.spaces import ChangedSpace
from spacekey.resolvers.workspaces import ChangedWorkspace, WorkspaceChanges

from .answering import answering
from .context import Context, SpacekeyInfo
from .left_out import kept, kept_tuple, kept_whole
from .refusal_types import AnyRefusal, Conflict, InvalidInput, NotFound, ScopeNotAllowed, answered
from .workspace_types import Member, Space, Workspace, member_type, space_type


@strawberry.input(description="A new workspace; you become its owner.")
class CreateWorkspaceInput:
    """Name, slug and which product's words."""

    name: str
    slug: str
    catalog: str


@strawberry.input(description="What to change: what is left out stays, null clears. Lifetimes are seconds.")
class UpdateWorkspaceInput:
    """Changes of a workspace."""

    id: strawberry.ID
    name: str | None = strawberry.UNSET
    slug: str | None = strawberry.UNSET
    plan: str | None = strawberry.UNSET
    lifetime_seconds_max: int | None = strawberry.UNSET
    lifetime_seconds_default: int | None = strawberry.UNSET
    expiry_required: bool | None = strawberry.UNSET
    scopes_allowed: list[str] | None = strawberry.UNSET
    wait: bool = True

    def changes(self) -> WorkspaceChanges:
        """The same in the resolvers' words.

        :raises InvalidInput: null for what cannot be cleared.
        """
        return WorkspaceChanges(
            name=kept_whole("name", self.name),
            slug=kept_whole("slug", self.slug),
            plan=kept_whole("plan", self.plan),
            lifetime_seconds_max=kept(self.lifetime_seconds_max),
            lifetime_seconds_default=kept(self.lifetime_seconds_default),
            expiry_required=kept_whole("expiry_required", self.expiry_required),
            scopes_allowed=kept_tuple(self.scopes_allowed),
        )


@strawberry.input(description="Define what a role grants here, add one, or remove one by null grants.")
class SetRoleInput:
    """A role of a workspace."""

    workspace_id: strawberry.ID
    name: str
    grants: list[str] | None
    title: str | None = None
    description: str | None = None
    wait: bool = True


@strawberry.input(description="A new space.")
class CreateSpaceInput:
    """Where, and what it is called."""

    workspace_id: strawberry.ID
    name: str
    slug: str


@strawberry.input(description="What to change: what is left out stays.")
class UpdateSpaceInput:
    """Changes of a space."""

    id: strawberry.ID
    name: str | None = strawberry.UNSET
    slug: str | None = strawberry.UNSET


@strawberry.input(description="Which space. Its tokens are refused from then on.")
class DeleteSpaceInput:
    """A space to delete."""

    id: strawberry.ID
    wait: bool = True


@strawberry.input(description="Whom to add, in which role.")
class AddMemberInput:
    """A new member."""

    workspace_id: strawberry.ID
    email: str
    role: str
    name: str | None = None


@strawberry.input(description="Whose role to change, and to what.")
class ChangeMemberRoleInput:
    """A member's new role."""

    workspace_id: strawberry.ID
    user_id: strawberry.ID
    role: str
    wait: bool = True


@strawberry.input(description="Whom to remove. The tokens they made stay.")
class RemoveMemberInput:
    """A member to remove."""

    workspace_id: strawberry.ID
    user_id: strawberry.ID
    wait: bool = True


@strawberry.type(description="The workspace as it is now.")
class WorkspaceSuccess:
    """A workspace after a change."""

    workspace: Workspace
    effective_at: datetime


@strawberry.type(description="The space as it is now.")
class SpaceSuccess:
    """A space after a change."""

    space: Space
    effective_at: datetime


@strawberry.type(description="The member as they are now.")
class MemberSuccess:
    """A member after a change."""

    member: Member
    effective_at: datetime
    invitation: str | None = strawberry.field(
        description="Hand it to the person: a code, shown once, good for 7 days, with which they become a member."
    )


WorkspaceResult: TypeAlias = Annotated[
    WorkspaceSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict, strawberry.union("WorkspaceResult")
]
SpaceResult: TypeAlias = Annotated[SpaceSuccess | InvalidInput | NotFound | Conflict, strawberry.union("SpaceResult")]
MemberResult: TypeAlias = Annotated[
    MemberSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict, strawberry.union("MemberResult")
]


@strawberry.type
class WorkspaceMutations:
    """What can be done to workspaces and what lies in them."""

    @strawberry.mutation(
        graphql_type=WorkspaceResult,
        description="Create a workspace; you become its owner. For signed-in members.",
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

    @strawberry.mutation(graphql_type=SpaceResult, directives=[requires_scopes("spaces:write")])
    async def create_space(self, info: SpacekeyInfo, input: CreateSpaceInput) -> object:  # noqa: A002
        """Create a space."""
        context = info.context
        return _space_success(
            await answered(
                context,
                lambda: spaces.create_space(
                    context.system, context.known_caller, input.workspace_id, name=input.name, slug=input.slug
                ),
            ),
            context,
        )

    @strawberry.mutation(graphql_type=SpaceResult, directives=[requires_scopes("spaces:write")])
    async def update_space(self, info: SpacekeyInfo, input: UpdateSpaceInput) -> object:  # noqa: A002
        """Rename a space."""
        context = info.context
        return _space_success(
            await answered(
                context,
                lambda: spaces.update_space(
                    context.system,
                    context.known_caller,
                    input.id,
                    name=kept_whole("name", input.name),
                    slug=kept_whole("slug", input.slug),
                ),
            ),
            context,
        )

    @strawberry.mutation(graphql_type=SpaceResult, directives=[requires_scopes("spaces:write")])
    async def delete_space(self, info: SpacekeyInfo, input: DeleteSpaceInput) -> object:  # noqa: A002
        """Delete a space; its tokens are refused from then on."""
        context = info.context
        return _space_success(
            await answered(
                context, lambda: spaces.delete_space(context.system, context.known_caller, input.id, wait=input.wait)
            ),
            context,
        )

    @strawberry.mutation(graphql_type=MemberResult, directives=[requires_scopes("members:write")])
    async def add_member(self, info: SpacekeyInfo, input: AddMemberInput) -> object:  # noqa: A002
        """Add a person to a workspace."""
        context = info.context
        return _member_success(
            await answered(
                context,
                lambda: members.add_member(
                    context.system,
                    context.known_caller,
                    input.workspace_id,
                    email=input.email,
                    role=input.role,
                    name=input.name,
                ),
            )
        )

    @strawberry.mutation(graphql_type=MemberResult, directives=[requires_scopes("members:write")])
    async def change_member_role(self, info: SpacekeyInfo, input: ChangeMemberRoleInput) -> object:  # noqa: A002
        """Give a member another role."""
        context = info.context
        return _member_success(
            await answered(
                context,
                lambda: members.change_member_role(
                    context.system,
                    context.known_caller,
                    input.workspace_id,
                    input.user_id,
                    role=input.role,
                    wait=input.wait,
                ),
            )
        )

    @strawberry.mutation(graphql_type=MemberResult, directives=[requires_scopes("members:write")])
    async def remove_member(self, info: SpacekeyInfo, input: RemoveMemberInput) -> object:  # noqa: A002
        """Remove a member; the tokens they made stay."""
        context = info.context
        return _member_success(
            await answered(
                context,
                lambda: members.remove_member(
                    context.system, context.known_caller, input.workspace_id, input.user_id, wait=input.wait
                ),
            )
        )


async def _workspace_success(context: Context, changed: ChangedWorkspace) -> WorkspaceSuccess | AnyRefusal:
    """The workspace as the caller sees it after the change, read afresh."""
    with answering():
        authority = await context.loaders.authority.load(changed.workspace.id)
    if authority is None:
        return NotFound(message="There is no such workspace, or you have no access to it.")
    # Whoever may edit it is shown what was edited, with or without ``workspace:read``: it is done already.
    workspace = Workspace(id=strawberry.ID(authority.workspace.id), authority=authority)
    return WorkspaceSuccess(workspace=workspace, effective_at=changed.effective_at)


def _space_success(answer: SpaceRow | ChangedSpace | AnyRefusal, context: Context) -> SpaceSuccess | AnyRefusal:
    if isinstance(answer, SpaceRow):
        return SpaceSuccess(space=space_type(answer), effective_at=context.system.clock())
    if isinstance(answer, ChangedSpace):
        return SpaceSuccess(space=space_type(answer.space), effective_at=answer.effective_at)
    return answer


def _member_success(answer: Membership | AnyRefusal) -> MemberSuccess | AnyRefusal:
    if not isinstance(answer, Membership):
        return answer
    return MemberSuccess(
        member=member_type(answer.member, answer.user),
        effective_at=answer.effective_at,
        invitation=None if answer.invitation is None else answer.invitation.reveal(),
    )
