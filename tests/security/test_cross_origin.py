"""Credentials that a browser attaches by itself act for the app's own pages alone, whatever page sends the request."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from itertools import product
from typing import Any

import pytest
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, auth_of, optional, public, requires
from spacekey.credentials import bearer as bearer_source
from spacekey.credentials import cookie
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Reason, Rejected
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, Headers, Talk, bearer, http_scope, talk

ADA = Principal("usr_ada", Kind.MEMBER, frozenset({"jobs:write"}))
COOKIE = [(b"cookie", b"session=ada")]
BASIC = [(b"authorization", b"Basic YWRhOnNlY3JldA==")]
NEGOTIATE = [(b"authorization", b"Negotiate YWRh")]
ATTACHED: dict[str, list[tuple[bytes, bytes]]] = {"cookie": COOKIE, "Basic": BASIC, "Negotiate": NEGOTIATE}
"""What browsers attach by themselves."""

HOST = "api.example"
FOREIGN: dict[str, list[tuple[bytes, bytes]]] = {
    "another site": [(b"origin", b"https://evil.example")],
    "a sandboxed page": [(b"origin", b"null")],
    "nothing at all": [],
    "an empty origin": [(b"origin", b"")],
    "a sub-domain": [(b"origin", b"http://evil.api.example")],
    "the domain above": [(b"origin", b"http://example")],
    "a name that begins alike": [(b"origin", b"http://api.example.evil.example")],
    "another port": [(b"origin", b"http://api.example:8080")],
    "another port after TLS": [(b"origin", b"https://api.example:8443")],
    "another scheme": [(b"origin", b"ftp://api.example")],
    "the host alone": [(b"origin", b"api.example")],
    "a path": [(b"origin", b"http://api.example/x")],
    "a user": [(b"origin", b"http://api.example@evil.example")],
    "a broken one": [(b"origin", b"http://[")],
    "letters that are none": [(b"origin", b"http://\xff")],
    "same-site": [(b"sec-fetch-site", b"same-site"), (b"origin", b"http://a.api.example")],
    "same-site with our origin": [(b"sec-fetch-site", b"same-site"), (b"origin", b"http://api.example")],
    "cross-site": [(b"sec-fetch-site", b"cross-site"), (b"origin", b"http://evil.example")],
    "cross-site with our origin": [(b"sec-fetch-site", b"cross-site"), (b"origin", b"http://api.example")],
    "typed by hand": [(b"sec-fetch-site", b"none")],
    "two fetch sites": [(b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")],
    "two origins": [(b"origin", b"http://api.example"), (b"origin", b"https://evil.example")],
    "two origins, ours first": [(b"origin", b"https://evil.example"), (b"origin", b"http://api.example")],
    "two origins and same-origin": [
        (b"sec-fetch-site", b"same-origin"),
        (b"origin", b"http://api.example"),
        (b"origin", b"https://evil.example"),
    ],
}
OWN: dict[str, list[tuple[bytes, bytes]]] = {
    "same-origin": [(b"sec-fetch-site", b"same-origin"), (b"origin", b"http://api.example")],
    "same-origin behind a proxy": [(b"sec-fetch-site", b"same-origin"), (b"origin", b"https://public.example")],
    "our origin": [(b"origin", b"http://api.example")],
    "our origin after TLS": [(b"origin", b"https://api.example")],
    "in capitals": [(b"origin", b"HTTP://API.EXAMPLE")],
}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "LINK", "TRACE")
RAN: list[str] = []


async def session(connection: HTTPConnection) -> AuthenticationResult:
    """An app's own credentials: a cookie, Basic or Negotiate."""
    sent = connection.headers.get("authorization", "")
    good = connection.cookies.get("session") == "ada" or sent in ("Basic YWRhOnNlY3JldA==", "Negotiate YWRh")
    return Authenticated(ADA) if good else Anonymous()


