"""Who sent the secret that is being verified: told to whoever verifies it, and to nobody afterwards."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import copy_context
from typing import Any

import pytest
from starlette.types import Scope

from spacekey.domain.secret import mint
from spacekey.middleware.auth.sender import UNKNOWN, Sender, SentBy, sender
from spacekey.middleware.usage.counts import UsageCounts
from support.asgi_calls import bearer as bearer_of
from support.asgi_calls import http_scope

SECRET = mint("sk", "live", bytes)
LONG = "x" * 1_000


def scope_of(ip: str | None = "192.0.2.7", *headers: tuple[bytes, bytes]) -> Scope:
    """A request from this address; None is a Unix socket's."""
    return {**http_scope("GET", "/", headers), "client": None if ip is None else (ip, 50_000)}


def agent(text: str) -> tuple[bytes, bytes]:
    """The header in which a client says what it is."""
    return b"user-agent", text.encode("latin-1")


def test_outside_of_a_request_nobody_is_known() -> None:
    assert sender() == UNKNOWN == Sender("", "", "")


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (scope_of("192.0.2.7", agent("curl/8")), Sender("192.0.2.7", "curl/8")),
        (scope_of("2001:db8::7"), Sender("2001:db8::7")),
        (scope_of(None, agent("curl/8")), Sender("", "curl/8")),
        (
            scope_of("192.0.2.7", (b"x-forwarded-for", b"10.0.0.1"), (b"forwarded", b"for=10.0.0.1")),
            Sender("192.0.2.7"),
        ),
        (scope_of("a\nb"), UNKNOWN),
        (scope_of("9" * 100), UNKNOWN),
        (scope_of("unknown"), UNKNOWN),
        (scope_of("::ffff:192.0.2.7"), Sender("192.0.2.7")),
        (scope_of("192.0.2.7", agent("one"), agent("two")), Sender("192.0.2.7", "one")),
        (scope_of("192.0.2.7", agent("a\x00b\tc\x1b[31md\x7f\x9f\xad")), Sender("192.0.2.7", "abc[31md")),
        (scope_of("192.0.2.7", agent("Gr\xfc\xdfe/1")), Sender("192.0.2.7", "Gr\xfc\xdfe/1")),
        (scope_of("192.0.2.7", agent(LONG)), Sender("192.0.2.7", "x" * 300)),
        (scope_of(None, (b"x-request-id", b"req-12345")), Sender(request_id="req-12345")),
        (scope_of(None, (b"x-request-id", b"short")), UNKNOWN),
        (scope_of(None, (b"x-request-id", b"req 12345")), UNKNOWN),
        (scope_of(None, (b"x-request-id", LONG.encode())), UNKNOWN),
        (scope_of(None, (b"x-request-id", b"req-12345"), (b"x-request-id", b"req-12345")), UNKNOWN),
        ({"type": "http", "headers": []}, UNKNOWN),
    ],
)
def test_a_request_tells_its_client_bounded_and_printable(scope: Scope, told: Sender) -> None:
    with SentBy(scope):
        assert sender() == told
    assert sender() == UNKNOWN


def test_no_secret_of_the_request_is_told() -> None:
    with SentBy(scope_of("192.0.2.7", *bearer_of(SECRET.reveal()), (b"cookie", b"hush"), agent("curl/8"))):
        assert sender() == Sender("192.0.2.7", "curl/8")


def test_a_request_within_a_request_is_told_until_it_is_over() -> None:
    with SentBy(scope_of("192.0.2.1")):
        with SentBy(scope_of("192.0.2.2")):
            assert sender().ip == "192.0.2.2"
        assert sender().ip == "192.0.2.1"


async def test_a_task_started_meanwhile_knows_the_sender_until_the_answer_and_keeps_no_request_alive() -> None:
    class Held(dict[str, Any]):
        """A scope that can be watched."""

    over, told = asyncio.Event(), list[Sender]()

    async def on_its_own() -> None:
        told.append(sender())
        await over.wait()
        told.append(sender())

    scope = Held(scope_of("192.0.2.7"))
    gone = weakref.ref(scope)
    with SentBy(scope):
        task, kept = asyncio.create_task(on_its_own()), copy_context()
        await asyncio.sleep(0)
    del scope
    gc.collect()
    assert gone() is None
    over.set()
    await task
    assert told == [Sender("192.0.2.7"), UNKNOWN]
    assert kept.run(sender) == UNKNOWN


@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8::7", "a name", "a\nb", "9" * 99, None])
def test_the_address_is_the_one_that_usage_counts(ip: str | None) -> None:
    scope = scope_of(ip)
    tally = UsageCounts(wake=lambda: None)
    tally.allowed("key_1", scope["client"])
    with SentBy(scope):
        assert sender().ip == tally.take(1)[0].ip


@pytest.mark.parametrize("failure", [TimeoutError, asyncio.CancelledError, RuntimeError])
async def test_after_a_verification_that_failed_nobody_is_known(failure: type[BaseException]) -> None:
    with pytest.raises(failure), SentBy(scope_of()):
        raise failure
    assert sender() == UNKNOWN
