"""Queries after a restore: hashes of the audit log, and what cannot be vouched for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func
from sqlmodel import col, delete, not_, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.engine.reading import Reader
from spacekey.models.tables.portal import PortalSession
from spacekey.models.tables.service import Service, ServiceSecret
from spacekey.models.tables.token import Token
from spacekey.models.tables.user import Invitation, User, UserSession
from spacekey.models.tables.workspace import Member

from .tokens import first_uses, is_over, tokens_by_ids


async def chain_hashes(reader: Reader, chain: str) -> dict[int, bytes]:
    """Return the hash of every event of a chain, by its number."""
    values = reader.values()
    statement = f"SELECT e.sequence, e.hash FROM spacekey_audit_events e WHERE e.chain = {values.bind(chain)}"
    return {int(number): bytes(written) for number, written in await reader.rows(statement, values)}


async def usable_tokens(session: AsyncSession, workspace_id: str, now: datetime, limit: int) -> Sequence[Token]:
    """Return at most ``limit`` of the workspace's tokens that are neither ended nor disabled, oldest first."""
    statement = select(Token).where(*_usable(workspace_id, now)).order_by(col(Token.created_at), col(Token.id))
    return (await session.exec(statement.limit(limit))).all()


async def count_usable_tokens(session: AsyncSession, workspace_id: str, now: datetime) -> int:
    """Return how many of the workspace's tokens are neither ended nor disabled."""
    statement = select(func.count()).select_from(Token).where(*_usable(workspace_id, now))
    return (await session.exec(statement)).one()


async def tokens_that_a_first_use_ends(session: AsyncSession, workspace_id: str, now: datetime) -> Sequence[Token]:
    """Return the workspace's usable tokens that the first use of their successor ends, which has not been seen."""
    statement = select(Token).where(*_usable(workspace_id, now), col(Token.rotated_to_id).is_not(None))
    rotated = (await session.exec(statement.order_by(col(Token.created_at), col(Token.id)))).all()
    successors = [one.rotated_to_id for one in rotated if one.rotated_to_id is not None]
    ending = {one.id for one in await tokens_by_ids(session, successors) if one.first_use_retires}
    used = await first_uses(session, ending)
    return [one for one in rotated if one.rotated_to_id in ending - used.keys()]


def _usable(workspace_id: str, now: datetime) -> tuple[ColumnElement[bool] | bool, ...]:
    return (
        Token.workspace_id == workspace_id,
        col(Token.deleted_at).is_(None),
        col(Token.revoked_at).is_(None),
        col(Token.disabled_at).is_(None),
        not_(is_over(now)),
    )


async def unused_invitations_for(session: AsyncSession, workspace_id: str, email: str | None) -> list[str]:
    """Return the ids of the workspace's unused invitations for this address; None for every address."""
    statement = select(Invitation.id).where(
        col(Invitation.workspace_id) == workspace_id, col(Invitation.used_at).is_(None)
    )
    if email is not None:
        statement = statement.where(Invitation.email == email)
    return list((await session.exec(statement)).all())


async def unused_among(session: AsyncSession, workspace_id: str, ids: Iterable[str]) -> list[str]:
    """Return those of the invitations that the workspace has and that are unused."""
    statement = select(Invitation.id).where(
        col(Invitation.workspace_id) == workspace_id, col(Invitation.used_at).is_(None), col(Invitation.id).in_(ids)
    )
    return list((await session.exec(statement)).all())


async def open_portal_sessions_among(
    session: AsyncSession, workspace_id: str, ids: Iterable[str], now: datetime
) -> list[PortalSession]:
    """Return those of the portal sessions that the workspace has and that have neither ended nor expired."""
    statement = select(PortalSession).where(
        col(PortalSession.workspace_id) == workspace_id,
        col(PortalSession.id).in_(ids),
        col(PortalSession.ended_at).is_(None),
        col(PortalSession.expires_at) > now,
    )
    return list((await session.exec(statement)).all())


async def services_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[Service]:
    """Return those of the services that are not revoked, locked until the transaction ends."""
    statement = select(Service).where(col(Service.id).in_(ids), col(Service.revoked_at).is_(None))
    return list((await session.exec(statement.order_by(col(Service.id)).with_for_update())).all())


async def end_secrets_made_until(
    session: AsyncSession, service_id: str, made_until: datetime, ends_at: datetime
) -> int:
    """End the service's secrets that were made until a time, unless they end earlier; return how many there were."""
    ends = col(ServiceSecret.ends_at)
    statement = update(ServiceSecret).where(
        col(ServiceSecret.service_id) == service_id,
        col(ServiceSecret.created_at) <= made_until,
        or_(ends.is_(None), ends > ends_at),
    )
    return (await session.exec(statement.values(ends_at=ends_at))).rowcount


async def delete_all_sessions(session: AsyncSession) -> int:
    """End all sessions of people, and return how many there were."""
    return (await session.exec(delete(UserSession))).rowcount


async def count_live(session: AsyncSession, now: datetime) -> dict[str, int]:
    """Return how many accounts, services and sessions of people there are that can be used."""
    statements = {
        "accounts": select(func.count()).select_from(User),
        "services": select(func.count()).select_from(Service).where(col(Service.revoked_at).is_(None)),
        "sessions": select(func.count()).select_from(UserSession).where(col(UserSession.expires_at) > now),
    }
    return {what: (await session.exec(statement)).one() for what, statement in statements.items()}


async def count_members(session: AsyncSession, workspace_id: str) -> int:
    """Return how many members a workspace has."""
    statement = select(func.count()).select_from(Member).where(Member.workspace_id == workspace_id)
    return (await session.exec(statement)).one()
