"""Limits by plan: so many requests a minute, so many at once, for each token.

    TokenMiddleware(app, verifier, limits=MemoryLimiter())

For several processes there is ``RedisLimiter`` in ``spacekey.middleware.limits.redis`` (the ``redis`` extra).
"""

from .limiter import Decision, Limiter
from .memory import MemoryLimiter

__all__ = ["Decision", "Limiter", "MemoryLimiter"]
