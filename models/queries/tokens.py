"""Queries about tokens: single tokens, lists and their filter, last use, and the holders of a grant.

The lookup for verification is in :mod:`spacekey.models.lookup`. The filter's conditions in SQL say the same as
:mod:`spacekey.domain.token_state`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeAlias

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    String,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    not_,
    or_,
    update,
)
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.domain.secret import PREFIX_LENGTH
from spacekey.domain.token_state import Status
from spacekey.models.engine.reading import Reader, Values
from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.engine.statements import contains, insert, insert_row, row_by_id
from spacekey.models.tables.base import SQLITE
from spacekey.models.tables.expressions import FAR_FUTURE, FAR_PAST
from spacekey.models.tables.records import TokenRecord, WorkspaceRecord, columns, decoder, width
from spacekey.models.tables.search import fields_of
from spacekey.models.tables.token import SEARCHED, Token, TokenFirstUse
from spacekey.models.tables.user import Invitation
from spacekey.models.tables.workspace import Member, Workspace

from .pagination import Listing, Ordering, fetch_merged_page, fetch_pages

_COLUMNS = columns(TokenRecord, "t")
_TABLES = "spacekey_tokens t LEFT JOIN spacekey_token_first_uses u ON u.token_id = t.rotated_to_id"
BATCH = 1_000
Moment: TypeAlias = datetime | BindParameter[datetime]
"""Time, or the parameter of a statement that stands for it."""

Holding = tuple[str, tuple[str, ...], int]
"""Workspace id, grants as stored, and the number of holders with exactly these."""


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """Conditions of a list of tokens, all of which must hold. Deleted tokens are never listed.

    :param workspace_id: None for all workspaces.
    :param statuses: any of these; None for every status.
    :param text: part of the name, the description or the prefix, in either case.
    :param unused_since: last used before it, or never used and created before it.
    :param created_by_id: created by this person, token, service or operator.
    :param created_after: created at this time or later.
    :param created_before: created earlier than this time.
    :param prefix: the first characters of the secret, at most 12 of them.
    :param holding: granted at least one of these names; no token has one of none.
    :param external_id: with exactly this external id.
    :param owned_by: the same, for a caller that sees no others.
    :param imported: whether it is an imported key.
    :param expires_before: not ended yet, but ending before it, by expiry or by a rotation's grace.
    """

    workspace_id: str | None
    space_id: str | None = None
    statuses: frozenset[Status] | None = None
    environment: str | None = None
    kind: str | None = None
    text: str | None = None
    unused_since: datetime | None = None
    expires_before: datetime | None = None
    created_by_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    prefix: str | None = None
    holding: frozenset[str] | None = None
    external_id: str | None = None
    owned_by: str | None = None
    imported: bool | None = None


async def insert_token(transaction: Transaction, token: Token) -> None:
    """Store a new token at once, with its searchable text."""
    fields = {**token.model_dump(), "search_text": fields_of(token, SEARCHED)}
    await insert_row(reader_in(transaction), Token, fields)


async def token_by_id(session: AsyncSession, token_id: str) -> Token | None:
    """Return the token in any state, deleted ones included, or None."""
    return await row_by_id(session, Token, token_id)


async def tokens_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[Token]:
    """Return those of the tokens that exist, in any state and without order."""
    return list((await session.exec(select(Token).where(col(Token.id).in_(set(ids))))).all())


async def token_by_digest(session: AsyncSession, digest: bytes) -> Token | None:
    """Return the token whose secret has this SHA-256, in any state, or None."""
    return (await session.exec(select(Token).where(Token.digest == digest))).one_or_none()


async def tokens_of_owner(session: AsyncSession, workspace_id: str, external_id: str, limit: int) -> list[Token]:
    """Return at most ``limit`` tokens with this external id that are neither revoked nor deleted, in a fixed order."""
    statement = select(Token).where(
        Token.workspace_id == workspace_id,
        Token.external_id == external_id,
        col(Token.revoked_at).is_(None),
        col(Token.deleted_at).is_(None),
    )
    found = await session.exec(statement.order_by(col(Token.created_at), col(Token.id)).limit(limit))
    return list(found.all())


async def workspaces_of_owner(session: AsyncSession, external_id: str, products: Iterable[str]) -> list[str]:
    """Return the ids of these products' workspaces that have such tokens and are not deleted, sorted."""
    statement = (
        select(Workspace.id)
        .join(Token, col(Token.workspace_id) == Workspace.id)
        .where(
            Token.external_id == external_id,
            col(Token.revoked_at).is_(None),
            col(Token.deleted_at).is_(None),
            col(Workspace.product).in_(set(products)),
            col(Workspace.deleted_at).is_(None),
        )
    )
    return list((await session.exec(statement.distinct().order_by(Workspace.id))).all())


