"""The server as one ASGI app, built from settings. Everything it opens is closed when it stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import strawberry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spacekey.domain.authentication import AuthenticationResult, Rejected
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.network import client_address
from spacekey.domain.principal import Limit
from spacekey.domain.refusal import UserError
from spacekey.domain.scope import MANAGEMENT_SCOPES, OPERATOR_SCOPES
from spacekey.domain.verifier import Verifier
from spacekey.middleware.limits.anonymous import AnonymousWork
from spacekey.middleware.limits.rate_limiting import RateLimiting
from spacekey.middleware.token_middleware import TokenMiddleware
from spacekey.resolvers.accounts.renaming import lost_names
from spacekey.resolvers.audit.chains import keep_writing_checkpoints
from spacekey.resolvers.portal_sessions import read_portal_session
from spacekey.resolvers.services import read_service
from spacekey.resolvers.system import System
from spacekey.resolvers.workspaces.workspaces import missing_products
from spacekey.schema.build import build_schema
from spacekey.server.http.authorize import AUTHORIZE, AuthorizeEndpoint
from spacekey.server.http.base_path import BasePath, check_base_path, route_path
from spacekey.server.http.client_auth import ClientAuthentication
from spacekey.server.http.cors import CrossOrigin, Preflight
from spacekey.server.http.dashboard import dashboard_routes
from spacekey.server.http.element import element_routes
from spacekey.server.http.errors import REALM, on_expected, on_http_exception
from spacekey.server.http.graphiql import graphiql_routes
from spacekey.server.http.identity import person_of
from spacekey.server.http.middleware import DeprecationHeaders, RequestLog, SameOrigin, SecurityHeaders
from spacekey.server.http.openapi import deprecation_notices
from spacekey.server.http.requests import BadBody
from spacekey.server.http.routes import API, GRAPHQL, OPERATIONS, build_routes
from spacekey.server.http.sign_in import sign_in_routes, ways_to_sign_in

from .bearers import WithPortalSessions, WithServices
from .build import build_parts, prepare_store
from .context import Parts, facts_of
from .identity.header import TcpPeer, TrustedHeader
from .identity.protocol import Identity
from .mail import mailer_of
from .settings import Settings

LAST_WRITES_SECONDS = 5.0
"""How long stopping waits for refusals and uses of sessions that are not written yet. The rest is lost."""
_RENAME_IT = "Put the name back, or move its holders: spacekey scope rename OLD --to NEW --product PRODUCT"
_ADD_IT = "Their tokens are answered with 503 until its file is named in SPACEKEY_PRODUCTS"

log = logging.getLogger("spacekey.server")


def build_app(
    settings: Settings,
    *,
    identity: Identity | None = None,
    parts: Parts | None = None,
    schema: strawberry.Schema | None = None,
) -> Starlette:
    """Return the server as an ASGI app. Connections open with the first request and close when the app stops.

    Starlette runs the lifespan of the outermost app alone: an application in which this one is mounted enters
    :func:`running` in its own.

    :param identity: where people come from, such as ``HostSession(read)``; None for what the settings say.
    :param parts: the parts to build it from, in which tests pass a clock of their own.
    :param schema: another GraphQL schema, for tests.
    :raises ConfigurationError: a product is invalid, the database's folder cannot be created, or
        ``SPACEKEY_PUBLIC_URL`` is needed, or its path is one of the server's own.
    """
    parts = parts if parts is not None else build_parts(settings, identity=identity)
    if parts.identity.at_provider and settings.public is None:
        raise ConfigurationError("SPACEKEY_PUBLIC_URL: write it; the identity provider sends people back to it")
    authorize = AuthorizeEndpoint(parts, _observer(parts))
    routes = _routes(settings, parts.identity, schema if schema is not None else build_schema(), authorize)
    check_base_path("" if settings.public is None else settings.public.base_path, routes)
    app = Starlette(
        routes=routes,
        middleware=_middleware(settings, parts),
        exception_handlers={
            UserError: on_expected,
            ServiceUnavailable: on_expected,
            BadBody: on_expected,
            HTTPException: on_http_exception,
        },
        lifespan=running,
    )
    app.router.redirect_slashes = False
    app.state.parts = parts
    app.state.running = False
    return app


def _routes(settings: Settings, identity: Identity, schema: strawberry.Schema, authorize: ASGIApp) -> list[BaseRoute]:
    """Return the routes of the APIs, of signing in, of the dashboard, and of GraphiQL if it is enabled."""
    routes = [
        *build_routes(schema, authorize),
        *sign_in_routes(identity),
        *dashboard_routes(
            graphiql=settings.graphiql, sign_in=ways_to_sign_in(identity, mail=settings.smtp_url is not None)
        ),
        *element_routes(),
    ]
    return [*routes, *graphiql_routes()] if settings.graphiql else routes


def _middleware(settings: Settings, parts: Parts) -> list[Middleware]:
    """Return the middleware, outermost first.

    The base path is settled first, as all others read paths, and then the client's address, because the log and the
    limits need it. Permission for pages of other origins is added to every answer, also to those of the request log,
    which comes next, so that it also sees what the others refuse; then security headers, preflights, the check of the
    origin, and authentication.
    """
    proxies = [
        Middleware(PeerAddress),
        Middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies)),
    ]
    notices = deprecation_notices(OPERATIONS)
    public, origins = settings.public, settings.cors_origins
    public_origin = None if public is None else public.origin
    return [
        Middleware(BasePath, public="" if public is None else public.base_path),
        *([Middleware(TcpPeer)] if isinstance(parts.identity, TrustedHeader) else ()),
        *(proxies if settings.trusted_proxies else ()),
        *(
            [Middleware(CrossOrigin, origins=origins, public_origin=public_origin, applies=_is_for_pages)]
            if origins
            else ()
        ),
        Middleware(RequestLog, metrics=parts.metrics),
        *([Middleware(DeprecationHeaders, notices=notices)] if notices else ()),
        Middleware(SecurityHeaders),
        *([Middleware(Preflight, origins=origins, applies=_is_for_pages)] if origins else ()),
        Middleware(SameOrigin, public_origin=public_origin, applies=_reads_cookies),
        Middleware(ClientAuthentication, realm=REALM),
        Middleware(AnonymousWork, budget=parts.anonymous, applies=_is_api),
        Middleware(
            TokenMiddleware,
            verifier=_verifier(parts),
            realm=REALM,
            fallback_authenticator=person_of,
            allowed_origins=() if public_origin is None else (public_origin,),
            on_result=_observer(parts),
            known_scopes=frozenset(MANAGEMENT_SCOPES) | frozenset(OPERATOR_SCOPES),
            limits=RateLimiting(parts.limits, Limit(settings.api_per_minute, settings.api_burst), parts.flood),
            usage=parts.usage,
            close_on_shutdown=False,  # the parts are closed in their order
        ),
    ]


def _verifier(parts: Parts) -> Verifier:
    """Return the verifier of all credentials that a request can have in its ``Authorization`` header."""
    system = parts.system
    services = WithServices(partial(read_service, system), system.clock, parts.verifier)
    return WithPortalSessions(partial(read_portal_session, system), system.products, system.clock, services)


class PeerAddress:
    """Middleware that writes the peer's IPv4 address without the IPv6 form of a dual-stack socket, as proxies do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client:
            scope["client"] = (client_address(client[0]) or client[0], client[1])
        await self.app(scope, receive, send)


