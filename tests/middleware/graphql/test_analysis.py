"""Which fields of an operation are denied, at a bounded cost: interfaces, unions, fragments, aliases, Relay."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator
from functools import cache
from random import Random
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, get_introspection_query, parse
from strawberry import relay
from strawberry.extensions import DisableValidation

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import OnDenied, ScopedSchema, ScopeEnforcement, compile_rules, requires_scopes
from spacekey.middleware.graphql.analysis import (
    GROUPS_PER_STEP,
    STEPS_FREE,
    STEPS_PER_SELECTION_MAX,
    OperationAnalysis,
    analyze_operation,
)
from spacekey.middleware.graphql.operations import Conditions, pick_operation
from support.graphql.library import Person, Query, anonymous, ask, holding, library, ran, refusals

SCHEMA = library()


DENIED = "INSUFFICIENT_SCOPE"


@pytest.mark.sampled(3)
async def test_anonymous_caller_is_unauthenticated_on_a_ruled_field_and_served_on_a_public_one(how: str) -> None:
    refused = await ask(how, SCHEMA, "{ book { price } }", anonymous())
    assert refused.data is None
    assert refusals(refused) == [("Book.price", ("book", "price"), "UNAUTHENTICATED")]
    assert (await ask(how, SCHEMA, "{ open }", anonymous())).data == {"open": "open"}


@pytest.mark.sampled(3)
async def test_a_caller_with_the_scopes_gets_the_field(how: str) -> None:
    result = await ask(how, SCHEMA, "{ book { price } }", holding("prices:read"))
    assert (result.data, result.errors) == ({"book": {"price": 7}}, None)


@pytest.mark.sampled(3)
async def test_an_empty_list_of_alternatives_is_never_satisfied(how: str) -> None:
    context = holding("a", "b", "c")
    result = await ask(how, SCHEMA, "{ nobody }", context)
    assert refusals(result) == [("Query.nobody", ("nobody",), DENIED)]
    assert result.errors is not None
    assert (result.errors[0].extensions or {})["missingScopes"] is None
    assert context["ran"] == []


@pytest.mark.sampled(3)
async def test_an_empty_alternative_is_satisfied_by_any_principal_and_by_no_anonymous_caller(how: str) -> None:
    assert (await ask(how, SCHEMA, "{ hello }", holding())).data == {"hello": "hello"}
    assert refusals(await ask(how, SCHEMA, "{ hello }", anonymous())) == [
        ("Query.hello", ("hello",), "UNAUTHENTICATED")
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("held", "missing"),
    [((), ["a", "c"]), (("c",), ["a"]), (("b",), ["c"]), (("a",), ["c"]), (("a", "c"), None), (("b", "c"), None)],
)
async def test_a_refusal_names_the_smallest_set_to_add(held: tuple[str, ...], missing: list[str] | None) -> None:
    result = SCHEMA.execute_sync("{ either }", context_value=holding(*held))
    if missing is None:
        assert result.data == {"either": "either"}
    else:
        assert result.errors is not None
        assert (result.errors[0].extensions or {})["missingScopes"] == missing


@pytest.mark.sampled(3)
async def test_the_rule_of_a_type_counts_for_the_field_that_returns_it(how: str) -> None:
    context = holding("emails:read")
    result = await ask(how, SCHEMA, "{ person { email } }", context)
    assert refusals(result) == [("Query.person", ("person",), DENIED)]
    assert context["ran"] == []


@pytest.mark.sampled(3)
async def test_the_rules_of_an_interface_cannot_be_passed_by_its_type(how: str) -> None:
    for held, coordinate in (((), "Query.desk"), (("owned:read",), "Desk.owner")):
        result = await ask(how, SCHEMA, "{ desk { owner number } }", holding(*held))
        assert [one[0] for one in refusals(result)] == [coordinate]
    whole = await ask(how, SCHEMA, "{ desk { owner number } }", holding("owned:read", "owners:read"))
    assert whole.data == {"desk": {"owner": "the town", "number": 1}}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "selection", ["{ id }", "{ ... { id } }", "{ ... on Thing { id } }", "{ ...F }", "{ ... on Thing { ... { id } } }"]
)
async def test_a_field_through_an_interface_is_refused_only_where_the_refused_type_occurs(
    how: str, selection: str
) -> None:
    query = f"query($id: String!) {{ thing(id: $id) {selection} }}"
    query += " fragment F on Thing { id }" if "...F" in selection else ""
    book = await ask(how, SCHEMA, query, holding(), variable_values={"id": "b1"})
    assert (book.data, book.errors) == ({"thing": {"id": "b1"}}, None)
    person = await ask(how, SCHEMA, query, holding(), variable_values={"id": "p1"})
    assert person.data == {"thing": None}
    assert refusals(person) == [("Person.id", ("thing", "id"), DENIED)]
    allowed = await ask(how, SCHEMA, query, holding("people:read"), variable_values={"id": "p1"})
    assert allowed.data == {"thing": {"id": "p1"}}


@pytest.mark.sampled(3)
async def test_a_member_of_a_union_is_refused_when_it_is_asked_for_by_name(how: str) -> None:
    query = "{ hits { ... on Book { title } ... on Person { name } } }"
    result = await ask(how, SCHEMA, query, holding())
    assert refusals(result) == [("Person.name", ("hits", "name"), DENIED)]
    assert (await ask(how, SCHEMA, "{ hits { ... on Book { title } } }", holding())).errors is None


@pytest.mark.sampled(3)
async def test_a_types_name_is_always_allowed_behind_a_union_an_interface_and_at_the_root(how: str) -> None:
    query = (
        "query($id: String!) { __typename hit(id: $id) { __typename ... on Book { title } }"
        " thing(id: $id) { __typename ... on Person { __typename } } }"
    )
    for key, name, book in (("b1", "Book", {"title": "Rain"}), ("p1", "Person", {})):
        result = await ask(how, SCHEMA, query, anonymous(), variable_values={"id": key})
        assert result.errors is None
        assert result.data == {
            "__typename": "Query",
            "hit": {"__typename": name, **book},
            "thing": {"__typename": name},
        }


@pytest.mark.sampled(3)
def test_a_types_name_is_not_an_access() -> None:
    document = parse("{ hit(id: 1) { __typename } thing(id: 1) { __typename ... on Person { __typename } } }")
    everything = Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset({"people:read"}))
    operation = pick_operation(document, None)
    assert analyze_operation(SCHEMA.rulebook, operation, {}, everything, 1_000).used_scopes == set()
    operation = pick_operation(parse("{ thing(id: 1) { __typename ... on Person { name } } }"), None)
    assert analyze_operation(SCHEMA.rulebook, operation, {}, everything, 1_000).used_scopes == {"people:read"}


@pytest.mark.sampled(3)
async def test_one_fragment_in_two_contexts_is_judged_in_each(how: str) -> None:
    query = """
        query { book { ...F } thing(id: "p1") { ...F } }
        fragment F on Thing { id ... on Person { email } ... on Book { price } }
    """
    result = await ask(how, SCHEMA, query, holding("people:read", "emails:read"))
    assert refusals(result) == [("Book.price", ("book", "price"), DENIED)]
    result = await ask(how, SCHEMA, query, holding("people:read", "prices:read"))
    assert refusals(result) == [("Person.email", ("thing", "email"), DENIED)]


@pytest.mark.sampled(3)
async def test_a_fragment_that_can_never_apply_asks_for_nothing(how: str) -> None:
    query = '{ hit(id: "b1") { ... on Book { ... on Thing { ... on Book { title } } } } }'
    assert (await ask(how, SCHEMA, query, holding())).errors is None


@pytest.mark.sampled(3)
async def test_the_path_of_a_refusal_has_the_aliases(how: str) -> None:
    result = await ask(how, SCHEMA, "{ first: book { cost: price } }", holding())
    assert refusals(result) == [("Book.price", ("first", "cost"), DENIED)]


@pytest.mark.sampled(3)
async def test_merged_selections_of_one_key_are_judged_together(how: str) -> None:
    query = "{ a: book { title } a: book { cost: price ... on Book { code: isbn } } }"
    assert refusals(await ask(how, SCHEMA, query, holding("prices:read"))) == [("Book.isbn", ("a", "code"), DENIED)]
    assert (await ask(how, SCHEMA, query, holding("prices:read", "isbn:read"))).data == {
        "a": {"title": "Rain", "cost": 7, "code": "978"}
    }


@pytest.mark.sampled(3)
async def test_each_coordinate_is_one_error_however_often_it_is_asked_for(how: str) -> None:
    query = "{ a: book { price } b: book { x: price y: price related { price isbn } } }"
    assert refusals(await ask(how, SCHEMA, query, holding())) == [
        ("Book.price", ("a", "price"), DENIED),
        ("Book.isbn", ("b", "related", "isbn"), DENIED),
    ]


@strawberry.interface
class Shape:
    """What may be a circle."""

    area: int


@strawberry.type
class Circle(Shape):
    """A shape with a rule, which only a value can tell."""

    area: int = strawberry.field(default=3, directives=[requires_scopes("circles:read")])


@strawberry.type
class Shapes:
    """The same circle, where null may stand for it and where it may not."""

    @strawberry.field
    def maybe(self) -> Shape | None:
        """Perhaps."""
        return Circle()

    @strawberry.field
    def surely(self) -> Shape:
        """Never null."""
        return Circle()


@pytest.mark.sampled(3)
async def test_each_null_is_an_error_also_when_the_next_one_takes_the_whole_answer_away(how: str) -> None:
    scopes = ScopeEnforcement(fail_on_undeclared=False, on_denied="null", principal=lambda context: context["caller"])
    schema = ScopedSchema(Shapes, types=[Circle], scopes=scopes)
    result = await ask(how, schema, "{ maybe { area } surely { area } }", holding())
    assert result.data is None
    assert refusals(result) == [
        ("Circle.area", ("maybe", "area"), DENIED),
        ("Circle.area", ("surely", "area"), DENIED),
    ]
    alone = await ask(how, schema, "{ surely { area } }", holding())
    assert (alone.data, refusals(alone)) == (None, [("Circle.area", ("surely", "area"), DENIED)])


@pytest.mark.sampled(3)
async def test_introspection_stays_open_to_anonymous_callers(how: str) -> None:
    query = '{ __schema { queryType { name } } __type(name: "Person") { fields { name } } }'
    result = await ask(how, SCHEMA, query, anonymous())
    assert result.errors is None
    assert result.data is not None
    assert result.data["__schema"] == {"queryType": {"name": "Query"}}
    assert SCHEMA.introspect()["__schema"]


@pytest.mark.sampled(3)
async def test_arguments_change_nothing(how: str) -> None:
    query = '{ book { a: price(currency: "USD") } }'
    assert [one[0] for one in refusals(await ask(how, SCHEMA, query, holding()))] == ["Book.price"]


@pytest.mark.sampled(3)
async def test_types_that_narrow_an_interfaces_field_are_all_followed(how: str) -> None:
    @strawberry.interface
    class Part:
        name: str = "part"

    @strawberry.type
    class Wheel(Part):
        size: int | None = strawberry.field(directives=[requires_scopes("wheels:read")], default=1)

    @strawberry.type
    class Sail(Part):
        area: int | None = strawberry.field(directives=[requires_scopes("sails:read")], default=2)

    @strawberry.interface
    class Vehicle:
        part: Part | None = None

    @strawberry.type
    class Car(Vehicle):
        part: Wheel | None = None

    @strawberry.type
    class Boat(Vehicle):
        part: Sail | None = None

    @strawberry.type(name="Query")
    class Root:
        @strawberry.field
        def vehicles(self) -> list[Vehicle]:
            return [Car(part=Wheel()), Boat(part=Sail())]

    schema = ScopedSchema(
        Root,
        types=[Car, Boat],
        scopes=ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context["caller"]),
    )
    query = "{ vehicles { part { name ... on Wheel { size } ... on Sail { area } } } }"
    assert refusals(await ask(how, schema, query, holding())) == [
        ("Wheel.size", ("vehicles", "part", "size"), DENIED),
        ("Sail.area", ("vehicles", "part", "area"), DENIED),
    ]
    result = await ask(how, schema, query, holding("wheels:read", "sails:read"))
    assert result.data == {"vehicles": [{"part": {"name": "part", "size": 1}}, {"part": {"name": "part", "area": 2}}]}


@strawberry.type
class Card(relay.Node):
    code: relay.NodeID[int]

    @strawberry.field(directives=[requires_scopes("cards:read")])
    def holder(self, info: strawberry.Info[Any, Any]) -> str | None:
        ran(info, "holder")
        return "Bob"

    @classmethod
    def resolve_nodes(cls, *, info: Any, node_ids: Any, **_: Any) -> list["Card"]:
        return [Card(code=int(one)) for one in node_ids]


@strawberry.type(name="Query")
class Cards:
    node: relay.Node = relay.node()

    @relay.connection(relay.ListConnection[Card])
    def cards(self) -> list[Card]:
        return [Card(code=1), Card(code=2)]

    @relay.connection(relay.ListConnection[Card], directives=[requires_scopes("lists:read")])
    def listed(self) -> list[Card]:
        return [Card(code=3)]


RELAY = ScopedSchema(
    Cards, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context["caller"])
)


@pytest.mark.sampled(3)
async def test_a_rule_on_a_connection_field_counts(how: str) -> None:
    query = "{ listed { edges { cursor } } }"
    assert refusals(await ask(how, RELAY, query, holding())) == [("Query.listed", ("listed",), DENIED)]
    assert (await ask(how, RELAY, query, holding("lists:read"))).errors is None


@pytest.mark.sampled(3)
async def test_relay_node_and_connection_are_judged_like_other_fields(how: str) -> None:
    cards = "{ cards(first: 1) { edges { node { id holder } } pageInfo { hasNextPage } } }"
    refused = await ask(how, RELAY, cards, holding())
    assert refusals(refused) == [("Card.holder", ("cards", "edges", "node", "holder"), DENIED)]
    result = await ask(how, RELAY, cards, holding("cards:read"))
    assert result.errors is None
    assert result.data is not None
    global_id = result.data["cards"]["edges"][0]["node"]["id"]
    by_id = "query($id: ID!) { node(id: $id) { id ... on Card { holder } } }"
    assert refusals(await ask(how, RELAY, by_id, holding(), variable_values={"id": global_id})) == [
        ("Card.holder", ("node", "holder"), DENIED)
    ]


def analyze(query: str, variables: dict[str, Any] | None = None, selections_max: int = 1_000) -> OperationAnalysis:
    """Analyze an operation for a caller who satisfies no rule."""
    operation = pick_operation(parse(query), None)
    conditions = Conditions(SCHEMA._schema, operation.definition, variables)
    rules = compile_rules(SCHEMA._schema)
    analysis = OperationAnalysis(rules, operation.fragments, conditions, None, selections_max)
    analysis.run("Query", operation.definition.selection_set)
    return analysis


def bomb(levels: int, leaf: str) -> str:
    spreads = "".join(f" fragment F{n} on Book {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ book {{ ...F0 }} }}{spreads} fragment F{levels} on Book {{ {leaf} }}"


@pytest.mark.sampled(3)
def test_a_fragment_bomb_is_walked_once_for_each_fragment() -> None:
    analysis = analyze(bomb(24, "price"))
    assert analysis.steps == 1 + 1 + 2 * 24 + 1
    assert list(analysis.denials) == [("Book", "price")]


@pytest.mark.sampled(3)
async def test_a_fragment_bomb_is_refused_for_what_it_asks_for(how: str) -> None:
    context = holding()
    assert refusals(await ask(how, SCHEMA, bomb(24, "price"), context)) == [
        ("Book.price", ("book", "price"), "INSUFFICIENT_SCOPE")
    ]
    assert context["ran"] == []


@pytest.mark.sampled(3)
async def test_an_operation_with_too_many_selections_is_not_run(how: str) -> None:
    schema = library(selections_max=10)
    context = holding("prices:read")
    many = " ".join(f"a{n}: price" for n in range(9))
    assert (await ask(how, schema, f"{{ book {{ {many} }} }}", context)).errors is None
    ten_more = await ask(how, schema, f"{{ book {{ {many} title }} }}", context)
    assert [error.message for error in ten_more.errors or []] == [
        "The operation has too many selections to be checked."
    ]
    assert ten_more.data is None


def chain(levels: int) -> str:
    """Fragments in a row, each one level deeper than the parser's own bound would see."""
    links = "".join(f" fragment F{n} on Book {{ related {{ ...F{n + 1} }} }}" for n in range(levels))
    return f"{{ book {{ ...F0 }} }}{links} fragment F{levels} on Book {{ title }}"


