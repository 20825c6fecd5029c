"""Static analysis of an operation: the fields it selects that the caller may not have.

The analysis follows the concrete types that a selection can meet: a field selected through an interface, a union or an
untyped fragment is looked up in each of them. It does not depend on data, and neither does its cost. The result for a
field name, a selection set or a fragment on one set of types is reused, so that neither many types behind an interface
nor nested fragments multiply the work; and the steps of one analysis are bounded by the number of selections in the
document.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    SelectionNode,
    SelectionSetNode,
)

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

from .introspection import IntrospectionCost
from .operations import Conditions, Operation
from .rules import Rulebook
from .type_sets import TypeGroups

DEPTH_MAX = 200
"""Nested selection sets, through fragments too. graphql-core's parser allows as many within one definition."""

STEPS_PER_SELECTION_MAX = 16
"""Steps per selection of the document, on average. Each distinct set of types that a fragment is spread on takes one
step a selection; with this many the analysis still costs well below the validation of the document."""

STEPS_FREE = 256
"""Steps for which the selections of a document are not even counted."""

GROUPS_PER_STEP = 16
"""Groups of types that cost as much as one step."""

DENIALS_MAX = 101
"""Denials collected from an operation, one more than an answer lists. Execution checks every value again."""

DECISIONS_MAX = 4_096
"""Decisions about sets of types that are kept for the next operations of callers with the same scopes."""

