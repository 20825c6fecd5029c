"""The two WebSocket streams. One job's stream and the feed of all jobs need different scopes, never each other's."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from spacekey.middleware import Requirement, requires, visit_of
from spacekey.middleware.refuse import close_code

from . import rules
from .home import board_of

RECHECK_SECONDS = 1.0

job_stream_rule = requires(rules.JOB_STREAM)
feed_rule = requires(rules.FEED)


@job_stream_rule
async def job_stream(websocket: WebSocket) -> None:
    """What happens to one job."""
    await _stream(websocket, job_stream_rule, websocket.path_params["job_id"])


@feed_rule
async def feed(websocket: WebSocket) -> None:
    """What happens to any job of the space."""
    await _stream(websocket, feed_rule, None)


def stream_routes() -> list[BaseRoute]:
    """The WebSocket part of the app."""
    return [WebSocketRoute("/jobs/{job_id}/stream", job_stream), WebSocketRoute("/feed", feed)]


async def _stream(websocket: WebSocket, rule: Requirement, job_id: str | None) -> None:
    """Send changes until the client goes or its token is good no more, whichever comes first."""
    await websocket.accept()
    tasks = [
        asyncio.create_task(_send_changes(websocket, job_id)),
        asyncio.create_task(_until_gone(websocket)),
        asyncio.create_task(_until_unwelcome(websocket, rule)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        with suppress(WebSocketDisconnect):
            code = task.result()
            if code is not None:
                await websocket.close(code)


async def _send_changes(websocket: WebSocket, job_id: str | None) -> None:
    async for changed, what in board_of(websocket).changes(job_id):
        await websocket.send_json({"job": changed, "what": what})


async def _until_gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _until_unwelcome(websocket: WebSocket, rule: Requirement) -> int:
    """Verify the token again and again: an open socket must not outlive it. Answers with the close code."""
    visit = visit_of(websocket.scope)
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        await visit.again()
        refusal = await visit.refusal(rule)
        if refusal is not None:
            return close_code(refusal)
