"""One request or WebSocket passing through the middleware: verified at most once, and only when somebody asks."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.authentication import UnauthenticatedUser
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Absent, CannotTell, Outcome, Reason, Refused, Valid
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret

from . import problems
from .access import Access, Requirement, optional, public
from .credentials import Malformed, credentials_of
from .gate import Gate, principal_in
from .limits import Decision
from .limits.flooded import Flooded
from .limits.headers import limit_headers, retry_after
from .metering import ALLOWED, DONE, MEMBER, NO_SCOPES, Fate, count, scopes_used
from .open_response import OpenResponse
from .stay import Stay
from .token_credentials import NO_CREDENTIALS, TokenCredentials
from .vary import vary_on_authorization
from .warm import recalled

NOT_READ = Malformed("not read yet")
"""Stands for credentials that nobody has asked for yet."""

ANONYMOUS = UnauthenticatedUser()
"""Starlette's user without credentials; it has no state, so one will do."""

KEY = "spacekey"
"""Where the visit sits in the ASGI scope."""

EARLIER = "spacekey.earlier"
"""Where it keeps what else it was found to satisfy, if one look was not all."""


class Visit:
    """The state of one connection. Until somebody asks, its user is Starlette's unauthenticated one.

    The middleware makes one for each connection and puts it into the scope.
    """

    __slots__ = (
        "_gate",
        "_heard",
        "_outcome",
        "_paid",
        "_receive",
        "_scope",
        "_send",
        "_sent",
        "_used",
        "admitted",
        "decision",
        "fate",
        "stay",
    )

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self._gate = gate
        self._scope = scope
        self._receive = receive
        self._send = send
        self._outcome: Outcome | None = None
        self.admitted: Access | None = None
        """What this connection was last found to satisfy, so that an endpoint need not look again."""
        self.decision: Decision | None = None
        """What the token's limit says; None before it was charged, and for whoever has none."""
        self.fate = gate.fate
        """What it will count as, as far as is known."""
        self._paid = 0
        self._used = NO_SCOPES  # by what it was let in besides ``admitted``
        # A WebSocket's subprotocols hold a secret that the app must not come across, so there it is taken at once.
        self._sent = credentials_of(scope) if scope["type"] == "websocket" else NOT_READ
        self.stay: Stay | None = None
        """What watches the connection when it lasts: a WebSocket, or a response of several parts."""
        self._heard = False
        scope[KEY] = self
        scope["user"] = ANONYMOUS
        scope["auth"] = NO_CREDENTIALS

    def sending(self, message: Message) -> Awaitable[None]:
        """The app's ``send`` over HTTP: a response that was decided by looking at credentials tells caches so."""
        if self._outcome is not None:
            if message["type"] == "http.response.start":
                if self.fate is not DONE:
                    self.count()
                headers = message["headers"] = vary_on_authorization(message.get("headers") or ())
                if self.decision is not None:
                    headers += limit_headers(self.decision)
            elif "more_body" in message or self.stay is not None:
                return self._sending_part(message)
        return self._send(message)

    def receiving(self) -> Awaitable[Message]:
        """The app's ``receive`` over HTTP. Whoever listens on after the first message learns when the stay is over."""
        if self._heard or self.stay is not None:
            return self._staying().line.receive()
        self._heard = True
        return self._receive()

    def _sending_part(self, message: Message) -> Awaitable[None]:
        if message.get("more_body"):
            self._staying().open()
        return self._send(message) if self.stay is None else self.stay.line.send(message)

    def _staying(self) -> Stay:
        if self.stay is None:
            self.stay = Stay(self, self._gate, self._scope, OpenResponse(self._gate.watch, self._receive, self._send))
        return self.stay

    @property
    def known(self) -> Outcome | None:
        """The outcome, if anybody has asked."""
        return self._outcome

    def sending_on_socket(self, message: Message) -> Awaitable[None]:
        """The app's ``send`` over a WebSocket, which is counted when it is accepted and not when it ends."""
        if self.fate is not DONE:
            self.count()
        return self._send(message)

    def count(self) -> None:
        """Count the connection as usage of its token, once: when its answer begins, or when it ended without one."""
        fate, usage, outcome = self.fate, self._gate.usage, self._outcome
        if usage is None or fate is DONE:
            return
        self.fate = DONE
        scopes, client = self._used, self._scope.get("client")
        if self.decision is not None and not self.decision.allowed:
            count(usage, outcome, client, Fate.LIMITED, scopes)
        elif fate is ALLOWED and type(outcome) is Valid:
            principal, admitted = outcome.principal, self.admitted
            if type(admitted) is Requirement:
                by = admitted.only if admitted.only is not None else scopes_used(admitted, principal)
                scopes = by | scopes if scopes else by
            if principal.kind is not MEMBER:
                usage.allowed(principal.id, client, scopes)  # the usual case, without another call
        else:
            count(usage, outcome, client, fate, scopes)

    def operation(self, scopes: frozenset[str] | None) -> None:
        """A GraphQL operation is let through by these scopes, or refused (None).

        On a socket, or after an answer that has begun, it is a request of its own; else it is what this one is for.
        """
        fate = Fate.DENIED if scopes is None else Fate.ALLOWED
        if self.fate is DONE:
            self._count_also(fate, scopes or NO_SCOPES)
        else:
            self.fate = fate
            self._used |= scopes or NO_SCOPES

    async def charge(self, cost: int) -> Decision | None:
        """Charge what a GraphQL operation costs; over HTTP what the request has paid already is taken off.

        :returns: None where there is no limit to charge.
        """
        outcome, over_http = self._outcome, self._scope["type"] == "http"
        if not isinstance(outcome, Valid):
            return None
        if over_http and self.decision is not None:
            cost -= self._paid
        if cost <= 0:
            return self.decision
        decision = await self._gate.charge(outcome.principal, cost)
        if over_http and decision is not None:
            self.decision = decision
        return decision

    def _count_also(self, fate: Fate, scopes: frozenset[str] = NO_SCOPES) -> None:
        if self._gate.usage is not None:
            count(self._gate.usage, self._outcome, self._scope.get("client"), fate, scopes)

    @property
    def consulted(self) -> bool:
        """Whether the response may depend on the credentials."""
        return self._outcome is not None

    async def outcome(self) -> Outcome:
        """What the request's credentials come to. Asked once; the answer is kept for this connection."""
        return self._outcome or self._settle(await self._ask())

    async def present(self, secret: Secret) -> Outcome:
        """Credentials that came later on the same connection, such as GraphQL's ``connection_init``.

        They replace what was there: a connection speaks for one principal at a time.
        """
        self._sent = secret
        self.decision = None
        outcome = self._settle(await self._ask())
        if not isinstance(outcome, Valid):
            self._count_also(Fate.DENIED)
        elif not await self._charged(outcome.principal, 1):
            self._count_also(Fate.LIMITED)
            return self._settle(CannotTell("the token's limit is used up"))
        return outcome

    async def again(self) -> Outcome:
        """Verify the same credentials anew: for connections that outlive an answer (DESIGN §7)."""
        return self._settle(await self._ask())

    def passes(self, access: Access) -> bool:
        """Whether the connection may come in, as far as can be said at once; else :meth:`refusal` knows more."""
        if access is self.admitted or access is public:
            return True
        outcome = self._outcome
        if outcome is None and self._sent is NOT_READ:
            gate, scope = self._gate, self._scope
            known = None if gate.recall is None else recalled(scope, gate.recall)
            if known is not None and (gate.environment is None or principal_in(known.principal, (gate.environment,))):
                outcome = self._outcome = known.verdict
                scope["user"] = known.principal
                scope["auth"] = known.credentials
                if gate.on_outcome is not None:
                    gate.observe(scope, outcome)
        outcome = outcome or self._peek()
        if type(outcome) is Valid:
            if self._gate.limits is not None and not self._charged_at_once(outcome.principal, access):
                return False
            scopes = outcome.principal.scopes
            if type(access) is Requirement and not access.bound and access.only is not None:
                passes = access.only <= scopes  # the usual case, without another call
            else:
                passes = access is optional or self._satisfied(outcome.principal, access)
        else:
            passes = access is optional and isinstance(outcome, Absent)
        if passes:
            if self.admitted is not None and type(outcome) is Valid:
                self._used |= scopes_used(self.admitted, outcome.principal)
            if self.admitted is None:
                self.admitted = access
            else:
                self._admit(access)
        return passes

    def _admit(self, access: Access) -> None:
        if self.admitted is not None:
            self._note(self.admitted)
        self.admitted = access

    def _note(self, access: Access) -> None:
        """Remember what was satisfied besides ``admitted``: a connection that stays must go on satisfying it all."""
        earlier: list[Access] = self._scope.setdefault(EARLIER, [])
        if access not in earlier:
            earlier.append(access)

    async def refusal(self, access: Access | None) -> Response | None:
        """The response that keeps this connection out of what declares ``access``; None lets it in.

        None for ``access`` means that nothing was declared: refused without looking at credentials.
        """
        if access is None:
            return problems.forbidden()
        if self.passes(access):
            return None
        outcome = await self.outcome()
        if isinstance(outcome, Valid):
            if not await self._charged(outcome.principal, _cost_of(access)):
                return problems.rate_limited(None if self.decision is None else retry_after(self.decision))
            return await self._decided(outcome.principal, access) if isinstance(access, Requirement) else None
        if isinstance(outcome, Absent):
            return None if access is optional else problems.credentials_absent(self._gate.realm)
        if isinstance(outcome, Flooded):
            return problems.refusals_limited(outcome.retry_after_seconds)
        if isinstance(outcome, CannotTell):
            return problems.cannot_tell(outcome.retry_after_seconds)
        if isinstance(self._sent, Malformed):
            return problems.request_malformed(self._gate.realm)
        return problems.token_refused(self._gate.realm)

    def _credentials(self) -> Secret | Malformed | None:
        if self._sent is NOT_READ:
            self._sent = credentials_of(self._scope)
        return self._sent

    def _peek(self) -> Outcome | None:
        """The outcome, where the verifier knows it without waiting."""
        sent = self._sent
        if sent is NOT_READ:
            sent = self._sent = credentials_of(self._scope)
        if type(sent) is not Secret or (verdict := self._gate.peek(sent)) is None:
            return None
        if self._gate.flood is not None and type(verdict) is not Valid:
            self._gate.flood.note(self._scope, sent, verdict)
        return self._settle(verdict)

    async def _ask(self) -> Outcome:
        sent = self._credentials()
        if isinstance(sent, Secret):
            return await self._ask_about(sent)
        if isinstance(sent, Malformed):
            return Refused(Reason.MALFORMED)
        return await self._gate.ask_fallback(HTTPConnection(self._scope))

    async def _ask_about(self, secret: Secret) -> Outcome:
        flood = self._gate.flood
        if flood is None:
            return await self._gate.judge(secret)
        held_up = flood.holds_up(self._scope, secret)
        if held_up is not None:
            return held_up
        verdict = await self._gate.judge(secret)
        flood.note(self._scope, secret, verdict)
        return verdict

    def _charged_at_once(self, principal: Principal, access: Access) -> bool:
        """Whether the limit admits this connection, which is charged once; False may mean that it must be awaited."""
        decision = self.decision
        if decision is None:
            cost = access.cost if type(access) is Requirement else 1
            if principal.limit is None or cost == 0:
                return True
            self._paid = cost = cost or 1
            decision = self.decision = self._gate.charge_at_once(principal.id, principal.limit, cost)
        return decision is not None and decision.allowed

    async def _charged(self, principal: Principal, cost: int) -> bool:
        """The same, waited for. Nobody is kept out by a limiter that fails."""
        if self.decision is None and cost:
            self.decision = await self._gate.charge(principal, cost)
            self._paid = cost
        return self.decision is None or self.decision.allowed

    def _settle(self, outcome: Outcome) -> Outcome:
        self._outcome = outcome
        if self.admitted is not None:
            self._note(self.admitted)
            self.admitted = None
        if isinstance(outcome, Valid):
            self._scope["user"] = outcome.principal
            self._scope["auth"] = TokenCredentials(outcome.principal)
        else:
            self._scope["user"] = ANONYMOUS
            self._scope["auth"] = NO_CREDENTIALS
        if self._gate.on_outcome is not None or type(outcome) is not Valid:
            self._gate.observe(self._scope, outcome)
        if self.stay is not None:
            self.stay.follow()
        return outcome

    @property
    def secret(self) -> Secret | None:
        """The secret that was sent, for what watches it."""
        sent = self._credentials()
        return sent if isinstance(sent, Secret) else None

    async def fallback(self) -> Outcome:
        """What the app's own way of authentication says now."""
        return await self._gate.ask_fallback(HTTPConnection(self._scope))

    def renew(self, valid: Valid) -> None:
        """The credentials were verified anew: the connection goes on with their principal as it is now."""
        self._outcome = valid
        self._scope["user"] = valid.principal
        self._scope["auth"] = TokenCredentials(valid.principal)

    async def refusal_to_stay(self, principal: Principal) -> Response | None:
        """What would refuse this connection if it came in now as ``principal``; None lets it stay."""
        for access in self._satisfies():
            if not self._satisfied(principal, access):
                refusal = await self._refusal_of(principal, access)
                if refusal is not None:
                    return refusal
        return None

    @property
    def spaces(self) -> frozenset[str | None]:
        """The spaces that the connection is bound to, by the path parameters of what it satisfied."""
        return frozenset(space for access in self._satisfies() for space in self._spaces(access))

    def _satisfies(self) -> list[Requirement]:
        every = [*self._scope.get(EARLIER, ()), self.admitted]
        return [access for access in every if isinstance(access, Requirement)]

    def _satisfied(self, principal: Principal, access: Access) -> bool:
        """Whether the principal satisfies a requirement, without asking anybody; False may still become true."""
        if not isinstance(access, Requirement) or not access.allows(principal.scopes):
            return False
        return not access.bound or (
            (access.environments is None or principal_in(principal, access.environments))
            and (not access.spaces or (principal.kind is Kind.SPACE and self._spaces(access) == {principal.space_id}))
        )

    async def _decided(self, principal: Principal, requirement: Requirement) -> Response | None:
        refusal = await self._refusal_of(principal, requirement)
        if refusal is None:
            self._used |= scopes_used(requirement, principal)
            self._note(requirement)
        else:
            self.fate = DONE if refusal.status_code == 503 else Fate.DENIED
        return refusal

    async def _refusal_of(self, principal: Principal, requirement: Requirement) -> Response | None:
        """A space's token is good in its space; a workspace's where the app can tell whose space it is."""
        environments = requirement.environments
        if environments is not None and not principal_in(principal, environments):
            self._gate.observe(self._scope, Refused(Reason.ENVIRONMENT, principal.id))
            return problems.token_refused(self._gate.realm)
        if not requirement.allows(principal.scopes):
            return problems.scope_missing(self._gate.realm, requirement.rule.missing(principal.scopes) or ())
        spaces = self._spaces(requirement)
        if principal.kind is Kind.SPACE and spaces - {principal.space_id}:
            return problems.forbidden()
        if principal.kind is Kind.MEMBER and spaces:
            return problems.forbidden()
        if principal.kind is Kind.WORKSPACE:
            return await self._refusal_in_workspace(spaces, principal.workspace_id)
        return None

    async def _refusal_in_workspace(self, spaces: set[str | None], workspace_id: str | None) -> Response | None:
        for space_id in spaces:
            owner = None if space_id is None else await self._gate.workspace_of_space(space_id)
            if isinstance(owner, CannotTell):
                return problems.cannot_tell(owner.retry_after_seconds)
            if owner is None or owner != workspace_id:
                return problems.forbidden()
        return None

    def _spaces(self, requirement: Requirement) -> set[str | None]:
        """The space ids in the path that the requirement binds; None for a parameter that the path lacks."""
        path_params = self._scope.get("path_params") or {}
        return {str(path_params[name]) if name in path_params else None for name in requirement.spaces}


def _cost_of(access: Access) -> int:
    """What a connection costs that comes in by this access."""
    return 1 if not isinstance(access, Requirement) or access.cost is None else access.cost


def visit_of(scope: Scope) -> Visit:
    """The visit of a connection.

    :raises ConfigurationError: when no TokenMiddleware stands before the endpoint.
    """
    visit = scope.get(KEY)
    if isinstance(visit, Visit):
        return visit
    raise ConfigurationError("a protected endpoint needs TokenMiddleware before it; add it to the app's middleware")
