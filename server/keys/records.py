"""What ``Keys`` returns: plain, immutable records, detached from the database. Times are aware, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from spacekey.domain.actor import Actor as DomainActor
from spacekey.domain.actor import ActorKind
from spacekey.domain.extras import extra
from spacekey.domain.principal import Kind, Limit
from spacekey.domain.secret import Secret
from spacekey.domain.token_state import Status

with extra("spacekey[server]"):
    from spacekey.models.tables.records import AnySpace, AnyWorkspace, AuditRecord
    from spacekey.models.tables.usage import UsageDay as StoredDay
    from spacekey.resolvers.tokens.view import TokenView


class _Everywhere(Enum):
    ALL = "all workspaces"


ALL: Final = _Everywhere.ALL
"""All workspaces of the loaded products, in place of one workspace."""

All: TypeAlias = Literal[_Everywhere.ALL]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something.

    An application names its own user by the id and name it knows: ``Actor(id="user-7", name="Ada")``. In results the
    actor may also be a person with an account here, a token, a service, the operator or Spacekey itself.

    :param id: 1 to 200 visible characters. For a user of yours, the id that never changes.
    :param name: shown beside the id in the audit log, at most 254 characters; may be empty.
    :param kind: what kind of actor it is; ``external`` is a user of an application.
    """

    id: str
    name: str = ""
    kind: ActorKind = ActorKind.EXTERNAL


@dataclass(frozen=True, slots=True)
class Policy:
    """What a workspace demands of its tokens.

    :param lifetime_seconds_max: the longest lifetime of a new token; None for any.
    :param lifetime_seconds_default: the lifetime of a token that was created without an expiry; None for no end.
    :param expiry_required: whether every new token must have an expiry.
    :param scopes_allowed: the scopes that tokens can have at all; None for those of the plan.
    """

    lifetime_seconds_max: int | None = None
    lifetime_seconds_default: int | None = None
    expiry_required: bool = False
    scopes_allowed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant of one product.

    :param external_id: the id that your application knows it by.
    :param limit: the rate limit of its own, in place of the plan's.
    :param suspended_at: since when its tokens are refused; None if they are not.
    """

    id: str
    external_id: str | None
    name: str
    slug: str
    product: str
    plan: str
    policy: Policy
    limit: Limit | None
    created_at: datetime
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Space:
    """A project inside a workspace.

    :param external_id: the id that your application knows it by.
    """

    id: str
    workspace_id: str
    external_id: str | None
    name: str
    slug: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token, without its secret.

    :param external_id: whose it is, by your application's id.
    :param metadata: your application's own JSON object.
    :param prefix: the first characters of the secret, followed by an ellipsis.
    :param grants: what it was given, as it was given.
    :param scopes: what the grants come to now, within the plan and the workspace's policy.
    :param grace_ends_at: when it ends because it was rotated.
    :param imported_from: the key format that it was imported with; None if its secret was made here.
    """

    id: str
    workspace_id: str
    space_id: str | None
    external_id: str | None
    metadata: Mapping[str, Any] = field(hash=False, repr=False)
    name: str
    description: str
    kind: Kind
    environment: str
    prefix: str
    grants: tuple[str, ...]
    scopes: frozenset[str]
    status: Status
    created_at: datetime
    created_by: Actor
    expires_at: datetime | None
    grace_ends_at: datetime | None
    disabled_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    last_used_at: datetime | None
    last_used_ip: str | None
    rotated_from_id: str | None
    rotated_to_id: str | None
    imported_from: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token and its secret, which is shown once and stored nowhere.

    :param secret: ``secret.reveal()`` is the text to hand over; ``repr`` and logs show it masked.
    :param effective_at: from when it is accepted. In a transaction of yours: once that has committed.
    """

    token: Token
    secret: Secret
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class ChangedToken:
    """A token after a change.

    :param effective_at: from when the change holds in every process. It has passed, unless the call did not wait.
    """

    token: Token
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class RevokedTokens:
    """What ``revoke_all`` did.

    :param count: how many tokens it revoked. Those that were revoked before are not counted.
    :param effective_at: from when none of them is accepted by any process.
    """

    count: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedPortalSession:
    """A new portal session and its secret, which is shown once and stored nowhere.

    :param id: begins with ``pts_``.
    :param person: your user, whose session it is.
    :param scopes: what it has now. It never has more.
    :param origins: the origins that its requests must come from, as browsers send them.
    :param tokens: ``own`` if it sees the person's tokens alone, ``workspace`` if it sees all.
    :param secret: ``secret.reveal()`` is the bearer for the page; ``repr`` and logs show it masked.
    """

    id: str
    workspace_id: str
    person: Actor
    scopes: frozenset[str]
    origins: tuple[str, ...]
    tokens: str
    expires_at: datetime
    secret: Secret


@dataclass(frozen=True, slots=True)
class ChangedWorkspace:
    """A workspace after a change.

    :param effective_at: from when the change holds in every process. It has passed, unless the call did not wait.
    """

    workspace: Workspace
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class UsageDay:
    """Requests on one day, in UTC.

    :param allowed: those that were let in.
    :param denied: those whose token lacked a scope.
    :param rate_limited: those over the rate limit.
    """

    day: date
    allowed: int
    denied: int
    rate_limited: int


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """A token with its requests in a period.

    :param allowed: those that were let in.
    :param denied: those that lacked a scope.
    :param rate_limited: those over the rate limit.
    """

    token: Token
    allowed: int
    denied: int
    rate_limited: int


@dataclass(frozen=True, slots=True)
class TokenQuota:
    """How many tokens of a workspace count towards its plan.

    :param most: the plan's maximum; None if it has none.
    """

    used: int
    most: int | None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event of a workspace's audit log.

    :param sequence: its number in the workspace's log, from 1.
    :param outcome: ``success``, ``denied`` or ``alert``.
    :param credential: what the actor acted with; ``host application`` for changes through ``Keys``.
    :param before: the changed facts before the change.
    :param after: the same after it.
    """

    id: str
    workspace_id: str
    sequence: int
    created_at: datetime
    action: str
    outcome: str
    actor: Actor
    credential: str
    target_id: str
    before: Mapping[str, Any] | None = field(hash=False)
    after: Mapping[str, Any] | None = field(hash=False)
    ip: str
    user_agent: str
    request_id: str


