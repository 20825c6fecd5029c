"""Settings of enforcement, and the default way to find the caller: the principal set by the token middleware."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Principal
from spacekey.domain.suggest import did_you_mean
from spacekey.middleware.request_auth import KEY, RequestAuth

from .analysis import Denial
from .operations import Operation

SELECTIONS_MAX = 20_000
"""Default bound on the work of one analysis, in selections looked at."""

_log = logging.getLogger(__name__)


OnDenied: TypeAlias = Literal["reject", "null", "log"]
"""What happens to an operation that selects a denied field.

``"reject"`` rejects the whole operation, ``"null"`` answers null for the field and runs the rest, ``"log"`` runs
everything and only reports. Under both ``"reject"`` and ``"null"``, a mutation is rejected even if only one of the
types that it may return is denied, and the root field of a subscription is never null; and a query that selects
through an interface or a union, where other types are allowed, runs: values of the denied type are null."""

Report = Callable[[Sequence[Denial], Principal | None], None]
"""Called with the denials of an operation and its caller. It must not raise."""

Cost = Callable[[Operation, Mapping[str, Any]], int]
"""Returns the cost of an operation with these variables: 1 or more."""


def log_denials(denials: Sequence[Denial], principal: Principal | None) -> None:
    """Log one line for an operation, with the denied coordinates and the caller's id.

    :param denials: the denied fields.
    :param principal: the caller; None is an anonymous one.
    """
    caller = "anonymous" if principal is None else principal.id
    _log.warning("denied to %s: %s", caller, ", ".join(denial.coordinate for denial in denials))


def caller_of(context: object) -> Principal | None:
    """Return the principal in ``scope["user"]`` of the request or WebSocket in a Strawberry context.

    :param context: a mapping with ``request`` (Strawberry's ASGI and FastAPI views), or an object with that attribute.
    :returns: None if the user is not a :class:`Principal`, even if it says that it is authenticated.
    """
    user = _scope_of(context).get("user")
    return user if isinstance(user, Principal) else None


def auth_of_context(context: object) -> RequestAuth | None:
    """Return the token middleware's RequestAuth of that request or WebSocket; None if the schema is not behind it."""
    auth = _scope_of(context).get(KEY)
    return auth if isinstance(auth, RequestAuth) else None


def _scope_of(context: object) -> Mapping[str, Any]:
    connection = context.get("request") if isinstance(context, Mapping) else getattr(context, "request", None)
    scope = getattr(connection, "scope", None)
    return scope if isinstance(scope, Mapping) else {}


@dataclass(frozen=True, slots=True)
class ScopeEnforcement:
    """Settings of how a schema's rules are enforced.

    :param on_denied: what happens to an operation that selects a denied field: ``"reject"`` it, answer ``"null"`` for
        the field, or only ``"log"`` the denial, to try rules in a live app. ``"null"`` rejects mutations too.
    :param principal: finds the caller in the context, at each operation; None is an anonymous one.
    :param auth: finds the RequestAuth in the context, which counts the operation and its scopes as usage.
    :param fail_on_undeclared: which fields must have a rule or stand in ``public``, or start-up fails: with
        ``"roots"`` the root fields, and below those in ``public`` all that can be reached without passing a rule;
        with True every field; with False no field.
    :param public: coordinates (``Query.health``) and types (``PageInfo``) that are meant to have no rule; start-up
        fails if one of them has a rule.
    :param known_scopes: if given, start-up fails on a rule that names any other scope.
    :param ignore_policy: leave federation's ``@policy`` to the router in front instead of refusing it.
    :param report: called with every denial; by default ``"log"`` logs them, and the others do nothing more.
    :param cost: returns what an operation costs of its token's limit, from the operation and its variables; see
        docs/how-to/limits.md. Charged through ``auth`` before execution, and only if that is async. It must not raise.
    :param selections_max: the most selections that the check of one operation may look at.
    :raises ConfigurationError: for another ``on_denied`` or check, or a bound below 1.
    """

    on_denied: OnDenied = "reject"
    principal: Callable[[Any], Principal | None] = caller_of
    auth: Callable[[Any], RequestAuth | None] = auth_of_context
    fail_on_undeclared: bool | Literal["roots"] = "roots"
    public: Collection[str] = ()
    known_scopes: Collection[str] | None = None
    ignore_policy: bool = False
    report: Report | None = None
    cost: Cost | None = None
    selections_max: int = SELECTIONS_MAX

    def __post_init__(self) -> None:
        choices = get_args(OnDenied)
        if self.on_denied not in choices:
            raise ConfigurationError(
                f"on_denied {self.on_denied!r} is not one of {', '.join(choices)}."
                f"{did_you_mean(str(self.on_denied), choices)}"
            )
        if self.fail_on_undeclared not in (True, False, "roots"):
            raise ConfigurationError(f'fail_on_undeclared {self.fail_on_undeclared!r} is not "roots", True or False')
        if isinstance(self.public, str) or isinstance(self.known_scopes, str):
            raise ConfigurationError("public and known_scopes are collections of strings, not one string")
        if self.selections_max < 1:
            raise ConfigurationError("selections_max must be at least 1")
