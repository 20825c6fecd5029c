"""Keyset pagination for Relay connections: orderings, cursors, and pages of one or several lists in one statement.

A page starts beside a row, not after a count. Its cost does not grow with the number of rows before it, and rows that
appear or disappear meanwhile do not repeat or hide others (Relay, "GraphQL Cursor Connections Specification"; Winand,
"Use The Index, Luke: no offset").

A cursor is opaque text that gives the position of a row in an ordering: base64url of JSON ``[ordering, key, identity]``
and a checksum. The checksum is not a signature, because a cursor gives no rights and its values only ever become bound
parameters. It distinguishes a damaged or invented cursor from a real one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeAlias, TypeVar

from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.models.engine.reading import Reader, ResultRow, Values
from spacekey.models.tables.base import SQLITE
from spacekey.models.tables.records import columns, decoder, moment_from, width

T = TypeVar("T")
R = TypeVar("R", bound=tuple[object, ...])
S = TypeVar("S", bound=tuple[object, ...])
Condition: TypeAlias = Callable[[Values], Sequence[str]]
"""Function that adds one list's values to a statement and returns the conditions that all of its rows meet."""

Key: TypeAlias = str | int | datetime
_CHECKSUM_BYTES = 8
_LENGTH_MAX = 4_000
_INTEGER_MAX = 2**63 - 1
_SHAPE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ordering:
    """Total order: ``key``, then ``identity`` in the same direction, so that one index serves both directions.

    :param name: part of the cursors; a cursor with another name is refused.
    :param key: an expression that is never NULL.
    :param kind: the Python type of the key.
    :param identity: a unique column; None if the key itself is unique.
    """

    name: str
    key: str
    kind: type[Key]
    identity: str | None = None
    descending: bool = False