@strawberry.type
class Query:
    ok: str = "ok"


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=[requires_scopes("jobs:write")])
    async def act(self) -> str:
        RAN.append("mutation")
        return "done"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:write")])
    async def events(self) -> AsyncGenerator[int, None]:
        RAN.append("subscription")
        yield 1


async def act(request: Request) -> Response:
    RAN.append(request.method)
    return JSONResponse(request.user.identity if request.user.is_authenticated else None)


async def asking(request: Request) -> Response:
    """A public route that asks by itself."""
    return JSONResponse(type(await auth_of(request.scope).authenticate()).__name__)


async def shout(websocket: WebSocket) -> None:
    RAN.append("WEBSOCKET")
    await websocket.accept()
    await websocket.send_text("hello")


VERIFIER = MemoryVerifier()


def app_of(**settings: Any) -> Starlette:
    methods = ["GET", "HEAD", "OPTIONS", *UNSAFE]
    graphql = ScopedGraphQL(ScopedSchema(Query, Mutation, Subscription, scopes=ScopeEnforcement(public=["Query.ok"])))
    routes = [
        Route("/act", requires("jobs:write")(act), methods=methods),
        Route("/optional", optional(act), methods=methods),
        Route("/public", public(asking), methods=methods),
        WebSocketRoute("/shout", requires("jobs:write")(shout)),
        Route("/graphql", optional(graphql)),
        WebSocketRoute("/graphql", optional(graphql)),
        Mount("/inner", routes=[Route("/act", requires("jobs:write")(act), methods=methods)]),
    ]
    settings = {"verifier": VERIFIER, "fallback_authenticator": session, **settings}
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, **settings)])


async def send(
    app: Any,
    method: str,
    path: str,
    headers: Headers,
    body: bytes = b"",
    scheme: str = "http",
    host: str = HOST,
    query: bytes = b"",
) -> Answer:
    """One request, over TLS or not."""
    answer: dict[str, Any] = {"body": b""}
    scope = {**http_scope(method, path, (), query, host=host), "scheme": scheme}
    scope["headers"] = [(b"host", host.encode()), *headers]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def sending(message: Any) -> None:
        answer.update({key: value for key, value in message.items() if key != "body"})
        answer["body"] += message.get("body", b"")

    await app(scope, receive, sending)
    found = {name.decode(): value.decode() for name, value in answer["headers"]}
    return Answer(answer["status"], found, answer["body"])


def vary(answer: Answer) -> set[str]:
    """What the response says that it depends on."""
    return {name.strip() for name in answer.headers["vary"].split(",")}


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("page", FOREIGN)
async def test_a_foreign_page_changes_nothing(page: str, attached: str) -> None:
    app = app_of()
    headers = [*ATTACHED[attached], *FOREIGN[page]]
    for method, path in product(UNSAFE, ("/act", "/optional", "/inner/act")):
        answer = await send(app, method, path, headers)
        assert (answer.status, answer.problem["code"]) == (403, "cross_origin")
        assert vary(answer) == {"Authorization", "Cookie", "Origin", "Sec-Fetch-Site"}
        assert "www-authenticate" not in answer.headers
    assert RAN == []


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("page", FOREIGN)
@pytest.mark.parametrize("path", ["/shout", "/graphql"])
async def test_a_foreign_page_opens_no_socket(page: str, attached: str, path: str) -> None:
    for denial_response in (False, True):
        talked: Talk = await talk(
            app_of(),
            path,
            [*ATTACHED[attached], *FOREIGN[page]],
            subprotocols=["graphql-transport-ws"],
            denial_response=denial_response,
            host=HOST,
            says=[
                json.dumps({"type": "connection_init"}),
                json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription { events }"}}),
                json.dumps({"type": "subscribe", "id": "2", "payload": {"query": "mutation { act }"}}),
            ],
        )
        assert not talked.accepted
        assert talked.denied_with == (403 if denial_response else 4403)
    assert RAN == []


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("page", FOREIGN)
async def test_a_foreign_page_runs_no_graphql_mutation(page: str, attached: str) -> None:
    body = json.dumps({"query": "mutation { act }"}).encode()
    headers = [*ATTACHED[attached], *FOREIGN[page], (b"content-type", b"application/json")]
    answer = await send(app_of(), "POST", "/graphql", headers, body)
    assert (answer.status, answer.problem["code"], RAN) == (403, "cross_origin", [])


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("page", OWN)
async def test_the_apps_own_pages_act(page: str, attached: str) -> None:
    app = app_of()
    headers = [*ATTACHED[attached], *OWN[page]]
    for method in UNSAFE:
        answer = await send(app, method, "/act", headers)
        assert answer.status == 200
        assert vary(answer) == {"Authorization", "Cookie", "Origin", "Sec-Fetch-Site"}
    assert (await talk(app, "/shout", headers, host=HOST)).texts == ["hello"]
    body = json.dumps({"query": "mutation { act }"}).encode()
    answer = await send(app, "POST", "/graphql", [*headers, (b"content-type", b"application/json")], body)
    assert json.loads(answer.body) == {"data": {"act": "done"}}
    assert [*UNSAFE, "WEBSOCKET", "mutation"] == RAN


