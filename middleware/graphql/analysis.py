"""One walk over an operation, answering which of the fields it asks for the caller may not have.

The walk follows the concrete types a selection can meet: a field asked for through an interface, a union or an untyped
fragment is looked up in each of them. Nothing here depends on data, so the cost does not either. What was found out
about a field name, a selection set or a fragment on one set of types is not looked at again, so that neither many
types behind an interface nor nested fragments multiply the work; and how often the walk may look at the selections of
a document is bounded by their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    SelectionNode,
    SelectionSetNode,
)

from spacekey.domain.rule import Rule

from .introspection import Introspection
from .operations import Conditions
from .rules import Rulebook
from .type_sets import Grouped

DEPTH_MAX = 200
"""Nested selection sets, through fragments too. graphql-core's parser allows as many within one definition."""

LOOKS_MAX = 16
"""How often the walk may look at a selection, on average. Each distinct set of types that a fragment is spread on is
one look; with this many the walk is still well below the cost of validating the document."""

LOOKS_FREE = 256
"""Looks for which the selections of a document are not even counted."""

GROUPS_PER_LOOK = 16
"""Groups of types that cost as much to go through as looking at one selection."""

DENIALS_MAX = 101
"""Denials that are told of an operation, one more than an answer lists. What runs is checked value by value."""

DECISIONS_MAX = 4_096
"""Decisions about sets of types that are kept for the next operations of callers with the same scopes."""

Trail = tuple["Trail", str] | None
"""Response keys from the innermost outwards."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A coordinate the operation asks for and the caller may not have.

    ``certain`` says that wherever this selection is met, it is denied; otherwise other types at the same place are
    allowed. ``path`` has response keys (aliases) and no list positions. ``rules`` are those of all types at the place
    where it is certain, else the rule alone.
    """

    type_name: str
    field_name: str
    rule: Rule
    rules: tuple[Rule, ...]
    path: tuple[str, ...]
    node: FieldNode
    certain: bool

    @property
    def coordinate(self) -> str:
        """``Type.field``."""
        return f"{self.type_name}.{self.field_name}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one field name on one set of types: those that are denied it, and where the others lead."""

    denied: int
    leads_to: int
    certain: bool


