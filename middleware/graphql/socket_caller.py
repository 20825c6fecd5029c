"""The caller of one WebSocket: verified within a deadline, and seated where the operations look for it."""

from __future__ import annotations

from starlette.authentication import AuthCredentials
from starlette.types import Scope
from starlette.websockets import WebSocket

from spacekey.domain.outcome import Verdict
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.asked import asked_within, usable
from spacekey.middleware.sender import SentBy


async def verify_in_time(verifier: Verifier, deadline_seconds: float, scope: Scope, secret: Secret) -> Verdict:
    """The verifier's verdict on what this socket sent; cannot-tell when it is late, raises, or answers otherwise."""
    with SentBy(scope):
        answer = await asked_within(deadline_seconds, verifier.verify, secret, "the verifier")
    return usable(answer, "the verifier")


def seat(websocket: WebSocket, principal: Principal) -> None:
    """Make ``principal`` the caller of every operation on this socket from now on."""
    if websocket.scope.get("user") is principal:
        return  # the token middleware has done it
    websocket.scope["user"] = principal
    websocket.scope["auth"] = AuthCredentials(sorted(principal.scopes))