@pytest.mark.sampled(3)
async def test_an_operation_nested_too_deeply_through_fragments_is_not_run(how: str) -> None:
    settings = ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context["caller"])
    schema = ScopedSchema(Query, types=[Person], scopes=settings, extensions=[DisableValidation])
    context = holding()
    assert (await ask(how, schema, chain(20), context)).errors is None
    context = holding()
    result = await ask(how, schema, chain(150), context)
    assert [error.message for error in result.errors or []] == ["The operation is nested too deeply to be checked."]
    assert context["ran"] == []


@pytest.mark.sampled(3)
def test_fragments_that_spread_themselves_end_the_walk() -> None:
    analysis = analyze(
        "{ book { ...A } } fragment A on Book { ...B price } fragment B on Book { ...A isbn ...Nowhere }"
    )
    assert {field for _, field in analysis.denials} == {"price", "isbn"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("condition", "variables"),
    [
        ("@skip(if: false) @skip(if: true)", {}),
        ("@include(if: true) @include(if: false)", {}),
        ("@skip(if: true, if: false)", {}),
        ("@skip", {}),
        ("@skip(if: 1)", {}),
        ('@include(if: "false")', {}),
        ("@include(if: $unknown)", {}),
        ("@include(if: null)", {}),
        ("@skip(if: $list)", {"list": [True]}),
        ("@skip(if: $text)", {"text": "true"}),
        ("@include(if: $flag)", None),
    ],
)
def test_the_walk_agrees_with_the_executor_where_validation_was_turned_off(
    condition: str, variables: dict[str, Any] | None
) -> None:
    query = f"query($list: [Boolean], $text: String, $flag: Boolean = false) {{ book {{ price {condition} }} }}"
    assert {field for _, field in analyze(query, variables).denials} == {"price"}


