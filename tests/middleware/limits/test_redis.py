"""A Redis that is down, hangs, or answers nonsense: requests go on, on this process's own share. And its URL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from spacekey import Limiter
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.middleware.limits import redis
from spacekey.middleware.limits.redis import AWAY_SECONDS, SETTLE_SECONDS, RedisLimiter, Silence, check_redis_url
from support.redis_server import RedisServer

LIMIT = Limit(per_minute=60_000, burst=40)
SECONDS_MAX = 30.0
NOBODY = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def limiter_at(
    url: str, processes: int = 1, timeout_seconds: float = 0.05, told: list[bool] | None = None
) -> AsyncIterator[RedisLimiter]:
    """A limiter that is closed in the end."""
    notices = told if told is not None else []
    limiter = RedisLimiter(url, processes=processes, timeout_seconds=timeout_seconds, on_fallback=notices.append)
    try:
        yield limiter
    finally:
        await limiter.aclose()


async def until(condition: Callable[[], bool], limiter: Limiter | None = None) -> None:
    """Wait for it, within seconds; with a limiter, use it meanwhile."""
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():
            if limiter is not None:
                await limiter.charge("meanwhile", LIMIT)
            await asyncio.sleep(0.01)


async def test_without_redis_each_process_hands_out_its_share_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    told: list[bool] = []
    # Refused, and not too late: a Redis that is only late may have forgotten nothing.
    async with limiter_at(NOBODY, processes=8, told=told, timeout_seconds=0.9) as limiter:
        first = await limiter.charge("key_1", LIMIT)
        assert (first.allowed, limiter.falls_back, told) == (False, True, [True])  # what is left nobody knows
        for _ in range(int(SECONDS_MAX * 100)):  # the share starts empty again if a busy loop asks Redis too late
            if (await limiter.charge("key_1", LIMIT)).allowed:
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("nothing is admitted")
        await until(lambda: _looked(limiter) == LIMIT.burst // 8)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def _looked(limiter: RedisLimiter) -> int:
    return limiter._share.charge_at_once("key_1", LIMIT, 0).remaining


@pytest.mark.long
async def test_a_redis_that_hangs_costs_one_wait_and_not_one_a_request(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_server.wait_until_it_has_run_for(3.0)
    asked: list[str] = []
    told: list[bool] = []
    async with limiter_at(redis_server.url, told=told, timeout_seconds=0.2) as limiter:
        assert (await limiter.charge("key_1", LIMIT)).allowed
        redis_server.suspend()
        ask = limiter._accounts.charge

        async def counted(key: str, limit: Limit, cost: int) -> Any:
            asked.append(key)
            return await ask(key, limit, cost)

        monkeypatch.setattr(limiter._accounts, "charge", counted)
        assert (await limiter.charge("key_2", LIMIT)).allowed  # who has been quiet is not refused for a pause
        assert told == [True]
        answers = [limiter.charge_at_once("key_1", LIMIT) for _ in range(500)]
        assert None not in answers
        await until(lambda: asked.count("probe") >= 3, limiter)
        assert [key for key in asked if key != "probe"] == ["key_2"]
        redis_server.resume()
        await until(lambda: told == [True, False])
        assert limiter.charge_at_once("key_1", LIMIT) is None  # Redis decides again
        assert (await limiter.charge("key_3", LIMIT)).remaining >= LIMIT.burst - 1


@pytest.mark.long
async def test_many_pauses_hand_out_one_share_and_not_one_each(steady_redis: RedisServer) -> None:
    now = [0.0]
    limit = Limit(per_minute=60, burst=40)
    pause = Silence("a test says so", forgetful=False, seconds=SETTLE_SECONDS)
    limiter = RedisLimiter(steady_redis.url, processes=8, clock=lambda: now[0])
    admitted = 0
    for _ in range(10):
        limiter._fall_back(pause, now[0])
        decisions = [limiter.charge_at_once("key_1", limit) for _ in range(10)]
        admitted += sum(one is not None and one.allowed for one in decisions)
        limiter._come_back()
    await limiter.aclose()
    assert admitted == limit.burst // 8


@pytest.mark.long
async def test_a_late_answer_is_never_taken_for_another_question(redis_server: RedisServer) -> None:
    """What Redis still says to a question that was given up goes nowhere."""
    redis_server.wait_until_it_has_run_for(6.0)
    large, small = Limit(per_minute=60_000, burst=1_000), Limit(per_minute=60, burst=3)
    async with limiter_at(redis_server.url, timeout_seconds=0.2) as limiter:
        assert (await limiter.charge("large", large)).remaining == 999
        assert (await limiter.charge("small", small, 0)).remaining == 3
        redis_server.suspend()
        await asyncio.gather(*(limiter.charge("large", large) for _ in range(20)))
        redis_server.resume()
        await until(lambda: not limiter.falls_back)
        small_ones = await asyncio.gather(*(limiter.charge("small", small) for _ in range(10)))
        if not limiter.falls_back:  # a busy machine may have taken longer once more
            assert sum(one.allowed for one in small_ones) in (3, 4)


@pytest.mark.long
async def test_a_restarted_redis_is_used_again_by_itself(redis_server: RedisServer) -> None:
    told: list[bool] = []
    redis_server.wait_until_it_has_run_for(3.0)
    async with limiter_at(redis_server.url, told=told, timeout_seconds=0.5) as limiter:
        await limiter.charge("key_1", LIMIT)
        redis_server.kill()
        await limiter.charge("key_1", LIMIT)
        assert told == [True]
        redis_server.start()
        await until(lambda: told == [True, False])
        assert limiter.charge_at_once("key_1", LIMIT) is None


@pytest.mark.long
async def test_while_redis_has_only_just_started_shares_are_handed_out(redis_server: RedisServer) -> None:
    async with limiter_at(redis_server.url, timeout_seconds=0.9) as limiter:
        with redis_server.client() as client:
            young = client.info("server")["uptime_in_seconds"] == 0
        await limiter.charge("key_1", LIMIT)
        assert limiter.falls_back or not young
        await until(lambda: not limiter.falls_back)


@pytest.mark.long
@pytest.mark.parametrize("remembers", [False, True])
async def test_after_a_start_a_key_has_what_has_come_in_since_and_no_burst(
    redis_server: RedisServer, remembers: bool
) -> None:
    """Empty when it begins, as if all of it had just been used; and an older state on disk is not believed.

    A burst that takes a quarter of an hour to come back locks nobody out for one.
    """
    slow = Limit(per_minute=60, burst=1_000)
    async with limiter_at(redis_server.url, timeout_seconds=0.9) as limiter:
        await until(lambda: not limiter.falls_back, limiter)
        if remembers:
            with redis_server.client() as client:
                client.set("spacekey:limit:key_1", (int(client.time()[0]) - 3_600) * 1_000_000)
                client.save()
        redis_server.kill()
        await limiter.charge("key_1", slow)
        redis_server.start()
        await until(lambda: not limiter.falls_back)
        with redis_server.client() as client:
            assert bool(client.exists("spacekey:limit:key_1")) is remembers
            redis_server.wait_until_it_has_run_for(4.0)
            before = int(client.info("server")["uptime_in_seconds"])
            decision = await limiter.charge("key_1", slow)
            after = int(client.info("server")["uptime_in_seconds"])
        assert decision.allowed
        assert before - SETTLE_SECONDS - 2 <= decision.remaining + 1 <= after + 1 - SETTLE_SECONDS


@pytest.mark.long
async def test_a_script_that_was_flushed_is_loaded_again(steady_redis: RedisServer) -> None:
    async with limiter_at(steady_redis.url, timeout_seconds=0.9) as limiter:
        await limiter.charge("flushed", LIMIT)
        with steady_redis.client() as client:
            client.script_flush()
        assert (await limiter.charge("flushed", LIMIT)).allowed
        assert not limiter.falls_back


async def test_keys_are_gone_when_their_account_is_full(steady_redis: RedisServer) -> None:
    async with limiter_at(steady_redis.url, timeout_seconds=0.9) as limiter:
        await limiter.charge("gone", Limit(per_minute=600, burst=10), 5)
        with steady_redis.client() as client:
            assert 0 < client.pttl("spacekey:limit:gone") <= 500
            await until(lambda: not client.exists("spacekey:limit:gone"))


@pytest.mark.long
async def test_a_redis_that_refuses_to_write_counts_as_down(redis_server: RedisServer) -> None:
    redis_server.wait_until_it_has_run_for(3.0)
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
    async with limiter_at(redis_server.url, timeout_seconds=0.9) as limiter:
        await limiter.charge("key_1", LIMIT)
        assert limiter.falls_back


@pytest.mark.parametrize("forgetful", [False, True])
async def test_what_a_process_knows_of_an_outage_is_not_relied_on_for_long(
    redis_server: RedisServer, forgetful: bool
) -> None:
    """A process that was suspended during an outage asks first, and does not hand out a share beside Redis."""
    now = [0.0]
    redis_server.wait_until_it_has_run_for(3.0)
    limiter = RedisLimiter(redis_server.url, clock=lambda: now[0], timeout_seconds=0.9)
    try:
        limiter._fall_back(Silence("a test says so", forgetful, AWAY_SECONDS), 0.0)
        assert limiter.charge_at_once("key_1", LIMIT) is not None
        assert AWAY_SECONDS < SETTLE_SECONDS  # for which Redis decides nothing
        now[0] = AWAY_SECONDS
        assert limiter.charge_at_once("key_1", LIMIT) is None
        await limiter.charge("key_1", LIMIT)
        assert not limiter.falls_back
    finally:
        await limiter.aclose()


async def test_a_share_takes_nothing_in_for_the_time_after_the_outage() -> None:
    """Also when the answer that began it was read late: what came in since is what Redis hands out."""
    now = [0.0]
    limiter = RedisLimiter(NOBODY, clock=lambda: now[0])
    try:
        limiter._fall_back(Silence("a test says so", True, 0.01), 0.0)
        now[0] = 60.0
        assert limiter._share.charge_at_once("key_1", LIMIT, 0).remaining in range(11)  # of a burst of 40
    finally:
        await limiter.aclose()


@pytest.mark.parametrize(("asked_again_at", "allowed"), [(AWAY_SECONDS, True), (AWAY_SECONDS + 0.01, False)])
async def test_a_share_begins_anew_when_redis_may_have_decided_meanwhile(asked_again_at: float, allowed: bool) -> None:
    now = [0.0]
    limiter = RedisLimiter(NOBODY, clock=lambda: now[0])
    refused = Silence("a test says so", True, AWAY_SECONDS)
    try:
        limiter._fall_back(refused, 0.0)
        now[0] = asked_again_at
        limiter._fall_back(refused, now[0])
        decision = limiter.charge_at_once("key_1", LIMIT)
        assert decision is not None
        assert decision.allowed is allowed
    finally:
        await limiter.aclose()


async def test_an_answer_to_an_earlier_question_prolongs_nothing() -> None:
    limiter = RedisLimiter(NOBODY, clock=lambda: 0.5)
    try:
        limiter._fall_back(Silence("started, the script says", True, 0.1), 0.45)
        limiter._fall_back(Silence("refused, before that", True, AWAY_SECONDS), 0.3)
        assert limiter.charge_at_once("key_1", LIMIT) is not None
        assert limiter._until == pytest.approx(0.55)
    finally:
        await limiter.aclose()


@pytest.mark.long
async def test_connections_that_were_lost_long_ago_are_no_outage(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them: the second question goes over a new one."""
    redis_server.wait_until_it_has_run_for(3.0)
    async with limiter_at(redis_server.url, timeout_seconds=0.9) as limiter:
        await asyncio.gather(*(limiter.charge("key_1", LIMIT) for _ in range(8)))
        idle = limiter._accounts._redis.connection_pool._available_connections
        lost = {one._reader for one in idle if one.is_connected}
        assert len(lost) > 1
        send = AbstractConnection.send_packed_command

        async def send_or_fail(connection: AbstractConnection, *arguments: Any, **options: Any) -> None:
            if connection._reader in lost:
                raise RedisConnectionError("Connection lost")
            await send(connection, *arguments, **options)

        monkeypatch.setattr(AbstractConnection, "send_packed_command", send_or_fail)
        assert (await limiter.charge("key_1", LIMIT)).allowed
        assert not limiter.falls_back


