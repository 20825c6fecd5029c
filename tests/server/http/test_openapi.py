"""The OpenAPI document is about the operations there are, and what it says of requests is what is read.

That every answer is as declared, :func:`support.documents.openapi.check_answer` holds for each request of the suite.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest
import strawberry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from spacekey.domain.deprecation import Deprecation
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.middleware.graphql import ScopedSchema, requires_scopes
from spacekey.middleware.routing.endpoints import public
from spacekey.middleware.rules.marks import access_of
from spacekey.middleware.rules.requirement import PUBLIC, Requirement
from spacekey.server.app import build_app
from spacekey.server.http import examples
from spacekey.server.http.api_keys import CREATED
from spacekey.server.http.authorize import AUTHORIZE
from spacekey.server.http.dashboard import dashboard_routes
from spacekey.server.http.element import element_routes
from spacekey.server.http.errors import on_expected
from spacekey.server.http.graphiql import graphiql_routes
from spacekey.server.http.middleware import DeprecationHeaders
from spacekey.server.http.openapi import REQUIRED_SCOPES, Operation, deprecation_notices, document
from spacekey.server.http.requests import FORM_TYPE, JSON_TYPE, validated
from spacekey.server.http.response_models import NewApiKey
from spacekey.server.http.routes import OPERATIONS
from spacekey.server.settings import Settings
from support.documents.openapi import api_document, check_answer, validator, values
from support.server import served

BODIES = [one for one in OPERATIONS if one.body is not None]
HEADERS = {"x-request-id": "r", "cache-control": "no-store", "vary": "Authorization"}


@pytest.mark.sampled(3)
def test_every_operation_of_the_app_is_described_and_nothing_else_is(tmp_path: Any) -> None:
    app = build_app(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/s.db", graphiql=True))
    pages = {
        route.path for route in [*dashboard_routes(), *element_routes(), *graphiql_routes()] if isinstance(route, Route)
    }
    routed = {
        (method.lower(), route.path)
        for route in app.routes
        if isinstance(route, Route) and route.path not in pages
        for method in route.methods or ("GET",)
        if method != "HEAD"
    }
    described = {(method, path) for path, item in api_document()["paths"].items() for method in item}
    assert described == routed


@pytest.mark.sampled(3)
def test_the_document_is_openapi_3_1() -> None:
    assert list(OpenAPIV31SpecValidator(api_document()).iter_errors()) == []


@pytest.mark.sampled(3)
def test_operations_are_named_once_and_every_reference_leads_somewhere() -> None:
    text = repr(api_document())
    for reference in re.findall(r"#/components/([a-z]+)/([\w-]+)", text, re.IGNORECASE):
        assert reference[1] in api_document()["components"][reference[0]], reference
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))
    unused = {name for name in api_document()["components"]["schemas"] if f"schemas/{name}'" not in text}
    assert unused == set()


@pytest.mark.sampled(3)
def test_every_operation_has_a_declared_tag() -> None:
    tags = {tag["name"] for tag in api_document()["tags"]}
    for where, operation in _operations():
        assert len(operation["tags"]) == 1, where
        assert set(operation["tags"]) <= tags, where


@pytest.mark.sampled(3)
def test_every_operation_says_how_it_may_be_refused_before_it_begins(tmp_path: Any) -> None:
    """By the app's own rules: credentials that are missing, malformed or not enough, limits, and outages."""
    app = build_app(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path}/s.db"))
    rules = {
        (method, route.path): access_of(route.endpoint)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ("GET",)
    }
    services = {(each.method, each.path): each.service_scopes for each in OPERATIONS}
    for (method, path), operation in _operations():
        rule = rules[method.upper(), path]
        answers, needs = operation["responses"].keys(), rule.rule if isinstance(rule, Requirement) else None
        limited = path.startswith(("/api/", "/graphql"))
        assert {"503", "default"} | ({"429"} if limited else set()) <= answers, path
        # The metrics have a token of their own, and a proxy's question is authenticated by its endpoint.
        assert ("401" in answers) is (rule != PUBLIC or path in ("/metrics", AUTHORIZE)), path
        assert needs is None or not needs.scopes or "403" in answers, path
        of_services = services.get((method.upper(), path), ())  # the rule of such a route admits any valid caller
        assert not of_services or "403" in answers, path
        expected = [list(of_services)] if of_services else None if needs is None else needs.as_lists()
        assert operation.get(REQUIRED_SCOPES) == expected, path