FACETS = 6


@cache
def wide(count: int, *, ruled: bool, mode: OnDenied = "reject") -> ScopedSchema:
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
    settings = ScopeEnforcement(fail_on_undeclared=False, principal=lambda context: context, on_denied=mode)
    return ScopedSchema(query, types=types, scopes=settings)


def analyze_wide(
    schema: ScopedSchema,
    document: str,
    held: frozenset[str] | None,
    selections_max: int = 10**9,
    denials_max: int = 10**9,
) -> OperationAnalysis:
    operation = pick_operation(parse(document), None)
    conditions = Conditions(schema._schema, operation.definition, {})
    analysis = OperationAnalysis(schema.rulebook, operation.fragments, conditions, held, selections_max, denials_max)
    analysis.run("Query", operation.definition.selection_set)
    return analysis


HELD = frozenset(f"t{number}:read" for number in range(0, 1_000, 4))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("held", [None, frozenset[str](), HELD], ids=["anonymous", "nothing", "some"])
@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("count", [10, 300, 1_000])
def test_an_alias_costs_one_step_whatever_stands_behind_the_interface(
    count: int, ruled: bool, held: frozenset[str] | None
) -> None:
    schema = wide(count, ruled=ruled)
    aliases = " ".join(f"a{n}: id" for n in range(500))
    analysis = analyze_wide(schema, f"{{ node {{ {aliases} }} }}", held)
    groups = sum(len(column.rules.groups) + len(column.returns.groups) for column in schema.rulebook.columns.values())
    assert 501 <= analysis.steps <= 501 + groups // GROUPS_PER_STEP


