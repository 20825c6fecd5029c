"""The ceiling rule: nobody hands out more than they hold, and nothing the plan or policy excludes."""

from __future__ import annotations

from collections.abc import Sequence

from spacekey.domain.catalog import expand, grantable
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import InvalidInput, PlanLimit, ScopeNotAllowed

from .authority import Authority
from .caller import MemberCaller
from .validate import clean_grants, unknown
from .workspace_facts import plan_of, policy_of


def checked_grants(
    authority: Authority, kind: Kind, grants: Sequence[str] | None, preset: str | None = None
) -> list[str]:
    """The grants a token gets: what was asked for, a preset's scopes added.

    :raises InvalidInput: unknown names, none at all, too many, or scopes the workspace's policy excludes.
    :raises PlanLimit: scopes the workspace's plan does not include.
    :raises ScopeNotAllowed: scopes the caller does not hold.
    """
    asked = list(grants or ())
    if preset is not None:
        known_preset = authority.catalog.presets.get(preset)
        if known_preset is None:
            raise InvalidInput("preset", unknown("preset", preset, authority.catalog.presets))
        asked += known_preset.scopes
    cleaned = clean_grants("grants", asked, grantable(authority.catalog, kind, authority.roles))
    check_ceiling(authority, cleaned)
    return cleaned


def check_ceiling(authority: Authority, grants: Sequence[str]) -> None:
    """Refuse grants that would expand beyond the caller's own effective scopes.

    The comparison is by what grants expand to before plan and policy cut them: what a later upgrade would bring to
    life must not be handed out either.

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
    raise ScopeNotAllowed(lacking)


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
