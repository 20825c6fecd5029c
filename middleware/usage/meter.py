"""Charge one request to its token's limit, and count it in its token's usage: once each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from starlette.types import Scope

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Rejected
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.usage import UsageCounter
from spacekey.middleware.argument_checks import places_of
from spacekey.middleware.limits.limiter import POLICY, ROUTE_POLICY, Decision, Limiter
from spacekey.middleware.rules.requirement import Access, Requirement

from .counts import Client

log = logging.getLogger("spacekey.middleware")

NO_SCOPES: frozenset[str] = frozenset()
MEMBER = Kind.MEMBER


class Counted(Enum):
    """Category in which a request of a valid token is counted."""

    ALLOWED = "allowed"
    DENIED = "denied"
    LIMITED = "limited"


ALLOWED = Counted.ALLOWED
"""The same, since members of an enumeration are slow to reach."""


@dataclass(frozen=True, slots=True)
class Metering:
    """Settings of :class:`~spacekey.middleware.TokenMiddleware` for what an app charges and counts.

    :param limits: charges limits; None charges nothing.
    :param limit: one limit for every caller, instead of the principal's own.
    :param usage: counts requests; None counts nothing.
    :param limit_of: returns the limit of a principal, instead of the principal's own.
    """

    limits: Limiter | None = None
    limit: Limit | None = None
    usage: UsageCounter | None = None
    limit_of: Callable[[Principal], Limit | None] | None = None
    pending: Counted | None = field(init=False)
    """Category of a request before anything is known: ALLOWED, or None if nothing is counted."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pending", None if self.usage is None else Counted.ALLOWED)

    def limit_for(self, principal: Principal) -> Limit | None:
        """Return the limit that a principal's requests are charged to; None if there is none."""
        if self.limit_of is None:
            return self.limit or principal.rate_limit
        try:
            limit: object = self.limit_of(principal)
        except Exception as error:  # noqa: BLE001 - the plan's limit still holds
            log.error("the function of limits failed with %s", places_of(error))
            return principal.rate_limit
        if limit is not None and not isinstance(limit, Limit):
            log.error("the function of limits returned %s: write Limit(…) or None", type(limit).__name__)
            return principal.rate_limit
        return limit


