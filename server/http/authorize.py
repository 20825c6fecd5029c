"""Forward authentication: whether a proxy may pass a request on, asked with the caller's own token.

``/authorize?scope=jobs:read`` is asked with any method and answers 200 with the caller's identity in headers, or
refuses as any protected app would: 400, 401, 403, 429 or 503. Cookies are never read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spacekey.domain.authentication import Authenticated, AuthenticationResult, Verdict
from spacekey.domain.principal import Principal
from spacekey.domain.rule import all_of
from spacekey.domain.secret import Secret
from spacekey.domain.suggest import did_you_mean
from spacekey.domain.verifier import Verifier
from spacekey.middleware.auth.authenticator import Authenticator
from spacekey.middleware.auth.client import required_environment
from spacekey.middleware.request_auth import RequestAuth, Settings
from spacekey.middleware.responses import refuse
from spacekey.middleware.rules.requirement import PUBLIC, Requirement
from spacekey.middleware.usage.meter import Metering
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.workspaces.spaces import workspace_of_space
from spacekey.server.context import Parts

from .errors import NO_STORE, REALM
from .request_models import AuthorizeQuery
from .requests import query_of

AUTHORIZE = "/api/v1/authorize"
SPACE = "space_id"
WARNED_MAX = 100
VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
"""Characters that stand for themselves in a header; all others are percent-encoded, as UTF-8."""

Observer = Callable[[HTTPConnection, AuthenticationResult], None]

log = logging.getLogger("spacekey.server")


class AuthorizeEndpoint:
    """ASGI app that answers for a proxy. It verifies tokens as an app with ``TokenMiddleware`` does.

    Only tokens are accepted: no session, no portal session, and no credential of a service, which all serve to manage
    tokens and not to use what they protect.

    :param parts: the server's parts.
    :param observe: notified of every result.
    """

    __spacekey_access__ = PUBLIC  # it authenticates by itself, without the server's other kinds of credentials

    def __init__(self, parts: Parts, observe: Observer) -> None:
        self._settings = Settings(
            Authenticator(AppVerifier(parts.verifier)),
            REALM,
            observe,
            partial(workspace_of_space, parts.system),
            parts.flood,
            Metering(parts.limits, None, parts.usage),
        )
        self._known = parts.verifier.known_scopes or frozenset()
        self._warned: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = query_of(Request(scope), AuthorizeQuery)
        scopes = asked.scope or ()
        self._warn(scopes)
        authenticator = replace(self._settings.authenticator, environment=asked.environment)
        auth = RequestAuth(replace(self._settings, authenticator=authenticator), scope, receive, send)
        spaces = {} if asked.space_id is None else {SPACE: asked.space_id}
        try:
            requirement = Requirement(all_of(*scopes), frozenset(spaces))
            refusal = await auth.authorize(requirement, {**scope, "path_params": spaces})
            if refusal is not None:
                await refuse(scope, auth.receive, auth.send, refusal)
            elif isinstance(auth.result, Authenticated):
                headers = {**NO_STORE, **identity_headers(auth.result.principal)}
                await Response(headers=headers)(scope, auth.receive, auth.send)
        finally:
            auth.close()

    def _warn(self, scopes: tuple[str, ...]) -> None:
        """Log a scope that no product has, once: the proxy refuses every request for it."""
        for one in scopes:
            if one not in self._known and one not in self._warned and len(self._warned) < WARNED_MAX:
                self._warned.add(one)
                log.warning(
                    "a proxy asks for the scope '%s', which no product has.%s", one, did_you_mean(one, self._known)
                )


class AppVerifier(Verifier):
    """The server's verifier of tokens, as it is for apps: a token of another environment does not count as used."""

    def __init__(self, inner: LookupVerifier) -> None:
        self._inner = inner
        self.key_formats = inner.key_formats

    async def verify(self, secret: Secret) -> Verdict:
        return (await self._inner.use(secret, required_environment())).verdict

    async def aclose(self) -> None:
        """Close the server's verifier. The endpoint itself leaves that to the app, which shares it."""
        await self._inner.aclose()


def identity_headers(principal: Principal) -> dict[str, str]:
    """Return the caller's identity as headers; those that do not apply are empty.

    All of them are sent, because some proxies copy only those that are there, and would pass on a client's own.
    """
    found = {
        "X-Spacekey-Token-Id": principal.id,
        "X-Spacekey-Workspace-Id": principal.workspace_id,
        "X-Spacekey-Space-Id": principal.space_id,
        "X-Spacekey-Environment": principal.environment,
        "X-Spacekey-Scopes": " ".join(sorted(principal.scopes)),
        "X-Spacekey-External-Id": principal.external_id,
    }
    return {name: quote(value or "", safe=VISIBLE + " ") for name, value in found.items()}
