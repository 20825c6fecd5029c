"""What an endpoint declares about who may come in, and the mark that carries it."""

from __future__ import annotations

import functools
import types
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, TypeVar, cast

from spacekey.domain.errors import RuleError
from spacekey.domain.rule import AUTHENTICATED, Rule, all_of

from .settings import check_environment, check_part

MARK = "__spacekey_access__"

Endpoint = TypeVar("Endpoint")


class Openness(Enum):
    """The two declarations that let a caller without credentials in. Use them as decorators."""

    PUBLIC = "public"
    OPTIONAL = "optional"

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        """Declare an endpoint, which comes back as another one; the given one has declared nothing.

        A function or method comes back as a copy, a class as a subclass, an ASGI app inside a guard.

        :raises RuleError: for what cannot be an endpoint.
        """
        from .opened import opened  # opened knows every kind of endpoint; this word must not

        return cast("Endpoint", opened(endpoint, self))


public = Openness.PUBLIC
"""Anybody; nothing is verified, whatever is sent."""

optional = Openness.OPTIONAL
"""Anybody; credentials are verified when they are sent, and bad ones are refused."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A rule and what it is bound to. Made by :func:`requires`; used as a decorator, in a table or by ``protect``.

    :param rule: the scopes.
    :param spaces: path parameters that must hold the id of the token's space.
    :param environments: when not None, the token's environment must be one of them.
    :param cost: what a request costs of the token's limit, where it is not 1.
    """

    rule: Rule
    spaces: frozenset[str] = frozenset()
    environments: frozenset[str] | None = None
    cost: int | None = None
    only: frozenset[str] | None = field(init=False, repr=False, compare=False)
    """The scopes, where the rule has a single alternative: then one set comparison decides."""
    bound: bool = field(init=False, repr=False, compare=False)
    """Whether more than scopes must be looked at."""
    enough: frozenset[str] | None = field(init=False, repr=False, compare=False)
    """The same as ``only``, where nothing else must be looked at."""

    def __post_init__(self) -> None:
        alternatives = self.rule.alternatives
        only = alternatives[0] if len(alternatives) == 1 else None
        bound = bool(self.spaces) or self.environments is not None
        object.__setattr__(self, "only", only)
        object.__setattr__(self, "bound", bound)
        object.__setattr__(self, "enough", None if bound else only)

    def allows(self, held: frozenset[str]) -> bool:
        """Whether the scopes suffice."""
        return self.rule.allows(held) if self.only is None else self.only <= held

    def __and__(self, other: Requirement) -> Requirement:
        """Both must hold."""
        if other == _ANY_VALID:
            return self  # the same object: what a guard has admitted is then known again at once
        environments = self.environments
        if environments is None or other.environments is None:
            environments = other.environments if environments is None else environments
        else:
            environments &= other.environments
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Requirement(
            self.rule & other.rule, self.spaces | other.spaces, environments, max(costs) if costs else None
        )

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        """Put the rule on an endpoint, which then enforces it by itself wherever it is routed.

        A function comes back wrapped, a class as a subclass, an ASGI app inside a guard.

        :raises RuleError: for what cannot be an endpoint.
        """
        from .enforce import enforced  # enforce knows every kind of endpoint; this word must not

        return cast("Endpoint", enforced(endpoint, self))


_ANY_VALID = Requirement(AUTHENTICATED)
"""Adds nothing to another requirement."""

Access: TypeAlias = Requirement | Openness
"""Everything an endpoint can declare."""

Declaration: TypeAlias = Access | Rule | str
"""What tables and ``protect`` take: an access, or a rule or scope as a short form of ``requires``."""


def requires(
    *parts: str | Rule,
    space: str | None = None,
    environment: str | None = None,
    cost: int | None = None,
) -> Requirement:
    """All of ``parts``, each a scope or a rule; none means any valid principal.

    :param space: the name of a path parameter; the token must belong to the space that is named there.
    :param environment: ``live`` or ``test``; a token of another environment is refused like an unknown one.
    :param cost: what a request costs of the token's limit (see docs/limits.md); 1 unless said otherwise, 0 is free.
    :raises RuleError: for a string that is not a scope name, for what is neither a scope nor a rule, for an
        environment that cannot be, or a negative cost.
    """
    for part in parts:
        check_part(part)
    check_environment(environment)
    if cost is not None and cost < 0:
        raise RuleError(f"cost={cost}: a request costs 0 or more")
    return Requirement(
        all_of(*parts),
        frozenset() if space is None else frozenset((space,)),
        None if environment is None else frozenset((environment,)),
        cost,
    )


def access_from(declaration: Declaration) -> Access:
    """The access a declaration stands for.

    :raises RuleError: when it is none.
    """
    if isinstance(declaration, Requirement | Openness):
        return declaration
    if isinstance(declaration, str | Rule):
        return requires(declaration)
    raise RuleError(f"{declaration!r} is not a rule: write requires(…), public, optional, or a scope")


def combined(one: Access | None, two: Access | None, where: str) -> Access | None:
    """Both declarations at once; None stands for "nothing declared".

    :raises RuleError: when one opens what the other closes.
    """
    if one is None or two is None or one == two:
        return two if one is None else one
    if isinstance(one, Requirement) and isinstance(two, Requirement):
        return one & two
    raise RuleError(f"{where}: is declared {_name(one)} and {_name(two)} at once; keep one")


def access_of(endpoint: object) -> Access | None:
    """What an endpoint was marked with, or None.

    A class inherits a rule from its bases, never openness: a subclass may do more than its public base.
    """
    while isinstance(endpoint, functools.partial) and MARK not in vars(endpoint):
        endpoint = endpoint.func
    found = getattr(endpoint, MARK, None)
    if isinstance(endpoint, type) and isinstance(found, Openness) and MARK not in vars(endpoint):
        return None
    return found if isinstance(found, Requirement | Openness) else None


def set_mark(endpoint: object, access: Access) -> None:
    """Mark ``endpoint``, which nobody else has, together with what it already declares.

    :raises RuleError: when the two contradict each other, or the object cannot carry a mark.
    """
    both = combined(access_of(endpoint), access, where(endpoint))
    target = endpoint.__func__ if isinstance(endpoint, types.MethodType) else endpoint  # a copy's own
    try:
        setattr(target, MARK, both)
    except (AttributeError, TypeError):
        raise RuleError(f"{where(endpoint)} cannot be marked; wrap it: protect(app, …)") from None


def where(endpoint: object) -> str:
    """How an endpoint is called in messages."""
    return str(getattr(endpoint, "__qualname__", None) or type(endpoint).__qualname__)


def _name(access: Access) -> str:
    return access.value if isinstance(access, Openness) else f"requires({access.rule})"
