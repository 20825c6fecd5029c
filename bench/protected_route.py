"""What protecting a route costs: one request in process, over the same app bare, beside what people use today.

Run it with ``python -m bench.protected_route``. The apps take turns in short rounds. ``ratio`` compares each
app's fastest round with its bare twin's (other processes only ever add time); ``median_ratio`` is the median of the
rounds' ratios, for how noisy the machine was. Budget (DESIGN §15): 1.35 for a warm protected route.
"""

import asyncio
import time
from statistics import median
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.authentication import requires as starlette_requires
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from spacekey.domain.outcome import Valid
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware import MemoryVerifier, TokenMiddleware, public, requires
from spacekey.middleware.cached import CachedVerifier, Reading
from spacekey.middleware.fastapi import Scoped, declare_docs

ROUNDS = 150
REQUESTS_A_ROUND = 40
BUDGET = 1.35

MEMORY = MemoryVerifier()
SECRET = MEMORY.issue("jobs:read", "jobs:create", space_id="space_1")
KNOWN = {SECRET.reveal(): ["jobs:read", "jobs:create"]}


async def starlette_endpoint(request: Request) -> Response:
    """What the Starlette apps serve."""
    del request
    return PlainTextResponse("ok")


async def fastapi_endpoint() -> Response:
    """What the FastAPI apps serve."""
    return PlainTextResponse("ok")


class DictBackend(AuthenticationBackend):
    """Starlette's own way, with a dictionary for a store."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """The scopes of the token in the header."""
        scopes = KNOWN.get(conn.headers.get("authorization", "")[7:])
        return None if scopes is None else (AuthCredentials(scopes), SimpleUser("key_1"))


async def dict_dependency(sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
    """FastAPI's own way, with a dictionary for a store."""
    if "jobs:read" not in KNOWN.get(sent.credentials, ()):
        raise HTTPException(403)


async def read_store(secret: Secret) -> Reading:
    """The store behind the cache; a warm route never comes here."""
    del secret
    principal = Principal("key_1", Kind.SPACE, frozenset(KNOWN[SECRET.reveal()]), space_id="space_1")
    return Reading(Valid(principal), 3_600.0)


def starlette_app(endpoint: Any, middleware: Middleware | None = None) -> ASGIApp:
    """An app of one route."""
    return Starlette(routes=[Route("/jobs", endpoint)], middleware=[middleware] if middleware else [])


def fastapi_app(dependency: Any = None, middleware: Middleware | None = None) -> ASGIApp:
    """An app of one route."""
    app = FastAPI(middleware=[middleware] if middleware else [])
    declare_docs(app, public)
    app.get("/jobs", dependencies=[Depends(dependency)] if dependency else [])(fastapi_endpoint)
    return app


def apps() -> dict[str, tuple[str, ASGIApp]]:
    """Name → (the bare app it is compared with, the app)."""
    cached = Middleware(TokenMiddleware, verifier=CachedVerifier(read_store))
    memory = Middleware(TokenMiddleware, verifier=MEMORY)
    theirs = Middleware(AuthenticationMiddleware, backend=DictBackend())
    bare, bare_fastapi = "Starlette, bare", "FastAPI, bare"
    with_rule = requires("jobs:read")(starlette_endpoint)
    return {
        bare: (bare, starlette_app(starlette_endpoint)),
        "Spacekey, warm cache": (bare, starlette_app(with_rule, cached)),
        "Spacekey, MemoryVerifier": (bare, starlette_app(with_rule, memory)),
        "Spacekey, public route": (bare, starlette_app(public(_another_endpoint), cached)),
        "Starlette AuthenticationMiddleware over a dict, @requires": (
            bare,
            starlette_app(starlette_requires("jobs:read")(starlette_endpoint), theirs),
        ),
        bare_fastapi: (bare_fastapi, fastapi_app()),
        "Spacekey in FastAPI, warm cache": (bare_fastapi, fastapi_app(Scoped("jobs:read"), cached)),
        "FastAPI HTTPBearer over a dict": (bare_fastapi, fastapi_app(dict_dependency)),
    }


async def _another_endpoint(request: Request) -> Response:
    del request
    return PlainTextResponse("ok")


def _scope() -> dict[str, object]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
        "path": "/jobs",
        "raw_path": b"/jobs",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"user-agent", b"bench"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"connection", b"keep-alive"),
            (b"authorization", b"Bearer " + SECRET.reveal().encode()),
        ],
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _round(app: ASGIApp, requests: int) -> float:
    """Seconds for that many requests; every answer is looked at."""
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scopes = [_scope() for _ in range(requests)]
    started = time.perf_counter()
    for scope in scopes:
        await app(scope, _receive, send)
    took = time.perf_counter() - started
    if statuses != [200] * requests:
        raise RuntimeError(f"a benchmark that measures refusals: {set(statuses)}")
    return took


async def _measure(rounds: int) -> list[dict[str, object]]:
    contestants = apps()
    took: dict[str, list[float]] = {name: [] for name in contestants}
    for _, app in contestants.values():
        await _round(app, REQUESTS_A_ROUND)
    for _ in range(rounds):
        for name, (_, app) in contestants.items():
            took[name].append(await _round(app, REQUESTS_A_ROUND))
    return [
        {
            "name": name,
            "microseconds": round(min(took[name]) / REQUESTS_A_ROUND * 1e6, 1),
            "ratio": round(min(took[name]) / min(took[bare]), 3),
            "median_ratio": round(median(one / base for one, base in zip(took[name], took[bare], strict=True)), 3),
            "budget": BUDGET if name == "Spacekey, warm cache" else None,
        }
        for name, (bare, _) in contestants.items()
    ]


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """One row an app: its name, the microseconds of a request, the ratios to its bare twin, the budget."""
    return asyncio.run(_measure(rounds))


def main() -> None:
    """Print the rows as a table."""
    for row in measure():
        budget = f"  (budget {row['budget']})" if row["budget"] else ""
        ratios = f"{row['ratio']:>6}×  median {row['median_ratio']:>6}×"
        print(f"{row['name']:<60} {row['microseconds']:>7} µs  {ratios}{budget}")


if __name__ == "__main__":
    main()