Trail = tuple["Trail", str] | None
"""Response keys from the innermost outwards."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Coordinate that the operation selects and the caller may not have.

    ``certain`` says that the selection is denied wherever it is met; otherwise other types at the same place are
    allowed. ``path`` has response keys (aliases) and no list positions. ``rules`` are those of all types at the place
    if the denial is certain, else the rule alone.
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
class FieldDecision:
    """Decision about a field name on a set of types: those where it is denied, and what it returns on the others."""

    denied: int
    returns: int
    certain: bool


class OperationAnalysis:
    """Analysis of one operation for one caller.

    :param held: the caller's scopes; None for an anonymous one.
    :param selections_max: the most steps to take, however large the document is.
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
        """By type and field name: the first denial of each coordinate, a certain one before others."""
        self.used_scopes: set[str] = set()
        """Scopes by which the caller may have the rest."""
        self.steps = 0
        """Selections looked at, and a step for every :data:`GROUPS_PER_STEP` groups of types."""
        self._rulebook = rulebook
        self._fragments = fragments
        self._conditions = conditions
        self._held = held
        self._denials_max = denials_max
        self._selections_max = selections_max
        self._steps_max = min(selections_max, STEPS_FREE)
        self._definition: Node | None = None
        self._introspection = IntrospectionCost(rulebook.introspection, fragments, conditions)
        self._seen: set[tuple[int, int]] = set()
        self._decisions: dict[tuple[str, int], FieldDecision] = {}
        self._returned: dict[tuple[int, int], int] = {}
        self._reported: set[tuple[str, int, bool]] = set()
        self._certain_count = 0

    def run(self, root: str, selection_set: SelectionSetNode) -> None:
        """Analyze the operation from its root type.

        :raises GraphQLError: if the operation is too deep or too large to be checked, or asks for too much
            introspection.
        """
        self._definition = selection_set
        self._selection_set(selection_set, self._rulebook.sets.of(root), None, 1)

    def _selection_set(self, selection_set: SelectionSetNode, possible: int, trail: Trail, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise GraphQLError("The operation is nested too deeply to be checked.", selection_set)
        place = (id(selection_set), possible)
        if place in self._seen:
            return
        self._seen.add(place)
        for selection in selection_set.selections:
            self._count(1, selection)
            if selection.directives and self._conditions.excludes(selection.directives):
                continue
            if isinstance(selection, FieldNode):
                self._field(selection, possible, trail, depth)
                continue
            fragment = self._fragment(selection)
            if fragment is None:
                continue
            narrowed = possible
            if fragment.type_condition is not None:
                narrowed &= self._rulebook.sets.of(fragment.type_condition.name.value)
            if narrowed:
                self._selection_set(fragment.selection_set, narrowed, trail, depth + 1)

    def _count(self, steps: int, node: Node) -> None:
        self.steps += steps
        if self.steps > self._steps_max:
            self._steps_max = min(self._selections_max, max(STEPS_FREE, STEPS_PER_SELECTION_MAX * self._selections()))
            if self.steps > self._steps_max:
                raise GraphQLError("The operation has too many selections to be checked.", node)

    def _selections(self) -> int:
        """Count the selections of the operation and of all fragments in its document."""
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
        """Return the fragment of a selection; None for an unknown name, which the executor ignores as well."""
        if isinstance(selection, FragmentSpreadNode):
            return self._fragments.get(selection.name.value)
        return selection if isinstance(selection, InlineFragmentNode) else None

    def _field(self, node: FieldNode, possible: int, trail: Trail, depth: int) -> None:
        name = node.name.value
        decision = self._decisions.get((name, possible))
        if decision is None:
            if name not in self._rulebook.columns:
                self._introspection.add(node)  # __schema and __type; __typename is always allowed
                return
            decision = self._decisions[name, possible] = self._decide(name, possible, node)
        if decision.denied:
            self._deny(node, decision, trail)
        if decision.returns and node.selection_set is not None:
            key = node.alias.value if node.alias else name
            self._selection_set(node.selection_set, decision.returns, (trail, key), depth + 1)

    def _decide(self, name: str, possible: int, node: FieldNode) -> FieldDecision:
        """Decide about a field name on a set of types."""
        column = self._rulebook.columns[name]
        here = possible & column.types
        if here & (here - 1) == 0:  # at most one type
            for type_name in self._rulebook.sets.names_of(here):
                entry = self._rulebook.fields[type_name][name]
                if entry.rule is not None and not self._satisfies(entry.rule):
                    return FieldDecision(here, 0, certain=True)
                return FieldDecision(0, self._rulebook.sets.of(entry.returns), certain=False)
        denied = self._denied_by(column.rules, here, node)
        allowed = here & ~denied
        return FieldDecision(denied, self._returned_on(column.returns, allowed, node), certain=not allowed)

    def _denied_by(self, rules: TypeGroups[Rule], here: int, node: FieldNode) -> int:
        """Return the types whose rule denies the field to the caller."""
        held = self._held
        if held is None:
            return here & rules.types
        decisions = self._rulebook.decisions
        decided = decisions.get((held, id(rules), here))
        if decided is None:
            denied, used = 0, frozenset[str]()
            for rule, types in rules.groups:
                if types & here:
                    enough = rule.enough_of(held)
                    if enough is None:
                        denied |= types & here
                    else:
                        used |= enough
            self._count(len(rules.groups) // GROUPS_PER_STEP, node)
            if len(decisions) >= DECISIONS_MAX:
                decisions.clear()
            decided = decisions[held, id(rules), here] = denied, used
        self.used_scopes |= decided[1]
        return decided[0]

    def _returned_on(self, returns: TypeGroups[int], allowed: int, node: FieldNode) -> int:
        """Return the types that the field returns on the allowed ones."""
        key = (id(returns), allowed)
        if key not in self._returned:
            returned = 0
            for one, types in returns.groups:
                if types & allowed:
                    returned |= one
            self._returned[key] = returned
            self._count(len(returns.groups) // GROUPS_PER_STEP, node)
        return self._returned[key]

    def _satisfies(self, rule: Rule) -> bool:
        """Whether the caller satisfies a rule; if so, its scopes count as used."""
        enough = None if self._held is None else rule.enough_of(self._held)
        if enough is not None:
            self.used_scopes |= enough
        return enough is not None

    def _deny(self, node: FieldNode, decision: FieldDecision, trail: Trail) -> None:
        name, denied, certain = node.name.value, decision.denied, decision.certain
        if (name, denied, certain) in self._reported:
            return
        self._reported.add((name, denied, certain))
        path = _path((trail, node.alias.value if node.alias else name))
        groups = self._rulebook.columns[name].rules.groups if certain else ()
        rules = tuple(rule for rule, types in groups if types & denied)
        for type_name in self._rulebook.sets.names_of(denied):
            most = self._denials_max
            if self._certain_count >= most or (not certain and len(self.denials) >= most):
                return
            before = self.denials.get((type_name, name))
            rule = self._rulebook.fields[type_name][name].rule
            if rule is None or (before is not None and (before.certain or not certain)):
                continue
            self._certain_count += certain
            self.denials[type_name, name] = Denial(type_name, name, rule, rules or (rule,), path, node, certain)


def analyze_operation(
    rulebook: Rulebook,
    operation: Operation,
    variables: Mapping[str, Any] | None,
    principal: Principal | None,
    selections_max: int,
    denials_max: int = DENIALS_MAX,
) -> OperationAnalysis:
    """Analyze an operation for ``principal``, None for an anonymous caller.

    :raises GraphQLError: if the operation is too deep or too large to be checked.
    """
    root = _root_of(rulebook.schema, operation)
    conditions = Conditions(rulebook.schema, operation.definition, variables)
    held = None if principal is None else frozenset(principal.scopes)
    analysis = OperationAnalysis(rulebook, operation.fragments, conditions, held, selections_max, denials_max)
    if root is not None:
        analysis.run(root, operation.definition.selection_set)
    return analysis


def find_denials(
    rulebook: Rulebook,
    operation: Operation,
    variables: Mapping[str, Any] | None,
    principal: Principal | None,
    selections_max: int,
) -> list[Denial]:
    """Return all that an operation selects and ``principal`` may not have, in the order of its selections.

    :raises GraphQLError: if the operation is too deep or too large to be checked.
    """
    analysis = analyze_operation(rulebook, operation, variables, principal, selections_max, denials_max=sys.maxsize)
    return list(analysis.denials.values())


def _root_of(schema: GraphQLSchema, operation: Operation) -> str | None:
    """Return the name of the root type; None if the schema has none, which the executor refuses by itself."""
    root = schema.get_root_type(operation.definition.operation)
    return None if root is None else root.name


def _path(trail: Trail) -> tuple[str, ...]:
    keys: list[str] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return tuple(reversed(keys))
