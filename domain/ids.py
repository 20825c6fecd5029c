"""Opaque ids: a prefix for the kind, then 48 bits of time and 80 random bits, so that they sort by creation.

They are 26 digits of Crockford's base 32 in lower case (the layout of ULID, github.com/ulid/spec). A member, who has no
row id, is identified by the digits of the workspace and of the person.
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
SERVICE = "svc"
PORTAL_SESSION = "pts"
MEMBER = "mem"

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_SHAPE = re.compile(r"(ws|space|key|usr|evt|ses|inv|svc|pts)_[0-9a-hjkmnp-tv-z]{26}", re.ASCII)


def new_id(prefix: str, now: datetime, entropy: Entropy) -> str:
    """Return a new id such as ``key_01k…``; ``now`` is timezone-aware."""
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(entropy(10), "big")
    digits = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return f"{prefix}_{digits}"


_MEMBER_SHAPE = re.compile(rf"{MEMBER}_([0-9a-hjkmnp-tv-z]{{26}})_([0-9a-hjkmnp-tv-z]{{26}})", re.ASCII)


def member_id(workspace_id: str, person_id: str) -> str:
    """Return the global id of a membership: ``mem_`` and the digits of both ids.

    :param person_id: the user's id, or an invitation's for a person who has not accepted it yet.
    """
    return f"{MEMBER}_{workspace_id.rpartition('_')[2]}_{person_id.rpartition('_')[2]}"


def membership_of(text: str) -> tuple[str, str] | None:
    """Return the workspace's id and the user's id of a member's global id, or None for any other text."""
    match = _MEMBER_SHAPE.fullmatch(text) if len(text) < 60 else None
    return (f"{WORKSPACE}_{match[1]}", f"{USER}_{match[2]}") if match else None


def id_prefix(text: str) -> str | None:
    """Return the prefix of a well-formed id, else None."""
    match = _SHAPE.fullmatch(text) if len(text) < 40 else None
    return match[1] if match else None
