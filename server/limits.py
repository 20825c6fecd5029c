"""The limits on this server's own API: by plan for tokens, by address for floods of made-up ones."""

from __future__ import annotations

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.limits import Limiter, MemoryLimiter
from spacekey.middleware.limits.counted import CountedLimiter

from .metrics import Metrics
from .settings import Settings


def build_limiter(settings: Settings, metrics: Metrics) -> Limiter:
    """Over Redis where one is set; else in memory, and with several processes each hands out its part.

    :raises ConfigurationError: for a Redis URL that cannot be, or without the ``redis`` extra.
    """
    return CountedLimiter(_limiter(settings, metrics), metrics)


def _limiter(settings: Settings, metrics: Metrics) -> Limiter:
    if settings.redis_url is None:
        return MemoryLimiter(share=settings.processes)
    try:
        from spacekey.middleware.limits.redis import RedisLimiter  # needs the redis extra
    except ModuleNotFoundError as error:
        raise ConfigurationError("SPACEKEY_REDIS_URL: this needs a client; pip install 'spacekey[redis]'") from error
    try:
        return RedisLimiter(settings.redis_url, processes=settings.processes, on_fallback=metrics.limits_fall_back)
    except ConfigurationError as error:
        raise ConfigurationError(f"SPACEKEY_REDIS_URL: {str(error).removeprefix('the Redis URL: ')}") from None
