"""Pages of a list, as Relay's connections ask for them (relay.dev, GraphQL Cursor Connections Specification)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from .refusal import InputCode, InvalidInput

T = TypeVar("T")

PAGE_SIZE_MAX = 100
PAGE_SIZE_DEFAULT = 20


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Request for ``size`` rows after and before these cursors: the first ones, or with ``backward`` the last ones."""

    size: int
    after: str | None = None
    before: str | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in the list's order, in whichever direction they were requested; ``cursors`` runs parallel to ``rows``."""

    rows: list[T]
    cursors: list[str]
    has_next: bool
    has_previous: bool


class TokenOrder(StrEnum):
    """Sort key for tokens. No expiry sorts as the far future, never used as the far past."""

    CREATED_AT = "created_at"
    NAME = "name"
    LAST_USED_AT = "last_used_at"
    EXPIRES_AT = "expires_at"


def page_request(
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    *,
    maximum: int = PAGE_SIZE_MAX,
    default: int = PAGE_SIZE_DEFAULT,
) -> PageRequest:
    """Check Relay's four arguments. Cursors are checked when they are used, against the list that they are used on.

    :raises InvalidInput: for a negative size, one over ``maximum``, or both ``first`` and ``last``.
    """
    if first is not None and last is not None:
        raise InvalidInput("last", "Give either first or last, not both.", InputCode.EXCLUSIVE)
    field, size = ("last", last) if last is not None else ("first", default if first is None else first)
    if size < 0:
        raise InvalidInput(field, "Must be 0 or more.", InputCode.OUT_OF_RANGE)
    if size > maximum:
        raise InvalidInput(field, f"Must be {maximum} or less.", InputCode.OUT_OF_RANGE)
    return PageRequest(size=size, after=after, before=before, backward=last is not None)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Filter for events: every condition that is given must hold.

    :param actor_id: done by this person, token, service or operator.
    :param target_id: done to this object.
    :param action: of this kind, such as ``token.revoke``.
    :param outcome: ended like this: ``success``, ``denied`` or ``alert``.
    :param created_after: happened at this time or later.
    :param created_before: happened earlier than this time.
    """

    actor_id: str | None = None
    target_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


EVERYTHING = AuditFilter()
