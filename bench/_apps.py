"""The apps that are measured: bare, protected by Spacekey, and protected as people do it today."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, params
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
from starlette.types import ASGIApp

from spacekey import MemoryLimiter, TokenMiddleware, public, requires
from spacekey.domain.authentication import Authenticated
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.secret import Secret, mint
from spacekey.domain.usage import UsageBatch
from spacekey.middleware.fastapi import declare_docs
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.cached import CachedVerifier, Reading

SECRET = mint("sk", "live", lambda length: bytes(range(length)))
KNOWN = {SECRET.reveal(): ["jobs:read", "jobs:create"]}
PRINCIPAL = Principal(
    "key_1",
    Kind.SPACE,
    frozenset({"jobs:read", "jobs:create"}),
    space_id="space_1",
    rate_limit=Limit(per_minute=1_000_000_000, burst=1_000_000),
)
"""Its limit is never reached: what is measured is the deciding, not the refusing."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One app and how it takes part.

    :param bare: name of the contestant it is divided by.
    :param token: what it is sent as a Bearer token.
    :param requests: how many make a round; ``every``: it takes part in every so many-th round only. For the slow.
    """

    name: str
    app: ASGIApp
    bare: str
    token: str = SECRET.reveal()
    requests: int = 40
    every: int = 1
    budget: float | None = None


async def jobs(request: Request) -> Response:
    """What the Starlette apps serve."""
    del request
    return PlainTextResponse("ok")


async def public_jobs(request: Request) -> Response:
    """The same, for declaring it otherwise."""
    return await jobs(request)


async def fastapi_jobs() -> Response:
    """What the FastAPI apps serve."""
    return PlainTextResponse("ok")


async def read_store(secret: Secret) -> Reading:
    """The store behind the cache; a warm route comes here once."""
    del secret
    return Reading(Authenticated(PRINCIPAL), 3_600.0)


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


class NoSink:
    """Keeps no usage: flushing is not on the request path."""

    async def send(self, batch: UsageBatch) -> None:
        """See :class:`spacekey.domain.usage.UsageSink`."""

    async def aclose(self) -> None:
        """See :class:`spacekey.domain.usage.UsageSink`."""


def starlette_app(endpoint: Any = jobs, middleware: Middleware | None = None) -> ASGIApp:
    """An app of one route."""
    return Starlette(routes=[Route("/jobs", endpoint)], middleware=[middleware] if middleware else [])


def fastapi_app(dependency: Any = None, middleware: Middleware | None = None) -> FastAPI:
    """An app of one route."""
    app = FastAPI(middleware=[middleware] if middleware else [])
    declare_docs(app, public)
    made = dependency if dependency is None or isinstance(dependency, params.Depends) else Depends(dependency)
    app.get("/jobs", dependencies=[made] if made else [])(fastapi_jobs)
    return app


def guarded(**settings: Any) -> Middleware:
    """Our middleware over a warm cache."""
    return Middleware(TokenMiddleware, verifier=CachedVerifier(read_store), **settings)


def counted() -> dict[str, Any]:
    """The middleware's settings for limits and usage, as far as it has them."""
    settings: dict[str, Any] = {}
    known = inspect.signature(TokenMiddleware.__init__).parameters
    if "limits" in known:
        settings["limits"] = MemoryLimiter()
    if "usage" in known:
        settings["usage"] = UsageCollector(NoSink())
    return settings


def theirs() -> ASGIApp:
    """Starlette's AuthenticationMiddleware over a dictionary."""
    guard = Middleware(AuthenticationMiddleware, backend=DictBackend())
    return starlette_app(starlette_requires("jobs:read")(jobs), guard)


def protected(**settings: Any) -> ASGIApp:
    """Our middleware over a warm cache, before a route that requires a scope."""
    return starlette_app(requires("jobs:read")(jobs), guarded(**settings))
