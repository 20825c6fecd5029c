"""A page of 50 tokens among 1,000,000, over the same page among 1,000, on real PostgreSQL, as the API reads it.

Run it with ``python -m bench.token_page``. Each order's first page, and for the newest first also one from the middle
of the list; and the verification of one token, another one each time. Budget: 1.2.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count as counting

from sqlalchemy import text

from spacekey.domain.authentication import Authenticated
from spacekey.domain.clock import utc_now
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.product_file import load_products
from spacekey.models.engine.store import Store
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.models.migrations.run import upgrade
from spacekey.models.queries.pagination import write_cursor
from spacekey.resolvers.access.caller import Operator, RequestFacts
from spacekey.resolvers.passwords.hashing import Passwords
from spacekey.resolvers.system import System
from spacekey.resolvers.throttle import Attempts
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.tokens.verify import LookupVerifier

from ._turns import ROOT, borrow_from_tests, ratios, show

FEW, MANY = 1_000, 1_000_000
PAGE = 50
ROUNDS = 60
PAGES_A_ROUND = 3
LOOKUP_ROUNDS = 4
"""Rounds of look-ups for each of pages: the fastest of something so short takes more of them."""
LOOKUPS_A_ROUND = 100
STRIDE = 7_919
"""From one looked-up token to the next: a prime, so that they lie apart and all come round."""
BUDGET = 1.2

FILL = """
    INSERT INTO spacekey_tokens (id, digest, prefix, name, description, kind, environment, workspace_id, space_id,
        grants, created_at, created_by_id, created_by_name, first_use_retires, last_used_at, expires_at)
    SELECT 'key_' || lpad(n::text, 26, '0'), sha256(n::text::bytea), 'em_live_abcd', 'Token ' || (n * 7919) % :count,
        '', 'space', 'live', :workspace, :space, '["jobs:read"]', timestamptz '2026-01-01' + n * interval '1 second',
        'usr_x', 'u@example.com', false,
        CASE WHEN n % 3 = 0 THEN NULL ELSE timestamptz '2026-02-01' + (n * 31) % :count * interval '1 second' END,
        CASE WHEN n % 4 = 0 THEN NULL ELSE timestamptz '2027-01-01' + (n * 17) % :count * interval '1 second' END
    FROM generate_series(1::bigint, :count) AS n
"""

Ask = Callable[[], Awaitable[object]]


async def fill(store: Store, count: int) -> str:
    """A workspace with that many tokens in one space; its id."""
    from support.rows import a_space, a_workspace, add

    await upgrade(store)
    workspace = a_workspace(product="emit")
    space = a_space(workspace)
    await add(store, workspace, space)
    async with store.engine.connect() as connection:
        driver = await connection.get_raw_connection()
        statement = FILL.replace(":count", str(count)).replace(":workspace", "$1").replace(":space", "$2")
        await driver.driver_connection.execute(statement, workspace.id, space.id, timeout=1_200)  # type: ignore[union-attr]
        await driver.driver_connection.execute("VACUUM ANALYZE spacekey_tokens", timeout=1_200)  # type: ignore[union-attr]
    return workspace.id


def system_on(store: Store) -> System:
    """What resolvers work with; nothing here signs in or waits."""
    products = load_products([ROOT / "examples/emit.toml"])
    return System(store, products, utc_now, bytes, Passwords(), Attempts(), asyncio.sleep, 0.0)


async def pages(store: Store, workspace_id: str, count: int) -> dict[str, Ask]:
    """The pages to ask for, by name."""
    system = system_on(store)

    def asking(order: TokenOrder, after: str | None = None) -> Ask:
        async def ask() -> object:
            page = await token_list(
                system,
                Operator(RequestFacts()),
                workspace_id,
                search=TokenSearch(),
                order=order,
                descending=True,
                request=PageRequest(PAGE, after=after),
            )
            if len(page.rows) != PAGE:
                raise RuntimeError("a benchmark that measures something else than a full page")
            return page

        return ask

    async with store.engine.connect() as connection:
        middle = text("SELECT created_at, id FROM spacekey_tokens WHERE id = :id")
        created, identity = (await connection.execute(middle, {"id": f"key_{count // 2:026}"})).one()
    cursor = write_cursor("tokens.created_at.desc", _utc(created), identity)
    orders = {f"by {order.value}": asking(order) for order in TokenOrder}
    return {**orders, "by created_at, from the middle": asking(TokenOrder.CREATED_AT, cursor)}


def verifications(url: str, count: int) -> tuple[PostgresLookup, Ask]:
    """What has to be closed, and the verification of one token after the other: look-up and verdict.

    Hashing is left out, as the secrets of generated rows do not exist.
    """

    async def first_use(_: str) -> None:
        return None

    lookup = PostgresLookup(url)
    products = load_products([ROOT / "examples/emit.toml"])
    verifier = LookupVerifier(lookup, products, lambda: datetime(2026, 6, 1, tzinfo=UTC), first_use)
    numbers = counting()

    async def ask() -> object:
        digest = sha256(str(next(numbers) * STRIDE % count + 1).encode()).digest()
        facts = await lookup.by_digest(digest)
        if facts is None or not isinstance(verifier.judge(facts), Authenticated):
            raise RuntimeError("a benchmark that measures refusals")
        return facts

    return lookup, ask


async def compare(few_url: str, many_url: str, rounds: int, many: int = MANY) -> list[dict[str, object]]:
    """A row for each kind of page, and one for verification."""
    stores = Store(few_url), Store(many_url)
    counts = FEW, many
    lookups = [verifications(url, count) for url, count in zip((few_url, many_url), counts, strict=True)]
    try:
        small, large = [
            await pages(store, await fill(store, count), count) for store, count in zip(stores, counts, strict=True)
        ]
        rows = [
            await _row(f"page of {PAGE} {name}", small[name], large[name], rounds, PAGES_A_ROUND, many)
            for name in small
        ]
        (_, one), (_, other) = lookups
        return [
            *rows,
            await _row(
                "verification of another token each time", one, other, rounds * LOOKUP_ROUNDS, LOOKUPS_A_ROUND, many
            ),
        ]
    finally:
        for lookup, _ in lookups:
            await lookup.aclose()
        for store in stores:
            await store.aclose()


async def _row(name: str, few: Ask, large: Ask, rounds: int, times: int, many: int) -> dict[str, object]:
    small_took: list[float] = []
    large_took: list[float] = []
    for turn in range(rounds + 1):
        pair = (await _round(few, times), await _round(large, times))
        if turn:  # the first round warms up
            small_took.append(pair[0])
            large_took.append(pair[1])
    return {
        "name": f"{name}, {many:,} tokens over {FEW:,}",
        "microseconds": round(min(large_took) * 1e6, 1),
        **ratios(large_took, small_took),
        "budget": BUDGET,
    }


async def _round(ask: Ask, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        await ask()
    return (time.perf_counter() - started) / times


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def measure(rounds: int = ROUNDS, many: int = MANY) -> list[dict[str, object]]:
    """Rows with the microseconds among a million, and their ratio to the same among a thousand.

    :param many: another number than a million.
    """
    borrow_from_tests()
    from support.postgres import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        for name in ("few", "many"):
            server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return asyncio.run(compare(server.url("few"), server.url("many"), rounds, many))
    finally:
        server.remove()


if __name__ == "__main__":
    show(measure())
