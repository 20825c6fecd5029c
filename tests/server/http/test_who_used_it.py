"""The owner reads in the audit log who used a token that is not good any more, wherever the app asks about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError

from spacekey.domain.secret import Secret
from spacekey.models.engine.store import POSTGRESQL, SQLITE
from spacekey.server.settings import Settings
from support.databases import postgres_database, sqlite_database
from support.refused_uses import ANSWER_SECONDS_MAX, Place, place_of
from support.running_app import running, running_on_unix
from support.server import bearer, on_a_socket
from support.web_socket import web_socket

pytestmark = pytest.mark.sampled(3)

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


async def test_a_request_is_told_with_its_address_its_client_and_its_id(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        assert await _get(url, secret, {"User-Agent": "Gr\xfc\xdfe/1 (X11)", "X-Request-Id": "req-from-afar"}) == 401
        await place.assert_told(token_id, "127.0.0.1", "Gr\xfc\xdfe/1 (X11)", "req-from-afar")


async def test_an_address_behind_a_trusted_proxy_is_the_clients_and_may_be_of_version_6(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        assert await _get(url, secret, {"X-Forwarded-For": "2001:db8::7", "User-Agent": "curl/8"}) == 401
        await place.assert_told(token_id, "2001:db8::7", "curl/8")


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


async def test_the_client_of_a_unix_socket_has_no_address_and_never_the_apps(place: Place, tmp_path: Path) -> None:
    token_id, secret = await place.revoked()
    file = tmp_path / "app.sock"
    with running_on_unix(place.app(), file):
        transport = httpx.AsyncHTTPTransport(uds=str(file))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            sent = {**bearer(secret), "User-Agent": "curl/8"}
            assert (await client.get("/jobs", headers=sent, timeout=ANSWER_SECONDS_MAX)).status_code == 401
        await place.assert_told(token_id, "", "curl/8")


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


async def test_a_verification_outside_of_a_request_is_of_nobody(place: Place) -> None:
    token_id, secret = await place.revoked()
    verifier = place.verifier()
    await verifier.verify(Secret(secret))
    await verifier.aclose()
    await place.assert_told(token_id, "", "")


async def test_a_refused_handshake_is_told_with_its_client(place: Place) -> None:
    token_id, secret = await place.revoked()
    with running(place.app()) as url:
        with pytest.raises(WebSocketUpgradeError):
            async with web_socket(f"{url}/feed", headers={**bearer(secret), "User-Agent": "socket/1"}):
                pass
        await place.assert_told(token_id, "127.0.0.1", "socket/1")


async def test_an_open_socket_whose_token_ends_is_told_with_its_client(place: Place) -> None:
    token_id, secret = await place.token()
    with running(place.app()) as url:
        async with web_socket(f"{url}/feed", headers={**bearer(secret), "User-Agent": "socket/1"}) as socket:
            await place.revoke(token_id)
            await _closed(socket)
        await place.assert_told(token_id, "127.0.0.1", "socket/1")


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


@pytest.mark.parametrize("guarded", [True, False], ids=["behind a TokenMiddleware", "by itself"])
async def test_a_graphql_sockets_refused_connection_init_is_told_with_its_client(place: Place, guarded: bool) -> None:
    token_id, secret = await place.revoked()
    with running(place.app() if guarded else place.graphql_alone()) as url:
        async with web_socket(f"{url}/graphql", headers={"User-Agent": "graphql/1"}, subprotocols=[PROTOCOL]) as socket:
            await socket.send_json({"type": "connection_init", "payload": bearer(secret)})
            await _closed(socket)
        await place.assert_told(token_id, "127.0.0.1", "graphql/1")


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
