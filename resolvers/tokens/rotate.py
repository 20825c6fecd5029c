"""Rotation of tokens: a successor with the same grants, external id and metadata replaces the old token.

The old token ends after a grace period or at the successor's first use.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.principal import Kind
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput
from spacekey.domain.secret import Secret
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.queries import tokens as token_queries
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.access.delegation import check_strengthening, power_of
from spacekey.resolvers.access.entitlements import plan_of, policy_of
from spacekey.resolvers.audit.log import Facts, actor_of, record
from spacekey.resolvers.staleness import settle, settle_refused, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import LIFETIME_SECONDS_MAX

from .create import Issued, check_room, prepare_token
from .grants import checked_expiry
from .idempotency import ROTATE, IdempotentRequest, Replayed, check_new, in_progress, remember
from .list import FoundToken, find_token
from .update import LIVE
from .view import Precondition, TokenView, audit_facts, view_of

GRACE_SECONDS_DEFAULT = 86_400
GRACE_SECONDS_MAX = 7 * 86_400

_STATES = {
    Status.DISABLED: ConflictCode.TOKEN_DISABLED,
    Status.EXPIRED: ConflictCode.TOKEN_EXPIRED,
    Status.REVOKED: ConflictCode.TOKEN_REVOKED,
}
"""Why a token of this status cannot be rotated."""

ROTATING = ("tokens:create", "tokens:revoke")
"""Scopes required for rotating, whatever the grace: one token is created, and another one ends."""


@takes_access_away
async def rotate_token(
    system: System,
    caller: Caller,
    token_id: str,
    *,
    grace_seconds: int = GRACE_SECONDS_DEFAULT,
    retire_on_first_use: bool = False,
    expires_at: datetime | Unset | None = UNSET,
    wait: bool = True,
    request: IdempotentRequest | None = None,
    precondition: Precondition | None = None,
) -> Issued:
    """Create a successor and set the old token's end, in one transaction.

    :param grace_seconds: how long the old token stays valid, 0 to 604,800.
    :param retire_on_first_use: end the old token at the successor's first use if that is earlier.
    :param expires_at: the successor's expiry; by default it gets the old token's whole lifetime again.
    :param request: makes the request idempotent.
    :param precondition: about the old token; it is not asked about a repeated request.
    :raises Replayed: if the request rotated the token before, with the successor.
    :raises NotFound, Forbidden: if the caller may not see or rotate the token (:data:`ROTATING`).
    :raises PreconditionFailed: if ``precondition`` does not hold.
    :raises Conflict: if the token is not active or has been rotated; the error then names the successor, which is
        unchanged.
    :raises InvalidInput, PlanLimit, ScopeNotAllowed: as at creation.
    """
    if not 0 <= grace_seconds <= GRACE_SECONDS_MAX:
        raise InvalidInput("grace_seconds", f"Give 0 to {GRACE_SECONDS_MAX} seconds (7 days).", InputCode.OUT_OF_RANGE)
    with in_progress(system, caller, ROTATE, request):
        try:
            view, secret, staleness = await _rotate(
                system, caller, token_id, grace_seconds, retire_on_first_use, expires_at, request, precondition
            )
        except Replayed:
            # Like the first answer, this one must not come before the old token has ended in every process.
            await settle_refused(system)
            raise
        return Issued(view, secret, await settle(system, staleness, wait=wait))


async def _rotate(
    system: System,
    caller: Caller,
    token_id: str,
    grace_seconds: int,
    retire_on_first_use: bool,
    expires_at: datetime | Unset | None,
    request: IdempotentRequest | None,
    precondition: Precondition | None,
) -> tuple[TokenView, Secret, float]:
    """Return the successor, its secret, and for how many seconds a cache may accept the old token beyond its grace."""
    async with system.store.changing() as session:
        found = await find_token(session, system, caller, token_id, lock=True)
        authority, old = found.authority, found.token
        authority.require(*ROTATING)
        await check_new(session, system, authority, ROTATE, request)
        found.check(system, precondition)
        await _check(session, system, found)
        successor, secret = prepare_token(
            system,
            authority,
            kind=Kind(old.kind),
            space_id=old.space_id,
            name=old.name,
            description=old.description,
            environment=old.environment,
            grants=list(old.grants),
            expires_at=_expiry(system, authority, old, expires_at),
            external_id=old.external_id,
            metadata=old.metadata_,
        )
        check_strengthening(authority, None, power_of(successor), system.clock(), "rotate")
        successor.rotated_from_id = old.id
        successor.chain_id = old.chain_id or old.id
        successor.first_use_retires = retire_on_first_use
        before = audit_facts(old)
        session.add(successor)
        await session.flush()
        await remember(session, caller, ROTATE, request, successor)
        old.rotated_to_id = successor.id
        old.retires_at = system.clock() + timedelta(seconds=grace_seconds)
        session.add(old)
        await _record_both(session, system, caller, before, old, successor)
        # A cache may have read the old token just before, without its end: a grace below T takes as long as T.
        staleness = await staleness_seconds(session, system)
        staleness = staleness if grace_seconds < staleness else 0.0
        view = view_of(successor, authority, system.clock())
    return view, secret, staleness


async def _check(session: AsyncSession, system: System, found: FoundToken) -> None:
    """Raise unless the caller may replace this token now.

    :raises Conflict, PlanLimit: as :func:`rotate_token`.
    """
    authority, old = found.authority, found.token
    _check_state(system, found)
    if await _needs_room(session, system, authority, old):
        await check_room(session, system, authority)


async def _record_both(
    session: AsyncSession, system: System, caller: Caller, before: Facts, old: Token, successor: Token
) -> None:
    """Record an audit event for the token that ends, and one for its successor."""
    after, by = audit_facts(old), actor_of(caller)
    changed = [key for key in before if before[key] != after[key]]
    await record(
        session,
        system,
        by,
        chain=old.workspace_id,
        action="token.rotate",
        target_id=old.id,
        before={key: before[key] for key in changed},
        after={**{key: after[key] for key in changed}, "retire_on_first_use": successor.first_use_retires},
    )
    await record(
        session,
        system,
        by,
        chain=old.workspace_id,
        action="token.create",
        target_id=successor.id,
        after={**audit_facts(successor), "rotated_from_id": old.id},
    )


def _check_state(system: System, found: FoundToken) -> None:
    old = found.token
    if old.rotated_to_id is not None:
        raise Conflict(
            f"This token has already been rotated; its successor is {old.rotated_to_id}.",
            ConflictCode.ALREADY_ROTATED,
            old.rotated_to_id,
        )
    status = found.view(system).status
    if status is not Status.ACTIVE:
        hint = "enable it first" if status is Status.DISABLED else "create a new one"
        raise Conflict(f"Only an active token can be rotated and this one is {status.value}; {hint}.", _STATES[status])


async def _needs_room(session: AsyncSession, system: System, authority: Authority, old: Token) -> bool:
    """Return whether a rotation needs room in the plan.

    It usually needs none, because the plan counts chains of rotations. It does if the old token is itself a successor
    whose predecessor is still valid (otherwise a chain would accumulate tokens, see :func:`live_token_count`), or if
    the plan has no tokens at all.
    """
    plan = plan_of(authority.product, authority.workspace)
    if plan is None or plan.tokens_max == 0:
        return True
    before = await token_queries.token_by_id(session, old.rotated_from_id) if old.rotated_from_id else None
    return (
        before is not None and before.deleted_at is None and view_of(before, authority, system.clock()).status in LIVE
    )


def _expiry(system: System, authority: Authority, old: Token, asked: datetime | Unset | None) -> datetime | None:
    policy, now = policy_of(authority.workspace), system.clock()
    if asked is not UNSET:
        return checked_expiry(policy, asked, now, use_default=False)
    if old.expires_at is None:
        return checked_expiry(policy, None, now, use_default=True)
    lifetime = (old.expires_at - old.created_at).total_seconds()
    longest = policy.lifetime_seconds_max or LIFETIME_SECONDS_MAX
    return checked_expiry(policy, now + timedelta(seconds=min(lifetime, longest)), now, use_default=False)
