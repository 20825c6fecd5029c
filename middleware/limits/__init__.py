"""Limits by plan: a rate per minute and a burst, for each token.

    TokenMiddleware(app, verifier, limits=MemoryLimiter())

For several processes there is ``RedisLimiter`` in ``spacekey.middleware.limits.redis`` (the ``redis`` extra).
"""

from .limiter import Decision, Limiter
from .memory import MemoryLimiter

__all__ = ["Decision", "Limiter", "MemoryLimiter"]
