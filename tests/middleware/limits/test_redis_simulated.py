"""The limit holds through restarts of Redis: many processes in virtual time, deaths at random, no benefit of a doubt.

The processes are the limiter itself over a modelled Redis. What is counted is when the server or the share decided, so
one admission too many in any window is seen, whatever its answer took.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from spacekey.domain.principal import Limit
from spacekey.middleware.limits import redis
from spacekey.middleware.limits.redis import AWAY_SECONDS, SETTLE_SECONDS, RedisLimiter
from support.virtual_time import VirtualLoop, in_virtual_time

from .modelled_redis import CALL, Call, ModelledClient, ModelledRedis

PROCESSES = 4
LIMIT = Limit(per_minute=2_400, burst=8)
AT_ONCE = 3
"""How many requests of one process ask at the same time."""
RUN_SECONDS = 14.0
SHORT_LOADING_SECONDS = SETTLE_SECONDS - AWAY_SECONDS


class World:
    """Some processes that ask for all they can get, and what they were admitted."""

    def __init__(self, loop: VirtualLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.server = ModelledRedis(chance)
        self.admitted: list[float] = []
        self.quiet_until: dict[RedisLimiter, float] = {}

    async def hammer(self, limiter: RedisLimiter) -> None:
        """Ask and ask again, with pauses of the whole process, in which its connections may die unnoticed."""
        while True:
            if self.chance.random() < 0.01:
                self.quiet_until[limiter] = self.loop.time() + self.chance.uniform(0.0, 4.0)
            await asyncio.sleep(max(0.0, self.quiet_until.get(limiter, 0.0) - self.loop.time()))
            call = Call()
            CALL.set(call)
            decision = await limiter.charge("key_1", LIMIT)
            if decision.allowed:
                self.admitted.append(call.decided_at if call.answered else self.loop.time())
            await asyncio.sleep(self.chance.uniform(0.001, 0.02))

    async def deaths(self, loading_seconds_max: float) -> None:
        """Kill and start it, with pauses from none to seconds."""
        while True:
            await asyncio.sleep(self.chance.choice((0.05, 0.4, 1.5, 4.0)) * self.chance.uniform(0.5, 1.5))
            self.server.kill()
            await asyncio.sleep(self.chance.choice((0.0, 0.02, 0.5, 2.0)) * self.chance.uniform(0.5, 1.5))
            self.server.start(loading_seconds=self.chance.uniform(0.0, loading_seconds_max))


async def admissions(loop: VirtualLoop, seed: int, loading_seconds_max: float = SHORT_LOADING_SECONDS) -> list[float]:
    """When one run admitted something, in order.

    :param seed: of everything that is left to chance.
    :param loading_seconds_max: how long the server may take from its start to its first answer.
    """
    chance = random.Random(seed)
    world = World(loop, chance)
    limiters = []
    for _ in range(PROCESSES):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redis, "_client", lambda _: ModelledClient(world.server))
            limiters.append(RedisLimiter("model", processes=PROCESSES, timeout_seconds=0.9, clock=loop.time))
    jobs = [asyncio.ensure_future(world.hammer(one)) for one in limiters for _ in range(AT_ONCE)]
    jobs.append(asyncio.ensure_future(world.deaths(loading_seconds_max)))
    await asyncio.sleep(RUN_SECONDS)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    for limiter in limiters:
        await limiter.aclose()
    return sorted(world.admitted)


def most_above_the_limit(admitted: list[float], times: int = 1) -> float:
    """By how many the worst window exceeds so many times burst + rate × its length; 0 or less is well."""
    rate, burst = times * LIMIT.per_minute / 60, times * LIMIT.burst
    lowest = float("inf")
    excess = float("-inf")
    for count, at in enumerate(admitted):
        lowest = min(lowest, count - rate * at)
        excess = max(excess, count + 1 - rate * at - lowest - burst)
    return round(excess, 3)  # times are in whole microseconds


def test_the_count_can_fail() -> None:
    assert most_above_the_limit([0.0] * LIMIT.burst) == 0
    assert most_above_the_limit([0.0] * (LIMIT.burst + 1)) == 1
    assert most_above_the_limit([0.0] * (LIMIT.burst + 1), times=2) < 0


@pytest.mark.parametrize("seed", range(60))
def test_no_window_holds_more_than_the_limit(seed: int) -> None:
    admitted = in_virtual_time(lambda loop: admissions(loop, seed))
    assert len(admitted) > LIMIT.burst
    assert most_above_the_limit(admitted) <= 0


@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_takes_long_to_load_is_worth_twice_the_limit_at_most(seed: int) -> None:
    """Its accounts are empty at its start, and it cannot say when it has loaded."""
    admitted = in_virtual_time(lambda loop: admissions(loop, seed, loading_seconds_max=3.0))
    assert len(admitted) > LIMIT.burst
    assert most_above_the_limit(admitted, times=2) <= 0
