"""Disabling, enabling, revoking and deleting tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound
from spacekey.domain.secret import Secret
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.settings import hold_staleness
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.caller import Caller, RequestFacts, TokenCaller
from spacekey.resolvers.access.delegation import check_strengthening, power_of
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.members.invitations import end_void_invitations
from spacekey.resolvers.staleness import (
    WAITING_BY_ADDRESS_MAX,
    effective_now,
    place_to_wait,
    settle,
    settle_refused,
    staleness_seconds,
    takes_access_away,
)
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import BULK_MAX, REASON_LENGTH_MAX, clean_text

from .list import FoundToken, find_token
from .update import Changed
from .verify import digest_of
from .view import Precondition, TokenView, audit_facts

REVOKED_ITSELF = "revoked with its own secret"


@takes_access_away
async def disable_token(
    system: System, caller: Caller, token_id: str, *, wait: bool = True, precondition: Precondition | None = None
) -> Changed:
    """Disable a token: it is refused until it is enabled again. Disabling a disabled token succeeds without a change.

    :raises NotFound, Forbidden: if the caller may not see or disable the token.
    :raises PreconditionFailed: if ``precondition`` does not hold.
    :raises Conflict: if the token is revoked.
    """
    async with system.store.changing() as session:
        found = await find_token(session, system, caller, token_id, lock=True)
        found.authority.require("tokens:disable")
        found.check(system, precondition)
        view = await _disable(session, system, caller, found)
        staleness = await staleness_seconds(session, system)
    return Changed(view, await settle(system, staleness, wait=wait))


async def enable_token(
    system: System, caller: Caller, token_id: str, *, precondition: Precondition | None = None
) -> Changed:
    """Enable a disabled token. Enabling an enabled token succeeds without a change.

    The caller must hold the token's scopes, as for creating it: the token may have been disabled because it leaked.

    :raises NotFound, Forbidden: if the caller may not see or enable the token.
    :raises PreconditionFailed: if ``precondition`` does not hold.
    :raises Conflict: if the token is revoked.
    :raises InvalidInput, PlanLimit, ScopeNotAllowed: as
        :func:`~spacekey.resolvers.access.delegation.check_strengthening`.
    """
    async with system.store.changing() as session:
        found = await find_token(session, system, caller, token_id, lock=True)
        found.authority.require("tokens:disable")
        found.check(system, precondition)
        _not_revoked(found.token, "enabled")
        before, power = audit_facts(found.token), power_of(found.token)
        if found.token.disabled_at is not None:
            found.token.disabled_at = None
            check_strengthening(found.authority, power, power_of(found.token), system.clock(), "enable")
            await _save(session, system, caller, found.token, "token.enable", before)
        view = found.view(system)
    return Changed(view, effective_now(system))


@takes_access_away
async def revoke_token(
    system: System,
    caller: Caller,
    token_id: str,
    *,
    reason: str | None = None,
    wait: bool = True,
    precondition: Precondition | None = None,
) -> Changed:
    """Revoke a token permanently. It stays in lists. Revoking a revoked token succeeds without a change.

    :raises NotFound, Forbidden: if the caller may not see or revoke the token.
    :raises PreconditionFailed: if ``precondition`` does not hold.
    """
    async with system.store.changing() as session:
        found = await find_token(session, system, caller, token_id, lock=True)
        found.authority.require("tokens:revoke")
        found.check(system, precondition)
        view = await revoke_found(session, system, caller, found, clean_reason(reason))
        staleness = await staleness_seconds(session, system)
    return Changed(view, await settle(system, staleness, wait=wait))


@takes_access_away
async def revoke_secret(system: System, caller: Caller, secret: Secret, *, wait: bool = True) -> Changed:
    """Revoke the token with this secret (RFC 7009 §2). A token may always revoke itself.

    :raises NotFound: if the token is unknown or the caller may not see it, which look the same.
    :raises Forbidden: if it is not the caller's own token and the caller may not revoke it.
    """
    async with system.store.changing() as session:
        token = await token_queries.token_by_digest(session, digest_of(system.products, secret))
        if token is None:
            raise NotFound("token")
        found = await find_token(session, system, caller, token.id, lock=True)
        if caller.id != token.id:
            found.authority.require("tokens:revoke")
        view = await revoke_found(session, system, caller, found, REVOKED_ITSELF)
        staleness = await staleness_seconds(session, system)
    return Changed(view, await settle(system, staleness, wait=wait))


async def revoke_own(system: System, request: RequestFacts, secret: Secret) -> None:
    """Revoke the token whose secret was sent as its own credential, whatever its state, and wait for T.

    Holding the secret is enough to revoke the token (RFC 7009 §2.1), even while it is refused: a disabled token could
    be enabled again. An unknown secret waits as long and gets the same answer (§2.2).

    :param request: the origin of the request; the number of changes in progress for one address is bounded.
    :raises ServiceUnavailable: if the address has :data:`~spacekey.resolvers.staleness.WAITING_BY_ADDRESS_MAX` in
        progress.
    """
    with place_to_wait(system, f"address {request.ip}", WAITING_BY_ADDRESS_MAX):
        async with system.store.changing() as session:
            token = await token_queries.token_by_digest(session, digest_of(system.products, secret))
            if token is not None:
                session.expunge(token)  # read before the lock, so it may have changed
                await _revoke_own(session, system, request, token.id, token.workspace_id)
        await settle_refused(system)


async def _revoke_own(
    session: AsyncSession, system: System, request: RequestFacts, token_id: str, workspace_id: str
) -> None:
    workspace = await workspace_queries.lock_workspace(session, workspace_id)
    token = await token_queries.token_by_id(session, token_id)
    if workspace is None or token is None or token.deleted_at is not None or token.revoked_at is not None:
        return
    await hold_staleness(session)
    before = audit_facts(token)
    token.revoked_at, token.revoked_reason = system.clock(), REVOKED_ITSELF
    caller = TokenCaller(token.id, token.name, token.workspace_id, request)
    await _save(session, system, caller, token, "token.revoke", before)


@takes_access_away
async def revoke_tokens(
    system: System, caller: Caller, token_ids: Sequence[str], *, reason: str | None = None, wait: bool = True
) -> tuple[list[TokenView], datetime]:
    """Revoke up to 100 tokens in one transaction: all or none of them.

    :raises NotFound, Forbidden: if the caller may not see or revoke one of them.
    :raises InvalidInput: for no ids or over 100, repeated ones counted.
    """
    cleaned = clean_reason(reason)

    async def change(session: AsyncSession, found: FoundToken) -> TokenView:
        return await revoke_found(session, system, caller, found, cleaned)

    return await _change_all(system, caller, token_ids, "tokens:revoke", change, wait=wait)


@takes_access_away
async def disable_tokens(
    system: System, caller: Caller, token_ids: Sequence[str], *, wait: bool = True
) -> tuple[list[TokenView], datetime]:
    """Disable up to 100 tokens in one transaction: all or none of them.

    :raises NotFound, Forbidden: if the caller may not see or disable one of them.
    :raises Conflict: if one of them is revoked.
    :raises InvalidInput: for no ids or over 100, repeated ones counted.
    """

    async def change(session: AsyncSession, found: FoundToken) -> TokenView:
        return await _disable(session, system, caller, found)

    return await _change_all(system, caller, token_ids, "tokens:disable", change, wait=wait)


@takes_access_away
async def delete_tokens(
    system: System, caller: Caller, token_ids: Sequence[str], *, wait: bool = True
) -> tuple[list[TokenView], datetime]:
    """Delete up to 100 tokens in one transaction: all or none of them.

    :raises NotFound, Forbidden: if the caller may not see or delete one of them.
    :raises InvalidInput: for no ids or over 100, repeated ones counted.
    """

    async def change(session: AsyncSession, found: FoundToken) -> TokenView:
        return await _delete(session, system, caller, found)

    return await _change_all(system, caller, token_ids, "tokens:delete", change, wait=wait)


async def _change_all(
    system: System,
    caller: Caller,
    token_ids: Sequence[str],
    scope: str,
    change: Callable[[AsyncSession, FoundToken], Awaitable[TokenView]],
    *,
    wait: bool,
) -> tuple[list[TokenView], datetime]:
    if not 1 <= len(token_ids) <= BULK_MAX:
        raise InvalidInput("ids", f"Give 1 to {BULK_MAX} token ids.", InputCode.OUT_OF_RANGE)
    ids = list(dict.fromkeys(token_ids))
    async with system.store.changing() as session:
        # All are found before any is changed: the caller may be one of the tokens that it takes away.
        found = [await find_token(session, system, caller, one, lock=True) for one in await _in_order(session, ids)]
        for one in found:
            one.authority.require(scope)
        views = {one.token.id: await change(session, one) for one in found}
        staleness = await staleness_seconds(session, system)
    return [views[token_id] for token_id in ids], await settle(system, staleness, wait=wait)


@takes_access_away
async def delete_token(system: System, caller: Caller, token_id: str, *, wait: bool = True) -> Changed:
    """Delete a token: it is refused and leaves lists, but stays in the audit log.

    :raises NotFound, Forbidden: if the caller may not see or delete the token.
    """
    async with system.store.changing() as session:
        found = await find_token(session, system, caller, token_id, lock=True)
        found.authority.require("tokens:delete")
        view = await _delete(session, system, caller, found)
        staleness = await staleness_seconds(session, system)
    return Changed(view, await settle(system, staleness, wait=wait))


async def _in_order(session: AsyncSession, ids: list[str]) -> list[str]:
    """Return the ids sorted by workspace, in a fixed order so that two bulk changes cannot deadlock.

    :raises NotFound: if one of them does not exist.
    """
    tokens = await token_queries.tokens_by_ids(session, [one for one in ids if id_prefix(one) == KEY])
    if len(tokens) != len(ids):
        raise NotFound("token")
    return [token.id for token in sorted(tokens, key=lambda token: (token.workspace_id, token.id))]


async def revoke_found(
    session: AsyncSession, system: System, caller: Caller, found: FoundToken, reason: str | None
) -> TokenView:
    """Revoke a token in the session that it was found in, unless it is revoked already."""
    token = found.token
    if token.revoked_at is None:
        before = audit_facts(token)
        token.revoked_at = system.clock()
        token.revoked_reason = reason
        await _save(session, system, caller, token, "token.revoke", before)
    return found.view(system)


async def _disable(session: AsyncSession, system: System, caller: Caller, found: FoundToken) -> TokenView:
    _not_revoked(found.token, "disabled")
    before = audit_facts(found.token)
    if found.token.disabled_at is None:
        found.token.disabled_at = system.clock()
        await _save(session, system, caller, found.token, "token.disable", before)
    return found.view(system)


async def _delete(session: AsyncSession, system: System, caller: Caller, found: FoundToken) -> TokenView:
    before = audit_facts(found.token)
    found.token.deleted_at = system.clock()
    await _save(session, system, caller, found.token, "token.delete", before)
    return found.view(system)


async def _save(
    session: AsyncSession, system: System, caller: Caller, token: Token, action: str, before: dict[str, object]
) -> None:
    after = audit_facts(token)
    session.add(token)
    await record(
        session,
        system,
        actor_of(caller),
        chain=token.workspace_id,
        action=action,
        target_id=token.id,
        before={key: value for key, value in before.items() if after[key] != value},
        after={key: value for key, value in after.items() if before[key] != value},
    )
    await end_void_invitations(session, system, caller, token.workspace_id, inviter_id=token.id)


def _not_revoked(token: Token, what: str) -> None:
    if token.revoked_at is not None:
        raise Conflict(f"A revoked token cannot be {what}; create a new one.", ConflictCode.TOKEN_REVOKED)


def clean_reason(reason: str | None) -> str | None:
    """Return the reason of a revocation, or None.

    :raises InvalidInput: if it is too long or contains control characters.
    """
    return clean_text("reason", reason, REASON_LENGTH_MAX) or None if reason is not None else None
