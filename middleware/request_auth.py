"""The caller of one request or WebSocket: authentication, authorization, and the messages between app and server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.authentication import AuthCredentials, UnauthenticatedUser
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from spacekey.domain.authentication import (
    Anonymous,
    Authenticated,
    AuthenticationResult,
    Reason,
    Rejected,
    Unavailable,
    Verdict,
)
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware import responses
from spacekey.middleware.argument_checks import places_of
from spacekey.middleware.auth.authenticator import FOREIGN, Authenticator, ask_within_deadline
from spacekey.middleware.auth.credentials import (
    BEARER_ALONE,
    AttachedSecret,
    Bearer,
    Credentials,
    Malformed,
    has_bearer,
    plain_authorization,
    secret_without_scheme,
)
from spacekey.middleware.auth.origin import may_be_of_browser, may_change
from spacekey.middleware.limits.limiter import Decision, Flooded, limit_headers, retry_after
from spacekey.middleware.long_lived.recheck import (
    FORBIDDEN,
    UNAUTHORIZED,
    UNAVAILABLE,
    CloseReason,
    Credential,
    Rechecker,
)
from spacekey.middleware.long_lived.streams import (
    ON_PRINCIPAL_CHANGED,
    PrincipalChanged,
    WatchedResponse,
    WatchedStream,
)
from spacekey.middleware.rules.evaluate import (
    ALLOWED,
    Allowed,
    DenialReason,
    Denied,
    DependsOnSpaces,
    evaluate,
    space_ids_in,
)
from spacekey.middleware.rules.requirement import PUBLIC, Access, Requirement
from spacekey.middleware.usage.meter import Counted, Metering, RequestMeter, cost_of

from .responses import Header, with_vary

if TYPE_CHECKING:
    from spacekey.middleware.limits.flood import RefusalFlood

log = logging.getLogger("spacekey.middleware")

KEY = "spacekey"
"""Key of the :class:`RequestAuth` in the ASGI scope."""

COPIES_MAX = 1_000
"""How many copies of its scope a connection keeps up to date, as for the parts of a batch."""

NO_PARAMS: Mapping[str, Any] = {}
"""Path parameters of a route without any; never changed."""

NOT_READ = Malformed("not read yet")
"""Stands for credentials that have not been read yet."""

ANONYMOUS = UnauthenticatedUser()
"""Starlette's unauthenticated user; it has no state, so one instance is enough."""

Observer = Callable[[HTTPConnection, AuthenticationResult], None]
ShapesRefusal = Callable[[HTTPConnection, responses.ProblemResponse], "Response | Awaitable[Response | None] | None"]
ResolveWorkspace = Callable[[str], Awaitable[str | None]]

