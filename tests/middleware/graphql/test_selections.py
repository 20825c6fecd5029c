"""Which fields of an operation are denied: interfaces, unions, fragments, aliases, conditions, operations."""

import pytest
import strawberry
from graphql import parse

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.graphql.analysis import analyze_operation
from spacekey.middleware.graphql.operations import pick_operation
from support.graphql_library import anonymous, ask, holding, library, refusals

SCHEMA = library()
DENIED = "INSUFFICIENT_SCOPE"


async def test_anonymous_caller_is_unauthenticated_on_a_ruled_field_and_served_on_a_public_one(how: str) -> None:
    refused = await ask(how, SCHEMA, "{ book { price } }", anonymous())
    assert refused.data is None
    assert refusals(refused) == [("Book.price", ("book", "price"), "UNAUTHENTICATED")]
    assert (await ask(how, SCHEMA, "{ open }", anonymous())).data == {"open": "open"}


async def test_a_caller_with_the_scopes_gets_the_field(how: str) -> None:
    result = await ask(how, SCHEMA, "{ book { price } }", holding("prices:read"))
    assert (result.data, result.errors) == ({"book": {"price": 7}}, None)


async def test_an_empty_list_of_alternatives_is_never_satisfied(how: str) -> None:
    context = holding("a", "b", "c")
    result = await ask(how, SCHEMA, "{ nobody }", context)
    assert refusals(result) == [("Query.nobody", ("nobody",), DENIED)]
    assert result.errors is not None
    assert (result.errors[0].extensions or {})["missingScopes"] is None
    assert context["ran"] == []


async def test_an_empty_alternative_is_satisfied_by_any_principal_and_by_no_anonymous_caller(how: str) -> None:
    assert (await ask(how, SCHEMA, "{ hello }", holding())).data == {"hello": "hello"}
    assert refusals(await ask(how, SCHEMA, "{ hello }", anonymous())) == [
        ("Query.hello", ("hello",), "UNAUTHENTICATED")
    ]


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


async def test_the_rule_of_a_type_counts_for_the_field_that_returns_it(how: str) -> None:
    context = holding("emails:read")
    result = await ask(how, SCHEMA, "{ person { email } }", context)
    assert refusals(result) == [("Query.person", ("person",), DENIED)]
    assert context["ran"] == []


async def test_the_rules_of_an_interface_cannot_be_passed_by_its_type(how: str) -> None:
    for held, coordinate in (((), "Query.desk"), (("owned:read",), "Desk.owner")):
        result = await ask(how, SCHEMA, "{ desk { owner number } }", holding(*held))
        assert [one[0] for one in refusals(result)] == [coordinate]
    whole = await ask(how, SCHEMA, "{ desk { owner number } }", holding("owned:read", "owners:read"))
    assert whole.data == {"desk": {"owner": "the town", "number": 1}}


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


async def test_a_member_of_a_union_is_refused_when_it_is_asked_for_by_name(how: str) -> None:
    query = "{ hits { ... on Book { title } ... on Person { name } } }"
    result = await ask(how, SCHEMA, query, holding())
    assert refusals(result) == [("Person.name", ("hits", "name"), DENIED)]
    assert (await ask(how, SCHEMA, "{ hits { ... on Book { title } } }", holding())).errors is None


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


def test_a_types_name_is_not_an_access() -> None:
    document = parse("{ hit(id: 1) { __typename } thing(id: 1) { __typename ... on Person { __typename } } }")
    everything = Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset({"people:read"}))
    operation = pick_operation(document, None)
    assert analyze_operation(SCHEMA.rulebook, operation, {}, everything, 1_000).used_scopes == set()
    operation = pick_operation(parse("{ thing(id: 1) { __typename ... on Person { name } } }"), None)
    assert analyze_operation(SCHEMA.rulebook, operation, {}, everything, 1_000).used_scopes == {"people:read"}


async def test_one_fragment_in_two_contexts_is_judged_in_each(how: str) -> None:
    query = """
        query { book { ...F } thing(id: "p1") { ...F } }
        fragment F on Thing { id ... on Person { email } ... on Book { price } }
    """
    result = await ask(how, SCHEMA, query, holding("people:read", "emails:read"))
    assert refusals(result) == [("Book.price", ("book", "price"), DENIED)]
    result = await ask(how, SCHEMA, query, holding("people:read", "prices:read"))
    assert refusals(result) == [("Person.email", ("thing", "email"), DENIED)]


async def test_a_fragment_that_can_never_apply_asks_for_nothing(how: str) -> None:
    query = '{ hit(id: "b1") { ... on Book { ... on Thing { ... on Book { title } } } } }'
    assert (await ask(how, SCHEMA, query, holding())).errors is None


async def test_the_path_of_a_refusal_has_the_aliases(how: str) -> None:
    result = await ask(how, SCHEMA, "{ first: book { cost: price } }", holding())
    assert refusals(result) == [("Book.price", ("first", "cost"), DENIED)]


async def test_merged_selections_of_one_key_are_judged_together(how: str) -> None:
    query = "{ a: book { title } a: book { cost: price ... on Book { code: isbn } } }"
    assert refusals(await ask(how, SCHEMA, query, holding("prices:read"))) == [("Book.isbn", ("a", "code"), DENIED)]
    assert (await ask(how, SCHEMA, query, holding("prices:read", "isbn:read"))).data == {
        "a": {"title": "Rain", "cost": 7, "code": "978"}
    }


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


async def test_each_null_is_an_error_also_when_the_next_one_takes_the_whole_answer_away(how: str) -> None:
    scopes = ScopeEnforcement(fail_on_undeclared=False, mode="filter", principal=lambda context: context["caller"])
    schema = ScopedSchema(Shapes, types=[Circle], scopes=scopes)
    result = await ask(how, schema, "{ maybe { area } surely { area } }", holding())
    assert result.data is None
    assert refusals(result) == [
        ("Circle.area", ("maybe", "area"), DENIED),
        ("Circle.area", ("surely", "area"), DENIED),
    ]
    alone = await ask(how, schema, "{ surely { area } }", holding())
    assert (alone.data, refusals(alone)) == (None, [("Circle.area", ("surely", "area"), DENIED)])


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


async def test_introspection_stays_open_to_anonymous_callers(how: str) -> None:
    query = '{ __schema { queryType { name } } __type(name: "Person") { fields { name } } }'
    result = await ask(how, SCHEMA, query, anonymous())
    assert result.errors is None
    assert result.data is not None
    assert result.data["__schema"] == {"queryType": {"name": "Query"}}
    assert SCHEMA.introspect()["__schema"]


async def test_arguments_change_nothing(how: str) -> None:
    query = '{ book { a: price(currency: "USD") } }'
    assert [one[0] for one in refusals(await ask(how, SCHEMA, query, holding()))] == ["Book.price"]


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
