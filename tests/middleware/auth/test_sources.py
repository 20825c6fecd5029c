"""Tokens from headers and cookies that the app names: every way to send one, well or badly."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from http.cookies import SimpleCookie
from typing import Any

import pytest
import strawberry
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import Limit, MemoryLimiter, RateLimiting, RefusalFlood, TokenMiddleware, optional, public, requires
from spacekey.credentials import bearer, cookie, header
from spacekey.domain.authentication import AuthenticationResult, Reason, Rejected
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.middleware.auth.credentials import BEARER_ALONE, Credentials, Malformed, Source
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.middleware.limits.anonymous import AnonymousBudget, AnonymousWork
from spacekey.middleware.testing import issue_token
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import Answer, call, http_scope, talk
from support.asgi_calls import bearer as authorization

VERIFIER = MemoryVerifier()
GOOD = VERIFIER.issue("jobs:read").reveal()
OTHER = VERIFIER.issue("jobs:read").reveal()
UNKNOWN = MemoryVerifier().issue("jobs:read").reveal()
T, O = GOOD.encode(), OTHER.encode()  # noqa: E741
ALL: list[Source] = [bearer(), header("X-API-Key"), cookie("api_key")]
NAMED = [header("X-API-Key"), cookie("api_key")]
HOW = "as 'Authorization: Bearer <token>', in the X-API-Key header or in the cookie api_key"


@requires("jobs:read")
async def jobs(request: Request) -> Response:
    return PlainTextResponse(str(request.user.identity))


@public
async def health(request: Request) -> Response:
    return PlainTextResponse(str(request.user.is_authenticated))


@optional
async def home(request: Request) -> Response:
    return PlainTextResponse(str(request.user.is_authenticated))


@requires("jobs:read")
async def feed(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(",".join(websocket.scope["subprotocols"]))
    await websocket.close()


METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


async def _read(secret: Secret) -> Reading:
    return Reading(await VERIFIER.verify(secret), 60.0)


def app_of(sources: Any = ALL, **settings: Any) -> Starlette:
    settings = {"verifier": VERIFIER, "realm": "jobs", "credentials": sources, **settings}
    return Starlette(
        routes=[
            Route("/jobs", jobs, methods=METHODS),
            Route("/health", health, methods=METHODS),
            Route("/home", home, methods=METHODS),
            WebSocketRoute("/feed", feed),
        ],
        middleware=[Middleware(TokenMiddleware, **settings)],
    )


APP, CACHED = app_of(), app_of(verifier=CachedVerifier(_read))
"""The same app, the second with a cache, whose tokens are known without waiting."""


def key(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"x-api-key", value) for value in values]


def cookies(*lines: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", line) for line in lines]


ABSENT = None
"""401 without an error code: the request has no token."""

SENT: dict[str, tuple[list[tuple[bytes, bytes]], int | None]] = {
    "nothing": ([], ABSENT),
    "Authorization": (authorization(GOOD), 200),
    "header": (key(T), 200),
    "header with blanks around": (key(b" \t" + T + b"\t "), 200),
    "header, unknown": (key(UNKNOWN.encode()), 401),
    "header, wrong checksum": (key(T[:-1] + (b"0" if T[-1:] != b"0" else b"1")), 401),
    "header, no shape of ours": (key(b"a.b.c"), 401),
    "header, one letter": (key(b"x"), 401),
    "header, letter case": (key(T.swapcase()), 401),
    "header, empty": (key(b""), 400),
    "header, blank": (key(b"   "), 400),
    "header, with a scheme": (key(b"Bearer " + T), 400),
    "header twice": (key(T, O), 400),
    "header twice, the same": (key(T, T), 400),
    "header twice, one empty": (key(T, b""), 400),
    "header, folded into one line": (key(T + b", " + O), 400),
    "header, folded without a blank": (key(T + b"," + O), 400),
    "header, an empty one folded in": (key(b"," + T), 400),
    "header, obsolete line folding": (key(T + b"\r\n " + O), 400),
    "header, line feed": (key(T + b"\n"), 400),
    "header, NUL": (key(T + b"\x00"), 400),
    "header, quoted": (key(b'"' + T + b'"'), 400),
    "header, percent-encoded": (key(T.replace(b"_", b"%5F")), 400),
    "header, UTF-8": (key("schlüssel".encode()), 400),
    "header, Latin-1": (key("schlüssel".encode("latin-1")), 400),
    "header, UTF-16": (key(GOOD.encode("utf-16")), 400),
    "header, 64 KB": (key(b"a" * 65_536), 400),
    "header, 16 KB": (key(b"a" * 16_384), 401),
    "header with underscores": ([(b"x_api_key", T)], ABSENT),
    "a longer header name": ([(b"x-api-key-2", T)], ABSENT),
    "a shorter header name": ([(b"api-key", T)], ABSENT),
    "cookie": (cookies(b"api_key=" + T), 200),
    "cookie among others": (cookies(b"a=b; session=1; api_key=" + T + b"; z"), 200),
    "cookie without blanks": (cookies(b"a=b;api_key=" + T + b";z=1"), 200),
    "cookie with blanks": (cookies(b"a=b ;  api_key = " + T + b" "), 200),
    "cookies in several lines": (cookies(b"a=b", b"api_key=" + T, b"c=d"), 200),
    "cookie in quotes": (cookies(b'api_key="' + T + b'"'), 200),
    "cookie, an opening quote": (cookies(b'api_key="' + T), 400),
    "cookie, a closing quote": (cookies(b"api_key=" + T + b'"'), 400),
    "cookie in two pairs of quotes": (cookies(b'api_key=""' + T + b'""'), 400),
    "cookie with an escape": (cookies(b'api_key="' + T[:-1] + b"\\" + T[-1:] + b'"'), 400),
    "cookie, quotes around a semicolon": (cookies(b'api_key="' + T + b';"'), 400),
    "cookie, quotes alone": (cookies(b'api_key="'), 400),
    "cookie, empty": (cookies(b"api_key="), ABSENT),
    "cookie, empty quotes": (cookies(b'api_key=""'), ABSENT),
    "cookie without a value": (cookies(b"api_key"), ABSENT),
    "cookie twice": (cookies(b"api_key=" + T + b"; api_key=" + O), 400),
    "cookie twice, the same": (cookies(b"api_key=" + T + b"; api_key=" + T), 400),
    "cookie twice in two lines": (cookies(b"api_key=" + T, b"api_key=" + O), 400),
    "cookie twice, one empty": (cookies(b"api_key=; api_key=" + T), 400),
    "cookie twice, one without a value": (cookies(b"api_key; api_key=" + T), 400),
    "cookies in a comma's list": (cookies(b"api_key=" + T + b", api_key=" + O), 400),
    "cookie, percent-encoded": (cookies(b"api_key=" + T.replace(b"_", b"%5F")), 400),
    "cookie, unknown": (cookies(b"api_key=" + UNKNOWN.encode()), 401),
    "cookie, no shape of ours": (cookies(b"api_key=abc"), 401),
    "cookie, 64 KB": (cookies(b"api_key=" + b"a" * 65_536), 400),
    "cookie, UTF-8": (cookies("api_key=schlüssel".encode()), 400),
    "cookie's name in capitals": (cookies(b"API_KEY=" + T), ABSENT),
    "cookie's name in quotes": (cookies(b'"api_key"=' + T), ABSENT),
    "cookie's name percent-encoded": (cookies(b"api%5Fkey=" + T), ABSENT),
    "a longer cookie name": (cookies(b"my_api_key=" + T), ABSENT),
    "a cookie's value like our name": (cookies(b"a=api_key=" + T), ABSENT),
    "the app's own session": (cookies(b"session=" + T), ABSENT),
    "the app's own session besides": ([*cookies(b"session=ada"), *key(T)], 200),
    "an empty cookie besides": ([*cookies(b"api_key="), *key(T)], 200),
    "Set-Cookie in a request": ([(b"set-cookie", b"api_key=" + T)], ABSENT),
    "another scheme besides": ([(b"authorization", b"Basic dTpw"), *key(T)], 200),
    "header and Authorization": ([*authorization(OTHER), *key(T)], 400),
    "the same in header and Authorization": ([*authorization(GOOD), *key(T)], 400),
    "header and cookie": ([*key(T), *cookies(b"api_key=" + O)], 400),
    "the same in header and cookie": ([*key(T), *cookies(b"api_key=" + T)], 400),
    "Authorization and cookie": ([*authorization(GOOD), *cookies(b"api_key=" + O)], 400),
    "all three": ([*authorization(GOOD), *key(T), *cookies(b"api_key=" + T)], 400),
    "a bad Authorization and header": ([(b"authorization", b"Bearer"), *key(T)], 400),
    "a JSON Web Token and header": ([*authorization("a.b.c"), *key(T)], 400),
    "an empty header and Authorization": ([*authorization(GOOD), *key(b"")], 400),
    "a bad cookie and header": ([*cookies(b"api_key=a b"), *key(T)], 400),
    "header in capitals of another source": ([(b"X-API-KEY".lower(), T)], 200),
}


@pytest.mark.parametrize("app", [APP, CACHED], ids=["no cache", "cache"])
@pytest.mark.parametrize("name", SENT)
async def test_each_way_to_send_a_token_has_its_one_answer(name: str, app: Starlette) -> None:
    headers, status = SENT[name]
    for known in (authorization(GOOD), key(T), cookies(b"api_key=" + T)):
        assert (await call(app, "GET", "/jobs", known)).status == 200
    answer = await call(app, "GET", "/jobs", headers)
    assert answer.status == (401 if status is ABSENT else status)
    assert answer.headers["vary"] == "Authorization, X-API-Key, Cookie"
    if answer.status != 200:
        assert GOOD not in answer.body.decode()
        assert answer.problem["code"] == {400: "invalid_request", 401: "invalid_token", None: "unauthenticated"}[status]
    if status == 400:
        assert answer.problem["detail"] == f"Send one token, {HOW}."
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    if status is ABSENT:
        assert answer.problem["detail"] == (
            "This needs a token in the Authorization header, the X-API-Key header or the cookie api_key."
        )


@pytest.mark.parametrize("name", SENT)
async def test_a_public_route_reads_no_source(name: str) -> None:
    answer = await call(APP, "GET", "/health", SENT[name][0])
    assert (answer.status, answer.body) == (200, b"False")
    assert "vary" not in answer.headers


@pytest.mark.parametrize("name", SENT)
async def test_by_default_the_authorization_header_is_read_alone(name: str) -> None:
    """Other headers and cookies neither admit a caller nor refuse one."""
    default = app_of(None)
    headers = SENT[name][0]
    alone = [pair for pair in headers if pair[0] == b"authorization"]
    answers = [await call(default, "GET", "/jobs", sent) for sent in (headers, alone)]
    assert [(each.status, each.headers, each.body) for each in answers[:1]] == [
        (each.status, each.headers, each.body) for each in answers[1:]
    ]


@pytest.mark.parametrize("name", ["access_token", "api_key", "X-API-Key", "x-api-key", "token"])
@pytest.mark.parametrize("app", [APP, CACHED], ids=["no cache", "cache"])
async def test_no_token_is_read_from_the_query_string(name: str, app: Starlette) -> None:
    query = name.encode() + b"=" + T
    assert (await call(app, "GET", "/jobs", [], query)).problem["code"] == "unauthenticated"
    two = query.startswith(b"access_token")
    for headers in (authorization(GOOD), key(T), cookies(b"api_key=" + T)):
        assert (await call(app, "GET", "/jobs", headers, query)).status == (400 if two else 200)


PAGES: dict[str, tuple[list[tuple[bytes, bytes]], bool]] = {
    "nothing": ([], False),
    "another site": ([(b"origin", b"https://evil.example")], False),
    "cross-site": ([(b"sec-fetch-site", b"cross-site")], False),
    "same-site": ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://a.testserver")], False),
    "a sandboxed page": ([(b"origin", b"null")], False),
    "two origins": ([(b"origin", b"http://testserver"), (b"origin", b"https://evil.example")], False),
    "its own": ([(b"origin", b"http://testserver")], True),
    "same-origin": ([(b"sec-fetch-site", b"same-origin")], True),
    "an allowed one": ([(b"origin", b"https://app.example.com"), (b"sec-fetch-site", b"cross-site")], True),
}


@pytest.mark.parametrize("path", ["/jobs", "/home"])
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("cached", [False, True], ids=["no cache", "cache"])
async def test_a_cookies_token_changes_something_for_allowed_pages_alone(page: str, path: str, cached: bool) -> None:
    verifier = CachedVerifier(_read) if cached else VERIFIER
    app = app_of(verifier=verifier, allowed_origins=["https://app.example.com"])
    headers, may = PAGES[page]
    sent = [*cookies(b"api_key=" + T), *headers]
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = await call(app, method, path, sent)
        assert (answer.status, answer.headers["vary"]) == (200, "Authorization, X-API-Key, Cookie")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await call(app, method, path, sent)
        assert answer.status == (200 if may else 403)
        assert may or answer.problem["code"] == "cross_origin"
        assert answer.headers["vary"] == "Authorization, X-API-Key, Cookie, Origin, Sec-Fetch-Site"
        assert (await call(app, method, path, [*key(T), *headers])).status == 200
    for times in range(2):
        talked = await talk(app, "/feed", sent, denial_response=bool(times))
        assert talked.accepted == may
        assert may or talked.denied_with == (403 if times else 4403)


async def test_a_foreign_page_costs_no_look_at_the_store() -> None:
    asked: list[Secret] = []

    class Asked(MemoryVerifier):
        async def verify(self, secret: Secret) -> Any:
            asked.append(secret)
            return await VERIFIER.verify(secret)

    seen: list[AuthenticationResult] = []
    app = app_of(verifier=Asked(), on_result=lambda _, result: seen.append(result))
    await call(app, "POST", "/jobs", cookies(b"api_key=" + T))
    assert (asked, seen) == ([], [Rejected(Reason.CROSS_ORIGIN)])


@pytest.mark.parametrize("sources", [ALL, NAMED, [header("X-API-Key")]], ids=["all", "named", "header"])
async def test_sockets_may_send_the_pair_in_the_place_of_a_header(sources: Any) -> None:
    talked = await talk(app_of(sources), "/feed", subprotocols=["spacekey.bearer", GOOD, "own"])
    assert (talked.subprotocol, talked.texts) == ("spacekey.bearer", ["own"])
    talked = await talk(app_of(sources), "/feed", key(T), subprotocols=["own"])
    assert talked.texts == ["own"]
    assert (await talk(app_of(sources), "/feed", key(T), subprotocols=["spacekey.bearer", GOOD])).denied_with == 4400


async def test_an_app_of_cookies_leaves_subprotocols_alone() -> None:
    app = app_of([cookie("api_key")])
    assert (await talk(app, "/feed", subprotocols=["spacekey.bearer", GOOD])).denied_with == 4401
    own = [*cookies(b"api_key=" + T), (b"origin", b"http://testserver")]
    talked = await talk(app, "/feed", own, subprotocols=["spacekey.bearer", "own"])
    assert (talked.subprotocol, talked.texts) == (None, ["spacekey.bearer,own"])


async def test_without_bearer_the_challenge_and_the_words_are_the_apps_own() -> None:
    app = app_of([header("X-API-Key")], challenge={"resource_metadata": "https://a.example"})
    answer = await call(app, "GET", "/jobs", authorization(GOOD))
    assert answer.headers["www-authenticate"] == 'ApiKey realm="jobs", resource_metadata="https://a.example"'
    assert answer.problem["detail"] == "This needs a token in the X-API-Key header."
    assert answer.headers["vary"] == "X-API-Key"
    answer = await call(app, "GET", "/jobs", key(UNKNOWN.encode()))
    assert answer.headers["www-authenticate"].startswith('ApiKey realm="jobs", error="invalid_token"')
    without_scheme = await call(app, "GET", "/jobs", [(b"authorization", T)])
    assert without_scheme.problem["detail"] == "This needs a token in the X-API-Key header."


async def test_on_refusal_sees_what_the_client_would() -> None:
    seen: list[tuple[int, str, str]] = []

    def refusal(_: HTTPConnection, problem: Any) -> Response:
        seen.append((problem.status_code, problem.code, problem.headers["www-authenticate"]))
        return JSONResponse({"error": problem.code}, problem.status_code)

    app = app_of([header("X-API-Key"), cookie("api_key")], on_refusal=refusal)
    answer = await call(app, "GET", "/jobs", [*key(T), *cookies(b"api_key=" + T)])
    assert (answer.status, json.loads(answer.body)) == (400, {"error": "invalid_request"})
    assert answer.headers["vary"] == "X-API-Key, Cookie"
    assert seen[0][:2] == (400, "invalid_request")
    assert seen[0][2] == answer.headers["www-authenticate"]


@pytest.mark.parametrize("source", ["header", "cookie"])
async def test_a_flood_of_made_up_secrets_is_bounded_in_every_source(source: str) -> None:
    flood = RefusalFlood(Limit(per_minute=3, burst=3))
    app = app_of(limits=RateLimiting(MemoryLimiter(), flood=flood))
    made_up = [MemoryVerifier().issue("jobs:read").reveal().encode() for _ in range(4)]
    sent = [key(each) if source == "header" else cookies(b"api_key=" + each) for each in made_up]
    statuses = [(await call(app, "GET", "/jobs", each)).status for each in sent]
    assert statuses == [401, 401, 401, 429]
    assert (await call(app, "GET", "/jobs", authorization(UNKNOWN))).status == 429


@pytest.mark.parametrize("source", ["header", "cookie"])
async def test_limits_are_charged_once_to_the_token_whatever_its_source(source: str) -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:read", rate_limit=Limit(60, 3)).reveal().encode()
    app = app_of(verifier=verifier, limits=MemoryLimiter())
    sent = key(secret) if source == "header" else cookies(b"api_key=" + secret)
    answers: list[Answer] = [
        await call(app, "GET", "/jobs", sent),
        await call(app, "GET", "/jobs", authorization(secret.decode())),
        await call(app, "GET", "/jobs", sent),
        await call(app, "GET", "/jobs", sent),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit"].startswith('"default";r=2')


WRONG: dict[str, tuple[Any, str]] = {
    "a string": ("bearer", "write a list"),
    "nothing": ([], "write a list"),
    "no list": (bearer(), "write a list"),
    "a name": (["X-API-Key"], "is no source"),
    "the function itself": ([bearer], "is no source"),
    "something for query strings": ([object()], "never read from a query string"),
    "the same twice": ([bearer(), bearer()], "named twice"),
    "the same header twice": ([header("X-API-Key"), header("x-api-key")], "named twice"),
    "the same cookie twice": ([cookie("a"), cookie("a")], "named twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_list_says_what_to_write(name: str) -> None:
    sources, message = WRONG[name]
    with pytest.raises(ConfigurationError, match=message):
        TokenMiddleware(Starlette(), VERIFIER, credentials=sources)


@pytest.mark.parametrize(
    "name", ["", "X API Key", "X-API-Key:", "schlüssel", "a\n", 'a"', "a=b", "a;b", "a,b", 7, None]
)
def test_a_name_that_cannot_be_is_refused(name: Any) -> None:
    for make in (header, cookie):
        with pytest.raises(ConfigurationError, match="write a"):
            make(name)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Authorization", "write bearer"),
        ("authorization", "write bearer"),
        ("Cookie", "write cookie"),
        ("Proxy-Authorization", "for proxies"),
        ("Sec-WebSocket-Protocol", "without being named"),
    ],
)
def test_a_header_with_a_form_of_its_own_is_refused(name: str, instead: str) -> None:
    with pytest.raises(ConfigurationError, match=instead):
        header(name)


def test_a_cookie_needs_the_check_of_origins() -> None:
    with pytest.raises(ConfigurationError, match="allowed_origins"):
        TokenMiddleware(Starlette(), VERIFIER, credentials=[cookie("api_key")], allowed_origins=None)


@pytest.mark.parametrize("source", [bearer(), header("X-API-Key"), cookie("api_key")], ids=str)
async def test_the_testing_helper_sends_the_token_as_the_app_reads_it(source: Any) -> None:
    app = app_of([source])
    with issue_token(app, scopes=["jobs:read"]) as token:
        sent = [(name.lower().encode(), value.encode()) for name, value in token.headers.items()]
        for method in ("GET", "POST", "DELETE"):
            assert (await call(app, method, "/jobs", sent)).status == 200
        assert (await talk(app, "/feed", sent)).accepted


async def test_a_named_header_is_no_anonymous_work() -> None:
    budget = AnonymousBudget(Limit(per_minute=1, burst=1), pause_seconds=0.0)
    app = AnonymousWork(app_of(), budget, credential_headers=["X-API-Key"], cpu_clock=iter(range(10_000)).__next__)
    await call(app, "GET", "/home")
    assert (await call(app, "GET", "/home")).status == 429
    assert (await call(app, "GET", "/jobs", key(T))).status == 200


names = st.sampled_from([b"authorization", b"x-api-key", b"cookie", b"x-api-keys", b"accept"])
pieces = st.sampled_from(
    [
        T,
        O,
        b"Bearer ",
        b"bearer ",
        b"api_key=",
        b"; ",
        b";",
        b", ",
        b'"',
        b" ",
        b"=",
        b"\t",
        b"",
        b"\x00",
        b"\xff",
        b"a=b",
    ]
)
lines = st.lists(st.tuples(names, st.lists(pieces, max_size=5).map(b"".join)), max_size=4)


@given(lines)
def test_at_most_one_token_is_ever_read_and_it_stands_in_the_request(sent: list[tuple[bytes, bytes]]) -> None:
    """Whatever is sent: nothing, a refusal, or a whole word of one line; plain() reads what read() does."""
    scope = http_scope("GET", "/", sent)
    credentials = Credentials(ALL)
    found = credentials.read(scope)
    plain = credentials.plain(scope)
    assert plain == (found.bearer() if isinstance(found, Secret) else None)
    if isinstance(found, Secret):
        words = found.reveal().encode()
        holders = [value for _, value in sent if words in value]
        assert holders
        claims = [
            name
            for name, value in sent
            if name == b"x-api-key"
            or (name == b"authorization" and value.strip(b" \t").lower().startswith(b"bearer"))
            or (name == b"cookie" and _has_value(value))
        ]
        assert len(claims) == 1
    assert found is None or isinstance(found, Secret | Malformed)


def _has_value(line: bytes) -> bool:
    pairs = [pair.partition(b"=") for pair in line.split(b";")]
    return any(name.strip(b" \t") == b"api_key" and value.strip(b' \t"') for name, _, value in pairs)


@given(lines)
def test_the_default_is_what_it_was(sent: list[tuple[bytes, bytes]]) -> None:
    """Without the argument, other headers and cookies change nothing."""
    alone = [pair for pair in sent if pair[0] == b"authorization"]
    assert repr(BEARER_ALONE.read(http_scope("GET", "/", sent))) == repr(
        BEARER_ALONE.read(http_scope("GET", "/", alone))
    )


@given(st.text("ABCabc123-._~+/", min_size=1).map(lambda text: text + "="))
def test_a_cookie_is_read_as_python_writes_it(value: str) -> None:
    jar: SimpleCookie = SimpleCookie()
    jar["api_key"] = value
    line = jar.output(header="").strip().encode()
    found = Credentials([cookie("api_key")]).read(http_scope("GET", "/", cookies(line)))
    assert isinstance(found, Secret)
    assert found.reveal() == value


# --- GraphQL over WebSockets


@pytest.mark.parametrize("source", [bearer(), header("X-API-Key"), cookie("api_key")], ids=str)
async def test_the_testing_helper_fills_connection_init(source: Any) -> None:
    app = graphql(credentials=[source])
    with issue_token(app, scopes=["jobs:read"]) as token:
        says = [
            json.dumps({"type": "connection_init", "payload": token.connection_params}),
            json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription { events }"}}),
        ]
        handshake = [(name.lower().encode(), value.encode()) for name, value in token.headers.items()]
        sent = [] if token.connection_params else handshake
        talked = await talk(app, "/graphql", sent, subprotocols=["graphql-transport-ws"], says=says)
    assert any('"events"' in text for text in talked.texts)


@strawberry.type
class Query:
    ok: str = "ok"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read")])
    async def events(self) -> AsyncGenerator[int, None]:
        yield 1


def graphql(**settings: Any) -> Starlette:
    schema = ScopedSchema(Query, subscription=Subscription, scopes=ScopeEnforcement(public=["Query.ok"]))
    app = ScopedGraphQL(schema)
    return Starlette(
        routes=[WebSocketRoute("/graphql", optional(app))],
        middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, **settings)],
    )


PAYLOADS: dict[str, tuple[Any, Any, str]] = {
    "graphql-ws": (ALL, {"Authorization": f"Bearer {GOOD}"}, "data"),
    "small letters": (ALL, {"authorization": f"bearer {GOOD}"}, "data"),
    "Apollo's authToken": (ALL, {"authToken": GOOD}, "data"),
    "GraphiQL's headers of the request": (ALL, {"X-API-Key": GOOD, "Accept": "*/*"}, "data"),
    "the header in small letters": (ALL, {"x-api-key": GOOD}, "data"),
    "headers in an object": (ALL, {"headers": {"Authorization": f"Bearer {GOOD}"}}, "data"),
    "the app's header in an object": (ALL, {"headers": {"x-api-key": GOOD}}, "data"),
    "headers of others in an object": (ALL, {"headers": {"accept": "*/*"}, "X-API-Key": GOOD}, "data"),
    "headers that are no object": (ALL, {"headers": "x-api-key", "X-API-Key": GOOD}, "data"),
    "nothing": (ALL, {}, "UNAUTHENTICATED"),
    "a cookie's name": (ALL, {"api_key": GOOD}, "UNAUTHENTICATED"),
    "cookies": (ALL, {"headers": {"cookie": f"api_key={GOOD}"}}, "UNAUTHENTICATED"),
    "deeper": (ALL, {"headers": {"headers": {"x-api-key": GOOD}}}, "UNAUTHENTICATED"),
    "a query string's name": (ALL, {"access_token": GOOD}, "UNAUTHENTICATED"),
    "without the source": ([header("X-API-Key")], {"Authorization": f"Bearer {GOOD}"}, "UNAUTHENTICATED"),
    "authToken without the source": ([header("X-API-Key")], {"authToken": GOOD}, "UNAUTHENTICATED"),
    "the header without the source": (None, {"X-API-Key": GOOD}, "UNAUTHENTICATED"),
    "of an app of cookies": ([cookie("api_key")], {"Authorization": f"Bearer {GOOD}"}, "UNAUTHENTICATED"),
    "two": (ALL, {"Authorization": f"Bearer {GOOD}", "X-API-Key": GOOD}, "4400"),
    "two in an object": (ALL, {"headers": {"Authorization": f"Bearer {GOOD}"}, "X-API-Key": GOOD}, "4400"),
    "twice, in and beside the object": (ALL, {"X-API-Key": GOOD, "headers": {"X-API-Key": GOOD}}, "4400"),
    "two cases of a name": (ALL, {"X-API-Key": GOOD, "x-api-key": GOOD}, "4400"),
    "two objects": (ALL, {"headers": {"x-api-key": GOOD}, "Headers": {"x-api-key": GOOD}}, "4400"),
    "authToken besides": (ALL, {"authToken": GOOD, "Authorization": f"Bearer {GOOD}"}, "4400"),
    "a scheme in the header": (ALL, {"X-API-Key": f"Bearer {GOOD}"}, "4400"),
    "another scheme": (ALL, {"Authorization": f"Basic {GOOD}"}, "4400"),
    "empty": (ALL, {"X-API-Key": ""}, "4400"),
    "null": (ALL, {"X-API-Key": None}, "4400"),
    "a list": (ALL, {"X-API-Key": [GOOD]}, "4400"),
    "a number": (ALL, {"authToken": 7}, "4400"),
    "huge": (ALL, {"X-API-Key": "a" * 65_536}, "4400"),
    "beyond ASCII": (ALL, {"X-API-Key": "schlüssel"}, "4400"),
    "a line feed": (ALL, {"X-API-Key": GOOD + "\n"}, "4400"),
    "unknown": (ALL, {"X-API-Key": UNKNOWN}, "4403"),
}


@pytest.mark.parametrize("name", PAYLOADS)
async def test_connection_init_has_the_names_that_clients_send(name: str) -> None:
    sources, payload, expected = PAYLOADS[name]
    says = [
        json.dumps({"type": "connection_init", "payload": payload}),
        json.dumps({"type": "subscribe", "id": "1", "payload": {"query": "subscription { events }"}}),
    ]
    settings = {} if sources is None else {"credentials": sources}
    talked = await talk(graphql(**settings), "/graphql", subprotocols=["graphql-transport-ws"], says=says)
    if expected.isdigit():
        assert [message["code"] for message in talked.sent if message["type"] == "websocket.close"] == [int(expected)]
    else:
        assert any(expected in text for text in talked.texts)
        assert (expected == "data") == any('"events": 1' in text or '"events":1' in text for text in talked.texts)
