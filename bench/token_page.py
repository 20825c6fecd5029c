"""A page of 50 tokens among 1,000,000, over the same page among 1,000, on real PostgreSQL, as the API reads it.

Run it with ``python -m bench.token_page``. Each order's first page, and for the newest first also one from the middle
of the list. Budget (DESIGN §15): 1.2.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import text

from spacekey.domain.catalog_file import load_catalogs
from spacekey.domain.clock import utc_now
from spacekey.domain.page import Page, PageRequest, TokenOrder
from spacekey.models.cursor import write_cursor
from spacekey.models.migrate import upgrade
from spacekey.models.store import Store
from spacekey.resolvers.attempts import Attempts
from spacekey.resolvers.caller import Operator, RequestFacts
from spacekey.resolvers.list_tokens import TokenSearch, token_list
from spacekey.resolvers.passwords import Passwords
from spacekey.resolvers.system import System
from spacekey.resolvers.token_view import TokenView

ROOT = Path(__file__).parents[1]
FEW, MANY = 1_000, 1_000_000
PAGE = 50
ROUNDS = 40
PAGES_A_ROUND = 5
BUDGET = 1.2

FILL = """
    INSERT INTO tokens (id, digest, prefix, name, description, kind, environment, workspace_id, space_id, grants,
        created_at, created_by_id, created_by_name, first_use_retires, last_used_at, expires_at)
    SELECT 'key_' || lpad(n::text, 26, '0'), sha256(n::text::bytea), 'em_live_abcd', 'Token ' || (n * 7919) % :count,
        '', 'space', 'live', :workspace, :space, '["jobs:read"]', timestamptz '2026-01-01' + n * interval '1 second',
        'usr_x', 'u@example.com', false,
        CASE WHEN n % 3 = 0 THEN NULL ELSE timestamptz '2026-02-01' + (n * 31) % :count * interval '1 second' END,
        CASE WHEN n % 4 = 0 THEN NULL ELSE timestamptz '2027-01-01' + (n * 17) % :count * interval '1 second' END
    FROM generate_series(1::bigint, :count) AS n
"""

Ask = Callable[[], Awaitable[Page[TokenView]]]


async def fill(store: Store, count: int) -> str:
    """A workspace with that many tokens in one space; its id."""
    from support.rows import a_space, a_workspace, add

    await upgrade(store)
    workspace = a_workspace(catalog="emit")
    space = a_space(workspace)
    await add(store, workspace, space)
    async with store.engine.connect() as connection:
        driver = await connection.get_raw_connection()
        statement = FILL.replace(":count", str(count)).replace(":workspace", "$1").replace(":space", "$2")
        await driver.driver_connection.execute(statement, workspace.id, space.id, timeout=1_200)  # type: ignore[union-attr]
        await driver.driver_connection.execute("VACUUM ANALYZE tokens", timeout=1_200)  # type: ignore[union-attr]
    return workspace.id


def system_on(store: Store) -> System:
    """What resolvers work with; nothing here signs in or waits."""
    catalogs = load_catalogs([ROOT / "examples/emit.toml"])
    return System(store, catalogs, utc_now, bytes, Passwords(), Attempts(), asyncio.sleep, 0.0)


async def pages(store: Store, workspace_id: str, count: int) -> dict[str, Ask]:
    """The pages to ask for, by name."""
    system = system_on(store)

    def asking(order: TokenOrder, after: str | None = None) -> Ask:
        async def ask() -> Page[TokenView]:
            return await token_list(
                system,
                Operator(RequestFacts()),
                workspace_id,
                search=TokenSearch(),
                order=order,
                descending=True,
                request=PageRequest(PAGE, after=after),
            )

        return ask

    async with store.engine.connect() as connection:
        middle = text("SELECT created_at, id FROM tokens WHERE id = :id")
        created, identity = (await connection.execute(middle, {"id": f"key_{count // 2:026}"})).one()
    cursor = write_cursor("tokens.created_at.desc", _utc(created), identity)
    orders = {f"by {order.value}": asking(order) for order in TokenOrder}
    return {**orders, "by created_at, from the middle": asking(TokenOrder.CREATED_AT, cursor)}


async def compare(few_url: str, many_url: str, rounds: int) -> list[dict[str, object]]:
    """A row for each kind of page."""
    few_store, many_store = Store(few_url), Store(many_url)
    try:
        few = await pages(few_store, await fill(few_store, FEW), FEW)
        many = await pages(many_store, await fill(many_store, MANY), MANY)
        return [await _row(name, few[name], many[name], rounds) for name in few]
    finally:
        await few_store.aclose()
        await many_store.aclose()


async def _row(name: str, few: Ask, many: Ask, rounds: int) -> dict[str, object]:
    took: list[tuple[float, float]] = []
    for turn in range(rounds + 1):
        pair = (await _round(few), await _round(many))
        if turn:  # the first round warms up
            took.append(pair)
    fewest, most = min(one for one, _ in took), min(one for _, one in took)
    return {
        "name": f"page of {PAGE} {name}, 1,000,000 tokens over 1,000",
        "microseconds": round(most * 1e6, 1),
        "ratio": round(most / fewest, 3),
        "median_ratio": round(median(big / small for small, big in took), 3),
        "budget": BUDGET,
    }


async def _round(ask: Ask) -> float:
    started = time.perf_counter()
    for _ in range(PAGES_A_ROUND):
        page = await ask()
        if len(page.rows) != PAGE:
            raise RuntimeError("a benchmark that measures something else than a full page")
    return (time.perf_counter() - started) / PAGES_A_ROUND


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Rows with the microseconds of each page among a million, and their ratio to the same among a thousand."""
    if str(ROOT / "tests") not in sys.path:  # the rows and the server are the tests' own
        sys.path.append(str(ROOT / "tests"))
    from support.postgres import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        for name in ("few", "many"):
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return asyncio.run(compare(server.url("few"), server.url("many"), rounds))
    finally:
        server.remove()


if __name__ == "__main__":
    for row in measure():
        print(row)
