"""The warm path: a token that a cache still knows costs a hash and a dictionary look-up.

Most requests look alike: one ``Authorization: Bearer …`` header whose secret was verified a moment ago. For those the
way through credentials, parsing and the verifier's verdict is several times the work of the answer itself, so here
the header's bytes are hashed as they are. Only the usual case is decided here, and only in the caller's favour: for
whatever else there may be, this answers None and the exact path decides, which never relies on this one.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from spacekey.domain.outcome import Valid
from spacekey.domain.principal import Principal
from spacekey.domain.verifier import Recalled

from .token_credentials import TokenCredentials

BEARER = b"Bearer "
"""What stands before a token in the header that the warm path knows."""


@dataclass(frozen=True, slots=True)
class Warm:
    """A valid verdict with what goes into the ASGI scope for it, made once and served to many requests."""

    verdict: Valid
    credentials: TokenCredentials


Recall = Callable[[MutableMapping[str, Any]], Recalled | None]
"""What a verifier's ``recall`` does: from the ASGI scope of an HTTP request to a verdict that is good now.

It must hit only where the request's one ``Authorization`` header is :data:`BEARER` and a secret of a good shape that
its ``verify`` would find valid now, and where no secret is in the query; all else it answers with None. A hit is then
the token that the exact path would read: secrets of a good shape hold none of the characters that it strips, and
anything added to one gives another digest.
"""


def warm(principal: Principal) -> Warm:
    """What a cache keeps for a valid principal."""
    return Warm(Valid(principal), TokenCredentials(principal))


def recall_in(environment: str | None, recall: Recall) -> Recall:
    """The same, for an app that takes tokens of one environment only; of all when that is None."""
    if environment is None:
        return recall

    def recalled(scope: Scope) -> Recalled | None:
        known = recall(scope)
        return known if known is not None and known.verdict.principal.environment == environment else None

    return recalled
