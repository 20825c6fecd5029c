"""Declarations of who may call a route: the data, how two combine, and the rule table of an app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from spacekey.domain.errors import RuleError
from spacekey.domain.principal import Limit
from spacekey.domain.rule import AUTHENTICATED, Rule, all_of
from spacekey.middleware.argument_checks import check_environment, check_part


@dataclass(frozen=True, slots=True, eq=False)
class Openness:
    """Declaration that admits a caller without credentials. Equal to any other of the same value."""

    spaces: ClassVar[frozenset[str]] = frozenset()
    """No path parameters, as for a requirement that binds none."""
    cost: ClassVar[int | None] = None
    """What a request costs of the token's limit: 1."""
    limits: ClassVar[frozenset[Limit]] = frozenset()
    """No limits of its own."""

    value: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Openness) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


PUBLIC = Openness("public")
"""Admits any caller; nothing is verified, even if credentials are sent."""

OPTIONAL = Openness("optional")
"""Admits any caller; credentials are verified if they are sent, and invalid ones are refused."""


IGNORED = Openness("ignored")
"""Stands for a route that declares nothing and is left alone: no credentials are read and no user is set.

The middleware gives it to undeclared routes; nothing can be declared to be it."""


@dataclass(frozen=True, slots=True, eq=False)
class Requirement:
    """Rule of a route, with its conditions. Equal to any other with the same values.

    :param rule: the scopes.
    :param spaces: path parameters that must hold the id of the token's space.
    :param environments: if not None, the token's environment must be one of them.
    :param cost: what a request costs of the token's limit; None for 1.
    :param limits: rates to which each caller is limited on the route, besides that of its token.
    """

    rule: Rule
    spaces: frozenset[str] = frozenset()
    environments: frozenset[str] | None = None
    cost: int | None = None
    limits: frozenset[Limit] = frozenset()

    def __and__(self, other: Requirement) -> Requirement:
        """Return a requirement, of this one's class, that is satisfied if both are."""
        if other == _ANY_VALID:
            return self
        environments = self.environments
        if environments is None or other.environments is None:
            environments = other.environments if environments is None else environments
        else:
            environments &= other.environments
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return type(self)(
            self.rule & other.rule,
            self.spaces | other.spaces,
            environments,
            max(costs) if costs else None,
            self.limits | other.limits,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Requirement) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values)

    @property
    def _values(self) -> tuple[Any, ...]:
        return self.rule, self.spaces, self.environments, self.cost, self.limits


_ANY_VALID = Requirement(AUTHENTICATED)
"""Requirement that adds nothing to another one."""

Access: TypeAlias = Requirement | Openness
"""Declaration that an endpoint can carry."""

Declaration: TypeAlias = Access | Rule | str
"""Anything that rule tables and ``protect`` accept: an access, or a rule or scope as a short form of ``requires``."""


def requirement_of(
    *parts: str | Rule,
    space_param: str | None = None,
    environment: str | None = None,
    cost: int | None = None,
    limit: Limit | None = None,
    of: type[Requirement] = Requirement,
) -> Requirement:
    """Return the requirement that :func:`~spacekey.middleware.requires` makes of the same arguments; see there.

    :param of: the class of the result.
    """
    for part in parts:
        check_part(part)
    check_environment(environment)
    if space_param is not None and not space_param.isidentifier():
        raise RuleError(f"space_param={space_param!r}: write its name, such as 'space_id'")
    if cost is not None and cost < 0:
        raise RuleError(f"cost={cost}: a request costs 0 or more")
    if limit is not None and not isinstance(limit, Limit):
        raise RuleError(f"limit={limit!r:.60}: write Limit(per_minute=10, burst=5)")
    return of(
        all_of(*parts),
        frozenset() if space_param is None else frozenset((space_param,)),
        None if environment is None else frozenset((environment,)),
        cost,
        frozenset() if limit is None else frozenset((limit,)),
    )


def access_from(declaration: object) -> Access:
    """Return the access that a declaration stands for.

    :raises RuleError: if it is not a declaration.
    """
    if isinstance(declaration, Requirement | Openness):
        return declaration
    if isinstance(declaration, str) and declaration in (PUBLIC.value, OPTIONAL.value):
        raise RuleError(
            f"{declaration!r} in quotes is a scope of that name: write {declaration}, from spacekey, without them; "
            f"for the scope write requires({declaration!r})"
        )
    if isinstance(declaration, str | Rule):
        return requirement_of(declaration)
    if isinstance(declaration, list | tuple | set | frozenset):
        raise RuleError(
            f"{declaration!r:.60} is not a rule: write requires('a', 'b') for all of them, or any_of('a', 'b')"
        )
    raise RuleError(f"{declaration!r} is not a rule: write requires(…), public, optional, or a scope")


def combined(one: Access | None, two: Access | None, where: str) -> Access | None:
    """Return both declarations combined; None means that nothing is declared.

    :raises RuleError: if they contradict each other, as ``public`` and ``requires(…)`` do.
    """
    if one is None or two is None or one == two:
        return two if one is None else one
    if isinstance(one, Requirement) and isinstance(two, Requirement):
        return one & two
    raise RuleError(f"{where}: is declared {_name(one)} and {_name(two)} at once; keep one")


def _name(access: Access) -> str:
    return access.value if isinstance(access, Openness) else f"requires({access.rule})"
