"""The hot lookup: all that verification needs to know about a secret, in one indexed read on the raw driver.

The ORM would cost several times the read itself. Every call sees what is committed at that moment: there is no
transaction that stays open, and no cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from .setting import MAX_STALENESS


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token with what its workspace, space and rotation say about it. Moments are aware, in UTC.

    ``retires_at`` is the end of a rotation's grace or the moment of the successor's first use, whichever is earlier.
    ``first_used`` says that this token, a successor itself, has had its first use written down.
    ``max_staleness_seconds`` is T as the database has it at that moment, None where it has none.
    The ``…_json`` fields are the stored JSON, unparsed: whoever needs them often can cache by their text.
    """

    id: str
    name: str
    kind: str
    environment: str
    workspace_id: str
    space_id: str | None
    grants_json: str
    expires_at: datetime | None
    disabled_at: datetime | None
    revoked_at: datetime | None
    deleted_at: datetime | None
    retires_at: datetime | None
    first_use_retires: bool
    first_used: bool
    catalog: str
    plan: str
    roles_json: str
    scopes_allowed_json: str | None
    per_minute: int | None
    burst: int | None
    suspended_at: datetime | None
    space_deleted_at: datetime | None
    workspace_deleted_at: datetime | None = None
    max_staleness_seconds: float | None = None


class TokenLookup(Protocol):
    """One protocol for both databases, and for caches in front of them."""

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """The facts of the token whose secret has this SHA-256, in any state; None when there is none.

        :raises Unavailable: when the database does not answer in time.
        """
        ...

    async def aclose(self) -> None:
        """Give back the connections."""
        ...


def lookup_sql(digest: str) -> str:
    """The statement, with the driver's placeholder for the digest. Its columns are what :func:`facts_of` reads."""
    return f"""
        SELECT t.id, t.name, t.kind, t.environment, t.workspace_id, t.space_id, t.grants,
            t.expires_at, t.disabled_at, t.revoked_at, t.deleted_at, t.retires_at, successor.at,
            t.first_use_retires, own.token_id IS NOT NULL,
            w.catalog, w.plan, w.roles, w.scopes_allowed, w.per_minute, w.burst, w.suspended_at, s.deleted_at,
            w.deleted_at, (SELECT value FROM settings WHERE name = '{MAX_STALENESS}')
        FROM tokens t
        JOIN workspaces w ON w.id = t.workspace_id
        LEFT JOIN spaces s ON s.id = t.space_id
        LEFT JOIN token_first_uses own ON own.token_id = t.id
        LEFT JOIN token_first_uses successor ON successor.token_id = t.rotated_to_id
        WHERE t.digest = {digest}
    """  # noqa: S608 - the placeholder is ours, never input


def facts_of(row: Sequence[Any]) -> TokenFacts:
    """The facts in a row of :func:`lookup_sql` whose moments are aware datetimes already."""
    return TokenFacts(
        id=row[0],
        name=row[1],
        kind=row[2],
        environment=row[3],
        workspace_id=row[4],
        space_id=row[5],
        grants_json=row[6],
        expires_at=row[7],
        disabled_at=row[8],
        revoked_at=row[9],
        deleted_at=row[10],
        retires_at=_earlier(row[11], row[12]),
        first_use_retires=bool(row[13]),
        first_used=bool(row[14]),
        catalog=row[15],
        plan=row[16],
        roles_json=row[17],
        scopes_allowed_json=row[18],
        per_minute=row[19],
        burst=row[20],
        suspended_at=row[21],
        space_deleted_at=row[22],
        workspace_deleted_at=row[23],
        max_staleness_seconds=row[24],
    )


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
