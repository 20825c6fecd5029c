"""Which tokens a list shows, as conditions in SQL: the same words as ``spacekey.domain.token_state``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import Mapped
from sqlmodel import col

from spacekey.domain.token_state import Status
from spacekey.models.tables.token import Token, TokenFirstUse

from .result import contains
from .values import Values


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


def conditions(values: Values, *, where: TokenFilter, now: datetime) -> list[str]:
    """Return the conditions in SQL, about a table called ``t``; a token is good strictly before its end.

    :param values: of the statement; what is looked for is added.
    :raises InvalidInput: with field ``text``, when no token can hold that text.
    """
    found = ["t.deleted_at IS NULL"]
    for column, value in (
        ("t.workspace_id", where.workspace_id),
        ("t.space_id", where.space_id),
        ("t.environment", where.environment),
        ("t.kind", where.kind),
        ("t.created_by_id", where.created_by_id),
    ):
        if value is not None:
            found.append(f"{column} = {values.bind(value)}")
    ends = where.expires_before is not None or (where.statuses is not None and where.statuses - {Status.REVOKED})
    over = _over(values.bind(now)) if ends else ""
    if where.statuses is not None:
        held = [_has(status, over) for status in sorted(where.statuses)]
        found.append(f"({' OR '.join(held) or 'FALSE'})")
    if where.text:
        found.append(contains(values, "text", where.text, "t.search_text"))
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


def _has(status: Status, over: str) -> str:
    if status is Status.REVOKED:
        return "t.revoked_at IS NOT NULL"
    if status is Status.EXPIRED:
        return f"(t.revoked_at IS NULL AND {over})"
    disabled = "IS NOT NULL" if status is Status.DISABLED else "IS NULL"
    return f"(t.revoked_at IS NULL AND NOT {over} AND t.disabled_at {disabled})"


def _over(now: str) -> str:
    """:func:`is_over` in the text of a statement."""
    # Said twice, so that it is false rather than NULL without an end, and may be negated.
    ends = " OR ".join(f"({end} IS NOT NULL AND {end} <= {now})" for end in ("t.expires_at", "t.retires_at"))
    used = f"SELECT 1 FROM spacekey_token_first_uses u WHERE u.token_id = t.rotated_to_id AND u.at <= {now}"
    return f"({ends} OR EXISTS ({used}))"


def is_over(now: datetime) -> ColumnElement[bool]:
    """Ended by its date, by the end of a rotation's grace, or by its successor's first use. Never NULL."""
    return or_(_come(col(Token.expires_at), now), is_replaced(now))


def is_replaced(now: datetime) -> ColumnElement[bool]:
    """Ended for good by a rotation: its grace is over, or its successor was used. Never NULL."""
    return or_(_come(col(Token.retires_at), now), _succeeded(now))


def _come(end: Mapped[datetime | None], now: datetime) -> ColumnElement[bool]:
    # Said twice, so that it is false rather than NULL without an end, and may be negated.
    return and_(end.is_not(None), end <= now)


def _succeeded(now: datetime) -> ColumnElement[bool]:
    return exists().where(col(TokenFirstUse.token_id) == Token.rotated_to_id, col(TokenFirstUse.at) <= now)