@pytest.mark.sampled(3)
def test_everything_in_the_document_is_described() -> None:
    """Operations, parameters, bodies' and answers' members, headers and responses, in sentences."""
    wanted = [
        (".".join(where), one)
        for where, one in _walk(api_document())
        if isinstance(one, dict)
        and "$ref" not in one
        and (
            "operationId" in one
            or where[-2:-1] in (("tags",), ("parameters",), ("properties",), ("headers",), ("securitySchemes",))
            or where[-2:-1] == ("responses",)
            or where[:-1] == ("components", "schemas")
        )
    ]
    assert len(wanted) > 300
    missing = [where for where, one in wanted if not one.get("description")]
    assert missing == []
    unfinished = [where for where, one in wanted if not re.search(r"[.`]$", one["description"])]
    assert unfinished == []
    source = [where for where, one in wanted if "``" in one["description"] or ":class:" in one["description"]]
    assert source == []
    summaries = [one["summary"] for where, one in wanted if "operationId" in one]
    assert len(set(summaries)) == len(summaries)


@pytest.mark.sampled(3)
def test_every_body_and_answer_has_an_example_that_fits() -> None:
    """Spectral and generators validate them too; here without npm."""
    seen = 0
    for where, one in _walk(api_document()):
        if not isinstance(one, dict) or "schema" not in one:
            continue
        inside = where[-2:-1] == ("content",)
        if inside and not set(where) & {"openapi", "GraphQL", "/metrics", "/api/v1/openapi.json"}:
            graphql_errors = where[:2] == ("components", "responses") and where[2].startswith("GraphQL")
            assert "example" in one or graphql_errors, where
        if "example" in one:
            faults = [error.message for error in validator(one["schema"]).iter_errors(one["example"])]
            assert faults == [], where
            seen += 1
    assert seen > 80


@pytest.mark.sampled(3)
def test_examples_of_bodies_are_taken_and_example_answers_begin_as_documented() -> None:
    for operation in BODIES:
        assert operation.body is not None
        validated(operation.body, examples.BODIES[operation.body])
    assert tuple(examples.ANSWERS[NewApiKey])[: len(CREATED)] == CREATED


@pytest.mark.sampled(3)
def test_what_may_be_null_is_a_list_of_types() -> None:
    for where, one in _walk(api_document()):
        if isinstance(one, dict) and {"type": "null"} in one.get("anyOf", ()):
            assert len(one["anyOf"]) == 2, where
            assert any("$ref" in each for each in one["anyOf"]), where


@pytest.mark.sampled(3)
async def test_the_document_names_the_path_under_which_the_server_is_mounted(database_url: str) -> None:
    async with served(database_url) as server:
        for root in ("", "/keys"):
            app = server.app if not root else Starlette(routes=[Mount(root, server.app)])
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                found = (await client.get(f"{root}/api/v1/openapi.json")).json()
            assert found["servers"][0]["url"] == (root or "/")


@pytest.mark.sampled(3)
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


@pytest.mark.sampled(3)
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
    faults = list(validator({"$ref": _reference(operation)}, closed=False).iter_errors(body))
    assert taken or faults, body
    # The lengths of texts are documented here and checked by the resolvers, for all interfaces.
    checked_later = all(fault.validator in ("minLength", "maxLength") for fault in faults)
    assert not taken or checked_later, [fault.message for fault in faults]


