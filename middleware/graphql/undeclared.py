"""Holds what a schema's owner means to be public against what is: a forgotten rule, or a rule that was forgotten."""

from __future__ import annotations

from collections.abc import Collection

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.rule import Rule
from spacekey.domain.suggest import did_you_mean

from .rulebook import Rulebook

PUBLIC = "public"


def rules_in_words(rulebook: Rulebook) -> dict[str, str]:
    """Coordinate → effective rule in words, or ``public``; objects and interfaces, sorted."""
    return {where: PUBLIC if rule is None else str(rule) for where, rule in _rules(rulebook).items()}


def refuse_wrong_public(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` for a name in ``public`` that the schema lacks, or gives a rule.

    A coordinate must have no rule, a type at least one field without.
    """
    rules = _rules(rulebook)
    types = {coordinate.partition(".")[0] for coordinate in rules}
    half_open = {coordinate.partition(".")[0] for coordinate, rule in rules.items() if rule is None}
    for name in sorted(public):
        if name not in rules and name not in types:
            names = {*rules, *types}
            raise ConfigurationError(f"public names '{name}', which the schema lacks.{did_you_mean(name, names)}")
        if rules.get(name) is not None:
            raise ConfigurationError(
                f"public names '{name}', which needs: {rules[name]}. Take it out of public, or the rule off the field, "
                "its type, an interface, or the type it answers with"
            )
        if name in types - half_open:
            raise ConfigurationError(f"public names '{name}', all of whose fields have a rule. Take it out of public")


def refuse_undeclared(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` with all coordinates that have no rule and are not in ``public``.

    ``public`` names coordinates and types. The fields that Apollo Federation itself adds to the root (``_service``,
    ``_entities``) need no mention.
    """
    open_ones = [
        coordinate
        for coordinate, rule in _rules(rulebook).items()
        if rule is None
        and not {coordinate, coordinate.partition(".")[0]} & set(public)
        and coordinate.partition(".")[2] not in ("_service", "_entities")
        and not coordinate.startswith("_Service.")
    ]
    if open_ones:
        listed = "\n".join(f"  {coordinate}" for coordinate in open_ones)
        raise ConfigurationError(f"fields without a rule; give them one, or name them in public:\n{listed}")


def _rules(rulebook: Rulebook) -> dict[str, Rule | None]:
    owners = {**rulebook.fields, **rulebook.abstract}
    return {
        f"{owner}.{name}": entry.rule
        for owner in sorted(owners)
        for name, entry in sorted(owners[owner].items())
        if not name.startswith("__")
    }
