"""The rule against granting more than one holds, for every change that makes something stronger or longer-lived.

A token, a role and a policy are each reduced to a :class:`Power` before and after a change. Any change that adds power
(a new token, other grants, a later expiry, enabling a token, defining or restoring a role, opening a policy) is checked
against the caller as if all of it were granted now: :func:`check_strengthening`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spacekey.domain.principal import Kind
from spacekey.domain.product import Policy, expand, unresolved
from spacekey.domain.refusal import Forbidden, InputCode, InvalidInput, PlanLimit, ScopeNotAllowed
from spacekey.domain.secret import LIVE
from spacekey.models.tables.token import Token

from .authority import Authority
from .caller import HostCaller, MemberCaller, acts_as_operator
from .entitlements import plan_of, policy_of


@dataclass(frozen=True, slots=True)
class Power:
    """Permissions that a token or role gives to its holder.

    :param kind: of the token; MEMBER for a role, which members hold too.
    :param environment: the environment in which it applies; None for roles and policies, which apply in all.
    :param expires_at: None if it never expires.
    :param usable: False while it is disabled.
    """

    kind: Kind
    grants: tuple[str, ...]
    environment: str | None = None
    expires_at: datetime | None = None
    usable: bool = True


def power_of(token: Token) -> Power:
    """Return the power of a token's row as it is now."""
    return Power(
        Kind(token.kind), tuple(token.grants), token.environment, token.expires_at, usable=token.disabled_at is None
    )


def role_power(grants: Iterable[str]) -> Power:
    """Return the power of a role with these grants, or of the one role that they name."""
    return Power(Kind.MEMBER, tuple(grants))


def check_strengthening(
    authority: Authority, before: Power | None, after: Power, now: datetime, doing: str | None = None
) -> None:
    """Raise if a change grants more than the caller holds now.

    Nothing is checked if ``after`` allows no more than ``before``. Otherwise all of ``after`` must pass:

    - a token grants within its own environment only, and a test token cannot change what applies to other environments;
    - every grant resolves now: a grant whose role or scope is gone could take effect again later;
    - the grants expand to no more than the caller's own effective scopes, compared before plan and policy reduce them,
      because a later upgrade must not activate scopes that the caller did not hold;
    - the workspace's policy allows the scopes and the expiry.

    :param before: None if the grants are given now, as for a new token.
    :param doing: the action on a token that already has its grants, such as ``rotate``; for the message.
    :raises InvalidInput: for another environment, or for scopes or an expiry that the policy excludes.
    :raises PlanLimit: for scopes that the workspace's plan does not include.
    :raises ScopeNotAllowed: for scopes that the caller does not hold, or grants that no longer resolve.
    :raises Forbidden: if a test token would change what applies to other environments.
    """
    if before is not None and not _is_stronger(before, after):
        return
    _check_environment(authority, after)
    _check_known(authority, after, doing)
    _check_ceiling(authority, after, doing)
    if after.environment is not None:
        check_lifetime(policy_of(authority.workspace), after.expires_at, now)


def _is_stronger(before: Power, after: Power) -> bool:
    return (
        (after.usable and not before.usable)
        or not set(after.grants) <= set(before.grants)
        or is_later(after.expires_at, before.expires_at)
        or after.environment != before.environment
    )


def is_later(one: datetime | None, other: datetime | None) -> bool:
    """Return whether ``one`` is later than ``other``; None means never, which is the latest."""
    return other is not None and (one is None or one > other)


def _check_environment(authority: Authority, after: Power) -> None:
    own = authority.environment
    if own is None or after.environment == own:
        return
    if after.environment is not None:
        raise InvalidInput(
            "environment", f"A {own} token can grant scopes to {own} tokens only.", InputCode.NOT_ALLOWED
        )
    if own != LIVE and len(authority.product.environments) > 1:
        raise Forbidden((), f"A {own} token cannot change members, roles or policies: they apply to live tokens too.")


def _check_known(authority: Authority, after: Power, doing: str | None) -> None:
    gone = unresolved(authority.product, after.grants, authority.roles)
    if gone and not _is_unbound(authority):
        raise ScopeNotAllowed(gone, doing, gone=True)


def _is_unbound(authority: Authority) -> bool:
    """Return whether the caller may grant names that give nothing now: the operator, or a host without a ceiling."""
    caller = authority.caller
    return acts_as_operator(caller) and not (isinstance(caller, HostCaller) and caller.granted_by is not None)


def _check_ceiling(authority: Authority, after: Power, doing: str | None) -> None:
    scopes = authority.expand(after.grants)
    lacking = authority.lacking(scopes)
    if after.kind is Kind.MEMBER:
        _check_role_ceiling(authority, lacking)
        return
    policy = policy_of(authority.workspace)
    if policy.scopes_allowed is not None and not scopes <= policy.scopes_allowed:
        excluded = ", ".join(sorted(scopes - policy.scopes_allowed))
        raise InvalidInput("grants", f"The workspace's policy does not allow: {excluded}.", InputCode.NOT_ALLOWED)
    if not lacking:
        return
    plan = plan_of(authority.product, authority.workspace)
    own = expand(authority.product, authority.grants, authority.roles)
    if isinstance(authority.caller, HostCaller):  # what it lacks is beyond its ceiling, not beyond the plan
        raise ScopeNotAllowed(lacking, doing)
    if plan is not None and plan.scopes is not None and lacking <= own:
        raise PlanLimit(plan.name, f"The plan '{plan.title}' does not include: {', '.join(sorted(lacking))}.")
    raise ScopeNotAllowed(lacking, doing)


def check_within(authority: Authority, grants: Iterable[str]) -> None:
    """Raise if a role holds more than the caller, whatever the change to the role would be.

    :raises ScopeNotAllowed: with the scopes that the caller does not hold.
    """
    _check_role_ceiling(authority, authority.lacking(authority.expand(tuple(grants))))


def _check_role_ceiling(authority: Authority, lacking: Collection[str]) -> None:
    """Raise if a role exceeds the caller's ceiling.

    The plan reduces all members alike, so members are compared before the plan applies: otherwise no owner could
    appoint another on a plan that leaves something out. A token is also reduced by the policy, and members are not, so
    a token's effective scopes count.
    """
    if isinstance(authority.caller, MemberCaller):
        lacking = set(lacking) - authority.expand(authority.grants)
    if lacking:
        raise ScopeNotAllowed(lacking)


def check_lifetime(policy: Policy, expires_at: datetime | None, now: datetime) -> None:
    """Check an expiry against the policy, as for a token created now.

    :raises InvalidInput: if the policy requires an expiry and there is none, or it lies beyond the longest lifetime.
    """
    longest = policy.lifetime_seconds_max
    if expires_at is None:
        if policy.expiry_required or longest is not None:
            raise InvalidInput("expires_at", _required(policy), InputCode.REQUIRED)
    elif longest is not None and expires_at - now > timedelta(seconds=longest):
        raise InvalidInput("expires_at", f"Must be within {_span(longest)} by the policy.", InputCode.OUT_OF_RANGE)


def _required(policy: Policy) -> str:
    if policy.lifetime_seconds_max is None:
        return "The workspace's policy requires an expiry date."
    return f"The workspace's policy requires an expiry date within {_span(policy.lifetime_seconds_max)}."


def _span(seconds: int) -> str:
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {name}{'s' if seconds != size else ''}"
    return f"{seconds} seconds"
