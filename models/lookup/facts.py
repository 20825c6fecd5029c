"""Lookup for verification: every fact about a secret's token in one indexed read on the raw driver.

An ORM would cost several times as much as the read. Every call sees the data committed at that moment: no transaction
stays open, and nothing is cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.migrations.schema_version import Schema, SchemaState, schema_from
from spacekey.models.tables.setting import MAX_STALENESS


class TokenFacts(NamedTuple):
    """Token with the facts of its workspace, space and rotation that verification needs. Times are aware, in UTC.

    ``retires_at`` is the end of a rotation's grace or the time of the successor's first use, whichever is earlier.
    ``first_used`` says that the first use of this token, itself a successor, has been recorded.
    ``max_staleness_seconds`` is T as stored at that moment, or None if none is. The ``…_json`` fields are the stored
    JSON, unparsed, so that callers can cache by the text.

    A named tuple, in the order of the statement's columns: one is created for every verification, and filling a frozen
    dataclass of so many fields takes as long as reading the row.
    """

    id: str
    name: str
    kind: str
    environment: str
    workspace_id: str
    space_id: str | None
    chain_id: str | None
    grants_json: str
    external_id: str | None
    metadata_json: str | None
    product: str
    plan: str
    roles_json: str
    scopes_allowed_json: str | None
    per_minute: int | None
    burst: int | None
    max_staleness_seconds: float | None
    first_use_retires: bool
    first_used: bool
    expires_at: datetime | None
    disabled_at: datetime | None
    revoked_at: datetime | None
    deleted_at: datetime | None
    suspended_at: datetime | None
    space_deleted_at: datetime | None
    workspace_deleted_at: datetime | None = None
    retires_at: datetime | None = None


PLAIN_COLUMNS = TokenFacts._fields.index("first_use_retires")
"""Number of leading columns that every driver returns as they are; two booleans follow, then only times."""

WORKSPACE_FACTS = slice(TokenFacts._fields.index("product"), TokenFacts._fields.index("max_staleness_seconds"))
"""Facts from the workspace that decide what its tokens may do: ``product`` to ``burst``."""

FIRST_MOMENT = PLAIN_COLUMNS + 2
NO_MOMENTS = (None,) * (len(TokenFacts._fields) - FIRST_MOMENT)
"""Facts from :data:`FIRST_MOMENT` on for nearly every token in use."""


BATCH_MAX = 1_001
"""Maximum number of tokens in one statement: a batch of 1,000 and the token of the caller that sent it."""


class TokenLookup(Protocol):
    """Lookup of tokens, in either database or in a cache in front of one."""

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """Return the facts of the token whose secret has this SHA-256, in any state, or None if there is no such token.

        :raises ServiceUnavailable: if the database does not answer in time.
        """
        ...

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """Return the facts of the tokens whose secrets have these SHA-256 digests, by digest, from one statement.

        :param digests: at most :data:`BATCH_MAX`. Those without a token are left out of the answer.
        :raises ServiceUnavailable: if the database does not answer in time.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


_COLUMNS = f"""t.id, t.name, t.kind, t.environment, t.workspace_id, t.space_id, t.chain_id, t.grants,
            t.external_id, t.metadata, w.product, w.plan, w.roles, w.scopes_allowed, w.per_minute, w.burst,
            (SELECT value FROM spacekey_settings WHERE name = '{MAX_STALENESS}'),
            t.first_use_retires, own.token_id IS NOT NULL,
            t.expires_at, t.disabled_at, t.revoked_at, t.deleted_at, w.suspended_at, s.deleted_at, w.deleted_at,
            t.retires_at, successor.at"""  # noqa: S608 - nothing in it is input
_TABLES = """spacekey_tokens t
        JOIN spacekey_workspaces w ON w.id = t.workspace_id
        LEFT JOIN spacekey_spaces s ON s.id = t.space_id
        LEFT JOIN spacekey_token_first_uses own ON own.token_id = t.id
        LEFT JOIN spacekey_token_first_uses successor ON successor.token_id = t.rotated_to_id"""


def lookup_sql(digest: str) -> str:
    """Return the statement, with the driver's placeholder for the digest. :func:`facts_of` reads its columns."""
    return f"SELECT {_COLUMNS} FROM {_TABLES} WHERE t.digest = {digest}"  # noqa: S608 - the placeholder is ours


def primary_lookup_sql(digest: str) -> str:
    """Return the statement for PostgreSQL: always one row, whose first column says whether the server is a standby."""
    server = "(SELECT pg_is_in_recovery() AS standby) server"
    joined = f"{server} LEFT JOIN ({_TABLES}) ON t.digest = {digest}"
    return f"SELECT server.standby, {_COLUMNS} FROM {joined}"  # noqa: S608 - the placeholder is ours


def batch_sql() -> str:
    """Return SQLite's statement for many tokens, whose values are their number and their digests as one blob.

    The first column is the digest. The text is the same for every number, so it is compiled once.
    """
    places = "WITH RECURSIVE place(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < ?1)"
    digest = "substr(?2, n * 32 + 1, 32)"
    return f"{places} SELECT t.digest, {_COLUMNS} FROM place CROSS JOIN {_TABLES} WHERE t.digest = {digest}"  # noqa: S608


def primary_batch_sql(digests: str) -> str:
    """Return PostgreSQL's statement for many tokens; its first column says whether the server is a standby.

    The second column is the digest. There is always one row, whose digest is null if no token was found.

    :param digests: the driver's placeholder for an array.
    """
    server = "(SELECT pg_is_in_recovery() AS standby) server"
    joined = f"{server} LEFT JOIN ({_TABLES}) ON t.digest = ANY({digests}::bytea[])"
    return f"SELECT server.standby, t.digest, {_COLUMNS} FROM {joined}"  # noqa: S608 - the placeholder is ours


def refuse_schema(revisions: Sequence[str] | None) -> None:
    """Raise if the database's schema is not this version's.

    :param revisions: the version table's rows; None if there is no such table.
    :raises ServiceUnavailable: if the revision differs, with the remedy.
    """
    schema = Schema(SchemaState.EMPTY) if revisions is None else schema_from(revisions)
    if schema.problem is not None:
        raise ServiceUnavailable(f"the database {schema.problem}; {schema.remedy}")


def facts_of(row: Sequence[Any]) -> TokenFacts:
    """Return the facts in a row of :func:`lookup_sql` whose times are aware datetimes already."""
    *facts, successor_used_at = row
    if successor_used_at is not None:
        facts[-1] = _earlier(facts[-1], successor_used_at)
    return TokenFacts._make(facts)


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)
