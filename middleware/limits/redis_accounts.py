"""The accounts that processes share in one Redis: charged there, or the reason why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar, cast

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.principal import Limit

with extra("spacekey[redis]"):
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as LostConnection
    from redis.exceptions import RedisError, ResponseError

from .decision import SECOND_US
from .gcra import burst_of, interval_us
from .redis_script import CHARGE
from .redis_url import check_redis_url

SETTLE_SECONDS = 1.0
"""For how long a Redis that has started decides nothing; the same for all that share one."""
AWAY_SECONDS = 0.95
"""How long a process relies on nobody having listened: a little less, for clocks that do not run quite alike."""
CONNECTIONS_MAX = 32

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Silence:
    """Why Redis did not decide; whether it must have lost its memory, or may have; and for how long it goes on so."""

    why: str
    forgetful: bool
    seconds: float


class SharedAccounts:
    """The accounts in one Redis. Nothing connects before the first charge.

    :param url: ``redis://host:6379/0``, ``rediss://…`` or ``unix://…``.
    :param timeout_seconds: how long an answer may take.
    :param prefix: of every key.
    :raises ConfigurationError: for a URL that is none.
    """

    def __init__(self, url: str, timeout_seconds: float, prefix: str) -> None:
        self._redis = _client(url)
        self._script = self._redis.register_script(CHARGE)
        self._timeout_seconds = timeout_seconds
        self._prefix = prefix

    async def charge(self, key: str, limit: Limit, cost: int) -> tuple[bool, int] | Silence:
        """Whether the charge was taken, and the debt in microseconds; or why Redis did not decide."""
        arguments = [interval_us(limit), burst_of(limit), cost, int(SETTLE_SECONDS * SECOND_US)]
        try:
            answer = await _within(self._timeout_seconds, self._run([self._prefix + key], arguments))
            code, number = int(answer[0]), int(answer[1])
        except TimeoutError:
            return Silence("it did not answer in time", forgetful=False, seconds=SETTLE_SECONDS)
        except (RedisError, OSError) as error:  # of its text nothing is told: it may hold the URL with its password
            return Silence(type(error).__name__, not isinstance(error, ResponseError), AWAY_SECONDS)
        except (TypeError, ValueError, LookupError):
            return Silence("it answered with something else", forgetful=False, seconds=SETTLE_SECONDS)
        if code < 0:
            return Silence("it has only just started", forgetful=True, seconds=number / SECOND_US)
        return code == 1, number

    async def _run(self, keys: list[str], arguments: list[int]) -> list[int]:
        """What the script says. A connection that was lost only says that some server is gone, perhaps long since;
        so one that is new is tried. When that fails as well, nobody decides anything until ``SETTLE_SECONDS`` from now.
        If it was the answer that was lost, the charge is taken twice.
        """
        try:
            return cast("list[int]", await self._script(keys=keys, args=arguments))
        except (LostConnection, OSError):
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            return cast("list[int]", await self._script(keys=keys, args=arguments))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


async def _within(seconds: float, call: Awaitable[Result]) -> Result:
    """The call's result.

    :raises TimeoutError: when it took longer. An event loop that was busy itself for that long does not count: an
        answer that lay there meanwhile is read first.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait((task,), timeout=seconds)
        for _ in range(_TURNS):
            if task.done():
                return task.result()
            await asyncio.sleep(0)
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()


_TURNS = 4
"""Turns of the event loop from bytes on a socket to the end of a task that reads them."""


def _client(url: str) -> Redis:
    """A client that asks once; when it is asked again is for the limiter to say.

    :raises ConfigurationError: for a URL that is none.
    """
    try:
        check_redis_url(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"the Redis URL: {error}") from None
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_MAX,
            timeout=SETTLE_SECONDS,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=SETTLE_SECONDS,
            socket_connect_timeout=SETTLE_SECONDS,
            protocol=2,
        )
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing, but takes the options
    except (ValueError, TypeError, AttributeError, RedisError):
        raise ConfigurationError("the Redis URL: an option after its ? is none, or has a wrong value") from None
    return Redis.from_pool(pool)
