"""Tokens of the app's own go to its fallback authenticator; ours never do, whatever the verifier says of them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import strawberry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import Limit, MemoryLimiter, RateLimiting, RefusalFlood, TokenMiddleware, optional, requires
from spacekey.credentials import bearer, cookie, header
from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.key_format import KeyFormat, KeyFormats
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.asgi_calls import bearer as authorization
from support.asgi_calls import call, talk

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
ADA = Principal("usr_ada", Kind.MEMBER, frozenset({"jobs:read"}))
VERIFIER = MemoryVerifier()
OURS = VERIFIER.issue("jobs:read").reveal()
UNKNOWN = MemoryVerifier().issue("jobs:read").reveal()
IMPORTED = "acme_" + "a" * 40
FORMATS = KeyFormats([KeyFormat("acme", "acme_", "base62", 45, 45)])
ASKED: list[str] = []
OWN_PAGE = [(b"origin", b"http://testserver")]
FOREIGN_PAGE = [(b"origin", b"https://evil.example")]


async def own(connection: HTTPConnection) -> AuthenticationResult:
    """The app's own callers: a JSON Web Token, or a session cookie."""
    scheme, _, word = connection.headers.get("authorization", "").partition(" ")
    word = word if scheme.lower() == "bearer" else connection.headers.get("x-api-key", "")
    ASKED.append(word)
    connection.state.seen = True
    if word == "down":
        return Unavailable("the app's own")
    if word == JWT or connection.cookies.get("session") == "ada":
        return Authenticated(ADA)
    return Rejected(Reason.EXPIRED) if word == "old.jwt" else Anonymous()


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    ASKED.clear()


@requires("jobs:read")
async def jobs(request: Request) -> Response:
    return PlainTextResponse(request.user.id)


@optional
async def home(request: Request) -> Response:
    return PlainTextResponse(str(request.user.is_authenticated))


@requires("jobs:read")
async def feed(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"{websocket.user.id} {websocket.state.seen}")
    await websocket.close()


class WithFormats(MemoryVerifier):
    """Knows a format of imported keys, and none of its keys."""

    key_formats = FORMATS

    async def verify(self, secret: Secret) -> Any:
        if self.outage is None and self.key_formats.match(secret) is not None:
            return Rejected(Reason.UNKNOWN)
        return await VERIFIER.verify(secret) if self.outage is None else await super().verify(secret)


def app_of(verifier: Any = VERIFIER, **settings: Any) -> Starlette:
    settings = {"verifier": verifier, "fallback_authenticator": own, **settings}
    methods = ["GET", "POST"]
    routes = [Route("/jobs", jobs, methods=methods), Route("/home", home, methods=methods), WebSocketRoute("/f", feed)]
    return Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, **settings)])


async def _read(secret: Secret) -> Reading:
    return Reading(await VERIFIER.verify(secret), 60.0)


VERIFIERS: dict[str, Any] = {
    "in memory": VERIFIER,
    "cached": CachedVerifier(_read),
    "formats": WithFormats(),
    "chain": VerifierChain({"sk": VERIFIER}),
}


@pytest.mark.parametrize("path", ["/jobs", "/home"])
@pytest.mark.parametrize("name", VERIFIERS)
async def test_both_kinds_of_callers_come_in_and_each_is_asked_for_by_its_own(name: str, path: str) -> None:
    app = app_of(VERIFIERS[name])
    for times in range(2):
        assert (await call(app, "POST", path, authorization(OURS))).status == 200
        assert [JWT] * times == ASKED
        answer = await call(app, "POST", path, authorization(JWT))
        assert (answer.status, answer.body) == (200, b"usr_ada" if path == "/jobs" else b"True")
        assert answer.headers["vary"] == "Authorization, Cookie, Origin, Sec-Fetch-Site"


STAY: dict[str, str] = {
    "unknown": UNKNOWN,
    "mistyped": OURS[:-1] + ("0" if OURS[-1] != "0" else "1"),
    "of another prefix": "zz" + OURS[2:],
    "of a test environment": OURS.replace("_live_", "_test_"),
    "an imported format's": IMPORTED,
}


