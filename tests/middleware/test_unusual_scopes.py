"""Every scope that RFC 6749 §3.3 allows, wherever a rule is written, printed, sent or documented."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

import json
import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
import strawberry
from fastapi import FastAPI
from graphql import FieldDefinitionNode, ObjectTypeDefinitionNode, build_schema, parse, value_from_ast_untyped
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from strawberry import federation

from spacekey import TokenMiddleware, optional, requires
from spacekey.domain.rule import Rule, all_of, any_of
from spacekey.middleware.fastapi import RequireScopes, document_rules
from spacekey.middleware.graphql import (
    RequiresScopes,
    ScopedFederationSchema,
    ScopedGraphQL,
    ScopedSchema,
    required_scopes,
    requires_scopes,
    scope_report,
)
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, bearer, call, talk
from support.volume import volume

SCOPE_TOKEN = "".join(chr(code) for code in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)))
"""The characters of a scope (RFC 6749 §3.3)."""

KNOWN = [
    "user.read",
    "User.Read",
    "https://api.example/read",
    "a:b:*",
    "*",
    "a,b",
    "#",
    "{}",
    "'''",
    "%22",
    "$x",
    "null",
]
scopes = st.sampled_from(KNOWN) | st.text(SCOPE_TOKEN, min_size=1, max_size=100)
rules = st.lists(st.lists(scopes, min_size=1, max_size=3), min_size=1, max_size=3)
Lists = list[list[str]]
CHALLENGE = re.compile(r'Bearer (?:[a-z_]+="[^"\\]*"(?:, |$))*')


def rule_of(lists: Lists) -> Rule:
    return any_of(*(all_of(*inner) for inner in lists))


def schema_of(rule: Rule) -> ScopedSchema:
    """A schema whose fields have the rule."""
    ruled = [RequiresScopes(scopes=rule.as_lists())]

    @strawberry.type
    class Query:
        @strawberry.field(directives=ruled)
        def secret(self) -> str:
            return "secret"

    @strawberry.type
    class Subscription:
        @strawberry.subscription(directives=ruled)
        async def events(self) -> AsyncGenerator[int, None]:
            yield 1

    return ScopedSchema(Query, subscription=Subscription)


def directive_in(sdl: str, type_name: str, field_name: str) -> Any:
    """The argument of the directive on a field, in a printed schema that is parsed again."""
    for definition in parse(sdl).definitions:
        if isinstance(definition, ObjectTypeDefinitionNode) and definition.name.value == type_name:
            for field in definition.fields or ():
                if isinstance(field, FieldDefinitionNode) and field.name.value == field_name:
                    [found] = [one for one in field.directives or () if one.name.value == "requiresScopes"]
                    return value_from_ast_untyped((found.arguments or ())[0].value)
    raise AssertionError(f"{type_name}.{field_name} is not in the printed schema")


def missing_in(answer: Answer) -> list[str]:
    """The scopes that a challenge asks for, read as its grammar has it."""
    challenge = answer.headers["www-authenticate"]
    assert CHALLENGE.fullmatch(challenge), challenge
    parameters = dict(re.findall(r'([a-z_]+)="([^"\\]*)"', challenge))
    assert parameters["error"] == "insufficient_scope"
    return str(parameters["scope"]).split(" ")


def near(scope: str) -> set[str]:
    """What a careless comparison might take for the scope."""
    return {
        scope.swapcase(),
        scope[:-1] or "x",
        scope + "x",
        scope + ".",
        "*",
        scope.replace(":", "."),
        f"{scope}:*",
    } - {scope}


@pytest.mark.repeats
@settings(max_examples=volume(short=25, long=500))
@given(rules)
@example([["*", "a:*"], ["User.Read"]])
def test_a_printed_schema_has_the_rule_when_it_is_parsed_again(lists: Lists) -> None:
    rule = rule_of(lists)
    schema = schema_of(rule)
    sdl = schema.as_str()
    build_schema(sdl)
    for type_name, field_name in (("Query", "secret"), ("Subscription", "events")):
        assert directive_in(sdl, type_name, field_name) == rule.as_lists()
    assert required_scopes(schema, "{ secret }").as_lists() == rule.as_lists()
    assert scope_report(schema)["Query.secret"] == str(rule)


@pytest.mark.repeats
@settings(max_examples=volume(short=25, long=500))
@given(rules)
def test_federations_directive_has_the_rule_when_a_router_reads_it(lists: Lists) -> None:
    rule = rule_of(lists)

    @federation.type
    class Query:
        @federation.field(requires_scopes=lists)
        def theirs(self) -> str:
            return "secret"

        @strawberry.field(directives=[requires_scopes(rule)])
        def ours(self) -> str:
            return "secret"

    schema = ScopedFederationSchema(Query)
    answer = schema.execute_sync("{ _service { sdl } }")
    assert answer.data is not None
    sdl = answer.data["_service"]["sdl"]
    assert directive_in(sdl, "Query", "theirs") == lists
    assert directive_in(sdl, "Query", "ours") == rule.as_lists()
    assert required_scopes(schema, "{ theirs ours }").as_lists() == rule.as_lists()


@pytest.mark.repeats
@settings(max_examples=volume(short=25, long=500))
@given(rules)
async def test_over_http_and_a_websocket_it_admits_who_has_the_scopes_alone(lists: Lists) -> None:
    rule, verifier = rule_of(lists), MemoryVerifier()
    served = optional(ScopedGraphQL(schema_of(rule)))
    app = Starlette(
        routes=[Route("/graphql", served), WebSocketRoute("/graphql", served)],
        middleware=[Middleware(TokenMiddleware, verifier=verifier)],
    )
    accept = [(b"accept", b"application/graphql-response+json")]
    subscribed = json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription { events }"}})

    async def over_http(*held: str) -> Answer:
        secret = verifier.issue(*held).reveal()
        return await call(app, "GET", "/graphql", [*bearer(secret), *accept], b"query=%7Bsecret%7D")

    async def over_a_socket(*held: str) -> list[Any]:
        init = {"Authorization": f"Bearer {verifier.issue(*held).reveal()}"}
        says = [json.dumps({"type": "connection_init", "payload": init}), subscribed]
        talked = await talk(app, "/graphql", subprotocols=["graphql-transport-ws"], says=says)
        return [json.loads(text) for text in talked.texts]

    for enough in rule.alternatives:
        assert json.loads((await over_http(*enough)).body) == {"data": {"secret": "secret"}}
        assert {"events": 1} in [(one.get("payload") or {}).get("data") for one in await over_a_socket(*enough)]
    held = {one for scope in rule.scopes for one in near(scope)} - rule.scopes
    refused = await over_http(*held)
    missing = list(rule.missing(held) or ())
    assert (refused.status, missing_in(refused)) == (403, missing)
    [error] = json.loads(refused.body)["errors"]
    assert error["extensions"]["missingScopes"] == missing
    [told] = [one for one in await over_a_socket(*held) if one["type"] == "error"]
    assert told["payload"][0]["extensions"]["missingScopes"] == missing


@pytest.mark.repeats
@settings(max_examples=volume(short=25, long=500))
@given(rules)
async def test_a_route_names_them_in_its_challenge(lists: Lists) -> None:
    rule, verifier = rule_of(lists), MemoryVerifier()

    @requires(rule)
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse("secret")

    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(TokenMiddleware, verifier=verifier)])
    for enough in rule.alternatives:
        assert (await call(app, "GET", "/", bearer(verifier.issue(*enough).reveal()))).status == 200
    held = {one for scope in rule.scopes for one in near(scope)} - rule.scopes
    refused = await call(app, "GET", "/", bearer(verifier.issue(*held).reveal()))
    missing = list(rule.missing(held) or ())
    assert (refused.status, refused.problem["missing_scopes"], missing_in(refused)) == (403, missing, missing)


@pytest.mark.repeats
@settings(max_examples=volume(short=25, long=500))
@given(rules)
def test_the_openapi_document_lists_them(lists: Lists) -> None:
    rule = rule_of(lists)
    app = FastAPI(middleware=[Middleware(TokenMiddleware, verifier=MemoryVerifier(), undeclared="ignore")])

    @app.get("/")
    async def endpoint(caller: Annotated[object, RequireScopes(rule)]) -> str:
        return str(caller)

    shown = app.openapi()["paths"]["/"]["get"]["security"]
    assert shown == [{"Spacekey": rule.as_lists()[0]}]
    app.openapi_schema = None
    document_rules(app)
    document = json.loads(json.dumps(app.openapi()))
    assert document["paths"]["/"]["get"]["security"] == [{"Spacekey": one} for one in rule.as_lists()]
