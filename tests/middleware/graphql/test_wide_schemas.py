"""The walk looks at a selection once for each set of types, however many types there are, and never too often."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code="untyped-decorator"

from functools import cache
from random import Random

import pytest
import strawberry
from graphql import parse

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import Mode, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.graphql.analysis import (
    GROUPS_PER_STEP,
    STEPS_FREE,
    STEPS_PER_SELECTION_MAX,
    OperationAnalysis,
)
from spacekey.middleware.graphql.operations import Conditions, pick_operation

FACETS = 6


@cache
def wide(count: int, *, ruled: bool, mode: Mode = Mode.REJECT) -> ScopedSchema:
    """``count`` types behind an interface; with rules, every second type has one of its own and one on a field.

    Each type also implements one of two interfaces for each of its first bits, so that fragments can narrow the set of
    types in 2^FACETS ways.
    """
    node = strawberry.interface(type("Node", (), {"__annotations__": {"id": int}, "id": 1}))
    facets = [[strawberry.interface(type(f"Facet{n}{side}", (node,), {})) for side in "AB"] for n in range(FACETS)]
    types = []
    for number in range(count):
        rules = [requires_scopes(f"t{number}:read")] if ruled and number % 2 else []
        parent = strawberry.field(
            resolver=lambda: None,
            graphql_type=node | None,
            directives=[requires_scopes(f"p{number}:read")] if ruled and number % 3 == 0 else [],
        )
        sides = tuple(facets[n][(number >> n) & 1] for n in range(FACETS))
        types.append(strawberry.type(type(f"T{number}", sides, {"parent": parent}), directives=rules))
    query = strawberry.type(
        type("Query", (), {"node": strawberry.field(resolver=lambda: None, graphql_type=node | None)})
    )
    settings = ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context, mode=mode)
    return ScopedSchema(query, types=types, scopes=settings)


def walk_over(
    schema: ScopedSchema,
    document: str,
    held: frozenset[str] | None,
    selections_max: int = 10**9,
    denials_max: int = 10**9,
) -> OperationAnalysis:
    operation = pick_operation(parse(document), None)
    conditions = Conditions(schema._schema, operation.definition, {})
    walk = OperationAnalysis(schema.rulebook, operation.fragments, conditions, held, selections_max, denials_max)
    walk.run("Query", operation.definition.selection_set)
    return walk


HELD = frozenset(f"t{number}:read" for number in range(0, 1_000, 4))


@pytest.mark.parametrize("held", [None, frozenset[str](), HELD], ids=["anonymous", "nothing", "some"])
@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("count", [10, 300, 1_000])
def test_an_alias_costs_one_look_whatever_stands_behind_the_interface(
    count: int, ruled: bool, held: frozenset[str] | None
) -> None:
    schema = wide(count, ruled=ruled)
    aliases = " ".join(f"a{n}: id" for n in range(500))
    walk = walk_over(schema, f"{{ node {{ {aliases} }} }}", held)
    groups = sum(len(column.rules.groups) + len(column.returns.groups) for column in schema.rulebook.columns.values())
    assert 501 <= walk.steps <= 501 + groups // GROUPS_PER_STEP


def narrowing(levels: int) -> str:
    """Fragments each of which spreads the next on both sides of a facet: 2^levels sets of types."""
    text = "{ node { ...F0 } }"
    for n in range(levels):
        text += f" fragment F{n} on Node {{ ... on Facet{n}A {{ ...F{n + 1} }} ... on Facet{n}B {{ ...F{n + 1} }} }}"
    return text + f" fragment F{levels} on Node {{ id }}"


def test_fragments_on_very_many_sets_of_types_are_refused_before_they_cost_much() -> None:
    from graphql import GraphQLError

    few = walk_over(wide(300, ruled=True), narrowing(2), None)
    assert few.steps < STEPS_FREE
    deep = narrowing(FACETS) + " " + " ".join(f"fragment G{n} on Node {{ id }}" for n in range(0))
    wide_end = deep.replace(f"fragment F{FACETS} on Node {{ id }}", f"fragment F{FACETS} on Node {{ {'id ' * 12} }}")
    selections = 2 + 4 * FACETS + 12
    with pytest.raises(GraphQLError, match="too many selections"):
        walk_over(wide(300, ruled=True), wide_end, None)
    assert STEPS_PER_SELECTION_MAX * selections < 2**FACETS * 12, "or the document would be within the bound"


@pytest.mark.parametrize("selections_max", [1, 100, 255, 257, 400])
def test_the_bound_of_the_settings_holds_too(selections_max: int) -> None:
    from graphql import GraphQLError

    def document(count: int) -> str:
        return "{ node { " + " ".join(f"a{n}: id" for n in range(count - 1)) + " } }"

    schema = wide(10, ruled=False)
    if selections_max > 1:
        assert walk_over(schema, document(selections_max), None, selections_max).steps == selections_max
    with pytest.raises(GraphQLError, match="too many selections"):
        walk_over(schema, document(selections_max + 1), None, selections_max)


def test_the_decision_for_a_set_is_that_for_each_of_its_types() -> None:
    """On random sets of types and callers: a set is decided as its types are one by one."""
    schema = wide(60, ruled=True)
    book, random = schema.rulebook, Random(1)
    document = "{ node { ...F } } fragment F on Node { id parent { id } }"
    for _ in range(40):
        held = frozenset(f"{kind}{n}:read" for kind in "tp" for n in range(60) if random.random() < 0.5)
        walk = walk_over(schema, document, held)
        denied = {
            (name, field)
            for name, entries in book.fields.items()
            for field, entry in entries.items()
            if name != "Query" and field in ("id", "parent") and entry.rule is not None and not entry.rule.allows(held)
        }
        assert {one for one in walk.denials if one[1] == "id"} == {one for one in denied if one[1] == "id"}
        assert set(walk.denials) <= denied
        few = walk_over(schema, document, held, denials_max=3)
        assert len(few.denials) <= 6
        assert set(few.denials) <= denied


def test_decisions_that_are_kept_are_those_of_the_same_scopes_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacekey.middleware.graphql.analysis.DECISIONS_MAX", 5)
    schema = wide(40, ruled=True)
    schema.rulebook.decisions.clear()
    for _ in range(2):
        for number in range(1, 40, 2):
            held = frozenset({f"t{number}:read"})
            walk = walk_over(schema, "{ node { id } }", held)
            assert {name for name, _ in walk.denials} == {f"T{n}" for n in range(1, 40, 2) if n != number}
            assert walk.used_scopes == held
            assert len(schema.rulebook.decisions) <= 5


def test_values_beyond_the_denials_that_are_told_are_denied_as_well() -> None:
    """More coordinates are denied than the walk keeps; the executor decides each value by itself."""
    schema = wide(1_000, ruled=True, mode=Mode.FILTER)
    caller = Principal("key_1", Kind.SPACE, frozenset({"t1:read"}))
    operation = pick_operation(parse("{ node { id } }"), None)
    guarded = schema._decider.decide(parse("{ node { id } }"), None, {}, caller)
    assert operation.definition
    assert guarded.verdict.denied_by is not None
    for number in range(1_000):
        rule = guarded.verdict.denied_by(f"T{number}", "id")
        assert (rule is None) == (number % 2 == 0 or number == 1)
