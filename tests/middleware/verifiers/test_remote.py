"""A remote Spacekey that misbehaves, and usage reports to one."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from spacekey.domain.authentication import Authenticated, Unavailable
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.domain.usage import TokenUse, UsageBatch
from spacekey.middleware.verifiers.remote import RemoteUsage, RemoteVerifier, UsageRejected
from spacekey.verifiers import MemoryVerifier
from support.verifiers.contract import principal
from support.verifiers.stateless import OWN, introspection_of

# --- a remote Spacekey that misbehaves


def remote(answer: Callable[[httpx.Request], Any], **settings: Any) -> RemoteVerifier:
    """A verifier over a scripted server."""

    async def handle(request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await answer(request) if asyncio.iscoroutinefunction(answer) else answer(request)
        return response

    return RemoteVerifier("https://keys.test", OWN, transport=httpx.MockTransport(handle), **settings)


GOOD = introspection_of(Authenticated(principal()))
SECRET = MemoryVerifier().issue("jobs:read")

GARBAGE: list[Any] = [
    b"",
    b"<html>",
    b"null",
    b"[]",
    b'"active"',
    b"{}",
    b"[" * 50_000,
    b"\xff",
    {"active": "true"},
    {"active": 1},
    {"active": None},
    {"active": True},
    {**GOOD, "sub": ""},
    {**GOOD, "sub": 7},
    {**GOOD, "kind": "admin"},
    {**GOOD, "kind": None},
    {**GOOD, "kind": "workspace"},
    {**GOOD, "space_id": None},
    {**GOOD, "space_id": 7},
    {**GOOD, "environment": ["live"]},
    {**GOOD, "scope": ["jobs:read"]},
    {**GOOD, "scope": None},
    {**GOOD, "exp": "tomorrow"},
    {**GOOD, "exp": -1},
    {**GOOD, "exp": 1e300},
    {**GOOD, "exp": True},
    {**GOOD, "expires_at": "tomorrow"},
    {**GOOD, "expires_at": "2100-01-01T00:00:00"},
    {**GOOD, "expires_at": 4102444800},
    {**GOOD, "expires_at": "2100-01-01T00:00:00+00:00", "exp": "soon"},
    {**GOOD, "rate_limit": 5},
    {**GOOD, "rate_limit": {"per_minute": 0, "burst": 1}},
    {**GOOD, "rate_limit": {"per_minute": True, "burst": 1}},
    {**GOOD, "max_age": "1"},
    {**GOOD, "max_age": -1},
    {**GOOD, "padding": "x" * 100_000},
    json.dumps(GOOD).replace('"max_age": 1.0', '"max_age": NaN').encode(),
    json.dumps(GOOD).replace('"max_age": 1.0', '"max_age": Infinity').encode(),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_no_answer(garbage: Any) -> None:
    content = garbage if isinstance(garbage, bytes) else json.dumps(garbage).encode()
    verifier = remote(lambda _: httpx.Response(200, content=content))
    assert isinstance(await verifier.verify(SECRET), Unavailable)
    await verifier.aclose()


@pytest.mark.parametrize(
    ("answer", "ends_at"),
    [
        ({"exp": 4102444800}, datetime(2100, 1, 1, tzinfo=UTC)),
        (
            {"exp": 4102444800, "expires_at": "2100-01-01T00:00:00.250000+00:00"},
            datetime(2100, 1, 1, 0, 0, 0, 250_000, UTC),
        ),
        (
            {"exp": 4102444800, "expires_at": "2100-01-01T01:00:00.25+01:00"},
            datetime(2100, 1, 1, 0, 0, 0, 250_000, UTC),
        ),
        ({}, None),
    ],
    ids=["whole seconds", "exact", "another zone", "never"],
)
async def test_the_end_is_the_exact_one_where_it_is_told(answer: dict[str, Any], ends_at: datetime | None) -> None:
    verifier = remote(lambda _: httpx.Response(200, json={**GOOD, "exp": None, "expires_at": None, **answer}))
    verdict = await verifier.verify(SECRET)
    assert isinstance(verdict, Authenticated)
    assert verdict.principal.expires_at == ends_at
    await verifier.aclose()


@pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 404, 429, 500, 502, 503])
async def test_any_status_but_200_is_no_answer(status: int, caplog: pytest.LogCaptureFixture) -> None:
    headers = {"location": "https://evil.test/", "retry-after": "7"}
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(status, json=GOOD, headers=headers)

    verifier = remote(answer)
    verdict = await verifier.verify(SECRET)
    assert isinstance(verdict, Unavailable)
    assert verdict.retry_after_seconds == 7
    assert asked == ["keys.test"]
    assert ("own token" in caplog.text) == (status in (401, 403))
    assert OWN not in caplog.text
    assert SECRET.reveal() not in caplog.text
    await verifier.aclose()


@pytest.mark.parametrize(("text", "seconds"), [("", 1), ("0", 1), ("-3", 1), ("soon", 1), ("9" * 30, 60), ("٣", 1)])
async def test_retry_after_is_read_with_distrust(text: str, seconds: int) -> None:
    verifier = remote(lambda _: httpx.Response(503, headers=[(b"retry-after", text.encode())]))
    verdict = await verifier.verify(SECRET)
    assert isinstance(verdict, Unavailable)
    assert verdict.retry_after_seconds == seconds
    await verifier.aclose()


BROKEN: list[tuple[Exception, int]] = [
    (httpx.ConnectError("refused"), 2),
    (httpx.RemoteProtocolError("closed"), 2),
    (httpx.ReadError("reset"), 2),
    (httpx.ReadTimeout("slow"), 1),
    (httpx.ConnectTimeout("slow"), 1),
    (httpx.PoolTimeout("full"), 1),
]


@pytest.mark.parametrize(("error", "attempts"), BROKEN)
async def test_a_broken_connection_is_tried_once_more_and_a_slow_one_is_not(error: Exception, attempts: int) -> None:
    asked: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        raise error

    verifier = remote(answer)
    assert isinstance(await verifier.verify(SECRET), Unavailable)
    assert len(asked) == attempts
    await verifier.aclose()


async def test_a_connection_that_broke_once_is_no_outage() -> None:
    asked: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        if len(asked) == 1:
            raise httpx.RemoteProtocolError("the server closed an idle connection")
        return httpx.Response(200, json=GOOD)

    verifier = remote(answer)
    assert await verifier.verify(SECRET) == Authenticated(principal())
    await verifier.aclose()


async def test_a_server_that_hangs_is_cannot_tell_within_the_deadline() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    verifier = remote(answer, timeout=0.05)
    assert isinstance(await verifier.verify(SECRET), Unavailable)
    await verifier.aclose()


@pytest.mark.parametrize("max_age", [0, 0.0, None])
async def test_without_max_age_every_verification_asks(max_age: float | None) -> None:
    asked: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        return httpx.Response(200, json={**GOOD, "max_age": max_age})

    verifier = remote(answer)
    for times in (1, 2, 3):
        assert isinstance(await verifier.verify(SECRET), Authenticated)
        assert len(asked) == times
    await verifier.aclose()


class Batching:
    """A remote Spacekey whose answers wait until they are let go, and that keeps what it was asked."""

    def __init__(self, *, has_batches: bool = True) -> None:
        self.memory = MemoryVerifier()
        self.has_batches = has_batches
        self.asked: list[list[str]] = []
        self.arrived: asyncio.Queue[int] = asyncio.Queue()
        self.go = asyncio.Event()
        self.go.set()
        self.spoil: Callable[[str], dict[str, Any] | None] = lambda _token: None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/batch"):
            token = dict(httpx.QueryParams(request.content.decode()))["token"]
            self._note([token])
            await self.go.wait()
            return httpx.Response(200, json=introspection_of(await self.memory.verify(Secret(token))))
        tokens = [row["token"] for row in json.loads(request.content)["tokens"]]
        self._note(tokens)
        await self.go.wait()
        if not self.has_batches:
            return httpx.Response(404)
        answers = [introspection_of(await self.memory.verify(Secret(token))) for token in tokens]
        spoiled = [self.spoil(token) or answer for token, answer in zip(tokens, answers, strict=True)]
        return httpx.Response(200, json={"results": spoiled})

    def _note(self, tokens: list[str]) -> None:
        self.asked.append(tokens)
        self.arrived.put_nowait(len(tokens))


def over(server: Batching, **settings: Any) -> RemoteVerifier:
    return RemoteVerifier("https://keys.test", OWN, transport=httpx.MockTransport(server.__call__), **settings)


async def test_one_question_is_sent_at_once_and_those_that_come_meanwhile_go_together() -> None:
    server = Batching()
    secrets = [server.memory.issue("jobs:read", name="n") for _ in range(20)]
    server.go.clear()
    verifier = over(server, timeout=30.0)
    waiting = [asyncio.create_task(verifier.verify(secret)) for secret in secrets]
    assert await server.arrived.get() == 1
    assert server.asked == [[secrets[0].reveal()]]
    server.go.set()
    assert all(isinstance(verdict, Authenticated) for verdict in await asyncio.gather(*waiting))
    assert [len(tokens) for tokens in server.asked] == [1, 19]
    await verifier.aclose()


async def test_a_request_that_hangs_does_not_hold_up_the_questions_that_follow() -> None:
    server = Batching()
    secrets = [server.memory.issue("jobs:read", name="n") for _ in range(3)]
    server.go.clear()
    verifier = over(server, timeout=30.0)
    waiting = [asyncio.create_task(verifier.verify(secret)) for secret in secrets]
    assert [await server.arrived.get() for _ in range(2)] == [1, 2]  # the first one is still under way
    server.go.set()
    await asyncio.gather(*waiting)
    await verifier.aclose()


SPOILED: list[dict[str, Any]] = [
    {"error": "temporarily_unavailable", "retry_after": 7},
    {"active": "yes"},
    {"active": True, "unchanged": True},
    {**GOOD, "kind": "admin"},
]


@pytest.mark.parametrize("spoiled", SPOILED, ids=str)
async def test_one_result_that_is_no_answer_fails_that_token_alone(spoiled: dict[str, Any]) -> None:
    server = Batching()
    good, bad, other = (server.memory.issue("jobs:read", name="n") for _ in range(3))
    server.spoil = lambda token: spoiled if token == bad.reveal() else None
    verifier = over(server)
    verdicts = await verifier.verify_many([good, bad, other])
    assert [type(verdict) for verdict in verdicts] == [Authenticated, Unavailable, Authenticated]
    if "error" in spoiled:
        assert verdicts[1] == Unavailable("introspection cannot tell about this token", 7)
    await verifier.aclose()


async def test_an_older_server_is_asked_one_by_one_and_not_for_a_batch_again() -> None:
    server = Batching(has_batches=False)
    secrets = [server.memory.issue("jobs:read", name="n") for _ in range(5)]
    now = [0.0]
    verifier = over(server, clock=lambda: now[0])
    for batches in (1, 1, 2):
        verdicts = await verifier.verify_many(secrets)
        assert all(isinstance(verdict, Authenticated) for verdict in verdicts)
        assert len([tokens for tokens in server.asked if len(tokens) > 1]) == batches
        now[0] += 40.0
    await verifier.aclose()


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_batch_that_is_refused_is_no_answer_about_any_of_them(status: int) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(status, headers={"retry-after": "7"})

    verifier = remote(answer)
    secrets = [MemoryVerifier().issue("a") for _ in range(3)]
    verdicts = await verifier.verify_many(secrets)
    assert verdicts == [Unavailable(f"introspection answered {status}", 7)] * 3
    assert asked == ["/api/v1/introspect/batch"]
    await verifier.aclose()


async def test_closing_answers_what_waits() -> None:
    server = Batching()
    server.go.clear()
    verifier = over(server, timeout=30.0)
    waiting = [asyncio.create_task(verifier.verify(server.memory.issue("a", name="n"))) for _ in range(3)]
    await server.arrived.get()
    await verifier.aclose()
    assert [type(verdict) for verdict in await asyncio.gather(*waiting)] == [Unavailable] * 3


URLS: list[tuple[str, bool]] = [
    ("https://keys.test", True),
    ("https://keys.test/base/", True),
    ("http://127.0.0.1:8000", True),
    ("http://localhost:8000", True),
    ("http://[::1]:8000", True),
    ("http://keys.test", False),
    ("http://127.0.0.1.evil.test", False),
    ("ftp://keys.test", False),
    ("keys.test", False),
    ("https://", False),
    ("https://keys.test?x=1", False),
    ("https://u:p@keys.test", False),
    ("", False),
]


@pytest.mark.parametrize(("url", "good"), URLS)
async def test_secrets_travel_encrypted_or_not_at_all(url: str, good: bool) -> None:
    if good:
        await RemoteVerifier(url, OWN).aclose()
    else:
        with pytest.raises(ConfigurationError):
            RemoteVerifier(url, OWN)
    if url == "http://keys.test":
        await RemoteVerifier(url, OWN, allow_plain_http=True).aclose()


# --- usage reports


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
    with pytest.raises(ServiceUnavailable):
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


# --- a verifier that is closed, and faults of its own


@contextmanager
def nothing_unretrieved() -> Iterator[None]:
    """Fail if a task or future of the block ends with an exception that nothing retrieves."""
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    try:
        yield
        gc.collect()
        assert told == []
    finally:
        loop.set_exception_handler(None)


async def test_a_closed_verifier_is_unavailable() -> None:
    verifier = remote(lambda _: httpx.Response(200, json=GOOD))
    await verifier.aclose()
    with nothing_unretrieved():
        assert await verifier.verify(SECRET) == Unavailable("the verifier was closed")
        verdicts = await verifier.verify_many([SECRET, MemoryVerifier().issue("a")])
        assert list(verdicts) == [Unavailable("the verifier was closed")] * 2


async def test_a_verification_under_way_is_unavailable_when_the_verifier_is_closed() -> None:
    asked = asyncio.Event()

    async def hang(_: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    verifier = remote(hang, timeout=600.0)
    with nothing_unretrieved():
        first = asyncio.create_task(verifier.verify(SECRET))
        await asked.wait()
        second = asyncio.create_task(verifier.verify(MemoryVerifier().issue("a")))  # waits for its turn
        await asyncio.sleep(0)
        await verifier.aclose()
        assert [type(one) for one in await asyncio.gather(first, second)] == [Unavailable, Unavailable]


@pytest.mark.parametrize("several", [False, True])
async def test_a_fault_of_the_transport_is_unavailable(several: bool) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("sp_live_secret")

    verifier = remote(fail)
    with nothing_unretrieved():
        secrets = [MemoryVerifier().issue("a") for _ in range(3 if several else 1)]
        for verdict in await asyncio.gather(*(verifier.verify(each) for each in secrets)):
            assert verdict == Unavailable("introspection failed with RuntimeError")
    await verifier.aclose()
