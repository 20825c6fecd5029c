"""What start-up can tell about a schema: every coordinate with its rule, or "public"."""

from __future__ import annotations

from collections.abc import Collection

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.suggest import did_you_mean

from .rulebook import Rulebook

PUBLIC = "public"


def scope_report(rulebook: Rulebook) -> dict[str, str]:
    """Coordinate → effective rule in words, or ``public``; objects and interfaces, sorted.

    Introspection (``__schema``, ``__type``, ``__typename``) is left out.
    """
    owners = {**rulebook.fields, **rulebook.abstract}
    return {
        f"{owner}.{name}": PUBLIC if entry.rule is None else str(entry.rule)
        for owner in sorted(owners)
        for name, entry in sorted(owners[owner].items())
        if not name.startswith("__")
    }


def refuse_undeclared(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` with all coordinates that have no rule and are not in ``public``.

    ``public`` names coordinates and types; a name the schema lacks is refused too. The fields that Apollo
    Federation itself adds to the root (``_service``, ``_entities``) need no mention.
    """
    report = scope_report(rulebook)
    names = {*report, *(coordinate.partition(".")[0] for coordinate in report)}
    for name in sorted(public):
        if name not in names:
            raise ConfigurationError(f"public names '{name}', which the schema lacks.{did_you_mean(name, names)}")
    open_ones = [
        coordinate
        for coordinate, rule in report.items()
        if rule == PUBLIC
        and not {coordinate, coordinate.partition(".")[0]} & set(public)
        and coordinate.partition(".")[2] not in ("_service", "_entities")
        and not coordinate.startswith("_Service.")
    ]
    if open_ones:
        listed = "\n".join(f"  {coordinate}" for coordinate in open_ones)
        raise ConfigurationError(f"fields without a rule; give them one, or name them in public:\n{listed}")
