"""Callers: members, tokens, operators, services and host applications, each a type of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias, TypeGuard

from spacekey.domain.actor import OPERATOR_ID, Actor, ActorKind
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Origin of a request, for the audit log.

    ``session`` is the secret of the session cookie that came with it. Signing in again in the same browser ends that
    session.
    """

    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    session: Secret | None = None


@dataclass(frozen=True, slots=True)
class MemberCaller:
    """A signed-in person, whose permissions differ by workspace."""

    id: str
    name: str
    request: RequestFacts
    credential: str = "session"

    @property
    def actor(self) -> Actor:
        """The person as an actor, for the audit log and lists."""
        return Actor(ActorKind.PERSON, self.id, self.name)


@dataclass(frozen=True, slots=True)
class TokenCaller:
    """A program that presented one of Spacekey's tokens."""

    id: str
    name: str
    workspace_id: str
    request: RequestFacts

    @property
    def credential(self) -> str:
        """The token's id."""
        return self.id

    @property
    def actor(self) -> Actor:
        """The token as an actor, for the audit log and lists."""
        return Actor(ActorKind.TOKEN, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator of the server: the command line on the machine itself. Never made from a request."""

    request: RequestFacts
    id: str = OPERATOR_ID
    name: str = OPERATOR_ID
    credential: str = "command line"

    @property
    def actor(self) -> Actor:
        """The operator as an actor, for the audit log and lists."""
        return Actor(ActorKind.OPERATOR, self.id, self.name)


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """An app with a credential of the operator's, for what its scopes name in every workspace of one product.

    ``digest`` is the SHA-256 of the secret that it was verified by, so that a change can check that it is still valid.
    """

    id: str
    name: str
    product: str
    request: RequestFacts
    digest: bytes = field(repr=False)

    @property
    def credential(self) -> str:
        """The app's id."""
        return self.id

    @property
    def actor(self) -> Actor:
        """The app as an actor, for the audit log and lists."""
        return Actor(ActorKind.SERVICE, self.id, self.name)


@dataclass(frozen=True, slots=True)
class HostCaller:
    """An application that has Spacekey in its own process. Never made from a request to this server.

    In the workspaces of the products that its process has loaded it may do what the operator may.

    :param by: the application's user that it acts for; None if it acts for itself, which is recorded as the operator.
    :param granted_by: names of scopes, shorthands and roles beyond which it grants nothing; None for no such bound.
    :param workspace_id: the only workspace that it reaches; None for all.
    :param external_id: the external id whose tokens alone it reaches; None for all.
    """

    request: RequestFacts
    by: Actor | None = None
    granted_by: tuple[str, ...] | None = None
    workspace_id: str | None = None
    external_id: str | None = None
    credential: str = "host application"

    @property
    def id(self) -> str:
        """The id of the user that it acts for, else the operator's."""
        return self.actor.id

    @property
    def name(self) -> str:
        """The name of the user that it acts for, else the operator's."""
        return self.actor.name

    @property
    def actor(self) -> Actor:
        """The user that it acts for, or the operator, for the audit log and lists."""
        return self.by or Actor(ActorKind.OPERATOR, OPERATOR_ID, OPERATOR_ID)


@dataclass(frozen=True, slots=True)
class PortalCaller:
    """A person of a host product in one workspace, with a portal session.

    ``digest`` is the SHA-256 of the session's secret, so that a change can check that it has not ended.
    """

    session_id: str
    workspace_id: str
    person: Actor
    request: RequestFacts
    digest: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Identify the person in this workspace, over all sessions: the same id in another one is another person."""
        return person_key(self.workspace_id, self.person.id)

    @property
    def name(self) -> str:
        """The person's name."""
        return self.person.name

    @property
    def credential(self) -> str:
        """The session's id."""
        return self.session_id

    @property
    def actor(self) -> Actor:
        """The person as an actor, for the audit log and lists."""
        return self.person


def person_key(workspace_id: str, person_id: str) -> str:
    """Return a key of at most 40 characters for a person of a host product in one workspace."""
    return f"person:{sha256(f'{workspace_id} {person_id}'.encode()).hexdigest()[:32]}"


Caller: TypeAlias = MemberCaller | TokenCaller | Operator | ServiceCaller | HostCaller | PortalCaller


def acts_as_operator(caller: Caller) -> TypeGuard[Operator | HostCaller]:
    """Return whether the caller may do what is reserved for the operator, in the workspaces that it reaches."""
    return isinstance(caller, Operator | HostCaller)


SERVICE_KIND, PORTAL_KIND = "service", "portal"


def kind_of(caller: Caller, principal: Principal) -> str:
    """Return what kind of caller this is, for the caller itself: the principal's, or that of its credential."""
    if isinstance(caller, ServiceCaller):
        return SERVICE_KIND
    return PORTAL_KIND if isinstance(caller, PortalCaller) else principal.kind.value


def caller_of(principal: Principal, request: RequestFacts) -> MemberCaller | TokenCaller:
    """Return the caller for a verified principal."""
    if principal.kind is Kind.MEMBER:
        return MemberCaller(principal.id, principal.name, request)
    return TokenCaller(principal.id, principal.name, principal.workspace_id or "", request)
