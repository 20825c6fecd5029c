"""Authentication of people by the server's identity: by its session cookie, or by what each request says."""

from __future__ import annotations

import logging
from functools import partial

from starlette.requests import HTTPConnection

from spacekey.domain.authentication import Anonymous, Authenticated, AuthenticationResult, Reason, Rejected, Unavailable
from spacekey.domain.refusal import InvalidInput
from spacekey.middleware.auth.credentials import credentials_of
from spacekey.resolvers.accounts.sessions import session_outcome
from spacekey.resolvers.members.outside import principal_from_outside
from spacekey.server.context import Parts, facts_of, parts_of

from .session_cookie import acts_as, cookie_secret

log = logging.getLogger("spacekey.identity")


async def person_of(connection: HTTPConnection) -> AuthenticationResult:
    """Authenticate a person, as TokenMiddleware's fallback authenticator.

    A session that has ended counts as no credentials: browsers send cookies by themselves, and a stale one must not
    keep its user from signing in again. A page that acts as another account than the request's is refused. An address
    that sends too many unknown cookies has to wait. A request with a token is no person's, whatever the token is.

    :raises ServiceUnavailable: the store, or the identity's own source, does not answer.
    """
    if credentials_of(connection.scope) is not None:
        return Anonymous()
    parts = parts_of(connection)
    outcome = await (_by_request if parts.identity.with_each_request else _by_cookie)(connection, parts)
    if isinstance(outcome, Unavailable):
        return outcome
    if not isinstance(outcome, Authenticated):
        return Anonymous()
    return outcome if acts_as(connection, outcome.principal.id) else Rejected(Reason.UNKNOWN)


async def _by_cookie(connection: HTTPConnection, parts: Parts) -> AuthenticationResult:
    secret = cookie_secret(connection)
    if secret is None:
        return Anonymous()
    issuer = None if parts.identity.issuer is None else parts.identity.issuer.name
    return await parts.sessions.outcome(connection.scope, secret, partial(session_outcome, parts.system, issuer=issuer))


async def _by_request(connection: HTTPConnection, parts: Parts) -> AuthenticationResult:
    issuer = parts.identity.issuer
    person = await parts.identity.person(connection)
    if person is None or issuer is None:
        return Anonymous()
    try:
        return await principal_from_outside(parts.system, facts_of(connection), issuer, person)
    except InvalidInput as error:
        log.error("a person of '%s' is not let in: %s", issuer.name, error.reason)
        return Anonymous()
