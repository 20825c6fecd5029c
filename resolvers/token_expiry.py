"""When a token ends: what was asked for, in UTC, with the policy's default where nothing was said."""

from __future__ import annotations

from datetime import datetime, timedelta

from spacekey.domain.catalog import Policy
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET, Unset

from .validation import LIFETIME_SECONDS_MAX, clean_moment


def asked_expiry(
    now: datetime, expires_at: datetime | Unset | None, expires_in: int | Unset | None
) -> datetime | Unset | None:
    """Return when a token is to end, from a moment or from a lifetime.

    A lifetime is counted from this machine's clock: a client whose clock is ahead would ask for a moment that lies
    beyond the policy's longest lifetime, though it chose exactly that.

    :param expires_at: a moment, None for never, UNSET for nothing said.
    :param expires_in: a lifetime in seconds; None and UNSET say nothing.
    :raises InvalidInput: both are given, or the lifetime is out of range.
    """
    if expires_in is UNSET or expires_in is None:
        return expires_at
    if expires_at is not UNSET:
        raise InvalidInput("expires_in", "Give either expires_at or expires_in.")
    if not 1 <= expires_in <= LIFETIME_SECONDS_MAX:
        raise InvalidInput("expires_in", f"Give 1 to {LIFETIME_SECONDS_MAX} seconds.")
    return now + timedelta(seconds=expires_in)


def checked_expiry(policy: Policy, asked: datetime | None, now: datetime, *, use_default: bool) -> datetime | None:
    """The expiry to store, in UTC. Whether the policy allows it, :mod:`strengthening` says.

    :param use_default: nothing was said, so the policy's default lifetime applies where there is one.
    :raises InvalidInput: in the past, or without a zone.
    """
    if asked is None and use_default and policy.lifetime_seconds_default is not None:
        asked = now + timedelta(seconds=policy.lifetime_seconds_default)
    if asked is None:
        return None
    expiry = clean_moment("expires_at", asked)
    if expiry <= now:
        raise InvalidInput("expires_at", "Must be in the future.")
    return expiry