_ONE = "one"


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Columns and tables of a list.

    :param columns: the selected columns.
    :param tables: the text after ``FROM``.
    :param take: makes the list's element from a row.
    :param width: how many columns an element has; key, identity and the list's number come after them.
    """

    columns: str
    tables: str
    take: Callable[[ResultRow], T]
    width: int


def listing_of(record: type[R], tables: str, alias: str, dialect: str) -> Listing[R]:
    """Return the listing of one record.

    :param alias: the name of its table in ``tables``.
    """
    return Listing(columns(record, alias), tables, decoder(record, dialect), width(record))


def listing_of_pairs(
    first: tuple[type[R], str], second: tuple[type[S], str], tables: str, dialect: str
) -> Listing[tuple[R, S]]:
    """Return the listing of two records together, each given with the name of its table in ``tables``."""
    (one, one_alias), (other, other_alias) = first, second
    take_one, take_other = decoder(one, dialect), decoder(other, dialect, width(one))
    return Listing(
        f"{columns(one, one_alias)}, {columns(other, other_alias)}",
        tables,
        lambda row: (take_one(row), take_other(row)),
        width(one) + width(other),
    )


async def fetch_page(
    reader: Reader, listing: Listing[T], where: Condition, ordering: Ordering, request: PageRequest
) -> Page[T]:
    """Return one page, read in one statement.

    :raises InvalidInput: with field ``after`` or ``before``, for a cursor that is not of this ordering.
    """
    return (await fetch_pages(reader, listing, [where], ordering, request))[0]


async def fetch_pages(
    reader: Reader, listing: Listing[T], wheres: Sequence[Condition], ordering: Ordering, request: PageRequest
) -> list[Page[T]]:
    """Return the same page of several lists, in their order, read in one statement.

    It is one ``UNION ALL`` of the single pages: each is read from its index as if it were alone, and stops at its
    limit.

    :raises InvalidInput: as :func:`fetch_page`.
    """
    if not wheres:
        return []
    values = reader.values()
    parts = [_page(values, listing, where, ordering, request, number) for number, where in enumerate(wheres)]
    statement = parts[0]
    if len(parts) > 1:
        union = " UNION ALL ".join(f"SELECT * FROM ({part}) AS page_{number}" for number, part in enumerate(parts))
        # No database guarantees the order within a part of a union.
        falling = _direction(ordering, request)
        statement = (
            f"SELECT * FROM ({union}) AS pages ORDER BY page_number, page_key {falling}, page_identity {falling}"
        )
    found: list[list[ResultRow]] = [[] for _ in wheres]
    for row in await reader.rows(statement, values):
        found[row[listing.width + 2]].append(row)
    return [_page_of(rows, listing, ordering, request, reader.dialect) for rows in found]


async def fetch_merged_page(
    reader: Reader, listing: Listing[T], wheres: Sequence[Condition], ordering: Ordering, request: PageRequest
) -> Page[T]:
    """Return one page of several lists together, in one order, read in one statement.

    Each list is read from its index and stops at the page's size, so the cost grows with the number of lists and not
    with their lengths. SQLite takes up to 500 lists.

    :param wheres: conditions of which no row meets two.
    :raises InvalidInput: as :func:`fetch_page`.
    """
    if not wheres:
        return Page([], [], has_next=False, has_previous=False)
    values = reader.values()
    parts = [_page(values, listing, where, ordering, request, number) for number, where in enumerate(wheres)]
    statement = parts[0]
    if len(parts) > 1:
        union = " UNION ALL ".join(f"SELECT * FROM ({part}) AS page_{number}" for number, part in enumerate(parts))
        falling = _direction(ordering, request)
        statement = (
            f"SELECT * FROM ({union}) AS pages ORDER BY page_key {falling}, page_identity {falling} "
            f"LIMIT {request.size + 1}"
        )
    return _page_of(list(await reader.rows(statement, values)), listing, ordering, request, reader.dialect)


def page_of_one(rows: Sequence[tuple[str, T]], request: PageRequest) -> Page[T]:
    """Return the page of a list with at most one (id, row), by the same arguments as any other list.

    :raises InvalidInput: for a cursor of another list.
    """
    shown = list(rows)
    for field, cursor in (("after", request.after), ("before", request.before)):
        if cursor is not None:
            read_cursor(_ONE, str, field, cursor)
            # The only row lies on neither side of itself.
            shown = []
    cut = len(shown) > request.size
    page = shown[: request.size]
    return Page(
        rows=[row for _, row in page],
        cursors=[write_cursor(_ONE, identity, identity) for identity, _ in page],
        has_next=(cut and not request.backward) or (request.before is not None and request.backward and bool(rows)),
        has_previous=(cut and request.backward) or (request.after is not None and not request.backward and bool(rows)),
    )


def write_cursor(ordering: str, key: Key, identity: str) -> str:
    """Return the cursor of a row with this key and identity."""
    plain = key.astimezone(UTC).isoformat() if isinstance(key, datetime) else key
    body = json.dumps([ordering, plain, identity], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_checksum(body) + body).rstrip(b"=").decode()


def read_cursor(ordering: str, kind: type[Key], field: str, text: str) -> tuple[Key, str]:
    """Return the key and identity of a cursor's row.

    :param kind: the type that the key must have.
    :param field: the argument that the cursor came from, for the error.
    :raises InvalidInput: if it was not written by :func:`write_cursor` for this ordering.
    """
    try:
        name, plain, identity = json.loads(_body(text))
        key = datetime.fromisoformat(plain).astimezone(UTC) if kind is datetime else plain
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidInput(
            field, "Is not a cursor; pass one that this list returned.", InputCode.INVALID_CURSOR
        ) from None
    if name != ordering:
        raise InvalidInput(
            field, "Belongs to another list or ordering; pass one that this list returned.", InputCode.INVALID_CURSOR
        )
    if type(key) is not kind or not isinstance(identity, str) or not _storable(key) or not _storable(identity):
        raise InvalidInput(field, "Is not a cursor; pass one that this list returned.", InputCode.INVALID_CURSOR)
    return key, identity


def _page(
    values: Values, listing: Listing[T], where: Condition, ordering: Ordering, request: PageRequest, number: int
) -> str:
    identity = ordering.identity or ordering.key
    conditions = list(where(values))
    for field, text, forward in (("after", request.after, True), ("before", request.before, False)):
        if text is not None:
            conditions.append(_beyond(values, ordering, field, text, forward=forward))
    falling = _direction(ordering, request)
    ordered = f"{ordering.key} {falling}" + ("" if ordering.identity is None else f", {ordering.identity} {falling}")
    # One row more than requested shows whether there are others beyond.
    return (
        f"SELECT {listing.columns}, {ordering.key} AS page_key, {identity} AS page_identity, {number} AS page_number "
        f"FROM {listing.tables} WHERE {' AND '.join(conditions) or 'TRUE'} ORDER BY {ordered} LIMIT {request.size + 1}"
    )


def _page_of(
    found: list[ResultRow], listing: Listing[T], ordering: Ordering, request: PageRequest, dialect: str
) -> Page[T]:
    more = len(found) > request.size
    found = found[: request.size]
    if request.backward:
        found.reverse()
    key, identity = listing.width, listing.width + 1
    if ordering.kind is datetime and dialect == SQLITE:
        keys: list[Key] = [moment_from(row[key]) for row in found]
    else:
        keys = [row[key] for row in found]
    return Page(
        rows=[listing.take(row) for row in found],
        cursors=[write_cursor(ordering.name, one, str(row[identity])) for one, row in zip(keys, found, strict=True)],
        # The cursor's own row lies on its other side.
        has_next=request.before is not None if request.backward else more,
        has_previous=more if request.backward else request.after is not None,
    )


def _beyond(values: Values, ordering: Ordering, field: str, text: str, *, forward: bool) -> str:
    """Return the condition for rows after (or before) a cursor: a comparison of rows, which an index can answer."""
    key, identity = read_cursor(ordering.name, ordering.kind, field, text)
    sign = ">" if ordering.descending != forward else "<"
    if ordering.identity is None:
        return f"{ordering.key} {sign} {values.bind(key)}"
    return f"({ordering.key}, {ordering.identity}) {sign} ({values.bind(key)}, {values.bind(identity)})"


def _direction(ordering: Ordering, request: PageRequest) -> str:
    return "DESC" if ordering.descending != request.backward else "ASC"


def _body(text: str) -> bytes:
    """Return the JSON inside, if the checksum is right and the text is its only encoding."""
    if len(text) > _LENGTH_MAX or _SHAPE.fullmatch(text) is None:
        raise ValueError("not base64url, or too long")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    checksum, body = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if checksum != _checksum(body) or base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("the checksum is wrong")
    return body


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"spacekey cursor\0" + body).digest()[:_CHECKSUM_BYTES]


def _storable(value: Key) -> bool:
    """Return whether a database can compare it: no NUL, no half of a surrogate pair, no number over 64 bits."""
    if isinstance(value, int):
        return abs(value) <= _INTEGER_MAX
    if isinstance(value, str):
        return "\0" not in value and value.encode("utf-8", "ignore").decode() == value
    return True
