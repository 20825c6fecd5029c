"""Erase a person: their account ends, their names and addresses go everywhere, and their id stays where it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.catalog import OWNER_ROLE
from spacekey.domain.ids import USER, id_prefix
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound
from spacekey.models.queries import erasure as erasure_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.addresses import clean_email, shown_email
from spacekey.resolvers.audit.log import ERASE, ERASED_WITH, actor_of, record
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System


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
    proven the address that they are for, also where they gave that address up later.

    :raises NotFound: there is no such person.
    :raises Conflict: a workspace would lose its last owner (names it), or the person joined one at this moment.
    """
    async with system.store.changing() as session:
        workspaces = await _lock_workspaces(session, user_id)
        # Whatever writes the person's name holds their row until it commits: from here on nothing does.
        user = await user_queries.lock_user(session, user_id)
        if user is None:
            raise NotFound("user")
        memberships = await _end_memberships(session, system, caller, user, workspaces)
        addresses = await _addresses(session, user)
        accepted = await erasure_queries.invitations_accepted_by(session, user.id)
        ids = sorted({*await _known_by_address(session, addresses), *accepted, user.id})
        tokens = await erasure_queries.erase_creator(session, user.id)
        events = await erasure_queries.erase_actor(session, user.id) + await erasure_queries.erase_target(session, ids)
        await erasure_queries.delete_account(session, user, accepted, addresses)
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


async def _addresses(session: AsyncSession, user: User) -> dict[str, datetime | None]:
    """The addresses that the person has proven at some time → the moment from which another account has proven it.

    An address that they only claim may be someone else's, whose invitations and traces they must not take away; one
    that they had proven stays theirs until another account proves it.
    """
    proven: dict[str, int] = {}
    for one in await erasure_queries.addresses_proven_by(session, user.id):
        proven[_stored(one.address) if one.shown else one.address] = one.sequence
    addresses: dict[str, datetime | None] = {}
    for address, sequence in proven.items():
        until = await erasure_queries.proven_by_another_at(session, shown_email(address), user.id, sequence)
        if until is None:  # an account from before proofs were on record
            other = await user_queries.user_by_proven_email(session, address)
            until = other.email_proven_at if other is not None and other.id != user.id else None
        addresses[address] = until
    if user.email is not None and user.email_proven_at is not None:
        addresses[user.email] = None
    return addresses


def _stored(shown: str) -> str:
    """An address that is shown to people in the form in which it is stored."""
    try:
        return clean_email("email", shown)
    except InvalidInput:  # one from before there were rules
        return shown


async def _known_by_address(session: AsyncSession, addresses: Mapping[str, datetime | None]) -> set[str]:
    """What the log knows by these addresses: invitations, never another person."""
    found: set[str] = set()
    for address, until in addresses.items():
        found.update(await erasure_queries.targets_with_address(session, address, until))
    return {one for one in found if id_prefix(one) != USER}


async def _lock_workspaces(session: AsyncSession, user_id: str) -> dict[str, Workspace]:
    """Lock the person's workspaces in one order; their roles there are read afterwards.

    Everything that changes members locks the workspace first, then people, then the audit log's chains.
    """
    members = await workspace_queries.members_of_user(session, user_id)
    session.expunge_all()
    found = {one: await workspace_queries.lock_workspace(session, one) for one in sorted(_homes(members))}
    return {name: one for name, one in found.items() if one is not None}


async def _end_memberships(
    session: AsyncSession, system: System, caller: Operator, user: User, workspaces: Mapping[str, Workspace]
) -> int:
    """Write down that the person left their workspaces, which are locked; how many those were.

    :raises Conflict: one would lose its last owner, or they joined another since.
    """
    members = sorted(await workspace_queries.members_of_user(session, user.id), key=lambda one: one.workspace_id)
    if _homes(members) - workspaces.keys():
        raise Conflict("This person joined a workspace at this moment; erase them again.")
    for one in members:
        workspace = workspaces[one.workspace_id]
        if workspace.deleted_at is not None or one.role != OWNER_ROLE:
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
            target_id=user.id,
            before={"role": one.role},
        )
    return len(members)


def _homes(members: list[Member]) -> set[str]:
    return {one.workspace_id for one in members}
