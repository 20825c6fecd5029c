"""The hot lookup: all that verification needs to know about a secret, in one indexed read on the raw driver.

The ORM would cost several times the read itself. Every call sees what is committed at that moment: there is no
transaction that stays open, and no cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from spacekey.domain.errors import Unavailable
from spacekey.models.migrations.schema_version import Schema, SchemaState, schema_from
from spacekey.models.tables.setting import MAX_STALENESS


class TokenFacts(NamedTuple):
    """A token with what its workspace, space and rotation say about it. Moments are aware, in UTC.

    ``retires_at`` is the end of a rotation's grace or the moment of the successor's first use, whichever is earlier.
    ``first_used`` says that this token, a successor itself, has had its first use written down.
    ``max_staleness_seconds`` is T as the database has it at that moment, None where it has none.
    The ``…_json`` fields are the stored JSON, unparsed: whoever needs them often can cache by their text.

    A named tuple, in the order of the statement's columns: it is made for every verification, and a frozen dataclass
    of so many fields takes as long to fill as the row takes to read.
    """

    id: str
    name: str
    kind: str
    environment: str
    workspace_id: str
    space_id: str | None
    chain_id: str | None
    grants_json: str
    catalog: str
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
"""So many columns come first that every driver gives as they are meant; then two truths, then only moments."""

WORKSPACE_FACTS = slice(TokenFacts._fields.index("catalog"), TokenFacts._fields.index("max_staleness_seconds"))
"""Those that the workspace says about what its tokens may do: ``catalog`` to ``burst``."""

FIRST_MOMENT = PLAIN_COLUMNS + 2
NO_MOMENTS = (None,) * (len(TokenFacts._fields) - FIRST_MOMENT)
"""What the facts from :data:`FIRST_MOMENT` on are for nearly every token in use."""


BATCH_MAX = 1_001
"""How many tokens are read by one statement: a batch of 1,000, and the token of the caller that asks about them."""


class TokenLookup(Protocol):
    """One protocol for both databases, and for caches in front of them."""

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """The facts of the token whose secret has this SHA-256, in any state; None when there is none.

        :raises Unavailable: when the database does not answer in time.
        """
        ...

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """The facts of all tokens whose secrets have these SHA-256s, by digest, from one statement.

        :param digests: at most :data:`BATCH_MAX`. Those of no token are left out of the answer.
        :raises Unavailable: when the database does not answer in time.
        """
        ...

    async def aclose(self) -> None:
        """Give back the connections."""
        ...


_COLUMNS = f"""t.id, t.name, t.kind, t.environment, t.workspace_id, t.space_id, t.chain_id, t.grants,
            w.catalog, w.plan, w.roles, w.scopes_allowed, w.per_minute, w.burst,
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
    """The statement, with the driver's placeholder for the digest. Its columns are what :func:`facts_of` reads."""
    return f"SELECT {_COLUMNS} FROM {_TABLES} WHERE t.digest = {digest}"  # noqa: S608 - the placeholder is ours


def primary_lookup_sql(digest: str) -> str:
    """The same on PostgreSQL, with one column before: whether the server is a standby. There is always one row."""
    server = "(SELECT pg_is_in_recovery() AS standby) server"
    joined = f"{server} LEFT JOIN ({_TABLES}) ON t.digest = {digest}"
    return f"SELECT server.standby, {_COLUMNS} FROM {joined}"  # noqa: S608 - the placeholder is ours


def batch_sql() -> str:
    """The statement for SQLite that reads many tokens: their number, and their digests as one blob.

    The first column is the digest. The text is the same for every number, so it is compiled once.
    """
    places = "WITH RECURSIVE place(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < ?1)"
    digest = "substr(?2, n * 32 + 1, 32)"
    return f"{places} SELECT t.digest, {_COLUMNS} FROM place CROSS JOIN {_TABLES} WHERE t.digest = {digest}"  # noqa: S608


def primary_batch_sql(digests: str) -> str:
    """The statement for PostgreSQL that reads many tokens; first whether the server is a standby, then the digest.

    There is always one row, whose digest is null if no token was found.

    :param digests: the driver's placeholder for an array.
    """
    server = "(SELECT pg_is_in_recovery() AS standby) server"
    joined = f"{server} LEFT JOIN ({_TABLES}) ON t.digest = ANY({digests}::bytea[])"
    return f"SELECT server.standby, t.digest, {_COLUMNS} FROM {joined}"  # noqa: S608 - the placeholder is ours


def refuse_schema(revisions: Sequence[str] | None) -> None:
    """Refuse to read a database whose schema is not this version's.

    :param revisions: the version table's rows; None where there is no such table.
    :raises Unavailable: it is another, which says what to do.
    """
    schema = Schema(SchemaState.EMPTY) if revisions is None else schema_from(revisions)
    if schema.problem is not None:
        raise Unavailable(f"the database {schema.problem}; {schema.remedy}")


def facts_of(row: Sequence[Any]) -> TokenFacts:
    """The facts in a row of :func:`lookup_sql` whose moments are aware datetimes already."""
    *facts, successor_used_at = row
    if successor_used_at is not None:
        facts[-1] = _earlier(facts[-1], successor_used_at)
    return TokenFacts._make(facts)


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)
