"""Servers, and apps, that count limits in one Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from spacekey.domain.principal import Limit
from spacekey.middleware.limits.redis import SETTLE_SECONDS
from support.apps.jobs_requests import bearer
from support.processes import Installation
from support.programs.fleet import LIMIT, Fleet
from support.programs.waiting import until
from support.redis_server import RedisServer, program

pytestmark = pytest.mark.long

TRIES_MAX = 5
REQUESTS_EACH = 60


@pytest.mark.parametrize("who", ["servers", "apps", "proxies"])
def test_two_processes_on_one_redis_admit_together_what_one_may(fleet: Fleet, who: str) -> None:
    """Exact while Redis answers; a try in which it kept somebody waiting is held to twice that, and made again."""
    program()
    assert fleet.redis is not None
    # Accounts begin empty when Redis has settled, up to a second after the whole seconds that it says it has run for.
    fleet.redis.wait_until_it_has_run_for(1 + SETTLE_SECONDS + 60 * LIMIT.burst / LIMIT.per_minute)
    with _addresses(fleet, who) as addresses:
        _hold_to_one_limit(fleet, addresses)


@contextmanager
def _addresses(fleet: Fleet, who: str) -> Iterator[list[str]]:
    """Of the two apps, or of what proxies ask the two servers, which the plan limits; or of two more servers, whose own
    API is limited by the same numbers.
    """
    if who == "apps":
        yield [str(app.base_url).rstrip("/") + "/queues" for app in fleet.apps]
        return
    if who == "proxies":
        yield [f"{url}/api/v1/authorize?scope=queues:read" for url in (fleet.a, fleet.b)]
        return
    own = {"SPACEKEY_API_PER_MINUTE": str(LIMIT.per_minute), "SPACEKEY_API_BURST": str(LIMIT.burst)}
    limited = replace(fleet.installation, extra={**fleet.installation.extra, **own})
    with limited.serving() as one, limited.serving() as two:
        yield [one + "/api/v1/self", two + "/api/v1/self"]


def _hold_to_one_limit(fleet: Fleet, addresses: list[str]) -> None:
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
        with httpx.Client(headers=bearer(secret), trust_env=False, timeout=120) as client:
            return [client.get(address).status_code for _ in range(REQUESTS_EACH)].count(200)

    started = time.monotonic()
    with ThreadPoolExecutor(len(addresses)) as pool:
        admitted = sum(pool.map(ask, addresses))
    return admitted, time.monotonic() - started


def test_while_redis_is_away_what_proxies_ask_is_held_to_shares(installation: Installation) -> None:
    """Two servers answer on: 200 within their halves of the plan's limit, else 429, and no outage."""
    program()
    redis = RedisServer()
    redis.start()
    try:
        shared = replace(installation, extra={"SPACEKEY_REDIS_URL": redis.url, "SPACEKEY_PROCESSES": "2"})
        workspace = next(one for one in shared.command("demo")["workspaces"] if one["product"] == "spooled")
        plan = Limit(per_minute=100, burst=20)
        made = shared.command("token", "create", "Proxy", "-w", workspace["id"], "--grant", "jobs:read")
        headers, path = bearer(made["secret"]), "/api/v1/authorize?scope=jobs:read"
        with shared.serving() as one, shared.serving() as two:
            addresses = [one + path, two + path]

            def ask(address: str) -> httpx.Response:
                return httpx.get(address, headers=headers, trust_env=False, timeout=120)

            redis.wait_until_it_has_run_for(1 + SETTLE_SECONDS + 60 * plan.burst / plan.per_minute)
            first = [ask(address) for address in addresses]
            assert [answer.status_code for answer in first] == [200, 200]
            assert (
                first[0].headers["ratelimit-policy"]
                == f'"default";q={plan.per_minute};w=60;spacekey-burst={plan.burst}'
            )
            redis.kill()
            started = time.monotonic()
            answers = [ask(address) for _ in range(plan.burst * 2) for address in addresses]
            most = plan.burst + plan.per_minute / 60 * (time.monotonic() - started)
            assert {answer.status_code for answer in answers} <= {200, 429}
            assert [answer.status_code for answer in answers].count(200) <= most
            limited = [answer for answer in answers if answer.status_code == 429]
            assert limited
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in limited)
            assert "x-spacekey-token-id" not in limited[0].headers
            for address in addresses:
                until(lambda address=address: ask(address).status_code == 200)  # type: ignore[misc]
            redis.start()
            for address in addresses:
                until(lambda address=address: ask(address).status_code in (200, 429) and _is_back(shared))  # type: ignore[misc]
            assert {ask(address).status_code for address in addresses} <= {200, 429}
    finally:
        redis.remove()


def _is_back(installation: Installation) -> bool:
    """Whether both servers have said so."""
    said = [file.read_text(errors="replace") for file in installation.folder.glob("*.log")]
    return sum(text.count("Redis is asked again") for text in said) >= 2
