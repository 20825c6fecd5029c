"""The limit holds while Redis is killed and comes back without its memory: on a real Redis, and in virtual time."""

from __future__ import annotations

import asyncio
import bisect
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spacekey.domain.principal import Limit
from spacekey.middleware.limits import redis
from spacekey.middleware.limits.redis import AWAY_SECONDS, SETTLE_SECONDS, RedisLimiter
from support.redis_server import RedisServer
from support.virtual_time import VirtualLoop, in_virtual_time

from .modelled_redis import CALL, Call, ModelledClient, ModelledRedis

pytestmark = pytest.mark.long

PROCESSES = 8
LIMIT = Limit(per_minute=600, burst=16)
HAMMER = Path(__file__).with_name("hammer.py")
SECONDS_MAX = 120.0
TIMEOUT_SECONDS = 0.9
"""Long, so that on a busy machine no process takes the others' Redis for dead; a killed one is noticed at once."""


@dataclass
class Crowd:
    """The processes, and in the end what they were admitted."""

    running: list[subprocess.Popen[str]]
    admitted: list[tuple[float, float, str]] = field(default_factory=list)


@contextmanager
def hammering(server: RedisServer, key: str) -> Iterator[Crowd]:
    """Eight processes at once; when the block ends they stop, and what they were admitted is known."""
    command = [sys.executable, str(HAMMER), server.url, key, str(LIMIT.per_minute), str(LIMIT.burst)]
    command += [str(PROCESSES), str(TIMEOUT_SECONDS)]
    crowd = Crowd(
        [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE)
            for _ in range(PROCESSES)
        ]
    )
    try:
        for process in crowd.running:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "ready\n", process.communicate(timeout=SECONDS_MAX)
        yield crowd
        for process in crowd.running:
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None
        for process in crowd.running:
            said, _ = process.communicate(timeout=SECONDS_MAX)
            for line in said.splitlines():
                asked, answered, source = line.split()
                crowd.admitted.append((float(asked), float(answered), source))
    finally:
        for process in crowd.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def most_above_the_limit(admitted: list[tuple[float, float, str]]) -> float:
    """By how many admissions the worst window exceeds what may be admitted in it; 0 or less is well.

    An admission happened somewhere between its question and its answer. Counted are those that lie within a window
    wholly, with no benefit of a doubt for them: they were asked for after it began and answered before it ended.
    """
    by_asked = sorted(admitted)
    worst = float("-inf")
    for place, (start, _, _) in enumerate(by_asked):
        answers = sorted(answered for _, answered, _ in by_asked[place:])
        for end in answers:
            inside = bisect.bisect_right(answers, end)
            worst = max(worst, inside - LIMIT.burst - LIMIT.per_minute * (end - start) / 60)
    return worst


def test_the_count_of_windows_can_fail() -> None:
    burst = [(0.0 + number / 1000, 0.0001 + number / 1000, "redis") for number in range(LIMIT.burst + 2)]
    assert most_above_the_limit(burst) > 0
    assert most_above_the_limit(burst[: LIMIT.burst]) <= 0


def _let_run(seconds: float) -> None:
    """Time in which the processes hammer: what is asserted does not depend on how much they manage in it."""
    time.sleep(seconds)


def test_eight_processes_stay_within_one_limit_through_a_restart_without_memory(redis_server: RedisServer) -> None:
    redis_server.wait_until_it_has_run_for(4.0)
    with hammering(redis_server, "key_restart") as crowd:
        _let_run(1.5)
        redis_server.kill()
        _let_run(1.0)
        redis_server.start()
        _let_run(4.5)
        redis_server.kill()
        redis_server.start()  # at once: hardly anybody has noticed
        _let_run(4.5)
    assert most_above_the_limit(crowd.admitted) <= 0
    sources = [source for *_, source in crowd.admitted]
    assert sources.count("redis") > LIMIT.burst
    assert sources.count("share") > 0  # the outage did not end all work
    killed = next(place for place, source in enumerate(s for *_, s in sorted(crowd.admitted)) if source == "share")
    assert "redis" in [source for *_, source in sorted(crowd.admitted)][killed:]  # and Redis is asked again


def test_an_older_state_on_disk_gives_nobody_a_second_burst() -> None:
    server = RedisServer("--save", "", "--appendonly", "no")
    try:
        server.start()
        server.wait_until_it_has_run_for(4.0)
        with server.client() as client:
            client.save()  # before anything was admitted: the worst that a restart could remember
        with hammering(server, "key_disk") as crowd:
            _let_run(1.0)
            server.kill()
            server.start()
            _let_run(3.5)
    finally:
        server.remove()
    assert most_above_the_limit(crowd.admitted) <= 0


# --- the same limiter over a modelled Redis, in virtual time, with deaths at random


SIMULATED_PROCESSES = 4
SIMULATED_LIMIT = Limit(per_minute=2_400, burst=8)
AT_ONCE = 3
"""How many requests of one process ask at the same time."""
RUN_SECONDS = 14.0
SHORT_LOADING_SECONDS = SETTLE_SECONDS - AWAY_SECONDS


class SimulatedProcesses:
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
            decision = await limiter.charge("key_1", SIMULATED_LIMIT)
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
    world = SimulatedProcesses(loop, chance)
    limiters = []
    for _ in range(SIMULATED_PROCESSES):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redis, "_client", lambda _: ModelledClient(world.server))
            limiters.append(RedisLimiter("model", processes=SIMULATED_PROCESSES, timeout_seconds=0.9, clock=loop.time))
    jobs = [asyncio.ensure_future(world.hammer(one)) for one in limiters for _ in range(AT_ONCE)]
    jobs.append(asyncio.ensure_future(world.deaths(loading_seconds_max)))
    await asyncio.sleep(RUN_SECONDS)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    for limiter in limiters:
        await limiter.aclose()
    return sorted(world.admitted)


def most_above_simulated_limit(admitted: list[float], times: int = 1) -> float:
    """By how many the worst window exceeds so many times burst + rate × its length; 0 or less is well."""
    rate, burst = times * SIMULATED_LIMIT.per_minute / 60, times * SIMULATED_LIMIT.burst
    lowest = float("inf")
    excess = float("-inf")
    for count, at in enumerate(admitted):
        lowest = min(lowest, count - rate * at)
        excess = max(excess, count + 1 - rate * at - lowest - burst)
    return round(excess, 3)  # times are in whole microseconds


def test_the_count_can_fail() -> None:
    assert most_above_simulated_limit([0.0] * SIMULATED_LIMIT.burst) == 0
    assert most_above_simulated_limit([0.0] * (SIMULATED_LIMIT.burst + 1)) == 1
    assert most_above_simulated_limit([0.0] * (SIMULATED_LIMIT.burst + 1), times=2) < 0


@pytest.mark.parametrize("seed", range(60))
def test_no_window_holds_more_than_the_limit(seed: int) -> None:
    admitted = in_virtual_time(lambda loop: admissions(loop, seed))
    assert len(admitted) > SIMULATED_LIMIT.burst
    assert most_above_simulated_limit(admitted) <= 0


@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_takes_long_to_load_is_worth_twice_the_limit_at_most(seed: int) -> None:
    """Its accounts are empty at its start, and it cannot say when it has loaded."""
    admitted = in_virtual_time(lambda loop: admissions(loop, seed, loading_seconds_max=3.0))
    assert len(admitted) > SIMULATED_LIMIT.burst
    assert most_above_simulated_limit(admitted, times=2) <= 0
