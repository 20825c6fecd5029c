"""Servers, and apps, that count limits in one Redis."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.fleet import LIMIT, Fleet
from support.jobs_requests import bearer
from support.redis_server import program
from support.waiting import until

TRIES_MAX = 5
REQUESTS_EACH = 60


@pytest.mark.parametrize("who", ["servers", "apps"])
def test_two_processes_on_one_redis_admit_together_what_one_may(fleet: Fleet, who: str) -> None:
    """Exact while Redis answers; a try in which it kept somebody waiting is held to twice that, and made again."""
    program()
    assert fleet.redis is not None
    fleet.redis.wait_until_it_has_run_for(60 * LIMIT.burst / LIMIT.per_minute)  # accounts begin empty, at its start
    urls, path = ((fleet.a, fleet.b), "/api/v1/self") if who == "servers" else (fleet.apps, "/queues")
    addresses = [str(one if isinstance(one, str) else one.base_url).rstrip("/") + path for one in urls]
    for _ in range(TRIES_MAX):
        _, secret = fleet.token("queues:read")
        before = fleet.said("Redis cannot be asked")
        admitted, seconds = _hammer(addresses, secret)
        most = LIMIT.burst + LIMIT.per_minute / 60 * seconds
        assert LIMIT.burst / 2 <= admitted <= 2 * most
        if fleet.said("Redis cannot be asked") == before == fleet.said("Redis is asked again"):
            assert LIMIT.burst <= admitted <= most
            return
        until(lambda: fleet.said("Redis cannot be asked") == fleet.said("Redis is asked again"))
    raise AssertionError("Redis kept somebody waiting in every try")


def _hammer(addresses: list[str], secret: str) -> tuple[int, float]:
    """How many requests went through, of more than one process's limit to each address at once, in how many seconds."""

    def ask(address: str) -> int:
        with httpx.Client(headers=bearer(secret), trust_env=False, timeout=30) as client:
            return [client.get(address).status_code for _ in range(REQUESTS_EACH)].count(200)

    started = time.monotonic()
    with ThreadPoolExecutor(len(addresses)) as pool:
        admitted = sum(pool.map(ask, addresses))
    return admitted, time.monotonic() - started
