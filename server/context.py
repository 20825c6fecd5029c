"""The parts of a running server, and what a route reads from its request: parts, caller, client's address and id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.requests import HTTPConnection
from starlette.types import Scope

from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import client_address
from spacekey.domain.principal import Principal
from spacekey.middleware.limits.anonymous import AnonymousBudget
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.middleware.limits.limiter import Limiter
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.resolvers.access.caller import (
    MemberCaller,
    PortalCaller,
    RequestFacts,
    ServiceCaller,
    TokenCaller,
    caller_of,
)
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.verify import LookupVerifier

from .bearers import portal_caller, service_caller
from .identity.passwords import Passwords
from .identity.protocol import Identity
from .limits import SessionFlood
from .metrics import Metrics
from .settings import Settings

RequestCaller: TypeAlias = MemberCaller | TokenCaller | ServiceCaller | PortalCaller

REQUEST_ID = "spacekey.request_id"
"""Key of the request's id in the ASGI scope."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of one server. ``verifier`` asks the store at every call, without a cache.

    ``limits`` counts requests by plan, ``budgets`` the cost of GraphQL operations by caller; both keep their accounts
    in the same place. ``warns`` is false if another worker logs the warnings of the start. ``identity`` tells who the
    people are.
    """

    settings: Settings
    system: System
    verifier: LookupVerifier
    refusals: RefusalLog
    usage: UsageCollector
    metrics: Metrics
    limits: Limiter
    budgets: Limiter
    flood: RefusalFlood
    sessions: SessionFlood
    anonymous: AnonymousBudget
    warns: bool = True
    identity: Identity = field(default_factory=Passwords)

    async def aclose(self) -> None:
        """Close all connections."""
        await close_in_turn(self.identity.aclose, self.limits.aclose, self.verifier.aclose, self.system.store.aclose)


def parts_of(connection: HTTPConnection) -> Parts:
    """Return the parts of the app that serves this connection.

    :raises ConfigurationError: if the app was not built by ``build_app``.
    """
    parts = getattr(connection.app.state, "parts", None)
    if isinstance(parts, Parts):
        return parts
    raise ConfigurationError("these routes belong to the app that spacekey.server.app.build_app makes")


def facts_of(connection: HTTPConnection) -> RequestFacts:
    """Return where the request came from, for the audit log: the client's address, also behind trusted proxies."""
    return RequestFacts(
        ip=client_address(connection.client.host) if connection.client is not None else "",
        user_agent=connection.headers.get("user-agent", ""),
        request_id=request_id_of(connection.scope),
    )


def principal_of(connection: HTTPConnection) -> Principal | None:
    """Return the verified caller; None on a route that admitted a request without credentials."""
    user = connection.scope.get("user")
    return user if isinstance(user, Principal) else None


def known_principal(connection: HTTPConnection) -> Principal:
    """Return the verified caller of a route that has a rule.

    :raises ConfigurationError: if the route has no rule.
    """
    principal = principal_of(connection)
    if principal is None:
        raise ConfigurationError("this route needs a rule: requires(…)")
    return principal


def known_caller(connection: HTTPConnection) -> RequestCaller:
    """Return the caller of a route that has a rule, as the resolvers' argument."""
    return caller_from(known_principal(connection), facts_of(connection))


def caller_from(principal: Principal, facts: RequestFacts) -> RequestCaller:
    """Return the caller that a verified principal stands for."""
    return service_caller(principal, facts) or portal_caller(principal, facts) or caller_of(principal, facts)


def request_id_of(scope: Scope) -> str:
    """Return the id of a request."""
    return str(scope.get(REQUEST_ID, ""))
