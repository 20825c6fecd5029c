"""What every field is handed besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from strawberry.types import Info

from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.middleware import RequestAuth
from spacekey.middleware.graphql import UNAUTHENTICATED
from spacekey.resolvers.access.caller import Caller, MemberCaller, RequestFacts
from spacekey.resolvers.accounts.sessions import SignedIn
from spacekey.resolvers.system import System

from .errors import refused
from .loaders import Loaders


class SessionPort(Protocol):
    """The browser's session as the transport keeps it: a cookie that fields never see."""

    @property
    def secret(self) -> Secret | None:
        """The session secret the request came with."""
        ...

    def open(self, signed_in: SignedIn) -> None:
        """Answer with a new session."""
        ...

    def close(self) -> None:
        """Answer that the session has ended."""
        ...


class Budget(Protocol):
    """What one caller may spend on operations, in the unit of :mod:`.costs`."""

    async def charge(self, cost: int) -> int | None:
        """Charge the cost of one operation.

        :return: None when it was charged, else the seconds until it would be.
        """
        ...


@dataclass(slots=True)
class Context:
    """One request. ``caller`` is None for an anonymous caller; ``auth`` counts its usage, ``budget`` its cost."""

    system: System
    principal: Principal | None
    caller: Caller | None
    request_facts: RequestFacts
    session: SessionPort
    loaders: Loaders
    auth: RequestAuth | None = None
    budget: Budget | None = None

    @property
    def known_caller(self) -> Caller:
        """The caller.

        :raises GraphQLError: UNAUTHENTICATED when there is none.
        """
        if self.caller is None:
            raise refused(UNAUTHENTICATED, "Sign in, or send a token in the Authorization header.")
        return self.caller

    @property
    def signed_in_caller(self) -> MemberCaller:
        """The member behind a session.

        :raises GraphQLError: UNAUTHENTICATED when the caller is nobody or a token.
        """
        if not isinstance(self.caller, MemberCaller):
            raise refused(UNAUTHENTICATED, "This needs a member who is signed in; tokens cannot do it.")
        return self.caller


def context_of(
    system: System,
    principal: Principal | None,
    caller: Caller | None,
    request_facts: RequestFacts,
    session: SessionPort,
    auth: RequestAuth | None = None,
    budget: Budget | None = None,
) -> Context:
    """A context for one request, with fresh loaders."""
    return Context(system, principal, caller, request_facts, session, Loaders(system, caller), auth, budget)


SpacekeyInfo = Info[Context, None]
"""The ``info`` argument of this schema's fields."""
