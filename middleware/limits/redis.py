"""Limits that many processes share through one Redis or Valkey. Needs the ``redis`` extra.

Every charge is one script on the server's clock. While Redis is unavailable, or has only just started, this process
hands out its own share of every limit. A task keeps asking Redis meanwhile, so that only the requests that discover the
outage wait for a Redis that hangs.

How the limit holds through a restart in which Redis loses its data (docs/how-to/limits.md has the argument): when the
connection is lost, a share starts empty, so all shares together admit no more than the rate since then; Redis admits
nothing before it has run for ``SETTLE_SECONDS``, and then starts from empty accounts too; and a share accrues and hands
out only up to the moment before which, judging by its last answer or silence, Redis cannot decide again. A Redis that
is only slow has lost nothing. Then the share keeps its accounts, so that a pause of a tenth of a second refuses no
caller that has been idle.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.principal import Limit

from .limiter import SECOND_US, Decision, burst_of, interval_us
from .memory import ENTRIES_MAX, MemoryLimiter

with extra("spacekey[redis]"):
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as LostConnection
    from redis.exceptions import RedisError, ResponseError

__all__ = ["RedisLimiter"]

PROBE_SECONDS = 0.25
"""How often an unavailable Redis is asked again."""
_LOOK = Limit(1, 1)

log = logging.getLogger("spacekey.middleware")


class RedisLimiter:
    """Limiter for many processes. Make it once, together with the app; it does not connect before the first charge.

    The server must not evict keys (``maxmemory-policy noeviction``, the default): an evicted key is a full account.

    :param url: ``redis://host:6379/0``, ``rediss://…`` or ``unix://…``.
    :param processes: how many processes share the limits; while Redis is unavailable each hands out that part of them.
    :param timeout_seconds: how long Redis may take to answer. A slower answer counts as an outage.
    :param prefix: prefix of every key; the same for all processes that share limits, and used by nothing else.
    :param on_fallback: called with True when this process falls back to its share, and with False when it uses Redis
        again.
    :param entries_max: how many keys have an account of their own in a share.
    :param clock: seconds, monotonic through suspension.
    :raises ConfigurationError: for a malformed URL, or a number out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        processes: int = 1,
        timeout_seconds: float = 0.05,
        prefix: str = "spacekey:limit:",
        on_fallback: Callable[[bool], None] | None = None,
        entries_max: int = ENTRIES_MAX,
        clock: MonotonicClock = boot_clock,
    ) -> None:
        if processes < 1:
            raise ConfigurationError("processes: must be 1 or more")
        if not 0 < timeout_seconds < SETTLE_SECONDS:
            raise ConfigurationError(f"timeout_seconds: must lie between 0 and {SETTLE_SECONDS}")
        self._accounts = SharedAccounts(url, timeout_seconds, prefix)
        self._processes = processes
        self._on_fallback = on_fallback
        self._entries_max = entries_max
        self._clock = clock
        self._falls_back = False
        self._forgotten = False  # in this outage, and the share has started empty
        self._asked_at = self._until = 0.0  # when Redis was last asked in vain, and how long that holds
        self._share = self._new_share(None)
        self._probing: asyncio.Task[None] | None = None

    @property
    def falls_back(self) -> bool:
        """Whether this process hands out its own share now."""
        return self._falls_back

    def charge_at_once(self, key: str, limit: Limit, cost: int = 1) -> Decision | None:
        """Charge the share while Redis is known to be unavailable; else return None, and :meth:`charge` asks Redis."""
        if not self._falls_back:
            return None
        decision = self._share.charge_at_once(key, limit, cost)
        return decision if self._clock() < self._until else None

    async def charge(self, key: str, limit: Limit, cost: int = 1) -> Decision:
        """Charge ``cost`` to ``key``; see :class:`~spacekey.middleware.limits.Limiter`."""
        decision = self.charge_at_once(key, limit, cost)
        if decision is not None:
            return decision
        asked_at = self._clock()
        answer = await self._accounts.charge(key, limit, cost)
        if isinstance(answer, Silence):
            self._fall_back(answer, asked_at)
            return self._share.charge_at_once(key, limit, cost)
        self._come_back()
        allowed, debt = answer
        return Decision(allowed, limit, debt, interval_us(limit), burst_of(limit), cost)

    async def aclose(self) -> None:
        """Close the connections."""
        await close_in_turn(self._stop_probing, self._accounts.aclose)

    async def _stop_probing(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    def _fall_back(self, silence: Silence, asked_at: float) -> None:
        """Hand out this process's share from now on; it starts empty if Redis has forgotten what was admitted."""
        known = asked_at <= self._until  # that Redis has decided nothing since it was last asked
        if silence.forgetful and not (self._forgotten and known):
            self._forgotten = True
            self._share = self._new_share(self._clock())
        if asked_at >= self._asked_at:
            self._asked_at, self._until = asked_at, asked_at + silence.seconds
        if self._falls_back:
            return
        log.warning("limits: Redis cannot be asked (%s); this process hands out its own share", silence.why)
        self._falls_back = True
        self._probing = asyncio.get_running_loop().create_task(self._probe())
        self._tell(True)

    def _come_back(self) -> None:
        if not self._falls_back:
            return
        log.warning("limits: Redis is asked again")
        self._falls_back = self._forgotten = False
        if self._probing is not None and self._probing is not asyncio.current_task():
            self._probing.cancel()
        self._tell(False)

    def _new_share(self, empty_at_seconds: float | None) -> MemoryLimiter:
        return MemoryLimiter(
            clock=lambda: min(self._clock(), self._until),
            entries_max=self._entries_max,
            share=self._processes,
            empty_at_seconds=empty_at_seconds,
        )

    async def _probe(self) -> None:
        """Ask until Redis answers, beside the requests, so that none of them waits for it."""
        while self._falls_back:
            await asyncio.sleep(PROBE_SECONDS)
            asked_at = self._clock()
            answer = await self._accounts.charge("probe", _LOOK, 0)
            if isinstance(answer, Silence):
                self._fall_back(answer, asked_at)
            else:
                self._come_back()

    def _tell(self, fallen_back: bool) -> None:
        if self._on_fallback is not None:
            try:
                self._on_fallback(fallen_back)
            except Exception:
                log.exception("the observer failed")


_TCP = ("redis", "rediss")
_DATABASE = re.compile("/?|/[0-9]{1,9}")


def check_redis_url(url: str) -> None:
    """Check a URL such as ``redis://:password@host:6379/0``, ``rediss://…`` or ``unix:///path``.

    :raises ConfigurationError: with what is wrong, but no part of the URL, since any part may be a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("write redis://host:6379/0; the host or the port cannot be read") from None
    wrong = _wrong(parts, port)
    if wrong is not None:
        raise ConfigurationError(wrong)


def _wrong(parts: SplitResult, port: int | None) -> str | None:
    if parts.scheme not in (*_TCP, "unix"):
        return "write redis://host:6379/0, rediss://… or unix:///path"
    if parts.fragment:
        return "there is a # in it; write %23 for one in a password"
    if parts.scheme == "unix":
        good = not parts.hostname and parts.path.strip("/")
        return None if good else "name the socket's path after three slashes, unix:///path"
    if not parts.hostname:
        return "name the host, redis://host:6379/0; write %2F and %40 for / and @ in a password"
    if port == 0:
        return "the port is a number from 1 to 65535"
    if _DATABASE.fullmatch(parts.path) is None:
        return "after the host comes nothing but the number of a database, such as /0"
    return None


CHARGE = """
local interval, burst, cost, settle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local span = interval * burst
local debt = 0

local about = redis.call('INFO', 'server')
local uptime = tonumber(string.match(about, 'uptime_in_seconds:(%-?%d+)'))
if uptime >= 0 then -- below 0: the clock was set back beyond the start, which then says nothing
    -- Both in whole seconds of one look at the clock, so that the start is the same in every answer: a process that is
    -- told to wait and one that is served must mean the same moment. It may lie up to a second after what they say.
    local seen = math.floor(tonumber(string.match(about, 'server_time_usec:(%d+)') or time[1] * 1000000) / 1000000)
    local settled = (seen - uptime + 1) * 1000000 + settle
    if now < settled then
        return {-1, settled - now}
    end
    debt = settled + span - now
end

local full_at = redis.call('GET', KEYS[1])
if full_at then
    debt = math.max(debt, tonumber(full_at) - now)
end
debt = math.min(math.max(debt, 0), span)

local after = debt + interval * cost
if after > span then
    return {0, debt}
end
if cost > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
end
return {1, after}
"""
"""Script for one key. Interval and settle are in microseconds, burst and cost in charges.

It answers {1, debt after it} if the charge was taken, {0, debt} if not, and {-1, microseconds} while the server has
only just started."""


SETTLE_SECONDS = 1.0
"""How long a Redis that has started decides nothing; the same for all processes that share one."""
AWAY_SECONDS = 0.95
"""How long a process relies on no server having listened.

A little less than :data:`SETTLE_SECONDS`, because clocks do not run at quite the same speed."""
CONNECTIONS_MAX = 32

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Silence:
    """Reason why Redis did not decide.

    :param why: the reason, for the log.
    :param forgetful: whether Redis has lost its data, or may have.
    :param seconds: how long that goes on, counted from when Redis was asked.
    """

    why: str
    forgetful: bool
    seconds: float


class SharedAccounts:
    """Accounts in one Redis. It does not connect before the first charge.

    :param url: ``redis://host:6379/0``, ``rediss://…`` or ``unix://…``.
    :param timeout_seconds: how long an answer may take.
    :param prefix: prefix of every key.
    :raises ConfigurationError: for a malformed URL.
    """

    def __init__(self, url: str, timeout_seconds: float, prefix: str) -> None:
        self._redis = _client(url)
        self._script = self._redis.register_script(CHARGE)
        self._timeout_seconds = timeout_seconds
        self._prefix = prefix

    async def charge(self, key: str, limit: Limit, cost: int) -> tuple[bool, int] | Silence:
        """Charge, and return whether that was taken and the debt in microseconds; or why Redis did not decide."""
        arguments = [interval_us(limit), burst_of(limit), cost, int(SETTLE_SECONDS * SECOND_US)]
        try:
            answer = await _within(self._timeout_seconds, self._run([self._prefix + key], arguments))
            code, number = int(answer[0]), int(answer[1])
        except TimeoutError:
            return Silence("it did not answer in time", forgetful=False, seconds=SETTLE_SECONDS)
        except (RedisError, OSError) as error:  # its text is not shown: it may hold the URL with its password
            return Silence(type(error).__name__, not isinstance(error, ResponseError), AWAY_SECONDS)
        except (TypeError, ValueError, LookupError):
            return Silence("it answered with something else", forgetful=False, seconds=SETTLE_SECONDS)
        if code < 0:
            return Silence("it has only just started", forgetful=True, seconds=number / SECOND_US)
        return code == 1, number

    async def _run(self, keys: list[str], arguments: list[int]) -> list[int]:
        """Return the script's answer, and try once more on a new connection if the first one was lost.

        A lost connection only shows that some server is gone, perhaps since long ago. If the new one fails as well, no
        server decides anything until ``SETTLE_SECONDS`` from now. If only the answer was lost, the charge is taken
        twice.
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
    """Return the call's result.

    :raises TimeoutError: if it took longer. Time in which the event loop itself was busy does not count: an answer that
        arrived meanwhile is read first.
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
    """Return a client that tries once; the limiter decides when to try again.

    :raises ConfigurationError: for a malformed URL.
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
        pool.connection_class(**pool.connection_kwargs)  # does not connect, but checks the options
    except (ValueError, TypeError, AttributeError, RedisError):
        raise ConfigurationError("the Redis URL: an option after its ? is unknown, or has a wrong value") from None
    return Redis.from_pool(pool)
