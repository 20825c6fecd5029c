"""A verdict holds for one caller and one execution: caches, shared documents, prepared results, deferred fields."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from graphql import ast_to_dict, parse
from strawberry.extensions import MaskErrors, ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionResult

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.graphql import OnDenied, ScopedSchema, ScopeEnforcement
from support.graphql.library import Person, Query, Subscription, ask, holding, library, refusals

QUERY = "{ books { title price } }"


FULL = {"books": [{"title": f"Rain {n}", "price": 7} for n in range(3)]}


NULLED = {"books": [{"title": f"Rain {n}", "price": None} for n in range(3)]}


def settings(mode: OnDenied) -> ScopeEnforcement:
    return ScopeEnforcement(fail_on_undeclared=False, on_denied=mode, principal=lambda context: context["caller"])


@pytest.mark.parametrize("mode", ["reject", "null"])
async def test_a_verdict_is_never_used_for_the_next_caller_of_a_cached_document(how: str, mode: OnDenied) -> None:
    schema = library(mode)
    for _ in range(3):
        assert (await ask(how, schema, QUERY, holding("prices:read"))).data == FULL
        assert (await ask(how, schema, QUERY, holding())).data == (NULLED if mode == "null" else None)


async def test_callers_that_run_at_the_same_time_get_their_own_answers() -> None:
    schema = library("null")
    contexts = [holding("prices:read") if n % 2 else holding() for n in range(20)]
    results = await asyncio.gather(*(schema.execute(QUERY, context_value=context) for context in contexts))
    assert [result.data for result in results] == [FULL if n % 2 else NULLED for n in range(20)]


async def test_subscribers_of_one_document_get_their_own_answers() -> None:
    schema = library("null")
    query = "subscription { added { price } }"
    allowed = await schema.subscribe(query, context_value=holding("prices:read"))
    denied = await schema.subscribe(query, context_value=holding())
    got = []
    async for one, two in _together(allowed, denied):
        got.append((one.data, two.data))
    assert got == [({"added": {"price": 7}}, {"added": {"price": None}})] * 2


async def _together(one: Any, two: Any) -> Any:
    while True:
        try:
            yield await anext(one), await anext(two)
        except StopAsyncIteration:
            return


async def test_the_parsed_document_is_never_changed(how: str) -> None:
    shared = parse("{ a: book { price ...F } } fragment F on Book { isbn }")
    before = ast_to_dict(shared, locations=True)

    class Shared(SchemaExtension):
        def on_parse(self) -> Iterator[None]:
            self.execution_context.graphql_document = shared
            yield

    schema = ScopedSchema(Query, subscription=Subscription, scopes=settings("null"), extensions=[Shared])
    await ask(how, schema, "{ open }", holding())
    assert ast_to_dict(shared, locations=True) == before
    assert not hasattr(shared, "verdict")


class Prepared(SchemaExtension):
    """A response cache that knows nothing of callers."""

    def on_execute(self) -> Iterator[None]:
        self.execution_context.result = ExecutionResult(data=FULL, errors=None)
        yield


@pytest.mark.parametrize("mode", ["reject", "null"])
async def test_a_result_prepared_for_another_caller_is_not_given_to_a_denied_one(how: str, mode: OnDenied) -> None:
    schema = ScopedSchema(Query, scopes=settings(mode), extensions=[Prepared])
    assert (await ask(how, schema, QUERY, holding("prices:read"))).data == FULL
    assert (await ask(how, schema, QUERY, holding())).data == (NULLED if mode == "null" else None)


async def test_an_unchecked_document_does_not_run(how: str) -> None:
    class Unchecked(ScopedSchema):
        def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
            return super().get_extensions(sync)[:-1]

    context = holding("prices:read")
    result = await ask(how, Unchecked(Query, scopes=settings("reject")), QUERY, context)
    assert [error.message for error in result.errors or []] == [
        "The operation was not checked for the scopes it needs."
    ]
    assert (result.data, context["ran"]) == (None, [])


async def test_an_unchecked_subscription_does_not_run() -> None:
    class Unchecked(ScopedSchema):
        def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
            return super().get_extensions(sync)[:-1]

    context = holding("news:read")
    schema = Unchecked(Query, subscription=Subscription, scopes=settings("reject"))
    results = [one async for one in await schema.subscribe("subscription { news }", context_value=context)]
    assert results[0].errors
    assert context["ran"] == []


async def test_a_caller_that_cannot_be_found_out_is_not_let_in(how: str) -> None:
    def broken(context: Any) -> None:
        raise RuntimeError("no such request")

    context = holding("prices:read")
    schema = ScopedSchema(Query, scopes=ScopeEnforcement(fail_on_undeclared=False, principal=broken))
    result = await ask(how, schema, QUERY, context)
    assert result.data is None
    assert context["ran"] == []


async def test_errors_of_refusals_can_be_told_from_others_when_errors_are_masked(how: str) -> None:
    def other(error: Any) -> bool:
        return (error.extensions or {}).get("code") != "INSUFFICIENT_SCOPE"

    schema = ScopedSchema(
        Query, scopes=settings("reject"), extensions=[lambda: MaskErrors(should_mask_error=other), ParserCache]
    )
    assert refusals(await ask(how, schema, QUERY, holding())) == [
        ("Book.price", ("books", "price"), "INSUFFICIENT_SCOPE")
    ]


async def test_an_invalid_document_is_answered_as_invalid(how: str) -> None:
    schema = ScopedSchema(Query, scopes=settings("reject"), extensions=[ValidationCache])
    result = await ask(how, schema, "{ bookz }", holding())
    assert [error.message for error in result.errors or []] == [
        "Cannot query field 'bookz' on type 'Query'. Did you mean 'book' or 'books'?"
    ]


def test_an_execution_context_of_the_users_own_keeps_its_place() -> None:
    from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

    built: list[str] = []

    class Own(StrawberryGraphQLCoreExecutionContext):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            built.append("own")
            super().__init__(*args, **kwargs)

    schema = ScopedSchema(Query, scopes=settings("null"), execution_context_class=Own)
    assert schema.execute_sync(QUERY, context_value=holding("prices:read")).data == FULL
    assert schema.execute_sync(QUERY, context_value=holding()).data == NULLED
    assert built == ["own", "own"]


def test_an_execution_context_that_is_not_strawberrys_is_refused() -> None:
    from graphql import Executor

    with pytest.raises(ConfigurationError, match="must extend"):
        ScopedSchema(Query, execution_context_class=Executor, scopes=ScopeEnforcement(fail_on_undeclared=False))


def test_a_schema_without_settings_reads_the_caller_of_the_request() -> None:
    @strawberry.type(name="Query")
    class Plain:
        open: str = "open"

    assert ScopedSchema(Plain, scopes=ScopeEnforcement(fail_on_undeclared=False)).execute_sync(
        "{ open }", context_value=None, root_value=Plain()
    ).data == {"open": "open"}


def incremental(mode: OnDenied) -> ScopedSchema:
    return ScopedSchema(
        Query,
        types=[Person],
        scopes=ScopeEnforcement(fail_on_undeclared=False, on_denied=mode, principal=lambda context: context["caller"]),
        config=StrawberryConfig(enable_experimental_incremental_execution=True),
    )


DEFERRED = "{ books { title ... @defer { price } } }"


STREAMED = "{ shelf @stream(initialCount: 0) { title price } }"


async def frames(schema: ScopedSchema, query: str, context: Any) -> list[Any]:
    return [one async for one in await schema.stream(query, context_value=context)]


def on_the_wire(results: list[Any]) -> str:
    """The frames of an incremental delivery as a transport would write them."""
    return json.dumps([one.formatted for one in results])


@pytest.mark.parametrize("query", [DEFERRED, STREAMED])
async def test_reject_refuses_deferred_and_streamed_fields_before_anything_runs(query: str) -> None:
    context = holding()
    results = await frames(incremental("reject"), query, context)
    assert [refusal[0] for refusal in refusals(results[0])] == ["Book.price"]
    assert len(results) == 1
    assert context["ran"] == []


@pytest.mark.parametrize("query", [DEFERRED, STREAMED])
async def test_filter_nulls_them_where_they_arrive(query: str) -> None:
    context = holding()
    results = await frames(incremental("null"), query, context)
    assert len(results) > 1
    assert "INSUFFICIENT_SCOPE" in on_the_wire(results)
    assert '"price": null' in on_the_wire(results)
    assert not [one for one in context["ran"] if one.startswith("price")]


@pytest.mark.parametrize("query", [DEFERRED, STREAMED])
async def test_an_allowed_caller_gets_them(query: str) -> None:
    context = holding("prices:read")
    results = await frames(incremental("reject"), query, context)
    assert len(results) > 1
    assert "INSUFFICIENT_SCOPE" not in on_the_wire(results)
    assert [one for one in context["ran"] if one.startswith("price")]


async def test_a_deferred_non_null_field_is_not_run_either() -> None:
    context = holding()
    results = await frames(incremental("null"), "{ books { title ... @defer { isbn } } }", context)
    assert "INSUFFICIENT_SCOPE" in on_the_wire(results)
    assert "isbn" not in context["ran"]
