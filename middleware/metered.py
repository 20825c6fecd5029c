"""What a connection costs its token's limit, and what it counts as in its token's usage."""

from __future__ import annotations

from spacekey.domain.outcome import Valid

from .access import Access, Requirement
from .asking import Asking
from .limits import Decision
from .metering import ALLOWED, DONE, MEMBER, NO_SCOPES, Fate, count, scopes_used


class Metered(Asking):
    """What is charged and counted for a connection, once each. Its attributes are set by the visit it is."""

    __slots__ = ("_used", "admitted", "fate")

    _used: frozenset[str]  # by what it was let in besides ``admitted``
    admitted: Access | None
    """What this connection was last found to satisfy, so that an endpoint need not look again."""
    fate: Fate
    """What it will count as, as far as is known."""

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
        """Charge what a GraphQL operation costs; over HTTP what the request has paid already is taken off, once.

        :returns: None where there is nothing left to charge.
        """
        outcome, over_http = self._outcome, self._scope["type"] == "http"
        if not isinstance(outcome, Valid):
            return None
        if over_http and self.decision is not None:
            paid = min(self._paid, cost)
            self._paid -= paid  # the next operation of a batch pays for itself
            cost -= paid
        if cost <= 0:
            return None
        decision = await self._gate.charge(outcome.principal, cost)
        if over_http and decision is not None:
            self.decision = decision
        return decision

    def _count_also(self, fate: Fate, scopes: frozenset[str] = NO_SCOPES) -> None:
        if self._gate.usage is not None:
            count(self._gate.usage, self._outcome, self._scope.get("client"), fate, scopes)
