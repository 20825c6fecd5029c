"""The contract, over the verifiers that need no store; and what only one of them does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import CannotTell, Reason, Refused, Valid, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware import BrandChain, MemoryVerifier
from spacekey.middleware.verifiers.remote import RemoteVerifier
from support.verifier_contract import VerifierContract, Workbench, principal
from support.verifiers import BENCHES, OWN, introspection_of


@pytest.fixture(params=BENCHES, ids=lambda kind: kind.__name__)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Workbench]:
    """Each verifier in turn."""
    made: Workbench = request.param()
    yield made
    await made.verifier.aclose()


class TestEveryVerifier(VerifierContract):
    """All promises, for each."""


# --- a remote Spacekey that misbehaves


def remote(answer: Callable[[httpx.Request], Any], **settings: Any) -> RemoteVerifier:
    """A verifier over a scripted server."""

    async def handle(request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await answer(request) if asyncio.iscoroutinefunction(answer) else answer(request)
        return response

    return RemoteVerifier("https://keys.test", OWN, transport=httpx.MockTransport(handle), **settings)


GOOD = introspection_of(Valid(principal()))
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
    {**GOOD, "limit": 5},
    {**GOOD, "limit": {"per_minute": 0, "burst": 1}},
    {**GOOD, "limit": {"per_minute": True, "burst": 1}},
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
    assert isinstance(await verifier.verify(SECRET), CannotTell)
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
    assert isinstance(verdict, Valid)
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
    assert isinstance(verdict, CannotTell)
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
    assert isinstance(verdict, CannotTell)
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
    assert isinstance(await verifier.verify(SECRET), CannotTell)
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
    assert await verifier.verify(SECRET) == Valid(principal())
    await verifier.aclose()


async def test_a_server_that_hangs_is_cannot_tell_within_the_deadline() -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    verifier = remote(answer, deadline_seconds=0.05)
    assert isinstance(await verifier.verify(SECRET), CannotTell)
    await verifier.aclose()


@pytest.mark.parametrize("max_age", [0, 0.0, None])
async def test_without_max_age_every_verification_asks(max_age: float | None) -> None:
    asked: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(1)
        return httpx.Response(200, json={**GOOD, "max_age": max_age})

    verifier = remote(answer)
    for times in (1, 2, 3):
        assert isinstance(await verifier.verify(SECRET), Valid)
        assert len(asked) == times
    await verifier.aclose()


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


# --- the chain


async def test_a_chain_shows_a_secret_to_one_verifier_only() -> None:
    one, two, old = MemoryVerifier("sp"), MemoryVerifier("em"), Old()
    chain = BrandChain({"sp": one, "em": two}, otherwise=old)
    spooled, emit = one.issue("a"), two.issue("b")
    third = MemoryVerifier("gg").issue("c")
    legacy = Secret("legacy-token")
    assert isinstance(await chain.verify(spooled), Valid)
    assert isinstance(await chain.verify(emit), Valid)
    assert old.seen == []
    for secret in (third, legacy, Secret("sp_old_shape")):
        assert await chain.verify(secret) == Valid(OLD)
    assert old.seen == [third, legacy, Secret("sp_old_shape")]


async def test_a_chain_without_otherwise_refuses_strangers() -> None:
    chain = BrandChain({"sp": MemoryVerifier("sp")})
    assert await chain.verify(Secret("legacy-token")) == Refused(Reason.MALFORMED)
    assert await chain.verify(MemoryVerifier("gg").issue("c")) == Refused(Reason.UNKNOWN)
    assert chain.peek(Secret("legacy-token").bearer()) is None


async def test_a_chain_closes_everyone_even_when_one_fails() -> None:
    first, last = Old(fails=True), Old()
    with pytest.raises(ExceptionGroup):
        await BrandChain({"sp": first, "em": first}, otherwise=last).aclose()
    assert (first.closed, last.closed) == (1, 1)


def test_a_brand_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        BrandChain({"SP_": MemoryVerifier()})


OLD = Principal("old", Kind.MEMBER, frozenset({"a"}))


class Old:
    """Somebody's own older authentication."""

    def __init__(self, fails: bool = False) -> None:
        self.seen: list[Secret] = []
        self.closed = 0
        self._fails = fails

    async def verify(self, secret: Secret) -> Verdict:
        """Takes everything."""
        self.seen.append(secret)
        return Valid(OLD)

    async def aclose(self) -> None:
        """May fail."""
        self.closed += 1
        if self._fails:
            raise RuntimeError("broken")


async def test_expiry_in_memory_is_exact() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    verifier = MemoryVerifier(now=lambda: now[0])
    secret = verifier.issue("a", expires_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert isinstance(await verifier.verify(secret), Valid)
    now[0] = datetime(2026, 1, 2, tzinfo=UTC)
    assert await verifier.verify(secret) == Refused(Reason.EXPIRED, "key_1")
