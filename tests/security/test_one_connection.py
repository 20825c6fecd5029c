"""Many requests in one connection's bytes, over a real uvicorn: each is let in by its own token alone, in its turn."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey import TokenMiddleware, auth_of, optional, requires
from spacekey.domain.secret import Secret
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call
from support.running_app import running

SECONDS_MAX = 120.0
VERIFIER = MemoryVerifier()
ANN = VERIFIER.issue("jobs:read", name="ann").reveal()
BOB = VERIFIER.issue("jobs:read", name="bob").reveal()
EVE = VERIFIER.issue("jobs:create", name="eve").reveal()
LAST = "Connection: close\r\n"
SMUGGLED = f"GET /whoami?smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ANN}\r\n\r\n"


@requires("jobs:read")
async def whoami(request: Request) -> Response:
    """The caller, the query and the length of the body."""
    body = await request.body()
    return PlainTextResponse(f"{request.user.display_name} {request.url.query} {len(body)}")


@optional
async def anybody(request: Request) -> Response:
    """Whether there is a caller."""
    return PlainTextResponse(str(request.user.is_authenticated))


@dataclass(frozen=True)
class Got:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: str


@pytest.fixture(params=["h11", "httptools"], scope="module")
def address(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A server with each of uvicorn's parsers."""
    routes = [Route("/whoami", whoami, methods=["GET", "POST"]), Route("/anybody", anybody)]
    app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER)])
    with running(app, http=request.param) as url:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        yield parts.hostname, parts.port


def asking(token: str | None, query: str = "", *, path: str = "/whoami", more: str = "") -> str:
    """A GET as bytes go over the line."""
    credentials = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\n{credentials}{more}\r\n"


def posting(token: str | None, body: str, *, more: str = "") -> str:
    """A POST with a body of known length."""
    credentials = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"POST /whoami HTTP/1.1\r\nHost: x\r\n{credentials}Content-Length: {len(body)}\r\n{more}\r\n{body}"


def chunked(*parts: str) -> str:
    """A chunked body."""
    return "".join(f"{len(part):x}\r\n{part}\r\n" for part in (*parts, ""))


def talk(address: tuple[str, int], sent: str, *, piece: int | None = None) -> list[Got]:
    """Send everything, byte by byte in pieces or at once, and read until the server closes."""
    raw = sent.encode("latin-1")
    with socket.create_connection(address, SECONDS_MAX) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(raw), piece or len(raw)):
            line.sendall(raw[start : start + (piece or len(raw))])
        received = bytearray()
        while part := line.recv(65_536):
            received += part
    return list(answers(bytes(received)))


def answers(raw: bytes) -> Iterator[Got]:
    """The answers in a stream of bytes, by their lengths, or up to its end where one closes the connection."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        length = 0 if status < 200 else int(headers.get("content-length", len(rest)))
        assert "content-length" in headers or status < 200 or headers["connection"] == "close", headers
        yield Got(status, headers, rest[:length].decode())
        raw = rest[length:]


def told(got: list[Got]) -> list[tuple[int, str]]:
    """Status and, of what was let in, the text."""
    return [(one.status, one.body if one.status == 200 else "") for one in got]


@pytest.mark.parametrize("piece", [None, 7])
def test_pipelined_requests_are_each_answered_for_their_own_token(address: tuple[str, int], piece: int | None) -> None:
    sent = (
        asking(ANN, "1"),
        asking(None, "2"),
        asking(BOB, "3"),
        asking(EVE, "4"),
        asking(None, "5", path="/anybody"),
        asking(ANN, "6", path="/anybody"),
        asking("sk_live_x", "7"),
        asking(f"{ANN} {BOB}", "8"),
        asking(ANN, "9"),
        asking(None, "10", more=LAST),
    )
    assert told(talk(address, "".join(sent), piece=piece)) == [
        (200, "ann 1 0"),
        (401, ""),
        (200, "bob 3 0"),
        (403, ""),
        (200, "False"),
        (200, "True"),
        (401, ""),
        (400, ""),
        (200, "ann 9 0"),
        (401, ""),
    ]


def test_a_hundred_callers_in_one_write_get_their_own_answers_in_order(address: tuple[str, int]) -> None:
    callers = [(ANN, "ann"), (None, ""), (BOB, "bob"), (EVE, "")] * 25
    sent = [asking(token, str(number)) for number, (token, _) in enumerate(callers)]
    got = told(talk(address, "".join(sent) + asking(None, more=LAST)))
    wanted = [
        (200, f"{name} {number} 0") if name else (401 if token is None else 403, "")
        for number, (token, name) in enumerate(callers)
    ]
    assert got == [*wanted, (401, "")]


@pytest.mark.parametrize("token", [None, EVE], ids=["nobody", "eve"])
def test_the_body_of_a_refused_request_is_not_the_next_request(address: tuple[str, int], token: str | None) -> None:
    """Nobody reads it; whatever the server does with it, what stands in it is answered to nobody."""
    for refused in (
        posting(token, SMUGGLED),
        posting(token, SMUGGLED * 50),
        posting(token, "", more="").replace("Content-Length: 0", "Transfer-Encoding: chunked") + chunked(SMUGGLED),
    ):
        got = talk(address, refused + asking(BOB, "next") + asking(None, more=LAST))
        assert got[0].status == (401 if token is None else 403)
        assert told(got)[1:] in ([], [(200, "bob next 0"), (401, "")])


def test_a_chunked_body_belongs_to_the_request_it_came_with(address: tuple[str, int]) -> None:
    head = f"POST /whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BOB}\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent = head + chunked(SMUGGLED, "0\r\n\r\n", "x" * 300) + asking(ANN, "2") + asking(None, more=LAST)
    for piece in (None, 11):
        assert told(talk(address, sent, piece=piece)) == [
            (200, f"bob  {len(SMUGGLED) + 305}"),
            (200, "ann 2 0"),
            (401, ""),
        ]


TWO_LENGTHS = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\nContent-Length: 30\r\n",
    "Content-Length: 0, 30\r\n",
    "Content-Length: +0\r\n",
    "Content-Length: -1\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
]


@pytest.mark.parametrize("lengths", TWO_LENGTHS, ids=ascii)
def test_a_body_with_two_lengths_lets_nobody_in_with_what_stands_in_it(address: tuple[str, int], lengths: str) -> None:
    """Refused or read in one way: a request inside the body of one without credentials is never answered as Ann's."""
    head = f"POST /whoami HTTP/1.1\r\nHost: x\r\n{lengths}\r\n"
    got = talk(address, head + "0\r\n\r\n" + asking(BOB, "outside") + asking(None, more=LAST))
    assert got[0].status in (400, 401), got
    assert all(one.status in (200, 400, 401) for one in got)
    assert [one.body for one in got if one.status == 200] in ([], ["bob outside 0"])


