"""Spaces as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.models.tables.records import AnySpace
from spacekey.schema.limits.costs import paged
from spacekey.schema.types.objects import Token
from spacekey.schema.types.relay import After, Before, Connection, First, Last

from .answering import answering
from .context import SpacekeyInfo
from .node import Node
from .token_lists import FilterArgument, OrderArgument, listed_tokens

if TYPE_CHECKING:
    from .workspace_types import Workspace


@strawberry.type(description="A project inside a workspace.")
class Space(Node):
    """A space."""

    row: strawberry.Private[AnySpace]

    name: str
    slug: str
    created_at: datetime
    deleted_at: datetime | None = strawberry.field(
        description="Null unless the space was deleted; its tokens are refused since then."
    )

    @strawberry.field(directives=[requires_scopes("workspace:read")])
    async def workspace(self, info: SpacekeyInfo) -> Workspace | None:
        """The workspace it lies in."""
        from .workspace_types import workspace_type

        with answering():
            authority = await info.context.loaders.authority.load(self.row.workspace_id)
            return None if authority is None else workspace_type(authority)

    @strawberry.field(directives=[requires_scopes("tokens:read"), paged()])
    async def tokens(
        self,
        info: SpacekeyInfo,
        filter: FilterArgument = None,  # noqa: A002 - the API's name
        order_by: OrderArgument = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Token]:
        """The space's tokens."""
        return await listed_tokens(
            info, self.row.workspace_id, self.row.id, filter, order_by, (first, after, last, before)
        )


def space_type(row: AnySpace) -> Space:
    """The GraphQL face of a space."""
    return Space(
        id=strawberry.ID(row.id),
        row=row,
        name=row.name,
        slug=row.slug,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )
