"""What a token is asked to be granted, read: names that exist, and a preset's scopes. The ceiling is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from spacekey.domain.catalog import grantable
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.suggest import did_you_mean
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.validation import clean_grants, unknown

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
