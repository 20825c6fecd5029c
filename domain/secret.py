"""Secrets that clients send: their format, their checksum, and a type that keeps them out of logs.

``<prefix>_<env>_<32 base62 random><6 base62 checksum>``: 32 base62 digits are about 190 random bits; the checksum is
the zero-padded base62 CRC-32 of everything before it. With a checksum, a server can refuse typos and random guesses
before any I/O, and secret scanners can avoid false alarms (the idea is GitHub's, "Behind GitHub's new authentication
token formats", 2021). A random secret of this length needs no slow hash: SHA-256 is stored.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

from .digest import sha256_of

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_BASE62)}
_RANDOM_LENGTH = 32
_CHECKSUM_LENGTH = 6
_CHECKSUM_PLACES = tuple(62**place for place in reversed(range(_CHECKSUM_LENGTH)))
_ENTROPY_READS_MAX = 64  # 31 of 32 bytes are usable, so two reads nearly always do
PREFIX_LENGTH = 12
SECRET_LENGTH_MAX = 100
LIVE = "live"
ENVIRONMENTS = (LIVE, "test")

_SECRET_PREFIX = re.compile(r"[a-z][a-z0-9]{1,15}", re.ASCII)
BEARER_SHAPE = re.compile(rb"Bearer [a-z][a-z0-9]{1,15}_(?:live|test)_[0-9A-Za-z]{38}")
"""Pattern of the ``Authorization`` header that :meth:`Secret.bearer` writes for a secret of the right shape."""

_SHAPE = re.compile(r"([a-z][a-z0-9]{1,15})_(live|test)_[0-9A-Za-z]{32}[0-9A-Za-z]{6}", re.ASCII)

Entropy = Callable[[int], bytes]
"""Returns that many random bytes; ``secrets.token_bytes`` outside tests."""


class Secret:
    """String that must not be shown. ``repr`` and ``str`` are masked; only :meth:`reveal` returns the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the whole secret. Call it where the secret is hashed, sent or returned once, nowhere else."""
        return self._text

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole string, 32 bytes, as the database stores it."""
        return sha256_of(self._text.encode("utf-8", "surrogatepass"))

    def bearer(self) -> bytes:
        """Return the value of an ``Authorization`` header that carries the secret (RFC 6750 §2.1)."""
        return b"Bearer " + self._text.encode("utf-8", "surrogatepass")

    @classmethod
    def from_bearer(cls, authorization: bytes) -> Secret | None:
        """Return the secret of a header that is exactly as :meth:`bearer` writes it, else None."""
        return (
            cls(authorization[7:].decode("ascii"))
            if authorization[:7] == b"Bearer " and authorization.isascii()
            else None
        )

    @property
    def prefix(self) -> str:
        """The first 12 characters, which lists may show.

        Empty if the text has not the shape of a secret, since the first 12 characters of something else, such as a
        password, may be all of it.
        """
        return self._text[:PREFIX_LENGTH] if _SHAPE.fullmatch(self._text) else ""

    def __repr__(self) -> str:
        return f"Secret('{self.prefix}…')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is never pickled or copied to disk")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.digest() == other.digest()

    def __hash__(self) -> int:
        return hash(self.digest())


class SecretFacts(NamedTuple):
    """Facts that a well-formed secret tells by itself."""

    secret_prefix: str
    environment: str


def is_secret_prefix(text: object) -> bool:
    """Return whether ``text`` may be a key prefix: a letter, then 1 to 15 lower-case letters or digits."""
    return isinstance(text, str) and _SECRET_PREFIX.fullmatch(text) is not None


def mint(secret_prefix: str, environment: str, entropy: Entropy) -> Secret:
    """Return a new random secret.

    :param secret_prefix: the product's key prefix, such as ``sp``.
    :param environment: ``live`` or ``test``.
    :raises ValueError: if secret prefix or environment do not have that shape, or ``entropy`` gives no usable bytes.
    """
    if not is_secret_prefix(secret_prefix) or environment not in ENVIRONMENTS:
        raise ValueError(
            "the secret prefix is 2 to 16 of [a-z0-9] starting with a letter, environment is 'live' or 'test'"
        )
    head = f"{secret_prefix}_{environment}_{_random_digits(entropy)}"
    return Secret(head + checksum(head))


def parse(secret: Secret) -> SecretFacts | None:
    """Return the secret prefix and environment of a well-formed secret with a correct checksum, else None. No I/O."""
    text = secret.reveal()
    if len(text) > SECRET_LENGTH_MAX:
        return None
    match = _SHAPE.fullmatch(text)
    return None if match is None or not _adds_up(text) else SecretFacts(match[1], match[2])


def has_shape(secret: Secret) -> bool:
    """Return whether a string has the shape of a secret, with a correct checksum or not. No I/O."""
    text = secret.reveal()
    return len(text) <= SECRET_LENGTH_MAX and _SHAPE.fullmatch(text) is not None


def secret_prefix_of(secret: Secret) -> str | None:
    """Return the prefix of a secret that may be well-formed, for code that is about to look it up; None if it is not.

    Only the checksum is checked, at a third of the cost of :func:`parse`. A secret that is found by its digest has been
    minted, and so has the right shape.
    """
    text = secret.reveal()
    return text.partition("_")[0] or None if len(text) <= SECRET_LENGTH_MAX and _adds_up(text) else None


def checksum(head: str) -> str:
    """Return six base62 digits of the CRC-32 of ``head``, zero-padded."""
    number = zlib.crc32(head.encode("ascii"))
    return "".join([_BASE62[number // place % 62] for place in _CHECKSUM_PLACES])


def _adds_up(text: str) -> bool:
    """Return whether the last six characters are the checksum of those before.

    Reading the checksum costs a third of writing it.
    """
    number = 0
    try:
        for digit in text[-_CHECKSUM_LENGTH:]:
            number = number * 62 + _VALUES[digit]
    except KeyError:
        return False
    return text.isascii() and zlib.crc32(text[:-_CHECKSUM_LENGTH].encode()) == number


def opaque_secret(entropy: Entropy) -> Secret:
    """Return a secret of 256 random bits for a session or an invitation: 43 characters of base64url."""
    return Secret(base64.urlsafe_b64encode(entropy(32)).decode().rstrip("="))


def scanner_regex(secret_prefix: str) -> str:
    """Return the regular expression with which secret scanners find this secret prefix's secrets in text."""
    return rf"\b{re.escape(secret_prefix)}_(?:live|test)_[0-9A-Za-z]{{38}}\b"


def _random_digits(entropy: Entropy) -> str:
    """Return 32 unbiased base62 digits: bytes of 248 and above are thrown away, the rest taken modulo 62."""
    digits = ""
    for _ in range(_ENTROPY_READS_MAX):
        digits += "".join(_BASE62[byte % 62] for byte in entropy(_RANDOM_LENGTH) if byte < 248)
        if len(digits) >= _RANDOM_LENGTH:
            return digits[:_RANDOM_LENGTH]
    raise ValueError("the source of randomness gives no usable bytes")
