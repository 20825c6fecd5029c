"""Editing of tokens: fields that are left out keep their values, and null clears them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spacekey.domain.external import clean_external_id, clean_metadata
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import Conflict, ConflictCode, Faults, InputCode, InvalidInput
from spacekey.domain.token_state import Status
from spacekey.domain.unset import UNSET, Unset
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.access.delegation import check_strengthening, power_of
from spacekey.resolvers.access.entitlements import policy_of
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.members.invitations import end_void_invitations
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import DESCRIPTION_LENGTH_MAX, clean_name, clean_text

from .create import check_room
from .grants import checked_expiry, checked_grants
from .list import FoundToken, find_token
from .view import Precondition, TokenView, audit_facts

LIVE = frozenset({Status.ACTIVE, Status.DISABLED})
"""Statuses that count against the plan."""


@dataclass(frozen=True, slots=True)
class TokenChanges:
    """Fields to change in a token. Metadata is replaced as a whole."""

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    grants: tuple[str, ...] | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    external_id: str | Unset | None = UNSET
    metadata: Mapping[str, Any] | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class Changed:
    """A token after a change, and the time from which the change holds in every process."""

    view: TokenView
    effective_at: datetime


@takes_access_away
async def update_token(
    system: System,
    caller: Caller,
    token_id: str,
    changes: TokenChanges,
    *,
    wait: bool = True,
    precondition: Precondition | None = None,
) -> Changed:
    """Change a token's name, description, grants, expiry, external id or metadata.

    Giving grants, even the same ones, or a later expiry is checked against what the caller holds. An earlier expiry is
    not.

    :raises NotFound, Forbidden: if the caller may not see or edit the token.
    :raises PreconditionFailed: if ``precondition`` does not hold.
    :raises Conflict: if the token is revoked.
    :raises InvalidInput, PlanLimit, ScopeNotAllowed: as at creation.
    """
    async with system.store.changing() as session:
        found = await find_token(session, system, caller, token_id, lock=True)
        found.authority.require("tokens:update")
        found.check(system, precondition)
        token = found.token
        if token.revoked_at is not None:
            raise Conflict("A revoked token cannot be edited; create a new one.", ConflictCode.TOKEN_REVOKED)
        before, status_before = audit_facts(token), found.view(system).status
        _apply(system, found, changes)
        view = found.view(system)
        if view.status in LIVE and status_before not in LIVE:
            with session.no_autoflush:  # the token does not count itself yet
                await check_room(session, system, found.authority)
        # Giving the field is enough, changed or not: a retry after a lost answer must wait as the first try did.
        named = changes.grants is not UNSET or changes.expires_at is not UNSET
        staleness = await staleness_seconds(session, system) if named else 0.0
        after = audit_facts(token)
        if after != before:
            session.add(token)
            await record(
                session,
                system,
                actor_of(caller),
                chain=token.workspace_id,
                action="token.update",
                target_id=token.id,
                before={key: value for key, value in before.items() if after[key] != value},
                after={key: value for key, value in after.items() if before[key] != value},
            )
            await end_void_invitations(session, system, caller, token.workspace_id, inviter_id=token.id)
    return Changed(view, await settle(system, staleness, wait=wait))


def _apply(system: System, found: FoundToken, changes: TokenChanges) -> None:
    token, authority, before = found.token, found.authority, power_of(found.token)
    faults = Faults()
    with faults:
        if changes.name is not UNSET:
            token.name = clean_name("name", changes.name)
    with faults:
        if changes.description is not UNSET:
            token.description = clean_text("description", changes.description or "", DESCRIPTION_LENGTH_MAX)
    with faults:
        if changes.grants is not UNSET:
            token.grants = checked_grants(authority, Kind(token.kind), changes.grants)
    with faults:
        if changes.expires_at is not UNSET:
            policy = policy_of(authority.workspace)
            token.expires_at = checked_expiry(policy, changes.expires_at, system.clock(), use_default=False)
    with faults:
        if changes.external_id is not UNSET:
            given = changes.external_id
            token.external_id = None if given is None else clean_external_id("external_id", given)
            if token.external_id != authority.external_id is not None:
                reason = "The token must stay your own here; leave it out."
                raise InvalidInput("external_id", reason, InputCode.NOT_ALLOWED)
    with faults:
        if changes.metadata is not UNSET:
            token.metadata_ = None if changes.metadata is None else clean_metadata("metadata", changes.metadata)
    faults.raise_found()
    if changes.grants is not UNSET:
        check_strengthening(authority, None, power_of(token), system.clock())
    else:
        check_strengthening(authority, before, power_of(token), system.clock(), "prolong")
