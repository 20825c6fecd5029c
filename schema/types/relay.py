"""Relay's connections and nodes (relay.dev, GraphQL Cursor Connections Specification), and the scalar for times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Generic, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.relay import PageInfo
from strawberry.types.scalar import ScalarDefinition

from spacekey.domain.clock import EXAMPLE_MOMENT, written_exactly
from spacekey.domain.page import Page
from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.validation import parse_moment

NodeT = TypeVar("NodeT")
Row = TypeVar("Row")


@strawberry.type(description="One row of a page, with the cursor that points at it.")
class Edge(Generic[NodeT]):
    """GraphQL type of a node and its cursor."""

    node: NodeT
    cursor: str


@strawberry.type(description="A page of a list.")
class Connection(Generic[NodeT]):
    """GraphQL type of a page of edges, with its page info."""

    edges: list[Edge[NodeT]]
    page_info: PageInfo

    @strawberry.field(description="The nodes alone, for clients that need no cursors per row.")
    def nodes(self) -> list[NodeT]:
        """Return the nodes of the edges."""
        return [edge.node for edge in self.edges]


def connection_of(page: Page[Row], node: Callable[[Row], NodeT]) -> Connection[NodeT]:
    """Return the connection for a page, each row converted into its node."""
    return Connection(
        edges=[Edge(node=node(row), cursor=cursor) for row, cursor in zip(page.rows, page.cursors, strict=True)],
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        ),
    )


First = Annotated[int | None, strawberry.argument(description="At most this many rows from the start; 20 by default.")]
After = Annotated[str | None, strawberry.argument(description="Only rows after this cursor.")]
Last = Annotated[int | None, strawberry.argument(description="At most this many rows from the end.")]
Before = Annotated[str | None, strawberry.argument(description="Only rows before this cursor.")]


@strawberry.interface(description="Anything with an id of its own.")
class Node:
    """GraphQL interface of objects that ``node(id)`` finds."""

    id: strawberry.ID = strawberry.field(description="Opaque and unique among all kinds.")


def _parse(value: object) -> datetime:
    if not isinstance(value, str):
        raise GraphQLError(f"A time is a string like '{EXAMPLE_MOMENT}'.")
    try:
        return parse_moment("DateTime", value)
    except InvalidInput as error:
        raise GraphQLError(error.reason) from None


DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description=f"A moment with its zone, RFC 3339, such as `{EXAMPLE_MOMENT}`; answers are in UTC.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=written_exactly,
    parse_value=_parse,
)
