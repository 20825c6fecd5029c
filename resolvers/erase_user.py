"""Erase a person: their account ends, their names and addresses go everywhere, and their id stays where it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.catalog import OWNER_ROLE
from spacekey.domain.ids import USER, id_prefix
from spacekey.domain.refusal import Conflict, NotFound
from spacekey.models import erasure_queries, user_queries, workspace_queries
from spacekey.models.audit import SYSTEM_CHAIN
from spacekey.models.user import User

from .audit import ERASE, ERASED_WITH, actor_of, record
from .caller import Operator
from .settle import settle, staleness_seconds, takes_access_away
from .system import System


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took away: memberships, names on tokens, and names beside audit events."""

    user_id: str
    memberships: int
    tokens: int
    events: int
    effective_at: datetime


@takes_access_away
async def erase_user(system: System, caller: Operator, user_id: str, *, wait: bool = True) -> Erased:
    """Erase a person in one transaction. Tokens that they made stay, under their id.

    The audit log keeps ids, actions and times, and every chain still verifies; the erasure itself is on record in the
    system's chain. An erasure cannot be undone. Invitations are the person's where they accepted or made them, or have
    proven the address that they are for.

    :raises NotFound: there is no such person.
    :raises Conflict: a workspace would lose its last owner; names it.
    """
    async with system.store.changing() as session:
        memberships = await _end_memberships(session, system, caller, user_id)
        user = await user_queries.lock_user(session, user_id)
        if user is None:
            raise NotFound("user")
        accepted = await erasure_queries.invitations_accepted_by(session, user.id)
        ids = sorted({*await _known_by_address(session, user), *accepted, user.id})
        tokens = await erasure_queries.erase_creator(session, user.id)
        events = await erasure_queries.erase_actor(session, user.id) + await erasure_queries.erase_target(session, ids)
        await erasure_queries.delete_account(session, user, accepted)
        session.expunge(user)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action=ERASE,
            target_id=user_id,
            after={
                "memberships_ended": memberships,
                "tokens": tokens,
                "events": events,
                ERASED_WITH: [one for one in ids if one != user_id],
            },
        )
        staleness = await staleness_seconds(session, system)
    return Erased(user_id, memberships, tokens, events, await settle(system, staleness, wait=wait))


async def _known_by_address(session: AsyncSession, user: User) -> list[str]:
    """What the log knows by the address that the person has proven: invitations, never another person.

    An address that they only claim may be someone else's, whose invitations and traces they must not take away.
    """
    if not user.email or user.email_proven_at is None:
        return []
    found = await erasure_queries.targets_with_address(session, user.email)
    return [one for one in found if id_prefix(one) != USER]


async def _end_memberships(session: AsyncSession, system: System, caller: Operator, user_id: str) -> int:
    """Lock the person's workspaces in one order, refuse a last owner, and write down that they left."""
    members = sorted(await workspace_queries.members_of_user(session, user_id), key=lambda one: one.workspace_id)
    for one in members:
        workspace = await workspace_queries.lock_workspace(session, one.workspace_id)
        if workspace is None or workspace.deleted_at is not None or one.role != OWNER_ROLE:
            continue
        if await workspace_queries.count_members_with_role(session, one.workspace_id, OWNER_ROLE) <= 1:
            raise Conflict(
                f"This person is the last owner of the workspace {workspace.id} '{workspace.name}'; "
                "make another member an owner first, or delete the workspace."
            )
    for one in members:
        await record(
            session,
            system,
            actor_of(caller),
            chain=one.workspace_id,
            action="member.remove",
            target_id=user_id,
            before={"role": one.role},
        )
    return len(members)
