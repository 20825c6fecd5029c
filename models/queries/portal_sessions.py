"""Queries of portal sessions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.engine.reading import Reader
from spacekey.models.tables.portal import PortalSession
from spacekey.models.tables.records import PortalSessionRecord, WorkspaceRecord, columns, decoder, width
from spacekey.models.tables.service import Service
from spacekey.models.tables.workspace import Workspace


class PortalFacts(NamedTuple):
    """Portal session with its workspace, in any state, and whether the service that opened it was revoked."""

    session: PortalSessionRecord
    workspace: WorkspaceRecord
    service_is_revoked: bool


async def portal_session_by_digest(reader: Reader, digest: bytes) -> PortalFacts | None:
    """Return the portal session whose secret has this SHA-256, in any state, or None if there is none."""
    values = reader.values()
    rows = await reader.rows(
        f"SELECT {columns(PortalSessionRecord, 'p')}, {columns(WorkspaceRecord, 'w')}, s.revoked_at "
        "FROM spacekey_portal_sessions p JOIN spacekey_workspaces w ON w.id = p.workspace_id "
        f"LEFT JOIN spacekey_services s ON s.id = p.service_id WHERE p.digest = {values.bind(digest)}",
        values,
    )
    if not rows:
        return None
    take = decoder(PortalSessionRecord, reader.dialect)
    take_workspace = decoder(WorkspaceRecord, reader.dialect, width(PortalSessionRecord))
    return PortalFacts(take(rows[0]), take_workspace(rows[0]), rows[0][-1] is not None)


async def portal_session_in(session: AsyncSession, digest: bytes, *, lock: bool) -> tuple[PortalSession, bool] | None:
    """Return a portal session by the SHA-256 of its secret, and whether the service that opened it was revoked.

    :param lock: keep that service from being revoked until the transaction ends. A change that ends the session itself
        holds its workspace.
    """
    found = await session.get(PortalSession, digest, populate_existing=True)
    if found is None or found.service_id is None:
        return None if found is None else (found, False)
    statement = select(col(Service.revoked_at)).where(col(Service.id) == found.service_id)
    if lock:
        statement = statement.with_for_update(read=True)
    return found, (await session.exec(statement)).one() is not None


async def portal_session_by_id(session: AsyncSession, session_id: str) -> PortalSession | None:
    """Return the portal session, in any state, or None."""
    statement = select(PortalSession).where(col(PortalSession.id) == session_id)
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def open_portal_sessions(
    session: AsyncSession, workspace_id: str, person_id: str, now: datetime
) -> list[PortalSession]:
    """Return the portal sessions of a person in a workspace that have neither ended nor expired, oldest first."""
    statement = select(PortalSession).where(
        col(PortalSession.workspace_id) == workspace_id,
        col(PortalSession.person_id) == person_id,
        col(PortalSession.ended_at).is_(None),
        col(PortalSession.expires_at) > now,
    )
    return list((await session.exec(statement.order_by(col(PortalSession.created_at), col(PortalSession.id)))).all())


async def workspaces_of_person(
    session: AsyncSession, person_id: str, products: Iterable[str], now: datetime
) -> list[str]:
    """Return the ids of these products' workspaces in which the person has a portal session that has not ended."""
    statement = (
        select(Workspace.id)
        .join(PortalSession, col(PortalSession.workspace_id) == Workspace.id)
        .where(
            PortalSession.person_id == person_id,
            col(PortalSession.ended_at).is_(None),
            PortalSession.expires_at > now,
            col(Workspace.product).in_(set(products)),
            col(Workspace.deleted_at).is_(None),
        )
    )
    return list((await session.exec(statement.distinct())).all())


async def forget_portal_sessions(session: AsyncSession, before: datetime, *, most: int) -> None:
    """Delete rows of portal sessions that expired before this time.

    :param most: how many at once.
    """
    expired = select(col(PortalSession.digest)).where(col(PortalSession.expires_at) < before).limit(most)
    await session.exec(sa.delete(PortalSession).where(col(PortalSession.digest).in_(expired)))
