"""Authentication of services; see :mod:`spacekey.resolvers.services`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from spacekey.domain.authentication import Authenticated, Rejected, Verdict
from spacekey.domain.clock import WallClock
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.scope import SERVICE_SCOPES
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.wrapper import PrefixVerifier
from spacekey.models.queries.services import ServiceFacts
from spacekey.resolvers.access.caller import RequestFacts, ServiceCaller
from spacekey.resolvers.access.credentials import scopes_of_service, service_reason
from spacekey.resolvers.services import SECRET_PREFIX


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
        super().__init__(SECRET_PREFIX, verifier)
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