async def test_an_observer_that_fails_does_not_reach_the_request() -> None:
    def fail(_: bool) -> None:
        raise RuntimeError

    limiter = RedisLimiter(NOBODY, on_fallback=fail)
    await limiter.charge("key_1", LIMIT)
    await limiter.aclose()


def test_a_password_in_the_url_is_not_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisLimiter("ftp://me:hunter2@host")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("processes", "timeout_seconds"), [(0, 0.05), (1, 0.0), (1, SETTLE_SECONDS)])
def test_settings_that_cannot_be_are_refused(processes: int, timeout_seconds: float) -> None:
    with pytest.raises(ConfigurationError):
        RedisLimiter(NOBODY, processes=processes, timeout_seconds=timeout_seconds)


async def test_an_event_loop_that_was_busy_is_no_outage() -> None:
    """The answer lay in the socket when the time was up."""
    import time

    answered = asyncio.Event()
    asyncio.get_running_loop().call_soon(answered.set)

    async def answer() -> list[int]:
        await answered.wait()
        return [1, 0]

    waiting = asyncio.ensure_future(redis._within(0.01, answer()))
    await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251 - the busy loop itself
    assert await waiting == [1, 0]


# --- the URL


WRONG = {
    "": "redis://host:6379/0",
    "localhost:6379": "redis://host:6379/0",
    "http://host": "redis://host:6379/0",
    "redis://": "host",
    "redis:///0": "host",
    "rediss://:hunter2@": "host",
    "redis://:hunter2@/1": "host",
    "redis://host:port": "host",
    "redis://host:99999": "port",
    "redis://host:0": "port",
    "redis://[::1": "redis://host:6379/0",
    "redis://:hun/ter2@host": "host",
    "redis://127.0.0.1:1/xyz": "database",
    "redis://host/-1": "database",
    "redis://host/1_0": "database",
    "redis://host/\u0661": "database",
    "redis://host/0/hunter2": "database",
    "redis://host/0#hunter2": "#",
    "unix://": "path",
    "unix:///": "path",
    "unix://run/redis.sock": "unix:///",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_url_that_cannot_be_says_why_and_shows_nothing_of_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_redis_url(url)
    assert WRONG[url] in str(caught.value)
    assert "hun" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        RedisLimiter(url)


@pytest.mark.parametrize("option", ["hunter=2", "db=x", "protocol=9", "retry=1", "socket_timeout=soon"])
def test_an_option_the_client_does_not_know_is_refused_at_once_and_not_at_the_first_charge(option: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the Redis URL: .*option") as caught:
        RedisLimiter(f"redis://host?{option}")
    assert "hunter" not in str(caught.value)
    assert caught.value.__suppress_context__  # whose words would show it in a traceback


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host/",
        "redis://host:6379/15",
        "redis://:hunter2@host:6379/0",
        "redis://name:hunter2@[::1]:6379/0",
        "rediss://host/0?ssl_cert_reqs=required",
        "unix:///run/redis.sock?db=1",
        "unix://:hunter2@/run/redis.sock",
    ],
)
def test_a_good_url_is_taken(url: str) -> None:
    check_redis_url(url)
    assert not RedisLimiter(url).falls_back
