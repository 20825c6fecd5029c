"""Every query about invitations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest

from .keyset import Ordering
from .many_pages import fetch_pages
from .user import Invitation, User


async def invitation_by_digest(session: AsyncSession, digest: bytes) -> Invitation | None:
    """The invitation whose code has this SHA-256, used, over or not."""
    return await session.get(Invitation, digest)


async def invitation_by_id(session: AsyncSession, invitation_id: str) -> Invitation | None:
    """The invitation with this id, used, over or not."""
    return (await session.exec(select(Invitation).where(Invitation.id == invitation_id))).one_or_none()


async def pending_invitation_pages(
    session: AsyncSession, workspace_ids: Sequence[str], request: PageRequest, now: datetime
) -> list[Page[tuple[Invitation, User]]]:
    """The invitations of each workspace that can still be accepted, with whom they are for; the newest first.

    :raises InvalidInput: for a cursor of another list.
    """
    statements = [
        select(Invitation).where(
            Invitation.workspace_id == one, col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now
        )
        for one in workspace_ids
    ]
    newest = Ordering("invitations.created", col(Invitation.created_at), datetime, col(Invitation.id), descending=True)
    return await fetch_pages(
        session, Invitation, statements, newest, request, lambda row: (row[0], row[1]), also=(User, "user_id")
    )


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


async def delete_invitations(session: AsyncSession, user_id: str, workspace_id: str) -> None:
    """Withdraw the codes with which the user could become a member of the workspace."""
    await session.exec(
        delete(Invitation).where(col(Invitation.user_id) == user_id, col(Invitation.workspace_id) == workspace_id)
    )


async def delete_invitations_of_user(session: AsyncSession, user_id: str) -> None:
    """Withdraw all codes that were made for the user."""
    await session.exec(delete(Invitation).where(col(Invitation.user_id) == user_id))


async def delete_invitations_of_workspace(session: AsyncSession, workspace_id: str) -> None:
    """Withdraw all codes for a workspace."""
    await session.exec(delete(Invitation).where(col(Invitation.workspace_id) == workspace_id))