_CLOSE_REASONS = {401: UNAUTHORIZED, 503: UNAVAILABLE}
_WITHOUT_BODY = frozenset({204, 205, 304})
"""Statuses of responses that have neither a body nor its length (RFC 9110 §8.6)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one :class:`~spacekey.middleware.TokenMiddleware` that requests need; see there."""

    authenticator: Authenticator
    realm: str
    on_result: Observer | None = None
    resolve_workspace: ResolveWorkspace | None = None
    flood: RefusalFlood | None = None
    metering: Metering | None = None
    rechecker: Rechecker = field(default_factory=Rechecker)
    on_refusal: ShapesRefusal | None = None
    challenge: str = ""
    """Further parameters of challenges, as they are written in the header; empty for none."""
    ignores_undeclared: bool = False
    """Whether a connection has a user only once a route with a declaration is reached."""
    credentials: Credentials = BEARER_ALONE
    """Where a request may have its token."""
    plain: Callable[[Scope], bytes | None] = plain_authorization
    """``credentials.plain``, or the same for ``Authorization`` alone, which most apps need for each request."""
    vary: Header = BEARER_ALONE.vary
    """``credentials.vary``."""

    async def workspace_of_space(self, space_id: str) -> str | Unavailable | None:
        """Return the workspace that owns a space; None if the app does not say, or there is no such space."""
        if self.resolve_workspace is None:
            return None
        answer = await ask_within_deadline(
            self.authenticator.timeout, self.resolve_workspace, space_id, "resolve_workspace"
        )
        return answer if isinstance(answer, str | Unavailable) else None

    def challenged(self, challenge: str) -> str:
        """Return a ``WWW-Authenticate`` value with the app's own scheme and further parameters."""
        if self.credentials.challenge_scheme != "Bearer":
            challenge = challenge.replace("Bearer", self.credentials.challenge_scheme, 1)
        return f"{challenge}, {self.challenge}" if self.challenge else challenge

    async def shaped(self, scope: Scope, refusal: responses.ProblemResponse) -> Response:
        """Return the response that refuses: the app's own if it makes one, else ``refusal``."""
        if "www-authenticate" in refusal.headers:
            refusal.headers["www-authenticate"] = self.challenged(refusal.headers["www-authenticate"])
        if not self.credentials.is_bearer_alone:
            names = [*self.vary[1].decode().split(", "), *refusal.headers["vary"].split(", ")[1:]]
            refusal.headers["vary"] = ", ".join(dict.fromkeys(names))
        if self.on_refusal is None:
            return refusal
        try:
            response = self.on_refusal(HTTPConnection(scope), refusal)
            if isinstance(response, Awaitable):
                response = await response
            return refusal if response is None else responses.shaped(refusal, response)
        except Exception as error:  # noqa: BLE001 - no failure may admit the request
            why = str(error) if isinstance(error, ValueError) else type(error).__name__
            log.error("on_refusal failed: %s\n%s", why, places_of(error))
            return refusal

    def observe(self, scope: Scope, outcome: AuthenticationResult) -> None:
        """Log what the caller is not told, and call the observer. Neither gets a secret."""
        if isinstance(outcome, Rejected):
            log.info("credentials refused: %s, token %s", outcome.reason, outcome.token_id)
        elif isinstance(outcome, Unavailable) and not isinstance(outcome, Flooded):
            log.warning("credentials cannot be checked: %s", outcome.why)
        if self.on_result is not None:
            try:
                said: object = self.on_result(HTTPConnection(scope), outcome)
                if said is not None and isinstance(said, Coroutine):
                    said.close()
                    log.error("on_result is async, and never runs: write a plain function")
            except Exception:
                log.exception("the observer failed")


class TokenCredentials(AuthCredentials):
    """Starlette's credentials for a principal, or for an anonymous caller. The list is built only when it is read."""

    def __init__(self, principal: Principal | None) -> None:
        self._principal = principal

    @property
    def scopes(self) -> list[str]:  # type: ignore[override]  # an attribute there; it is never assigned
        """The scopes, sorted, after "authenticated"; a new list each time, so that none is shared."""
        return [] if self._principal is None else ["authenticated", *sorted(self._principal.scopes)]


NO_CREDENTIALS = TokenCredentials(None)


@dataclass(frozen=True, slots=True)
class HandedOn:
    """Stands for a token that the app's ``fallback_authenticator`` decides about.

    :param authorization: the token as an ``Authorization`` header, if it came in a WebSocket's subprotocols or
        messages, where the app would not find it.
    :param is_explicit: whether it is not from a cookie, and so was not attached by a browser.
    """

    authorization: bytes | None
    is_explicit: bool

    def connection(self, scope: Scope) -> HTTPConnection:
        """Return the connection that the app is asked about."""
        if self.authorization is None:
            return HTTPConnection(scope)
        scope.setdefault("state", {})  # shared, so that the app finds in it what it puts there
        headers = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        return HTTPConnection({**scope, "headers": [*headers, (b"authorization", self.authorization)]})


