"""Opaque ids: a prefix that says the kind, then 48 bits of time and 80 random bits, so that they sort by creation.

26 digits of Crockford's base 32 in lower case (the layout of ULID, github.com/ulid/spec).
"""

import re
from datetime import datetime

from .secret import Entropy

WORKSPACE = "ws"
SPACE = "space"
KEY = "key"
USER = "usr"
EVENT = "evt"
SESSION = "ses"
INVITATION = "inv"

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_SHAPE = re.compile(r"(ws|space|key|usr|evt|ses|inv)_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)


def new_id(prefix: str, now: datetime, entropy: Entropy) -> str:
    """A new id such as ``key_01k…``; ``now`` is timezone-aware."""
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(entropy(10), "big")
    digits = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return f"{prefix}_{digits}"


def id_prefix(text: str) -> str | None:
    """The prefix of a well-formed id, else None."""
    match = _SHAPE.fullmatch(text) if len(text) < 40 else None
    return match[1] if match else None
