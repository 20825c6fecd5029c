"""Every query about the names that are held: by tokens, members and invitations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import Text, cast, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.tables.token import Token
from spacekey.models.tables.user import Invitation
from spacekey.models.tables.workspace import Member, Workspace

BATCH = 1_000

Holding = tuple[str, tuple[str, ...], int]
"""A workspace's id, grants as they are stored, and how many hold exactly these."""


async def token_holdings(session: AsyncSession) -> list[Holding]:
    """Return what tokens hold that are neither revoked nor deleted, by workspace."""
    grants = cast(col(Token.grants), Text)
    statement = (
        select(Token.workspace_id, grants, func.count())
        .where(col(Token.deleted_at).is_(None), col(Token.revoked_at).is_(None))
        .group_by(col(Token.workspace_id), grants)
    )
    return [(workspace, tuple(json.loads(held)), count) for workspace, held, count in await session.exec(statement)]


async def member_holdings(session: AsyncSession) -> list[Holding]:
    """Return which roles members hold, by workspace."""
    statement = select(Member.workspace_id, Member.role, func.count()).group_by(
        col(Member.workspace_id), col(Member.role)
    )
    return [(workspace, (role,), count) for workspace, role, count in await session.exec(statement)]


async def invitation_holdings(session: AsyncSession, now: datetime) -> list[Holding]:
    """Return which roles invitations are for that can still be accepted, by workspace."""
    statement = (
        select(Invitation.workspace_id, Invitation.role, func.count())
        .where(col(Invitation.used_at).is_(None), col(Invitation.expires_at) > now)
        .group_by(col(Invitation.workspace_id), col(Invitation.role))
    )
    return [(workspace, (role,), count) for workspace, role, count in await session.exec(statement)]


async def workspaces_of_catalog(session: AsyncSession, catalog: str) -> list[Workspace]:
    """Return the catalog's workspaces that are not deleted, in the order of their ids."""
    statement = select(Workspace).where(Workspace.catalog == catalog, col(Workspace.deleted_at).is_(None))
    return list((await session.exec(statement.order_by(col(Workspace.id)))).all())


async def tokens_holding(session: AsyncSession, workspace_id: str, name: str) -> AsyncIterator[Token]:
    """Yield the workspace's tokens that hold this name and are not deleted, revoked ones included.

    They are read in batches of :data:`BATCH`, in the order of their ids.
    """
    written = cast(col(Token.grants), Text).contains(json.dumps(name), autoescape=True)
    after = ""
    while True:
        statement = select(Token).where(
            Token.workspace_id == workspace_id, col(Token.deleted_at).is_(None), written, col(Token.id) > after
        )
        batch = (await session.exec(statement.order_by(col(Token.id)).limit(BATCH))).all()
        for token in batch:
            after = token.id
            if name in token.grants:
                yield token
        if len(batch) < BATCH:
            return


async def members_holding(session: AsyncSession, workspace_id: str, role: str) -> list[Member]:
    """Return the workspace's members with this role."""
    statement = select(Member).where(Member.workspace_id == workspace_id, Member.role == role)
    return list((await session.exec(statement)).all())


async def invitations_holding(session: AsyncSession, workspace_id: str, role: str) -> list[Invitation]:
    """Return the invitations for this role that were not used."""
    statement = select(Invitation).where(
        Invitation.workspace_id == workspace_id, Invitation.role == role, col(Invitation.used_at).is_(None)
    )
    return list((await session.exec(statement)).all())
