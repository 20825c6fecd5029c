"""Reports to a remote Spacekey: what may pass is sent again under the same number, what never will is given up."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from spacekey.domain.errors import Unavailable
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.middleware.verifiers.remote import RemoteUsage, RemoteVerifier, UsageRejected

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
BATCH = UsageBatch("r1", 7, (TokenUse("key_1", AT, "192.0.2.1", 2, 1, 0, ("a",)), TokenUse("key_2", AT, used=False)))


class Server:
    """Answers as it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[int | Exception] = []
        self.sent: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.url.path.endswith("/usage") else None
        self.sent.append((request.url.path, request.headers["authorization"], body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, json={"accepted": 0, "detail": "at: too old"})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def sink(server: Server) -> AsyncIterator[RemoteUsage]:
    headers = {"Authorization": "Bearer own"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(server), headers=headers) as client:
        yield RemoteUsage(client, "https://keys.example.com/api/v1/usage")


async def test_a_batch_is_one_report(sink: RemoteUsage, server: Server) -> None:
    await sink.send(BATCH)
    row = {"token_id": "key_1", "at": "2026-06-01T12:00:00+00:00", "ip": "192.0.2.1"}
    knock = {"token_id": "key_2", "at": "2026-06-01T12:00:00+00:00", "ip": "", "used": False}
    uses = [{**row, "allowed": 2, "denied": 1, "scopes": ["a"]}, knock]
    assert server.sent == [("/api/v1/usage", "Bearer own", {"reporter": "r1", "number": 7, "uses": uses})]


@pytest.mark.parametrize(
    "answer",
    [
        401,
        403,
        408,
        429,
        500,
        502,
        503,
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        httpx.RemoteProtocolError("x"),
    ],
    ids=str,
)
async def test_what_may_pass_is_to_be_sent_again(sink: RemoteUsage, server: Server, answer: int | Exception) -> None:
    server.answers = [answer]
    with pytest.raises(Unavailable):
        await sink.send(BATCH)
    await sink.send(BATCH)
    assert server.sent[0] == server.sent[1]


@pytest.mark.parametrize("answer", [302, 400, 404, 413, 422])
async def test_what_will_never_be_taken_says_why(sink: RemoteUsage, server: Server, answer: int) -> None:
    server.answers = [answer]
    with pytest.raises(UsageRejected, match=f"{answer}: at: too old"):
        await sink.send(BATCH)


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        (b'{"accepted": 1, "requests_too_old": 7}', 7),
        (b'{"accepted": 2}', 0),
        (b'{"requests_too_old": -7}', 0),
        (b'{"requests_too_old": true}', 0),
        (b'{"requests_too_old": "7"}', 0),
        (b"[]", 0),
        (b"<html>", 0),
    ],
)
async def test_what_the_server_left_out_is_passed_on(answer: bytes, lost: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=answer))
    async with httpx.AsyncClient(transport=transport) as client:
        assert await RemoteUsage(client, "https://keys.example.com/api/v1/usage").send(BATCH) == lost


async def test_an_answer_that_is_no_problem_document_is_told_as_such() -> None:
    for content in (b"<html>", b"[]"):
        transport = httpx.MockTransport(lambda _, content=content: httpx.Response(404, content=content))
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(UsageRejected, match="no problem document"):
                await RemoteUsage(client, "https://keys.example.com/api/v1/usage").send(BATCH)


async def test_the_remote_verifier_reports_with_its_own_token_when_it_is_closed(server: Server) -> None:
    verifier = RemoteVerifier("https://keys.example.com", "own", transport=httpx.MockTransport(server))
    assert verifier.usage is not None
    verifier.usage.allowed("key_1", None)
    await verifier.aclose()
    assert [(path, token) for path, token, _ in server.sent] == [("/api/v1/usage", "Bearer own")]


async def test_a_remote_verifier_that_shall_not_collect_does_not(server: Server) -> None:
    transport = httpx.MockTransport(server)
    verifier = RemoteVerifier("https://keys.example.com", "own", collect_usage=False, transport=transport)
    assert verifier.usage is None
    await verifier.aclose()
    assert server.sent == []
