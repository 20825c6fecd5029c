"""Revocation of all tokens with one external id, those of a user who has gone, and the end of their portal sessions."""

from __future__ import annotations

from datetime import datetime

from spacekey.domain.external import clean_external_id
from spacekey.domain.refusal import NotFound
from spacekey.models.queries import portal_sessions as portal_queries
from spacekey.models.queries import tokens as token_queries
from spacekey.resolvers.access.authority import authority_in
from spacekey.resolvers.access.caller import HostCaller, Operator
from spacekey.resolvers.portal_sessions import end_sessions_of
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import BULK_MAX

from .list import FoundToken
from .revoke import clean_reason, revoke_found


@takes_access_away
async def revoke_all(
    system: System,
    caller: Operator | HostCaller,
    workspace_id: str | None,
    external_id: str,
    *,
    reason: str | None = None,
    wait: bool = True,
) -> tuple[int, datetime]:
    """Revoke the tokens with an external id, and return how many there were and from when none is accepted.

    The portal sessions of that person end first, in the same transaction: one that is left could create another token.

    A transaction revokes up to :data:`~spacekey.resolvers.validation.BULK_MAX` of them and holds their workspace
    meanwhile. A call that was cut off has revoked some, and is repeated. One that finds nothing waits for T all the
    same, because it may be the repetition of one whose answer was lost.

    :param workspace_id: the workspace; None for all that the caller reaches.
    :raises NotFound: if the workspace is unknown or not the caller's.
    :raises InvalidInput: if the external id or the reason is not acceptable.
    """
    owner, cleaned = clean_external_id("external_id", external_id), clean_reason(reason)
    homes = [workspace_id] if workspace_id is not None else await _homes(system, owner)
    count, staleness = 0, None
    for home in homes:
        while True:
            try:
                found, staleness = await _revoke_some(system, caller, home, owner, cleaned)
            except NotFound:
                if workspace_id is not None:
                    raise
                break  # the workspace was deleted meanwhile, and its tokens with it
            count += found
            if found < BULK_MAX:
                break
    if staleness is None:
        async with system.store.changing() as session:
            staleness = await staleness_seconds(session, system)
    return count, await settle(system, staleness, wait=wait)


async def _homes(system: System, external_id: str) -> list[str]:
    async with system.store.reading() as session:
        holding = await token_queries.workspaces_of_owner(session, external_id, system.products)
        visiting = await portal_queries.workspaces_of_person(session, external_id, system.products, system.clock())
        return sorted({*holding, *visiting})


async def _revoke_some(
    system: System, caller: Operator | HostCaller, workspace_id: str, external_id: str, reason: str | None
) -> tuple[int, float]:
    """Revoke up to :data:`BULK_MAX` tokens in one transaction.

    :returns: how many, and T in seconds.
    """
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        authority.require("tokens:revoke")
        await end_sessions_of(session, system, caller, workspace_id, external_id)
        tokens = await token_queries.tokens_of_owner(session, workspace_id, external_id, BULK_MAX)
        for token in tokens:
            await revoke_found(session, system, caller, FoundToken(token, authority), reason)
        return len(tokens), await staleness_seconds(session, system)
