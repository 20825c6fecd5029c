"""The owner reads in the audit log who used a token that is not good any more, wherever the app asks about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spacekey import MemoryLimiter, TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated
from spacekey.domain.page import AuditFilter, page_request
from spacekey.domain.secret import Secret, mint
from spacekey.domain.verifier import Verifier
from spacekey.middleware.auth.client import SentBy
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import POSTGRESQL, SQLITE
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.audit import AuditEvent
from spacekey.models.tables.records import AuditRecord
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.lists import audit_list
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import Settings, packaged_products
from spacekey.verifiers import VerifierChain
from support.apps.refused_uses import ANSWER_SECONDS_MAX, Place, place_of
from support.asgi_calls import http_scope
from support.databases import postgres_database, sqlite_database
from support.running_app import running, running_on_unix
from support.server import ORIGIN, Served, bearer, on_a_socket, served
from support.web_socket import web_socket
from support.world import FACTS, OPERATOR

PROTOCOL = "graphql-transport-ws"


@pytest.fixture(scope="module", params=[SQLITE, POSTGRESQL])
def spacekey(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A Spacekey on each database: the database's URL, and its own."""
    with ExitStack() as open_until_the_end:
        if request.param == SQLITE:
            template = request.getfixturevalue("sqlite_template")
            database_url = sqlite_database(tmp_path_factory.mktemp("used"), template)
        else:
            database_url = open_until_the_end.enter_context(postgres_database(request.getfixturevalue("postgres")))
        yield database_url, open_until_the_end.enter_context(on_a_socket(Settings(database_url=database_url)))


@pytest_asyncio.fixture(params=["embedded", "remote"])
async def place(request: pytest.FixtureRequest, spacekey: tuple[str, str]) -> AsyncIterator[Place]:
    """Each way to ask it."""
    async with place_of(request.param, *spacekey) as made:
        yield made


async def _get(url: str, secret: str, headers: Mapping[str, str]) -> int:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in {**bearer(secret), **headers}.items()]
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{url}/jobs", headers=sent, timeout=ANSWER_SECONDS_MAX)).status_code