@pytest.mark.sampled(3)
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
    headers = {**HEADERS, "content-type": media}
    with pytest.raises(AssertionError, match="api-keys"):
        await check_answer(httpx.Response(status, headers=headers, content=body, request=request))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("status", "change"),
    [
        (200, {"x-request-id": None}),
        (200, {"cache-control": "max-age=60"}),
        (200, {"x-more": "1"}),
        (200, {"etag": '"a"'}),
        (200, {"ratelimit": "19"}),
        (401, {}),
        (503, {}),
        (503, {"retry-after": "soon"}),
        (503, {"retry-after": "0"}),
        (418, {}),
    ],
)
async def test_headers_that_are_not_declared_or_missing_are_seen(status: int, change: dict[str, str | None]) -> None:
    request = httpx.Request("GET", "http://testserver/api/v1/api-keys")
    good = json.dumps(examples.problem_example(status) or {}).encode()
    page = b'{"api_keys": [], "has_more": false, "next_cursor": null}'
    media = JSON_TYPE if status == 200 else "application/problem+json"
    headers = {name: value for name, value in {**HEADERS, "content-type": media, **change}.items() if value is not None}
    answer = httpx.Response(status, headers=headers, content=page if status == 200 else good, request=request)
    with pytest.raises(AssertionError, match="api-keys"):
        await check_answer(answer)
    if status == 200:
        await check_answer(
            httpx.Response(200, headers={**HEADERS, "content-type": media}, content=page, request=request)
        )


def _operations() -> list[tuple[tuple[str, str], dict[str, Any]]]:
    return [((method, path), one) for path, item in api_document()["paths"].items() for method, one in item.items()]


def _walk(value: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of the document with its place. What stands in examples is not the document's own."""
    yield where, value
    if isinstance(value, dict):
        for name, one in value.items():
            if name != "example":
                yield from _walk(one, (*where, str(name)))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _walk(one, (*where, str(number)))


def _reference(operation: Operation) -> str:
    item = api_document()["paths"][operation.path][operation.method.lower()]
    found: str = item["requestBody"]["content"][operation.body_media]["schema"]["$ref"]
    return found


# A deprecated operation and a deprecated field, as clients see them: in headers, documents and the printed schema.


NOTICE = Deprecation(date(2026, 12, 1), date(2027, 12, 1), "`GET /new`")


@public
async def old(request: Request) -> Response:
    if request.query_params.get("missing"):
        raise NotFound("key")
    return JSONResponse({"status": "ok"})


def operations() -> list[Operation]:
    like = next(one for one in OPERATIONS if one.path == "/healthz")
    return [
        replace(like, path="/old/{id}", name="getOld", endpoint=old, deprecated=NOTICE),
        replace(like, path="/new", name="getNew", endpoint=old),
    ]


async def test_answers_of_a_deprecated_operation_say_so_and_no_others() -> None:
    found = operations()
    routes = [Route(one.path, one.endpoint or old, methods=[one.method]) for one in found]
    notices = deprecation_notices(found)
    app: Any = Starlette(
        routes=routes,
        middleware=[Middleware(DeprecationHeaders, notices=notices)],
        exception_handlers={NotFound: on_expected},
    )
    for prefix, mounted in (("", app), ("/mounted", Starlette(routes=[Mount("/mounted", app)]))):
        transport = httpx.ASGITransport(mounted)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            for method in ("GET", "HEAD"):
                answer = await client.request(method, f"{prefix}/old/1")
                assert answer.is_success
                assert {name: answer.headers[name] for name in NOTICE.headers} == NOTICE.headers
            refused = await client.get(f"{prefix}/old/1?missing=1")
            assert (refused.status_code, refused.headers["sunset"]) == (404, NOTICE.headers["Sunset"])
            for path in ("/new", "/old", "/nothing"):
                assert not {"deprecation", "sunset"} & (await client.get(f"{prefix}{path}")).headers.keys()


def test_the_document_marks_a_deprecated_operation_and_declares_its_headers() -> None:
    found = document(operations())
    marked, other = found["paths"]["/old/{id}"]["get"], found["paths"]["/new"]["get"]
    assert marked["deprecated"] is True
    assert marked["description"].endswith(NOTICE.reason)
    assert NOTICE.headers.keys() <= marked["responses"]["200"]["headers"].keys()
    assert NOTICE.headers.keys() <= found["components"]["headers"].keys()
    assert "deprecated" not in other
    assert not NOTICE.headers.keys() & other["responses"]["200"]["headers"].keys()
    for response in found["components"]["responses"].values():
        assert NOTICE.headers.keys() <= response["headers"].keys()


def test_a_deprecated_field_is_printed_with_the_notice() -> None:
    @strawberry.type
    class Query:
        old: int = strawberry.field(
            default=1, deprecation_reason=NOTICE.reason, directives=[requires_scopes("jobs:read")]
        )

    assert f'@deprecated(reason: "{NOTICE.reason}")' in ScopedSchema(Query).as_str()
