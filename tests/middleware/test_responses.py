"""Headers of responses: Retry-After, Vary and the challenge."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey import TokenMiddleware, requires
from spacekey.domain.authentication import Unavailable, Verdict
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call


class Down(Verifier):
    """A verifier that cannot tell."""

    def __init__(self, retry_after_seconds: int) -> None:
        self._retry_after_seconds = retry_after_seconds

    async def verify(self, _: Secret) -> Verdict:
        """Cannot tell."""
        return Unavailable("down", self._retry_after_seconds)


@requires("jobs:read")
async def read(_: Request) -> Response:
    """The endpoint."""
    return PlainTextResponse("ok")


def app_of(verifier: Verifier, realm: str = "api") -> Starlette:
    """An app with one route."""
    middleware = [Middleware(TokenMiddleware, verifier=verifier, realm=realm)]
    return Starlette(routes=[Route("/", read)], middleware=middleware)


@pytest.mark.parametrize("seconds", [1, 30])
async def test_cannot_tell_is_503_with_retry_after(seconds: int) -> None:
    answer = await call(app_of(Down(seconds)), "GET", "/", bearer("x"))
    assert (answer.status, answer.headers["retry-after"]) == (503, str(seconds))
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("seconds", [-5, 0, 10**9])
async def test_retry_after_stays_within_bounds(seconds: int) -> None:
    answer = await call(app_of(Down(seconds)), "GET", "/", bearer("x"))
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600


# what the endpoint says → what arrives
VARIES: list[tuple[list[str], list[str]]] = [
    ([], ["Authorization"]),
    (["Accept"], ["Accept, Authorization"]),
    (["Accept, Authorization"], ["Accept, Authorization"]),
    (["authorization"], ["authorization"]),
    (["*"], ["*"]),
    (["Accept", "Origin"], ["Accept", "Origin, Authorization"]),
    ([""], ["Authorization"]),
]


@pytest.mark.parametrize(("said", "arrives"), VARIES)
async def test_vary_is_merged_with_what_the_endpoint_says(said: list[str], arrives: list[str]) -> None:
    @requires("jobs:read")
    async def varied(_: Request) -> Response:
        response = PlainTextResponse("ok")
        for value in said:
            response.headers.append("Vary", value)
        return response

    verifier = MemoryVerifier()
    token = verifier.issue("jobs:read").reveal()
    sent: list[Message] = []

    def keeping(app: ASGIApp) -> ASGIApp:
        async def kept(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                sent.append(message)
                await send(message)

            await app(scope, receive, noting)

        return kept

    middleware = [Middleware(keeping), Middleware(TokenMiddleware, verifier=verifier)]
    await call(Starlette(routes=[Route("/", varied)], middleware=middleware), "GET", "/", bearer(token))
    assert [value.decode() for name, value in sent[0]["headers"] if name == b"vary"] == arrives


async def test_a_realm_with_quotes_is_quoted() -> None:
    answer = await call(app_of(MemoryVerifier(), realm='the "api" \\'), "GET", "/")
    assert answer.headers["www-authenticate"] == 'Bearer realm="the \\"api\\" \\\\"'
