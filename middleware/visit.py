"""One request or WebSocket passing through the middleware: verified at most once, and only when somebody asks."""

from __future__ import annotations

from starlette.authentication import AuthCredentials, UnauthenticatedUser
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Absent, CannotTell, Outcome, Reason, Refused, Valid
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret

from . import problems
from .access import Access, Openness, Requirement
from .credentials import Malformed
from .gate import Gate, principal_in

KEY = "spacekey"
"""Where the visit sits in the ASGI scope."""


class Visit:
    """The state of one connection. Until somebody asks, its user is Starlette's unauthenticated one."""

    __slots__ = ("_gate", "_outcome", "_scope", "_sent")

    def __init__(self, gate: Gate, scope: Scope, sent: Secret | Malformed | None) -> None:
        self._gate = gate
        self._scope = scope
        self._sent = sent
        self._outcome: Outcome | None = None
        scope[KEY] = self
        scope["user"] = UnauthenticatedUser()
        scope["auth"] = AuthCredentials()

    @property
    def consulted(self) -> bool:
        """Whether the response may depend on the credentials."""
        return self._outcome is not None

    async def outcome(self) -> Outcome:
        """What the request's credentials come to. Asked once; the answer is kept for this connection."""
        if self._outcome is None:
            self._settle(await self._ask())
        assert self._outcome is not None  # noqa: S101 - for the type checker; _settle has just set it
        return self._outcome

    async def present(self, secret: Secret) -> Outcome:
        """Credentials that came later on the same connection, such as GraphQL's ``connection_init``.

        They replace what was there: a connection speaks for one principal at a time.
        """
        self._sent = secret
        return self._settle(await self._ask())

    async def again(self) -> Outcome:
        """Verify the same credentials anew: for connections that outlive an answer (DESIGN §7)."""
        return self._settle(await self._ask())

    async def refusal(self, access: Access | None) -> Response | None:
        """The response that keeps this connection out of what declares ``access``; None lets it in.

        None for ``access`` means that nothing was declared: refused without looking at credentials.
        """
        if access is Openness.PUBLIC:
            return None
        if access is None:
            return problems.forbidden()
        outcome = self._outcome
        if outcome is None:
            outcome = await self.outcome()
        if isinstance(outcome, Valid):
            return await self._refusal_of(outcome.principal, access) if isinstance(access, Requirement) else None
        if isinstance(outcome, Absent):
            return None if access is Openness.OPTIONAL else problems.credentials_absent(self._gate.realm)
        if isinstance(outcome, CannotTell):
            return problems.cannot_tell(outcome.retry_after_seconds)
        if isinstance(self._sent, Malformed):
            return problems.request_malformed(self._gate.realm)
        return problems.token_refused(self._gate.realm)

    async def _ask(self) -> Outcome:
        if isinstance(self._sent, Secret):
            return await self._gate.judge(self._sent)
        if isinstance(self._sent, Malformed):
            return Refused(Reason.MALFORMED)
        return await self._gate.ask_fallback(HTTPConnection(self._scope))

    def _settle(self, outcome: Outcome) -> Outcome:
        self._outcome = outcome
        if isinstance(outcome, Valid):
            self._scope["user"] = outcome.principal
            self._scope["auth"] = AuthCredentials(["authenticated", *outcome.principal.scopes])
        else:
            self._scope["user"] = UnauthenticatedUser()
            self._scope["auth"] = AuthCredentials()
        self._gate.observe(HTTPConnection(self._scope), outcome)
        return outcome

    async def _refusal_of(self, principal: Principal, requirement: Requirement) -> Response | None:
        environments = requirement.environments
        if environments is not None and not principal_in(principal, environments):
            self._gate.observe(HTTPConnection(self._scope), Refused(Reason.ENVIRONMENT, principal.id))
            return problems.token_refused(self._gate.realm)
        if not requirement.rule.allows(principal.scopes):
            return problems.scope_missing(self._gate.realm, requirement.rule.missing(principal.scopes) or ())
        for parameter in requirement.spaces:
            refusal = await self._refusal_in_space(principal, parameter)
            if refusal is not None:
                return refusal
        return None

    async def _refusal_in_space(self, principal: Principal, parameter: str) -> Response | None:
        """A space's token is good in its space; a workspace's where the app can tell whose space it is."""
        path_params = self._scope.get("path_params") or {}
        space_id = str(path_params[parameter]) if parameter in path_params else None
        if space_id is None:
            return problems.forbidden()
        if principal.kind is Kind.SPACE:
            return None if principal.space_id == space_id else problems.forbidden()
        if principal.kind is Kind.WORKSPACE and principal.workspace_id is not None:
            owner = await self._gate.workspace_of_space(space_id)
            if isinstance(owner, CannotTell):
                return problems.cannot_tell(owner.retry_after_seconds)
            return None if owner == principal.workspace_id else problems.forbidden()
        return problems.forbidden()


def visit_of(scope: Scope) -> Visit:
    """The visit of a connection.

    :raises ConfigurationError: when no TokenMiddleware stands before the endpoint.
    """
    visit = scope.get(KEY)
    if isinstance(visit, Visit):
        return visit
    raise ConfigurationError("a protected endpoint needs TokenMiddleware before it; add it to the app's middleware")
