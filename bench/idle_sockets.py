"""Open WebSockets with distinct tokens on which nothing happens: what it costs to verify their tokens again.

Run it with ``python -m bench.idle_sockets``. The sockets are ASGI connections of one app in this process, so that what
is measured is the re-verification and not a server's sockets; the embedded app reads a SQLite file, the remote one asks
``spacekey serve`` in a process of its own. CPU time is the operating system's. Budget for 10,000: 10 % of a core.
"""

import asyncio
import secrets
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, requires
from spacekey.domain.secret import Secret, mint
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.server.database_verifier import DatabaseVerifier

from ._turns import ROOT, borrow_from_tests, show

SOCKETS = 10_000
SECONDS = 15.0
WARM_UP_SECONDS = 5.0
BUDGET = 0.10


@requires("jobs:read")
async def idle(socket: WebSocket) -> None:
    """Wait until the client has gone."""
    await socket.accept()
    await socket.receive()


async def cost(verifier: Verifier, tokens: list[Secret], seconds: float) -> float:
    """Return the share of a core that this process uses while so many sockets are open and idle."""
    app = Starlette(
        routes=[WebSocketRoute("/", idle)],
        middleware=[Middleware(TokenMiddleware, verifier=verifier, timeout=20)],
    )
    opened: list[asyncio.Task[None]] = []
    closed: list[Any] = []

    async def run(secret: Secret) -> None:
        accepted = False

        async def receive() -> dict[str, Any]:
            nonlocal accepted
            if not accepted:
                accepted = True
                return {"type": "websocket.connect"}
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            if message["type"] == "websocket.close":
                closed.append(message)

        scope = {
            "type": "websocket",
            "path": "/",
            "raw_path": b"/",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"authorization", secret.bearer())],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
        }
        await app(scope, receive, send)

    for number, secret in enumerate(tokens):
        opened.append(asyncio.create_task(run(secret)))
        if number % 20 == 0:
            await asyncio.sleep(0.005)
    await asyncio.sleep(WARM_UP_SECONDS)
    before, began = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    used = (time.process_time() - before) / (time.monotonic() - began)
    if closed:
        raise RuntimeError(f"{len(closed)} sockets were closed: {closed[0]}")
    for task in opened:
        task.cancel()
    await asyncio.gather(*opened, return_exceptions=True)
    await verifier.aclose()
    return used


def fill(file: Path, template: str, count: int) -> list[Secret]:
    """Copy the token of this id so many times, with secrets of their own."""
    made = [mint("sp", "live", secrets.token_bytes) for _ in range(count)]
    with sqlite3.connect(file) as database:
        found = database.execute("SELECT * FROM spacekey_tokens WHERE id = ?", (template,))
        columns = [column[0] for column in found.description]
        row = dict(zip(columns, found.fetchone(), strict=True))
        statement = f"INSERT INTO spacekey_tokens ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        rows = [{**row, "id": f"key_{number:026d}", "digest": one.digest()} for number, one in enumerate(made)]
        database.executemany(statement, [list(each.values()) for each in rows])
    return made


def measure(sockets: int = SOCKETS, seconds: float = SECONDS) -> list[dict[str, object]]:
    """Rows with the share of a core, embedded and remote."""
    borrow_from_tests()
    from support.processes import Installation

    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "idle.db"
        installation = Installation(f"sqlite:///{file}", folder)
        with installation.serving() as url:
            installation.command("workspace", "create", "idle", "--product", "spooled")
            token = installation.command("token", "create", "t", "-w", "idle", "--grant", "jobs:read")
            own = installation.command("token", "create", "asker", "-w", "idle", "--grant", "tokens:introspect")[
                "secret"
            ]
            tokens = fill(file, token["id"], sockets)
            embedded = DatabaseVerifier(f"sqlite:///{file}", [ROOT / "examples" / "spooled.toml"], collect_usage=False)
            remote = RemoteVerifier(url, own, timeout=20.0, collect_usage=False)
            for where, verifier in (("embedded, SQLite", embedded), ("remote", remote)):
                used = asyncio.run(cost(verifier, tokens, seconds))
                facts: dict[str, object] = {"ratio": round(used, 3), "budget": BUDGET, "tokens": sockets}
                rows.append({"name": f"{sockets:,} idle sockets over one core, {where}", **facts})
    return rows


if __name__ == "__main__":
    show(measure(*(int(each) for each in sys.argv[1:2])))
