"""``@defer`` and ``@stream`` change when a field arrives, not who may have it."""

import json
from typing import Any

import pytest
from strawberry.schema.config import StrawberryConfig

from spacekey.middleware.graphql import Mode, ScopedSchema, ScopeEnforcement
from support.graphql_library import Person, Query, holding, refusals


def incremental(mode: Mode) -> ScopedSchema:
    return ScopedSchema(
        Query,
        types=[Person],
        scopes=ScopeEnforcement(fail_on_undeclared=False, mode=mode, principal=lambda context: context["caller"]),
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
    results = await frames(incremental(Mode.REJECT), query, context)
    assert [refusal[0] for refusal in refusals(results[0])] == ["Book.price"]
    assert len(results) == 1
    assert context["ran"] == []


@pytest.mark.parametrize("query", [DEFERRED, STREAMED])
async def test_filter_nulls_them_where_they_arrive(query: str) -> None:
    context = holding()
    results = await frames(incremental(Mode.FILTER), query, context)
    assert len(results) > 1
    assert "INSUFFICIENT_SCOPE" in on_the_wire(results)
    assert '"price": null' in on_the_wire(results)
    assert not [one for one in context["ran"] if one.startswith("price")]


@pytest.mark.parametrize("query", [DEFERRED, STREAMED])
async def test_an_allowed_caller_gets_them(query: str) -> None:
    context = holding("prices:read")
    results = await frames(incremental(Mode.REJECT), query, context)
    assert len(results) > 1
    assert "INSUFFICIENT_SCOPE" not in on_the_wire(results)
    assert [one for one in context["ran"] if one.startswith("price")]


async def test_a_deferred_non_null_field_is_not_run_either() -> None:
    context = holding()
    results = await frames(incremental(Mode.FILTER), "{ books { title ... @defer { isbn } } }", context)
    assert "INSUFFICIENT_SCOPE" in on_the_wire(results)
    assert "isbn" not in context["ran"]
