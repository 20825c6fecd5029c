"""An MCP server of notes, which records what it ran, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import pytest

pytest.importorskip("mcp", reason="NO MCP: MCP servers are NOT TESTED here; pip install 'spacekey[mcp]'")

from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer

from spacekey.middleware.mcp import current_principal, protect_mcp
from spacekey.verifiers import MemoryVerifier
from support.running_app import running

RESOURCE = "https://api.example.com/mcp"
RULES: dict[str, Any] = {
    "tools": {"read_note": "notes:read", "add_note": "notes:write"},
    "resources": {
        "notes://{area}/{id}": "notes:read",
        "notes://admin/{id}": "notes:admin",
        "about://this": "notes:read",
    },
    "prompts": {"summarize": "notes:read"},
}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
MODERN = "2026-07-28"


def notes_server(ran: list[str]) -> MCPServer:
    """The server, as it would be without Spacekey."""
    mcp = MCPServer("notes")

    @mcp.tool()
    def read_note(id: str) -> str:  # noqa: A002 - as a client sees it
        ran.append(f"read_note {id}")
        caller = current_principal()
        return f"note {id} for {'no caller' if caller is None else caller.display_name}"

    @mcp.tool()
    def add_note(id: str) -> str:  # noqa: A002
        ran.append(f"add_note {id}")
        return "added"

    @mcp.tool()
    def forgotten() -> str:
        ran.append("forgotten")
        return "no rule names this"

    @mcp.resource("notes://{area}/{id}")
    def note(area: str, id: str) -> str:  # noqa: A002
        ran.append(f"note {area} {id}")
        return f"{area}: {id}"

    @mcp.resource("about://this")
    def about() -> str:
        ran.append("about")
        return "about"

    @mcp.resource("about://keys")
    def keys() -> str:
        ran.append("keys")
        return "keys"

    @mcp.prompt()
    def summarize(text: str) -> str:
        ran.append("summarize")
        return f"Summarize {text}"

    @mcp.prompt()
    def unnamed() -> str:
        ran.append("unnamed")
        return "x"

    return mcp


class Served:
    """The protected server on a real socket."""

    def __init__(self, url: str, verifier: MemoryVerifier, ran: list[str]) -> None:
        self.url = f"{url}/mcp"
        self.root = url
        self.verifier = verifier
        self.ran = ran

    def token(self, *scopes: str, **facts: Any) -> str:
        """The secret of a new token."""
        return self.verifier.issue(*scopes, **facts).reveal()

    @asynccontextmanager
    async def client(self, secret: str, mode: Any = "auto") -> AsyncIterator[Client]:
        """The SDK's own client, with a token."""
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client

    def post(self, body: Any, secret: str | None = None, **headers: str) -> httpx2.Response:
        """The answer to a message, or to bytes, as they are."""
        sent = HEADERS | ({} if secret is None else {"Authorization": f"Bearer {secret}"}) | headers
        raw = {"content": body} if isinstance(body, bytes) else {"json": body}
        return httpx2.post(self.url, headers=sent, trust_env=False, **raw)


@contextmanager
def served(verifier: Any = None, **options: Any) -> Iterator[Served]:
    """The server of notes behind the rules."""
    ran: list[str] = []
    mcp = notes_server(ran)
    known = MemoryVerifier()
    arguments = {"resource": RESOURCE, **RULES, **options}
    app = protect_mcp(mcp.streamable_http_app(), mcp, verifier=verifier or known, **arguments)
    with running(app) as url:
        yield Served(url, known, ran)


def message(method: str, params: dict[str, Any] | None = None, number: int = 7) -> dict[str, Any]:
    """A request of JSON-RPC."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def modern(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same with what protocol 2026-07-28 has in every request."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return message(method, {"_meta": meta, **(params or {})})


def modern_headers(method: str, name: str | None = None) -> dict[str, str]:
    """The headers that go with it."""
    named = {} if name is None else {"Mcp-Name": name}
    return {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, **named}
