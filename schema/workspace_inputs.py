"""What mutations of workspaces take."""

from __future__ import annotations

import strawberry

from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges
from spacekey.schema.mutations.inputs import kept, kept_tuple, kept_whole


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


@strawberry.input(description="Which workspace. All of its tokens are refused, all memberships end, for good.")
class DeleteWorkspaceInput:
    """A workspace to delete."""

    id: strawberry.ID
    wait: bool = True
