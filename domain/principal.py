"""Principals: the callers of authenticated requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from .metadata import NO_METADATA, Metadata, frozen_metadata, written_metadata

MINUTE_US = 60_000_000


class Kind(StrEnum):
    """Kind of a principal: what it acts for, and what a token belongs to."""

    SPACE = "space"
    WORKSPACE = "workspace"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Limit:
    """Rate of a plan: ``per_minute`` requests sustained, ``burst`` at once."""

    per_minute: int
    burst: int
    interval_us: int = field(init=False, repr=False, compare=False)
    """Microseconds between two requests at that rate, rounded up: what is admitted never exceeds it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval_us", -(-MINUTE_US // self.per_minute))


def issuer_within(outer: str, inner: str) -> str:
    """Return the name of an issuer, one of a chain's, that may be a chain itself."""
    return f"{outer}/{inner}" if inner else outer


@dataclass(frozen=True, slots=True, init=False)
class Principal:
    """Valid caller. Frozen: a change of scopes is a new principal.

    ``id`` is a token's ``key_…`` or, for a member, ``usr_…``. A member has no workspace of its own: its ``scopes`` are
    the union over the workspaces it belongs to, and resolvers decide for the workspace at hand. It satisfies
    Starlette's ``BaseUser`` by shape, so it can be ``scope["user"]``.

    ``external_id`` and ``metadata`` are what the app attached to the token. An endpoint loads its own user by the
    first::

        user = await users.get(request.user.external_id)
    """

    id: str
    kind: Kind
    scopes: frozenset[str]
    name: str = ""
    workspace_id: str | None = None
    space_id: str | None = None
    environment: str | None = None
    rate_limit: Limit | None = None
    expires_at: datetime | None = None
    rate_limit_key: str = ""
    """Key that ``rate_limit`` is charged to.

    It is the ``id``, or for a token made by rotation that of the first token of its chain, so that rotating does not
    restart the limit."""
    issuer: str = ""
    """Name of the verifier that knows it, among the several of a ``VerifierChain``; empty if there is one only.

    Ids of different issuers may be the same."""
    external_id: str | None = None
    """Id that the app has for the token's owner; None if it gave none, and for members."""
    metadata: Metadata = field(default_factory=Metadata, repr=False, compare=False)
    """JSON object that the app attached to the token; empty if there is none.

    It cannot be changed, and lists in it are tuples. It is parsed when it is first read: see ``_ParsedWhenRead``."""
    metadata_json: str = field(default="", init=False, repr=False)
    """The same as JSON text; empty if there is none."""
    is_well_formed: bool = field(default=False, init=False, repr=False, compare=False)
    """Whether the types of all fields were checked; see :func:`spacekey.middleware.argument_checks.flaw_in`."""
    account: str = field(default="", init=False, repr=False, compare=False)
    """Account that its limit is charged to: ``rate_limit_key``, which another issuer may have given too."""

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's name
        kind: Kind,
        scopes: frozenset[str],
        name: str = "",
        workspace_id: str | None = None,
        space_id: str | None = None,
        environment: str | None = None,
        rate_limit: Limit | None = None,
        expires_at: datetime | None = None,
        rate_limit_key: str = "",
        issuer: str = "",
        external_id: str | None = None,
        metadata: Mapping[str, Any] | str | None = None,
    ) -> None:
        """Set the fields.

        :param metadata: a JSON object, or its text, which is not parsed now.
        """
        # One is made for every verification: setting the slots takes half as long as a frozen dataclass's own __init__.
        _put_id(self, id)
        _put_kind(self, kind)
        _put_scopes(self, scopes)
        _put_name(self, name)
        _put_workspace_id(self, workspace_id)
        _put_space_id(self, space_id)
        _put_environment(self, environment)
        _put_rate_limit(self, rate_limit)
        _put_expires_at(self, expires_at)
        _put_rate_limit_key(self, rate_limit_key or id)
        _put_issuer(self, issuer)
        _put_external_id(self, external_id)
        # ``metadata`` itself is set when it is first read.
        _put_metadata_json(self, "" if metadata is None else _text_of(metadata))
        _put_is_well_formed(self, False)
        _put_account(self, f"{issuer}:{self.rate_limit_key}" if issuer else self.rate_limit_key)

    def mark_well_formed(self) -> None:
        """Note that the types of all fields were checked, which need not be done again: nothing can change them."""
        _put_is_well_formed(self, True)

    def with_issuer(self, issuer: str) -> Principal:
        """Return the same principal with this issuer, before that of a chain inside it."""
        named = Principal(
            self.id,
            self.kind,
            self.scopes,
            self.name,
            self.workspace_id,
            self.space_id,
            self.environment,
            self.rate_limit,
            self.expires_at,
            self.rate_limit_key,
            issuer_within(issuer, self.issuer),
            self.external_id,
            self.metadata_json or None,
        )
        _put_is_well_formed(named, self.is_well_formed)
        return named

    @property
    def is_authenticated(self) -> bool:
        """Always true: there is no principal without valid credentials."""
        return True

    @property
    def display_name(self) -> str:
        """Name of the token or member, or its ``id`` if it has none."""
        return self.name or self.id

    @property
    def identity(self) -> str:
        """The ``id``, under Starlette's name."""
        return self.id


def _text_of(metadata: Mapping[str, Any] | str) -> str:
    if isinstance(metadata, str):
        return metadata
    return written_metadata(metadata) if metadata else ""


(
    _put_id,
    _put_kind,
    _put_scopes,
    _put_name,
    _put_workspace_id,
    _put_space_id,
    _put_environment,
    _put_rate_limit,
    _put_expires_at,
    _put_rate_limit_key,
    _put_issuer,
    _put_external_id,
    _put_metadata,
    _put_metadata_json,
    _put_is_well_formed,
    _put_account,
) = (vars(Principal)[each.name].__set__ for each in fields(Principal))


class _ParsedWhenRead:
    """Descriptor of ``Principal.metadata``, in place of the field's own: parses the text when the field is first read.

    A class with ``__getattr__`` could do the same, but then reading any attribute of a principal takes several times as
    long, and each request reads many.
    """

    def __init__(self, stored: Any) -> None:
        self._stored = stored

    def __get__(self, principal: Principal | None, owner: type | None = None) -> Any:
        if principal is None:
            return self
        try:
            return self._stored.__get__(principal, owner)
        except AttributeError:
            parsed = frozen_metadata(principal.metadata_json) if principal.metadata_json else NO_METADATA
            _put_metadata(principal, parsed)
            return parsed

    def __set__(self, principal: Principal, value: Metadata) -> None:
        self._stored.__set__(principal, value)


type.__setattr__(Principal, "metadata", _ParsedWhenRead(vars(Principal)["metadata"]))
