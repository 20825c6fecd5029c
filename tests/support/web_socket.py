"""A WebSocket client on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from httpx_ws import AsyncWebSocketSession, aconnect_ws


@asynccontextmanager
async def web_socket(
    url: str, *, headers: Mapping[str, str] | None = None, subprotocols: list[str] | None = None
) -> AsyncIterator[AsyncWebSocketSession]:
    """An open WebSocket.

    :raises WebSocketUpgradeError: the server refused it; ``response`` says how.
    """
    session: AsyncWebSocketSession
    async with aconnect_ws(url, headers=dict(headers or {}), subprotocols=subprotocols) as session:
        yield session