class RequestAuth:
    """Authentication and authorization of one request or WebSocket.

    The middleware makes one for each connection and puts it into the scope. Credentials are verified at most once, when
    a route first needs them; until then ``scope["user"]`` is what another middleware has set, or else Starlette's
    unauthenticated user.

    :param sent: the credentials of a WebSocket, which have already been taken out of its handshake.
    """

    __slots__ = (
        "_admitted_at",
        "_also_admitted",
        "_asked",
        "_copies",
        "_has_received",
        "_is_inner",
        "_is_open",
        "_is_untouched",
        "_lock",
        "_outcome",
        "_receive",
        "_scope",
        "_send",
        "_sent",
        "_settings",
        "_vary",
        "admitted",
        "meter",
        "stream",
    )

    def __init__(
        self,
        settings: Settings,
        scope: Scope,
        receive: Receive,
        send: Send,
        sent: Secret | Malformed | HandedOn | None = NOT_READ,
    ) -> None:
        self._settings = settings
        self._scope = scope
        self._copies: list[Scope] | None = None
        self._receive = receive
        self._send = send
        self._sent = sent
        self._outcome: AuthenticationResult | None = None
        self._admitted_at = NO_PARAMS  # the path parameters at which ``admitted`` was satisfied
        self._also_admitted: tuple[tuple[Access, Mapping[str, Any]], ...] = ()
        self._vary: Header = settings.vary
        self._has_received = False
        self._is_open = False
        self._asked: float | None = None  # when the outcome was asked for, by the rechecker's clock
        self._lock: asyncio.Lock | None = None
        self.admitted: Access | None = None
        """Declaration that the connection was last found to satisfy, so that an endpoint need not decide again."""
        self.meter: RequestMeter | None = None
        """Charges and counts the connection; None until its credentials are verified, and if nothing is metered."""
        self.stream: WatchedStream | None = None
        """Messages between server and app, if the connection lasts: a WebSocket, or a response in several parts."""
        self._is_inner = KEY in scope  # of two TokenMiddlewares, and then takes over
        self._is_untouched = settings.ignores_undeclared
        if "user" not in scope and not self._is_untouched:
            scope["user"] = ANONYMOUS  # as for most requests, without another call
            scope["auth"] = NO_CREDENTIALS
        elif not self._is_untouched:
            self._set_anonymous(scope)
        scope[KEY] = self

    def _set_anonymous(self, scope: Scope) -> None:
        """Make the unauthenticated user the scope's, unless another middleware has set one; see :meth:`_settle`."""
        if "user" not in scope or self._is_inner:
            scope["user"] = ANONYMOUS
            scope["auth"] = NO_CREDENTIALS
        elif "auth" not in scope:
            scope["auth"] = NO_CREDENTIALS

    def _touch(self, scope: Scope) -> None:
        """Give the connection a user, now that it has reached the first route with a declaration."""
        self._is_untouched = False
        self._set_anonymous(self._scope)
        if scope is not self._scope:
            self._set_anonymous(scope)

    @property
    def realm(self) -> str:
        """Realm of challenges."""
        return self._settings.realm

    @property
    def credentials(self) -> Credentials:
        """Where the app reads tokens."""
        return self._settings.credentials

    def challenged(self, challenge: str) -> str:
        """Return a ``WWW-Authenticate`` value with the app's own scheme and further parameters."""
        return self._settings.challenged(challenge)

    @property
    def result(self) -> AuthenticationResult | None:
        """Result of the credentials; None as long as they have not been verified."""
        return self._outcome

    async def authenticate(self) -> AuthenticationResult:
        """Verify the credentials, at most once, and make their principal the connection's user."""
        if self._outcome is not None:
            return self._outcome
        async with self._verifying():
            return self._outcome or self._settle(await self._verified())

    async def authenticate_with(self, secret: Secret) -> AuthenticationResult:
        """Verify credentials that came later on the same connection, such as those of GraphQL's ``connection_init``.

        They replace the earlier ones: a connection has one principal at a time.
        """
        async with self._verifying():
            self._sent = secret
            if self.meter is not None:
                self.meter.restart()
            outcome = self._settle(await self._verified())
            meter = self.meter
            if meter is None:
                return outcome
            if not isinstance(outcome, Authenticated):
                meter.count_another(outcome, Counted.DENIED)
            elif not await meter.charge(outcome.principal, 1):
                meter.count_another(outcome, Counted.LIMITED)
                return self._settle(Unavailable("the token's limit is used up"))
            return outcome

    def enter(self, scope: Scope) -> None:
        """Give a copy of the connection's scope, which a middleware handed on, the connection's user, now and later."""
        if self._copies is None:
            self._copies = []
        if scope is self._scope or (self._copies and self._copies[-1] is scope):
            return
        self._copies.append(scope)
        if len(self._copies) > COPIES_MAX:
            del self._copies[0]
        if self._outcome is not None and not isinstance(self._outcome, Anonymous):
            self._show_user(scope)

    def close(self) -> None:
        """Count the connection if its response never began, and release the scope. Called when the app's call is over.

        Scope and ``RequestAuth`` refer to each other; apart they are freed at once, not by the garbage collector.
        """
        meter = self.meter
        if meter is not None and meter.pending is not None:
            meter.count(self._outcome, self.admitted)
        scope = self._scope
        if scope.get(KEY) is self:
            scope[KEY] = None
        for copy in self._copies or ():
            if copy.get(KEY) is self:
                copy[KEY] = None

    def authorize_cached(self, access: Access, scope: Scope | None = None) -> bool:
        """Return whether the connection is admitted, if that is known without waiting.

        After False, :meth:`authorize` decides. Runs twice for every request to a protected route, for the route's guard
        and for the endpoint, and so avoids calls that :meth:`authorize` can afford.

        :param scope: as for :meth:`authorize`.
        """
        if scope is None:
            scope = self._scope
        elif scope is not self._scope:
            self.enter(scope)
            if self._crosses_origins(scope):
                return False
        if self._is_untouched:
            self._touch(scope)
        if access is self.admitted and (not access.spaces or self._admitted_at == scope.get("path_params")):
            return True
        requirement = access if isinstance(access, Requirement) else None
        if requirement is None and access == PUBLIC:
            return True
        outcome = self._outcome or self._peek()
        if isinstance(outcome, Authenticated):
            principal, meter = outcome.principal, self.meter
            if access.limits if meter is None else not meter.charge_at_once(principal, access):
                return False
            if requirement is not None:
                path_params = scope.get("path_params") or {}
                if evaluate(requirement, principal, path_params) is not ALLOWED:
                    return False
        elif requirement is not None or not isinstance(outcome, Anonymous):
            return False
        if self.admitted is None and not access.spaces:
            self.admitted = access  # as for most requests, without another call
        else:
            self._admit(access, scope.get("path_params") or {})
        return True

    async def authorize(self, access: Access | None, scope: Scope | None = None) -> Response | None:
        """Decide whether the connection is admitted to an endpoint that declares ``access``.

        :param access: None if nothing is declared; the connection is then refused without a look at its credentials.
        :param scope: the endpoint's ASGI scope, with its path parameters; None if it is the connection's own.
        :returns: the response that refuses it; None admits it.
        """
        refusal = await self._refusal(access, scope)
        return None if refusal is None else await self._settings.shaped(scope or self._scope, refusal)

    async def _refusal(self, access: Access | None, scope: Scope | None) -> responses.ProblemResponse | None:
        """Return the problem that refuses the connection; None admits it."""
        if access is None:
            return responses.forbidden()
        requirement = access if isinstance(access, Requirement) else None
        scope = self._scope if scope is None else scope
        path_params = dict(scope.get("path_params") or {})  # now, since others may be authorized during an await
        self.enter(scope)
        if self._is_untouched:
            self._touch(scope)
        if requirement is None and access == PUBLIC:
            return None
        crosses = scope is not self._scope and self._crosses_origins(scope)
        if not crosses and access is self.admitted and (not access.spaces or self._admitted_at == path_params):
            return None
        while True:
            outcome = await self.authenticate()
            if not isinstance(outcome, Authenticated):
                return (
                    None if requirement is None and isinstance(outcome, Anonymous) else self._unauthenticated(outcome)
                )
            principal, meter = outcome.principal, self.meter
            if crosses:
                self._vary = self._settings.credentials.vary_with_origin
                self._settings.observe(self._scope, FOREIGN)
                refusal: responses.ProblemResponse | None = responses.cross_origin()
                break
            refusal = None
            route_admits = not access.limits or await self._charge_route(principal, access, scope)
            if meter is not None and not (route_admits and await meter.charge(principal, cost_of(access))):
                refusal = _over_limit(meter)
            elif requirement is not None:
                decision = evaluate(requirement, principal, path_params)
                if not isinstance(decision, Allowed):
                    refusal = await self._denial(decision, principal)
            if self._outcome is outcome:
                break  # else another caller has replaced this one meanwhile, and is decided about
        if refusal is not None:
            if meter is not None:
                meter.refused(unavailable=refusal.status_code == 503)
            return refusal
        if self.admitted is None and not access.spaces:
            self.admitted = access
        else:
            self._admit(access, path_params)
        return None

    async def _charge_route(self, principal: Principal, access: Access, scope: Scope) -> bool:
        """Charge what the route allows each caller, before the token's own limit; return whether it admits the caller.

        :raises ConfigurationError: if nothing charges limits.
        """
        if self.meter is None or not self.meter.limits:
            raise ConfigurationError(
                "a rule has a limit, and nothing charges it: write TokenMiddleware(limits=MemoryLimiter())"
            )
        return await self.meter.charge_route(principal, access, route_name(access, scope))

    def record_operation(self, scopes: frozenset[str] | None) -> None:
        """Record a GraphQL operation that was admitted by these scopes, or refused (None)."""
        if self.meter is not None:
            self.meter.record_operation(scopes, self._outcome)

    async def charge_operation(self, cost: int) -> Decision | None:
        """Charge the cost of a GraphQL operation; None if there is nothing left to charge."""
        outcome, over_http = self._outcome, self._scope["type"] == "http"
        if self.meter is None or not isinstance(outcome, Authenticated):
            return None
        return await self.meter.charge_operation(outcome.principal, cost, over_http=over_http)

    def count(self) -> None:
        """Count the connection as usage of its token, once: when its response begins, or when it ended without one."""
        if self.meter is None and self._settings.metering is not None:
            self.meter = RequestMeter(self._settings.metering, self._scope)
        if self.meter is not None and self.meter.pending is not None:
            self.meter.count(self._outcome, self.admitted)

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message over HTTP. A response that depends on credentials gets ``Vary`` and limit headers."""
        if self._outcome is not None:
            if message["type"] == "http.response.start":
                headers = with_vary(message.get("headers") or (), self._vary)
                meter = self.meter
                if meter is not None:
                    if meter.pending is not None:
                        meter.count(self._outcome, self.admitted)
                    if meter.route_decision is not None and meter.binding is not None:
                        headers += limit_headers(*meter.binding)
                    elif meter.decision is not None:
                        headers += limit_headers(meter.decision)
                message["headers"] = headers
                if message["status"] not in _WITHOUT_BODY and not _has_length(headers):
                    self._response_stream()  # in several parts: watched from now on, however late the first one comes
                    self.open()
                    return self._send_part(message)
            elif "more_body" in message or self.stream is not None:
                return self._send_part(message)
        return self._send(message)

    def send_to_websocket(self, message: Message) -> Awaitable[None]:
        """Send a message over a WebSocket, which is counted when it is accepted and not when it ends."""
        self.count()
        return self._send(message)

    def receive(self) -> Awaitable[Message]:
        """Receive a message over HTTP.

        An app that keeps receiving after the first message is told when the connection is ended.
        """
        if self._has_received or self.stream is not None:
            return self._response_stream().receive()
        self._has_received = True
        return self._receive()

    def open(self) -> None:
        """Mark the connection as one that lasts: from now on its credentials are verified again at intervals."""
        if not self._is_open:
            self._is_open = True
            self._follow()

    def _send_part(self, message: Message) -> Awaitable[None]:
        if message.get("more_body"):
            self._response_stream()
            self.open()
        return self._send(message) if self.stream is None else self.stream.send(message)

    def _response_stream(self) -> WatchedStream:
        if self.stream is None:
            self.stream = WatchedResponse(self._settings.rechecker, self._receive, self._send)
        return self.stream

    def _verifying(self) -> asyncio.Lock:
        """Return the lock under which credentials are verified, so that parts of a batch wait for one verification."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    def _credentials(self) -> Secret | Malformed | HandedOn | None:
        if self._sent is NOT_READ:
            self._sent = self._settings.credentials.read(self._scope)
        return self._sent

    def _peek(self) -> AuthenticationResult | None:
        """Return the outcome if the verifier knows it without waiting, and is not being asked already."""
        if self._lock is not None and self._lock.locked():
            return None
        sent, settings = self._sent, self._settings
        header: bytes | None = None
        asked = settings.rechecker.clock()
        if sent is NOT_READ:
            header = settings.plain(self._scope)
        elif type(sent) is Secret:  # and not of a cookie, for which the request's origin has to be checked
            header = sent.bearer()
        if header is None or (verdict := settings.authenticator.peek(header)) is None:
            return None
        if not isinstance(verdict, Authenticated) and settings.flood is not None:
            secret = self._credentials()
            if isinstance(secret, Secret):
                settings.flood.note(self._scope, secret, verdict)
        self._asked = asked
        return self._settle(verdict)

    async def _verified(self) -> AuthenticationResult:
        sent, authenticator = self._credentials(), self._settings.authenticator
        self._asked = self._settings.rechecker.clock()
        if isinstance(sent, Malformed):
            return Rejected(Reason.MALFORMED)
        if not isinstance(sent, Secret):
            return await self._verified_by_fallback(sent)
        if isinstance(sent, AttachedSecret) and authenticator.origins is not None and may_change(self._scope):
            self._vary = self._settings.credentials.vary_with_origin
            if not authenticator.origins.is_allowed(self._scope):
                return FOREIGN
        flood = self._settings.flood
        lookup = nullcontext() if flood is None else flood.looking_up(self._scope, sent, authenticator.timeout)
        async with lookup as refused:
            if refused is not None:
                return refused
            verdict = await authenticator.authenticate(self._scope, sent)
            if isinstance(verdict, Rejected) and authenticator.hands_on(sent, verdict):
                verdict = await self._handed_on(sent, verdict)
            if flood is not None:
                flood.note(self._scope, sent, verdict)
            return verdict

    async def _handed_on(self, secret: Secret, verdict: Verdict) -> Verdict:
        """Return the verdict of the app's ``fallback_authenticator`` on a token that is none of ours."""
        found = self._settings.credentials.read(self._scope)  # nothing, if it came in subprotocols or messages
        explicit = not isinstance(secret, AttachedSecret)
        self._sent = handed = HandedOn(secret.bearer() if found is None else None, explicit)
        outcome = await self._verified_by_fallback(handed)
        return verdict if isinstance(outcome, Anonymous) else outcome

    async def _verified_by_fallback(self, sent: HandedOn | None) -> AuthenticationResult:
        authenticator, credentials = self._settings.authenticator, self._settings.credentials
        outcome = await self._ask_fallback(sent)
        if authenticator.fallback_authenticator is not None:
            decided = isinstance(outcome, Authenticated) or outcome == FOREIGN
            checked = decided and authenticator.origins is not None and may_change(self._scope)
            self._vary = credentials.vary_with_origin if checked else credentials.vary_with_fallback
        return outcome

    def _crosses_origins(self, scope: Scope) -> bool:
        """Return whether a copy of the scope may do more than the request may with what a browser has attached to it.

        A middleware that overrides methods hands on a GET as another one, and the request's origin was not checked when
        its credentials were verified.
        """
        origins = self._settings.authenticator.origins
        if origins is None or not may_change(scope) or may_change(self._scope) or origins.is_allowed(self._scope):
            return False
        sent = self._credentials()
        if isinstance(sent, Secret):
            return isinstance(sent, AttachedSecret)
        is_explicit = has_bearer(self._scope) if sent is None else isinstance(sent, HandedOn) and sent.is_explicit
        return not is_explicit or may_be_of_browser(self._scope)

    def _ask_fallback(self, sent: HandedOn | None) -> Awaitable[AuthenticationResult]:
        connection = HTTPConnection(self._scope) if sent is None else sent.connection(self._scope)
        # A Bearer token that is not read as one of ours, because the app reads its tokens elsewhere, is explicit too.
        is_explicit = has_bearer(self._scope) if sent is None else sent.is_explicit
        return self._settings.authenticator.ask_fallback(connection, is_explicit=is_explicit)

    def _settle(self, outcome: AuthenticationResult) -> AuthenticationResult:
        """Keep the outcome, and make its principal the connection's user.

        Without credentials the user of another authentication middleware is kept; refused ones give an unauthenticated
        user.
        """
        settings, scope, before = self._settings, self._scope, self._outcome
        self._outcome = outcome
        if self.admitted is not None:
            self._keep_admitted()
            self.admitted = None
        observed = settings.on_result is not None
        if before is None and isinstance(outcome, Authenticated) and not self._copies:  # as for most requests
            scope["user"] = outcome.principal
            scope["auth"] = TokenCredentials(outcome.principal)
        else:
            observed = observed or not isinstance(outcome, Authenticated)
            if before is not None or not isinstance(outcome, Anonymous):
                self._show_user(scope, *(self._copies or ()))
        if settings.metering is not None and self.meter is None:
            self.meter = RequestMeter(settings.metering, scope)
        if observed:
            settings.observe(scope, outcome)
        if self._is_open:
            self._follow()
        return outcome

    def _show_user(self, *scopes: Scope) -> None:
        """Write the user into these scopes, except where another TokenMiddleware has taken over."""
        outcome = self._outcome
        user: Principal | UnauthenticatedUser = ANONYMOUS
        credentials = NO_CREDENTIALS
        if isinstance(outcome, Authenticated):
            user, credentials = outcome.principal, TokenCredentials(outcome.principal)
        for scope in scopes:
            if scope.get(KEY) is self:
                scope["user"] = user
                scope["auth"] = credentials

    def _admit(self, access: Access, path_params: Mapping[str, Any]) -> None:
        if self.admitted is not None:
            if self.meter is not None and isinstance(self._outcome, Authenticated):
                self.meter.used(self.admitted, self._outcome.principal)
            self._keep_admitted()
        self.admitted = access
        if access.spaces and self._is_open and self.stream is not None:
            self.stream.review_always()
        self._admitted_at = dict(path_params) if access.spaces else NO_PARAMS  # a copy, since an app may change its own

    def _keep_admitted(self) -> None:
        """Remember what was satisfied before ``admitted``: a connection that lasts must go on satisfying it all."""
        if self.admitted is not None and (kept := (self.admitted, self._admitted_at)) not in self._also_admitted:
            self._also_admitted = (*self._also_admitted, kept)

    def _unauthenticated(self, outcome: Anonymous | Rejected | Unavailable) -> responses.ProblemResponse:
        credentials = self._settings.credentials
        if isinstance(outcome, Anonymous):
            without_scheme = Bearer() in credentials.sources and secret_without_scheme(self._scope)
            return responses.credentials_absent(self.realm, places=credentials.places, without_scheme=without_scheme)
        if isinstance(outcome, Flooded):
            return responses.refusals_limited(outcome.retry_after_seconds)
        if isinstance(outcome, Unavailable):
            return responses.cannot_tell(outcome.retry_after_seconds)
        if outcome == FOREIGN:
            return responses.cross_origin()
        if isinstance(self._credentials(), Malformed):
            return responses.request_malformed(self.realm, how=credentials.how)
        return responses.token_refused(self.realm)

    async def _denial(
        self, decision: Denied | DependsOnSpaces, principal: Principal
    ) -> responses.ProblemResponse | None:
        """Return the response that refuses the principal; None if its workspace owns the spaces in the path."""
        if isinstance(decision, DependsOnSpaces):
            return await self._denial_in_workspace(decision, principal)
        is_member = principal.kind is Kind.MEMBER
        if decision.reason is DenialReason.ENVIRONMENT:
            self._settings.observe(self._scope, Rejected(Reason.ENVIRONMENT, principal.id, principal.issuer))
            return responses.token_refused(self.realm)
        if decision.reason is DenialReason.SCOPES:
            return responses.scope_missing(self.realm, decision.missing, member=is_member)
        return responses.forbidden(member=is_member)

    async def _denial_in_workspace(
        self, depends: DependsOnSpaces, principal: Principal
    ) -> responses.ProblemResponse | None:
        for space_id in depends.space_ids:
            owner = None if space_id is None else await self._settings.workspace_of_space(space_id)
            if isinstance(owner, Unavailable):
                return responses.cannot_tell(owner.retry_after_seconds)
            if owner is None or owner != principal.workspace_id:
                return responses.forbidden()
        return None

    def _requirements(self) -> list[tuple[Requirement, Mapping[str, Any]]]:
        """Return every requirement that the connection satisfied, with the path parameters at that time."""
        every = [*self._also_admitted, (self.admitted, self._admitted_at)]
        return [(access, at) for access, at in every if isinstance(access, Requirement)]

    def _follow(self) -> None:
        """Have the current credentials verified again for as long as the connection lasts."""
        if self.stream is None:
            return
        if isinstance(self._outcome, Authenticated):
            self.stream.follow(self._credential(self._outcome.principal), self._review, self._ended)
        else:
            self.stream.unfollow()

    def _credential(self, principal: Principal) -> Credential:
        authenticator, secret = self._settings.authenticator, self._credentials()
        if not isinstance(secret, Secret):  # only the fallback authenticator knows what it accepts, from the connection
            ask_again = partial(self._ask_fallback, secret if isinstance(secret, HandedOn) else None)
            return Credential(id(self), ask_again, _unknown, principal, asked=self._asked)
        spaces = frozenset(each for one, at in self._requirements() for each in space_ids_in(at, one))
        # If the app must be asked who owns a space, its answer concerns only the connections of that space.
        peek: Callable[[], AuthenticationResult | None] = (
            _unknown if spaces else partial(authenticator.peek, secret.bearer())
        )
        key = (id(authenticator), secret.digest(), spaces)
        again = partial(authenticator.authenticate, self._scope, secret)
        return Credential(key, again, peek, principal, None if spaces else secret, authenticator, self._asked)

    async def _review(self, valid: Authenticated) -> CloseReason | None:
        """Decide whether the connection may go on under a newer verdict, and take over its principal."""
        before = self._outcome
        for requirement, path_params in self._requirements():
            decision = evaluate(requirement, valid.principal, path_params)
            refusal = None if isinstance(decision, Allowed) else await self._denial(decision, valid.principal)
            if refusal is not None:
                return _CLOSE_REASONS.get(refusal.status_code, FORBIDDEN)
        if before == valid or self._outcome is not before:  # or other credentials were presented meanwhile
            return None
        self._outcome = valid
        scopes = (self._scope, *(self._copies or ()))
        self._show_user(*scopes)
        found = (scope.get(ON_PRINCIPAL_CHANGED) for scope in scopes if scope.get(KEY) is self)
        changed: PrincipalChanged | None = next((each for each in found if each is not None), None)
        return (
            changed(before.principal, valid.principal)
            if changed is not None and isinstance(before, Authenticated)
            else None
        )

    def _ended(self, ending: CloseReason, outcome: AuthenticationResult) -> None:
        """Log why the connection was ended."""
        token_id = outcome.principal.id if isinstance(outcome, Authenticated) else None
        log.info("an open connection was ended with %d %s, token %s", ending.code, ending.reason, token_id)
        if isinstance(outcome, Rejected | Unavailable):
            self._settings.observe(self._scope, outcome)


