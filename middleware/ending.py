"""How an open connection is ended, and what an app sees of it."""

from dataclasses import dataclass

from spacekey.domain.errors import SpacekeyError


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection is ended, as a WebSocket close code and its reason.

    4401 and 4403 are of the private range (RFC 6455 §7.4.2); 1013, "Try Again Later", is in IANA's registry of
    WebSocket close codes.
    """

    code: int
    reason: str


REFUSED = Ending(4401, "Unauthorized")
LACKING = Ending(4403, "Forbidden")
UNAVAILABLE = Ending(1013, "Try again later")


class ConnectionEnded(SpacekeyError, OSError):
    """The connection was ended because its credentials are no longer good for it.

    An app meets it where it sends on such a connection. It is an OSError, as sending to a client that has gone is
    (ASGI 2.4), so that frameworks treat both alike: Starlette raises WebSocketDisconnect or ClientDisconnect.
    """