@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), (EVE, 403), ("sk_live_x", 401)], ids=["nobody", "eve", "malformed"]
)
def test_a_refused_request_that_expects_100_is_refused_without_being_told_to_go_on(
    address: tuple[str, int], token: str | None, status: int
) -> None:
    sent = posting(token, "", more=f"Expect: 100-continue\r\n{LAST}").replace("Content-Length: 0", "Content-Length: 9")
    assert [one.status for one in talk(address, sent)] == [status]


def test_an_admitted_request_that_expects_100_is_told_to_go_on_and_is_alone_in_that(address: tuple[str, int]) -> None:
    sent = posting(ANN, "x" * 9, more="Expect: 100-continue\r\n") + asking(None, "2") + asking(BOB, "3", more=LAST)
    got = told(talk(address, sent))
    assert [one for one in got if one[0] != 100] == [(200, "ann  9"), (401, ""), (200, "bob 3 0")]
    assert got[0][0] in (100, 200)  # with the body already there, nobody need be told to send it


HEADERS = [
    ("Authorization: Bearer {ann}\r\nAuthorization: Bearer {bob}\r\n", 400),
    ("Authorization: Bearer {ann}\r\nauthorization:\r\n", 400),
    ("Authorization: Bearer\r\n {ann}\r\n", None),  # a folded line: a server may join or refuse it (RFC 9112 §5.2)
    ("Authorization : Bearer {ann}\r\n", 400),
    ("X: 1\nAuthorization: Bearer {ann}\r\n", None),  # a bare LF ends a line or is refused (RFC 9112 §2.2)
    ("X: 1\rAuthorization: Bearer {ann}\r\n", None),
    ("Proxy-Authorization: Bearer {ann}\r\nX-Authorization: Bearer {ann}\r\n", 401),
    ("Trailer: Authorization\r\nTE: trailers\r\n", 401),
]


@pytest.mark.parametrize(("lines", "status"), HEADERS, ids=ascii)
def test_the_next_request_does_not_inherit_a_twisted_header(
    address: tuple[str, int], lines: str, status: int | None
) -> None:
    first = f"GET /whoami?1 HTTP/1.1\r\nHost: x\r\n{lines.format(ann=ANN, bob=BOB)}\r\n"
    got = told(talk(address, first + asking(None, "2", more=LAST)))
    assert got[0][0] == status if status is not None else got[0] in ((200, "ann 1 0"), (400, ""), (401, "")), got
    assert got[1:] in ([], [(401, "")])


def test_a_token_in_a_trailer_lets_the_next_request_in_by_no_means(address: tuple[str, int]) -> None:
    """uvicorn's httptools adds trailers to the headers while they are read (RFC 9110 §6.5.1 forbids merging them), so
    the request itself may be let in by it: by a valid token of the sender's own, and nobody else's."""
    head = "POST /whoami HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n"
    for token, possible in ((ANN, [(401, ""), (200, "ann  4")]), (EVE, [(401, ""), (403, "")]), ("x", [(401, "")])):
        body = chunked("body")[:-2] + f"Authorization: Bearer {token}\r\n\r\n"
        got = told(talk(address, head + body + asking(None, "2") + asking(BOB, "3", more=LAST)))
        assert got[0] in possible
        assert got[1:] in ([], [(401, ""), (200, "bob 3 0")])


# What one credential was let in by, the next one on the same connection is not.


LATER = MemoryVerifier()
READER = LATER.issue("jobs:read")
OTHER_READER = LATER.issue("jobs:read")
CREATOR = LATER.issue("jobs:create")
REVOKED = LATER.issue("jobs:read")
LATER.refuse(REVOKED)
RULE = requires("jobs:read")


@pytest.mark.parametrize(("later", "status"), [(OTHER_READER, 200), (CREATOR, 403), (REVOKED, 401)])
async def test_a_rule_that_was_passed_is_asked_again_of_whoever_comes_later(later: Secret, status: int) -> None:
    async def change(request: Request) -> Response:
        auth = auth_of(request.scope)
        assert auth.authorize_cached(RULE)
        await auth.authenticate_with(later)
        assert auth.authorize_cached(RULE) == (status == 200)
        refusal = await auth.authorize(RULE)
        return PlainTextResponse(request.user.identity) if refusal is None else refusal

    app = Starlette(routes=[Route("/", RULE(change))], middleware=[Middleware(TokenMiddleware, verifier=LATER)])
    answer = await call(app, "GET", "/", bearer(READER.reveal()))
    assert answer.status == status
    assert answer.body == b"key_2" or status != 200
