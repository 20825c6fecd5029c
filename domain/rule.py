"""Rules: the scopes that a route or field requires, as alternatives of scope sets.

The shape is that of Apollo's ``@requiresScopes(scopes: [["a", "b"], ["c"]])``: (a and b) or c. A rule without
alternatives is never satisfied; an empty alternative is satisfied by every valid principal. Matching is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from .errors import RuleError
from .scope import SCOPE_FORM, is_scope_name
from .suggest import did_you_mean

ALTERNATIVES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule for routes, sockets and fields. Build it with :func:`all_of` and :func:`any_of`."""

    alternatives: tuple[frozenset[str], ...]

    def allows(self, held: AbstractSet[str]) -> bool:
        """Return whether a principal that holds exactly ``held`` satisfies the rule."""
        return self.enough_of(held) is not None

    def enough_of(self, held: AbstractSet[str]) -> frozenset[str] | None:
        """Return the first alternative, in the rule's own order, that ``held`` satisfies; None if there is none."""
        for alternative in self.alternatives:
            if alternative <= held:
                return alternative
        return None

    def missing(self, held: AbstractSet[str]) -> tuple[str, ...] | None:
        """Return the smallest set of scopes to add to ``held``, sorted; ``()`` if allowed, None if nothing would help.

        Ties go to the alternative that comes first in the rule's own order. The answer names only scopes that are
        lacking, so it never tells what the caller holds beyond what the rule itself shows.
        """
        lacking = [sorted(alternative - held) for alternative in self.alternatives]
        if not lacking:
            return None
        shortest = min(lacking, key=len)
        return tuple(shortest)

    def __and__(self, other: Rule) -> Rule:
        """Return the rule that is satisfied if both are."""
        if self is other or self == other:
            return self
        return _reduced(one | two for one in self.alternatives for two in other.alternatives)

    def __or__(self, other: Rule) -> Rule:
        """Return the rule that is satisfied if either is."""
        return _reduced((*self.alternatives, *other.alternatives))

    @property
    def scopes(self) -> frozenset[str]:
        """All scopes that the rule names."""
        return frozenset().union(*self.alternatives)

    def check_known(self, known: AbstractSet[str], where: str) -> None:
        """Check that the rule names no scope outside ``known``.

        :raises RuleError: for one that it does, with near matches.
        """
        for scope in sorted(self.scopes - known):
            raise RuleError(f"{where}: unknown scope '{scope}'.{did_you_mean(scope, known)}")

    def as_lists(self) -> list[list[str]]:
        """Return the directive's argument: a list of sorted lists."""
        return [sorted(alternative) for alternative in self.alternatives]

    def __str__(self) -> str:
        if not self.alternatives:
            return "never"
        parts = [" and ".join(sorted(one)) or "any valid token" for one in self.alternatives]
        return parts[0] if len(parts) == 1 else " or ".join(f"({part})" for part in parts)


def _reduced(alternatives: Iterable[frozenset[str]]) -> Rule:
    """Return the rule without alternatives that another one makes redundant; the rest keep their order."""
    kept: list[frozenset[str]] = []
    for candidate in alternatives:
        if any(one <= candidate for one in kept):
            continue
        kept = [one for one in kept if not candidate <= one]
        kept.append(candidate)
        if len(kept) > ALTERNATIVES_MAX:
            raise RuleError(f"a rule has more than {ALTERNATIVES_MAX} alternatives; write a simpler one")
    return Rule(tuple(kept))


AUTHENTICATED = Rule((frozenset(),))
"""Rule that every valid principal satisfies, whatever it holds."""


def _term(part: str | Rule) -> Rule:
    if isinstance(part, Rule):
        return part
    if not isinstance(part, str):
        raise RuleError(f"{part!r:.60} is neither a scope nor a rule: write the parts one by one, like 'jobs:read'")
    if not is_scope_name(part):
        raise RuleError(f"{part!r} is not a scope name: {SCOPE_FORM}")
    return Rule((frozenset((part,)),))


def all_of(*parts: str | Rule) -> Rule:
    """Return a rule that requires all of the parts, each a scope or a rule. Without parts: any valid principal.

    :param parts: scopes and rules.
    :raises RuleError: for a string that is not a scope name, and for a part that is neither a scope nor a rule.
    """
    rule = AUTHENTICATED
    for part in parts:
        rule = rule & _term(part)
    return rule


def any_of(*parts: str | Rule) -> Rule:
    """Return a rule that requires at least one of the parts, each a scope or a rule. Without parts: no principal.

    :param parts: scopes and rules.
    :raises RuleError: for a string that is not a scope name, and for a part that is neither a scope nor a rule.
    """
    # One reduction for all parts: reducing after each would be cubic in their number.
    return _reduced(alternative for part in parts for alternative in _term(part).alternatives)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def rule_of(lists: Sequence[Sequence[str]]) -> Rule:
    """Return the rule of a directive's argument, ``[["a", "b"], ["c"]]`` = (a and b) or c.

    :raises RuleError: if the value is not a list of lists of scope names.
    """
    if not _is_list(lists) or not all(map(_is_list, lists)):
        raise RuleError(f"{lists!r}: write a list of lists of scopes, like [['jobs:read']]")
    return any_of(*(all_of(*inner) for inner in lists))
