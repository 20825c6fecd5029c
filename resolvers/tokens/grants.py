"""Grants and expiry of a token, as clients give them.

Names must exist, a preset adds its scopes, and a lifetime becomes a time. Whether the caller may grant the result is
decided in :mod:`spacekey.resolvers.access.delegation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from spacekey.domain.principal import Kind
from spacekey.domain.product import Policy, grantable
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.unset import UNSET, Unset
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.validation import LIFETIME_SECONDS_MAX, clean_grants, clean_moment, unknown

ROLES_SHOWN_MAX = 10


def checked_grants(
    authority: Authority, kind: Kind, grants: Sequence[str] | None, preset: str | None = None
) -> list[str]:
    """Return the grants of a token: the given ones and those of the preset.

    Whether the caller may grant them is decided by :mod:`spacekey.resolvers.access.delegation`.

    :raises InvalidInput: for unknown names, none, too many, or anything but one role if the product requires one role.
    """
    asked = list(grants or ())
    if preset is not None:
        known_preset = authority.product.presets.get(preset)
        if known_preset is None:
            raise InvalidInput("preset", unknown("preset", preset, authority.product.presets), InputCode.UNKNOWN_VALUE)
        asked += known_preset.scopes
    known = grantable(authority.product, kind, authority.roles)
    if authority.product.one_role:
        _check_one_role(authority.product.title, asked, known)
    return clean_grants("grants", asked, known, known & frozenset(authority.roles))


def _check_one_role(title: str, asked: Sequence[str], roles: AbstractSet[str]) -> None:
    if len(asked) == 1 and asked[0] in roles:
        return
    shown = ", ".join(sorted(roles)[:ROLES_SHOWN_MAX])
    hint = did_you_mean(asked[0], roles) if len(asked) == 1 else ""
    raise InvalidInput(
        "grants",
        f"A {title} token holds exactly one role and nothing else, such as: {shown}.{hint}",
        InputCode.NOT_ALLOWED,
    )


def asked_expiry(
    now: datetime, expires_at: datetime | Unset | None, expires_in: int | Unset | None
) -> datetime | Unset | None:
    """Return the requested end of a token, from a time or a lifetime.

    A lifetime is counted from this machine's clock: a client whose clock is ahead would request a time beyond the
    policy's longest lifetime, although it chose exactly that lifetime.

    :param expires_at: a time, None for never, UNSET if left out.
    :param expires_in: a lifetime in seconds; None and UNSET mean left out.
    :raises InvalidInput: if both are given, or the lifetime is out of range.
    """
    if expires_in is UNSET or expires_in is None:
        return expires_at
    if expires_at is not UNSET:
        raise InvalidInput("expires_in", "Give either expires_at or expires_in.", InputCode.EXCLUSIVE)
    if not 1 <= expires_in <= LIFETIME_SECONDS_MAX:
        raise InvalidInput("expires_in", f"Give 1 to {LIFETIME_SECONDS_MAX} seconds.", InputCode.OUT_OF_RANGE)
    return now + timedelta(seconds=expires_in)


def checked_expiry(policy: Policy, asked: datetime | None, now: datetime, *, use_default: bool) -> datetime | None:
    """Return the expiry to store, in UTC. :mod:`spacekey.resolvers.access.delegation` checks it against the policy.

    :param use_default: apply the policy's default lifetime, if any, when no expiry was given.
    :raises InvalidInput: if it is in the past or has no time zone.
    """
    if asked is None and use_default and policy.lifetime_seconds_default is not None:
        asked = now + timedelta(seconds=policy.lifetime_seconds_default)
    if asked is None:
        return None
    expiry = clean_moment("expires_at", asked)
    if expiry <= now:
        raise InvalidInput("expires_at", "Must be in the future.", InputCode.IN_PAST)
    return expiry
