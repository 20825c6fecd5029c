"""The verifier for servers that keep the SDK's own authentication."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from spacekey.domain.authentication import Unavailable, Verdict
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.verifiers import MemoryVerifier
from support.apps.notes import HEADERS, RESOURCE, modern, modern_headers
from support.running_app import running

pytest.importorskip("mcp")

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings

from spacekey.middleware.mcp import McpScopes, McpTokenVerifier, current_principal


class Down(Verifier):
    """A verifier whose store does not answer."""

    async def verify(self, secret: Secret) -> Verdict:
        return Unavailable("down", 3)


def server(verifier: Verifier, **options: Any) -> MCPServer:
    """A server with the SDK's own authentication."""
    auth = {
        "issuer_url": "https://auth.example.com",
        "resource_server_url": RESOURCE,
        "required_scopes": ["notes:read"],
        "validate_token_resource": True,
    }
    checked = McpTokenVerifier(verifier, resource=RESOURCE)
    mcp = MCPServer("notes", token_verifier=checked, auth=AuthSettings.model_validate(auth), **options)

    @mcp.tool()
    def whoami() -> str:
        caller, token = current_principal(), get_access_token()
        assert caller is not None
        assert token is not None
        return f"{caller.display_name} {token.client_id == caller.id} {token.subject}"

    return mcp


def asked(url: str, secret: str | None, tool: str = "whoami") -> httpx2.Response:
    sent = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    headers = HEADERS | sent | modern_headers("tools/call", tool)
    return httpx2.post(f"{url}/mcp", json=modern("tools/call", {"name": tool}), headers=headers, trust_env=False)


def test_the_sdk_admits_and_refuses_by_it() -> None:
    verifier = MemoryVerifier()
    good = verifier.issue("notes:read", name="reader", external_id="user-7")
    with running(server(verifier).streamable_http_app()) as url:
        assert asked(url, good.reveal()).json()["result"]["content"][0]["text"] == "reader True user-7"
        lacking = asked(url, verifier.issue("other:read").reveal())
        assert (lacking.status_code, 'error="insufficient_scope"' in lacking.headers["www-authenticate"]) == (403, True)
        for secret in (None, "sp_live_" + "0" * 38, "nonsense", "a b"):
            refused = asked(url, secret)
            assert refused.status_code == 401, secret
            assert "/.well-known/oauth-protected-resource/mcp" in refused.headers["www-authenticate"]
        verifier.refuse(good)
        assert asked(url, good.reveal()).status_code == 401


def test_scopes_of_tools_hold_there_too() -> None:
    verifier = MemoryVerifier()
    mcp = server(verifier, middleware=[McpScopes(tools={"whoami": "notes:admin"})])
    with running(mcp.streamable_http_app()) as url:
        answer = asked(url, verifier.issue("notes:read").reveal())
        assert answer.json()["error"]["data"] == {"code": "insufficient_scope", "missing_scopes": ["notes:admin"]}
        assert "result" in asked(url, verifier.issue("notes:read", "notes:admin").reveal()).json()


def test_an_outage_is_an_error_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    secret = "sp_live_" + "0" * 38
    with caplog.at_level(logging.DEBUG), running(server(Down()).streamable_http_app()) as url:
        answer = asked(url, secret)
    assert answer.status_code == 500
    assert "www-authenticate" not in answer.headers
    assert secret not in caplog.text


async def test_no_secret_is_in_what_handlers_see() -> None:
    verifier = MemoryVerifier()
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    secret = verifier.issue("notes:read", workspace_id="ws_1", space_id=None, expires_at=expires_at)
    token = await McpTokenVerifier(verifier, resource=RESOURCE).verify_token(secret.reveal())
    assert token is not None
    for shown in (repr(token), str(token), token.model_dump_json()):
        assert secret.reveal() not in shown
    assert (token.token, token.client_id) == (token.principal.id, token.principal.id)
    assert (token.expires_at, token.resource) == (int(expires_at.timestamp()), RESOURCE)
    assert token.claims == {"workspace_id": "ws_1", "environment": "live"}


async def test_tokens_of_another_environment_are_refused() -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("notes:read", environment="test").reveal()
    assert await McpTokenVerifier(verifier, environment="live").verify_token(secret) is None
    assert await McpTokenVerifier(verifier, environment="test").verify_token(secret) is not None


async def test_an_outage_is_raised_and_never_none() -> None:
    with pytest.raises(ServiceUnavailable):
        await McpTokenVerifier(Down()).verify_token("sp_live_" + "0" * 38)


def test_a_wrong_setting_says_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match="no token has that"):
        McpTokenVerifier(MemoryVerifier(), environment="prod")
