"""A refused operation tells clients by status and challenge, where they take GraphQL's own media type."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from spacekey import TokenMiddleware, optional, public
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import OnDenied, ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.verifiers import MemoryVerifier
from support.graphql.socket import graphql_socket

MODERN = "application/graphql-response+json"


PLAIN = "application/json"


OPEN = ["Query.open"]


VERIFIER = MemoryVerifier()


NOTHING, ONE, BOTH = VERIFIER.issue("c"), VERIFIER.issue("a"), VERIFIER.issue("a", "b")


ACCEPTS = {
    MODERN: True,
    f"{MODERN}, {PLAIN};q=0.9": True,
    f"{MODERN}; charset=utf-8, {PLAIN}": True,
    f"{PLAIN}, {MODERN};q=0.5": False,
    PLAIN: False,
    "*/*": False,
    "": False,
}


@strawberry.type
class Query:
    @strawberry.field
    def open(self) -> str:
        return "open"

    @strawberry.field(directives=[requires_scopes("a")])
    def one(self) -> str:
        return "one"

    @strawberry.field(directives=[requires_scopes("a", "b")])
    def both(self) -> str:
        return "both"


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=[requires_scopes("b")])
    async def act(self) -> str:
        return "done"


def app_of(realm: str = "jobs", mode: OnDenied = "reject", *, behind: bool = True) -> Starlette:
    graphql = ScopedGraphQL(ScopedSchema(Query, Mutation, scopes=ScopeEnforcement(on_denied=mode, public=OPEN)))
    middleware = [Middleware(TokenMiddleware, verifier=VERIFIER, realm=realm)] if behind else []
    return Starlette(routes=[Route("/", optional(graphql) if behind else graphql)], middleware=middleware)


async def ask(app: Any, query: str, accept: str, token: Any = None) -> httpx.Response:
    headers = {"Accept": accept, **({} if token is None else {"Authorization": f"Bearer {token.reveal()}"})}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        return await client.post("/", json={"query": query}, headers=headers)


# who, what → status, challenge, code of the errors
REFUSED: list[tuple[Any, str, int, str, str]] = [
    (None, "{ one }", 401, 'Bearer realm="jobs"', "UNAUTHENTICATED"),
    (None, "{ open one both }", 401, 'Bearer realm="jobs"', "UNAUTHENTICATED"),
    (None, "mutation { act }", 401, 'Bearer realm="jobs"', "UNAUTHENTICATED"),
    (
        NOTHING,
        "{ one }",
        403,
        'Bearer realm="jobs", error="insufficient_scope", scope="a"',
        "INSUFFICIENT_SCOPE",
    ),
    (
        ONE,
        "{ one both }",
        403,
        'Bearer realm="jobs", error="insufficient_scope", scope="b"',
        "INSUFFICIENT_SCOPE",
    ),
    (
        NOTHING,
        "{ one both }",
        403,
        'Bearer realm="jobs", error="insufficient_scope", scope="a b"',
        "INSUFFICIENT_SCOPE",
    ),
]


@pytest.mark.parametrize(("token", "query", "status", "challenge", "code"), REFUSED)
@pytest.mark.parametrize("accept", ACCEPTS)
async def test_a_refusal_has_its_status_and_challenge(
    accept: str, token: Any, query: str, status: int, challenge: str, code: str
) -> None:
    modern = ACCEPTS[accept]
    answer = await ask(app_of(), query, accept, token)
    assert answer.status_code == (status if modern else 200)
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["content-type"].split(";")[0] == (MODERN if modern else PLAIN)
    assert {name.strip() for name in answer.headers["vary"].split(",")} == {"Accept", "Authorization"}
    document = answer.json()
    assert document.get("data") is None
    assert {error["extensions"]["code"] for error in document["errors"]} == {code}


@pytest.mark.parametrize("accept", ACCEPTS)
async def test_what_is_not_refused_whole_is_answered_as_ever(accept: str) -> None:
    cases: list[tuple[OnDenied, str, Secret | None]] = [
        ("reject", "{ one both }", BOTH),
        ("reject", "{ open }", None),
        ("null", "{ open }", NOTHING),
        ("log", "{ one }", None),
        ("reject", "{ unknown }", None),
        ("reject", "{", None),
    ]
    for mode, query, token in cases:
        answer = await ask(app_of(mode=mode), query, accept, token)
        assert answer.status_code == 200
        assert "www-authenticate" not in answer.headers
        assert answer.headers["content-type"] == PLAIN


async def test_without_a_middleware_the_realm_is_the_usual_one() -> None:
    answer = await ask(app_of(behind=False), "{ one }", MODERN)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')


class WithoutRequest(ScopedGraphQL):
    """As people write it who need no request themselves."""

    async def get_context(self, request: Any, response: Any) -> Any:
        return {"database": "db", "connection_params": None}


class WithObject(ScopedGraphQL):
    """A context of a class, without the request."""

    async def get_context(self, request: Any, response: Any) -> Any:
        return object()


@pytest.mark.parametrize("kind", [WithoutRequest, WithObject])
async def test_a_context_without_the_request_is_an_error_that_says_what_to_return(kind: type[ScopedGraphQL]) -> None:
    app = Starlette(
        routes=[Route("/", optional(kind(ScopedSchema(Query, scopes=ScopeEnforcement(public=OPEN)))))],
        middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)],
    )
    for token in (None, BOTH):
        with pytest.raises(ConfigurationError, match=r'return {"request": request, "response": resp'):
            await ask(app, "{ open }", PLAIN, token)
    with pytest.raises(ConfigurationError, match=r'return {"request": request'):
        async with graphql_socket(kind(ScopedSchema(Query, scopes=ScopeEnforcement(public=OPEN)))):
            pass


async def test_a_context_without_the_request_will_do_where_the_caller_is_found_elsewhere() -> None:
    ada = Principal("usr_ada", Kind.MEMBER, frozenset({"a"}))
    schema = ScopedSchema(Query, scopes=ScopeEnforcement(principal=lambda _: ada, public=OPEN))
    app = Starlette(
        routes=[Route("/", optional(WithoutRequest(schema))), WebSocketRoute("/", optional(WithoutRequest(schema)))],
        middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)],
    )
    assert (await ask(app, "{ one }", PLAIN)).json() == {"data": {"one": "one"}}
    async with graphql_socket(WithoutRequest(schema)) as socket:
        await socket.init()
        await socket.subscribe("1", "{ one }")
        assert (await socket.receive())["payload"] == {"data": {"one": "one"}}


class Slotted:
    """A context with the request and no place for ``connection_params``."""

    __slots__ = ("request",)

    def __init__(self, request: Any) -> None:
        self.request = request


class WithSlots(ScopedGraphQL):
    async def get_context(self, request: Any, response: Any) -> Any:
        return Slotted(request)


async def test_a_credential_of_connection_init_counts_whatever_the_context_has_a_place_for() -> None:
    async with graphql_socket(
        WithSlots(ScopedSchema(Query, scopes=ScopeEnforcement(public=OPEN)), verifier=VERIFIER)
    ) as socket:
        await socket.init(Authorization=f"Bearer {ONE.reveal()}")
        await socket.subscribe("1", "{ one }")
        assert (await socket.receive())["payload"] == {"data": {"one": "one"}}


async def opened(app: ScopedGraphQL, *headers: tuple[bytes, bytes]) -> str:
    """The type of the first message that a handshake with these headers gets."""
    messages: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/",
        "scheme": "ws",
        "headers": [(b"host", b"app.example"), *headers],
        "query_string": b"",
        "subprotocols": ["graphql-transport-ws"],
    }
    await app(scope, receive, send)
    return str(sent[0]["type"])


async def test_sockets_of_other_pages_are_refused_unless_their_origin_is_named() -> None:
    schema = ScopedSchema(Query, Mutation, scopes=ScopeEnforcement(public=OPEN))
    plain, named = ScopedGraphQL(schema), ScopedGraphQL(schema, allowed_origins=["https://front.example"])
    for origin, by_plain, by_named in (
        (b"http://app.example", "accept", "accept"),
        (b"https://front.example", "close", "accept"),
        (b"https://evil.example", "close", "close"),
        (b"https://front.example.evil.example", "close", "close"),
        (b"null", "close", "close"),
    ):
        for app, message in ((plain, by_plain), (named, by_named)):
            assert await opened(app, (b"origin", origin)) == f"websocket.{message}", origin
    assert await opened(plain) == "websocket.accept", "a program"


@pytest.mark.parametrize("how", ["ignored", "public"])
async def test_where_nothing_looks_for_a_token_the_log_says_what_to_declare(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    graphql = ScopedGraphQL(ScopedSchema(Query, scopes=ScopeEnforcement(public=OPEN)))
    rules: Any = {("*", "/"): optional}

    def served(table: Any) -> Starlette:
        routes = [Route("/", public(graphql) if how == "public" and not table else graphql)]
        return Starlette(
            routes=routes,
            middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, undeclared="ignore", rules=table)],
        )

    for _ in range(2):
        answer = await ask(app := served({}), "{ one }", PLAIN, ONE)
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        await ask(app, "{ open }", PLAIN, ONE)
    assert caplog.text.count("nothing has looked for its token") == 1
    caplog.clear()
    assert (await ask(served(rules), "{ one }", PLAIN, ONE)).json() == {"data": {"one": "one"}}
    await ask(served(rules), "{ one }", PLAIN)
    assert "nothing has looked" not in caplog.text
