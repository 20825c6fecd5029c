"""MCP servers over real HTTP with the SDK's own client: what a token may use, and how it is told what it may not."""

from __future__ import annotations

import re
import threading
from typing import Any

import httpx2
import pytest

from spacekey import ConfigurationError, Limit, MemoryLimiter, RuleError, TokenMiddleware, any_of, optional, requires
from spacekey.domain.authentication import Unavailable, Verdict
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.testing import issue_token, undeclared_routes
from spacekey.verifiers import MemoryVerifier
from support.apps.notes import HEADERS, RESOURCE, RULES, message, modern, modern_headers, notes_server, served
from support.running_app import running

pytest.importorskip("mcp")

from mcp.client import Client
from mcp.server import MCPServer
from mcp.shared.auth import ProtectedResourceMetadata
from mcp.shared.exceptions import MCPError

from spacekey.middleware.mcp import McpScopes, McpTokenVerifier, current_principal, protect_mcp, resource_metadata
from spacekey.middleware.mcp.app import McpEndpoint

METADATA = "https://api.example.com/.well-known/oauth-protected-resource/mcp"
MODES = ["auto", "legacy"]
"""Protocol 2026-07-28, one request for each message, and the earlier ones, with sessions and streams."""


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_sees_and_uses_what_its_token_may(mode: str) -> None:
    with served() as server:
        async with server.client(server.token("notes:read", name="reader"), mode) as client:
            assert [one.name for one in (await client.list_tools()).tools] == ["read_note"]
            assert [one.name for one in (await client.list_prompts()).prompts] == ["summarize"]
            assert [one.uri for one in (await client.list_resources()).resources] == ["about://this"]
            templates = (await client.list_resource_templates()).resource_templates
            assert [one.uri_template for one in templates] == ["notes://{area}/{id}"]
            answer: Any = await client.call_tool("read_note", {"id": "1"})
            assert answer.content[0].text == "note 1 for reader"
            await client.get_prompt("summarize", {"text": "x"})
            await client.read_resource("notes://team/1")
        async with server.client(server.token("other:read"), mode) as client:
            assert (await client.list_tools()).tools == []
            assert (await client.list_resource_templates()).resource_templates == []
        assert server.ran == ["read_note 1", "summarize", "note team 1"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_is_told_what_its_token_lacks_and_nothing_runs(mode: str) -> None:
    with served() as server:
        async with server.client(server.token("notes:read"), mode) as client:
            for ask, missing in (
                (client.call_tool("add_note", {"id": "1"}), ["notes:write"]),
                (client.read_resource("notes://admin/1"), ["notes:admin"]),
                (client.call_tool("forgotten", {}), []),
                (client.call_tool("no_such_tool", {}), []),
                (client.get_prompt("unnamed"), []),
                (client.read_resource("about://keys"), []),
            ):
                with pytest.raises(MCPError) as refused:
                    await ask
                assert refused.value.code == -32001
                assert refused.value.data == {"code": "insufficient_scope", "missing_scopes": missing}
        assert server.ran == []


def test_refusals_are_the_protocols() -> None:
    with served() as server:
        absent = server.post(message("tools/list"))
        assert absent.status_code == 401
        assert absent.headers["www-authenticate"] == f'Bearer realm="api", resource_metadata="{METADATA}"'
        refused = server.post(message("tools/list"), "sp_live_" + "0" * 38)
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        assert refused.headers["www-authenticate"].endswith(f'resource_metadata="{METADATA}"')
        lacking = server.post(message("tools/call", {"name": "add_note"}), server.token("notes:read"))
        assert lacking.status_code == 403
        assert lacking.headers["www-authenticate"] == (
            'Bearer realm="api", error="insufficient_scope", error_description="The token lacks a scope.", '
            f'scope="notes:write", resource_metadata="{METADATA}"'
        )
        assert lacking.headers["content-type"] == "application/json"
        assert lacking.json() == {
            "jsonrpc": "2.0",
            "id": 7,
            "error": {
                "code": -32001,
                "message": "The token lacks a scope.",
                "data": {"code": "insufficient_scope", "missing_scopes": ["notes:write"]},
            },
        }
        for method in ("GET", "DELETE"):
            assert httpx2.request(method, server.url, headers=HEADERS, trust_env=False).status_code == 401
        assert server.ran == []


class Down(Verifier):
    """A verifier whose store does not answer."""

    async def verify(self, secret: Secret) -> Verdict:
        return Unavailable("down", 3)


async def test_an_outage_is_503_and_never_an_invalid_token() -> None:
    with served(Down()) as server:
        answer = server.post(message("tools/list"), "sp_live_" + "0" * 38)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert "www-authenticate" not in answer.headers
        assert answer.json()["error"]["data"] == {"code": "unavailable"}


def test_limits_are_charged_once_for_each_message_with_the_tools_cost() -> None:
    rules = {"read_note": requires("notes:read", cost=5), "*": requires()}
    with served(limits=MemoryLimiter(), tools=rules) as server:
        token = server.token("notes:read", rate_limit=Limit(per_minute=1, burst=12))
        call = modern("tools/call", {"name": "read_note", "arguments": {"id": "1"}})
        headers = modern_headers("tools/call", "read_note")
        first, second, third = (server.post(call, token, **headers) for _ in range(3))
        assert [one.status_code for one in (first, second, third)] == [200, 200, 429]
        assert first.headers["ratelimit"].startswith('"default";r=7')
        assert int(third.headers["retry-after"]) >= 1
        assert third.json()["error"]["data"]["code"] == "rate_limited"
        listed = server.post(modern("tools/list"), token, **modern_headers("tools/list"))
        assert (listed.status_code, listed.headers["ratelimit"][:13]) == (200, '"default";r=1')


def test_the_metadata_is_public_and_readable_from_every_page() -> None:
    with served(authorization_servers=["https://auth.example.com"]) as server:
        address = f"{server.root}/.well-known/oauth-protected-resource/mcp"
        answer = httpx2.get(address, headers={"Origin": "https://inspector.example"}, trust_env=False)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json() == {
            "resource": RESOURCE,
            "authorization_servers": ["https://auth.example.com"],
            "scopes_supported": ["notes:admin", "notes:read", "notes:write"],
            "bearer_methods_supported": ["header"],
        }
        assert str(ProtectedResourceMetadata.model_validate(answer.json()).resource) == RESOURCE
        preflight = {
            "Origin": "https://inspector.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "mcp-protocol-version",
        }
        assert httpx2.options(address, headers=preflight, trust_env=False).status_code == 200


WAYS_ROUND: dict[str, Any] = {
    "a resource with an encoded letter": message("resources/read", {"uri": "notes://%61dmin/1"}),
    "a resource with an encoded word": message("resources/read", {"uri": "notes://%61%64%6d%69%6e/1"}),
    "a subscription": message("resources/subscribe", {"uri": "notes://admin/1"}),
    "a completion of a template": message(
        "completion/complete", {"ref": {"type": "ref/resource", "uri": "notes://admin/{id}"}, "argument": {}}
    ),
    "a completion of a prompt": message(
        "completion/complete", {"ref": {"type": "ref/prompt", "name": "unnamed"}, "argument": {}}
    ),
    "a name that is no string": message("tools/call", {"name": ["add_note"]}),
    "no name": message("tools/call"),
    "a name in another case": message("tools/call", {"name": "Read_Note"}),
    "a name with a blank": message("tools/call", {"name": "read_note "}),
    "the table's own word": message("tools/call", {"name": "*"}),
    "a batch": [message("tools/list"), message("tools/call", {"name": "add_note", "arguments": {"id": "1"}})],
    "a key twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call",'
    b'"params":{"name":"read_note","name":"add_note","arguments":{"id":"1"}}}',
    "another encoding": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}}'.encode("utf-16"),
    "a listener": modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["notes://admin/1"]}}),
    "too many resources": modern(
        "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["about://this"] * 1_001}}
    ),
}


