"""A wait for a connection that is cut off, wherever it is cut, leaves no connection that others must clean up."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from sqlalchemy import text

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine import store as stores
from spacekey.models.engine.store import Store

pytestmark = pytest.mark.long

WAITS = (0.0, 0.0002, 0.001, 0.003, 0.01, 0.03, 0.1)


async def one(store: Store, kind: str) -> str:
    try:
        async with getattr(store, kind)() as session:
            await (await session.connection()).execute(text("SELECT 1"))
    except ServiceUnavailable:
        return "unavailable"
    return "done"


def checked_out(store: Store) -> int:
    pool: Any = store.engine.sync_engine.pool
    return int(pool.checkedout())


@pytest.mark.parametrize("kind", ["reading", "changing"])
async def test_nothing_is_left_checked_out(database_url: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: set[str] = set()
    for wait in WAITS:
        monkeypatch.setattr(stores, "READ_WAIT_SECONDS", wait)
        monkeypatch.setattr(stores, "CHANGE_WAIT_SECONDS", wait)
        store = Store(database_url)
        answers |= set(await asyncio.gather(*(one(store, kind) for _ in range(15))))
        await settled(store)
        assert checked_out(store) == 0, wait
        await store.aclose()
        gc.collect()  # what was left would be told now
    assert answers == {"done", "unavailable"}


@pytest.mark.parametrize("kind", ["reading", "changing"])
async def test_nothing_is_left_when_the_caller_goes_away(database_url: str, kind: str) -> None:
    for wait in WAITS:
        store = Store(database_url)
        tasks = [asyncio.create_task(one(store, kind)) for _ in range(15)]
        await asyncio.sleep(wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await settled(store)
        assert checked_out(store) == 0, wait
        await store.aclose()
        gc.collect()


async def settled(store: Store) -> None:
    """Wait for what ends by itself."""
    for _ in range(500):
        if not checked_out(store):
            return
        await asyncio.sleep(0.01)
