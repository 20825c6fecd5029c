"""What a user of the package chooses about enforcement, checked when it is made, and how the caller is found.

By default the caller is the principal that the token middleware left on the connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Principal
from spacekey.domain.suggest import did_you_mean
from spacekey.middleware.visit import KEY, RequestAuth

from .analysis import Denial
from .operations import Operation

SELECTIONS_MAX = 20_000
_log = logging.getLogger("spacekey.middleware.graphql.enforcement")  # a name that readers of logs may know


class Mode(StrEnum):
    """What happens to an operation that asks for a denied field.

    ``REJECT`` refuses it whole, ``FILTER`` gives null there and runs the rest, ``DRY_RUN`` runs everything and only
    reports. In both of the first two, a mutation is refused whole also when only one of the types that its answer may
    have is denied, and the root field of a subscription is never filtered. A query that asks through an interface or a
    union, where other types are allowed, runs in both: values of the denied type are null.
    """

    REJECT = "reject"
    FILTER = "filter"
    DRY_RUN = "dry_run"


Report = Callable[[Sequence[Denial], Principal | None], None]
"""Called with what was denied and to whom. It must not raise."""


Cost = Callable[[Operation, Mapping[str, Any]], int]
"""What an operation costs under these variables: 1 or more."""


def log_denials(denials: Sequence[Denial], principal: Principal | None) -> None:
    """The default report: one line for each operation, with coordinates and the caller's id."""
    caller = "anonymous" if principal is None else principal.id
    _log.warning("denied to %s: %s", caller, ", ".join(denial.coordinate for denial in denials))


def caller_of(context: object) -> Principal | None:
    """The principal in ``scope["user"]`` of the request or WebSocket in a Strawberry context.

    :param context: a mapping with ``request`` (Strawberry's ASGI and FastAPI views), or an object with that attribute.
    :returns: None for anybody who is not a :class:`Principal`, whatever it claims about itself.
    """
    user = _scope_of(context).get("user")
    return user if isinstance(user, Principal) else None


def auth_of_context(context: object) -> RequestAuth | None:
    """What the token middleware knows of that request or WebSocket; None where it does not stand before the schema."""
    auth = _scope_of(context).get(KEY)
    return auth if isinstance(auth, RequestAuth) else None


def _scope_of(context: object) -> Mapping[str, Any]:
    connection = context.get("request") if isinstance(context, Mapping) else getattr(context, "request", None)
    scope = getattr(connection, "scope", None)
    return scope if isinstance(scope, Mapping) else {}


@dataclass(frozen=True, slots=True)
class ScopeEnforcement:
    """How a schema's rules are enforced.

    :param mode: a :class:`Mode` or its value.
    :param principal: finds the caller in the context, at each operation; None is an anonymous one.
    :param auth: finds the RequestAuth in the context, which counts the operation and its scopes as usage.
    :param fail_on_undeclared: which fields must have a rule or stand in ``public``, or the start is refused: with
        ``"roots"`` the root fields, and below those in ``public`` all that can be reached without a rule on the way;
        with True every field; with False none.
    :param public: coordinates (``Query.health``) and types (``PageInfo``) that are meant to have no rule; one that has
        a rule stops the start.
    :param known_scopes: when given, a rule that names any other scope stops the start.
    :param ignore_policy: leave federation's ``@policy`` to the router in front instead of refusing it.
    :param report: told about every denial; by default a dry run logs them, the other modes only answer.
    :param cost: what an operation costs of its token's limit, from the operation and its variables; see docs/limits.md.
        It is charged before anything runs, through it, and only in async execution. It must not raise.
    :param selections_max: the most selections one operation may make the check look at.
    :raises ConfigurationError: for a mode or a check that does not exist, or a bound below 1.
    """

    mode: Mode | str = Mode.REJECT
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
        modes = [mode.value for mode in Mode]
        if self.mode not in modes:
            raise ConfigurationError(
                f"mode {self.mode!r} is not one of {', '.join(modes)}.{did_you_mean(str(self.mode), modes)}"
            )
        if self.fail_on_undeclared not in (True, False, "roots"):
            raise ConfigurationError(f'fail_on_undeclared {self.fail_on_undeclared!r} is not "roots", True or False')
        if isinstance(self.public, str) or isinstance(self.known_scopes, str):
            raise ConfigurationError("public and known_scopes are collections of strings, not one string")
        if self.selections_max < 1:
            raise ConfigurationError("selections_max must be at least 1")
