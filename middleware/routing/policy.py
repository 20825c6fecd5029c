"""Compile and check the rules of all routes of an app at start-up, and put guards in front of the endpoints."""

from __future__ import annotations

import logging
from functools import partial
from typing import Literal, TypeAlias

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Scope, Send

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.suggest import did_you_mean
from spacekey.middleware.argument_checks import check_event_loop
from spacekey.middleware.rules.marks import access_of
from spacekey.middleware.rules.requirement import (
    IGNORED,
    OPTIONAL,
    PUBLIC,
    Access,
    Requirement,
    combined,
)

from .guards import LimitedRouteGuard, RouteGuard, guard_of, without_cors
from .routes import ANY, Holder, RouteScan, RouteSnapshot, RouteTarget, own_middleware, routes_as_usual
from .table import Rules, RuleTable, rules_for

Undeclared: TypeAlias = Literal["deny", "optional", "ignore"]
"""How routes are treated that declare nothing."""

Plan: TypeAlias = dict[str, Access | None]
"""Access by method; None if nothing is declared."""

_TREATED: dict[Undeclared, Access | None] = {"deny": None, "optional": OPTIONAL, "ignore": IGNORED}

log = logging.getLogger("spacekey.middleware")


class RoutePolicy:
    """Rules of the routes behind one TokenMiddleware.

    :param holder: the middleware; its ``app`` is the app behind it.
    :param rules: the rule table.
    :param undeclared: how undeclared routes are treated; see :class:`~spacekey.middleware.TokenMiddleware`.
    :param known_scopes: the only scopes that rules may name, or None for any.
    :param charges: whether there is a limiter, which limits of rules need.
    :raises ConfigurationError: for another value of ``undeclared``.
    """

    def __init__(
        self,
        holder: Holder,
        rules: Rules,
        undeclared: Undeclared,
        known_scopes: frozenset[str] | None,
        *,
        charges: bool = True,
    ) -> None:
        if undeclared not in _TREATED:
            raise ConfigurationError(f'undeclared={undeclared!r:.40}: write "deny", "optional" or "ignore"')
        self._holder = holder
        self._rules = RuleTable.of(rules)
        self._denies = undeclared == "deny"
        self._undeclared = _TREATED[undeclared]
        # With "ignore" a public route needs a guard too: it has an unauthenticated user, and others have none.
        self._unguarded: set[Access | None] = {IGNORED} if self._undeclared is IGNORED else {PUBLIC}
        self._known_scopes = known_scopes
        self._charges = charges
        self._plans: dict[tuple[str, str], Access | None] = {}
        self.snapshot = RouteSnapshot()
        """Routes as they were found. If it needs a check, or they differ from it, call :meth:`refresh`."""
        self.snapshot.mark_stale()  # no routes have been found yet

    def refresh(self, scope: Scope) -> None:
        """Put the guards in place at the first connection, and again after routes were added or replaced."""
        if self.snapshot.is_stale():
            check_event_loop()
            undeclared = self.compile(scope)
            for line in undeclared if self._denies else ():
                log.error("no rule, answered with 403: %s", line)

    def compile(self, scope: Scope) -> list[str]:
        """Put the guards in place, and return the undeclared routes, one string each.

        :raises RuleError: for an unknown scope, a table entry that matches no route, contradictory declarations, a
            rule bound to a path parameter that its path lacks, or a rule that is on no route; and where undeclared
            routes are not denied, if one route is reached by two paths of which only one has a rule.
        """
        scan = self._scanned(scope)
        plans: dict[int, tuple[RouteTarget, Plan]] = {}
        undeclared: list[str] = []
        for lost in scan.lost:
            raise RuleError(
                f"'{lost.path}': a rule has been put on its function, and the route has the function without it; write "
                "requires(…) directly above the function, below the route's decorator"
            )
        self._rules.begin()
        for target in scan.targets:
            plan = self._planned(target)
            undeclared += [f"{method} {target.path}" for method in _undeclared_in(plan)]
            earlier = plans.get(target.key)
            plans[target.key] = (target, plan if earlier is None else self._both(*earlier, target, plan))
        self._rules.refuse_unused(scan.targets)
        self._plans = {
            (method, target.path): access for target in scan.targets for method, access in plans[target.key][1].items()
        }
        for target, plan in plans.values():
            target.put(partial(self._guarded, plan, target))
        self.snapshot = scan.snapshot()
        return undeclared

    def accesses(self, scope: Scope) -> dict[tuple[str, str], Access | None]:
        """Return what holds now for each (method, path template), tables included; None for what has no rule.

        :raises RuleError: as :meth:`compile` does.
        """
        self.compile(scope)
        return {key: self._or_default(access) for key, access in self._plans.items()}

    def checked_at_startup(self, scope: Scope, send: Send) -> Send:
        """Return a ``send`` for the lifespan that completes start-up only on asyncio and if every route is declared.

        The check comes after the app's own start-up, which may add routes; raising there lets the app clean up.
        """
        scope = dict(scope)  # a copy, because routers write into it during start-up
        failed = False

        async def sending(message: Message) -> None:
            nonlocal failed
            if message["type"] == "lifespan.startup.complete":
                try:
                    self._check(scope)
                except ConfigurationError as error:
                    failed = True
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
            if not failed:
                await send(message)

        return sending

    def _check(self, scope: Scope) -> None:
        check_event_loop()
        undeclared = self.compile(scope)
        if undeclared and self._denies:
            lines = "\n".join(f"  {line}" for line in undeclared)
            shortest = ", ".join(rules_for(line.partition(" ")[2] for line in undeclared))
            raise ConfigurationError(
                f"{len(undeclared)} routes have no rule and are not public:\n{lines}\n"
                "Put requires(…), optional or public on each, or name them in TokenMiddleware(rules=…), which takes "
                f'many at once: {shortest}. undeclared="ignore" leaves them as they are.'
            )
        if undeclared:
            how = "left alone" if self._undeclared == IGNORED else "open to callers without credentials"
            log.info("%d routes have no rule and are %s: %s", len(undeclared), how, ", ".join(undeclared))

    def _scanned(self, scope: Scope) -> RouteScan:
        """Return the routes behind the middleware or, if they cannot be seen, one target for all of them."""
        app = without_cors(self._holder.app)
        if own_middleware(app) is not None:
            return RouteScan()
        around = scope.get("app")
        routed = "router" in scope and own_middleware(around) is None
        for candidate in (app, getattr(app, "__self__", None), None if routed else around):
            if isinstance(candidate, Router | Starlette) and routes_as_usual(candidate, entered=candidate is not app):
                return RouteScan().router(candidate)
        access = access_of(app) or (access_of(scope.get("endpoint")) if routed else None)
        scan = RouteScan()
        scan.add_whole(self._holder, access)
        return scan

    def _planned(self, target: RouteTarget) -> Plan:
        """Return the access to one target by method: its endpoint's declaration and the table's, combined."""
        open_ended = ANY in target.declared
        methods = {*target.declared, *(self._rules.methods_for(target) if open_ended else ())}
        self._rules.note_used(target, methods)
        if "GET" in methods and (open_ended or "HEAD" in methods):
            methods.add("HEAD")
        plan: Plan = {}
        for method in sorted(methods):
            where = f"{method} {target.path}"
            declared = target.declared.get(method, target.declared.get(ANY))
            plan[method] = combined(declared, self._rules.access_to(target, method), where)
            self._check_one(plan[method], target, where)
        return plan

    def _both(self, one: RouteTarget, first: Plan, other: RouteTarget, second: Plan) -> Plan:
        """Return the rules of one object reached by two paths: both apply, and undeclared on either is undeclared.

        :raises RuleError: if a rule would thereby be lost.
        """
        both: Plan = {}
        for method in {**first, **second}:
            declared, also = first.get(method), second.get(method)
            if declared is None or also is None:
                if not self._denies and (declared or also):
                    raise RuleError(
                        f"'{one.path}' and '{other.path}' are one route, and only one of them has a rule for {method}; "
                        "give both the same"
                    )
                both[method] = None
            else:
                both[method] = combined(declared, also, other.path)
        return both

    def _check_one(self, access: Access | None, target: RouteTarget, where: str) -> None:
        if not isinstance(access, Requirement):
            return
        if self._known_scopes is not None:
            access.rule.check_known(self._known_scopes, where)
        if access.limits and not self._charges:
            raise RuleError(
                f"{where}: the rule has a limit, and nothing charges it; write TokenMiddleware(limits=MemoryLimiter())"
            )
        for parameter in sorted(access.spaces - target.parameters):
            near = did_you_mean(parameter, target.parameters)
            raise RuleError(f"{where}: the rule is bound to '{parameter}', which the path does not have.{near}")

    def _guarded(self, plan: Plan, target: RouteTarget, app: ASGIApp) -> ASGIApp:
        otherwise = target.otherwise
        earlier = guard_of(app)
        if earlier is not None and earlier.owner is self:
            app = earlier.app
        accesses = {method: self._or_default(access) for method, access in plan.items()}
        rest = self._or_default(plan.get(ANY, otherwise))
        every = {rest, *accesses.values()}
        if every <= self._unguarded:
            return app
        if any(access is not None and access.limits for access in every):
            names = _names_of({**accesses, ANY: rest}, target.path)
            return LimitedRouteGuard(app, rest, accesses, owner=self, names=names)
        distinct = set(accesses.values())
        if len(distinct) == 1 and otherwise is None:
            return RouteGuard(app, distinct.pop(), owner=self)
        return RouteGuard(app, rest, accesses, owner=self)

    def _or_default(self, access: Access | None) -> Access | None:
        return self._undeclared if access is None else access


def _names_of(accesses: Plan, path: str) -> dict[str, str]:
    """Return the name of a route by method; methods with one rule share a name, and so a limit."""
    alike: dict[Access | None, list[str]] = {}
    for method, access in accesses.items():
        alike.setdefault(access, []).append(method)
    return {method: f"{','.join(sorted(alike[access]))} {path}" for method, access in accesses.items()}


def _undeclared_in(plan: Plan) -> list[str]:
    """Return the undeclared methods.

    HEAD is left out if GET is undeclared too, and "any other" if single methods are declared beside it.
    """
    open_ones = [method for method, access in plan.items() if access is None]
    return [
        method
        for method in open_ones
        if not (method == "HEAD" and "GET" in open_ones) and not (method == ANY and len(plan) > 1)
    ]
