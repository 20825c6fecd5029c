"""Authentication of services and portal sessions, whose secrets are kept apart from those of tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.clock import WallClock
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.product import Product
from spacekey.domain.scope import SERVICE_SCOPES
from spacekey.domain.verifier import Verifier
from spacekey.middleware.auth.client import sender
from spacekey.middleware.verifiers.wrapper import PrefixVerifier
from spacekey.models.queries.portal_sessions import PortalFacts
from spacekey.models.queries.services import ServiceFacts
from spacekey.resolvers import portal_sessions, services
from spacekey.resolvers.access.caller import PortalCaller, RequestFacts, ServiceCaller, person_key
from spacekey.resolvers.access.credentials import portal_reason, scopes_of_portal, scopes_of_service, service_reason


@dataclass(frozen=True, slots=True, init=False)
class ServicePrincipal(Principal):
    """Principal of a service, with its product and the SHA-256 of the secret that it was verified by."""

    product: str = ""
    digest: bytes = field(default=b"", repr=False)

    def __init__(self, facts: ServiceFacts, digest: bytes) -> None:
        Principal.__init__(
            self, facts.id, Kind.WORKSPACE, scopes_of_service(facts), facts.name, expires_at=facts.ends_at
        )
        object.__setattr__(self, "product", facts.product)
        object.__setattr__(self, "digest", digest)


class WithServices(PrefixVerifier):
    """Verifier that knows the secrets of services, and passes every other secret to the wrapped verifier.

    It reads the service at every verification, so nothing is accepted after its revocation has been committed.

    :param read: returns the service whose secret has a digest, or None.
    """

    def __init__(
        self, read: Callable[[bytes], Awaitable[ServiceFacts | None]], clock: WallClock, verifier: Verifier
    ) -> None:
        super().__init__(services.SECRET_PREFIX, verifier)
        self._read = read
        self._clock = clock
        if self.known_scopes is not None:
            self.known_scopes |= frozenset(SERVICE_SCOPES)

    async def known(self, digest: bytes) -> Verdict | None:
        """Return the verdict on a service's secret, or None if no service has it."""
        facts = await self._read(digest)
        if facts is None:
            return None
        reason = service_reason(facts, self._clock())
        return Authenticated(ServicePrincipal(facts, digest)) if reason is None else Rejected(reason, facts.id)


def service_caller(principal: Principal, facts: RequestFacts) -> ServiceCaller | None:
    """Return the service that a principal stands for; None for any other principal."""
    if not isinstance(principal, ServicePrincipal):
        return None
    return ServiceCaller(principal.id, principal.name, principal.product, facts, principal.digest)


@dataclass(frozen=True, slots=True, init=False)
class PortalPrincipal(Principal):
    """Principal of a portal session, with its person and the SHA-256 of the secret that it was verified by."""

    person: Actor = field(default_factory=lambda: Actor(ActorKind.EXTERNAL, "", ""))
    digest: bytes = field(default=b"", repr=False)

    def __init__(self, facts: PortalFacts, product: Product, digest: bytes) -> None:
        session, workspace = facts.session, facts.workspace
        Principal.__init__(
            self,
            session.id,
            Kind.WORKSPACE,
            scopes_of_portal(product, workspace, session.grants, session.scopes),
            session.person_name,
            workspace.id,
            expires_at=session.expires_at,
            # The person's, so that another session does not restart the limits.
            rate_limit_key=person_key(workspace.id, session.person_id),
            external_id=session.person_id,
        )
        object.__setattr__(self, "person", Actor(ActorKind.EXTERNAL, session.person_id, session.person_name))
        object.__setattr__(self, "digest", digest)


class WithPortalSessions(PrefixVerifier):
    """Verifier that knows the secrets of portal sessions, and passes every other secret to the wrapped verifier.

    It reads the session at every verification, so nothing is accepted after its end has been committed. A session is
    accepted only with an ``Origin`` of its list, and so never when no request sent it.

    :param read: returns the session whose secret has a digest, or None.
    :param products: the products that are loaded, by name.
    """

    def __init__(
        self,
        read: Callable[[bytes], Awaitable[PortalFacts | None]],
        products: Mapping[str, Product],
        clock: WallClock,
        verifier: Verifier,
    ) -> None:
        super().__init__(portal_sessions.SECRET_PREFIX, verifier)
        self._read = read
        self._products = products
        self._clock = clock

    async def known(self, digest: bytes) -> Verdict | None:
        """Return the verdict on a session's secret, or None if no session has it."""
        facts = await self._read(digest)
        if facts is None:
            return None
        session = facts.session
        reason = portal_reason(session, facts.workspace, self._clock(), service_is_revoked=facts.service_is_revoked)
        if reason is not None:
            return Rejected(reason, session.id)
        if sender().origin not in session.origins:
            return Rejected(Reason.CROSS_ORIGIN, session.id)
        product = self._products.get(facts.workspace.product)
        if product is None:
            return Unavailable(f"the product '{facts.workspace.product}' is not loaded here")
        return Authenticated(PortalPrincipal(facts, product, digest))


def portal_caller(principal: Principal, facts: RequestFacts) -> PortalCaller | None:
    """Return the person that a principal stands for; None for any principal but a portal session's."""
    if not isinstance(principal, PortalPrincipal):
        return None
    return PortalCaller(principal.id, principal.workspace_id or "", principal.person, facts, principal.digest)
