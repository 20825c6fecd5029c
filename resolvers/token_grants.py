"""The ceiling rule: nobody hands out more than they hold, and nothing the plan or policy excludes."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from spacekey.domain.catalog import expand, grantable
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InvalidInput, PlanLimit, ScopeNotAllowed
from spacekey.domain.suggest import did_you_mean

from .authority import Authority
from .caller import MemberCaller
from .validate import clean_grants, unknown
from .workspace_facts import plan_of, policy_of

ROLES_SHOWN_MAX = 10


def checked_grants(
    authority: Authority, kind: Kind, grants: Sequence[str] | None, preset: str | None = None
) -> list[str]:
    """The grants a token gets: what was asked for, a preset's scopes added.

    :raises InvalidInput: unknown names, none at all, too many, anything but one role where the catalog says so, or
        scopes the workspace's policy excludes.
    :raises PlanLimit: scopes the workspace's plan does not include.
    :raises ScopeNotAllowed: scopes the caller does not hold.
    """
    asked = list(grants or ())
    if preset is not None:
        known_preset = authority.catalog.presets.get(preset)
        if known_preset is None:
            raise InvalidInput("preset", unknown("preset", preset, authority.catalog.presets))
        asked += known_preset.scopes
    known = grantable(authority.catalog, kind, authority.roles)
    if authority.catalog.one_role:
        _check_one_role(authority.catalog.title, asked, known)
    cleaned = clean_grants("grants", asked, known, known & frozenset(authority.roles))
    check_ceiling(authority, cleaned)
    return cleaned


def _check_one_role(title: str, asked: Sequence[str], roles: AbstractSet[str]) -> None:
    if len(asked) == 1 and asked[0] in roles:
        return
    shown = ", ".join(sorted(roles)[:ROLES_SHOWN_MAX])
    hint = did_you_mean(asked[0], roles) if len(asked) == 1 else ""
    raise InvalidInput("grants", f"A {title} token holds exactly one role and nothing else, such as: {shown}.{hint}")


def check_ceiling(authority: Authority, grants: Sequence[str], doing: str | None = None) -> None:
    """Refuse grants that would expand beyond the caller's own effective scopes.

    The comparison is by what grants expand to before plan and policy cut them: what a later upgrade would bring to
    life must not be handed out either.

    :param doing: what is done with a token that has these grants already; left out, they are given to one.
    :raises InvalidInput, PlanLimit, ScopeNotAllowed: as :func:`checked_grants`.
    """
    scopes = authority.expand(tuple(grants))
    policy = policy_of(authority.workspace)
    if policy.scopes_allowed is not None and not scopes <= policy.scopes_allowed:
        excluded = ", ".join(sorted(scopes - policy.scopes_allowed))
        raise InvalidInput("grants", f"The workspace's policy does not allow: {excluded}.")
    lacking = authority.lacking(scopes)
    if not lacking:
        return
    plan = plan_of(authority.catalog, authority.workspace)
    own = expand(authority.catalog, authority.grants, authority.roles)
    if plan is not None and plan.scopes is not None and lacking <= own:
        raise PlanLimit(plan.name, f"The plan '{plan.title}' does not include: {', '.join(sorted(lacking))}.")
    raise ScopeNotAllowed(lacking, doing)


def check_role_ceiling(authority: Authority, grants: Sequence[str]) -> None:
    """Refuse a role that holds more than the caller.

    The plan cuts all members alike, so two members are compared before it does: else nobody could make another owner
    on a plan that leaves something out. A token is cut by the policy, too, and members are not: its effective scopes
    count.

    :raises ScopeNotAllowed: naming what the caller does not hold.
    """
    lacking = authority.lacking(authority.expand(tuple(grants)))
    if isinstance(authority.caller, MemberCaller):
        lacking -= authority.expand(authority.grants)
    if lacking:
        raise ScopeNotAllowed(lacking)