def _has_length(headers: Iterable[Header]) -> bool:
    """Return whether the headers say how long the body is, so that it is there and not still being made."""
    for name, _ in headers:  # noqa: SIM110 - every response comes here, and a generator takes three times as long
        if name == b"content-length":
            return True
    return False


def auth_of(scope: Scope) -> RequestAuth:
    """Return the :class:`RequestAuth` of a connection.

    :param scope: the connection's ASGI scope.
    :raises ConfigurationError: if there is no TokenMiddleware in front of the endpoint.
    """
    auth = scope.get(KEY)
    if isinstance(auth, RequestAuth):
        if scope is not auth._scope:
            auth.enter(scope)
        return auth
    raise ConfigurationError("a protected endpoint needs TokenMiddleware before it; add it to the app's middleware")


def principal(connection: HTTPConnection) -> Principal:
    """Return the caller of a request or WebSocket, on a route with a rule.

    The same as ``request.user``, with its type.

    :param connection: the request or WebSocket.
    :raises ConfigurationError: if the request has no verified caller: on a ``public`` route, where nothing is verified,
        on an ``optional`` one without credentials, and where there is no TokenMiddleware in front of the endpoint.
    """
    found = principal_or_none(connection)
    if found is not None:
        return found
    if auth_of(connection.scope).result is None:
        raise ConfigurationError("principal(request): nothing is verified on this route; put requires(…) on it")
    raise ConfigurationError(
        "principal(request): this route admits callers without credentials; write principal_or_none(request), or put "
        "requires(…) on it"
    )


def principal_or_none(connection: HTTPConnection) -> Principal | None:
    """Return the caller of a request or WebSocket, or None for one without credentials, as on ``optional`` routes.

    On a ``public`` route it is None, because nothing is verified there.

    :param connection: the request or WebSocket.
    :raises ConfigurationError: if there is no TokenMiddleware in front of the endpoint.
    """
    result = auth_of(connection.scope).result
    return result.principal if isinstance(result, Authenticated) else None


ROUTE_NAME = "spacekey.route"
"""Key of a route's name in the ASGI scope, where a rule of it has a limit."""


def route_name(access: Access, scope: Scope) -> str:
    """Return the name to which a route's limit is charged, the same in every process.

    It is the route's methods and path template, or for a route that the middleware does not see, the rule.
    """
    return str(scope.get(ROUTE_NAME) or (access.rule if isinstance(access, Requirement) else ""))


def _over_limit(meter: RequestMeter) -> responses.ProblemResponse:
    binding = meter.binding
    if binding is None:
        return responses.rate_limited(None)
    return responses.rate_limited(retry_after(binding[0]), policy=binding[1])


def _unknown() -> None:
    """Return no verdict: nothing is known without waiting."""
