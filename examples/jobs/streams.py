"""The two WebSocket streams. One job's stream and the feed of all jobs need different scopes, never each other's.

The middleware ends a stream with its token; the endpoint sees a disconnected client.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from spacekey import requires

from . import rules
from .home import board_of


@requires(rules.JOB_STREAM)
async def job_stream(websocket: WebSocket) -> None:
    """Stream the changes of one job."""
    await _stream(websocket, websocket.path_params["job_id"])


@requires(rules.FEED)
async def feed(websocket: WebSocket) -> None:
    """Stream the changes of all jobs of the space."""
    await _stream(websocket, None)


def stream_routes() -> list[BaseRoute]:
    """Return the WebSocket routes."""
    return [WebSocketRoute("/jobs/{job_id}/stream", job_stream), WebSocketRoute("/feed", feed)]


async def _stream(websocket: WebSocket, job_id: str | None) -> None:
    """Send changes until the client disconnects."""
    await websocket.accept()
    sending = asyncio.create_task(_send_changes(websocket, job_id))
    try:
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect):
            await sending


async def _send_changes(websocket: WebSocket, job_id: str | None) -> None:
    async for changed, what in board_of(websocket).changes(job_id):
        await websocket.send_json({"job": changed, "what": what})