class Walk:
    """Collects the denials of one operation, the first of each coordinate, certain ones before others.

    :param held: the caller's scopes; None for an anonymous one.
    :param selections_max: the most selections to look at, however large the document is.
    :param denials_max: the most certain denials to collect, and the most of the others.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Conditions,
        held: frozenset[str] | None,
        selections_max: int,
        denials_max: int = DENIALS_MAX,
    ) -> None:
        self.denials: dict[tuple[str, str], Denial] = {}
        self.used: set[str] = set()
        """The scopes by which the caller may have the rest."""
        self.looks = 0
        """How much was looked at: selections, and sixteenths of groups of types."""
        self._rulebook = rulebook
        self._fragments = fragments
        self._conditions = conditions
        self._held = held
        self._denials_max = denials_max
        self._selections_max = selections_max
        self._looks_max = min(selections_max, LOOKS_FREE)
        self._definition: Node | None = None
        self._introspection = Introspection(rulebook.introspection, fragments, conditions)
        self._seen: set[tuple[int, int]] = set()
        self._decisions: dict[tuple[str, int], Decision] = {}
        self._led: dict[tuple[int, int], int] = {}
        self._told: set[tuple[str, int, bool]] = set()
        self._certain = 0

    def run(self, root: str, selection_set: SelectionSetNode) -> None:
        """Walk an operation from its root type.

        :raises GraphQLError: when the operation is too deep or too large to be checked, or asks for too much
            introspection.
        """
        self._definition = selection_set
        self._visit(selection_set, self._rulebook.sets.of(root), None, 1)

    def _visit(self, selection_set: SelectionSetNode, possible: int, trail: Trail, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise GraphQLError("The operation is nested too deeply to be checked.", selection_set)
        place = (id(selection_set), possible)
        if place in self._seen:
            return
        self._seen.add(place)
        for selection in selection_set.selections:
            self._look(1, selection)
            if selection.directives and self._conditions.leave_out(selection.directives):
                continue
            if isinstance(selection, FieldNode):
                self._field(selection, possible, trail, depth)
                continue
            inner = self._fragment(selection)
            if inner is None:
                continue
            narrowed = possible
            if inner.type_condition is not None:
                narrowed &= self._rulebook.sets.of(inner.type_condition.name.value)
            if narrowed:
                self._visit(inner.selection_set, narrowed, trail, depth + 1)

    def _look(self, looks: int, node: Node) -> None:
        self.looks += looks
        if self.looks > self._looks_max:
            self._looks_max = min(self._selections_max, max(LOOKS_FREE, LOOKS_MAX * self._selections()))
            if self.looks > self._looks_max:
                raise GraphQLError("The operation has too many selections to be checked.", node)

    def _selections(self) -> int:
        """How many selections the operation and all fragments of its document have."""
        count = 0
        waiting: list[SelectionSetNode | None] = [one.selection_set for one in self._fragments.values()]
        if isinstance(self._definition, SelectionSetNode):
            waiting.append(self._definition)
        while waiting:
            selection_set = waiting.pop()
            if selection_set is not None:
                count += len(selection_set.selections)
                waiting += (getattr(one, "selection_set", None) for one in selection_set.selections)
        return count

    def _fragment(self, selection: SelectionNode) -> InlineFragmentNode | FragmentDefinitionNode | None:
        """What a selection other than a field spreads; None for an unknown name, which the executor ignores as well."""
        if isinstance(selection, FragmentSpreadNode):
            return self._fragments.get(selection.name.value)
        return selection if isinstance(selection, InlineFragmentNode) else None

    def _field(self, node: FieldNode, possible: int, trail: Trail, depth: int) -> None:
        name = node.name.value
        decision = self._decisions.get((name, possible))
        if decision is None:
            if name not in self._rulebook.columns:
                self._introspection.meet(node)  # __schema and __type; __typename is always allowed
                return
            decision = self._decisions[name, possible] = self._decide(name, possible, node)
        if decision.denied:
            self._deny(node, decision, trail)
        if decision.leads_to and node.selection_set is not None:
            key = node.alias.value if node.alias else name
            self._visit(node.selection_set, decision.leads_to, (trail, key), depth + 1)

    def _decide(self, name: str, possible: int, node: FieldNode) -> Decision:
        """Decide about a field for a set of types, the first time that this name is met on them."""
        column = self._rulebook.columns[name]
        here = possible & column.types
        if here & (here - 1) == 0:  # one type, or none
            for type_name in self._rulebook.sets.listed(here):
                entry = self._rulebook.fields[type_name][name]
                if entry.rule is not None and not self._satisfies(entry.rule):
                    return Decision(here, 0, certain=True)
                return Decision(0, self._rulebook.sets.of(entry.returns), certain=False)
        denied = self._denied_by(column.rules, here, node)
        allowed = here & ~denied
        return Decision(denied, self._led_to(column.leads, allowed, node), certain=not allowed)

    def _denied_by(self, rules: Grouped[Rule], here: int, node: FieldNode) -> int:
        held = self._held
        if held is None:
            return here & rules.types
        kept = self._rulebook.kept
        decided = kept.get((held, id(rules), here))
        if decided is None:
            denied, used = 0, frozenset[str]()
            for rule, types in rules.groups:
                if types & here:
                    enough = rule.enough_of(held)
                    if enough is None:
                        denied |= types & here
                    else:
                        used |= enough
            self._look(len(rules.groups) // GROUPS_PER_LOOK, node)
            if len(kept) >= DECISIONS_MAX:
                kept.clear()
            decided = kept[held, id(rules), here] = denied, used
        self.used |= decided[1]
        return decided[0]

    def _led_to(self, leads: Grouped[int], allowed: int, node: FieldNode) -> int:
        key = (id(leads), allowed)
        if key not in self._led:
            led = 0
            for lead, types in leads.groups:
                if types & allowed:
                    led |= lead
            self._led[key] = led
            self._look(len(leads.groups) // GROUPS_PER_LOOK, node)
        return self._led[key]

    def _satisfies(self, rule: Rule) -> bool:
        """Whether the caller satisfies a rule, noting by which scopes."""
        enough = None if self._held is None else rule.enough_of(self._held)
        if enough is not None:
            self.used |= enough
        return enough is not None

    def _deny(self, node: FieldNode, decision: Decision, trail: Trail) -> None:
        name, denied, certain = node.name.value, decision.denied, decision.certain
        if (name, denied, certain) in self._told:
            return
        self._told.add((name, denied, certain))
        path = _path((trail, node.alias.value if node.alias else name))
        groups = self._rulebook.columns[name].rules.groups if certain else ()
        rules = tuple(rule for rule, types in groups if types & denied)
        for type_name in self._rulebook.sets.listed(denied):
            most = self._denials_max
            if self._certain >= most or (not certain and len(self.denials) >= most):
                return
            before = self.denials.get((type_name, name))
            rule = self._rulebook.fields[type_name][name].rule
            if rule is None or (before is not None and (before.certain or not certain)):
                continue
            self._certain += certain
            self.denials[type_name, name] = Denial(type_name, name, rule, rules or (rule,), path, node, certain)


def _path(trail: Trail) -> tuple[str, ...]:
    keys: list[str] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return tuple(reversed(keys))
