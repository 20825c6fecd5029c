"""Tests of a protected app without a Spacekey.

with issue_token(app, scopes=["jobs:read"]) as token:
    response = client.get("/jobs", headers=token.headers)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from starlette.types import ASGIApp

from spacekey.domain.authentication import Reason
from spacekey.domain.principal import Limit
from spacekey.domain.secret import Secret
from spacekey.middleware.auth.credentials import SUBPROTOCOL, Bearer, Cookie, Header, Source
from spacekey.middleware.verifiers.memory import MemoryVerifier

from .argument_checks import checked_scopes
from .token_middleware import middleware_of

__all__ = ["TestToken", "issue_token", "undeclared_routes"]


@dataclass(frozen=True, slots=True)
class TestToken:
    """Token to test with, and the verifier that knows it."""

    __test__ = False  # not a test, although its name looks like one to pytest

    secret: Secret
    verifier: MemoryVerifier
    source: Source = field(default_factory=Bearer)
    """The first of the app's sources of tokens."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers for HTTP requests, as the app reads its tokens. With a cookie, they are those of its own pages."""
        text = self.secret.reveal()
        if isinstance(self.source, Cookie):
            return {"Cookie": f"{self.source.name}={text}", "Sec-Fetch-Site": "same-origin"}
        if isinstance(self.source, Header):
            return {self.source.name: text}
        return {"Authorization": f"Bearer {text}"}

    @property
    def connection_params(self) -> dict[str, str]:
        """Payload of ``connection_init``, for GraphQL over WebSockets."""
        return {} if isinstance(self.source, Cookie) else self.headers

    @property
    def subprotocols(self) -> list[str]:
        """Subprotocols for WebSockets, since browsers cannot send headers there."""
        return [SUBPROTOCOL, self.secret.reveal()]

    def revoke(self) -> None:
        """Revoke the token: it is refused from now on."""
        self.verifier.refuse(self.secret, Reason.REVOKED)

    def disable(self) -> None:
        """Disable the token: it is refused from now on."""
        self.verifier.refuse(self.secret, Reason.DISABLED)


@contextmanager
def issue_token(
    app: ASGIApp | None = None,
    *,
    scopes: Iterable[str] = (),
    space_id: str | None = None,
    workspace_id: str | None = None,
    environment: str = "live",
    name: str = "test",
    rate_limit: Limit | None = None,
    expires_at: datetime | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Iterator[TestToken]:
    """Yield a token with these scopes, which ``app`` accepts inside the ``with`` block.

    With ``app``, its TokenMiddleware asks an in-memory verifier instead of its own until the block ends, and no usage
    is reported. If there are several, one around another, that is the outermost; pass a mounted app with one of its own
    here itself. Without ``app``, build one with ``token.verifier``. More tokens:
    ``token.verifier.issue("jobs:create")``.

    :param app: the app to test, or None.
    :param scopes: the token's scopes.
    :param space_id: makes it a token of this space; None is a token of the workspace.
    :param workspace_id: the workspace that it belongs to.
    :param environment: ``live`` or ``test``.
    :param name: the token's name, which ``request.user.display_name`` shows.
    :param rate_limit: the rate limit of the token's plan; None is no limit.
    :param expires_at: when it expires; None is never.
    :param external_id: the id that the app has for its owner, which ``request.user.external_id`` shows.
    :param metadata: the JSON object that ``request.user.metadata`` shows.
    :raises ConfigurationError: if there is no TokenMiddleware in ``app``, or ``scopes`` is one string.
    """
    verifier = MemoryVerifier()
    secret = verifier.issue(
        *checked_scopes("scopes", scopes),
        space_id=space_id,
        workspace_id=workspace_id,
        environment=environment,
        name=name,
        rate_limit=rate_limit,
        expires_at=expires_at,
        external_id=external_id,
        metadata=metadata,
    )
    middleware = None if app is None else middleware_of(app)
    if middleware is None:
        yield TestToken(secret, verifier)
        return
    own = middleware.settings
    middleware.settings = replace(
        own,
        authenticator=replace(own.authenticator, verifier=verifier),
        metering=None if own.metering is None else replace(own.metering, usage=None),
    )
    try:
        yield TestToken(secret, verifier, own.credentials.sources[0])
    finally:
        middleware.settings = own


def undeclared_routes(app: ASGIApp) -> list[str]:
    """Return the routes without a rule, such as ``["GET /jobs"]``; empty if all are declared.

    For a test that no route was forgotten, and for a list of what is left to do where ``undeclared`` is ``"ignore"`` or
    ``"optional"``: it needs no server, no lifespan and no verifier that answers.

    :param app: the app to look at.
    :raises ConfigurationError: for anything else that would keep the app from starting, such as a rule that names a
        scope wrongly, or if there is no TokenMiddleware in ``app``.
    """
    return middleware_of(app).policy.compile({"type": "lifespan", "app": app})
