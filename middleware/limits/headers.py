"""The fields that tell a client how it stands: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.

Both are Lists of Structured Fields (RFC 9651): ``RateLimit-Policy: "default";q=100;w=60;spacekey-burst=20`` and
``RateLimit: "default";r=19;t=1``. ``q`` per ``w`` seconds is the rate; the draft has no word for a burst and leaves
parameters with a vendor's prefix to the vendor. ``t`` is the seconds until ``r`` is one more.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from .decision import SECOND_US, Decision

POLICY = "default"
_WINDOW_SECONDS = 60


Field = tuple[bytes, bytes]
"""Name and value, as ASGI has them."""


@lru_cache(4_096)
def _fields(per_minute: int, burst: int, remaining: int, reset_seconds: int) -> tuple[Field, Field]:
    policy = f'"{POLICY}";q={per_minute};w={_WINDOW_SECONDS};spacekey-burst={burst}'
    standing = f'"{POLICY}";r={remaining};t={reset_seconds}'
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", standing.encode())


def limit_headers(decision: Decision) -> tuple[Field, Field]:
    """Both fields, as ASGI headers. The same few come again and again: a burst is short, and so is its wait."""
    _, limit, debt, interval, burst, _ = decision
    reset = 1 if debt else 0  # ``reset_seconds``, rounded up, at the usual rates; at slow ones it may be more
    if reset and interval > SECOND_US:
        reset = ((debt - 1) % interval + SECOND_US) // SECOND_US
    return _fields(limit.per_minute, limit.burst, burst - -(-debt // interval), reset)


def retry_after(decision: Decision) -> int | None:
    """``Retry-After`` in whole seconds (RFC 9110 §10.2.3); None when the same request can never be admitted."""
    seconds = decision.retry_after_seconds
    return None if seconds is None else max(1, ceil(seconds))
