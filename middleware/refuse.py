"""Send a refusal, over HTTP or to a WebSocket that has not been accepted."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

WEBSOCKET_CODES = {400: 4400, 401: 4401, 403: 4403, 429: 4429, 503: 4503}
"""HTTP status → close code in the private range (RFC 6455 §7.4.2)."""


async def refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Send ``response``; to a WebSocket as a denial response where the server can, else as a close code."""
    if scope["type"] == "http" or can_deny_with_response(scope):
        await response(scope, receive, send)
        return
    await send({"type": "websocket.close", "code": close_code(response), "reason": ""})


def can_deny_with_response(scope: Scope) -> bool:
    """Whether the server speaks the ASGI extension "WebSocket Denial Response"."""
    return "websocket.http.response" in (scope.get("extensions") or {})


def close_code(response: Response) -> int:
    """The WebSocket close code that stands for the response's status."""
    return WEBSOCKET_CODES.get(response.status_code, 4403)
