"""Verify credentials within a deadline, with one of four outcomes. Nothing here raises, except on cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import HTTPConnection
from starlette.types import Scope

from spacekey.domain.authentication import (
    Anonymous,
    Authenticated,
    AuthenticationResult,
    Reason,
    Rejected,
    Unavailable,
    Verdict,
)
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Principal
from spacekey.domain.secret import BEARER_SHAPE, Secret, has_shape
from spacekey.domain.verifier import TIMEOUT_SECONDS, Verifier
from spacekey.middleware.argument_checks import flaw_in, is_being_cancelled, places_of
from spacekey.middleware.rules.evaluate import acts_in

from .client import SentBy
from .origin import OriginCheck, may_be_of_browser

log = logging.getLogger("spacekey.middleware")

FallbackAuthenticator = Callable[[HTTPConnection], Awaitable[AuthenticationResult]]
FOREIGN = Rejected(Reason.CROSS_ORIGIN)
"""Result for credentials that a browser attached to a request from a page of another origin."""

NOT_SENT: Scope = {"type": "http", "headers": []}
"""The ASGI scope of no request."""

Question = TypeVar("Question")


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Verifies credentials and checks the verdict against the app's settings.

    The settings are those of :class:`~spacekey.middleware.TokenMiddleware`; see there.
    """

    verifier: Verifier
    environment: str | None = None
    timeout: float = TIMEOUT_SECONDS
    fallback_authenticator: FallbackAuthenticator | None = None
    origins: OriginCheck | None = None

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the verdict on an ``Authorization`` header if the verifier knows it without waiting, else None."""
        verifier = self.verifier
        if not verifier.peek_checks_form and BEARER_SHAPE.fullmatch(authorization) is None:
            return None  # in any other form, the header has to be read first
        try:
            verdict = verifier.peek(authorization)
        except Exception as error:  # noqa: BLE001 - verify() tries again, and returns "cannot tell"
            log.error("the verifier failed with %s", places_of(error))
            return None
        if type(verdict) is Authenticated and self.environment is None:
            principal = verdict.principal
            if type(principal) is Principal and principal.is_well_formed:
                return verdict  # as for most requests, without another call
        return None if verdict is None else self._checked(verdict)

    async def authenticate(self, scope: Scope, secret: Secret) -> Verdict:
        """Verify the secret that this connection sent.

        An exception, a timeout, or an answer that is not a verdict becomes "cannot tell".
        """
        verdict = await ask_within_deadline(
            self.timeout, self.verifier.verify, secret, "the verifier", scope, self.environment
        )
        return self._checked(verdict)

    @property
    def batch_max(self) -> int:
        """How many secrets :meth:`authenticate_many` is best given; 1 if it is of no use."""
        return self.verifier.batch_max

    async def authenticate_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Verify secrets again that open connections were admitted with, as :meth:`authenticate` does for one.

        The verifier is told of no sender: none of these connections has just sent its secret.
        """
        with SentBy(NOT_SENT, self.environment):
            answer = await ask_within_deadline(self.timeout, self.verifier.verify_many, secrets, "the verifier")
        if isinstance(answer, Unavailable):
            return [answer] * len(secrets)
        if not isinstance(answer, Sequence) or len(answer) != len(secrets):
            log.error("the verifier's verify_many did not return a verdict for each secret")
            return [Unavailable("the verifier's answer does not fit")] * len(secrets)
        return [self._checked(verdict) for verdict in answer]

    def hands_on(self, secret: Secret, verdict: Rejected) -> bool:
        """Return whether the app's ``fallback_authenticator`` decides about a secret that the verifier has refused.

        It does about a string that no token can be, such as a JSON Web Token of the app's own: not about one that is
        unknown or mistyped, nor about one that cannot be checked now.
        """
        return (
            self.fallback_authenticator is not None
            and verdict.reason is Reason.MALFORMED
            and not has_shape(secret)
            and self.verifier.key_formats.match(secret) is None
        )

    async def ask_fallback(self, connection: HTTPConnection, *, is_explicit: bool = False) -> AuthenticationResult:
        """Authenticate with the app's ``fallback_authenticator``; "absent" if it has none.

        Credentials that it accepts are refused if a page of another origin may have had the browser send them.

        :param is_explicit: whether the request has a token that a browser does not attach by itself.
        """
        if self.fallback_authenticator is None:
            return Anonymous()
        outcome = await ask_within_deadline(
            self.timeout,
            self.fallback_authenticator,
            connection,
            "the fallback authenticator",
            connection.scope,
        )
        if outcome is None:
            log.error(
                "the fallback authenticator answered with None: return Anonymous() for a request without credentials"
            )
            return Unavailable("the fallback authenticator answered with None")
        if isinstance(outcome, Anonymous):
            return outcome
        verdict = checked_verdict(outcome, "the fallback authenticator")
        if (
            isinstance(verdict, Authenticated)
            and self.origins is not None
            and not self.origins.passes(connection.scope)
            and (not is_explicit or may_be_of_browser(connection.scope))
        ):
            return FOREIGN
        return verdict

    def _checked(self, answer: object) -> Verdict:
        verdict = checked_verdict(None if isinstance(answer, Anonymous) else answer, "the verifier")
        if self.environment is None or not isinstance(verdict, Authenticated):
            return verdict
        if acts_in(verdict.principal, (self.environment,)):
            return verdict
        return Rejected(Reason.ENVIRONMENT, verdict.principal.id, verdict.principal.issuer)


async def ask_within_deadline(
    seconds: float,
    ask: Callable[[Question], Awaitable[object]],
    question: Question,
    who: str,
    scope: Scope | None = None,
    environment: str | None = None,
) -> object:
    """Return the answer, or "cannot tell" if asking raised or took too long. Cancellation of the caller propagates.

    :param scope: the connection that the question is about, which ``ask`` finds as
        :func:`~spacekey.middleware.auth.client.sender`.
    :param environment: the one that the app requires of the token; None for any.
    """
    try:
        with SentBy(scope, environment):
            async with asyncio.timeout(seconds):
                asking: object = ask(question)
                if not isinstance(asking, Awaitable):
                    log.error("%s is not async, and answered with %s: write 'async def'", who, type(asking).__name__)
                    return Unavailable(f"{who} is not async")
                return await asking
    except TimeoutError:
        return Unavailable(f"{who} took longer than {seconds} s")
    except ServiceUnavailable as unavailable:
        return Unavailable(f"{who} is unavailable: {unavailable}", unavailable.retry_after_seconds)
    except asyncio.CancelledError as cancelled:
        if is_being_cancelled():
            raise
        log.error("%s failed with %s", who, places_of(cancelled))
    except Exception as error:  # noqa: BLE001 - no failure may accept or deny credentials
        log.error("%s failed with %s", who, places_of(error))
    return Unavailable(f"{who} failed")


def checked_verdict(answer: object, who: str) -> Verdict:
    """Return the answer if it is a usable verdict; else "cannot tell", after logging what is wrong with it."""
    if isinstance(answer, Authenticated):
        flaw = flaw_in(answer.principal)
        if flaw is None:
            return answer
        log.error("%s answered with a principal that cannot be relied on: %s", who, flaw)
        return Unavailable(f"{who}'s principal cannot be relied on")
    if isinstance(answer, Rejected):
        return answer
    if isinstance(answer, Unavailable):
        return answer if isinstance(answer.retry_after_seconds, int) else Unavailable(answer.why)
    log.error("%s answered with %s", who, type(answer).__name__)
    return Unavailable(f"{who}'s answer is not a Authenticated, Rejected or Unavailable")
