"""Who a request turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a principal stands for, and what a token belongs to."""

    SPACE = "space"
    WORKSPACE = "workspace"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Limit:
    """A plan's rate: ``per_minute`` requests sustained, ``burst`` at once."""

    per_minute: int
    burst: int


@dataclass(frozen=True, slots=True)
class Principal:
    """A valid caller. Frozen: a change of scopes is a new principal.

    ``id`` is a token's ``key_…`` or, for a member, ``usr_…``. A member has no workspace of its own: its ``scopes``
    are the union over the workspaces it belongs to, and resolvers decide for the workspace at hand.
    It satisfies Starlette's ``BaseUser`` by shape, so it can sit in ``scope["user"]``.
    """

    id: str
    kind: Kind
    scopes: frozenset[str]
    name: str = ""
    workspace_id: str | None = None
    space_id: str | None = None
    environment: str | None = None
    limit: Limit | None = None
    expires_at: datetime | None = None

    @property
    def is_authenticated(self) -> bool:
        """Always true: nobody gets a principal without valid credentials."""
        return True

    @property
    def display_name(self) -> str:
        """The token's or member's name."""
        return self.name or self.id

    @property
    def identity(self) -> str:
        """The same as ``id``, under Starlette's name."""
        return self.id
