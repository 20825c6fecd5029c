"""The warm path: a token that a cache still knows costs a hash and a dictionary look-up.

Most requests look alike: one ``Authorization: Bearer …`` header whose secret was verified a moment ago. For those the
way through credentials, parsing and the verifier's verdict is several times the work of the answer itself, so here
the header's bytes are hashed as they are. Only the usual case is decided here, and only in the caller's favour: for
whatever else there may be, this answers None and the exact path decides, which never relies on this one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope

from spacekey.domain.outcome import Valid
from spacekey.domain.principal import Principal

from .token_credentials import TokenCredentials

log = logging.getLogger("spacekey.middleware")

BEARER = b"Bearer "
"""What stands before a token in the header that the warm path knows."""


@dataclass(frozen=True, slots=True)
class Warm:
    """A valid verdict with what goes into the ASGI scope for it, made once and served to many requests."""

    verdict: Valid
    principal: Principal
    credentials: TokenCredentials


Recall = Callable[[bytes], Warm | None]
"""What a verifier's optional ``recall`` does: from an ``Authorization`` header to a verdict that is good now.

It must hit only for :data:`BEARER` and a secret of a good shape that its ``verify`` would find valid now, and answer
None to all else.
"""


def warm(principal: Principal) -> Warm:
    """What a cache keeps for a valid principal."""
    return Warm(Valid(principal), principal, TokenCredentials(principal))


def recaller(recall: Recall, environment: str | None) -> Callable[[Scope], Warm | None]:
    """How to ask for the warm verdict on an HTTP request's one Bearer token.

    It is None where anything is unusual, not known, or of another environment. A hit is the same token that the exact
    path would read: secrets of a good shape hold none of the characters that it strips, and anything added to one
    gives another digest.
    """

    def recalled(scope: Scope) -> Warm | None:
        sent: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if sent is not None:
                    return None
                sent = value
        if sent is None or ((query := scope.get("query_string")) and b"access_token" in query):
            return None
        try:
            known = recall(sent)
        except Exception as error:  # noqa: BLE001 - the exact path asks again, and says "cannot tell"
            log.error("the verifier failed with %s", type(error).__name__)
            return None
        if environment is None or known is None or known.principal.environment == environment:
            return known
        return None

    return recalled