def narrowing(levels: int) -> str:
    """Fragments each of which spreads the next on both sides of a facet: 2^levels sets of types."""
    text = "{ node { ...F0 } }"
    for n in range(levels):
        text += f" fragment F{n} on Node {{ ... on Facet{n}A {{ ...F{n + 1} }} ... on Facet{n}B {{ ...F{n + 1} }} }}"
    return text + f" fragment F{levels} on Node {{ id }}"


@pytest.mark.sampled(3)
def test_fragments_on_very_many_sets_of_types_are_refused_before_they_cost_much() -> None:
    from graphql import GraphQLError

    few = analyze_wide(wide(300, ruled=True), narrowing(2), None)
    assert few.steps < STEPS_FREE
    deep = narrowing(FACETS) + " " + " ".join(f"fragment G{n} on Node {{ id }}" for n in range(0))
    wide_end = deep.replace(f"fragment F{FACETS} on Node {{ id }}", f"fragment F{FACETS} on Node {{ {'id ' * 12} }}")
    selections = 2 + 4 * FACETS + 12
    with pytest.raises(GraphQLError, match="too many selections"):
        analyze_wide(wide(300, ruled=True), wide_end, None)
    assert STEPS_PER_SELECTION_MAX * selections < 2**FACETS * 12, "or the document would be within the bound"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("selections_max", [1, 100, 255, 257, 400])
