"""Every way a token can be sent, well or badly, and what each is answered with."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, public, requires
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, talk

VERIFIER = MemoryVerifier()
GOOD = VERIFIER.issue("jobs:read").reveal()
OTHER = VERIFIER.issue("jobs:read").reveal()
UNKNOWN = MemoryVerifier().issue("jobs:read").reveal()
T = GOOD.encode()

ABSENT = 'Bearer realm="jobs"'
INVALID_TOKEN = 'Bearer realm="jobs", error="invalid_token", error_description="The token is not valid."'
INVALID_REQUEST = (
    'Bearer realm="jobs", error="invalid_request", '
    "error_description=\"Send one token, as 'Authorization: Bearer <token>'.\""
)
CHALLENGES = {200: None, 400: INVALID_REQUEST, 401: INVALID_TOKEN}


@requires("jobs:read")
async def jobs(request: Request) -> Response:
    """The protected endpoint."""
    return PlainTextResponse(str(request.user.identity))


@public
async def health(request: Request) -> Response:
    """The public one."""
    return PlainTextResponse(str(request.user.is_authenticated))


@requires("jobs:read")
async def feed(websocket: WebSocket) -> None:
    """The protected WebSocket."""
    await websocket.accept()
    await websocket.close()


APP = Starlette(
    routes=[Route("/jobs", jobs), Route("/health", health), WebSocketRoute("/feed", feed)],
    middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, realm="jobs")],
)


async def _read(secret: Secret) -> Reading:
    return Reading(await VERIFIER.verify(secret), 60.0)


# what is sent in Authorization headers → status; a 401 without an error code is written as None
HEADERS: list[tuple[str, list[bytes], int | None]] = [
    ("no header", [], None),
    ("as it should be", [b"Bearer " + T], 200),
    ("scheme in small letters", [b"bearer " + T], 200),
    ("scheme in capitals", [b"BEARER " + T], 200),
    ("scheme in mixed case", [b"bEaReR " + T], 200),
    ("several blanks after the scheme", [b"Bearer    " + T], 200),
    ("blanks around the value", [b"  Bearer " + T + b"  "], 200),
    ("tabs around the value", [b"\tBearer " + T + b"\t"], 200),
    ("empty value", [b""], 400),
    ("blank value", [b"   "], 400),
    ("scheme alone", [b"Bearer"], 400),
    ("scheme and a blank", [b"Bearer "], 400),
    ("scheme and blanks", [b"Bearer      "], 400),
    ("tab for the blank", [b"Bearer\t" + T], 400),
    ("tab after the blank", [b"Bearer \t" + T], 400),
    ("equals sign for the blank", [b"Bearer=" + T], 400),
    ("colon for the blank", [b"Bearer:" + T], 400),
    ("the scheme twice", [b"Bearer Bearer " + T], 400),
    ("two tokens", [b"Bearer " + T + b" " + OTHER.encode()], 400),
    ("two credentials in one line", [b"Bearer " + T + b", Bearer " + OTHER.encode()], 400),
    ("comma after the token", [b"Bearer " + T + b","], 400),
    ("two headers", [b"Bearer " + T, b"Bearer " + OTHER.encode()], 400),
    ("the same header twice", [b"Bearer " + T, b"Bearer " + T], 400),
    ("a bad and a good header", [b"Bearer x", b"Bearer " + T], 400),
    ("a header of another scheme besides", [b"Basic dTpw", b"Bearer " + T], 400),
    ("an empty header besides", [b"", b"Bearer " + T], 400),
    ("NUL at the end", [b"Bearer " + T + b"\x00"], 400),
    ("NUL in the middle", [b"Bearer " + T[:10] + b"\x00" + T[10:]], 400),
    ("NUL before the scheme", [b"\x00Bearer " + T], 400),
    ("line feed", [b"Bearer " + T + b"\n"], 400),
    ("carriage return and a header", [b"Bearer " + T + b"\r\nX-Admin: 1"], 400),
    ("quotes", [b'Bearer "' + T + b'"'], 400),
    ("percent-encoding", [b"Bearer " + T.replace(b"_", b"%5F")], 400),
    ("non-ASCII in UTF-8", ["Bearer schlüssel".encode()], 400),
    ("non-ASCII in Latin-1", ["Bearer schlüssel".encode("latin-1")], 400),
    ("full-width digits", ["Bearer sk_live_０".encode()], 400),
    ("64 KB of letters", [b"Bearer " + b"a" * 65_536], 400),
    ("64 KB of blanks", [b"Bearer " + b" " * 65_536], 400),
    ("64 KB of equals signs", [b"Bearer a" + b"=" * 65_536], 400),
    ("8 KB of letters", [b"Bearer " + b"a" * 8_192], 401),
    ("one letter", [b"Bearer x"], 401),
    ("padding", [b"Bearer " + T + b"=="], 401),
    ("padding alone", [b"Bearer =="], 400),
    ("wrong checksum", [b"Bearer " + T[:-1] + (b"0" if T[-1:] != b"0" else b"1")], 401),
    ("another letter case", [b"Bearer " + T.swapcase()], 401),
    ("a prefix of a token", [b"Bearer " + T[:20]], 401),
    ("a token and a dot", [b"Bearer " + T + b"."], 401),
    ("unknown token of the right form", [b"Bearer " + UNKNOWN.encode()], 401),
    ("another scheme", [b"Basic dTpw"], None),
    ("another scheme with our token", [b"Token " + T], None),
    ("a scheme that starts like ours", [b"Bearerer " + T], None),
    ("the token without a scheme", [T], None),
    ("another scheme alone", [b"Negotiate"], None),
    ("a scheme that cannot be one", [b'"Bearer" ' + T], 400),
]


@pytest.mark.parametrize(("sent", "status"), [case[1:] for case in HEADERS], ids=[case[0] for case in HEADERS])
async def test_each_authorization_header_has_its_one_answer(sent: list[bytes], status: int | None) -> None:
    answer = await call(APP, "GET", "/jobs", [(b"authorization", value) for value in sent])
    assert answer.status == (401 if status is None else status)
    assert answer.headers.get("www-authenticate") == (ABSENT if status is None else CHALLENGES[status])
    if answer.status != 200:
        assert answer.problem["status"] == answer.status
        assert GOOD not in answer.body.decode()
    assert answer.headers["vary"] == "Authorization"


@pytest.mark.parametrize(("sent", "_status"), [case[1:] for case in HEADERS], ids=[case[0] for case in HEADERS])
async def test_a_public_route_looks_at_no_header(sent: list[bytes], _status: int | None) -> None:
    answer = await call(APP, "GET", "/health", [(b"authorization", value) for value in sent])
    assert (answer.status, answer.body) == (200, b"False")
    assert "vary" not in answer.headers


def _encoded(name: bytes) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in name)


# query, headers → status
QUERIES: list[tuple[str, bytes, list[tuple[bytes, bytes]], int | None]] = [
    ("a token in the query is not read", b"access_token=" + T, [], None),
    ("whatever its name", b"token=" + T + b"&api_key=" + T, [], None),
    ("nor in another header", b"", [(b"x-api-key", T)], None),
    ("nor in the proxy's header", b"", [(b"proxy-authorization", b"Bearer " + T)], None),
    ("nor in a cookie", b"", [(b"cookie", b"access_token=" + T)], None),
    ("a token in two places is one too many", b"access_token=" + T, [(b"authorization", b"Bearer " + T)], 400),
    ("also an empty one", b"a=1&access_token=", [(b"authorization", b"Bearer " + T)], 400),
    ("also by a name that is percent-encoded", b"access%5Ftoken=x", [(b"authorization", b"Bearer " + T)], 400),
    ("in small letters", b"a=1&access%5ftoken=x", [(b"authorization", b"Bearer " + T)], 400),
    ("from end to end", b"&".join((b"q", _encoded(b"access_token"))), [(b"authorization", b"Bearer " + T)], 400),
    ("encoded twice it is another name", b"access%255Ftoken=x", [(b"authorization", b"Bearer " + T)], 200),
    ("so is an encoded longer one", b"my%5Faccess%5Ftoken=1", [(b"authorization", b"Bearer " + T)], 200),
    ("an encoded value is no name", b"q=a%26access_token%3D1", [(b"authorization", b"Bearer " + T)], 200),
    ("what cannot be decoded is no name", b"%ZZ=1&%=2&%ff%00=3", [(b"authorization", b"Bearer " + T)], 200),
    ("a longer name is another name", b"my_access_token=1", [(b"authorization", b"Bearer " + T)], 200),
    ("a value is no name", b"next=access_token", [(b"authorization", b"Bearer " + T)], 200),
    ("a bad token in the header stays bad", b"token=" + T, [(b"authorization", b"Bearer x")], 401),
]


CACHED = Starlette(
    routes=[Route("/jobs", jobs)],
    middleware=[Middleware(TokenMiddleware, verifier=CachedVerifier(_read), realm="jobs")],
)
"""The same app, whose tokens are remembered."""


@pytest.mark.parametrize(("query", "headers", "status"), [case[1:] for case in QUERIES], ids=[c[0] for c in QUERIES])
async def test_a_token_counts_only_in_the_header(
    query: bytes, headers: list[tuple[bytes, bytes]], status: int | None
) -> None:
    assert (await call(CACHED, "GET", "/jobs", [(b"authorization", b"Bearer " + T)])).status == 200
    for app in (APP, CACHED):
        answer = await call(app, "GET", "/jobs", headers, query)
        assert answer.status == (401 if status is None else status)
        assert answer.headers.get("www-authenticate") == (ABSENT if status is None else CHALLENGES[status])


MALFORMED_PAIRS: list[list[str]] = [
    ["spacekey.bearer"],
    ["other", "spacekey.bearer"],
    ["spacekey.bearer", "two words"],
    ["spacekey.bearer", ""],
    ["spacekey.bearer", "ü"],
    ["spacekey.bearer", GOOD, "spacekey.bearer", OTHER],
    ["spacekey.bearer", "spacekey.bearer"],
]


@pytest.mark.parametrize("offered", MALFORMED_PAIRS)
async def test_a_malformed_pair_is_the_requests_fault(offered: list[str]) -> None:
    result = await talk(APP, "/feed", subprotocols=offered)
    assert result.denied_with in (4400, 4401)
    assert result.denied_with == 4400 or offered == ["spacekey.bearer", "spacekey.bearer"]


async def test_two_credentials_are_one_too_many() -> None:
    assert (await talk(APP, "/feed", bearer(GOOD), ["spacekey.bearer", GOOD])).denied_with == 4400


async def test_a_socket_reads_no_query_string() -> None:
    assert (await talk(APP, f"/feed?access_token={GOOD}")).denied_with != 101
    assert (await talk(APP, "/feed")).denied_with == 4401