@pytest.mark.sampled(3)
async def test_a_request_is_told_with_its_address_its_client_and_its_id(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        assert await _get(url, secret, {"User-Agent": "Gr\xfc\xdfe/1 (X11)", "X-Request-Id": "req-from-afar"}) == 401
        await place.assert_told(token_id, "127.0.0.1", "Gr\xfc\xdfe/1 (X11)", "req-from-afar")


@pytest.mark.sampled(3)
async def test_an_address_behind_a_trusted_proxy_is_the_clients_and_may_be_of_version_6(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        assert await _get(url, secret, {"X-Forwarded-For": "2001:db8::7", "User-Agent": "curl/8"}) == 401
        await place.assert_told(token_id, "2001:db8::7", "curl/8")


@pytest.mark.sampled(3)
async def test_forged_headers_change_nothing(place: Place) -> None:
    token_id, secret = await place.revoked()
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.9",
        "Client-Ip": "203.0.113.9",
        "client_ip": "203.0.113.9",
        "User-Agent": "a&client_ip=203.0.113.9\tb\x9f" + "c" * 1_000,
        "X-Request-Id": "a b",
    }
    with running(place.app(), proxy_headers=False) as url:
        assert await _get(url, secret, forged) == 401
        await place.assert_told(token_id, "127.0.0.1", ("a&client_ip=203.0.113.9b" + "c" * 1_000)[:298])


@pytest.mark.sampled(3)
async def test_the_client_of_a_unix_socket_has_no_address_and_never_the_apps(place: Place, tmp_path: Path) -> None:
    token_id, secret = await place.revoked()
    file = tmp_path / "app.sock"
    with running_on_unix(place.app(), file):
        transport = httpx.AsyncHTTPTransport(uds=str(file))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            sent = {**bearer(secret), "User-Agent": "curl/8"}
            assert (await client.get("/jobs", headers=sent, timeout=ANSWER_SECONDS_MAX)).status_code == 401
        await place.assert_told(token_id, "", "curl/8")


@pytest.mark.sampled(3)
async def test_a_request_that_does_not_say_what_it_is_has_no_user_agent_and_never_the_apps(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /jobs HTTP/1.1\r\nHost: app\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            assert b"401" in await reader.readline()
        writer.close()
        await place.assert_told(token_id, "127.0.0.1", "")


@pytest.mark.sampled(3)
async def test_a_verification_outside_of_a_request_is_of_nobody(place: Place) -> None:
    token_id, secret = await place.revoked()
    verifier = place.verifier()
    await verifier.verify(Secret(secret))
    await verifier.aclose()
    await place.assert_told(token_id, "", "")


@pytest.mark.sampled(3)
async def test_a_refused_handshake_is_told_with_its_client(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        with pytest.raises(WebSocketUpgradeError):
            async with web_socket(f"{url}/feed", headers={**bearer(secret), "User-Agent": "socket/1"}):
                pass
        await place.assert_told(token_id, "127.0.0.1", "socket/1")


@pytest.mark.sampled(3)
async def test_an_open_socket_whose_token_ends_is_told_with_its_client(place: Place) -> None:
    token_id, secret = await place.token()
    with running(place.app()) as url:
        async with web_socket(f"{url}/feed", headers={**bearer(secret), "User-Agent": "socket/1"}) as socket:
            await place.revoke(token_id)
            await _closed(socket)
        await place.assert_told(token_id, "127.0.0.1", "socket/1")


@pytest.mark.sampled(3)
async def test_a_graphql_request_is_told_with_its_client(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        async with httpx.AsyncClient(trust_env=False) as client:
            sent = {**bearer(secret), "User-Agent": "graphql/1"}
            answer = await client.post(
                f"{url}/graphql", json={"query": "{ jobs }"}, headers=sent, timeout=ANSWER_SECONDS_MAX
            )
        assert answer.status_code == 401
        await place.assert_told(token_id, "127.0.0.1", "graphql/1")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("guarded", [True, False], ids=["behind a TokenMiddleware", "by itself"])
async def test_a_graphql_sockets_refused_connection_init_is_told_with_its_client(place: Place, guarded: bool) -> None:
    token_id, secret = await place.revoked()
    with running(place.app() if guarded else place.graphql_alone()) as url:
        async with web_socket(f"{url}/graphql", headers={"User-Agent": "graphql/1"}, subprotocols=[PROTOCOL]) as socket:
            await socket.send_json({"type": "connection_init", "payload": bearer(secret)})
            await _closed(socket)
        await place.assert_told(token_id, "127.0.0.1", "graphql/1")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("guarded", [True, False], ids=["behind a TokenMiddleware", "by itself"])
async def test_a_graphql_socket_whose_token_ends_is_told_with_its_client(place: Place, guarded: bool) -> None:
    token_id, secret = await place.token()
    with running(place.app() if guarded else place.graphql_alone()) as url:
        async with web_socket(f"{url}/graphql", headers={"User-Agent": "graphql/1"}, subprotocols=[PROTOCOL]) as socket:
            await socket.send_json({"type": "connection_init", "payload": bearer(secret)})
            assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
            await place.revoke(token_id)
            await _closed(socket)
        await place.assert_told(token_id, "127.0.0.1", "graphql/1")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("known_before", [False, True])
async def test_a_token_of_another_environment_is_told_with_its_client(place: Place, known_before: bool) -> None:
    token_id, secret = await place.token("test")
    with running(place.app("live")) as address:
        for _ in range(2 if known_before else 1):
            assert await _get(address, secret, {"User-Agent": "curl/8"}) == 401
        await place.assert_told(token_id, "127.0.0.1", "curl/8")


async def _closed(socket: AsyncWebSocketSession) -> None:
    with pytest.raises(WebSocketDisconnect):
        await socket.receive(timeout=ANSWER_SECONDS_MAX)


# What an app tells with an introspection of whoever sent it a dead token is for the owner and decides nothing.


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


# What asking about a token writes down: a use when everything has accepted it, a refusal where one may know of it.


async def refusals(server: Served, workspace_id: str, token_id: str) -> list[AuditRecord]:
    """What the owner's log has of the token's refusals."""
    await server.parts.refusals.flush()
    request = page_request(10, None, None, None)
    page = await audit_list(server.world.system, OPERATOR, workspace_id, request, AuditFilter(target_id=token_id))
    return [one for one in page.rows if one.action == "token.refused"]


async def denied(server: Served, token_id: str) -> int:
    """How many denied requests its usage counts."""
    await server.parts.usage.flush()
    since = server.world.clock() - timedelta(days=8)
    async with server.world.system.store.reading() as session:
        days = (await usage_queries.usage_by_day(session, [token_id], since)).get(token_id, [])
    return sum(day.denied for day in days)


async def introspect(server: Served, own: str, secret: str, **told: str) -> Any:
    answer = await server.client.post("/api/v1/introspect", data={"token": secret, **told}, headers=bearer(own))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("asking", ["another tenant", "another space", "another product"])
async def test_a_stranger_writes_nothing_into_an_owners_log_or_usage(database_url: str, asking: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace = await server.world.workspace("spooled" if asking != "another product" else "emit")
        mine, other = [await server.world.space(workspace, slug) for slug in ("mine", "other")]
        token_id, secret = await server.token(workspace.id, "jobs:read", space_id=mine.id)
        await revoke_token(server.world.system, OPERATOR, token_id)
        if asking == "another product":
            own = service
        elif asking == "another space":
            _, own = await server.token(workspace.id, "tokens:introspect", space_id=other.id)
        else:
            _, own = await server.token((await server.world.workspace("spooled")).id, "tokens:introspect")
        told = {"client_ip": "203.0.113.66", "client_user_agent": "forged/1"}
        assert await introspect(server, own, secret, **told) == {"active": False}
        assert await refusals(server, workspace.id, token_id) == []
        assert await denied(server, token_id) == 0


@pytest.mark.parametrize("asking", ["a token", "a service", "a token of the space"])
async def test_a_refusal_names_the_service_that_reported_it_and_what_is_its_word(
    database_url: str, asking: str
) -> None:
    async with served(database_url) as server:
        service_id, service = await server.service()
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        token_id, secret = await server.token(workspace.id, "jobs:read", space_id=space.id)
        await revoke_token(server.world.system, OPERATOR, token_id)
        space_id = space.id if asking == "a token of the space" else None
        own_id, own = await server.token(workspace.id, "tokens:introspect", space_id=space_id)
        by = {"kind": "token", "id": own_id, "name": "t"}
        if asking == "a service":
            own, by = service, {"kind": "service", "id": service_id, "name": "jobs-api"}
        for _ in range(2):  # the second within the hour is not written
            assert await introspect(server, own, secret, client_ip="192.0.2.7") == {"active": False}
        (event,) = await refusals(server, workspace.id, token_id)
        assert event.ip == "192.0.2.7"
        assert event.after is not None
        assert event.after["reported_by"] == {**by, "name": event.after["reported_by"]["name"]}
        assert event.after["as_reported"] == ["ip", "user_agent"]
        assert await denied(server, token_id) == 2


async def test_one_services_reports_do_not_hide_anothers(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, token_id)
        (one_id, one), (two_id, two) = [await server.token(workspace.id, "tokens:introspect") for _ in range(2)]
        for own in (one, two, one):
            await introspect(server, own, secret)
        found = await refusals(server, workspace.id, token_id)
        assert sorted((event.after or {})["reported_by"]["id"] for event in found) == sorted((one_id, two_id))


async def test_usage_of_tokens_outside_the_reporters_authority_is_left_out(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        mine, other = [await server.world.space(workspace, slug) for slug in ("mine", "other")]
        token_id, _ = await server.token(workspace.id, "jobs:read", space_id=mine.id)
        at = server.world.clock().isoformat()
        body = {"uses": [{"token_id": token_id, "at": at, "denied": 5, "ip": "203.0.113.66"}]}
        foreign = await server.world.workspace("spooled")
        for workspace_id, space_id in ((foreign.id, None), (workspace.id, other.id)):
            _, own = await server.token(workspace_id, "tokens:introspect", space_id=space_id)
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert (answer.status_code, answer.json()) == (200, {"accepted": 0})
        assert await denied(server, token_id) == 0
        assert (await token_view(server.world.system, OPERATOR, token_id)).token.last_used_ip is None


@requires("jobs:read")
async def jobs(_request: Request) -> JSONResponse:
    return JSONResponse({})


class Rotated:
    """A live token that was rotated so that its successor's first use ends it."""

    def __init__(self, server: Served, old_id: str, new: Secret, new_id: str) -> None:
        self.server, self.old_id, self.new, self.new_id = server, old_id, new, new_id

    async def old_status(self) -> str:
        """Whether it is still good."""
        return (await token_view(self.server.world.system, OPERATOR, self.old_id)).status.value


async def rotated(server: Served, workspace_id: str) -> Rotated:
    old_id, _ = await server.token(workspace_id, "jobs:read")
    issued = await rotate_token(server.world.system, OPERATOR, old_id, retire_on_first_use=True)
    return Rotated(server, old_id, issued.secret, issued.view.token.id)


def remote(server: Served, own: str, environment: str | None = None) -> RemoteVerifier:
    transport = httpx.ASGITransport(server.app)
    return RemoteVerifier(
        ORIGIN,
        own,
        environment=environment,
        timeout=ANSWER_SECONDS_MAX,
        transport=transport,
        collect_usage=False,
        allow_plain_http=True,
    )


VERIFIERS = ["embedded", "embedded that knows", "remote", "remote that knows", "chain"]


def verifier_of(kind: str, server: Served, database_url: str, own: str, environment: str) -> Verifier:
    """One whose app, or which itself, holds tokens to the environment."""
    knows = environment if kind.endswith("knows") else None
    if kind.startswith("embedded"):
        products = packaged_products()
        return DatabaseVerifier(
            database_url, products, environment=knows, clock=server.world.clock, collect_usage=False
        )
    if kind.startswith("remote"):
        return remote(server, own, knows)
    return VerifierChain({"sp": remote(server, own)})


@pytest.mark.parametrize("kind", VERIFIERS)
async def test_a_successor_refused_for_its_environment_ends_nothing(database_url: str, kind: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token = await rotated(server, workspace.id)
        for environment, status, old in (("test", 401, "active"), ("live", 200, "expired")):
            verifier = verifier_of(kind, server, database_url, own, environment)
            middleware = [Middleware(TokenMiddleware, verifier=verifier, environment=environment)]
            app = Starlette(routes=[Route("/jobs", jobs)], middleware=middleware)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
                answer = await client.get("/jobs", headers=bearer(token.new.reveal()))
            await verifier.aclose()
            assert (answer.status_code, await token.old_status()) == (status, old), environment


async def test_a_stranger_who_asks_about_a_successor_ends_nothing(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace, foreign = [await server.world.workspace("spooled") for _ in range(2)]
        space = await server.world.space(workspace)
        token = await rotated(server, workspace.id)
        _, stranger = await server.token(foreign.id, "tokens:introspect")
        _, neighbour = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        for own in (stranger, neighbour):
            assert await introspect(server, own, token.new.reveal()) == {"active": False}
            assert await token.old_status() == "active"
        assert (await introspect(server, service, token.new.reveal()))["active"] is True
        assert await token.old_status() == "expired"


async def test_a_token_that_lacks_a_scope_is_used_all_the_same(database_url: str) -> None:
    """Its client has the new secret, which is what the old one waits for; what it may do is another question."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token = await rotated(server, workspace.id)
        verifier = DatabaseVerifier(database_url, packaged_products(), clock=server.world.clock, collect_usage=False)
        routes = [Route("/jobs", requires("jobs:write")(jobs))]
        app = Starlette(routes=routes, middleware=[Middleware(TokenMiddleware, verifier=verifier)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            assert (await client.get("/jobs", headers=bearer(token.new.reveal()))).status_code == 403
        await verifier.aclose()
        assert await token.old_status() == "expired"


async def test_two_apps_of_one_verifier_are_told_apart(database_url: str) -> None:
    """The refused one does not end the old token, and the answer that was read for it is good for the other one."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token = await rotated(server, workspace.id)
        verifier = DatabaseVerifier(database_url, packaged_products(), clock=server.world.clock, collect_usage=False)
        statuses = []
        for environment in ("test", "live"):
            middleware = [Middleware(TokenMiddleware, verifier=verifier, environment=environment)]
            app = Starlette(routes=[Route("/jobs", jobs)], middleware=middleware)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
                statuses.append((await client.get("/jobs", headers=bearer(token.new.reveal()))).status_code)
        assert isinstance(await verifier.verify(token.new), Authenticated)
        await verifier.aclose()
        assert statuses == [401, 200]


@pytest.mark.parametrize("kind", ["embedded", "remote", "chain"])
async def test_a_chain_of_rotations_has_one_limit(database_url: str, kind: str) -> None:
    """A bot that rotates itself with a grace of 0 gets no more through than one that does not: here its burst of 20."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "tokens:create", "tokens:revoke", "jobs:read")
        _, own = await server.token(workspace.id, "tokens:introspect")
        first_id, statuses = token_id, []
        verifier = verifier_of(kind, server, database_url, own, "live")
        limits = MemoryLimiter(clock=lambda: 0.0)
        middleware = [Middleware(TokenMiddleware, verifier=verifier, limits=limits)]
        app = Starlette(routes=[Route("/jobs", jobs)], middleware=middleware)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            for _ in range(4):
                verdict = await verifier.verify(Secret(secret))
                assert isinstance(verdict, Authenticated)
                assert (verdict.principal.id, verdict.principal.rate_limit_key) == (token_id, first_id)
                statuses += [(await client.get("/jobs", headers=bearer(secret))).status_code for _ in range(10)]
                itself = TokenCaller(token_id, "bot", workspace.id, FACTS)
                issued = await rotate_token(server.world.system, itself, token_id, grace_seconds=0)
                token_id, secret = issued.view.token.id, issued.secret.reveal()
        await verifier.aclose()
        assert statuses == [200] * 20 + [429] * 20
