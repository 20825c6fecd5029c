"""Compile and check the rules of all routes of an app at start-up, and put guards in front of the endpoints."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Scope, Send

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.suggest import did_you_mean
from spacekey.middleware.argument_checks import check_event_loop
from spacekey.middleware.rules.marks import access_of
from spacekey.middleware.rules.requirement import (
    OPTIONAL,
    PUBLIC,
    Access,
    Declaration,
    Requirement,
    accesses_from,
    combined,
)

from .guards import RouteGuard, guard_of, unguarded
from .routes import ANY, Holder, RouteScan, RouteSnapshot, RouteTarget, own_middleware, routes_as_usual

Plan: TypeAlias = dict[str, Access | None]
"""Access by method; None if nothing is declared."""

log = logging.getLogger("spacekey.middleware")


class RoutePolicy:
    """Rules of the routes behind one TokenMiddleware.

    :param holder: the middleware; its ``app`` is the app behind it.
    :param rules: the rule table.
    :param deny_by_default: how undeclared routes are treated; see :class:`~spacekey.middleware.TokenMiddleware`.
    :param known_scopes: the only scopes that rules may name, or None for any.
    """

    def __init__(
        self,
        holder: Holder,
        rules: Mapping[tuple[str, str], Declaration],
        deny_by_default: bool,
        known_scopes: frozenset[str] | None,
    ) -> None:
        self._holder = holder
        self._rules = accesses_from(rules)
        self._undeclared: Access | None = None if deny_by_default else OPTIONAL
        self._known_scopes = known_scopes
        self.snapshot = RouteSnapshot()
        """Routes as they were found. If it needs a check, or they differ from it, call :meth:`refresh`."""
        self.snapshot.mark_stale()  # no routes have been found yet

    def refresh(self, scope: Scope) -> None:
        """Put the guards in place at the first connection, and again after routes were added or replaced."""
        if self.snapshot.is_stale():
            check_event_loop()
            for line in self.compile(scope):
                log.error("no rule, answered with 403: %s", line)

    def compile(self, scope: Scope) -> list[str]:
        """Put the guards in place, and return the undeclared routes, one string each.

        :raises RuleError: for an unknown scope, a table entry that matches no route, contradictory declarations, or a
            rule bound to a path parameter that its path lacks.
        """
        scan = self._scanned(scope)
        plans: dict[int, tuple[RouteTarget, Plan]] = {}
        undeclared: list[str] = []
        unused = set(self._rules)
        for target in scan.targets:
            plan = self._planned(target, unused)
            undeclared += [f"{method} {target.path}" for method in _undeclared_in(plan)]
            earlier = plans.get(target.key)
            plans[target.key] = (target, plan if earlier is None else _both(earlier[1], plan, target.path))
        self._refuse_unused(unused, scan)
        for target, plan in plans.values():
            target.put(partial(self._guarded, plan, target.otherwise))
        self.snapshot = scan.snapshot()
        return undeclared if self._undeclared is None else []

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
        if undeclared:
            lines = "\n".join(f"  {line}" for line in undeclared)
            raise ConfigurationError(
                f"{len(undeclared)} routes have no rule and are not public:\n{lines}\n"
                "Put requires(…), optional or public on each, or name them in TokenMiddleware(rules=…)."
            )

    def _scanned(self, scope: Scope) -> RouteScan:
        """Return the routes behind the middleware or, if they cannot be seen, one target for all of them."""
        app = unguarded(self._holder.app)
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

    def _planned(self, target: RouteTarget, unused: set[tuple[str, str]]) -> Plan:
        """Return the access to one target by method: its endpoint's declaration and the table's, combined."""
        table = {method: access for (method, path), access in self._rules.items() if path == target.path}
        open_ended = ANY in target.declared
        methods = {*target.declared, *(table if open_ended else ())}
        unused -= {(method, target.path) for method in table if method in methods or method == ANY}
        if "GET" in methods and (open_ended or "HEAD" in methods):
            methods.add("HEAD")
            if "GET" in table:
                table.setdefault("HEAD", table["GET"])
        plan: Plan = {}
        for method in sorted(methods):
            where = f"{method} {target.path}"
            declared = target.declared.get(method, target.declared.get(ANY))
            plan[method] = combined(declared, table.get(method, table.get(ANY)), where)
            self._check_one(plan[method], target, where)
        return plan

    def _check_one(self, access: Access | None, target: RouteTarget, where: str) -> None:
        if not isinstance(access, Requirement):
            return
        if self._known_scopes is not None:
            access.rule.check_known(self._known_scopes, where)
        for parameter in sorted(access.spaces - target.parameters):
            near = did_you_mean(parameter, target.parameters)
            raise RuleError(f"{where}: the rule is bound to '{parameter}', which the path does not have.{near}")

    def _refuse_unused(self, unused: set[tuple[str, str]], scan: RouteScan) -> None:
        known = {f"{method} {target.path}" for target in scan.targets for method in target.declared}
        for method, path in sorted(unused):
            entry = f"{method} {path}"
            raise RuleError(f"the rule table names '{entry}', which is not a route.{did_you_mean(entry, known)}")

    def _guarded(self, plan: Plan, otherwise: Access | None, app: ASGIApp) -> ASGIApp:
        earlier = guard_of(app)
        if earlier is not None and earlier.owner is self:
            app = earlier.app
        accesses = {method: self._or_default(access) for method, access in plan.items()}
        rest = self._or_default(plan.get(ANY, otherwise))
        if all(access == PUBLIC for access in (rest, *accesses.values())):
            return app
        distinct = set(accesses.values())
        if len(distinct) == 1 and otherwise is None:
            return RouteGuard(app, distinct.pop(), owner=self)
        return RouteGuard(app, rest, accesses, owner=self)

    def _or_default(self, access: Access | None) -> Access | None:
        return self._undeclared if access is None else access


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


def _both(one: Plan, two: Plan, where: str) -> Plan:
    """Return the rules of one object reached by two paths: both apply, and undeclared on either is undeclared."""
    return {
        method: None
        if (first := one.get(method)) is None or (second := two.get(method)) is None
        else combined(first, second, where)
        for method in {**one, **two}
    }