async def token_records(reader: Reader, ids: Iterable[str]) -> list[TokenRecord]:
    """Return those of the tokens that exist and are not deleted, without order."""
    values = reader.values()
    statement = f"SELECT {_COLUMNS} FROM {_TABLES} WHERE {values.among('t.id', ids)} AND t.deleted_at IS NULL"
    return await reader.records(TokenRecord, statement, values)


async def token_with_workspace(reader: Reader, token_id: str) -> tuple[TokenRecord, WorkspaceRecord, bool] | None:
    """Return the token in any state with its workspace, and whether it belongs to a space that no longer exists."""
    values = reader.values()
    rows = await reader.rows(
        f"SELECT {_COLUMNS}, {columns(WorkspaceRecord, 'w')}, "
        "t.space_id IS NOT NULL AND (s.id IS NULL OR s.deleted_at IS NOT NULL) "
        f"FROM {_TABLES} JOIN spacekey_workspaces w ON w.id = t.workspace_id "
        f"LEFT JOIN spacekey_spaces s ON s.id = t.space_id WHERE t.id = {values.bind(token_id)}",
        values,
    )
    if not rows:
        return None
    token, workspace = (
        decoder(TokenRecord, reader.dialect),
        decoder(WorkspaceRecord, reader.dialect, width(TokenRecord)),
    )
    return token(rows[0]), workspace(rows[0]), bool(rows[0][-1])


async def token_page(
    reader: Reader,
    where: TokenFilter,
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
    now: datetime,
) -> Page[TokenRecord]:
    """Return one page of the tokens that match.

    :raises InvalidInput: for a cursor of another list, or text that no token can contain.
    """
    return (await token_pages(reader, [where], order, descending, request, now))[0]


async def token_pages(
    reader: Reader,
    wheres: Sequence[TokenFilter],
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
    now: datetime,
) -> list[Page[TokenRecord]]:
    """Return the same page for each of these filters, in one statement.

    :raises InvalidInput: as :func:`token_page`.
    """
    listing = Listing(_COLUMNS, _TABLES, decoder(TokenRecord, reader.dialect), width(TokenRecord))
    asked = [partial(conditions, where=where, now=now) for where in wheres]
    return await fetch_pages(reader, listing, asked, _ordering(order, descending, reader.dialect), request)


async def merged_token_page(
    reader: Reader,
    wheres: Sequence[TokenFilter],
    order: TokenOrder,
    descending: bool,
    request: PageRequest,
    now: datetime,
) -> Page[TokenRecord]:
    """Return one page of the tokens that match any of these filters, in one statement.

    :param wheres: filters of which no token matches two, such as one for each workspace.
    :raises InvalidInput: as :func:`token_page`.
    """
    listing = Listing(_COLUMNS, _TABLES, decoder(TokenRecord, reader.dialect), width(TokenRecord))
    asked = [partial(conditions, where=where, now=now) for where in wheres]
    return await fetch_merged_page(reader, listing, asked, _ordering(order, descending, reader.dialect), request)


async def token_counts(reader: Reader, wheres: Sequence[TokenFilter], most: int, now: datetime) -> list[int]:
    """Return how many tokens match each of these filters, counting up to ``most``, in one statement.

    :raises InvalidInput: as :func:`token_page`.
    """
    if not wheres:
        return []
    values = reader.values()
    parts = [
        f"SELECT {number} AS place, count(*) FROM (SELECT 1 FROM spacekey_tokens t "
        f"WHERE {' AND '.join(conditions(values, where=where, now=now))} LIMIT {most}) AS matching_{number}"
        for number, where in enumerate(wheres)
    ]
    found = {row[0]: int(row[1]) for row in await reader.rows(" UNION ALL ".join(parts), values)}
    return [found[number] for number in range(len(wheres))]


