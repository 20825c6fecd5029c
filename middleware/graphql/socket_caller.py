"""Keeps the caller of one WebSocket honest: verified at ``connection_init``, and again and again while it is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.authentication import AuthCredentials
from starlette.websockets import WebSocket

from spacekey.domain.outcome import CannotTell, Outcome, Refused, Valid, Verdict
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier

UNAUTHORIZED = 4401
FORBIDDEN = 4403
TRY_AGAIN_LATER = 1013
_log = logging.getLogger(__name__)

Ask = Callable[[], Awaitable[Outcome]]
"""Verifies the caller of one socket anew."""

Close = Callable[[int, str], Awaitable[None]]


async def verify_in_time(verifier: Verifier, secret: Secret, deadline_seconds: float) -> Verdict:
    """The verifier's verdict; cannot-tell when it is late, raises, or answers something else."""
    try:
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


async def recheck(websocket: WebSocket, ask: Ask, principal: Principal, *, every_seconds: float, close: Close) -> None:
    """Verify again every so often, and close the socket when the answer is not "valid" any more, or says less.

    Operations that run were decided for the scopes at their start, so a caller that lost one has to connect again.
    """
    while True:
        await asyncio.sleep(every_seconds)
        outcome = await ask()
        if isinstance(outcome, CannotTell):
            return await close(TRY_AGAIN_LATER, "Try again later")
        if not isinstance(outcome, Valid):
            return await close(UNAUTHORIZED, "Unauthorized")
        if not principal.scopes <= outcome.principal.scopes:
            return await close(FORBIDDEN, "Forbidden")
        principal = outcome.principal
        seat(websocket, principal)
