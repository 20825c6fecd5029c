"""State and scopes of credentials that are no tokens, as the database has them now: services and portal sessions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from spacekey.domain.authentication import Reason
from spacekey.domain.principal import Kind
from spacekey.domain.product import Product
from spacekey.domain.refusal import CredentialNotAllowed
from spacekey.domain.scope import PORTAL_SCOPES, SERVICE_SCOPES
from spacekey.models.queries.services import ServiceFacts
from spacekey.models.tables.portal import PortalSession
from spacekey.models.tables.records import AnyWorkspace, PortalSessionRecord

from .entitlements import scopes_of


def service_reason(facts: ServiceFacts, now: datetime) -> Reason | None:
    """Return why this secret of a service is refused now, or None if it is not."""
    if facts.revoked_at is not None:
        return Reason.REVOKED
    return Reason.EXPIRED if facts.ends_at is not None and facts.ends_at <= now else None


def scopes_of_service(facts: ServiceFacts) -> frozenset[str]:
    """Return the scopes of a service. Names that this version does not know are left out."""
    return frozenset(SERVICE_SCOPES).intersection(facts.scopes)


def valid_scopes(facts: ServiceFacts | None, now: datetime) -> frozenset[str]:
    """Return the scopes of a service that is still valid.

    :raises CredentialNotAllowed: if it was revoked since its request was verified, or its secret has ended.
    """
    if facts is None or service_reason(facts, now) is not None:
        raise CredentialNotAllowed("This service was revoked, or its secret was replaced, while the request was read.")
    return scopes_of_service(facts)


def portal_reason(
    session: PortalSession | PortalSessionRecord, workspace: AnyWorkspace, now: datetime, *, service_is_revoked: bool
) -> Reason | None:
    """Return why a portal session is refused now, or None if it is not.

    :param service_is_revoked: whether the service that opened it was revoked, which ends it.
    """
    if session.ended_at is not None or service_is_revoked:
        return Reason.REVOKED
    if workspace.deleted_at is not None:
        return Reason.DELETED
    if session.expires_at <= now:
        return Reason.EXPIRED
    return Reason.SUSPENDED if workspace.suspended_at is not None else None


def scopes_of_portal(
    product: Product, workspace: AnyWorkspace, grants: Collection[str], opened_with: Collection[str] | None = None
) -> frozenset[str]:
    """Return the scopes that a portal session has now.

    They are what its grants come to by the workspace's roles and plan, without the scopes that no portal session has.

    :param opened_with: its scopes when it was opened, which a role that is extended later does not add to; None while
        it is being opened.
    """
    scopes = scopes_of(product, workspace, grants, Kind.MEMBER) & (PORTAL_SCOPES | frozenset(product.scopes))
    return scopes if opened_with is None else scopes.intersection(opened_with)