def conditions(values: Values, *, where: TokenFilter, now: datetime) -> list[str]:
    """Return the conditions in SQL, about a table called ``t``; a token is valid strictly before its end.

    :param values: of the statement; the values of the conditions are added.
    :raises InvalidInput: with field ``text``, if no token can contain that text.
    """
    found = ["t.deleted_at IS NULL"]
    for column, value in (
        ("t.workspace_id", where.workspace_id),
        ("t.space_id", where.space_id),
        ("t.environment", where.environment),
        ("t.kind", where.kind),
        ("t.created_by_id", where.created_by_id),
        ("t.external_id", where.external_id),
        ("t.external_id", where.owned_by),
    ):
        if value is not None:
            found.append(f"{column} = {values.bind(value)}")
    if where.imported is not None:
        found.append(f"t.imported_from IS {'NOT NULL' if where.imported else 'NULL'}")
    ends = where.expires_before is not None or (where.statuses is not None and where.statuses - {Status.REVOKED})
    over = _over(values.bind(now)) if ends else ""
    if where.statuses is not None:
        held = [_has(status, over) for status in sorted(where.statuses)]
        found.append(f"({' OR '.join(held) or 'FALSE'})")
    if where.text:
        found.append(contains(values, "text", where.text, "t.search_text"))
    if where.created_after is not None:
        found.append(f"t.created_at >= {values.bind(where.created_after)}")
    if where.created_before is not None:
        found.append(f"t.created_at < {values.bind(where.created_before)}")
    if where.prefix is not None:
        # A whole prefix is found in the index; a shorter one would not narrow a list much.
        whole = len(where.prefix) == PREFIX_LENGTH
        column = "t.prefix" if whole else f"substr(t.prefix, 1, {len(where.prefix)})"
        found.append(f"{column} = {values.bind(where.prefix)}")
    if where.holding is not None:
        found.append(_holds(values, where.holding))
    if where.unused_since is not None:
        found.append(f"COALESCE(t.last_used_at, t.created_at) < {values.bind(where.unused_since)}")
    if where.expires_before is not None:
        end = values.bind(where.expires_before)
        found += [
            "t.revoked_at IS NULL",
            f"NOT {over}",
            f"(t.expires_at < {end} OR t.retires_at < {end})",
        ]
    return found


def is_over(now: Moment) -> ColumnElement[bool]:
    """Return the condition for an end by expiry, by a rotation's grace or by the successor's first use. Never NULL."""
    return or_(_come(col(Token.expires_at), now), is_replaced(now))


def is_replaced(now: Moment) -> ColumnElement[bool]:
    """Return the condition for an end by rotation: the grace is over, or the successor was used. Never NULL."""
    return or_(_come(col(Token.retires_at), now), _succeeded(now))


async def first_uses(session: AsyncSession, token_ids: Iterable[str]) -> dict[str, datetime]:
    """Return the first uses of those successors that have been used and whose first use ends their predecessor."""
    wanted = set(token_ids)
    if not wanted:
        return {}
    statement = select(TokenFirstUse).where(col(TokenFirstUse.token_id).in_(wanted))
    return {use.token_id: use.at for use in (await session.exec(statement)).all()}


async def live_token_count(transaction: Transaction, workspace_id: str, now: datetime) -> int:
    """Return how many places of its plan the workspace's tokens take, without revoked, deleted and expired ones.

    Disabled tokens count. A chain of rotations takes one place, even while a token and its predecessor are both valid;
    each further valid token of the chain takes another.
    """
    return (await live_token_counts(transaction, [workspace_id], now))[workspace_id]


async def has_fewer_tokens(transaction: Transaction, workspace_id: str, bound: int) -> bool:
    """Return whether the workspace has fewer tokens than this that are neither revoked nor deleted.

    Then :func:`live_token_count`, which is at most that many and takes several times as long, is below it too.
    """
    reader = reader_in(transaction)
    values = reader.values()
    rows = await reader.rows(
        "SELECT count(*) FROM (SELECT 1 FROM spacekey_tokens t "
        f"WHERE t.workspace_id = {values.bind(workspace_id)} AND t.deleted_at IS NULL AND t.revoked_at IS NULL "
        f"LIMIT {values.bind(bound)}) AS unrevoked",
        values,
    )
    return int(rows[0][0]) < bound


async def live_token_counts(transaction: Transaction, workspace_ids: Iterable[str], now: datetime) -> dict[str, int]:
    """Return :func:`live_token_count` of each workspace, in one statement."""
    reader = reader_in(transaction)
    values = reader.values()
    wanted = set(workspace_ids)
    rows = await reader.rows(
        "SELECT workspace_id, sum(CASE WHEN good > 2 THEN good - 1 ELSE 1 END) FROM (SELECT t.workspace_id, "
        f"count(*) AS good FROM spacekey_tokens t WHERE {values.among('t.workspace_id', wanted)} "
        f"AND t.deleted_at IS NULL AND t.revoked_at IS NULL AND NOT {_over(values.bind(now))} "
        "GROUP BY t.workspace_id, coalesce(t.chain_id, t.id)) AS chains GROUP BY workspace_id",
        values,
    )
    found = {row[0]: int(row[1]) for row in rows}
    return {one: found.get(one, 0) for one in wanted}


