"""The OpenAPI document is about the operations there are, and what it says of requests is what is read.

That every answer is as declared, :func:`support.openapi.check_answer` holds for each request of the suite.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from spacekey.domain.refusal import InvalidInput
from spacekey.server.app import build_app
from spacekey.server.http.dashboard import dashboard_routes
from spacekey.server.http.graphiql import graphiql_routes
from spacekey.server.http.openapi import Operation
from spacekey.server.http.requests import FORM_TYPE, JSON_TYPE, validated
from spacekey.server.http.routes import OPERATIONS
from spacekey.server.settings import Settings
from support.openapi import api_document, check_answer, validator, values

BODIES = [one for one in OPERATIONS if one.body is not None]


def test_every_operation_of_the_app_is_described_and_nothing_else_is(tmp_path: Any) -> None:
    app = build_app(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/s.db", graphiql=True))
    pages = {route.path for route in [*dashboard_routes(), *graphiql_routes()] if isinstance(route, Route)}
    routed = {
        (method.lower(), route.path)
        for route in app.routes
        if isinstance(route, Route) and route.path not in pages
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(method, path) for path, item in api_document()["paths"].items() for method in item}
    assert described == routed


def test_the_document_is_openapi_3_1() -> None:
    assert list(OpenAPIV31SpecValidator(api_document()).iter_errors()) == []


def test_operations_are_named_once_and_every_reference_leads_somewhere() -> None:
    text = repr(api_document())
    for reference in re.findall(r"#/components/([a-z]+)/(\w+)", text, re.IGNORECASE):
        assert reference[1] in api_document()["components"][reference[0]], reference
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))
    unused = {name for name in api_document()["components"]["schemas"] if f"schemas/{name}'" not in text}
    assert unused == set()


def test_every_operation_has_a_declared_tag_and_says_that_it_may_be_limited_or_unavailable() -> None:
    tags = {tag["name"] for tag in api_document()["tags"]}
    for item in api_document()["paths"].values():
        for operation in item.values():
            assert len(operation["tags"]) == 1
            assert set(operation["tags"]) <= tags
            assert {"429", "503"} <= operation["responses"].keys()


@pytest.mark.parametrize("operation", BODIES, ids=lambda one: one.name)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_body_of_the_schema_is_taken_by_the_model(operation: Operation, data: st.DataObject) -> None:
    assert operation.body is not None
    body = data.draw(values({"$ref": _reference(operation)}))
    assert validator({"$ref": _reference(operation)}, closed=False).is_valid(body)
    validated(operation.body, body)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 3),
        st.sampled_from([2**31 - 1, 2**31, 604_800, 604_801, 10**9, 10**9 + 1, 2**53, 10**30]),
        st.sampled_from([0.5, -1e300]),
        st.sampled_from(["", "a", "live", "Live", "true", "2030-01-31T12:00:00Z", "2030-01-31", "30000"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "at", "token_id"]), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("operation", BODIES, ids=lambda one: one.name)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_model_takes_what_the_schema_allows_and_nothing_else(operation: Operation, data: st.DataObject) -> None:
    assert operation.body is not None
    known = [field.alias or name for name, field in operation.body.model_fields.items()]
    sent = st.text(max_size=3) if operation.body_media == FORM_TYPE else VALUES
    body = data.draw(st.dictionaries(st.sampled_from([*known, *known, "unheard"]), sent, max_size=5))
    try:
        validated(operation.body, body)
    except InvalidInput:
        taken = False
    else:
        taken = True
    assert validator({"$ref": _reference(operation)}, closed=False).is_valid(body) is taken, body


@pytest.mark.parametrize(
    ("media", "status", "body"),
    [
        (JSON_TYPE, 200, b'{"api_keys": []}'),
        (JSON_TYPE, 200, b'{"api_keys": [], "has_more": false, "next_cursor": null, "more": 1}'),
        (JSON_TYPE, 200, b'{"api_keys": [{"id": "key_1"}], "has_more": false, "next_cursor": null}'),
        ("text/html", 200, b"{}"),
        (JSON_TYPE, 422, b'{"error": "x"}'),
        ("application/problem+json", 422, b'{"detail": "x"}'),
    ],
)
async def test_an_answer_that_is_not_declared_is_seen(media: str, status: int, body: bytes) -> None:
    request = httpx.Request("GET", "http://testserver/api/v1/api-keys")
    with pytest.raises(AssertionError, match="api-keys"):
        await check_answer(httpx.Response(status, headers={"content-type": media}, content=body, request=request))


def _reference(operation: Operation) -> str:
    item = api_document()["paths"][operation.path][operation.method.lower()]
    found: str = item["requestBody"]["content"][operation.body_media]["schema"]["$ref"]
    return found
