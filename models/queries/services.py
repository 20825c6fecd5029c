"""Queries of services and their secrets."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import Page, PageRequest
from spacekey.models.engine.reading import Reader
from spacekey.models.queries.pagination import Ordering, fetch_page, listing_of
from spacekey.models.tables.base import SQLITE
from spacekey.models.tables.records import ServiceRecord
from spacekey.models.tables.service import Service, ServiceSecret

_BY_CREATION = Ordering("services.created", "s.created_at", datetime, "s.id")


class ServiceFacts(NamedTuple):
    """Service as one of its secrets shows it. ``ends_at`` is when that secret was or will be replaced."""

    id: str
    name: str
    product: str
    scopes: list[str]
    revoked_at: datetime | None
    ends_at: datetime | None


async def service_by_digest(reader: Reader, digest: bytes) -> ServiceFacts | None:
    """Return the service whose secret has this SHA-256, in any state, or None if there is none."""
    values = reader.values()
    statement = f"""SELECT s.id, s.name, s.product, s.scopes, s.revoked_at, c.ends_at
        FROM spacekey_service_secrets c JOIN spacekey_services s ON s.id = c.service_id
        WHERE c.digest = {values.bind(digest)}"""
    return next(iter(await reader.records(ServiceFacts, statement, values)), None)


async def hold_service_of(reader: Reader, digest: bytes) -> None:
    """Keep the service behind a secret from being revoked or rotated until this transaction ends.

    :param digest: SHA-256 of the secret of a service, or of a portal session that one has opened.
    """
    if reader.dialect != SQLITE:  # there, a change is the only one
        values = reader.values()
        given = values.bind(digest)
        await reader.rows(
            "SELECT 1 FROM spacekey_services s WHERE s.id IN ("
            f"SELECT service_id FROM spacekey_service_secrets WHERE digest = {given} UNION ALL "
            f"SELECT service_id FROM spacekey_portal_sessions WHERE digest = {given}) FOR SHARE",
            values,
        )


async def hold_service(session: AsyncSession, digest: bytes, *, lock: bool) -> ServiceFacts | None:
    """Return the service whose secret has this SHA-256, in any state, or None if there is none.

    :param lock: keep the service from being revoked or rotated until the transaction ends.
    """
    statement = (
        select(Service, col(ServiceSecret.ends_at))
        .join(ServiceSecret, col(ServiceSecret.service_id) == col(Service.id))
        .where(col(ServiceSecret.digest) == digest)
    )
    if lock:
        statement = statement.with_for_update(read=True, of=Service)
    found = (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()
    if found is None:
        return None
    service, ends_at = found
    return ServiceFacts(service.id, service.name, service.product, service.scopes, service.revoked_at, ends_at)


async def service_page(reader: Reader, request: PageRequest) -> Page[ServiceRecord]:
    """Return a page of all services, in the order of their creation.

    :raises InvalidInput: for a cursor of another list.
    """
    listing = listing_of(ServiceRecord, "spacekey_services s", "s", reader.dialect)
    return await fetch_page(reader, listing, lambda _: [], _BY_CREATION, request)


async def live_services_by_product(session: AsyncSession) -> dict[str, int]:
    """Return the number of services that are not revoked for each product, by its name."""
    statement = select(col(Service.product), sa.func.count()).where(col(Service.revoked_at).is_(None))
    rows = await session.exec(statement.group_by(col(Service.product)).order_by(col(Service.product)))
    return dict(rows.all())


async def live_services(session: AsyncSession) -> int:
    """Return the number of services that are not revoked."""
    statement = select(sa.func.count()).select_from(Service).where(col(Service.revoked_at).is_(None))
    return (await session.exec(statement)).one()


async def live_service(session: AsyncSession, name: str) -> Service | None:
    """Return the service with this name or id that is not revoked, locked until the transaction ends."""
    statement = (
        select(Service)
        .where(sa.or_(col(Service.name) == name, col(Service.id) == name), col(Service.revoked_at).is_(None))
        .with_for_update()
    )
    return (await session.exec(statement)).one_or_none()


async def end_secret(session: AsyncSession, digest: bytes, ends_at: datetime) -> None:
    """End the secret with this SHA-256 at this time, unless it ends earlier."""
    ends = col(ServiceSecret.ends_at)
    statement = sa.update(ServiceSecret).where(
        col(ServiceSecret.digest) == digest, sa.or_(ends.is_(None), ends > ends_at)
    )
    await session.exec(statement.values(ends_at=ends_at))


async def end_secrets(session: AsyncSession, service_id: str, ends_at: datetime) -> None:
    """End the service's secrets at this time; those that end earlier stay as they are."""
    ends = col(ServiceSecret.ends_at)
    statement = (
        sa.update(ServiceSecret)
        .where(col(ServiceSecret.service_id) == service_id, sa.or_(ends.is_(None), ends > ends_at))
        .values(ends_at=ends_at)
    )
    await session.exec(statement)