def workspace_of(row: AnyWorkspace) -> Workspace:
    """Return the record of a workspace's row."""
    own = None if row.per_minute is None or row.burst is None else Limit(row.per_minute, row.burst)
    return Workspace(
        id=row.id,
        external_id=row.external_id,
        name=row.name,
        slug=row.slug,
        product=row.product,
        plan=row.plan,
        policy=Policy(
            row.lifetime_seconds_max,
            row.lifetime_seconds_default,
            row.expiry_required,
            None if row.scopes_allowed is None else frozenset(row.scopes_allowed),
        ),
        limit=own,
        created_at=row.created_at,
        suspended_at=row.suspended_at,
    )


def space_of(row: AnySpace) -> Space:
    """Return the record of a space's row."""
    return Space(row.id, row.workspace_id, row.external_id, row.name, row.slug, row.created_at)


def token_of(view: TokenView) -> Token:
    """Return the record of a token's view."""
    row = view.token
    return Token(
        id=row.id,
        workspace_id=row.workspace_id,
        space_id=row.space_id,
        external_id=row.external_id,
        metadata=_frozen(row.metadata_),
        name=row.name,
        description=row.description,
        kind=Kind(row.kind),
        environment=row.environment,
        prefix=view.shown_prefix,
        grants=tuple(row.grants),
        scopes=view.scopes,
        status=view.status,
        created_at=row.created_at,
        created_by=_actor_of(row.created_by),
        expires_at=row.expires_at,
        grace_ends_at=view.retires_at,
        disabled_at=row.disabled_at,
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
        last_used_at=row.last_used_at,
        last_used_ip=row.last_used_ip,
        rotated_from_id=row.rotated_from_id,
        rotated_to_id=row.rotated_to_id,
        imported_from=row.imported_from,
    )


def event_of(row: AuditRecord) -> AuditEvent:
    """Return the record of an event's row."""
    return AuditEvent(
        id=row.id,
        workspace_id=row.chain,
        sequence=row.sequence,
        created_at=row.at,
        action=row.action,
        outcome=row.outcome,
        actor=_actor_of(row.actor),
        credential=row.credential,
        target_id=row.target_id,
        before=None if row.before is None else _frozen(row.before),
        after=None if row.after is None else _frozen(row.after),
        ip=row.ip,
        user_agent=row.user_agent,
        request_id=row.request_id,
    )


def day_of(row: StoredDay) -> UsageDay:
    """Return the record of a day's counts."""
    return UsageDay(row.day, row.allowed, row.denied, row.limited)


def _actor_of(actor: DomainActor) -> Actor:
    return Actor(actor.id, actor.name, actor.kind)


def _frozen(facts: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return MappingProxyType({name: _frozen_value(value) for name, value in (facts or {}).items()})


def _frozen_value(value: Any) -> Any:
    if isinstance(value, dict):
        return _frozen(value)
    return tuple(map(_frozen_value, value)) if isinstance(value, list) else value