def test_the_bound_of_the_settings_holds_too(selections_max: int) -> None:
    from graphql import GraphQLError

    def document(count: int) -> str:
        return "{ node { " + " ".join(f"a{n}: id" for n in range(count - 1)) + " } }"

    schema = wide(10, ruled=False)
    if selections_max > 1:
        assert analyze_wide(schema, document(selections_max), None, selections_max).steps == selections_max
    with pytest.raises(GraphQLError, match="too many selections"):
        analyze_wide(schema, document(selections_max + 1), None, selections_max)


@pytest.mark.sampled(3)
def test_the_decision_for_a_set_is_that_for_each_of_its_types() -> None:
    """On random sets of types and callers: a set is decided as its types are one by one."""
    schema = wide(60, ruled=True)
    book, random = schema.rulebook, Random(1)
    document = "{ node { ...F } } fragment F on Node { id parent { id } }"
    for _ in range(40):
        held = frozenset(f"{kind}{n}:read" for kind in "tp" for n in range(60) if random.random() < 0.5)
        analysis = analyze_wide(schema, document, held)
        denied = {
            (name, field)
            for name, entries in book.fields.items()
            for field, entry in entries.items()
            if name != "Query" and field in ("id", "parent") and entry.rule is not None and not entry.rule.allows(held)
        }
        assert {one for one in analysis.denials if one[1] == "id"} == {one for one in denied if one[1] == "id"}
        assert set(analysis.denials) <= denied
        few = analyze_wide(schema, document, held, denials_max=3)
        assert len(few.denials) <= 6
        assert set(few.denials) <= denied


