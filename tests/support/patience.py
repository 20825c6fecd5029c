"""Patience: on a busy machine an answer of 503 is right, and what a test asks about is something else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import pytest

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine import postgres as postgres_engine
from spacekey.models.engine import store

T = TypeVar("T")

SECONDS_MAX = 120.0


async def patiently(change: Callable[[], Awaitable[T]]) -> T:
    """Do it again while the answer is that the database is busy and nothing was begun, as a client does."""
    until = time.monotonic() + SECONDS_MAX
    while True:
        try:
            return await change()
        except ServiceUnavailable as error:
            if error.may_have_changed or time.monotonic() > until:
                raise


async def together(changes: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """All at the same time, each patiently. When one fails the others are ended first, and leave no connection open."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(patiently(one)) for one in changes]
    return [one.result() for one in tasks]


def wait_long(patch: pytest.MonkeyPatch) -> None:
    """Let every store that is made from now on wait for its database for as long as a busy machine takes."""
    for name in ("READ_WAIT_SECONDS", "CHANGE_WAIT_SECONDS", "POOL_WAIT_SECONDS"):
        patch.setattr(store, name, SECONDS_MAX)
    for module in (postgres_engine, store):
        patch.setattr(module, "STATEMENT_SECONDS", SECONDS_MAX)
    patch.setattr(store.Store.__init__, "__kwdefaults__", {"schema": None, "busy_seconds": SECONDS_MAX})
