"""The example app's WebSockets and GraphQL, over a real socket."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from spacekey import TokenMiddleware, requires
from spacekey.examples.jobs.starlette_app import make_app
from spacekey.verifiers import MemoryVerifier
from support.apps.jobs_requests import STREAMS, bearer
from support.running_app import running
from support.web_socket import web_socket

ANSWER_SECONDS_MAX = 60.0


class Jobs:
    """The app, its address and its tokens."""

    def __init__(self, url: str, verifier: MemoryVerifier) -> None:
        self.url = url
        self.verifier = verifier

    def token(self, *scopes: str) -> str:
        return self.verifier.issue(*scopes, space_id="space_1").reveal()

    def create(self) -> str:
        made = httpx.post(f"{self.url}/jobs", json={}, headers=bearer(self.token("jobs:create")), trust_env=False)
        return str(made.json()["id"])


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    verifier = MemoryVerifier()
    with running(make_app(verifier)) as url:
        yield Jobs(url, verifier)


@pytest.mark.parametrize("held", ["jobs:read", "jobs:read:progress", "jobs:create"])
@pytest.mark.parametrize("path", STREAMS)
async def test_a_stream_opens_with_its_own_scope_and_no_other(jobs: Jobs, path: str, held: str) -> None:
    url = jobs.url + path.format(job=jobs.create())
    if held == STREAMS[path]:
        async with web_socket(url, headers=bearer(jobs.token(held))):
            pass
        return
    with pytest.raises(WebSocketUpgradeError) as denied:
        async with web_socket(url, headers=bearer(jobs.token(held))):
            pass
    assert denied.value.response.status_code == 403
    assert f'scope="{STREAMS[path]}"' in denied.value.response.headers["www-authenticate"]


async def test_a_single_job_stream_tells_of_that_job_only(jobs: Jobs) -> None:
    watched, other = jobs.create(), jobs.create()
    async with (
        httpx.AsyncClient(base_url=jobs.url, headers=bearer(jobs.token("jobs:event"))) as worker,
        web_socket(f"{jobs.url}/jobs/{watched}/stream", headers=bearer(jobs.token("jobs:read:progress"))) as stream,
    ):
        await _told(stream, worker, watched, other)


async def _told(stream: AsyncWebSocketSession, worker: httpx.AsyncClient, watched: str, other: str) -> None:
    """The stream is accepted a moment before it watches, so the worker speaks until it is heard."""
    for number in range(100):
        await worker.post(f"/jobs/{other}/events", json={"text": "not to be seen"})
        await worker.post(f"/jobs/{watched}/events", json={"text": str(number)})
        try:
            heard: dict[str, str] = await stream.receive_json(timeout=0.1)
        except TimeoutError:
            continue
        assert heard["job"] == watched
        assert heard["what"].startswith("event ")
        return
    raise AssertionError("nothing was heard")


@pytest.mark.parametrize(("path", "scope"), STREAMS.items())
async def test_an_open_stream_ends_when_its_token_is_revoked(jobs: Jobs, path: str, scope: str) -> None:
    secret = jobs.verifier.issue(scope, space_id="space_1")
    url = jobs.url + path.format(job=jobs.create())
    async with web_socket(url, headers=bearer(secret.reveal())) as stream:
        jobs.verifier.refuse(secret)
        with pytest.raises(WebSocketDisconnect) as closed:
            await stream.receive(timeout=ANSWER_SECONDS_MAX)
        assert closed.value.code == 4401


@pytest.mark.parametrize(("path", "scope"), STREAMS.items())
async def test_an_open_stream_ends_when_its_token_loses_the_scope(jobs: Jobs, path: str, scope: str) -> None:
    secret = jobs.verifier.issue(scope, space_id="space_1")
    url = jobs.url + path.format(job=jobs.create())
    async with web_socket(url, headers=bearer(secret.reveal())) as stream:
        jobs.verifier.grant(secret, "jobs:create")
        with pytest.raises(WebSocketDisconnect) as closed:
            await stream.receive(timeout=ANSWER_SECONDS_MAX)
        assert closed.value.code == 4403


async def test_a_subscription_whose_scope_has_gone_ends_alone(jobs: Jobs) -> None:
    secret = jobs.verifier.issue("jobs:read", space_id="space_1")
    async with web_socket(f"{jobs.url}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init", "payload": bearer(secret.reveal())})
        assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": "subscription { feed { what } }"}})
        await socket.send_json({"type": "subscribe", "id": "2", "payload": {"query": "{ __typename }"}})
        assert {(await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] for _ in range(2)} == {
            "next",
            "complete",
        }
        jobs.verifier.grant(secret, "jobs:create")
        ended = await socket.receive_json(timeout=ANSWER_SECONDS_MAX)
        assert (ended["type"], ended["id"]) == ("error", "1")
        assert ended["payload"][0]["extensions"]["missingScopes"] == ["jobs:read"]
        jobs.verifier.refuse(secret)
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=ANSWER_SECONDS_MAX)
        assert closed.value.code == 4401


async def test_a_browser_sends_its_token_as_a_subprotocol_pair(jobs: Jobs) -> None:
    offered = ["spacekey.bearer", jobs.token("jobs:read")]
    async with web_socket(f"{jobs.url}/feed", subprotocols=offered) as stream:
        assert stream.subprotocol == "spacekey.bearer"


async def _graphql(jobs: Jobs, secret: str | None, query: str) -> dict[str, Any]:
    headers = {} if secret is None else bearer(secret)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{jobs.url}/graphql", json={"query": query}, headers=headers)
    result: dict[str, Any] = answer.json()
    return result


async def test_graphql_fields_obey_the_rules_of_the_rest_routes(jobs: Jobs) -> None:
    assert (await _graphql(jobs, None, "{ health }"))["data"] == {"health": "ok"}
    made = await _graphql(jobs, jobs.token("jobs:create"), "mutation { createJob { id status } }")
    assert made["data"]["createJob"]["status"] == "pending"
    denied = await _graphql(jobs, jobs.token("jobs:create"), "{ jobs { id } }")
    assert denied["errors"][0]["extensions"] == {
        "code": "INSUFFICIENT_SCOPE",
        "coordinate": "Query.jobs",
        "missingScopes": ["jobs:read"],
    }
    anonymous = await _graphql(jobs, None, "{ jobs { id } }")
    assert anonymous["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await _graphql(jobs, jobs.token("jobs:read"), "{ jobs { id events } }"))["data"]["jobs"]


@pytest.mark.parametrize(
    ("held", "field", "opens"),
    [
        ("jobs:read", "feed { what }", True),
        ("jobs:read", 'jobChanges(id: "JOB") { what }', False),
        ("jobs:read:progress", "feed { what }", False),
        ("jobs:read:progress", 'jobChanges(id: "JOB") { what }', True),
    ],
)
async def test_a_subscription_opens_with_its_own_scope_and_no_other(
    jobs: Jobs, held: str, field: str, opens: bool
) -> None:
    job = jobs.create()
    async with web_socket(f"{jobs.url}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        await socket.send_json({"type": "connection_init", "payload": bearer(jobs.token(held))})
        assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
        query = "subscription { " + field.replace("JOB", job) + " }"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        if not opens:
            assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "error"
            return
        async with httpx.AsyncClient(base_url=jobs.url, headers=bearer(jobs.token("jobs:event"))) as worker:
            for _ in range(100):
                await worker.post(f"/jobs/{job}/events", json={"text": "on"})
                try:
                    message = await socket.receive_json(timeout=0.1)
                except TimeoutError:
                    continue
                assert message["type"] == "next"
                return
    raise AssertionError("nothing was heard")


# A refused WebSocket over each of uvicorn's protocols: the client gets the whole refusal, and the log stays quiet.


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