@pytest.mark.sampled(3)
def test_decisions_that_are_kept_are_those_of_the_same_scopes_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacekey.middleware.graphql.analysis.DECISIONS_MAX", 5)
    schema = wide(40, ruled=True)
    schema.rulebook.decisions.clear()
    for _ in range(2):
        for number in range(1, 40, 2):
            held = frozenset({f"t{number}:read"})
            analysis = analyze_wide(schema, "{ node { id } }", held)
            assert {name for name, _ in analysis.denials} == {f"T{n}" for n in range(1, 40, 2) if n != number}
            assert analysis.used_scopes == held
            assert len(schema.rulebook.decisions) <= 5


@pytest.mark.sampled(3)
@pytest.mark.long
def test_values_beyond_the_denials_that_are_told_are_denied_as_well() -> None:
    """More coordinates are denied than the analysis keeps; the executor decides each value by itself."""
    schema = wide(1_000, ruled=True, mode="null")
    caller = Principal("key_1", Kind.SPACE, frozenset({"t1:read"}))
    operation = pick_operation(parse("{ node { id } }"), None)
    checked = schema._decider.decide(parse("{ node { id } }"), None, {}, caller)
    assert operation.definition
    assert checked.verdict.denied_by is not None
    for number in range(1_000):
        rule = checked.verdict.denied_by(f"T{number}", "id")
        assert (rule is None) == (number % 2 == 0 or number == 1)


