"""The same page of several lists in one statement, so that lists inside a list cost no statement each.

One ``UNION ALL`` of the single pages: each of them is read from its index as if it stood alone, and stops at its limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Row as ResultRow
from sqlalchemy import Select
from sqlalchemy.orm import aliased
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest

from .keyset import Ordering, page_of, rows_of_page
from .result import result_of
from .row import Row

T = TypeVar("T")
Entity = TypeVar("Entity", bound=Row)


async def fetch_pages(
    session: AsyncSession,
    entity: type[Entity],
    statements: Sequence[Select[*tuple[Any, ...]]],
    ordering: Ordering,
    request: PageRequest,
    take: Callable[[ResultRow[*tuple[Any, ...]]], T],
    *,
    also: tuple[type[Row], str] | None = None,
) -> list[Page[T]]:
    """One page of each statement, in their order.

    :param entity: what the statements select, and nothing else.
    :param take: makes a page's element from a row whose first column is the entity.
    :param also: another entity to have as the second column: the one with the id in this column of the first.
    :raises InvalidInput: with field ``after`` or ``before``, for a cursor that is not of this ordering.
    """
    if not statements:
        return []
    parts = [
        sa.select(rows_of_page(one, ordering, request).add_columns(sa.literal(number).label("page_number")).subquery())
        for number, one in enumerate(statements)
    ]
    union = sa.union_all(*parts).subquery()
    columns: list[Any] = [aliased(entity, union, adapt_on_names=True)]
    if also is not None:
        columns.append(also[0])
    statement = sa.select(*columns, union.c.page_key, union.c.page_identity, union.c.page_number).select_from(union)
    if also is not None:
        statement = statement.join(also[0], also[0].__table__.c.id == union.c[also[1]])
    falling = ordering.descending != request.backward
    order = (union.c.page_key, union.c.page_identity)
    statement = statement.order_by(union.c.page_number, *(one.desc() if falling else one.asc() for one in order))
    found: list[list[ResultRow[*tuple[Any, ...]]]] = [[] for _ in statements]
    for row in await result_of(session, statement):
        found[row.page_number].append(row)
    return [page_of(rows, ordering, request, take) for rows in found]
