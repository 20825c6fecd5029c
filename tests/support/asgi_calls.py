"""Talk to an ASGI app directly: any header bytes may be sent, and every message is seen."""

import asyncio
import json
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from spacekey.domain.secret import Secret

Headers = Iterable[tuple[bytes, bytes]]
SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Talk:
    """What a WebSocket app sent, in order."""

    sent: list[MutableMapping[str, Any]] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether the app let the client in."""
        return bool(self.sent) and self.sent[0]["type"] == "websocket.accept"

    @property
    def subprotocol(self) -> str | None:
        """What the app answered with."""
        subprotocol: str | None = self.sent[0].get("subprotocol")
        return subprotocol

    @property
    def denied_with(self) -> int | None:
        """The close code or the status of a denial before acceptance."""
        first = self.sent[0]
        code: int | None = first.get("code") or first.get("status")
        return None if self.accepted else code

    @property
    def texts(self) -> list[str]:
        """The text messages."""
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


def bearer(text: str) -> list[tuple[bytes, bytes]]:
    """The header that carries a token."""
    return [(b"authorization", f"Bearer {text}".encode())]


def request_of(secret: Secret) -> Scope:
    """As much of an ASGI scope as tells who sends it: one Bearer token."""
    return {"headers": [*bearer(secret.reveal())], "query_string": b""}


def http_scope(method: str, path: str, headers: Headers = (), query: bytes = b"", host: str = "testserver") -> Message:
    """An HTTP scope as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "server": (host, 80),
        "client": ("127.0.0.1", 50_000),
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", host.encode()), *headers],
    }


async def call(
    app: ASGIApp, method: str, path: str, headers: Headers = (), query: bytes = b"", host: str = "testserver"
) -> Answer:
    """One request, within seconds."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(SECONDS_MAX):
        await app(http_scope(method, path, headers, query, host), receive, send)
    start = sent[0]
    return Answer(
        start["status"],
        {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


async def talk(
    app: ASGIApp,
    path: str,
    headers: Headers = (),
    subprotocols: Iterable[str] = (),
    denial_response: bool = False,
    host: str = "testserver",
    says: Iterable[str] = (),
) -> Talk:
    """Open a WebSocket, say something, and close it once the app waits for more."""
    offered = list(subprotocols)
    lines = [(b"host", host.encode()), *headers]
    if offered:
        lines.append((b"sec-websocket-protocol", ", ".join(offered).encode("utf-8", "surrogatepass")))
    scope: Message = {
        **http_scope("GET", path, (), b"", host),
        "type": "websocket",
        "scheme": "ws",
        "headers": lines,
        "subprotocols": offered,
        "extensions": {"websocket.http.response": {}} if denial_response else {},
    }
    del scope["method"]
    said: list[Message] = [{"type": "websocket.receive", "text": text} for text in says]
    incoming: list[Message] = [{"type": "websocket.connect"}, *said, {"type": "websocket.disconnect", "code": 1000}]
    result = Talk()

    async def receive() -> Message:
        return incoming.pop(0) if len(incoming) > 1 else incoming[0]

    async def send(message: Message) -> None:
        result.sent.append(message)

    async with asyncio.timeout(SECONDS_MAX):
        await app(scope, receive, send)
    return result


async def start_up(app: ASGIApp) -> str | None:
    """Run the lifespan's start and end; None when it started, else the failure's message."""
    sent: list[Message] = []
    incoming: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        async with asyncio.timeout(SECONDS_MAX):
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    except Exception:
        if not any(message["type"] == "lifespan.startup.failed" for message in sent):
            raise
    failed = [message for message in sent if message["type"] == "lifespan.startup.failed"]
    assert len(failed) <= 1
    assert not failed or not any(message["type"] == "lifespan.startup.complete" for message in sent)
    return str(failed[0]["message"]) if failed else None
