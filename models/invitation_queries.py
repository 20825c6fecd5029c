"""Every query about invitations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest
from spacekey.models.engine.reading import Reader
from spacekey.models.queries.pagination import Ordering, fetch_pages, listing_of
from spacekey.models.tables.records import InvitationRecord
from spacekey.models.tables.user import Invitation

from .values import Values

_NEWEST_INVITATION_FIRST = Ordering("invitations.created", "i.created_at", datetime, "i.id", descending=True)


async def invitation_by_digest(session: AsyncSession, digest: bytes) -> Invitation | None:
    """The invitation whose code has this SHA-256, used, over or not."""
    return await session.get(Invitation, digest)


async def invitation_by_id(session: AsyncSession, invitation_id: str) -> Invitation | None:
    """The invitation with this id, used, over or not."""
    return (await session.exec(select(Invitation).where(Invitation.id == invitation_id))).one_or_none()


async def pending_invitation_pages(
    reader: Reader, workspace_ids: Sequence[str], request: PageRequest, now: datetime
) -> list[Page[InvitationRecord]]:
    """The invitations of each workspace that can still be accepted, the newest first.

    :raises InvalidInput: for a cursor of another list.
    """
    listing = listing_of(InvitationRecord, "spacekey_invitations i", "i", reader.dialect)
    asked = [partial(_pending, workspace_id=one, now=now) for one in workspace_ids]
    return await fetch_pages(reader, listing, asked, _NEWEST_INVITATION_FIRST, request)


def _pending(values: Values, *, workspace_id: str, now: datetime) -> list[str]:
    of_workspace = f"i.workspace_id = {values.bind(workspace_id)}"
    return [of_workspace, "i.used_at IS NULL", f"i.expires_at > {values.bind(now)}"]


async def pending_invitations(
    session: AsyncSession, workspace_id: str, now: datetime, *, inviter_id: str | None = None
) -> list[Invitation]:
    """All invitations to a workspace that can still be accepted, or those of one inviter. A workspace has few."""
    statement = select(Invitation).where(
        Invitation.workspace_id == workspace_id, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    if inviter_id is not None:
        statement = statement.where(Invitation.inviter_id == inviter_id)
    return list((await session.exec(statement)).all())


async def pending_invitation(session: AsyncSession, workspace_id: str, email: str, now: datetime) -> Invitation | None:
    """The invitation to this workspace for this address that can still be accepted, or None."""
    statement = select(Invitation).where(
        Invitation.workspace_id == workspace_id,
        Invitation.email == email,
        col(Invitation.used_at).is_(None),
        col(Invitation.expires_at) > now,
    )
    return (await session.exec(statement)).one_or_none()


async def count_pending_invitations(session: AsyncSession, workspace_id: str, now: datetime) -> int:
    """How many invitations to a workspace can still be accepted."""
    statement = select(func.count()).where(
        Invitation.workspace_id == workspace_id, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement)).one()


async def count_invitations_with_role(session: AsyncSession, workspace_id: str, role: str, now: datetime) -> int:
    """How many invitations to the workspace that are pending are for the role."""
    statement = select(func.count()).where(
        Invitation.workspace_id == workspace_id,
        Invitation.role == role,
        col(Invitation.used_at).is_(None),
        col(Invitation.expires_at) > now,
    )
    return (await session.exec(statement)).one()


async def use_invitation(session: AsyncSession, digest: bytes, now: datetime) -> bool:
    """Mark the invitation as used. True for the one caller who did; False when it is used, over or unknown."""
    statement = update(Invitation).where(
        col(Invitation.digest) == digest, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement.values(used_at=now))).rowcount == 1


async def delete_invitation(session: AsyncSession, invitation_id: str, now: datetime) -> bool:
    """Withdraw one that can still be accepted. False when it cannot any more."""
    statement = delete(Invitation).where(
        col(Invitation.id) == invitation_id, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
    )
    return (await session.exec(statement)).rowcount == 1


async def delete_unused_invitations(session: AsyncSession, workspace_id: str, email: str) -> None:
    """Withdraw the invitation to this workspace for this address, if there is one that nobody used."""
    await session.exec(
        delete(Invitation).where(
            col(Invitation.workspace_id) == workspace_id,
            col(Invitation.email) == email,
            col(Invitation.used_at).is_(None),
        )
    )


async def delete_invitations_by_id(session: AsyncSession, ids: Sequence[str]) -> None:
    """Withdraw these, unless they were used meanwhile."""
    await session.exec(delete(Invitation).where(col(Invitation.id).in_(ids), col(Invitation.used_at).is_(None)))


async def delete_invitations_of_workspace(session: AsyncSession, workspace_id: str) -> None:
    """Withdraw all codes for a workspace."""
    await session.exec(delete(Invitation).where(col(Invitation.workspace_id) == workspace_id))
