"""What a token is asked to be granted, read: names that exist, and a preset's scopes. The ceiling is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from spacekey.domain.catalog import Policy, grantable
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.unset import UNSET, Unset
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.validation import LIFETIME_SECONDS_MAX, clean_grants, clean_moment, unknown

ROLES_SHOWN_MAX = 10


def checked_grants(
    authority: Authority, kind: Kind, grants: Sequence[str] | None, preset: str | None = None
) -> list[str]:
    """The grants a token gets: what was asked for, a preset's scopes added.

    Whether the caller may give them, :mod:`strengthening` says.

    :raises InvalidInput: unknown names, none at all, too many, or anything but one role where the catalog says so.
    """
    asked = list(grants or ())
    if preset is not None:
        known_preset = authority.catalog.presets.get(preset)
        if known_preset is None:
            raise InvalidInput("preset", unknown("preset", preset, authority.catalog.presets))
        asked += known_preset.scopes
    known = grantable(authority.catalog, kind, authority.roles)
    if authority.catalog.one_role:
        _check_one_role(authority.catalog.title, asked, known)
    return clean_grants("grants", asked, known, known & frozenset(authority.roles))


def _check_one_role(title: str, asked: Sequence[str], roles: AbstractSet[str]) -> None:
    if len(asked) == 1 and asked[0] in roles:
        return
    shown = ", ".join(sorted(roles)[:ROLES_SHOWN_MAX])
    hint = did_you_mean(asked[0], roles) if len(asked) == 1 else ""
    raise InvalidInput("grants", f"A {title} token holds exactly one role and nothing else, such as: {shown}.{hint}")


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