# Which operation of a document is checked, and which of its selections count.


CONDITIONS = [
    ("query { book { title price @skip(if: true) } }", None, True),
    ("query { book { title price @skip(if: false) } }", None, False),
    ("query { book { title price @include(if: false) } }", None, True),
    ("query { book { title price @include(if: true) } }", None, False),
    ("query { book { title price @include(if: true) @skip(if: true) } }", None, True),
    ("query($x: Boolean!) { book { title price @skip(if: $x) } }", {"x": True}, True),
    ("query($x: Boolean!) { book { title price @skip(if: $x) } }", {"x": False}, False),
    ("query($x: Boolean = true) { book { title price @skip(if: $x) } }", None, True),
    ("query($x: Boolean = true) { book { title price @skip(if: $x) } }", {"x": False}, False),
    ("query($x: Boolean = false) { book { title price @include(if: $x) } }", {}, True),
    ("query($x: Boolean = false) { book { title price @include(if: $x) } }", {"x": True}, False),
    ("query($x: Boolean = false) { book { title ... @include(if: $x) { price } } }", None, True),
    ("query($x: Boolean = false) { book { title ...F @include(if: $x) } } fragment F on Book { price }", None, True),
    ("query($x: Boolean!) { book { title ...F } } fragment F on Book { price @skip(if: $x) }", {"x": True}, True),
    ("query($x: Boolean!) { book { title ...F } } fragment F on Book { price @skip(if: $x) }", {"x": False}, False),
]


@pytest.mark.parametrize(("query", "variables", "left_out"), CONDITIONS)
async def test_only_a_definite_boolean_leaves_a_selection_out(
    how: str, query: str, variables: dict[str, object] | None, left_out: bool
) -> None:
    context = holding()
    result = await ask(how, SCHEMA, query, context, variable_values=variables)
    if left_out:
        assert (result.data, result.errors) == ({"book": {"title": "Rain"}}, None)
    else:
        assert [one[0] for one in refusals(result)] == ["Book.price"]
        assert context["ran"] == []


@pytest.mark.parametrize("value", ["false", 0, None, [False], {}])
async def test_a_variable_that_is_no_boolean_opens_nothing(how: str, value: object) -> None:
    query = "query($x: Boolean!) { book { title price @include(if: $x) } }"
    context = holding()
    result = await ask(how, SCHEMA, query, context, variable_values={"x": value})
    assert result.errors
    assert context["ran"] == []


TWO = "query A { open } query B { book { price } }"


async def test_only_the_chosen_operation_is_judged(how: str) -> None:
    assert (await ask(how, SCHEMA, TWO, holding(), operation_name="A")).data == {"open": "open"}
    result = await ask(how, SCHEMA, TWO, holding(), operation_name="B")
    assert [one[0] for one in refusals(result)] == ["Book.price"]


async def test_a_protected_field_is_not_reached_through_another_operation_of_the_document(how: str) -> None:
    context = holding()
    query = "query A { ...F } query B { ...F book { price } } fragment F on Query { open }"
    assert (await ask(how, SCHEMA, query, context, operation_name="A")).data == {"open": "open"}
    assert context["ran"] == []


async def test_two_operations_and_no_name_is_an_error(how: str) -> None:
    context = holding("prices:read")
    result = await ask(how, SCHEMA, TWO, context)
    assert result.data is None
    assert [error.message for error in result.errors or []] == [
        "Must provide operation name if query contains multiple operations."
    ]
    assert context["ran"] == []


async def test_fragments_with_variables_of_their_own_are_refused() -> None:
    document = parse(
        "{ book { ...F(x: true) } } fragment F($x: Boolean!) on Book { price @skip(if: $x) }",
        experimental_fragment_arguments=True,
    )
    checked = SCHEMA._decider.decide(document, None, {}, holding())
    assert [error.message for error in checked.verdict.errors] == ["Fragments with variables are not supported."]


# Introspection stays open, twice in an operation and as deep as tools ask.


