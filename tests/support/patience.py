"""Patience: on a busy machine an answer of 503 is right, and what a test asks about is something else."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import pytest

from spacekey.domain.errors import ServiceUnavailable

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
    """Let all that is made from now on wait for its database for as long as a busy machine takes.

    A test that asks about a bound sets it after that, by an argument or here.
    """
    for module, name in _BOUNDS:
        if module in sys.modules:
            patch.setattr(f"{module}.{name}", SECONDS_MAX)
    for module, made, arguments in _DEFAULTS:
        if module in sys.modules:
            init = getattr(sys.modules[module], made).__init__
            patch.setattr(init, "__kwdefaults__", {**init.__kwdefaults__, **dict.fromkeys(arguments, SECONDS_MAX)})


_ENGINE = "spacekey.models.engine"
_LOOKUP = "spacekey.models.lookup"
_BOUNDS = (
    (f"{_ENGINE}.store", "READ_WAIT_SECONDS"),
    (f"{_ENGINE}.store", "CHANGE_WAIT_SECONDS"),
    (f"{_ENGINE}.store", "POOL_WAIT_SECONDS"),
    (f"{_ENGINE}.store", "STATEMENT_SECONDS"),
    (f"{_ENGINE}.postgres", "STATEMENT_SECONDS"),
    (f"{_ENGINE}.database_url", "CONNECT_SECONDS"),
)
_DEFAULTS = (
    (f"{_ENGINE}.store", "Store", ("busy_seconds",)),
    (f"{_LOOKUP}.postgres", "PostgresLookup", ("deadline_seconds",)),
    (f"{_LOOKUP}.sqlite", "SqliteLookup", ("busy_seconds", "batch_seconds")),
    ("spacekey.middleware.token_middleware", "TokenMiddleware", ("timeout",)),
    ("spacekey.middleware.verifiers.remote", "RemoteVerifier", ("timeout",)),
    ("spacekey.middleware.usage.collector", "UsageCollector", ("flush_seconds", "close_seconds")),
)
"""What has defaults of its own → the arguments. The modules that a test uses are loaded when it is collected."""