@pytest.mark.parametrize("page", FOREIGN)
async def test_reading_and_tokens_need_no_origin(page: str) -> None:
    app = app_of()
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = await send(app, method, "/act", [*COOKIE, *FOREIGN[page]])
        assert (answer.status, vary(answer)) == (200, {"Authorization", "Cookie"})
    token = bearer(VERIFIER.issue("jobs:write").reveal())
    for attached in ([], COOKIE):
        answer = await send(app, "POST", "/act", [*token, *attached, *FOREIGN[page]])
        assert (answer.status, vary(answer)) == (200, {"Authorization"})
    assert (await talk(app, "/shout", [*token, *COOKIE, *FOREIGN[page]], host=HOST)).accepted


@pytest.mark.parametrize("page", FOREIGN)
async def test_without_credentials_a_foreign_page_is_anonymous(page: str) -> None:
    app = app_of()
    answer = await send(app, "POST", "/optional", FOREIGN[page])
    assert (answer.status, answer.body, vary(answer)) == (200, b"null", {"Authorization", "Cookie"})
    answer = await send(app, "POST", "/act", FOREIGN[page])
    assert (answer.status, vary(answer)) == (401, {"Authorization", "Cookie"})


async def test_an_app_that_asks_by_itself_gets_the_refusal() -> None:
    answer = await send(app_of(), "POST", "/public", [*COOKIE, *FOREIGN["another site"]])
    assert json.loads(answer.body) == "Rejected"
    answer = await send(app_of(), "POST", "/public", [*COOKIE, *OWN["our origin"]])
    assert json.loads(answer.body) == "Authenticated"


async def test_an_observer_hears_why() -> None:
    heard: list[AuthenticationResult] = []
    app = app_of(on_result=lambda _, outcome: heard.append(outcome))
    await send(app, "POST", "/act", [*COOKIE, *FOREIGN["another site"]])
    assert heard == [Rejected(Reason.CROSS_ORIGIN)]


async def test_over_tls_a_page_without_it_is_foreign() -> None:
    for origin, status in ((b"https://api.example", 200), (b"http://api.example", 403)):
        answer = await send(app_of(), "POST", "/act", [*COOKIE, (b"origin", origin)], scheme="https")
        assert answer.status == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("api.example:80", b"http://api.example", 200),
        ("api.example:443", b"https://api.example", 200),
        ("api.example:80", b"https://api.example", 403),
        ("api.example:8000", b"http://api.example:8000", 200),
        ("api.example:8000", b"http://api.example", 403),
        ("[::1]:8000", b"http://[::1]:8000", 200),
        ("", b"http://", 403),
    ],
)
async def test_ports_that_are_usual_are_left_out(host: str, origin: bytes, status: int) -> None:
    answer = await send(app_of(), "POST", "/act", [*COOKIE, (b"origin", origin)], host=host)
    assert answer.status == status


