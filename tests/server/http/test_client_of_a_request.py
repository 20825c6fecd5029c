"""What an app tells with an introspection of whoever sent it a dead token is for the owner and decides nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from spacekey.domain.page import AuditFilter, page_request
from spacekey.domain.secret import mint
from spacekey.middleware.auth.client import SentBy
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.tables.audit import AuditEvent
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.workspaces.lists import audit_list
from support.asgi_calls import http_scope
from support.server import ORIGIN, Served, bearer, served
from support.world import OPERATOR

PATH = "/api/v1/introspect"
GOOD = mint("sp", "live", bytes)
APP = {"User-Agent": "app/1", "X-Request-Id": "introspection-1", "X-Forwarded-For": "203.0.113.9"}
AGENT = "Gr\xfc\xdfe/1 \U0001f511"

TELLING: list[tuple[dict[str, str], tuple[str, str]]] = [
    ({}, ("", "")),
    ({"client_ip": "192.0.2.7", "client_user_agent": AGENT}, ("192.0.2.7", AGENT)),
    ({"client_ip": "2001:db8::7"}, ("2001:db8::7", "")),
    ({"client_user_agent": "x" * 300}, ("", "x" * 300)),
    ({"client_ip": "192.0.2.7", "client_user_agent": "x" * 301}, ("192.0.2.7", "")),
    ({"client_ip": "192.0.2.7", "client_user_agent": "x" * 7_000}, ("192.0.2.7", "")),
    ({"client_ip": "192.0.2.7", "client_user_agent": "a\r\nb"}, ("192.0.2.7", "")),
    ({"client_ip": "192.0.2.7", "client_user_agent": "a\x00"}, ("192.0.2.7", "")),
    ({"client_ip": "testclient", "client_user_agent": "curl/8"}, ("", "curl/8")),
    ({"client_ip": "<script>", "client_user_agent": "curl/8"}, ("", "curl/8")),
    ({"client_ip": "192.0.2.7\x00", "client_user_agent": "curl/8"}, ("", "curl/8")),
    ({"client_ip": "192.0.2.7, 10.0.0.1", "client_user_agent": "curl/8"}, ("", "curl/8")),
    ({"client_ip": "fe80::1%" + "z" * 60, "client_user_agent": "curl/8"}, ("", "curl/8")),
    ({"client_ip": "9" * 7_000, "client_user_agent": "curl/8"}, ("", "curl/8")),
    ({"client_ip": "", "client_user_agent": ""}, ("", "")),
]


async def test_a_refusal_is_told_of_whom_the_app_names_and_never_of_the_app(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        for told, written in TELLING:
            token_id, secret = await server.token(workspace.id, "jobs:read")
            await revoke_token(server.world.system, OPERATOR, token_id)
            answer = await _introspect(server, own, secret, **told)
            assert (answer.status_code, answer.json()) == (200, {"active": False})
            row = await _row(server, workspace.id, token_id)
            assert (row.ip, row.user_agent, row.request_id) == (*written, "introspection-1"), told


async def test_a_token_of_another_environment_is_told_of_whom_the_app_names(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        told = {"client_ip": "192.0.2.7", "client_user_agent": "curl/8"}
        assert (await _introspect(server, own, secret, environment="test", **told)).json() == {"active": False}
        row = await _row(server, workspace.id, token_id)
        assert (row.outcome, row.ip, row.user_agent) == ("alert", "192.0.2.7", "curl/8")


async def test_what_is_told_changes_no_answer_about_a_good_token(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, secret = await server.token(workspace.id, "jobs:read")
        plain = (await _introspect(server, own, secret)).json()
        assert plain["active"] is True
        for told, _ in TELLING:
            assert (await _introspect(server, own, secret, **told)).json() == plain


async def test_the_apps_own_refused_token_is_told_of_the_app(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect")
        await revoke_token(server.world.system, OPERATOR, own_id)
        assert (await _introspect(server, own, own, client_ip="192.0.2.7")).status_code == 401
        row = await _row(server, workspace.id, own_id)
        assert (row.ip, row.user_agent) == ("127.0.0.1", "app/1")


@pytest.mark.parametrize("agent", ["curl/8", "a\x1b[31m\x00b", "x" * 9_000, "\xff" * 9_000, ""])
@pytest.mark.parametrize("client", [("192.0.2.7", 1), ("2001:db8::7", 1), ("garbage\n", 1), ("9" * 9_999, 1), None])
async def test_whatever_a_client_sends_the_form_of_a_remote_verifier_stays_small_and_clean(
    agent: str, client: tuple[str, int] | None
) -> None:
    forms: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        forms.append(request.content)
        return httpx.Response(200, json={"active": False})

    verifier = RemoteVerifier(ORIGIN, "own", allow_plain_http=True, transport=httpx.MockTransport(answer))
    headers = [(b"authorization", b"Bearer hush"), (b"user-agent", agent.encode("latin-1"))]
    with SentBy({**http_scope("GET", "/", headers), "client": client}):
        await verifier.verify(GOOD)
    await verifier.aclose()
    told = dict(httpx.QueryParams(forms[0].decode()))
    assert told.pop("token") == GOOD.reveal()
    assert told.pop("token_type_hint") == "access_token"
    expected: dict[str, str] = {}
    if client is not None and len(client[0]) < 12:
        expected |= {"client_ip": client[0]} if client[0].isprintable() else {}
    printable = "".join(one for one in agent[:300] if one.isprintable())
    assert told == expected | ({"client_user_agent": printable} if printable else {})
    assert len(forms[0]) < 8_192


async def test_outside_of_a_request_a_remote_verifier_tells_nothing() -> None:
    forms: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        forms.append(request.content)
        return httpx.Response(200, json={"active": False})

    verifier = RemoteVerifier(ORIGIN, "own", allow_plain_http=True, transport=httpx.MockTransport(answer))
    await verifier.verify(GOOD)
    await verifier.aclose()
    assert set(httpx.QueryParams(forms[0].decode())) == {"token", "token_type_hint"}


async def _introspect(server: Served, asker: str, secret: str, **fields: str) -> httpx.Response:
    return await server.client.post(PATH, data={"token": secret, **fields}, headers={**bearer(asker), **APP})


async def _row(server: Served, workspace_id: str, token_id: str) -> AuditEvent:
    """The one row about a refused use of this token."""
    await server.parts.refusals.flush()
    page = await audit_list(
        server.world.system,
        OPERATOR,
        workspace_id,
        page_request(5, None, None, None),
        AuditFilter(action="token.refused", target_id=token_id),
    )
    rows: list[Any] = [row for row in page.rows if row.action == "token.refused"]
    assert len(rows) == 1
    found: AuditEvent = rows[0]
    return found
