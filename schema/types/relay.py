"""Relay's connections and nodes (relay.dev, GraphQL Cursor Connections Specification), scalars and enum values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.relay import PageInfo
from strawberry.types.scalar import ScalarDefinition

from spacekey.domain.clock import EXAMPLE_MOMENT, written_to_milliseconds
from spacekey.domain.page import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Page
from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.validation import parse_moment

NodeT = TypeVar("NodeT")
Row = TypeVar("Row")


@strawberry.type(description="An item of a page, with the cursor that points to it.")
class Edge(Generic[NodeT]):
    """GraphQL type of a node and its cursor."""

    node: NodeT = strawberry.field(description="The item.")
    cursor: str = strawberry.field(description="The cursor of the item, for `after` and `before`.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[NodeT]):
    """GraphQL type of a page of edges, with its page info."""

    edges: list[Edge[NodeT]] = strawberry.field(description="The items of the page with their cursors.")
    page_info: PageInfo = strawberry.field(
        description="Whether there are further pages, and the cursors to get them with."
    )

    @strawberry.field(description="The items of the page.")
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


First = Annotated[
    int | None,
    strawberry.argument(
        description=f"Return the first items of the list, up to this number. Defaults to {PAGE_SIZE_DEFAULT}, at most "
        f"{PAGE_SIZE_MAX}."
    ),
]
After = Annotated[str | None, strawberry.argument(description="Return the items after this cursor.")]
Last = Annotated[
    int | None,
    strawberry.argument(description=f"Return the last items of the list, up to this number, at most {PAGE_SIZE_MAX}."),
]
Before = Annotated[str | None, strawberry.argument(description="Return the items before this cursor.")]


@strawberry.interface(description="An object with an ID.")
class Node:
    """GraphQL interface of objects that ``node(id)`` finds."""

    id: strawberry.ID = strawberry.field(description="The ID of the object, unique among all types.")


def _parse(value: object) -> datetime:
    if not isinstance(value, str):
        raise GraphQLError(f"A time is a string like '{EXAMPLE_MOMENT}'.")
    try:
        return parse_moment("DateTime", value)
    except InvalidInput as error:
        raise GraphQLError(error.reason) from None


DATE_TIME: ScalarDefinition = strawberry.scalar(
    name="DateTime",
    description=(
        f"A time with its zone in the format of RFC 3339, such as `{EXAMPLE_MOMENT}`. Answers are in UTC, with "
        "milliseconds."
    ),
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=written_to_milliseconds,
    parse_value=_parse,
)

DATE: ScalarDefinition = strawberry.scalar(
    name="Date",
    description="A day in the format of RFC 3339, such as `2030-01-31`.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    serialize=date.isoformat,
    parse_value=date.fromisoformat,
)


def enum_value(value: str, description: str) -> Any:
    """Return the value of an enum's member with its description. Strawberry makes it the plain string again."""
    return strawberry.enum_value(value, description=description)