@pytest.mark.parametrize("body", WAYS_ROUND.values(), ids=WAYS_ROUND.keys())
def test_there_is_no_way_round(body: Any) -> None:
    with served() as server:
        method = body["method"] if isinstance(body, dict) else "tools/call"
        for headers in ({}, modern_headers(method, "read_note")):
            answer = server.post(body, server.token("notes:read"), **headers)
            assert answer.status_code == 403, answer.text
        assert server.ran == []


def test_headers_that_say_otherwise_do_not_help() -> None:
    """The protocol's headers repeat method and name; what counts is the message."""
    with served() as server:
        body = modern("tools/call", {"name": "add_note", "arguments": {"id": "1"}})
        answer = server.post(body, server.token("notes:read"), **modern_headers("tools/call", "read_note"))
        assert (answer.status_code, server.ran) == (403, [])


@pytest.mark.parametrize("mode", MODES)
async def test_the_server_itself_enforces_the_rules_too(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the first reading of a message made of it, as if it had understood nothing."""
    monkeypatch.setattr(McpEndpoint, "_asked_for", lambda self, body: (self._scopes.requires, None))
    with served() as server:
        async with server.client(server.token("notes:read"), mode) as client:
            for ask in (
                client.call_tool("add_note", {"id": "1"}),
                client.read_resource("notes://%61dmin/1"),
                client.get_prompt("unnamed"),
            ):
                with pytest.raises(MCPError) as refused:
                    await ask
                assert refused.value.data["code"] == "insufficient_scope"
            assert [one.name for one in (await client.list_tools()).tools] == ["read_note"]
        assert server.ran == []


async def test_without_our_authentication_the_rules_admit_no_caller() -> None:
    """Of a server whose app is served without ``protect_mcp``, or whose verifier is another one."""
    ran: list[str] = []
    mcp = notes_server(ran)
    mcp.middleware.append(McpScopes(tools={"*": requires()}))
    with running(mcp.streamable_http_app()) as url:
        answer = httpx2.post(
            f"{url}/mcp",
            json=modern("tools/call", {"name": "read_note", "arguments": {"id": "1"}}),
            headers=HEADERS | modern_headers("tools/call", "read_note"),
            trust_env=False,
        )
        assert answer.json()["error"]["data"] == {"code": "unauthenticated"}
        assert ran == []


async def test_in_memory_no_caller_has_a_token_and_no_rule_applies() -> None:
    ran: list[str] = []
    mcp = notes_server(ran)
    mcp.middleware.append(McpScopes(tools={"add_note": "notes:write"}))
    async with Client(mcp) as client:
        assert len((await client.list_tools()).tools) == 3
        answer: Any = await client.call_tool("read_note", {"id": "1"})
        assert answer.content[0].text == "note 1 for no caller"
    assert current_principal() is None


def test_a_session_belongs_to_the_token_that_began_it() -> None:
    begin = message(
        "initialize",
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    )
    with served() as server:
        one, other = server.token("notes:read"), server.token("notes:read")
        session = {"Mcp-Session-Id": server.post(begin, one).headers["mcp-session-id"]}
        assert server.post(message("tools/list"), one, **session).status_code == 200
        assert server.post(message("tools/list"), other, **session).status_code == 404
        resumed = {**HEADERS, **session, "MCP-Protocol-Version": "2025-06-18", "Last-Event-ID": "1"}
        for method in ("GET", "DELETE"):
            for secret, status in ((other, 404), ("sp_live_" + "0" * 38, 401)):
                headers = {**resumed, "Authorization": f"Bearer {secret}"}
                assert httpx2.request(method, server.url, headers=headers, trust_env=False).status_code == status
        assert server.post(message("tools/list"), one, **session).status_code == 200


def test_a_stream_ends_when_its_token_does() -> None:
    begin = message(
        "initialize",
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    )
    with served(recheck_seconds=0.05) as server:
        secret = server.verifier.issue("notes:read")
        token = {"Authorization": f"Bearer {secret.reveal()}"}
        started = server.post(begin, secret.reveal())
        session = {"Mcp-Session-Id": started.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
        with httpx2.stream("GET", server.url, headers=HEADERS | token | session, trust_env=False, timeout=60) as stream:
            assert stream.status_code == 200
            threading.Timer(0.1, lambda: server.verifier.refuse(secret)).start()
            with pytest.raises(httpx2.RemoteProtocolError):
                for _ in stream.iter_raw():
                    pass


async def test_lists_are_the_callers_own_and_no_cache_may_share_them() -> None:
    from mcp.server.caching import CacheHint

    mcp = MCPServer("shared", cache_hints={"tools/list": CacheHint(60_000, "public")})
    mcp.tool()(notes_server)
    verifier = MemoryVerifier()
    app = protect_mcp(mcp.streamable_http_app(), mcp, verifier=verifier, resource=RESOURCE, tools={"*": requires("a")})
    with running(app) as url:
        answer = httpx2.post(
            f"{url}/mcp",
            json=modern("tools/list"),
            headers=HEADERS
            | modern_headers("tools/list")
            | {"Authorization": f"Bearer {verifier.issue('b').reveal()}"},
            trust_env=False,
        )
        result = answer.json()["result"]
        assert (result["tools"], result["cacheScope"], result["ttlMs"]) == ([], "private", 60_000)


def test_without_tables_any_valid_token_may_use_everything() -> None:
    with served(tools=None, resources=None, prompts=None, requires=any_of("notes:read", "notes:admin")) as server:
        call = modern("tools/call", {"name": "forgotten"})
        headers = modern_headers("tools/call", "forgotten")
        assert server.post(call, server.token("notes:admin"), **headers).status_code == 200
        refused = server.post(call, server.token("other:read"), **headers)
        assert (refused.status_code, refused.json()["error"]["data"]["missing_scopes"]) == (403, ["notes:read"])
        assert server.ran == ["forgotten"]


def test_a_message_that_is_too_long_or_unreadable_is_the_sdks_to_refuse() -> None:
    with served() as server:
        token = server.token("notes:read")
        assert server.post(b" " * (4 * 1024 * 1024 + 1), token).status_code == 413
        assert server.post(b"{", token).status_code == 400
        assert server.post(b"[" * 100_000, token).status_code == 400
        assert server.post(b"9" * 10_000, token).status_code == 400


def test_the_testing_helpers_work_and_other_routes_are_left_alone() -> None:
    mcp = notes_server([])

    async def health(_request: Any) -> Any:
        raise NotImplementedError

    mcp.custom_route("/health", methods=["GET"])(health)
    app = protect_mcp(mcp.streamable_http_app(), mcp, verifier=Down(), resource=RESOURCE, **RULES)
    assert isinstance(app, TokenMiddleware)
    assert undeclared_routes(app) == ["GET /health"]
    with issue_token(app, scopes=["notes:read"]) as token, running(app) as url:
        answer = httpx2.post(f"{url}/mcp", json=message("ping"), headers=HEADERS | token.headers, trust_env=False)
        assert answer.status_code != 503


def protected(**options: Any) -> Any:
    mcp = notes_server([])
    arguments: dict[str, Any] = {"verifier": MemoryVerifier(), "resource": RESOURCE, **options}
    return protect_mcp(mcp.streamable_http_app(), mcp, **arguments)


class Knows(MemoryVerifier):
    """A verifier that knows its scopes."""

    known_scopes = frozenset({"notes:read"})


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"tools": {"x": optional}}, RuleError, "tools: x: an MCP server admits no callers without a token; write req"),
        ({"tools": {"x": requires(space_param="s")}}, RuleError, "there is no path that could name a space"),
        ({"tools": {"x": 3}}, RuleError, "tools: x: 3 is not a rule"),
        ({"prompts": ["x"]}, RuleError, "prompts: write a mapping of names to rules"),
        ({"resources": {"notes://{": "a"}}, RuleError, "is no URI template"),
        ({"tools": {"x": "notes:reed"}, "verifier": Knows()}, RuleError, "tools: x: unknown scope 'notes:reed'. Did"),
        (
            {"resource": "api.example.com/mcp"},
            ConfigurationError,
            "write the server's URL, such as 'https://example.com",
        ),
        ({"resource": "https://a.example/mcp?x"}, ConfigurationError, "write the server's URL"),
        ({"undeclared": "deny"}, TypeError, "undeclared"),
    ],
)
def test_a_wrong_setting_says_what_to_write(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        protected(**options)


def test_an_app_that_is_none_or_has_its_own_authentication_says_what_to_write() -> None:
    from mcp.server.auth.settings import AuthSettings
    from starlette.applications import Starlette

    mcp = notes_server([])
    with pytest.raises(ConfigurationError, match="this app serves no MCP server: write protect_mcp"):
        protect_mcp(Starlette(), mcp, verifier=MemoryVerifier(), resource=RESOURCE)
    auth: Any = AuthSettings.model_validate(
        {"issuer_url": "https://auth.example.com", "resource_server_url": RESOURCE, "validate_token_resource": False}
    )
    own = MCPServer("own", token_verifier=McpTokenVerifier(MemoryVerifier()), auth=auth)
    with pytest.raises(ConfigurationError, match="has authentication of its own: leave token_verifier and auth out"):
        protect_mcp(own.streamable_http_app(), own, verifier=MemoryVerifier(), resource=RESOURCE)


def test_the_metadata_of_a_mounted_server_is_a_route_for_the_outermost_app() -> None:
    assert resource_metadata("https://api.example.com").path == "/.well-known/oauth-protected-resource"
    assert resource_metadata("https://api.example.com/").path == "/.well-known/oauth-protected-resource"
    assert resource_metadata("https://api.example.com/a/mcp").path == "/.well-known/oauth-protected-resource/a/mcp"