class RequestMeter:
    """Charges and counts one connection.

    :param scope: the ASGI scope; its ``client`` is read when the connection is counted.
    """

    __slots__ = (
        "_charging",
        "_metering",
        "_paid",
        "_routes",
        "_scope",
        "_scopes",
        "decision",
        "pending",
        "route_decision",
    )

    def __init__(self, metering: Metering, scope: Scope) -> None:
        self._metering = metering
        self._scope = scope
        self._paid = 0
        self._charging: asyncio.Lock | None = None  # one charge at a time, since the parts of a batch share it
        self._scopes = NO_SCOPES
        self._routes: tuple[str, ...] = ()  # accounts of routes that were charged
        self.decision: Decision | None = None
        """State of the token's limit; None before it was charged, and if there is none."""
        self.route_decision: Decision | None = None
        """State of the tightest limit of a route; None if no route has one."""
        self.pending = metering.pending
        """Category of the connection, as far as is known; None if nothing is left to count."""

    @property
    def limits(self) -> bool:
        """Whether anything is charged."""
        return self._metering.limits is not None

    def charge_at_once(self, principal: Principal, access: Access) -> bool:
        """Charge the connection, once, and return whether its limit admits it.

        False may mean that :meth:`charge` must decide.
        """
        if access.limits:
            return False
        decision = self.decision
        if decision is None:
            metering = self._metering
            limits = metering.limits
            limit = (
                metering.limit or principal.rate_limit if metering.limit_of is None else metering.limit_for(principal)
            )
            cost = 1 if access.cost is None else access.cost
            if limits is None or limit is None or cost == 0:
                return True
            if self._charging is not None:
                return False  # charge() is at it
            self._paid = cost
            try:
                decision = self.decision = limits.charge_at_once(principal.account, limit, cost)
            except Exception as error:  # noqa: BLE001 - charge() tries again, and admits the request if that fails too
                log.error("the limiter failed with %s", type(error).__name__)
        return decision is not None and decision.allowed

    async def charge_route(self, principal: Principal, access: Access, route: str) -> bool:
        """Charge the route's own limits, each once for the connection, and return whether they admit it.

        :param route: the route's name, which tells it from other routes with the same limit.
        """
        limits = self._metering.limits
        for limit in sorted(access.limits, key=lambda each: (each.per_minute, each.burst)):
            account = f"{principal.account}|{route}|{limit.per_minute}/{limit.burst}"
            if account in self._routes or limits is None:
                continue
            lock = self._charging = self._charging or asyncio.Lock()
            async with lock:
                if account in self._routes:
                    continue
                decision = await _decision_of(limits, account, limit, 1)
                if decision is not None:
                    tightest = self.route_decision
                    if tightest is None or not decision.allowed or decision.remaining < tightest.remaining:
                        self.route_decision = decision
                    if not decision.allowed:
                        return False
                self._routes = (*self._routes, account)
        return True

    @property
    def binding(self) -> tuple[Decision, str] | None:
        """The decision that refused the connection, else the tightest, with its policy's name; None without a limit."""
        own, route = self.decision, self.route_decision
        if route is None:
            return None if own is None else (own, POLICY)
        if own is None or not route.allowed or (own.allowed and route.remaining <= own.remaining):
            return route, ROUTE_POLICY
        return own, POLICY

    async def charge(self, principal: Principal, cost: int) -> bool:
        """Charge the connection, once, and return whether its limit admits it.

        A limiter that fails refuses no caller.
        """
        if self.decision is None and cost:
            lock = self._charging = self._charging or asyncio.Lock()
            async with lock:
                if self.decision is None and self._charging is lock:
                    decision = await self._charged(principal, cost)
                    if self._charging is not lock:  # restarted meanwhile: the charge was the earlier caller's
                        return decision is None or decision.allowed
                    self.decision, self._paid = decision, cost
        return self.decision is None or self.decision.allowed

    async def charge_operation(self, principal: Principal, cost: int, *, over_http: bool) -> Decision | None:
        """Charge what a GraphQL operation costs; over HTTP, minus what the request has already paid, once.

        :returns: None if there is nothing left to charge.
        """
        if over_http and self.decision is not None:
            paid = min(self._paid, cost)
            self._paid -= paid  # the next operation of a batch pays for itself
            cost -= paid
        if cost <= 0:
            return None
        decision = await self._charged(principal, cost)
        if over_http and decision is not None:
            self.decision = decision
        return decision

    def restart(self) -> None:
        """Forget the charge, because the connection has another caller now."""
        self.decision = self.route_decision = self._charging = None
        self._routes = ()

    def used(self, access: Access, principal: Principal) -> None:
        """Note the scopes by which ``access`` admitted the principal, besides those of the latest one."""
        self._scopes |= scopes_used(access, principal)

    def refused(self, *, unavailable: bool) -> None:
        """Record that a rule refused the connection, or that no decision was possible, which does not count."""
        uncounted = unavailable or self._metering.usage is None
        self.pending = None if uncounted else Counted.DENIED

    def record_operation(self, scopes: frozenset[str] | None, outcome: AuthenticationResult | None) -> None:
        """Record a GraphQL operation that was admitted by these scopes, or refused (None).

        On a WebSocket, or after the response has begun, it counts as a request of its own; else it is what the request
        is for.
        """
        counted = Counted.DENIED if scopes is None else Counted.ALLOWED
        if self.pending is None:
            self.count_another(outcome, counted, scopes or NO_SCOPES)
        else:
            self.pending = counted
            self._scopes |= scopes or NO_SCOPES

    def count(self, outcome: AuthenticationResult | None, admitted: Access | None) -> None:
        """Count the connection, once: when its response begins, or when it ended without one.

        :param admitted: the declaration that the connection satisfied last.
        """
        counted, usage = self.pending, self._metering.usage
        if usage is None or counted is None:
            return
        self.pending = None
        decision, route = self.decision, self.route_decision
        if (decision is not None and not decision.allowed) or (route is not None and not route.allowed):
            counted = Counted.LIMITED
        client, scopes = self._scope.get("client"), self._scopes
        if counted is not ALLOWED or not isinstance(outcome, Authenticated):
            _count(usage, outcome, client, counted, scopes)
            return
        principal = outcome.principal
        if isinstance(admitted, Requirement):
            used = admitted.rule.enough_of(principal.scopes) or NO_SCOPES
            scopes = used | scopes if scopes else used
        if principal.kind is not MEMBER:
            if principal.issuer:
                usage = usage.of_issuer(principal.issuer)
            usage.allowed(principal.id, client, scopes)

    def count_another(
        self, outcome: AuthenticationResult | None, counted: Counted, scopes: frozenset[str] = NO_SCOPES
    ) -> None:
        """Count one more request on the same connection."""
        if self._metering.usage is not None:
            _count(self._metering.usage, outcome, self._scope.get("client"), counted, scopes)

    async def _charged(self, principal: Principal, cost: int) -> Decision | None:
        limits, limit = self._metering.limits, self._metering.limit_for(principal)
        if limits is None or limit is None:
            return None
        return await _decision_of(limits, principal.account, limit, cost)


async def _decision_of(limits: Limiter, account: str, limit: Limit, cost: int) -> Decision | None:
    try:
        return await limits.charge(account, limit, cost)
    except Exception as error:  # noqa: BLE001 - a limit keeps a service usable; a broken one must not end it
        log.error("the limiter failed with %s", type(error).__name__)
        return None


def cost_of(access: Access) -> int:
    """Return the cost of a connection that this declaration admits."""
    return 1 if access.cost is None else access.cost


def scopes_used(access: Access, principal: Principal) -> frozenset[str]:
    """Return the scopes by which ``access`` admits the principal."""
    if not isinstance(access, Requirement):
        return NO_SCOPES
    return access.rule.enough_of(principal.scopes) or NO_SCOPES


def _count(
    usage: UsageCounter, outcome: AuthenticationResult | None, client: Client, counted: Counted, scopes: frozenset[str]
) -> None:
    """Count one request. Members and callers without a known token are not counted."""
    if isinstance(outcome, Authenticated):
        principal = outcome.principal
        if principal.kind is MEMBER:
            return
        usage = usage.of_issuer(principal.issuer) if principal.issuer else usage
        if counted is ALLOWED:
            usage.allowed(principal.id, client, scopes)
        elif counted is Counted.DENIED:
            usage.denied(principal.id, client)
        else:
            usage.limited(principal.id, client)
    elif isinstance(outcome, Rejected) and outcome.token_id is not None:
        (usage.of_issuer(outcome.issuer) if outcome.issuer else usage).refused(outcome.token_id)