USUAL = get_introspection_query()


OFTEN = "An operation may ask for __schema and __type at most 2 times."


MUCH = "The operation asks for too much of the schema at once. Nest less deeply."


async def messages(how: str, query: str, **more: Any) -> list[str]:
    """The messages of the errors of an operation."""
    return [error.message for error in (await ask(how, SCHEMA, query, anonymous(), **more)).errors or []]


@pytest.mark.parametrize(
    "query",
    [
        USUAL,
        '{ __schema { types { name } } __type(name: "Book") { fields { name type { name ofType { name } } } } open }',
        '{ a: __schema { queryType { name } } ...F } fragment F on Query { __type(name: "Book") { name } }',
        "{ a: __typename b: __typename c: __typename open }",
        "{ ...F ...F ...F } fragment F on Query { __schema { queryType { name } } }",
    ],
)
async def test_what_tools_ask_is_answered(how: str, query: str) -> None:
    assert await messages(how, query) == []


@pytest.mark.parametrize(
    "query",
    [
        "{ " + " ".join(f"a{n}: __schema {{ queryType {{ name }} }}" for n in range(3)) + " }",
        """{ a: __type(name: "A") { name } ... { b: __type(name: "B") { name } ...F } }
        fragment F on Query { c: __schema { queryType { name } } }""",
    ],
)
async def test_a_third_time_is_refused(how: str, query: str) -> None:
    assert await messages(how, query) == [OFTEN]


@pytest.mark.parametrize(
    "inner",
    [
        "fields { type { fields { args { type { fields { name } } } } } }",
        "possibleTypes { fields { type { possibleTypes { fields { args { type { fields { name } } } } } } } }",
        "...F",
    ],
)
def test_what_nests_deeper_than_tools_ask_is_refused(inner: str) -> None:
    """Also where validation, which has a bound on depth of its own, was turned off."""
    nested = "fields { type { fields { args { type { fields { name } } } } } }"
    fragment = f" fragment F on __Type {{ {nested} ofType {{ {nested} }} }}" if "F" in inner else ""
    operation = pick_operation(parse(f"{{ __schema {{ types {{ {inner} }} }} }}{fragment}"), None)
    with pytest.raises(GraphQLError, match=MUCH):
        analyze_operation(SCHEMA.rulebook, operation, {}, None, 1_000)


def test_a_cycle_of_fragments_ends() -> None:
    document = "{ __schema { ...F } } fragment F on __Schema { queryType { name } ...F ...Nowhere }"
    assert analyze_operation(SCHEMA.rulebook, pick_operation(parse(document), None), {}, None, 1_000).denials == {}


def test_a_chain_of_fragments_too_long_to_follow_is_refused() -> None:
    links = " ".join(f"fragment F{n} on __Type {{ ofType {{ ...F{n + 1} }} }}" for n in range(150))
    operation = pick_operation(parse(f'{{ __type(name: "A") {{ ...F0 }} }} {links}'), None)
    with pytest.raises(GraphQLError, match="nested too deeply"):
        analyze_operation(SCHEMA.rulebook, operation, {}, None, 1_000)


async def test_what_is_left_out_is_not_counted(how: str) -> None:
    query = (
        "query($x: Boolean!) { "
        + " ".join(f"a{n}: __schema @include(if: $x) {{ queryType {{ name }} }}" for n in range(3))
        + " open }"
    )
    assert await messages(how, query, variable_values={"x": False}) == []
    assert await messages(how, query, variable_values={"x": True}) == [OFTEN]


async def test_the_usual_question_may_be_asked_twice_and_not_more(how: str) -> None:
    body = USUAL[USUAL.index("{") + 1 : USUAL.index("fragment FullType")].rstrip().removesuffix("}")
    rest = USUAL[USUAL.index("fragment FullType") :]
    again = body.replace("__schema", "again: __schema", 1)
    assert await messages(how, f"{{ {body} {again} }} {rest}") == []
    more = body.replace("__schema {", "again: __schema { more: types { fields { args { ...InputValue } } }", 1)
    assert await messages(how, f"{{ {body} {more} }} {rest}") == [MUCH]
