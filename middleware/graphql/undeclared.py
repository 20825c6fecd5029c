"""Holds what a schema's owner means to be public against what is: a forgotten rule, or a rule that was forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.rule import Rule
from spacekey.domain.suggest import did_you_mean

from .rules import Rulebook

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
    _refuse(
        "fields without a rule",
        [
            coordinate
            for coordinate, rule in _rules(rulebook).items()
            if rule is None and not _named(coordinate, public) and coordinate not in rulebook.added
        ],
    )


def refuse_undeclared_roots(rulebook: Rulebook, public: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` with what anyone can reach though it was not declared to be public.

    These are the root fields that have no rule and are not in ``public``, and the fields below a root field in
    ``public`` on whose way there is no rule and that are not in ``public`` themselves. Below any other field nothing
    is asked. Apollo Federation's ``_entities`` is a root field for everyone, if the type ``Query`` has no rule.
    """
    schema = rulebook.schema
    roots = [one.name for one in (schema.query_type, schema.mutation_type, schema.subscription_type) if one is not None]
    undeclared: dict[str, str] = {}
    waiting: list[tuple[str, str]] = []
    for root in roots:
        for name, entry in sorted(rulebook.fields[root].items()):
            coordinate = f"{root}.{name}"
            if entry.rule is None:
                if _named(coordinate, public) or coordinate in rulebook.added:
                    waiting += [(one, coordinate) for one in sorted(rulebook.possible[entry.returns])]
                else:
                    undeclared[coordinate] = ""
    reached = {*roots}
    while waiting:
        owner, through = waiting.pop()
        if owner in reached:
            continue
        reached.add(owner)
        for name, entry in sorted(rulebook.fields[owner].items()):
            coordinate = f"{owner}.{name}"
            if entry.rule is None and coordinate not in rulebook.added:
                waiting += [(one, through) for one in sorted(rulebook.possible[entry.returns])]
                if not _named(coordinate, public):
                    undeclared[coordinate] = f" (anyone can reach it through {through})"
    _refuse("fields that are open to everyone, and not declared", [one + undeclared[one] for one in sorted(undeclared)])


def _refuse(what: str, coordinates: Sequence[str]) -> None:
    if coordinates:
        listed = "\n".join(f"  {one}" for one in coordinates)
        raise ConfigurationError(
            f"{what}; give each a rule with directives=[requires_scopes(...)], or name it, or its type, in "
            f"ScopeEnforcement(public=[...]); fail_on_undeclared=False turns this check off:\n{listed}"
        )


def _named(coordinate: str, public: Collection[str]) -> bool:
    return coordinate in public or coordinate.partition(".")[0] in public


def _rules(rulebook: Rulebook) -> dict[str, Rule | None]:
    owners = {**rulebook.fields, **rulebook.abstract}
    return {
        f"{owner}.{name}": entry.rule
        for owner in sorted(owners)
        for name, entry in sorted(owners[owner].items())
        if not name.startswith("__")
    }