@pytest.mark.parametrize("cookies", [[], [(b"cookie", b"session=ada")]], ids=["alone", "with a session"])
@pytest.mark.parametrize("name", STAY)
async def test_what_has_a_shape_of_ours_never_goes_on(name: str, cookies: Any) -> None:
    app = app_of(WithFormats())
    for path in ("/jobs", "/home"):
        answer = await call(app, "GET", path, [*authorization(STAY[name]), *cookies])
        assert (answer.status, answer.problem["code"]) == (401, "invalid_token")
    assert ASKED == []


@pytest.mark.parametrize("name", ["valid", "unknown", "mistyped"])
async def test_cannot_tell_never_goes_on(name: str) -> None:
    text = OURS if name == "valid" else STAY[name]
    verifier = MemoryVerifier()
    verifier.outage = "down"
    answer = await call(app_of(verifier), "GET", "/jobs", authorization(text))
    assert (answer.status, ASKED) == (401 if name == "mistyped" else 503, [])

    class Broken(MemoryVerifier):
        async def verify(self, secret: Secret) -> Any:
            raise RuntimeError

    for word in (text, JWT):
        assert (await call(app_of(Broken()), "GET", "/jobs", authorization(word))).status == 503
    assert ASKED == []


@pytest.mark.parametrize("reason", [each for each in Reason if each not in (Reason.MALFORMED, Reason.CROSS_ORIGIN)])
async def test_no_refusal_but_that_of_the_shape_goes_on(reason: Reason) -> None:
    class Refuses(MemoryVerifier):
        async def verify(self, secret: Secret) -> Any:
            return Rejected(reason)

    assert (await call(app_of(Refuses()), "GET", "/jobs", authorization(JWT))).status == 401
    assert ASKED == []


@pytest.mark.parametrize(
    ("word", "status"), [("x.y.z", 401), ("old.jwt", 401), ("down", 503), ("a b", 400), ("", 400), ("a,b", 400)]
)
async def test_what_neither_knows_is_refused_and_admits_no_one_anonymously(word: str, status: int) -> None:
    for path in ("/jobs", "/home"):
        assert (await call(app_of(), "GET", path, authorization(word))).status == status
    assert (status == 400) == (ASKED == [])


async def test_without_a_fallback_it_is_an_invalid_token() -> None:
    answer = await call(app_of(fallback_authenticator=None), "GET", "/jobs", authorization(JWT))
    assert (answer.status, answer.problem["code"], ASKED) == (401, "invalid_token", [])


@pytest.mark.parametrize("source", ["header", "cookie"])
async def test_it_holds_in_every_source(source: str) -> None:
    app = app_of(credentials=[header("X-API-Key"), cookie("session")])
    name, words = (b"x-api-key", JWT) if source == "header" else (b"cookie", "session=ada")
    assert (await call(app, "GET", "/jobs", [(name, words.encode())])).body == b"usr_ada"
    assert (await call(app, "POST", "/jobs", [(name, words.encode())])).status == (200 if source == "header" else 403)
    both = [(b"x-api-key", JWT.encode()), (b"cookie", b"session=ada")]
    assert (await call(app, "GET", "/jobs", both)).status == 400


SESSION = [(b"cookie", b"session=ada")]


@pytest.mark.parametrize(
    ("cookies", "page", "status"),
    [
        ([], [], 200),
        (SESSION, [], 200),
        (SESSION, FOREIGN_PAGE, 403),
        ([], FOREIGN_PAGE, 200),
        (SESSION, OWN_PAGE, 200),
    ],
)
async def test_each_kind_has_a_header_of_its_own(cookies: Any, page: Any, status: int) -> None:
    """Ours is read from X-API-Key alone, and the app's own token needs no origin in Authorization."""
    app = app_of(credentials=[header("X-API-Key")])
    answer = await call(app, "POST", "/jobs", [*authorization(JWT), *cookies, *page])
    assert answer.status == status
    assert (await call(app, "POST", "/jobs", [(b"x-api-key", OURS.encode()), *cookies, *page])).body == b"key_1"
    both = [(b"x-api-key", OURS.encode()), *authorization(JWT)]
    assert (await call(app, "POST", "/jobs", both)).body == b"key_1"


