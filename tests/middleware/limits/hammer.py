"""One process that asks for as much as it can get, and writes down when it got it. Started by test_redis_restart."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time

from spacekey.domain.principal import Limit
from spacekey.middleware.limits.redis import RedisLimiter

PAUSE_SECONDS = 0.002


async def hammer(url: str, key: str, limit: Limit, processes: int, timeout_seconds: float) -> None:
    """Until the standard input ends: one line ``ready``, then one for each admission: when it was asked for, and when
    it was answered, on a clock that all processes share."""
    limiter = RedisLimiter(url, processes=processes, timeout_seconds=timeout_seconds)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await limiter.charge("somebody else", limit)
    lines = ["ready"]
    ended = asyncio.ensure_future(reader.read())
    _say(lines.pop())
    while not ended.done():
        asked = time.monotonic()
        decision = await limiter.charge(key, limit)
        if decision.allowed:
            source = "share" if limiter.falls_back else "redis"
            lines.append(f"{asked:.6f} {time.monotonic():.6f} {source}")
        else:
            await asyncio.sleep(PAUSE_SECONDS)
    _say(*lines)
    await limiter.aclose()


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join((*lines, "")))
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("per_minute", type=int)
    parser.add_argument("burst", type=int)
    parser.add_argument("processes", type=int)
    parser.add_argument("timeout", type=float)
    asked = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        limit = Limit(asked.per_minute, asked.burst)
        asyncio.run(hammer(asked.url, asked.key, limit, asked.processes, asked.timeout))


if __name__ == "__main__":
    main()
