"""The rule a developer wrote on one type or field: our directive, or Strawberry's federation directives."""

from collections.abc import Iterable

from strawberry.federation import schema_directives as federation

from spacekey.domain.errors import RuleError
from spacekey.domain.rule import AUTHENTICATED, Rule, rule_of

from .directives import RequiresScopes


def declared_rule(where: str, directives: Iterable[object], *, ignore_policy: bool) -> Rule | None:
    """What the directives on ``where`` ask for together; None when they ask for nothing.

    :param where: the coordinate, such as ``Token.name``, for error messages.
    :param ignore_policy: leave ``@policy`` to a federation router instead of refusing it.
    :raises RuleError: for an argument that is no rule, for the same directive twice, for ``@policy``. Ours beside
        that of Strawberry's ``requires_scopes=`` is not the same: both must hold.
    """
    rule: Rule | None = None
    scoped: set[type] = set()
    for directive in directives:
        if isinstance(directive, RequiresScopes | federation.RequiresScopes):
            if type(directive) in scoped:
                raise RuleError(f"{where}: @requiresScopes stands here twice; write one rule")
            scoped.add(type(directive))
            rule = both(rule, _rule_of(where, directive.scopes))
        elif isinstance(directive, federation.Authenticated):
            rule = both(rule, AUTHENTICATED)
        elif isinstance(directive, federation.Policy) and not ignore_policy:
            raise RuleError(
                f"{where}: @policy cannot be enforced here. Write @requiresScopes instead, or, when a federation "
                "router in front decides policies, say so with ScopeEnforcement(ignore_policy=True)"
            )
    return rule


def carries_rule(directives: Iterable[object]) -> bool:
    """Whether any of the directives is one that asks for scopes or a caller."""
    return any(
        isinstance(one, RequiresScopes | federation.RequiresScopes | federation.Authenticated) for one in directives
    )


def both(one: Rule | None, two: Rule | None) -> Rule | None:
    """Both rules, where None asks for nothing."""
    if one is None or two is None:
        return one or two
    return one & two


def _rule_of(where: str, scopes: list[list[str]]) -> Rule:
    try:
        return rule_of(scopes)
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error
    except TypeError as error:
        raise RuleError(f"{where}: {scopes!r}: write a list of lists of scopes, like [['jobs:read']]") from error
