"""The middleware itself, as raw ASGI for HTTP and WebSockets."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.domain.usage import UsageCounter
from spacekey.domain.verifier import TIMEOUT_SECONDS, Verifier, VerifiesSecrets
from spacekey.middleware.auth.authenticator import Authenticator, FallbackAuthenticator
from spacekey.middleware.auth.credentials import (
    BEARER_ALONE,
    SUBPROTOCOL,
    Credentials,
    Source,
    plain_authorization,
)
from spacekey.middleware.auth.origin import OriginCheck
from spacekey.middleware.limits.limiter import Limiter
from spacekey.middleware.limits.rate_limiting import RateLimiting
from spacekey.middleware.long_lived.recheck import RECHECK_SECONDS, ConnectionEnded, Rechecker
from spacekey.middleware.long_lived.streams import WatchedWebSocket
from spacekey.middleware.routing.policy import RoutePolicy, Undeclared
from spacekey.middleware.routing.table import Rules
from spacekey.middleware.rules.requirement import PUBLIC
from spacekey.middleware.usage.meter import Metering
from spacekey.middleware.verifiers.wrapper import as_verifier

from .argument_checks import (
    check_async,
    check_environment,
    check_not_async,
    check_seconds,
    checked_challenge,
    checked_scopes,
    places_of,
)
from .request_auth import Observer, RequestAuth, ResolveWorkspace, Settings, ShapesRefusal

log = logging.getLogger("spacekey.middleware")

_ENDINGS = frozenset({"lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"})
"""Messages after which a server stops, without waiting for the app."""


class TokenMiddleware:
    """Authenticates callers by their tokens, and admits them only where a route's declaration allows it.

    Add it as ``Starlette(middleware=[Middleware(TokenMiddleware, verifier=…)])`` or wrap an app with it. Once a rule
    has needed the principal, it is in ``scope["user"]`` and its scopes, with "authenticated", are in ``scope["auth"]``;
    on public routes nothing is verified.

    :param app: the app behind it.
    :param verifier: turns secrets into principals: a :class:`~spacekey.domain.verifier.Verifier`, or any object with an
        async ``verify``.
    :param credentials: where requests have their token, such as ``[bearer(), header("X-API-Key"), cookie("api_key")]``,
        from ``spacekey.credentials``; None is ``[bearer()]``. Two tokens in one request are answered 400. A token in a
        cookie may change something only for pages of the app's own origin and of ``allowed_origins``.
    :param realm: named in every challenge (RFC 9110 §11.5); printable ASCII.
    :param environment: ``live`` or ``test``; tokens of another environment are refused. None accepts all.
    :param timeout: seconds that a verification may take; after that the answer is 503.
    :param fallback_authenticator: authenticates requests without a token of ours: those with session cookies or an
        older scheme, and those whose token has none of our shapes, such as a JSON Web Token. Browsers attach cookies,
        Basic and Negotiate by themselves, so for requests that may change something (every method but GET, HEAD and
        OPTIONS, and every WebSocket) such credentials count only if the request comes from the app's own origin; else
        the answer is 403 ``cross_origin``. It is async and returns ``Anonymous()`` if it finds no credentials. See
        docs/how-to/two-kinds-of-callers.md.
    :param allowed_origins: other origins whose pages may use it, such as ``https://app.example.com``. None turns the
        check off, for one that reads nothing that browsers send by themselves.
    :param on_result: called with the connection and every result, including its reason. An exception that it raises
        is logged and does not affect the request.
    :param on_refusal: called with the connection and the response that refuses it, a problem document with ``code``,
        ``detail`` and ``members``; returns another response in its place, or None. It may be async. What it returns
        keeps refusing: a status below 300, or an exception, is logged, and the original is sent. It gets ``Vary``,
        ``Cache-Control`` and, with the same status, the challenge and ``Retry-After``.
    :param challenge: further parameters of every challenge, such as
        ``{"resource_metadata": "https://api.example.com/.well-known/oauth-protected-resource"}`` (RFC 9728 §5.1).
    :param resolve_workspace: returns the workspace id of a space id. With it, workspace tokens may satisfy rules that
        bind a path parameter to a space; without it, only the space's own tokens do.
    :param rules: rules for endpoints that cannot be edited: (method, path template) → rule. Method ``*`` is any,
        ``WEBSOCKET`` a WebSocket; the path is as routed, mounts included: ``("POST", "/v1/jobs/{job_id}")``. A path
        that ends with ``/**`` stands for itself and all routes below it. A string is the name of a route, such as
        ``"openapi"``. The most specific entry counts, and it holds in addition to what the endpoint declares.
    :param undeclared: what happens to routes without a rule. ``"deny"``: the app does not start, and they answer 403;
        ``"optional"``: they count as ``optional``; ``"ignore"``: they are left alone, so that no credentials are read
        and no user is set. The last two are logged at the start.
    :param known_scopes: a rule that names any other scope fails start-up. None takes the verifier's own, if it has
        some, as ``DatabaseVerifier`` has its products', unless there is a ``fallback_authenticator``, which may bring
        others.
    :param limits: a limiter, such as ``MemoryLimiter()``, which charges each request with a valid token to the limit of
        the token's plan, once; or ``RateLimiting(…)`` for more. See docs/how-to/limits.md.
    :param usage: a ``UsageCollector``, which counts every request with a token. None takes the verifier's own, if it
        has one, as ``DatabaseVerifier`` and ``RemoteVerifier`` have. See docs/how-to/usage.md.
    :param recheck_seconds: how long a verdict is relied on while a WebSocket or a streaming response is open; see
        docs/how-to/long-lived.md.
    :param close_on_shutdown: whether ``verifier`` and ``limits`` are closed with the app: at its shutdown, or if it
        does not start. Give False if other apps go on using them. Nothing is closed where no lifespan arrives, as
        behind a ``Mount``.
    :raises ConfigurationError: for an invalid setting.
    """

    __spacekey_access__ = PUBLIC  # for a TokenMiddleware around this one, which guards its own routes

    def __init__(
        self,
        app: ASGIApp,
        verifier: VerifiesSecrets,
        *,
        credentials: Sequence[Source] | None = None,
        realm: str = "api",
        environment: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        fallback_authenticator: FallbackAuthenticator | None = None,
        allowed_origins: Collection[str] | None = (),
        on_result: Observer | None = None,
        on_refusal: ShapesRefusal | None = None,
        challenge: Mapping[str, str] | None = None,
        resolve_workspace: ResolveWorkspace | None = None,
        rules: Rules | None = None,
        undeclared: Undeclared = "deny",
        known_scopes: Collection[str] | None = None,
        limits: Limiter | RateLimiting | None = None,
        usage: UsageCounter | None = None,
        recheck_seconds: float = RECHECK_SECONDS,
        close_on_shutdown: bool = True,
    ) -> None:
        if not (realm.isascii() and realm.isprintable()):
            raise ConfigurationError("realm: printable ASCII goes into a header; write a name such as 'api'")
        asked = as_verifier(verifier)
        check_environment(environment)
        check_seconds("timeout", timeout)
        check_async("fallback_authenticator", fallback_authenticator, "Authenticated(…), Rejected(…) or Anonymous()")
        check_async("resolve_workspace", resolve_workspace, "the id of the space's workspace, or None")
        check_not_async("on_result", on_result)
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError("on_refusal: write a function of the connection and the response")
        sources = BEARER_ALONE if credentials is None else Credentials(credentials)
        if sources.has_cookies and allowed_origins is None:
            raise ConfigurationError(
                "allowed_origins=None turns off the check that cookie(…) needs, since browsers attach a cookie to "
                "requests of any page: write a list, or leave it out"
            )
        self.app = app
        limiting = limits if isinstance(limits, RateLimiting) else RateLimiting(limits)
        limiter = limiting.limiter
        given: tuple[Verifier | Limiter, ...] = (asked,) if limiter is None else (asked, limiter)
        self._owned = given if close_on_shutdown else ()
        if known_scopes is None and fallback_authenticator is None:
            known_scopes = asked.known_scopes
        usage = asked.usage if usage is None else usage
        one, of_each = limiting.limit, None
        if one is not None and not isinstance(one, Limit):
            one, of_each = None, one
        metering = None if limiter is None and usage is None else Metering(limiter, one, usage, of_each)
        self.settings = Settings(
            Authenticator(
                asked,
                environment,
                timeout,
                fallback_authenticator,
                None if allowed_origins is None else OriginCheck(allowed_origins),
            ),
            realm,
            on_result,
            resolve_workspace,
            limiting.flood,
            metering,
            Rechecker(recheck_seconds, timeout=timeout),
            on_refusal,
            checked_challenge(challenge),
            undeclared == "ignore",
            sources,
            plain_authorization if sources.is_bearer_alone else sources.plain,
            sources.vary,
        )
        known = None if known_scopes is None else checked_scopes("known_scopes", known_scopes)
        self.policy = RoutePolicy(self, {} if rules is None else rules, undeclared, known, charges=limiter is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = self.policy
        if scope["type"] == "http":
            seen = policy.snapshot
            router: Any = seen.router
            if seen.needs_check or router.routes is not seen.routes or router.default is not seen.default:
                policy.refresh(scope)
            auth = RequestAuth(self.settings, scope, receive, send)
            try:
                await self.app(scope, auth.receive, auth.send)
            finally:
                auth.close()
                if auth.stream is not None:
                    auth.stream.finish()
        elif scope["type"] == "websocket":
            policy.refresh(scope)
            await self._serve_socket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, policy.checked_at_startup(scope, self._closing(send)))
        else:
            await self.app(scope, receive, send)

    def _closing(self, send: Send) -> Send:
        """Return a ``send`` for the lifespan that closes verifier and limiter before the server hears of the end."""

        async def sending(message: Message) -> None:
            if message["type"] in _ENDINGS:
                failures = await self._close()
                if failures and message["type"] == "lifespan.shutdown.complete":
                    message = {"type": "lifespan.shutdown.failed", "message": "; ".join(failures)}
            await send(message)

        return sending

    async def _close(self) -> list[str]:
        """Close what the app was given, all of it, and return what was not closed."""
        failures: list[str] = []
        owned, self._owned = self._owned, ()

        async def close(each: Verifier | Limiter) -> None:
            try:
                await each.aclose()
            except Exception as error:  # noqa: BLE001 - the others must be closed too
                failures.append(f"{type(each).__name__} was not closed: {type(error).__name__}")
                log.error("%s\n%s", failures[-1], places_of(error))

        await close_in_turn(*(partial(close, each) for each in owned))
        return failures

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        credentials = self.settings.credentials
        paired = credentials.takes_subprotocols and SUBPROTOCOL in (scope.get("subprotocols") or ())
        stream = WatchedWebSocket(self.settings.rechecker, receive, send)
        # The subprotocols hold a secret that the app must not see, so it is taken out at once.
        auth = RequestAuth(self.settings, scope, stream.receive, stream.send, credentials.read(scope))
        auth.stream = stream
        stream.opened = auth.open
        send = auth.send_to_websocket
        try:
            await self.app(scope, stream.receive, _answering_pair(send) if paired else send)
        except ConnectionEnded:
            pass  # the app sent on a connection that was ended
        finally:
            auth.close()
            await stream.drain()


def _answering_pair(send: Send) -> Send:
    """Return a ``send`` that answers with our subprotocol, unless the app chose one of its own.

    A browser expects one of its offered subprotocols back.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "websocket.accept" and message.get("subprotocol") is None:
            message = {**message, "subprotocol": SUBPROTOCOL}
        await send(message)

    return sending


_DEPTH_MAX = 100


def middleware_of(app: ASGIApp) -> TokenMiddleware:
    """Return the outermost TokenMiddleware around an app.

    :raises ConfigurationError: if there is none.
    """
    if isinstance(app, Starlette) and app.middleware_stack is None:
        app.middleware_stack = app.build_middleware_stack()
    layer: object = app.middleware_stack if isinstance(app, Starlette) else app
    for _ in range(_DEPTH_MAX):
        if isinstance(layer, TokenMiddleware):
            return layer
        layer = getattr(layer, "app", None)
    raise ConfigurationError(
        "no TokenMiddleware in the app's middleware; give the app that has it, or TokenMiddleware(app, …) itself, as "
        "in issue_token(OUTER) and document_rules(app, within=OUTER)"
    )
