"""Mutations of spaces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.workspace import Space as SpaceRow
from spacekey.resolvers.workspaces import spaces
from spacekey.resolvers.workspaces.spaces import ChangedSpace
from spacekey.schema.mutations.inputs import kept_whole
from spacekey.schema.types.results import AnyRefusal, Conflict, InvalidInput, NotFound, answered

from .context import Context, SpacekeyInfo
from .space_types import Space, space_type


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


@strawberry.type(description="The space as it is now.")
class SpaceSuccess:
    """A space after a change."""

    space: Space
    effective_at: datetime


@strawberry.type(description="The space is deleted; its tokens are refused.")
class DeleteSpaceSuccess:
    """The space that was deleted."""

    deleted_space_id: strawberry.ID = strawberry.field(description="The space's `id`, to drop from a client's cache.")
    effective_at: datetime


SpaceResult: TypeAlias = Annotated[SpaceSuccess | InvalidInput | NotFound | Conflict, strawberry.union("SpaceResult")]
DeleteSpaceResult: TypeAlias = Annotated[
    DeleteSpaceSuccess | NotFound | Conflict, strawberry.union("DeleteSpaceResult")
]


@strawberry.type
class SpaceMutations:
    """What can be done to spaces."""

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

    @strawberry.mutation(graphql_type=DeleteSpaceResult, directives=[requires_scopes("spaces:write")])
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


def _space_success(answer: SpaceRow | ChangedSpace | AnyRefusal, context: Context) -> SpaceSuccess | AnyRefusal:
    if isinstance(answer, SpaceRow):
        return SpaceSuccess(space=space_type(answer), effective_at=context.system.clock())
    if isinstance(answer, ChangedSpace):
        return SpaceSuccess(space=space_type(answer.space), effective_at=answer.effective_at)
    return answer
