"""A deprecated operation and a deprecated field, as clients see them: in headers, documents and the printed schema."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from spacekey.domain.deprecation import Deprecation
from spacekey.domain.refusal import NotFound
from spacekey.middleware.graphql import ScopedSchema, requires_scopes
from spacekey.middleware.routing.endpoints import public
from spacekey.server.http.errors import on_expected
from spacekey.server.http.middleware import DeprecationHeaders
from spacekey.server.http.openapi import Operation, deprecation_notices, document
from spacekey.server.http.routes import OPERATIONS

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
    for prefix, served in (("", app), ("/mounted", Starlette(routes=[Mount("/mounted", app)]))):
        transport = httpx.ASGITransport(served)
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