@pytest.mark.parametrize("fetch_site", [None, b"same-site", b"cross-site"])
async def test_other_origins_act_where_they_are_named(fetch_site: bytes | None) -> None:
    app = app_of(allowed_origins=["https://App.example", "http://localhost:3000"])
    site = [] if fetch_site is None else [(b"sec-fetch-site", fetch_site)]
    for origin, status in (
        (b"https://app.example", 200),
        (b"HTTPS://APP.EXAMPLE", 200),
        (b"http://localhost:3000", 200),
        (b"http://localhost:3001", 403),
        (b"http://app.example", 403),
        (b"https://evil.app.example", 403),
    ):
        headers = [*COOKIE, (b"origin", origin), *site]
        assert (await send(app, "POST", "/act", headers)).status == status
        assert (await talk(app, "/shout", headers, host=HOST)).accepted == (status == 200)


class Override:
    """A middleware that takes the method from the query string, as some frameworks do."""

    def __init__(self, app: ASGIApp, how: str) -> None:
        self.app = app
        self.how = how

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("query_string", b"").decode()
        if method and self.how == "in place":
            scope["method"] = method
        elif method and self.how == "on a copy":
            scope = {**scope, "method": method}
        elif method:  # after the request has been admitted as what it was sent as
            await auth_of(scope).authorize(requires("jobs:write"), scope)
            scope = {**scope, "method": method}
        await self.app(scope, receive, send)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("attached", [*ATTACHED, "cookie of ours"])
@pytest.mark.parametrize("how", ["in place", "on a copy", "on a copy, later"])
async def test_a_method_that_is_overridden_counts_as_what_it_becomes(how: str, attached: str, cached: bool) -> None:
    async def read(secret: Secret) -> Reading:
        return Reading(await VERIFIER.verify(secret), 60.0)

    ours = VERIFIER.issue("jobs:write").reveal()
    sent = ATTACHED.get(attached) or [(b"cookie", f"api_key={ours}".encode())]
    app = app_of(
        credentials=[bearer_source(), cookie("api_key")], verifier=CachedVerifier(read) if cached else VERIFIER
    )
    app.add_middleware(Override, how=how)
    app.user_middleware.reverse()  # inside of TokenMiddleware
    assert (await send(app, "GET", "/act", sent)).status == 200
    RAN.clear()
    for path in ("/act", "/optional", "/inner/act"):
        answer = await send(app, "GET", path, [*sent, *FOREIGN["another site"]], query=b"DELETE")
        assert (answer.status, answer.problem["code"]) == (403, "cross_origin")
        assert "Origin" in vary(answer)
    assert RAN == []
    assert (await send(app, "GET", "/act", [*sent, *OWN["our origin"]], query=b"DELETE")).status == 200
    explicit = [*bearer(ours), *FOREIGN["another site"]]
    assert (await send(app, "GET", "/act", explicit, query=b"DELETE")).status == 200
    assert (await send(app, "GET", "/optional", FOREIGN["another site"], query=b"DELETE")).status == 200
    assert RAN == ["DELETE"] * 3


async def test_the_check_can_be_turned_off() -> None:
    app = app_of(allowed_origins=None)
    answer = await send(app, "POST", "/act", [*COOKIE, *FOREIGN["another site"]])
    assert (answer.status, vary(answer)) == (200, {"Authorization", "Cookie"})


async def test_what_a_fallback_refuses_stays_refused() -> None:
    async def stale(_: HTTPConnection) -> AuthenticationResult:
        return Rejected(Reason.EXPIRED)

    for page in (FOREIGN["another site"], OWN["our origin"]):
        answer = await send(app_of(fallback_authenticator=stale), "POST", "/act", [*COOKIE, *page])
        assert (answer.status, vary(answer)) == (401, {"Authorization", "Cookie"})