def _is_api(scope: Scope) -> bool:
    """Return whether a request is for GraphQL or REST. Probes and the dashboard's files cost too little to limit."""
    path = route_path(scope)
    return path == GRAPHQL or path.startswith(f"{API}/")


def _is_for_pages(scope: Scope) -> bool:
    """Return whether scripts of other origins may use what a request is for. A proxy's question is no page's."""
    return _is_api(scope) and _reads_cookies(scope)


def _reads_cookies(scope: Scope) -> bool:
    """Return whether cookies count. A proxy passes those of another app on when it asks, and they mean nothing."""
    return route_path(scope) != AUTHORIZE


def _observer(parts: Parts) -> Callable[[HTTPConnection, AuthenticationResult], None]:
    """Return the observer of every outcome of credentials, which counts it and writes refusals into the audit log."""

    def observe(connection: HTTPConnection, outcome: AuthenticationResult) -> None:
        parts.metrics.verification(outcome)
        if isinstance(outcome, Rejected):
            parts.refusals.note(outcome, facts_of(connection))

    return observe


async def _warn_of_lost_names(system: System) -> None:
    """Log names that are held but in no product. The start does not wait for it, as it reads every token's grants."""
    try:
        for one in await lost_names(system):
            log.warning("held, but not in the product: %s. %s", one.described(), _RENAME_IT)
    except ServiceUnavailable as error:
        log.warning("grants were not compared with the products: %s", error)


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[None]:
    """Keep an app of :func:`build_app` running: its lifespan, for an application in which it is mounted.

    The database is checked first, SQLite is migrated, and what the app notes is written meanwhile and at the end.

    :raises ConfigurationError: the database's schema is not this version's.
    :raises ServiceUnavailable: the database does not answer.
    """
    parts: Parts = app.state.parts
    tasks: list[asyncio.Task[None]] = []
    try:
        await prepare_store(parts.system.store)
        mailer = mailer_of(parts.settings, parts.system)
        if parts.warns:
            for name, workspaces in (await missing_products(parts.system)).items():
                log.warning("the product '%s' of %d workspaces is not loaded. %s", name, workspaces, _ADD_IT)
        lasting = [
            parts.refusals.run(),
            parts.system.last_seen.run(parts.system.store),
            keep_writing_checkpoints(parts.system),
            parts.metrics.keep_fresh(),
            *(() if mailer is None else (mailer.run(),)),
            *((_warn_of_lost_names(parts.system),) if parts.warns else ()),
        ]
        tasks += map(asyncio.create_task, lasting)
        app.state.running = True
        try:
            yield
        finally:
            app.state.running = False
            await _write_last(parts)
    finally:
        await close_in_turn(parts.usage.aclose, partial(_end, tasks), parts.aclose)


async def _write_last(parts: Parts) -> None:
    """Write the refusals and uses of sessions that are not written yet, for a bounded time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WRITES_SECONDS):
            await parts.refusals.flush()
            await parts.system.last_seen.flush(parts.system.store)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks, which return their connections first."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
