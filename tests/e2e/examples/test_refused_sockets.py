"""A refused WebSocket over each of uvicorn's protocols: the client gets the whole refusal, and the log stays quiet."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, requires
from spacekey.verifiers import MemoryVerifier
from support.running_app import running

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@requires("jobs:read")
async def endpoint(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
def test_a_refused_socket_gets_its_status_and_logs_no_error(
    ws: str, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Starlette(
        routes=[WebSocketRoute("/", endpoint)],
        middleware=[Middleware(TokenMiddleware, verifier=MemoryVerifier())],
    )
    with running(app, ws=ws, loop=loop) as url:
        for headers in ({}, {"Authorization": "Bearer sp_live_nonsense"}):
            # A connection each: the server closes that of a refused handshake, at once or a little later.
            refused = httpx.get(url, headers={**HANDSHAKE, **headers}, trust_env=False, timeout=60)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer ")
            assert json.loads(refused.text)["status"] == 401
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
