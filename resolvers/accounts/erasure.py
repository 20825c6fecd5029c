"""Erasure of a person: delete the account and remove names and addresses everywhere, but keep the id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import USER, id_prefix
from spacekey.domain.product import OWNER_ROLE
from spacekey.domain.refusal import Conflict, ConflictCode, InvalidInput, NotFound
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
    """Result of an erasure: the numbers of memberships ended, and of names removed from tokens and audit events."""

    user_id: str
    memberships: int
    tokens: int
    events: int
    effective_at: datetime


@takes_access_away
async def erase_user(system: System, caller: Operator, user_id: str, *, wait: bool = True) -> Erased:
    """Erase a person in one transaction. Tokens that they created stay, with the person's id.

    The audit log keeps ids, actions and times, and every chain still verifies. The erasure itself is recorded in the
    system's chain and cannot be undone. An invitation belongs to the person if they accepted it, created it or have
    proven the address it is for, even if they gave up that address later.

    :raises NotFound: if the person does not exist.
    :raises Conflict: if a workspace would lose its last owner (named in the message), or the person joined a workspace
        at this moment.
    """
    async with system.store.changing() as session:
        workspaces = await _lock_workspaces(session, user_id)
        # Every transaction that writes the person's name holds their row until it commits, so none can write it after
        # this.
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
    """Return the addresses that the person has ever proven → the time from which another account has proven them.

    An address that is only claimed may belong to another person, whose invitations and records must stay. A proven
    address remains the person's until another account proves it.
    """
    proven: dict[str, int] = {}
    for one in await erasure_queries.addresses_proven_by(session, user.id):
        proven[_stored(one.address) if one.shown else one.address] = one.sequence
    addresses: dict[str, datetime | None] = {}
    for address, sequence in proven.items():
        until = await erasure_queries.proven_by_another_at(session, shown_email(address), user.id, sequence)
        if until is None:  # an account created before proofs were recorded
            other = await user_queries.user_by_proven_email(session, address)
            until = other.email_proven_at if other is not None and other.id != user.id else None
        addresses[address] = until
    if user.email is not None and user.email_proven_at is not None:
        addresses[user.email] = None
    return addresses


def _stored(shown: str) -> str:
    """Return the stored form of an address from its display form."""
    try:
        return clean_email("email", shown)
    except InvalidInput:  # an address stored before addresses were validated
        return shown


async def _known_by_address(session: AsyncSession, addresses: Mapping[str, datetime | None]) -> set[str]:
    """Return the targets that the audit log knows by these addresses: invitations, never another person."""
    found: set[str] = set()
    for address, until in addresses.items():
        found.update(await erasure_queries.targets_with_address(session, address, until))
    return {one for one in found if id_prefix(one) != USER}


async def _lock_workspaces(session: AsyncSession, user_id: str) -> dict[str, Workspace]:
    """Lock the person's workspaces in a fixed order; their roles are read afterwards.

    Every change of members locks the workspace first, then people, then the audit log's chains.
    """
    members = await workspace_queries.members_of_user(session, user_id)
    session.expunge_all()
    found = {one: await workspace_queries.lock_workspace(session, one) for one in sorted(_homes(members))}
    return {name: one for name, one in found.items() if one is not None}


async def _end_memberships(
    session: AsyncSession, system: System, caller: Operator, user: User, workspaces: Mapping[str, Workspace]
) -> int:
    """Record that the person left their workspaces, which are locked, and return how many there were.

    :raises Conflict: if a workspace would lose its last owner, or the person joined another one since.
    """
    members = sorted(await workspace_queries.members_of_user(session, user.id), key=lambda one: one.workspace_id)
    if _homes(members) - workspaces.keys():
        raise Conflict(
            "This person joined a workspace at the same time; erase them again.", ConflictCode.CONCURRENT_CHANGE
        )
    for one in members:
        workspace = workspaces[one.workspace_id]
        if workspace.deleted_at is not None or one.role != OWNER_ROLE:
            continue
        if await workspace_queries.count_members_with_role(session, one.workspace_id, OWNER_ROLE) <= 1:
            raise Conflict(
                f"This person is the last owner of the workspace {workspace.id} '{workspace.name}'; "
                "make another member an owner first, or delete the workspace.",
                ConflictCode.LAST_OWNER,
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
