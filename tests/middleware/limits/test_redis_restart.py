"""Eight processes on one Redis that is killed and comes back without its memory: the limit holds all the same."""

from __future__ import annotations

import bisect
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spacekey.domain.principal import Limit
from support.redis_server import RedisServer

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
