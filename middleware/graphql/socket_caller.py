"""The caller of one WebSocket: verified within a deadline, and seated where the operations look for it."""

from __future__ import annotations

import asyncio
import logging

from starlette.authentication import AuthCredentials
from starlette.types import Scope
from starlette.websockets import WebSocket

from spacekey.domain.outcome import CannotTell, Refused, Valid, Verdict
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.sender import SentBy

_log = logging.getLogger(__name__)


async def verify_in_time(verifier: Verifier, deadline_seconds: float, scope: Scope, secret: Secret) -> Verdict:
    """The verifier's verdict on what this socket sent; cannot-tell when it is late, raises, or answers otherwise."""
    try:
        with SentBy(scope):
            async with asyncio.timeout(deadline_seconds):
                verdict: object = await verifier.verify(secret)
    except TimeoutError:
        return CannotTell("the verifier did not answer in time")
    except Exception:  # noqa: BLE001 - whatever a verifier raises, it has not said that the secret is good
        _log.exception("the verifier failed")
        return CannotTell("the verifier failed")
    if isinstance(verdict, Valid | Refused | CannotTell):
        return verdict
    return CannotTell("the verifier gave no verdict")


def seat(websocket: WebSocket, principal: Principal) -> None:
    """Make ``principal`` the caller of every operation on this socket from now on."""
    if websocket.scope.get("user") is principal:
        return  # the token middleware has done it
    websocket.scope["user"] = principal
    websocket.scope["auth"] = AuthCredentials(sorted(principal.scopes))