async def count_tokens_with_grant(session: AsyncSession, workspace_id: str, grant: str, now: datetime) -> int:
    """Return how many of the workspace's tokens hold a grant of this name and are or can become usable.

    Disabled and expired tokens can; revoked and deleted ones, and those replaced by a successor, cannot.
    """
    statement = select(func.count()).where(
        Token.workspace_id == workspace_id,
        col(Token.deleted_at).is_(None),
        col(Token.revoked_at).is_(None),
        not_(is_replaced(now)),
        cast(col(Token.grants), Text).contains(json.dumps(grant), autoescape=True),
    )
    return (await session.exec(statement)).one()


async def revoke_tokens_of_space(session: AsyncSession, space_id: str, at: datetime, reason: str) -> int:
    """Revoke the space's tokens that are neither revoked nor deleted, and return how many there were."""
    statement = update(Token).where(
        col(Token.space_id) == space_id, col(Token.revoked_at).is_(None), col(Token.deleted_at).is_(None)
    )
    return (await session.exec(statement.values(revoked_at=at, revoked_reason=reason))).rowcount


async def touch_last_used(session: AsyncSession, uses: Mapping[str, tuple[datetime, str]]) -> None:
    """Move each token's last use forward to (time, IP).

    No other column is changed, so that a late writer undoes nothing.

    An empty IP is unknown and keeps the earlier one.
    """
    if not uses:
        return
    token = Token.__table__
    statement = (
        update(token)
        .where(
            token.c.id == bindparam("token"),
            or_(
                token.c.last_used_at.is_(None), token.c.last_used_at < bindparam("at", type_=token.c.last_used_at.type)
            ),
        )
        .values(
            last_used_at=bindparam("at"),
            last_used_ip=func.coalesce(func.nullif(bindparam("ip", type_=String), ""), token.c.last_used_ip),
        )
    )
    # In the order of ids, so that two processes flushing at once cannot deadlock.
    rows = [{"token": token_id, "at": at, "ip": ip} for token_id, (at, ip) in sorted(uses.items())]
    connection = await session.connection()
    await connection.execute(statement, rows)


async def record_first_use(session: AsyncSession, token_id: str, at: datetime) -> None:
    """Store the time of a successor's first use. The first one stays; later ones change nothing."""
    connection = await session.connection()
    await connection.execute(
        insert(connection, TokenFirstUse).values(token_id=token_id, at=at).on_conflict_do_nothing()
    )


async def token_holdings(session: AsyncSession) -> list[Holding]:
    """Return the grants of tokens that are neither revoked nor deleted, by workspace."""
    grants = cast(col(Token.grants), Text)
    statement = (
        select(Token.workspace_id, grants, func.count())
        .where(col(Token.deleted_at).is_(None), col(Token.revoked_at).is_(None))
        .group_by(col(Token.workspace_id), grants)
    )
    return [(workspace, tuple(json.loads(held)), count) for workspace, held, count in await session.exec(statement)]


async def usable_holdings(
    session: AsyncSession, workspace_id: str, now: datetime, created_before: datetime
) -> dict[tuple[str, tuple[str, ...]], int]:
    """Return how many of the workspace's tokens are neither ended nor disabled now, by their kind and grants."""
    grants = cast(col(Token.grants), Text)
    statement = (
        select(Token.kind, grants, func.count())
        .where(
            Token.workspace_id == workspace_id,
            col(Token.created_at) < created_before,
            col(Token.deleted_at).is_(None),
            col(Token.revoked_at).is_(None),
            col(Token.disabled_at).is_(None),
            not_(is_over(now)),
        )
        .group_by(col(Token.kind), grants)
    )
    return {(kind, tuple(json.loads(held))): count for kind, held, count in await session.exec(statement)}


async def member_holdings(session: AsyncSession) -> list[Holding]:
    """Return the roles of members, by workspace."""
    statement = select(Member.workspace_id, Member.role, func.count()).group_by(
        col(Member.workspace_id), col(Member.role)
    )
    return [(workspace, (role,), count) for workspace, role, count in await session.exec(statement)]


