"""Records of rows for lists and pages, as the raw driver returns them, without an ORM.

A record has the columns that may be shown, named as in its table; :mod:`spacekey.models.engine.reading` fills it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from spacekey.domain.actor import Actor, actor_from

from .audit import AuditEvent
from .base import SQLITE
from .token import Token
from .user import Invitation, User
from .workspace import Member, Space, Workspace

R = TypeVar("R", bound=tuple[Any, ...])
_EXPRESSIONS = {
    "has_password": "{table}.password_hash IS NOT NULL",
    "metadata_": "{table}.metadata",
    "successor_used_at": "u.at",
}
"""SQL expressions of fields that are not columns of their own name; ``u`` is the table of first uses."""

Convert: TypeAlias = Callable[[Any], Any]


class TokenRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.token.Token` for lists, without the digest.

    ``successor_used_at`` is the first use of a successor, if that use ends this token.
    """

    id: str
    prefix: str
    name: str
    description: str
    kind: str
    environment: str
    workspace_id: str
    space_id: str | None
    grants: list[str]
    created_at: datetime
    created_by_id: str
    created_by_name: str
    created_by_kind: str | None
    expires_at: datetime | None
    disabled_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    deleted_at: datetime | None
    rotated_from_id: str | None
    rotated_to_id: str | None
    chain_id: str | None
    retires_at: datetime | None
    first_use_retires: bool
    last_used_at: datetime | None
    last_used_ip: str | None
    external_id: str | None
    metadata_: dict[str, Any] | None
    imported_from: str | None
    successor_used_at: datetime | None

    @property
    def created_by(self) -> Actor:
        """The creator, with the name at creation."""
        return actor_from(self.created_by_kind, self.created_by_id, self.created_by_name)


class WorkspaceRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.workspace.Workspace`."""

    id: str
    name: str
    slug: str
    product: str
    plan: str
    roles: dict[str, Any]
    lifetime_seconds_max: int | None
    lifetime_seconds_default: int | None
    expiry_required: bool
    scopes_allowed: list[str] | None
    per_minute: int | None
    burst: int | None
    created_at: datetime
    suspended_at: datetime | None
    deleted_at: datetime | None
    external_id: str | None


class SpaceRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.workspace.Space` for lists."""

    id: str
    workspace_id: str
    name: str
    slug: str
    created_at: datetime
    deleted_at: datetime | None
    external_id: str | None


class ServiceRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.service.Service`."""

    id: str
    name: str
    product: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class PortalSessionRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.portal.PortalSession`, without the secret's digest."""

    id: str
    workspace_id: str
    person_id: str
    person_name: str
    grants: list[str]
    scopes: list[str]
    own_tokens: bool
    origins: list[str]
    service_id: str | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


class MemberRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.workspace.Member`."""

    workspace_id: str
    user_id: str
    role: str
    created_at: datetime


class UserRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.user.User` for lists, without the password's hash."""

    id: str
    sign_in_name: str | None
    email: str | None
    email_proven_at: datetime | None
    name: str
    has_password: bool
    created_at: datetime


class InvitationRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.user.Invitation` for lists, without the code's digest."""

    id: str
    workspace_id: str
    email: str
    name: str | None
    role: str
    inviter_kind: str
    inviter_id: str
    inviter_name: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class AuditRecord(NamedTuple):
    """Columns of :class:`spacekey.models.tables.audit.AuditEvent`."""

    id: str
    chain: str
    sequence: int
    at: datetime
    action: str
    outcome: str
    actor_id: str
    actor_name: str
    credential: str
    target_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    ip: str
    user_agent: str
    request_id: str
    hash: bytes
    version: int
    actor_kind: str | None
    target_name: str
    target_facts: dict[str, Any] | None
    actor_salt: bytes | None
    actor_digest: bytes | None
    actor_erased: bool
    target_salt: bytes | None
    target_digest: bytes | None
    target_erased: bool

    @property
    def actor(self) -> Actor:
        """The actor of the event."""
        return actor_from(self.actor_kind, self.actor_id, self.actor_name)


AnyToken: TypeAlias = Token | TokenRecord
AnyWorkspace: TypeAlias = Workspace | WorkspaceRecord
AnySpace: TypeAlias = Space | SpaceRecord
AnyMember: TypeAlias = Member | MemberRecord
AnyUser: TypeAlias = User | UserRecord
AnyInvitation: TypeAlias = Invitation | InvitationRecord
AnyEvent: TypeAlias = AuditEvent | AuditRecord


@cache
def columns(record: type[R], table: str) -> str:
    """Return the columns to select for a record.

    :param table: the table's name in the statement.
    """
    return ", ".join(
        _EXPRESSIONS.get(name, "{table}.{name}").format(table=table, name=name) for name in _fields(record)
    )


@cache
def decoder(record: type[R], dialect: str, start: int = 0) -> Callable[[Sequence[Any]], R]:
    """Return a function that makes a record from a driver's row.

    :param start: the index of the record's first column in the row.
    """
    hints = get_type_hints(record)
    fields = _fields(record)
    found = ((place, _conversion(hints[name], dialect)) for place, name in enumerate(fields))
    conversions = [(place, convert) for place, convert in found if convert is not None]
    end = start + len(fields)

    def decode(row: Sequence[Any]) -> R:
        values = list(row[start:end])
        for place, convert in conversions:
            value = values[place]
            if value is not None:
                values[place] = convert(value)
        return tuple.__new__(record, values)

    return decode


def width(record: type[R]) -> int:
    """Return how many columns a record has."""
    return len(_fields(record))


def _fields(record: type[Any]) -> tuple[str, ...]:
    fields: tuple[str, ...] = record._fields
    return fields


def _conversion(hint: Any, dialect: str) -> Convert | None:
    """Return the conversion of a column: SQLite stores times as text and booleans as numbers; JSON is text on both."""
    kinds = {get_origin(one) or one for one in (get_args(hint) or (hint,))} if get_origin(hint) not in _JSON else _JSON
    if kinds & _JSON:
        return parsed_json
    if dialect != SQLITE:
        return None
    if datetime in kinds:
        return moment_from
    return bool if bool in kinds else None


_JSON = {list, dict}


def parsed_json(value: Any) -> Any:
    """Return the list or object of a column, which SQLAlchemy's connections to PostgreSQL have parsed already."""
    return json.loads(value) if isinstance(value, str) else value


def moment_from(text: str) -> datetime:
    """Return a time that SQLite stored."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
