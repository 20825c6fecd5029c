"""The credentials of one connection and what they come to: asked for at most once, and only when somebody asks."""

from __future__ import annotations

import logging

from starlette.authentication import UnauthenticatedUser
from starlette.requests import HTTPConnection
from starlette.types import Scope

from spacekey.domain.outcome import Absent, Outcome, Reason, Refused, Valid
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret

from .access import Access, Requirement
from .credentials import Malformed, credentials_of
from .gate import FOREIGN, Gate
from .limits import Decision
from .origin import may_change
from .token_credentials import NO_CREDENTIALS, TokenCredentials
from .vary import VARY_BY_COOKIE, VARY_BY_ORIGIN, Header

log = logging.getLogger("spacekey.middleware")

NOT_READ = Malformed("not read yet")
"""Stands for credentials that nobody has asked for yet."""

ANONYMOUS = UnauthenticatedUser()
"""Starlette's user without credentials; it has no state, so one will do."""


class Asking:
    """What is known of a connection's caller, and how more is learnt. Its attributes are set by the visit it is."""

    __slots__ = ("_gate", "_outcome", "_paid", "_scope", "_sent", "decision", "vary")

    _gate: Gate
    _sent: Secret | Malformed | None
    _outcome: Outcome | None
    _paid: int
    _scope: Scope
    decision: Decision | None
    """What the token's limit says; None before it was charged, and for whoever has none."""

    vary: Header
    """What the response depends on: the names for its ``Vary``."""

    @property
    def realm(self) -> str:
        """The realm of challenges."""
        return self._gate.realm

    @property
    def known(self) -> Outcome | None:
        """The outcome, if anybody has asked."""
        return self._outcome

    @property
    def consulted(self) -> bool:
        """Whether the response may depend on the credentials."""
        return self._outcome is not None

    @property
    def secret(self) -> Secret | None:
        """The secret that was sent, for what watches it."""
        sent = self._credentials()
        return sent if isinstance(sent, Secret) else None

    async def outcome(self) -> Outcome:
        """What the request's credentials come to. Asked once; the answer is kept for this connection."""
        return self._outcome or self._settle(await self._ask())

    async def again(self) -> Outcome:
        """Verify the same credentials anew: for connections that outlive an answer."""
        return self._settle(await self._ask())

    async def fallback(self) -> Outcome:
        """What the app's own way of authentication says now."""
        return await self._gate.ask_fallback(HTTPConnection(self._scope))

    def renew(self, valid: Valid) -> None:
        """The credentials were verified anew: the connection goes on with their principal as it is now."""
        self._outcome = valid
        self._scope["user"] = valid.principal
        self._scope["auth"] = TokenCredentials(valid.principal)

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
        gate = self._gate
        if gate.fallback is None:
            return Absent()
        outcome = await gate.ask_fallback(HTTPConnection(self._scope))
        decided = isinstance(outcome, Valid) or outcome == FOREIGN
        checked = decided and gate.origins is not None and may_change(self._scope)
        self.vary = VARY_BY_ORIGIN if checked else VARY_BY_COOKIE
        return outcome

    async def _ask_about(self, secret: Secret) -> Outcome:
        flood = self._gate.flood
        if flood is None:
            return await self._gate.judge(self._scope, secret)
        held_up = flood.holds_up(self._scope, secret)
        if held_up is not None:
            return held_up
        verdict = await self._gate.judge(self._scope, secret)
        flood.note(self._scope, secret, verdict)
        return verdict

    def _charged_at_once(self, principal: Principal, access: Access) -> bool:
        """Whether the limit admits this connection, which is charged once; False may mean that it must be awaited."""
        decision = self.decision
        if decision is None:
            cost = access.cost if type(access) is Requirement else 1
            limit = self._gate.limit_of(principal)
            if limit is None or cost == 0:
                return True
            self._paid = cost = cost or 1
            try:
                decision = self.decision = self._gate.charge_at_once(principal.limit_key, limit, cost)
            except Exception as error:  # noqa: BLE001 - charge() tries again, and lets the request pass
                log.error("the limiter failed with %s", type(error).__name__)
        return decision is not None and decision.allowed

    async def _charged(self, principal: Principal, cost: int) -> bool:
        """The same, waited for. Nobody is kept out by a limiter that fails."""
        if self.decision is None and cost:
            self.decision = await self._gate.charge(principal, cost)
            self._paid = cost
        return self.decision is None or self.decision.allowed

    def _settle(self, outcome: Outcome) -> Outcome:
        """Keep the outcome, and make its principal the connection's user.

        Without credentials the user of another authentication middleware stays; refused ones are nobody's.
        """
        before, self._outcome = self._outcome, outcome
        if isinstance(outcome, Valid):
            self._scope["user"] = outcome.principal
            self._scope["auth"] = TokenCredentials(outcome.principal)
        elif before is not None or not isinstance(outcome, Absent):
            self._scope["user"] = ANONYMOUS
            self._scope["auth"] = NO_CREDENTIALS
        if self._gate.on_outcome is not None or type(outcome) is not Valid:
            self._gate.observe(self._scope, outcome)
        return outcome
