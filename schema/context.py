"""The context of one request, which every field receives besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from strawberry.types import Info

from spacekey.domain.principal import Principal
from spacekey.domain.refusal import CredentialNotAllowed
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import UNAUTHENTICATED
from spacekey.middleware.request_auth import RequestAuth
from spacekey.resolvers.access.caller import Caller, MemberCaller, RequestFacts
from spacekey.resolvers.accounts.sessions import SignedIn
from spacekey.resolvers.system import System

from .errors import error_of, refused
from .loaders import Loaders


class SessionPort(Protocol):
    """Interface to the browser's session. The transport keeps it in a cookie, which fields cannot read."""

    @property
    def secret(self) -> Secret | None:
        """Secret of the session that the request was sent with; None without one."""
        ...

    def open(self, signed_in: SignedIn) -> None:
        """Start a new session with the response."""
        ...

    def close(self) -> None:
        """End the session with the response."""
        ...

    async def page_after(self, issuer: str | None) -> str | None:
        """Return the page to open after signing out, where there is one besides the dashboard's.

        :param issuer: the identity provider that the session was opened through; None for a password.
        """
        ...


class Budget(Protocol):
    """Budget of one caller for operations, in the unit of :mod:`.costs`."""

    async def charge(self, cost: int) -> int | None:
        """Charge the cost of one operation.

        :return: None if it was charged, else the seconds until it would be.
        """
        ...


@dataclass(slots=True)
class Context:
    """Context of one request. ``caller`` is None for an anonymous caller; ``auth`` counts usage, ``budget`` cost."""

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
        """Return the caller.

        :raises GraphQLError: UNAUTHENTICATED if the caller is anonymous.
        """
        if self.caller is None:
            raise refused(UNAUTHENTICATED, "Sign in, or send a token in the Authorization header.")
        return self.caller

    @property
    def signed_in_caller(self) -> MemberCaller:
        """Return the signed-in member.

        :raises GraphQLError: UNAUTHENTICATED if the caller is anonymous, FORBIDDEN if it is not a person.
        """
        caller = self.known_caller
        if not isinstance(caller, MemberCaller):
            raise error_of(CredentialNotAllowed("This needs a person who is signed in; no token or service may do it."))
        return caller


def context_of(
    system: System,
    principal: Principal | None,
    caller: Caller | None,
    request_facts: RequestFacts,
    session: SessionPort,
    auth: RequestAuth | None = None,
    budget: Budget | None = None,
) -> Context:
    """Return the context of one request, with loaders of its own."""
    return Context(system, principal, caller, request_facts, session, Loaders(system, caller), auth, budget)


SpacekeyInfo = Info[Context, None]
"""The ``info`` argument of this schema's fields."""
