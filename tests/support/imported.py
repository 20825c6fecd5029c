"""Keys as other libraries make and hash them, and a product that declares their formats."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from spacekey.domain.key_format import ALPHABETS
from spacekey.domain.product import Product
from spacekey.domain.product_file import parse_product

from .world import EXAMPLES

FORMATS = """
[key_formats.unkey]
prefix = "acme_"
alphabet = "base58"
length = [26, 27]

[key_formats.knox]
alphabet = "hex"
length = 64
hash = "sha512"

[key_formats.knox_prefixed]
prefix = "kx-"
alphabet = "hex"
length = 67
hash = "sha512"

[key_formats.drf]
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789."
length = 41
public = 9
hash = "sha512"

[key_formats.parts]
prefix = "ak-"
alphabet = "base62"
length = 63
public = 16
hashed = "secret"

[key_formats.hexadecimal]
prefix = "old_"
alphabet = "hex"
length = 44
"""
"""Of Unkey, django-rest-knox 5, djangorestframework-api-key 3, keyshield with a fast hash, and a home-made system."""


def spooled_with(formats: str = FORMATS) -> Product:
    """The example product Spooled, with formats of imported keys."""
    return parse_product(spooled_text(formats), "spooled.toml")


def spooled_text(formats: str = FORMATS) -> str:
    """Its product file."""
    return (EXAMPLES / "spooled.toml").read_text() + formats


@dataclass(frozen=True)
class Other:
    """A key of another system, and its hash as that system stores it."""

    format: str
    key: str
    hash: str


def _text(source: random.Random, alphabet: str, length: int) -> str:
    return "".join(source.choice(alphabet) for _ in range(length))


def _unkey(source: random.Random) -> Other:
    key = "acme_" + _text(source, ALPHABETS["base58"], source.choice((21, 22)))
    return Other("unkey", key, base64.b64encode(hashlib.sha256(key.encode()).digest()).decode())


def _knox(source: random.Random) -> Other:
    key = _text(source, ALPHABETS["hex"], 64)
    return Other("knox", key, hashlib.sha512(key.encode()).hexdigest())


def _knox_prefixed(source: random.Random) -> Other:
    key = "kx-" + _text(source, ALPHABETS["hex"], 64)
    return Other("knox_prefixed", key, hashlib.sha512(key.encode()).hexdigest())


def _drf(source: random.Random) -> Other:
    key = f"{_text(source, ALPHABETS['base62'], 8)}.{_text(source, ALPHABETS['base62'], 32)}"
    return Other("drf", key, f"sha512$${hashlib.sha512(key.encode()).hexdigest()}")


def _parts(source: random.Random) -> Other:
    public, secret = _text(source, ALPHABETS["base62"], 16), _text(source, ALPHABETS["base62"], 44)
    return Other("parts", f"ak-{public}{secret}", hashlib.sha256(secret.encode()).hexdigest())


def _hexadecimal(source: random.Random) -> Other:
    key = "old_" + _text(source, ALPHABETS["hex"], 40)
    return Other("hexadecimal", key, hashlib.sha256(key.encode()).hexdigest().upper())


SYSTEMS: dict[str, Callable[[random.Random], Other]] = {
    "unkey": _unkey,
    "knox": _knox,
    "knox_prefixed": _knox_prefixed,
    "drf": _drf,
    "parts": _parts,
    "hexadecimal": _hexadecimal,
}


def another(system: str, seed: int = 0) -> Other:
    """A key of a system; the same one for the same seed."""
    return SYSTEMS[system](random.Random(f"{system} {seed}"))
