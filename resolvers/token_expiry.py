"""When a token ends: what was asked for, in UTC, with the policy's default where nothing was said."""

from __future__ import annotations

from datetime import datetime, timedelta

from spacekey.domain.catalog import Policy
from spacekey.domain.refusal import InvalidInput

from .validate import clean_moment


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
