"""Relay connections by keyset: a page starts beside a row, not after a count.

The cost of a page does not grow with the number of rows before it, and rows that come or go meanwhile neither repeat
nor hide others (Relay, "GraphQL Cursor Connections Specification"; Winand, "Use The Index, Luke: no offset").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Row, Select, String, literal, tuple_
from sqlalchemy.orm import Mapped
from sqlalchemy.types import TypeEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest

from .columns import UtcDateTime
from .cursor import Key, read_cursor, write_cursor
from .result import result_of

T = TypeVar("T")
Expression: TypeAlias = ColumnElement[Any] | Mapped[Any]

_BOUND: dict[type[Key], TypeEngine[Any]] = {str: String(), int: BigInteger(), datetime: UtcDateTime()}


@dataclass(frozen=True, slots=True)
class Ordering:
    """A total order: ``key``, then ``identity`` in the same direction, so that one index serves both directions.

    :param name: goes into cursors; a cursor of another name is refused.
    :param key: an expression that is never NULL.
    :param kind: the Python type of the key.
    :param identity: a unique column; None when the key itself is unique.
    """

    name: str
    key: Expression
    kind: type[Key]
    identity: Expression | None = None
    descending: bool = False


async def fetch_page(
    session: AsyncSession,
    statement: Select[*tuple[Any, ...]],
    ordering: Ordering,
    request: PageRequest,
    take: Callable[[Row[*tuple[Any, ...]]], T],
) -> Page[T]:
    """One page of ``statement`` in one query.

    :param take: makes the page's element from a result row, whose last two columns are the key and the identity.
    :raises InvalidInput: with field ``after`` or ``before``, for a cursor that is not of this ordering.
    """
    found = list((await result_of(session, rows_of_page(statement, ordering, request))).all())
    return page_of(found, ordering, request, take)


def rows_of_page(
    statement: Select[*tuple[Any, ...]], ordering: Ordering, request: PageRequest
) -> Select[*tuple[Any, ...]]:
    """The statement for a page's rows, with the columns ``page_key`` and ``page_identity`` added at its end.

    :raises InvalidInput: with field ``after`` or ``before``, for a cursor that is not of this ordering.
    """
    identity = ordering.key if ordering.identity is None else ordering.identity
    for field, text, forward in (("after", request.after, True), ("before", request.before, False)):
        if text is not None:
            statement = statement.where(_beyond(ordering, field, text, forward=forward))
    falling = ordering.descending != request.backward
    columns = (ordering.key,) if ordering.identity is None else (ordering.key, ordering.identity)
    statement = statement.add_columns(ordering.key.label("page_key"), identity.label("page_identity"))
    statement = statement.order_by(*(column.desc() if falling else column.asc() for column in columns))
    # One row more than asked for tells whether there are others beyond.
    return statement.limit(request.size + 1)


def page_of(
    found: list[Row[*tuple[Any, ...]]],
    ordering: Ordering,
    request: PageRequest,
    take: Callable[[Row[*tuple[Any, ...]]], T],
) -> Page[T]:
    """The page in the rows of :func:`rows_of_page`."""
    more = len(found) > request.size
    found = found[: request.size]
    if request.backward:
        found.reverse()
    return Page(
        rows=[take(row) for row in found],
        cursors=[write_cursor(ordering.name, row.page_key, str(row.page_identity)) for row in found],
        # The row a cursor stands on lies on its other side.
        has_next=request.before is not None if request.backward else more,
        has_previous=more if request.backward else request.after is not None,
    )


def _beyond(ordering: Ordering, field: str, text: str, *, forward: bool) -> ColumnElement[bool]:
    """The rows after (or before) a cursor, as one comparison of rows: databases answer it from an index."""
    key, identity = read_cursor(ordering.name, ordering.kind, field, text)
    greater = ordering.descending != forward
    bound = literal(key, _BOUND[ordering.kind])
    if ordering.identity is None:
        return ordering.key > bound if greater else ordering.key < bound
    here = tuple_(ordering.key, ordering.identity)
    there = tuple_(bound, literal(identity, String()))
    return here > there if greater else here < there


def the_row(row: Row[*tuple[Any, ...]]) -> Any:
    """Takes the first column: the entity of a statement that selects one."""
    return row[0]
