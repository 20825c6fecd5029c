"""Formats of imported keys: what keys that another system made look like, and how it hashed them.

A product declares the formats of the keys that were imported into its workspaces. A key of a declared format is looked
up like one of Spacekey's own secrets; any other string is refused before anything is read. A format never has a string
in common with Spacekey's secrets.

Only fast hashes of keys with at least 128 random bits can be imported. A key is looked up by its hash, in one read, so
that a slow hash or one with a salt cannot be found; and a fast hash of a key with less entropy could be inverted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from .digest import sha256_of
from .refusal import InputCode, InvalidInput
from .secret import ENVIRONMENTS, Secret

ENTROPY_BITS_MIN = 128
SHOWN_BITS_MIN = 96
"""How many random bits a key must have beyond the characters that lists show of it."""

KEY_LENGTH_MAX = 200
ROW_BYTES_MAX = 65_536
"""Maximum size of a row of an import."""

LENGTHS_APART_MAX = 2
"""How far apart the lengths of a format may be: a random number in base 58 is sometimes a digit or two shorter."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ALPHABETS: Mapping[str, str] = {
    "hex": "0123456789abcdef",
    "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "base36": "0123456789abcdefghijklmnopqrstuvwxyz",
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "base62": _BASE62,
    "base64url": f"{_BASE62}-_",
}
"""Alphabets by name."""

SENDABLE = frozenset(f"{_BASE62}-._~+/")
"""Characters that a Bearer token may have (RFC 6750 §2.1, without the padding)."""

_SLOW = ("pbkdf2", "bcrypt", "argon2", "scrypt", "$2", "$argon2", "$scrypt", "$pbkdf2", "$5$", "$6$", "$y$")
_TAG = re.compile(r"(sha256|sha512)(?:\$\$|:)", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)


class KeyHash(StrEnum):
    """How a system hashed its keys."""

    SHA256 = "sha256"
    SHA512 = "sha512"
    SHA512_OF_BYTES = "sha512-of-bytes"
    """SHA-512 of the bytes that a hexadecimal key stands for, as django-rest-knox 4 did."""

    @property
    def size(self) -> int:
        """The number of bytes."""
        return 32 if self is KeyHash.SHA256 else 64


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """Format of the keys that one system made.

    A key is ``prefix``, then ``public`` characters that the system stored beside the hash and that are no secret, then
    the random characters.

    :param name: what the format is called, such as ``unkey``.
    :param prefix: what every key begins with; may be empty.
    :param alphabet: the characters that follow, or the name of an alphabet: ``hex``, ``base32``, ``base36``,
        ``base58``, ``base62`` or ``base64url``.
    :param shortest: the length of the shortest key, with the prefix.
    :param longest: that of the longest.
    :param public: how many characters after the prefix are no secret.
    :param hash: how the system hashed its keys.
    :param hashed_secret: whether only the random characters were hashed, and not the whole key.
    """

    name: str
    prefix: str
    alphabet: str
    shortest: int
    longest: int
    public: int = 0
    hash: KeyHash = KeyHash.SHA256
    hashed_secret: bool = False
    _shape: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphabet", ALPHABETS.get(self.alphabet, self.alphabet))
        least, most = self.shortest - len(self.prefix), self.longest - len(self.prefix)
        characters = "".join(map(re.escape, sorted(set(self.alphabet))))
        shape = re.compile(rf"{re.escape(self.prefix)}[{characters}]{{{least},{most}}}", re.ASCII)
        object.__setattr__(self, "_shape", shape)

    @property
    def bits(self) -> float:
        """How many random bits a key has: those of the longest, which is the number before it was written as text."""
        return math.log2(len(set(self.alphabet))) * (self.longest - len(self.prefix) - self.public)

    @property
    def method(self) -> tuple[KeyHash, int | None]:
        """What a stored digest is made from. Two formats with one method find the same digest for a key."""
        return self.hash, len(self.prefix) + self.public if self.hashed_secret else None

    def matches(self, text: str) -> bool:
        """Return whether a key of this format can be this text."""
        return self._shape.fullmatch(text) is not None

    def digest(self, text: str) -> bytes:
        """Return the digest under which a key is stored, 32 bytes: see :func:`stored_digest`."""
        hashed = text[len(self.prefix) + self.public :] if self.hashed_secret else text
        if self.hash is KeyHash.SHA512_OF_BYTES:
            try:
                return stored_digest(hashlib.sha512(binascii.unhexlify(hashed)).digest())
            except ValueError:  # an odd number of digits, of which no such key was made
                return stored_digest(b"")
        return stored_digest(hashlib.new(self.hash.value, hashed.encode("ascii")).digest())

    def read_hash(self, field: str, text: str) -> bytes:
        """Return the digest under which a key with this hash is stored.

        :param text: the hash in hexadecimal or base64, also base64url, with or without padding. It may begin with the
            name of the hash, as in ``sha512$$…``.
        :raises InvalidInput: if it is a slow hash, has a salt, or is not such a hash.
        """
        for slow in _SLOW:
            if text.lower().startswith(slow):
                reason = (
                    "Is a slow hash, by which a key cannot be looked up; it cannot be imported. "
                    "Let its holder make a new key."
                )
                raise InvalidInput(field, reason, InputCode.NOT_ALLOWED)
        tag = _TAG.match(text)
        if tag is not None:
            if not self.hash.value.startswith(tag[1]):
                reason = f"Is {tag[1]}; the key format '{self.name}' says {self.hash.value}."
                raise InvalidInput(field, reason, InputCode.INVALID_FORMAT)
            text = text[tag.end() :]
        if "$" in text:
            reason = "Has a salt, with which a key cannot be looked up; it cannot be imported."
            raise InvalidInput(field, reason, InputCode.NOT_ALLOWED)
        found = _bytes_of(text, self.hash.size)
        if found is None:
            reason = f"Write {self.hash.size} bytes in hexadecimal or base64: the {self.hash.value} hash of a key."
            raise InvalidInput(field, reason, InputCode.INVALID_FORMAT)
        return stored_digest(found)

    def shown_prefix(self, field: str, text: str | None, length_max: int) -> str:
        """Return the characters of a key that lists may show: the given ones, or the prefix.

        :raises InvalidInput: if no key of this format begins like this, or they would give too much of it away.
        """
        if text is None:
            return self.prefix[:length_max]
        shown = text[:length_max]
        rest = shown[len(self.prefix) :]
        if not (shown.startswith(self.prefix[: len(shown)]) and set(rest) <= set(self.alphabet)):
            raise InvalidInput(field, "No key of this format begins like this.", InputCode.INVALID_FORMAT)
        told = max(0, len(rest) - self.public) * math.log2(len(set(self.alphabet)))
        if self.bits - told < SHOWN_BITS_MIN:
            raise InvalidInput(field, "Tells too much of the key; give fewer characters.", InputCode.TOO_LONG)
        return shown

    def overlaps(self, other: Positions) -> bool:
        """Return whether some string has both shapes."""
        lengths = {len(one) for one in other.positions()}
        mine = {len(one): one for one in self.positions() if len(one) in lengths}
        return any(
            all(one & two for one, two in zip(mine[len(theirs)], theirs, strict=True))
            for theirs in other.positions()
            if len(theirs) in mine
        )

    def positions(self) -> Iterator[tuple[frozenset[str], ...]]:
        """Yield for each length the characters that may stand at each position."""
        alphabet = frozenset(self.alphabet)
        for length in range(self.shortest, self.longest + 1):
            yield (*map(frozenset, self.prefix), *(alphabet,) * (length - len(self.prefix)))


