"""OpenAPI documents: who may call each operation, with a token from every place in which the app reads one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router
from starlette.schemas import SchemaGenerator

from spacekey import MemoryLimiter, TokenMiddleware, any_of, optional, protect, public, requires
from spacekey.credentials import bearer, cookie, header
from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.auth.credentials import Source
from spacekey.middleware.fastapi import OptionalPrincipal, Public, RequireScopes, document_rules
from spacekey.middleware.openapi import describe_rules
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import call

SOURCES: list[Source] = [bearer(), header("X-API-Key"), cookie("api_key")]
NAMES = ["Spacekey", "Spacekey-header-X-API-Key", "Spacekey-cookie-api_key"]
VERIFIER = MemoryVerifier()


def token(**settings: Any) -> Middleware:
    settings = {"verifier": VERIFIER, "credentials": SOURCES, "undeclared": "ignore", **settings}
    return Middleware(TokenMiddleware, **settings)


async def run(_: Request) -> Response:
    """
    responses:
        200:
            description: Ran.
    """
    return PlainTextResponse("ok")


def starlette_app(**settings: Any) -> Starlette:
    return Starlette(
        routes=[
            Route("/either", requires(any_of("a", "b"))(run)),
            Route("/home", optional(run)),
            Route("/open", public(run)),
            Route("/table/{number:int}", run),
            Route("/alone", run),
        ],
        middleware=[token(rules={("GET", "/table/{number:int}"): "c"}, limits=MemoryLimiter(), **settings)],
    )


def generated(app: Starlette, version: str = "3.1.0") -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator({"openapi": version, "info": {"title": "t", "version": "1"}}).get_schema(
        routes=app.routes
    )
    return made


def test_the_document_of_a_starlette_app_shows_every_source_and_alternative() -> None:
    app = starlette_app()
    document = generated(app)
    assert describe_rules(document, app) is document
    operations = {path: found["get"] for path, found in document["paths"].items()}
    assert {path: one.get("security") for path, one in operations.items()} == {
        "/either": [{name: [scope]} for scope in "ab" for name in NAMES],
        "/home": [{}, *({name: []} for name in NAMES)],
        "/open": None,
        "/table/{number}": [{name: ["c"]} for name in NAMES],
        "/alone": None,
    }
    assert [*document["components"]["securitySchemes"]] == NAMES
    statuses = {path: {str(status) for status in one["responses"]} for path, one in operations.items()}
    assert statuses["/either"] == {"200", "400", "401", "403", "429", "503"}
    assert statuses["/home"] == {"200", "400", "401", "429", "503"}
    assert statuses["/open"] == statuses["/alone"] == {"200"}
    schema = operations["/either"]["responses"]["503"]["content"]["application/problem+json"]["schema"]
    assert schema["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
    json.dumps(document)


def test_a_document_of_an_older_version_has_no_scopes_beside_other_schemes_than_oauths() -> None:
    app = starlette_app()
    document = describe_rules(generated(app, "3.0.3"), app)
    assert document["paths"]["/either"]["get"]["security"] == [{name: []} for name in NAMES]


def test_describing_a_document_twice_changes_nothing() -> None:
    app = starlette_app()
    once = json.dumps(describe_rules(generated(app), app))
    twice = describe_rules(describe_rules(generated(app), app), app)
    assert json.dumps(twice) == once


def inner_app() -> FastAPI:
    """An app that is to be mounted, or wrapped."""
    app = FastAPI()
    router = APIRouter(dependencies=[RequireScopes("a")])
    router.get("/ruled", dependencies=[RequireScopes(any_of("b", "c"))])(lambda: "ok")
    app.include_router(router)
    app.get("/home", dependencies=[OptionalPrincipal()])(lambda: "ok")
    app.get("/open", dependencies=[Public()])(lambda: "ok")
    app.get("/table")(lambda: "ok")
    return app


RULES: dict[Any, Any] = {("*", "/v1/table"): "d"}


def _mounting(app: FastAPI) -> FastAPI:
    outer = FastAPI(middleware=[token(rules=RULES)])
    outer.mount("/v1", app)
    return outer


OUTSIDE: dict[str, Callable[[FastAPI], Any]] = {
    "mounted": lambda app: Starlette(routes=[Mount("/v1", app=app)], middleware=[token(rules=RULES)]),
    "mounted in FastAPI": _mounting,
    "mounted deeper": lambda app: Starlette(
        routes=[Mount("/{tenant:str}", routes=[Mount("/v1", app=app)])],
        middleware=[token(rules={("*", "/{tenant:str}/v1/table"): "d"})],
    ),
    "mounted with a middleware": lambda app: Starlette(
        routes=[Mount("/v1", app=app, middleware=[Middleware(CORSMiddleware)])], middleware=[token(rules=RULES)]
    ),
    "on a host": lambda app: Starlette(
        routes=[Host("api.example", app=Router([Mount("/v1", app=app)]))],
        middleware=[token(rules={("*", "api.example/v1/table"): "d"})],
    ),
    "wrapped": lambda app: TokenMiddleware(
        app, VERIFIER, credentials=SOURCES, undeclared="ignore", rules={("*", "/table"): "d"}
    ),
}


@pytest.mark.parametrize("outside", OUTSIDE)
def test_the_document_of_an_app_inside_another_shows_what_the_outer_one_enforces(outside: str) -> None:
    app = inner_app()
    document_rules(app, within=OUTSIDE[outside](app))
    operations = {path: found["get"] for path, found in app.openapi()["paths"].items()}
    assert {path: one.get("security") for path, one in operations.items()} == {
        "/ruled": [{name: ["a", scope]} for scope in "bc" for name in NAMES],
        "/home": [{}, *({name: []} for name in NAMES)],
        "/open": None,
        "/table": [{name: ["d"]} for name in NAMES],
    }
    assert {"401", "403", "503"} <= {*operations["/table"]["responses"]}


async def test_it_is_served_at_the_mount() -> None:
    app = inner_app()
    outer = OUTSIDE["mounted"](app)
    document_rules(app, within=outer)
    answer = await call(outer, "GET", "/v1/openapi.json")
    assert json.loads(answer.body)["paths"]["/table"]["get"]["security"] == [{name: ["d"]} for name in NAMES]


def test_a_mount_that_is_guarded_as_a_whole_is_shown_with_its_rule() -> None:
    app = FastAPI()
    app.get("/x")(lambda: "ok")
    outer = Starlette(routes=[Mount("/v1", app=protect(app, "a"))], middleware=[token()])
    document_rules(app, within=outer)
    assert app.openapi()["paths"]["/x"]["get"]["security"] == [{name: ["a"]} for name in NAMES]


def test_without_the_middleware_the_error_says_what_to_write() -> None:
    app = inner_app()
    outer = OUTSIDE["mounted"](app)
    document_rules(app)
    with pytest.raises(ConfigurationError, match="within="):
        app.openapi()
    other = FastAPI()
    document_rules(other, within=outer)
    with pytest.raises(ConfigurationError, match="not mounted"):
        other.openapi()
