"""Whether a principal satisfies what an endpoint declares, on this path; and if not, what it is told."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Scope

from spacekey.domain.outcome import CannotTell, Reason, Refused
from spacekey.domain.principal import Kind, Principal

from . import problems
from .access import Access, Requirement
from .gate import Gate, principal_in


def spaces_in(scope: Scope, requirement: Requirement) -> set[str | None]:
    """The space ids in the path that the requirement binds; None for a parameter that the path lacks."""
    path_params = scope.get("path_params") or {}
    return {str(path_params[name]) if name in path_params else None for name in requirement.spaces}


def satisfied(scope: Scope, principal: Principal, access: Access) -> bool:
    """Whether the principal satisfies a requirement, without asking anybody; False may still become true."""
    if not isinstance(access, Requirement) or not access.allows(principal.scopes):
        return False
    return not access.bound or (
        (access.environments is None or principal_in(principal, access.environments))
        and (not access.spaces or _is_in(principal, spaces_in(scope, access)))
    )


async def refusal_of(gate: Gate, scope: Scope, principal: Principal, requirement: Requirement) -> Response | None:
    """What refuses the principal, None when nothing does.

    A space's token is good in its space; a workspace's where the app can tell whose space it is.
    """
    environments = requirement.environments
    if environments is not None and not principal_in(principal, environments):
        gate.observe(scope, Refused(Reason.ENVIRONMENT, principal.id))
        return problems.token_refused(gate.realm)
    if not requirement.allows(principal.scopes):
        missing = requirement.rule.missing(principal.scopes) or ()
        return problems.scope_missing(gate.realm, missing, member=principal.kind is Kind.MEMBER)
    spaces = spaces_in(scope, requirement)
    if principal.kind is Kind.SPACE and spaces and not _is_in(principal, spaces):
        return problems.forbidden()
    if principal.kind is Kind.MEMBER and spaces:
        return problems.forbidden(member=True)
    if principal.kind is Kind.WORKSPACE:
        return await _refusal_in_workspace(gate, spaces, principal.workspace_id)
    return None


def _is_in(principal: Principal, spaces: set[str | None]) -> bool:
    """Whether the principal is a token of that one space; a token of no space is in none, whatever the path lacks."""
    return principal.kind is Kind.SPACE and principal.space_id is not None and spaces == {principal.space_id}


async def _refusal_in_workspace(gate: Gate, spaces: set[str | None], workspace_id: str | None) -> Response | None:
    for space_id in spaces:
        owner = None if space_id is None else await gate.workspace_of_space(space_id)
        if isinstance(owner, CannotTell):
            return problems.cannot_tell(owner.retry_after_seconds)
        if owner is None or owner != workspace_id:
            return problems.forbidden()
    return None
