"""Which tokens a list shows, as conditions in SQL: the same words as ``spacekey.domain.token_state``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, false, func, not_, or_
from sqlalchemy.orm import Mapped
from sqlmodel import col

from spacekey.domain.token_state import Status

from .search import contains
from .token import Token, TokenFirstUse


@dataclass(frozen=True, slots=True)
class TokenFilter:
    """Every condition that is given must hold. Deleted tokens are never shown.

    :param workspace_id: None for all workspaces.
    :param statuses: any of these; None for every status.
    :param text: part of the name, the description or the prefix, in either case.
    :param unused_since: last used before it, or never used and created before it.
    :param created_by_id: made by this person, token, service or operator.
    :param expires_before: not over yet, and going to end before it, by its date or by a rotation's grace.
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


def conditions(where: TokenFilter, now: datetime) -> list[ColumnElement[bool]]:
    """The filter in SQL; a token is good strictly before its end.

    :raises InvalidInput: with field ``text``, when no token can hold that text.
    """
    found: list[ColumnElement[bool]] = [col(Token.deleted_at).is_(None)]
    for column, value in (
        (col(Token.workspace_id), where.workspace_id),
        (col(Token.space_id), where.space_id),
        (col(Token.environment), where.environment),
        (col(Token.kind), where.kind),
        (col(Token.created_by_id), where.created_by_id),
    ):
        if value is not None:
            found.append(column == value)
    if where.statuses is not None:
        found.append(or_(false(), *(_has(status, now) for status in sorted(where.statuses))))
    if where.text:
        found.append(contains("text", where.text, col(Token.search_text)))
    if where.unused_since is not None:
        found.append(func.coalesce(Token.last_used_at, Token.created_at) < where.unused_since)
    if where.expires_before is not None:
        revoked = col(Token.revoked_at).is_not(None)
        found += [not_(revoked), not_(is_over(now)), _ends_before(where.expires_before)]
    return found


def is_over(now: datetime) -> ColumnElement[bool]:
    """Ended by its date, by the end of a rotation's grace, or by its successor's first use. Never NULL."""
    return or_(_come(col(Token.expires_at), now), is_replaced(now))


def is_replaced(now: datetime) -> ColumnElement[bool]:
    """Ended for good by a rotation: its grace is over, or its successor was used. Never NULL."""
    return or_(_come(col(Token.retires_at), now), _succeeded(now))


def _has(status: Status, now: datetime) -> ColumnElement[bool]:
    revoked = col(Token.revoked_at).is_not(None)
    disabled = col(Token.disabled_at).is_not(None)
    if status is Status.REVOKED:
        return revoked
    if status is Status.EXPIRED:
        return and_(not_(revoked), is_over(now))
    good = and_(not_(revoked), not_(is_over(now)))
    return and_(good, disabled) if status is Status.DISABLED else and_(good, not_(disabled))


def _come(end: Mapped[datetime | None], now: datetime) -> ColumnElement[bool]:
    # Said twice, so that it is false rather than NULL without an end, and may be negated.
    return and_(end.is_not(None), end <= now)


def _succeeded(now: datetime) -> ColumnElement[bool]:
    return exists().where(col(TokenFirstUse.token_id) == Token.rotated_to_id, col(TokenFirstUse.at) <= now)


def _ends_before(moment: datetime) -> ColumnElement[bool]:
    return or_(col(Token.expires_at) < moment, col(Token.retires_at) < moment)
