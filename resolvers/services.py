"""Services: credentials of the operator's apps, for what their scopes name in every workspace of one product.

A token cannot do this, because it reaches only its own workspace, while a product's API serves the tokens of all its
tenants. By default a service may verify tokens and do nothing else. No tenant can see a service, and no plan or
deletion ends it. Its secret is shown once and kept as its SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import SERVICE, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import Conflict, ConflictCode, Fault, Faults, Forbidden, InputCode, InvalidInput, NotFound
from spacekey.domain.scope import INTROSPECT, SERVICE_SCOPES
from spacekey.domain.secret import Secret, mint
from spacekey.models.queries import services as service_queries
from spacekey.models.queries.services import ServiceFacts
from spacekey.models.queries.settings import hold_staleness
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.records import ServiceRecord
from spacekey.models.tables.service import Service, ServiceSecret
from spacekey.resolvers.access.caller import Caller, Operator, ServiceCaller
from spacekey.resolvers.access.credentials import scopes_of_service, service_reason
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.staleness import takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_grants, unknown

SECRET_PREFIX = "spk"  # noqa: S105 - the first part of every service's secret
SERVICES_MAX = 1_000
GRACE_SECONDS_MAX = 30 * 86_400
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class IssuedService:
    """Service with a new secret, which is not stored.

    ``earlier_ends_at`` is when the secrets that it had before stop working; None for a new service.
    """

    service: ServiceRecord
    secret: Secret
    earlier_ends_at: datetime | None = None


async def create_service(
    system: System, caller: Operator, name: str, product: str, scopes: Sequence[str] = (INTROSPECT,)
) -> IssuedService:
    """Create a service for a product.

    :param name: 1 to 40 lower case letters, digits and hyphens; unique among the services that are not revoked.
    :param scopes: at least one of :data:`~spacekey.domain.scope.SERVICE_SCOPES`.
    :raises InvalidInput: for another name or scope, or a product that is not loaded.
    :raises Conflict: if there is such a service, or :data:`SERVICES_MAX` of them.
    """
    faults = Faults()
    with faults:
        _check_name(name)
    with faults:
        scopes = sorted(clean_grants("scopes", scopes, SERVICE_SCOPES))
    if product not in system.products:
        reason = unknown("product", product, system.products)
        faults.add(Fault(("product",), InputCode.UNKNOWN_VALUE, reason))
    faults.raise_found()
    async with system.store.changing() as session:
        if await service_queries.live_service(session, name) is not None:
            raise Conflict(
                f"There is a service '{name}'. Rotate its secret, or choose another name.", ConflictCode.SLUG_TAKEN
            )
        if await service_queries.live_services(session) >= SERVICES_MAX:
            raise Conflict(f"There are {SERVICES_MAX} services. Revoke one first.", ConflictCode.LIMIT_REACHED)
        now = system.clock()
        service = Service(
            id=new_id(SERVICE, now, system.entropy), name=name, product=product, scopes=list(scopes), created_at=now
        )
        session.add(service)
        await session.flush()
        secret = _add_secret(session, system, service.id)
        facts = {"name": name, "product": product, "scopes": list(scopes)}
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="service.create",
            target_id=service.id,
            after=facts,
        )
    return IssuedService(_record_of(service), secret)


async def rotate_service(system: System, caller: Operator, name: str, *, grace_seconds: int = 86_400) -> IssuedService:
    """Give a service another secret; the ones that it has stop working after the grace period.

    :param name: the service's name or id.
    :param grace_seconds: 0 to 2,592,000 (30 days).
    :raises InvalidInput: for another grace period.
    :raises NotFound: if there is no such service, or it is revoked.
    """
    if not 0 <= grace_seconds <= GRACE_SECONDS_MAX:
        raise InvalidInput("grace_seconds", "Give 0 seconds to 30 days.", InputCode.OUT_OF_RANGE)
    async with system.store.changing() as session:
        await hold_staleness(session)  # the commit reaches the disk
        service = await _live(session, name)
        ends_at = system.clock() + timedelta(seconds=grace_seconds)
        await service_queries.end_secrets(session, service.id, ends_at)
        secret = _add_secret(session, system, service.id)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="service.rotate",
            target_id=service.id,
            after={"grace_seconds": grace_seconds},
        )
    return IssuedService(_record_of(service), secret, ends_at)


async def revoke_service(system: System, caller: Operator, name: str) -> ServiceRecord:
    """Revoke a service. The server reads it at every request, so its secrets stop working with this.

    :param name: the service's name or id.
    :raises NotFound: if there is no such service, or it is revoked already.
    """
    async with system.store.changing() as session:
        await hold_staleness(session)  # the commit reaches the disk
        service = await _live(session, name)
        service.revoked_at = system.clock()
        session.add(service)
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="service.revoke",
            target_id=service.id,
            before={"revoked_at": None},
            after={"revoked_at": service.revoked_at.isoformat()},
        )
    return _record_of(service)


@takes_access_away
async def end_own_secret(system: System, caller: ServiceCaller) -> None:
    """End the secret with which a service sent its request (RFC 7009 §2). Its other secrets keep working.

    :raises NotFound: if the service was revoked or the secret replaced meanwhile.
    """
    async with system.store.changing() as session:
        await hold_staleness(session)  # the commit reaches the disk
        service = await _live(session, caller.id)
        await service_queries.end_secret(session, caller.digest, system.clock())
        await record(
            session,
            system,
            actor_of(caller),
            chain=SYSTEM_CHAIN,
            action="service.end_secret",
            target_id=service.id,
        )


async def named_service(system: System, caller: Operator, name: str) -> ServiceRecord:
    """Return the service with this name or id that is not revoked.

    :param caller: the operator, who alone may do this, as its type says.
    :raises NotFound: if there is none.
    """
    async with system.store.reading() as session:
        return _record_of(await _live(session, name))


async def list_services(
    system: System,
    caller: Operator,
    page: PageRequest,
) -> Page[ServiceRecord]:
    """Return a page of the services, revoked ones included, in the order of their creation.

    :raises InvalidInput: for a cursor of another list.
    """
    return await system.store.read(lambda reader: service_queries.service_page(reader, page))


async def services_by_product(system: System) -> dict[str, int]:
    """Return the number of services that are not revoked for each product, by its name."""
    async with system.store.reading() as session:
        return await service_queries.live_services_by_product(session)


async def read_service(system: System, digest: bytes) -> ServiceFacts | None:
    """Return the service whose secret has this SHA-256, in any state, or None if there is none.

    :raises ServiceUnavailable: if the database does not answer.
    """
    return await system.store.read(lambda reader: service_queries.service_by_digest(reader, digest))


async def check_service(system: System, caller: Caller, own: Secret | None) -> None:
    """Check that a service's secret is still valid: its request was verified before the body was read.

    :param own: the secret that the request was sent with. Other callers than services are not checked.
    :raises Forbidden: if the service was revoked since, its secret was replaced, or it may not verify tokens.
    :raises ServiceUnavailable: if the database does not answer.
    """
    if own is None or not isinstance(caller, ServiceCaller):
        return
    facts = await read_service(system, own.digest())
    valid = facts is not None and service_reason(facts, system.clock()) is None
    if facts is None or not valid or INTROSPECT not in scopes_of_service(facts):
        raise Forbidden([INTROSPECT])


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise InvalidInput(
            "name",
            "Write 1 to 40 lower case letters, digits and hyphens, beginning with a letter or digit.",
            InputCode.INVALID_FORMAT,
        )


async def _live(session: AsyncSession, name: str) -> Service:
    service = await service_queries.live_service(session, name)
    if service is None:
        raise NotFound("service")
    return service


def _add_secret(session: AsyncSession, system: System, service_id: str) -> Secret:
    secret = mint(SECRET_PREFIX, "live", system.entropy)
    session.add(ServiceSecret(digest=secret.digest(), service_id=service_id, created_at=system.clock()))
    return secret


def _record_of(service: Service) -> ServiceRecord:
    return ServiceRecord(
        service.id, service.name, service.product, service.scopes, service.created_at, service.revoked_at
    )
