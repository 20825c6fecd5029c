"""Who asks. Four kinds, four types: none of them is the absence of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from spacekey.domain.actor import OPERATOR_ID, Actor, ActorKind
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Where a request came from, for the audit log.

    ``session`` is the secret of the session that came with it, which another sign-in in the same browser ends.
    """

    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    session: Secret | None = None


@dataclass(frozen=True, slots=True)
class MemberCaller:
    """A signed-in person. What they may do differs from workspace to workspace."""

    id: str
    name: str
    request: RequestFacts
    credential: str = "session"

    @property
    def actor(self) -> Actor:
        """The person as the audit log and lists name it."""
        return Actor(ActorKind.PERSON, self.id, self.name)


@dataclass(frozen=True, slots=True)
class TokenCaller:
    """A program with a token of Spacekey's own."""

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
        """The token as the audit log and lists name it."""
        return Actor(ActorKind.TOKEN, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs the server: the command line on the machine itself. Never made from a request."""

    request: RequestFacts
    id: str = OPERATOR_ID
    name: str = OPERATOR_ID
    credential: str = "command line"

    @property
    def actor(self) -> Actor:
        """The operator as the audit log and lists name it."""
        return Actor(ActorKind.OPERATOR, self.id, self.name)


@dataclass(frozen=True, slots=True)
class IntrospectorCaller:
    """An app of the operator's own, which may check the tokens of every workspace of one catalog and nothing else."""

    id: str
    name: str
    catalog: str
    request: RequestFacts

    @property
    def credential(self) -> str:
        """The app's id."""
        return self.id

    @property
    def actor(self) -> Actor:
        """The app as the audit log and lists name it."""
        return Actor(ActorKind.SERVICE, self.id, self.name)


Caller: TypeAlias = MemberCaller | TokenCaller | Operator | IntrospectorCaller


def caller_of(principal: Principal, request: RequestFacts) -> MemberCaller | TokenCaller:
    """The caller a verified principal stands for."""
    if principal.kind is Kind.MEMBER:
        return MemberCaller(principal.id, principal.name, request)
    return TokenCaller(principal.id, principal.name, principal.workspace_id or "", request)
