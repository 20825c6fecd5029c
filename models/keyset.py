"""Relay connections by keyset: a page starts beside a row, not after a count.

The cost of a page does not grow with the number of rows before it, and rows that come or go meanwhile neither repeat
nor hide others (Relay, "GraphQL Cursor Connections Specification"; Winand, "Use The Index, Luke: no offset").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Row, Select, String, literal, tuple_
from sqlalchemy.orm import Mapped
from sqlalchemy.types import TypeEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import InvalidInput

from .columns import UtcDateTime
from .cursor import Key, read_cursor, write_cursor
from .result import result_of

T = TypeVar("T")
Expression: TypeAlias = ColumnElement[Any] | Mapped[Any]

_BOUND: dict[type[Key], TypeEngine[Any]] = {str: String(), int: BigInteger(), datetime: UtcDateTime()}

PAGE_SIZE_MAX = 100
PAGE_SIZE_DEFAULT = 20


@dataclass(frozen=True, slots=True)
class PageRequest:
    """``size`` rows after and before these cursors: the first ones, or with ``backward`` the last ones."""

    size: int
    after: str | None = None
    before: str | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in the list's order, whichever way they were asked for; ``cursors`` runs parallel to ``rows``."""

    rows: list[T]
    cursors: list[str]
    has_next: bool
    has_previous: bool


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


def page_request(
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    *,
    maximum: int = PAGE_SIZE_MAX,
    default: int = PAGE_SIZE_DEFAULT,
) -> PageRequest:
    """Relay's four arguments, checked. Cursors are checked when they are used, against the list they are used on.

    :raises InvalidInput: for a negative size, one over ``maximum``, or both ``first`` and ``last``.
    """
    if first is not None and last is not None:
        raise InvalidInput("last", "give either first or last, not both")
    field, size = ("last", last) if last is not None else ("first", default if first is None else first)
    if size < 0:
        raise InvalidInput(field, "must be 0 or more")
    if size > maximum:
        raise InvalidInput(field, f"must be {maximum} or less")
    return PageRequest(size=size, after=after, before=before, backward=last is not None)


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
    identity = ordering.key if ordering.identity is None else ordering.identity
    for field, text, forward in (("after", request.after, True), ("before", request.before, False)):
        if text is not None:
            statement = statement.where(_beyond(ordering, field, text, forward=forward))
    falling = ordering.descending != request.backward
    columns = (ordering.key,) if ordering.identity is None else (ordering.key, ordering.identity)
    statement = statement.add_columns(ordering.key.label("page_key"), identity.label("page_identity"))
    statement = statement.order_by(*(column.desc() if falling else column.asc() for column in columns))
    # One row more than asked for tells whether there are others beyond.
    found = list((await result_of(session, statement.limit(request.size + 1))).all())
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
