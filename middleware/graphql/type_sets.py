"""Sets of concrete types as bit sets, and the rules of a field name over all types at once.

A field of an interface with a thousand types is decided for the whole set. Fields that have the same rules in the same
types share one :class:`TypeGroups`, so that a decision about one of them holds for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from spacekey.domain.rule import Rule

Value = TypeVar("Value", Rule, int)


@dataclass(frozen=True, slots=True, eq=False)
class TypeGroups(Generic[Value]):
    """Values, each with the set of types that have it."""

    groups: tuple[tuple[Value, int], ...]
    types: int
    """All types that have a value."""


@dataclass(frozen=True, slots=True)
class Column:
    """Field name over all concrete types: the types that have it, grouped by its rule and by the types it returns."""

    types: int
    rules: TypeGroups[Rule]
    returns: TypeGroups[int]


class TypeSets:
    """Concrete types of a schema as bits, in the order of their names."""

    def __init__(self, possible: Mapping[str, frozenset[str]]) -> None:
        """Assign a bit to each type.

        :param possible: the concrete types of every object, interface and union.
        """
        self.names = tuple(sorted(frozenset().union(*possible.values())))
        self._bits = {name: 1 << number for number, name in enumerate(self.names)}
        self._sets = {name: sum(self._bits[one] for one in types) for name, types in possible.items()}

    def of(self, name: str) -> int:
        """Return the set of a type's concrete types, empty for an unknown name."""
        return self._sets.get(name, 0)

    def names_of(self, types: int) -> Iterator[str]:
        """Yield the names of a set's types, sorted."""
        while types:
            lowest = types & -types
            yield self.names[lowest.bit_length() - 1]
            types ^= lowest

    def columns(self, fields: Mapping[str, Mapping[str, tuple[Rule | None, str]]]) -> dict[str, Column]:
        """Return the column of every field name.

        :param fields: by type and field name, the rule of the field and the name of the type it returns.
        """
        types: dict[str, int] = {}
        rules: dict[str, dict[Rule, int]] = {}
        returns: dict[str, dict[int, int]] = {}
        for owner in self.names:
            bit = self._bits[owner]
            for name, (rule, type_name) in fields[owner].items():
                types[name] = types.get(name, 0) | bit
                if rule is not None:
                    by_rule = rules.setdefault(name, {})
                    by_rule[rule] = by_rule.get(rule, 0) | bit
                returned = self.of(type_name)
                if returned:
                    by_returned = returns.setdefault(name, {})
                    by_returned[returned] = by_returned.get(returned, 0) | bit
        shared_rules: dict[tuple[tuple[Rule, int], ...], TypeGroups[Rule]] = {}
        shared_returns: dict[tuple[tuple[int, int], ...], TypeGroups[int]] = {}
        return {
            name: Column(
                having,
                _intern(shared_rules, rules.get(name, {})),
                _intern(shared_returns, returns.get(name, {})),
            )
            for name, having in types.items()
        }


def _intern(
    known: dict[tuple[tuple[Value, int], ...], TypeGroups[Value]], groups: Mapping[Value, int]
) -> TypeGroups[Value]:
    """Return the one object for these groups."""
    key = tuple(groups.items())
    return known.setdefault(key, TypeGroups(key, sum(groups.values())))
