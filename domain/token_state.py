"""Status of a token, from its dates alone."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from .authentication import Reason


class Status(StrEnum):
    """Status that lists show.

    Revoked is permanent; expired comes by date, including the end of a rotation's grace period.
    """

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"


def status_of(
    now: datetime,
    *,
    expires_at: datetime | None,
    disabled_at: datetime | None,
    revoked_at: datetime | None,
    retires_at: datetime | None,
) -> Status:
    """Return the status: REVOKED before EXPIRED before DISABLED before ACTIVE.

    :param retires_at: the end of a rotation's grace period.
    """
    if revoked_at is not None:
        return Status.REVOKED
    if ended(now, expires_at) or ended(now, retires_at):
        return Status.EXPIRED
    return Status.ACTIVE if disabled_at is None else Status.DISABLED


def refusal_reason(
    now: datetime,
    *,
    expires_at: datetime | None,
    disabled_at: datetime | None,
    revoked_at: datetime | None,
    retires_at: datetime | None,
    deleted_at: datetime | None,
) -> Reason | None:
    """Return the reason why a token with these dates is refused now, else None.

    A token is valid strictly before its end.
    """
    if deleted_at is not None:
        return Reason.DELETED
    if revoked_at is not None:
        return Reason.REVOKED
    if ended(now, retires_at):
        return Reason.ROTATED
    if ended(now, expires_at):
        return Reason.EXPIRED
    return None if disabled_at is None else Reason.DISABLED


def ended(now: datetime, end: datetime | None) -> bool:
    """Return whether the moment ``end`` has come."""
    return end is not None and now >= end
