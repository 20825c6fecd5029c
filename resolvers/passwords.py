"""Members' passwords: Argon2id off the event loop, behind a small semaphore.

Rules follow NIST SP 800-63B-4 §3.1.1: at least 15 characters, a blocklist, no composition rules, Unicode NFKC.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from spacekey.domain.refusal import InvalidInput

from .password_cover import left_over

LENGTH_MIN = 15
LENGTH_MAX = 256
AT_ONCE = 2
CHARACTERS_MIN = 5
LEFT_OVER_MIN = 8
"""What must be left without common words and patterns: the length NIST asks of a password that is not alone
(SP 800-63B-4 §3.1.1.2). Common words beside it are worth as little as a second factor that everybody has."""

SERVICE = "spacekey"


class Passwords:
    """Hashes and checks passwords. Each hash takes tens of milliseconds and 64 MiB, so few run at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._gate = asyncio.Semaphore(AT_ONCE)

    @cached_property
    def _dummy(self) -> str:
        return self._hasher.hash("a password nobody has, hashed so that unknown users cost the same")

    async def hash(self, password: str) -> str:
        """The Argon2id string to store."""
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one. Without a stored hash it takes as long and answers no."""
        async with self._gate:
            good = await asyncio.to_thread(self._verify, stored, _bytes(password))
        return good and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str | None, password: bytes) -> bool:
        try:
            return self._hasher.verify(stored if stored is not None else self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False


async def check_password(field: str, password: str, *, about: Iterable[str] = ()) -> None:
    """Refuse passwords that are too short, too long, or mostly made of what is guessed first.

    A long one takes tens of milliseconds, which are a thread's.

    :param about: names and addresses of the owner and of the service, which are guessed first too.
    :raises InvalidInput: with what to do.
    """
    text = _normal(password)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        raise InvalidInput(field, f"Use {LENGTH_MIN} to {LENGTH_MAX} characters; several words make a good password.")
    if len(set("".join(text.casefold().split()))) < CHARACTERS_MIN:
        raise InvalidInput(field, "This password repeats too few characters. Use several words.")
    if await asyncio.to_thread(left_over, text, (SERVICE, *about)) < LEFT_OVER_MIN:
        raise InvalidInput(
            field,
            "This password is mostly made of what is guessed first: common words, rows of keys, sequences, dates, "
            "repetitions, or names of yours or of this service. Add several words that have nothing to do with them.",
        )


def _bytes(password: str) -> bytes:
    # JSON can carry half of a surrogate pair; it is a wrong password like any other, not a fault.
    return _normal(password).encode("utf-8", "surrogatepass")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password[: LENGTH_MAX * 4])
