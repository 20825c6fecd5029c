"""What a running server is made of, and how a route reaches it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import Scope

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import client_address
from spacekey.domain.principal import Principal
from spacekey.middleware.limits import Limiter
from spacekey.middleware.limits.anonymous import AnonymousBudget
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.resolvers.access.caller import IntrospectorCaller, MemberCaller, RequestFacts, TokenCaller, caller_of
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.verify import StoreVerifier

from .introspectors import introspector_caller
from .limits import SessionFlood
from .metrics import Metrics
from .settings import Settings

REQUEST_ID = "spacekey.request_id"
"""Key of a scope under which the request's id stands."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One server's parts. ``verifier`` asks the store at every call: nothing here is served from a cache.

    ``limits`` are charged requests by plan, ``budgets`` the cost of GraphQL operations by caller; both keep their
    accounts in the same place. ``warns`` is false where another worker says at the start what is amiss.
    """

    settings: Settings
    system: System
    verifier: StoreVerifier
    refusals: RefusalLog
    usage: UsageCollector
    metrics: Metrics
    limits: Limiter
    budgets: Limiter
    flood: RefusalFlood
    sessions: SessionFlood
    anonymous: AnonymousBudget
    warns: bool = True

    async def aclose(self) -> None:
        """Give back every connection."""
        await self.limits.aclose()
        await self.verifier.aclose()
        await self.system.store.aclose()


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the app that serves this connection.

    :raises ConfigurationError: when the app was not made by ``build_app``.
    """
    parts = getattr(connection.app.state, "parts", None)
    if isinstance(parts, Parts):
        return parts
    raise ConfigurationError("these routes belong to the app that spacekey.server.app.build_app makes")


def facts_of(connection: HTTPConnection) -> RequestFacts:
    """Where the request came from, for the audit log. The address is the client's behind trusted proxies."""
    return RequestFacts(
        ip=client_address(connection.client.host) if connection.client is not None else "",
        user_agent=connection.headers.get("user-agent", ""),
        request_id=request_id_of(connection.scope),
    )


def principal_of(connection: HTTPConnection) -> Principal | None:
    """The verified caller, None on a route that let somebody without credentials in."""
    user = connection.scope.get("user")
    return user if isinstance(user, Principal) else None


def known_principal(connection: HTTPConnection) -> Principal:
    """The verified caller of a route that has a rule.

    :raises ConfigurationError: when the route has none.
    """
    principal = principal_of(connection)
    if principal is None:
        raise ConfigurationError("this route needs a rule: requires(…)")
    return principal


def known_caller(connection: HTTPConnection) -> MemberCaller | TokenCaller | IntrospectorCaller:
    """The caller of a route that has a rule, in the resolvers' words."""
    principal, facts = known_principal(connection), facts_of(connection)
    introspectors = parts_of(connection).settings.introspectors
    return introspector_caller(introspectors, principal, facts) or caller_of(principal, facts)


def request_id_of(scope: Scope) -> str:
    """Return the id of a request."""
    return str(scope.get(REQUEST_ID, ""))
