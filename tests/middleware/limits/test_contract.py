"""What every limiter promises, over each of them: in memory, over a real Redis, and a process's share of an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest

from spacekey.domain.principal import Limit
from spacekey.middleware.limits import Limiter, MemoryLimiter
from spacekey.middleware.limits.redis import RedisLimiter
from support.redis_server import RedisServer

SLOW = Limit(per_minute=30, burst=5)
"""So slow that what a busy machine takes does not matter, and so fast that a young Redis is soon past its start."""
FAST = Limit(per_minute=6_000, burst=5)

_numbers = count()


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    """Each limiter in turn."""
    made: Limiter
    if request.param == "memory":
        made = MemoryLimiter()
    else:
        server: RedisServer = request.getfixturevalue("steady_redis")
        made = RedisLimiter(server.url, timeout_seconds=0.9)  # the machine may be busy; outages are tested elsewhere
    yield made
    await made.aclose()


@pytest.fixture
def key() -> str:
    """A key nobody has used."""
    return f"key_{next(_numbers)}"


async def test_a_burst_passes_and_no_more(limiter: Limiter, key: str) -> None:
    decisions = [await limiter.charge(key, SLOW) for _ in range(8)]
    assert [one.allowed for one in decisions] == [True] * 5 + [False] * 3
    assert [one.remaining for one in decisions] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert all(one.limit is SLOW for one in decisions)


async def test_charges_at_the_same_moment_do_not_slip_past_each_other(limiter: Limiter, key: str) -> None:
    decisions = await asyncio.gather(*(limiter.charge(key, SLOW) for _ in range(40)))
    assert sum(one.allowed for one in decisions) == 5


async def test_a_refusal_costs_nothing_and_tells_when_to_come_again(limiter: Limiter, key: str) -> None:
    for _ in range(5):
        await limiter.charge(key, SLOW)
    waits = [(await limiter.charge(key, SLOW)).retry_after_seconds for _ in range(5)]
    assert waits == sorted(waits, key=lambda wait: -(wait or 0.0))  # it only comes nearer
    assert 0 < (waits[0] or 0) <= 2


async def test_who_comes_when_told_to_is_admitted(limiter: Limiter, key: str) -> None:
    for _ in range(5):
        await limiter.charge(key, FAST)
    while (decision := await limiter.charge(key, FAST, 5)).allowed:
        pass  # on a busy machine some of it has come back already
    await asyncio.sleep((decision.retry_after_seconds or 0) + 0.001)
    assert (await limiter.charge(key, FAST, 5)).allowed


async def test_cost_is_charged_whole_or_not_at_all(limiter: Limiter, key: str) -> None:
    assert (await limiter.charge(key, SLOW, 4)).remaining == 1
    refused = await limiter.charge(key, SLOW, 2)
    assert (refused.allowed, refused.remaining) == (False, 1)
    assert (await limiter.charge(key, SLOW, 1)).allowed


async def test_a_cost_above_the_burst_never_passes_and_says_so(limiter: Limiter, key: str) -> None:
    decision = await limiter.charge(key, SLOW, 6)
    assert (decision.allowed, decision.retry_after_seconds, decision.remaining) == (False, None, 5)


async def test_looking_costs_nothing(limiter: Limiter, key: str) -> None:
    looks = [await limiter.charge(key, SLOW, 0) for _ in range(20)]
    assert {(one.allowed, one.remaining, one.reset_seconds) for one in looks} == {(True, 5, 0.0)}


async def test_keys_do_not_share(limiter: Limiter, key: str) -> None:
    for _ in range(6):
        await limiter.charge(key, SLOW)
    assert (await limiter.charge(f"{key} another", SLOW)).remaining == 4


async def test_what_can_be_answered_at_once_is_not_charged_twice(limiter: Limiter, key: str) -> None:
    at_once = limiter.charge_at_once(key, SLOW)
    after = await limiter.charge(key, SLOW)
    assert after.remaining == (4 if at_once is None else 3)


async def test_a_changed_limit_holds_at_once(limiter: Limiter, key: str) -> None:
    for _ in range(5):
        await limiter.charge(key, SLOW)
    faster = await limiter.charge(key, FAST)
    assert faster.retry_after_seconds is not None
    assert faster.retry_after_seconds <= 0.05