@pytest.mark.parametrize(
    ("sent", "page", "status"),
    [
        ([], [], 200),
        ([], FOREIGN_PAGE, 200),
        ([], OWN_PAGE, 200),
        (SESSION, [], 200),
        (SESSION, OWN_PAGE, 200),
        (SESSION, FOREIGN_PAGE, 403),
        (SESSION, [(b"sec-fetch-site", b"cross-site")], 403),
        (SESSION, [(b"origin", b"null")], 403),
    ],
)
@pytest.mark.parametrize("word", [JWT, "x.y.z"])
async def test_a_foreign_page_cannot_use_a_session_by_sending_any_token_besides(
    word: str, sent: Any, page: Any, status: int
) -> None:
    """A page may write the token itself; the browser's cookie it may not use, whatever it writes."""
    headers = [*authorization(word), *sent, *page]
    for path in ("/jobs", "/home"):
        expected = status if word == JWT or sent else 401
        assert (await call(app_of(), "POST", path, headers)).status == expected


@pytest.mark.parametrize("page", [FOREIGN_PAGE, [(b"origin", b"null")], [(b"sec-fetch-site", b"cross-site")]])
@pytest.mark.parametrize("word", [JWT, "x.y.z"])
async def test_nor_in_a_sockets_subprotocols(word: str, page: Any) -> None:
    """No preflight comes before a WebSocket, and any page may offer subprotocols."""
    pair = ["spacekey.bearer", word]
    assert not (await talk(app_of(), "/f", [*SESSION, *page], subprotocols=pair)).accepted
    alone = await talk(app_of(), "/f", page, subprotocols=pair)
    assert alone.accepted == (word == JWT)


async def test_a_socket_brings_the_apps_own_token_in_the_pair() -> None:
    assert (await talk(app_of(), "/f", subprotocols=["spacekey.bearer", JWT])).texts == ["usr_ada True"]
    assert ASKED == [JWT]
    assert (await talk(app_of(), "/f", authorization(JWT))).texts == ["usr_ada True"]


async def test_made_up_tokens_are_bounded_and_the_apps_own_are_not() -> None:
    flood = RefusalFlood(Limit(per_minute=2, burst=2))
    app = app_of(limits=RateLimiting(MemoryLimiter(), flood=flood))
    for _ in range(5):
        assert (await call(app, "GET", "/jobs", authorization(JWT))).status == 200
    statuses = [(await call(app, "GET", "/jobs", authorization(f"x.y.{n}"))).status for n in range(3)]
    assert statuses == [401, 401, 429]
    assert (await call(app, "GET", "/jobs", authorization(JWT))).status == 200


@strawberry.type
class Query:
    ok: str = "ok"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read")])  # type: ignore[untyped-decorator]
    async def events(self) -> AsyncGenerator[int, None]:
        yield 1


@pytest.mark.parametrize("payload", [{"Authorization": f"Bearer {JWT}"}, {"authToken": JWT}, {"X-API-Key": JWT}])
@pytest.mark.parametrize(("cookies", "accepted"), [([], True), ([*SESSION, *FOREIGN_PAGE], False)])
async def test_connection_init_brings_it_too(payload: dict[str, str], cookies: Any, accepted: bool) -> None:
    schema = ScopedSchema(Query, subscription=Subscription, scopes=ScopeEnforcement(public=["Query.ok"]))
    app = Starlette(
        routes=[WebSocketRoute("/graphql", optional(ScopedGraphQL(schema)))],
        middleware=[
            Middleware(
                TokenMiddleware,
                verifier=VERIFIER,
                fallback_authenticator=own,
                credentials=[bearer(), header("X-API-Key")],
            )
        ],
    )
    says = [
        json.dumps({"type": "connection_init", "payload": payload}),
        json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription { events }"}}),
    ]
    talked = await talk(app, "/graphql", cookies, subprotocols=["graphql-transport-ws"], says=says)
    assert any('"events"' in text for text in talked.texts) == accepted