class Positions(Protocol):
    """Shape of strings whose positions do not depend on one another."""

    def positions(self) -> Iterator[tuple[frozenset[str], ...]]:
        """Yield for each length the characters that may stand at each position."""
        ...


class OwnSecrets:
    """Shape of Spacekey's own secrets, with any secret prefix (:mod:`spacekey.domain.secret`)."""

    def positions(self) -> Iterator[tuple[frozenset[str], ...]]:
        """See :class:`Positions`."""
        letters = frozenset("abcdefghijklmnopqrstuvwxyz")
        word, random = letters | frozenset("0123456789"), frozenset(_BASE62)
        for environment in ENVIRONMENTS:
            for length in range(1, 16):
                middle = map(frozenset, f"_{environment}_")
                yield (letters, *(word,) * length, *middle, *(random,) * 38)


OWN_SECRETS = OwnSecrets()


class KeyFormats:
    """Formats whose keys a verifier knows.

    :param formats: the formats. No two of them have a string in common, unless they are hashed alike.
    """

    def __init__(self, formats: Iterable[KeyFormat] = ()) -> None:
        self.formats = tuple(formats)

    def __bool__(self) -> bool:
        return bool(self.formats)

    def match(self, secret: Secret) -> KeyFormat | None:
        """Return a format that the secret has, or None."""
        if not self.formats:
            return None
        text = secret.reveal()
        if len(text) > KEY_LENGTH_MAX:
            return None
        return next((one for one in self.formats if one.matches(text)), None)

    def digest(self, secret: Secret) -> bytes | None:
        """Return the digest under which an imported key is stored; None for a string of no such format."""
        found = self.match(secret)
        return None if found is None else found.digest(secret.reveal())


NO_KEY_FORMATS = KeyFormats()


def stored_digest(hash_: bytes) -> bytes:
    """Return the 32 bytes under which a key with this hash is stored: a SHA-256 as it is, else the hash's SHA-256."""
    return hash_ if len(hash_) == 32 else sha256_of(hash_)


def _bytes_of(text: str, size: int) -> bytes | None:
    if len(text) == 2 * size:
        try:
            return bytes.fromhex(text) if text.isalnum() else None
        except ValueError:
            return None
    if _BASE64.fullmatch(text) is None:
        return None
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        found = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return None
    return found if len(found) == size else None
