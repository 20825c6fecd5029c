"""Sets of concrete types as integers, one bit for each, and the rules of a field name over all types at once.

An interface with a thousand types is decided for as one set. The fields of a schema that have the same rules in the
same types share one :class:`Grouped`, so that what was decided about one of them is known about all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from spacekey.domain.rule import Rule

Value = TypeVar("Value", Rule, int)


@dataclass(frozen=True, slots=True, eq=False)
class Grouped(Generic[Value]):
    """Values with the set of types that have each."""

    groups: tuple[tuple[Value, int], ...]
    types: int
    """All types that have one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field name over all concrete types.

    ``types`` have the field; ``rules`` has those of them that give it a rule, ``leads`` the types it can lead to.
    """

    types: int
    rules: Grouped[Rule]
    leads: Grouped[int]


class TypeSets:
    """The concrete types of a schema, by bit: their order is that of their names."""

    def __init__(self, possible: Mapping[str, frozenset[str]]) -> None:
        """``possible`` gives the concrete types of every object, interface and union."""
        self.names = tuple(sorted(frozenset().union(*possible.values())))
        self._bits = {name: 1 << number for number, name in enumerate(self.names)}
        self._sets = {name: sum(self._bits[one] for one in types) for name, types in possible.items()}

    def of(self, name: str) -> int:
        """The concrete types of a type; none for an unknown name."""
        return self._sets.get(name, 0)

    def listed(self, types: int) -> Iterator[str]:
        """The names of a set's types, sorted."""
        while types:
            lowest = types & -types
            yield self.names[lowest.bit_length() - 1]
            types ^= lowest

    def columns(self, fields: Mapping[str, Mapping[str, tuple[Rule | None, str]]]) -> dict[str, Column]:
        """The columns by field name.

        :param fields: by type and field name, the rule of the field and the name of the type it returns.
        """
        types: dict[str, int] = {}
        rules: dict[str, dict[Rule, int]] = {}
        leads: dict[str, dict[int, int]] = {}
        for owner in self.names:
            bit = self._bits[owner]
            for name, (rule, returned) in fields[owner].items():
                types[name] = types.get(name, 0) | bit
                if rule is not None:
                    by_rule = rules.setdefault(name, {})
                    by_rule[rule] = by_rule.get(rule, 0) | bit
                lead = self.of(returned)
                if lead:
                    by_lead = leads.setdefault(name, {})
                    by_lead[lead] = by_lead.get(lead, 0) | bit
        one_of_each_rules: dict[tuple[tuple[Rule, int], ...], Grouped[Rule]] = {}
        one_of_each_leads: dict[tuple[tuple[int, int], ...], Grouped[int]] = {}
        return {
            name: Column(
                having,
                _shared(one_of_each_rules, rules.get(name, {})),
                _shared(one_of_each_leads, leads.get(name, {})),
            )
            for name, having in types.items()
        }


def _shared(made: dict[tuple[tuple[Value, int], ...], Grouped[Value]], groups: Mapping[Value, int]) -> Grouped[Value]:
    key = tuple(groups.items())
    return made.setdefault(key, Grouped(key, sum(groups.values())))