async def invitation_holdings(session: AsyncSession, now: datetime) -> list[Holding]:
    """Return the roles of pending invitations, by workspace."""
    statement = (
        select(Invitation.workspace_id, Invitation.role, func.count())
        .where(col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now)
        .group_by(col(Invitation.workspace_id), col(Invitation.role))
    )
    return [(workspace, (role,), count) for workspace, role, count in await session.exec(statement)]


async def workspaces_of_product(session: AsyncSession, product: str) -> list[Workspace]:
    """Return the product's workspaces that are not deleted, in the order of their ids."""
    statement = select(Workspace).where(Workspace.product == product, col(Workspace.deleted_at).is_(None))
    return list((await session.exec(statement.order_by(col(Workspace.id)))).all())


async def tokens_holding(session: AsyncSession, workspace_id: str, name: str) -> AsyncIterator[Token]:
    """Yield the workspace's tokens that hold this name and are not deleted, revoked ones included.

    They are read in batches of :data:`BATCH`, in the order of their ids.
    """
    written = cast(col(Token.grants), Text).contains(json.dumps(name), autoescape=True)
    after = ""
    while True:
        statement = select(Token).where(
            Token.workspace_id == workspace_id, col(Token.deleted_at).is_(None), written, col(Token.id) > after
        )
        batch = (await session.exec(statement.order_by(col(Token.id)).limit(BATCH))).all()
        for token in batch:
            after = token.id
            if name in token.grants:
                yield token
        if len(batch) < BATCH:
            return


async def members_holding(session: AsyncSession, workspace_id: str, role: str) -> list[Member]:
    """Return the workspace's members with this role."""
    statement = select(Member).where(Member.workspace_id == workspace_id, Member.role == role)
    return list((await session.exec(statement)).all())


async def invitations_holding(session: AsyncSession, workspace_id: str, role: str) -> list[Invitation]:
    """Return the unused invitations for this role."""
    statement = select(Invitation).where(
        Invitation.workspace_id == workspace_id, Invitation.role == role, col(Invitation.used_at).is_(None)
    )
    return list((await session.exec(statement)).all())


def _ordering(order: TokenOrder, descending: bool, dialect: str) -> Ordering:
    keys: dict[TokenOrder, tuple[str, type[str] | type[datetime]]] = {
        TokenOrder.CREATED_AT: ("t.created_at", datetime),
        TokenOrder.NAME: ("lower(t.name)", str),
        TokenOrder.LAST_USED_AT: (f"coalesce(t.last_used_at, {FAR_PAST[dialect]})", datetime),
        TokenOrder.EXPIRES_AT: (f"coalesce(t.expires_at, {FAR_FUTURE[dialect]})", datetime),
    }
    key, kind = keys[order]
    name = f"tokens.{order}.{'desc' if descending else 'asc'}"
    return Ordering(name=name, key=key, kind=kind, identity="t.id", descending=descending)


def _holds(values: Values, names: frozenset[str]) -> str:
    if not names:
        return "FALSE"
    each = (
        "json_each(t.grants) AS held"
        if values.dialect == SQLITE
        else "json_array_elements_text(t.grants) AS held(value)"
    )
    return f"EXISTS (SELECT 1 FROM {each} WHERE {values.among('held.value', names)})"


def _has(status: Status, over: str) -> str:
    if status is Status.REVOKED:
        return "t.revoked_at IS NOT NULL"
    if status is Status.EXPIRED:
        return f"(t.revoked_at IS NULL AND {over})"
    disabled = "IS NOT NULL" if status is Status.DISABLED else "IS NULL"
    return f"(t.revoked_at IS NULL AND NOT {over} AND t.disabled_at {disabled})"


def _over(now: str) -> str:
    """Return :func:`is_over` as the text of a condition."""
    # IS NOT NULL makes it false rather than NULL without an end, so that it can be negated.
    ends = " OR ".join(f"({end} IS NOT NULL AND {end} <= {now})" for end in ("t.expires_at", "t.retires_at"))
    used = f"SELECT 1 FROM spacekey_token_first_uses u WHERE u.token_id = t.rotated_to_id AND u.at <= {now}"
    return f"({ends} OR EXISTS ({used}))"


def _come(end: Mapped[datetime | None], now: Moment) -> ColumnElement[bool]:
    # IS NOT NULL makes it false rather than NULL without an end, so that it can be negated.
    return and_(end.is_not(None), end <= now)


def _succeeded(now: Moment) -> ColumnElement[bool]:
    return exists().where(col(TokenFirstUse.token_id) == Token.rotated_to_id, col(TokenFirstUse.at) <= now)
