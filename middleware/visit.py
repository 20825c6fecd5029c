"""One request or WebSocket passing through the middleware: who may come in, what goes out, and what it counts as."""

from __future__ import annotations

import logging

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Absent, CannotTell, Outcome, Valid
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret

from . import problems
from .access import Access, Requirement, optional, public
from .asking import ANONYMOUS, NOT_READ
from .credentials import Malformed
from .exchange import Exchange
from .gate import FOREIGN, Gate
from .limits.flooded import Flooded
from .limits.headers import retry_after
from .metering import DONE, NO_SCOPES, Fate, scopes_used
from .open_response import OpenResponse
from .satisfying import refusal_of, satisfied, spaces_in
from .stay import Stay
from .token_credentials import NO_CREDENTIALS
from .vary import VARY

log = logging.getLogger("spacekey.middleware")

KEY = "spacekey"
"""Where the visit sits in the ASGI scope."""

EARLIER = "spacekey.earlier"
"""Where it keeps what else it was found to satisfy, if one look was not all."""


class Visit(Exchange):
    """The state of one connection. Until somebody asks, its user is the one that another middleware has set, or else
    Starlette's unauthenticated one.

    The middleware makes one for each connection and puts it into the scope.
    """

    __slots__ = ()

    def __init__(
        self,
        gate: Gate,
        scope: Scope,
        receive: Receive,
        send: Send,
        sent: Secret | Malformed | None = NOT_READ,
    ) -> None:
        self._gate = gate
        self._scope = scope
        self._receive = receive
        self._send = send
        self._outcome = None
        self.admitted = None
        self.decision = None
        self.fate = gate.fate
        self._paid = 0
        self._used = NO_SCOPES
        self._sent = sent
        self.stay = None
        self._heard = False
        self.vary = VARY
        if "user" not in scope or scope.get(KEY) is not None:  # another authentication's user stays, see _settle()
            scope["user"] = ANONYMOUS
            scope["auth"] = NO_CREDENTIALS
        elif "auth" not in scope:
            scope["auth"] = NO_CREDENTIALS
        scope[KEY] = self

    def passes(self, access: Access) -> bool:
        """Whether the connection may come in, as far as can be said at once; else :meth:`refusal` knows more."""
        if access is self.admitted or access is public:
            return True
        gate, outcome = self._gate, self._outcome
        if outcome is None:
            if self._sent is NOT_READ:
                scope = self._scope
                try:
                    known = gate.recall(scope)
                except Exception as error:  # noqa: BLE001 - the exact path asks again, and says "cannot tell"
                    log.error("the verifier failed with %s", type(error).__name__)
                    known = None
                if known is not None:
                    outcome = self._outcome = known.verdict
                    scope["user"] = outcome.principal
                    scope["auth"] = known.credentials
                    if gate.on_outcome is not None:
                        gate.observe(scope, outcome)
            outcome = outcome or self._peek()
        if type(outcome) is Valid:
            principal = outcome.principal
            if gate.limits is not None and not self._charged_at_once(principal, access):
                return False
            if type(access) is Requirement and (enough := access.enough) is not None:
                passes = enough <= principal.scopes  # the usual case, without another call
            else:
                passes = access is optional or satisfied(self._scope, principal, access)
        else:
            passes = access is optional and isinstance(outcome, Absent)
        if passes:
            if self.admitted is None:
                self.admitted = access
            else:
                self._admit(access)
        return passes

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
        if outcome == FOREIGN:
            return problems.cross_origin()
        if isinstance(self._sent, Malformed):
            return problems.request_malformed(self._gate.realm)
        return problems.token_refused(self._gate.realm)

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

    async def refusal_to_stay(self, principal: Principal) -> Response | None:
        """What would refuse this connection if it came in now as ``principal``; None lets it stay."""
        for access in self._satisfies():
            if not satisfied(self._scope, principal, access):
                refusal = await refusal_of(self._gate, self._scope, principal, access)
                if refusal is not None:
                    return refusal
        return None

    @property
    def spaces(self) -> frozenset[str | None]:
        """The spaces that the connection is bound to, by the path parameters of what it satisfied."""
        return frozenset(space for access in self._satisfies() for space in spaces_in(self._scope, access))

    def _staying(self) -> Stay:
        if self.stay is None:
            self.stay = Stay(self, self._gate, self._scope, OpenResponse(self._gate.watch, self._receive, self._send))
        return self.stay

    def _satisfies(self) -> list[Requirement]:
        every = [*self._scope.get(EARLIER, ()), self.admitted]
        return [access for access in every if isinstance(access, Requirement)]

    def _admit(self, access: Access) -> None:
        """Let in by one more declaration than before."""
        if self.admitted is not None:
            if isinstance(self._outcome, Valid):
                self._used |= scopes_used(self.admitted, self._outcome.principal)
            self._note(self.admitted)
        self.admitted = access

    def _note(self, access: Access) -> None:
        """Remember what was satisfied besides ``admitted``: a connection that stays must go on satisfying it all."""
        earlier: list[Access] = self._scope.setdefault(EARLIER, [])
        if access not in earlier:
            earlier.append(access)

    async def _decided(self, principal: Principal, requirement: Requirement) -> Response | None:
        refusal = await refusal_of(self._gate, self._scope, principal, requirement)
        if refusal is None:
            self._used |= scopes_used(requirement, principal)
            self._note(requirement)
        else:
            self.fate = DONE if refusal.status_code == 503 else Fate.DENIED
        return refusal

    def _settle(self, outcome: Outcome) -> Outcome:
        if self.admitted is not None:
            self._note(self.admitted)
            self.admitted = None
        super()._settle(outcome)
        if self.stay is not None:
            self.stay.follow()
        return outcome


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
