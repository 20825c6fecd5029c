"""When a token ends: what was asked for, held against the workspace's policy."""

from __future__ import annotations

from datetime import datetime, timedelta

from spacekey.domain.catalog import Policy
from spacekey.domain.refusal import InvalidInput

from .validate import clean_moment


def checked_expiry(policy: Policy, asked: datetime | None, now: datetime, *, use_default: bool) -> datetime | None:
    """The expiry to store, in UTC.

    :param use_default: nothing was said, so the policy's default lifetime applies where there is one.
    :raises InvalidInput: in the past, without a zone, missing though required, or beyond the longest lifetime.
    """
    if asked is None and use_default and policy.lifetime_seconds_default is not None:
        asked = now + timedelta(seconds=policy.lifetime_seconds_default)
    if asked is None:
        if policy.expiry_required or policy.lifetime_seconds_max is not None:
            raise InvalidInput("expires_at", _required(policy))
        return None
    expiry = clean_moment("expires_at", asked)
    if expiry <= now:
        raise InvalidInput("expires_at", "Must be in the future.")
    if policy.lifetime_seconds_max is not None and expiry - now > timedelta(seconds=policy.lifetime_seconds_max):
        raise InvalidInput("expires_at", f"Must be within {_span(policy.lifetime_seconds_max)} by the policy.")
    return expiry


def _required(policy: Policy) -> str:
    if policy.lifetime_seconds_max is None:
        return "The workspace's policy requires an expiry date."
    return f"The workspace's policy requires an expiry date within {_span(policy.lifetime_seconds_max)}."


def _span(seconds: int) -> str:
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {name}{'s' if seconds != size else ''}"
    return f"{seconds} seconds"
