"""What becomes of an operation that asks for a denied field: refused, filtered, or only reported."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

import logging
import os
from collections.abc import Sequence
from random import Random
from typing import Annotated, Any, get_args

import pytest
import strawberry
from graphql import GraphQLError, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import (
    Denial,
    DenialError,
    OnDenied,
    ScopedSchema,
    ScopeEnforcement,
    required_scopes,
    requires_scopes,
    scope_report,
)
from spacekey.middleware.graphql.decision import DENIALS_CUT, ERRORS_MAX
from support.graphql.library import ask, holding, library, ran, refusals
from support.graphql.query import SUPPLIED, random_query
from support.graphql.reference import Path, Reference
from support.graphql.world import SCOPES, Runs, World, build_schemas, random_world
from support.volume import volume

DENIED = "INSUFFICIENT_SCOPE"


FILTER = library("null")


async def test_reject_runs_nothing_of_the_operation(how: str) -> None:
    context = holding()
    result = await ask(how, library("reject"), "{ hello books { title } book { price } }", context)
    assert result.data is None
    assert context["ran"] == []


async def test_filter_gives_null_without_the_resolver_and_runs_the_rest(how: str) -> None:
    context = holding()
    result = await ask(how, FILTER, "{ hello b: book { title cost: price } }", context)
    assert result.data == {"hello": "hello", "b": {"title": "Rain", "cost": None}}
    assert refusals(result) == [("Book.price", ("b", "cost"), DENIED)]
    assert context["ran"] == ["hello", "book"]


async def test_filter_has_an_error_for_every_null_with_aliases_and_list_positions(how: str) -> None:
    context = holding()
    result = await ask(how, FILTER, "{ all: books { title cost: price price } }", context)
    assert result.data == {"all": [{"title": f"Rain {n}", "cost": None, "price": None} for n in range(3)]}
    assert refusals(result) == [("Book.price", ("all", n, key), DENIED) for n in range(3) for key in ("cost", "price")]
    assert context["ran"] == ["books"]


@pytest.mark.parametrize("field", ["price", "isbn"])
async def test_errors_are_bounded_and_the_answer_says_when_they_were_cut(how: str, field: str) -> None:
    fewer = " ".join(f"a{n}: shelf {{ {field} }}" for n in range(ERRORS_MAX))
    for more, cut in (("", False), ("b: shelf { price }", True), ("b: shelf { isbn } c: books { price }", True)):
        result = await ask(how, FILTER, f"{{ {fewer} {more} }}", holding())
        errors = refusals(result)
        assert len(errors) == ERRORS_MAX + cut
        assert [one[2] for one in errors if one[2] != DENIED] == [DENIALS_CUT] * cut
    rejected = await ask(how, library(), f"{{ {fewer} nobody }}", holding())
    assert [one[0] for one in refusals(rejected)] == [f"Book.{field}", "Query.nobody"]


async def test_a_refusal_of_very_many_coordinates_says_that_it_was_cut(how: str) -> None:
    fields = {
        f"f{n}": strawberry.field(resolver=lambda: "x", graphql_type=str, directives=[requires_scopes("a")])
        for n in range(ERRORS_MAX + 5)
    }
    query = strawberry.type(type("Query", (), fields))
    schema = ScopedSchema(query, scopes=ScopeEnforcement(principal=lambda context: context["caller"]))
    for count, cut in ((ERRORS_MAX, 0), (ERRORS_MAX + 5, 1)):
        result = await ask(how, schema, "{ " + " ".join(f"f{n}" for n in range(count)) + " }", holding())
        assert [one[2] for one in refusals(result)] == [DENIED] * ERRORS_MAX + [DENIALS_CUT] * cut


async def test_a_field_all_of_whose_types_are_denied_does_not_run(how: str) -> None:
    ran_for: list[str] = []

    @strawberry.type(directives=[requires_scopes("cats:read")])
    class Cat:
        name: str = "Tom"

    @strawberry.type(directives=[requires_scopes("dogs:read")])
    class Dog:
        name: str = "Rex"

    def pet() -> Annotated[Cat | Dog, strawberry.union("Pet")] | None:
        ran_for.append("pet")
        return Cat()

    query = strawberry.type(type("Query", (), {"pet": strawberry.field(resolver=pet)}))
    for mode in ("reject", "null"):
        schema = ScopedSchema(
            query, scopes=ScopeEnforcement(on_denied=mode, principal=lambda context: context["caller"])
        )
        assert scope_report(schema)["Query.pet"] == "(cats:read) or (dogs:read)"
        result = await ask(how, schema, "{ pet { __typename } }", holding("other"))
        assert result.data == (None if mode == "reject" else {"pet": None})
        assert refusals(result) == [("Query.pet", ("pet",), DENIED)]
        assert ran_for == []
        result = await ask(how, schema, "{ pet { __typename } }", holding("dogs:read"))
        assert (result.data, result.errors, ran_for) == ({"pet": {"__typename": "Cat"}}, None, ["pet"])
        ran_for.clear()


async def test_a_denied_non_null_field_takes_its_list_item_with_it(how: str) -> None:
    context = holding()
    result = await ask(how, FILTER, "{ shelf { title isbn } }", context)
    assert result.data == {"shelf": [None, None]}
    assert refusals(result) == [("Book.isbn", ("shelf", 0, "isbn"), DENIED)]
    assert context["ran"] == []


async def test_a_denied_non_null_field_takes_its_parents_up_to_the_first_nullable_one(how: str) -> None:
    context = holding()
    result = await ask(how, FILTER, '{ hello thing(id: "b1") { ... on Book { related { isbn } } } }', context)
    assert result.data == {"hello": "hello", "thing": None}
    assert refusals(result) == [("Book.isbn", ("thing", "related", 0, "isbn"), DENIED)]


async def test_a_denied_non_null_field_without_a_nullable_parent_takes_everything(how: str) -> None:
    result = await ask(how, FILTER, "{ open book { isbn } }", holding())
    assert result.data is None
    assert refusals(result) == [("Book.isbn", ("book", "isbn"), DENIED)]


async def test_filter_keeps_the_items_of_allowed_types(how: str) -> None:
    query = (
        '{ a: hit(id: "b1") { ...H } b: hit(id: "p1") { ...H } } fragment H on Hit { __typename ... on Book { title } }'
    )
    result = await ask(how, FILTER, query, holding())
    assert result.data == {"a": {"__typename": "Book", "title": "Rain"}, "b": {"__typename": "Person"}}
    query = query.replace("... on Book { title }", "... on Thing { id }")
    result = await ask(how, FILTER, query, holding())
    assert result.data == {"a": {"__typename": "Book", "id": "b1"}, "b": None}
    assert refusals(result) == [("Person.id", ("b", "id"), DENIED)]


async def test_a_mutation_is_refused_whole_even_by_filter(how: str) -> None:
    for query, coordinate in (
        ("mutation { addBook { title } }", "Mutation.addBook"),
        ("mutation { touch { title price } }", "Book.price"),
    ):
        context = holding()
        result = await ask(how, FILTER, query, context)
        assert result.data is None
        assert [one[0] for one in refusals(result)] == [coordinate]
        assert context["ran"] == []
    context = holding("books:write")
    assert (await ask(how, FILTER, "mutation { addBook { title } }", context)).data == {"addBook": {"title": "New"}}
    assert context["ran"] == ["add_book"]


@pytest.mark.parametrize("mode", ["reject", "null"])
async def test_a_mutation_does_not_run_when_its_answer_might_be_denied(how: str, mode: OnDenied) -> None:
    """The effect would be there, and the answer the same as that of a refusal."""
    schema = library(mode)
    for query in ('mutation { find(id: "b1") { id } }', 'mutation { find(id: "p1") { ... { same: id } } }'):
        context = holding()
        result = await ask(how, schema, query, context)
        assert result.data is None
        assert [(one[0], one[2]) for one in refusals(result)] == [("Person.id", DENIED)]
        assert context["ran"] == []
        context = holding("people:read")
        assert (await ask(how, schema, query, context)).errors is None
        assert context["ran"] == ["find"]


async def test_a_mutation_that_names_the_types_it_may_see_runs(how: str) -> None:
    for key, data in (("b1", {"id": "b1"}), ("p1", {})):
        context = holding()
        result = await ask(how, library(), f'mutation {{ find(id: "{key}") {{ ... on Book {{ id }} }} }}', context)
        assert (result.data, result.errors) == ({"find": data}, None)
        assert context["ran"] == ["find"]


async def test_a_query_is_refused_for_a_type_only_where_that_type_occurs(how: str) -> None:
    for key, denied in (("b1", []), ("p1", [("Person.id", ("thing", "id"), DENIED)])):
        result = await ask(how, library("reject"), f'{{ open thing(id: "{key}") {{ id }} }}', holding())
        assert result.data == {"open": "open", "thing": None if denied else {"id": "b1"}}
        assert refusals(result) == denied


@pytest.mark.parametrize("mode", ["reject", "null"])
async def test_a_denied_subscription_never_starts(mode: OnDenied) -> None:
    context = holding()
    results = [one async for one in await library(mode).subscribe("subscription { news }", context_value=context)]
    assert len(results) == 1
    assert refusals(results[0]) == [("Subscription.news", ("news",), DENIED)]
    assert context["ran"] == []


async def test_an_allowed_subscription_delivers() -> None:
    stream = await library().subscribe("subscription { news }", context_value=holding("news:read"))
    assert [one.data async for one in stream] == [{"news": "one"}, {"news": "two"}]


async def test_a_denied_field_inside_a_subscription_is_refused_or_filtered_in_every_event() -> None:
    query = "subscription { added { title price } }"
    context = holding()
    rejected = [one async for one in await library().subscribe(query, context_value=context)]
    assert [refusals(one) for one in rejected] == [[("Book.price", ("added", "price"), DENIED)]]
    assert context["ran"] == []
    events = [one async for one in await FILTER.subscribe(query, context_value=holding())]
    assert [one.data for one in events] == [
        {"added": {"title": "Rain", "price": None}},
        {"added": {"title": "Snow", "price": None}},
    ]
    assert [refusals(one) for one in events] == [[("Book.price", ("added", "price"), DENIED)]] * 2


async def test_dry_run_runs_everything_and_reports(how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    result = await ask(how, library("log"), "{ book { price } nobody }", holding())
    assert (result.data, result.errors) == ({"book": {"price": 7}, "nobody": "never"}, None)
    assert [record.getMessage() for record in caplog.records] == ["denied to key_1: Book.price, Query.nobody"]


async def test_a_report_hears_of_denials_in_every_mode() -> None:
    heard: list[tuple[str, str | None, bool]] = []

    def report(denials: Any, principal: Principal | None) -> None:
        caller = principal.id if principal else None
        heard.extend((one.coordinate, caller, one.certain) for one in denials if isinstance(one, Denial))

    for mode in get_args(OnDenied):
        library(mode, report=report).execute_sync('{ thing(id: "b1") { id } nobody }', context_value=holding())
    assert heard == [("Person.id", "key_1", False), ("Query.nobody", "key_1", True)] * 3


async def test_denials_are_not_logged_as_faults_of_the_server(how: str, caplog: pytest.LogCaptureFixture) -> None:
    await ask(how, FILTER, "{ book { price } }", holding())
    await ask(how, library(), "{ book { price } }", holding())
    assert caplog.records == []


async def test_async_resolvers_of_denied_fields_do_not_run() -> None:
    @strawberry.type(name="Query")
    class Slow:
        @strawberry.field(directives=[requires_scopes("a")])
        async def secret(self, info: strawberry.Info[Any, Any]) -> str | None:
            ran(info, "secret")
            return "secret"

        @strawberry.field
        async def plain(self, info: strawberry.Info[Any, Any]) -> str:
            ran(info, "plain")
            return "plain"

    scopes = ScopeEnforcement(fail_on_undeclared=False, on_denied="null", principal=lambda context: context["caller"])
    context = holding()
    result = await ScopedSchema(Slow, scopes=scopes).execute("{ secret plain }", context_value=context)
    assert result.data == {"secret": None, "plain": "plain"}
    assert context["ran"] == ["plain"]


CASES = int(os.environ.get("SPACEKEY_CASES") or volume(short=100, long=400))


QUERIES, CALLERS = 8, 4
"""How many of each world: callers take turns with one query, and parser and validation caches are on."""


@pytest.mark.long
@pytest.mark.repeats
@settings(
    max_examples=-(-CASES // (QUERIES * CALLERS)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(seed=st.integers(0, 2**64 - 1))
def test_the_static_decision_agrees_with_a_check_at_every_value(seed: int) -> None:
    random = Random(seed)
    world = random_world(random, str(seed))
    runs = Runs()
    schemas = build_schemas(world, runs)
    for _ in range(QUERIES):
        root = "Mutation" if random.random() < 0.3 else "Query"
        query = random_query(random, world, root)
        for _ in range(CALLERS):
            held = None if random.random() < 0.15 else frozenset(one for one in SCOPES if random.random() < 0.6)
            compare(world, schemas, runs, query, held)
        document = parse(query)
        for alternative in required_scopes(schemas["reject"], document, variables=SUPPLIED).alternatives:
            assert not refused_for(Reference(world, document, alternative))


def refused_for(expected: Reference) -> set[str]:
    """The coordinates for which the operation is refused whole, where anything is refused whole.

    A mutation's effect is there before it is known which types its answer has, so it is refused for any of them.
    """
    return expected.possibly_denied() if expected.root == "Mutation" else expected.certainly_denied()


def compare(
    world: World, schemas: dict[OnDenied, ScopedSchema], runs: Runs, query: str, held: frozenset[str] | None
) -> None:
    """Run one operation for one caller in both modes, and hold answers and resolvers that ran against the rules."""
    runs.caller = None if held is None else Principal(id="key_1", kind=Kind.SPACE, scopes=held)
    expected = Reference(world, parse(query), held)
    data = expected.run()
    refused = refused_for(expected)

    for mode, schema in schemas.items():
        runs.log.clear()
        result = schema.execute_sync(query, variable_values=SUPPLIED)
        assert all(isinstance(error, DenialError) for error in result.errors or []), result.errors
        if refused and (mode == "reject" or expected.root == "Mutation"):
            assert (result.data, runs.log) == (None, [])
            assert coordinates(result.errors) == refused
        else:
            assert (result.data, runs.log) == (data, expected.runs)
            assert denials(result.errors) == set(expected.nulls), "one error for every null"


def denials(errors: Sequence[GraphQLError] | None) -> set[tuple[str, Path]]:
    """Coordinate and path of the denials among the errors."""
    return {(error.coordinate, tuple(error.path or ())) for error in errors or [] if isinstance(error, DenialError)}


def coordinates(errors: Sequence[GraphQLError] | None) -> set[str]:
    """The coordinates of the denials among the errors."""
    return {error.coordinate for error in errors or [] if isinstance(error, DenialError)}
