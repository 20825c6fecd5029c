"""Cursors: opaque text that says where in which ordering a row stands.

base64url of JSON ``[ordering, key, identity]`` and a checksum. The checksum is no signature: a cursor gives no rights,
its values only ever become bound parameters. It tells a damaged or made-up cursor from a real one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import TypeAlias

from spacekey.domain.refusal import InvalidInput

Key: TypeAlias = str | int | datetime

_CHECKSUM_BYTES = 8
_LENGTH_MAX = 4_000
_INTEGER_MAX = 2**63 - 1
_SHAPE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def write_cursor(ordering: str, key: Key, identity: str) -> str:
    """The cursor of a row with this key and identity."""
    plain = key.astimezone(UTC).isoformat() if isinstance(key, datetime) else key
    body = json.dumps([ordering, plain, identity], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_checksum(body) + body).rstrip(b"=").decode()


def read_cursor(ordering: str, kind: type[Key], field: str, text: str) -> tuple[Key, str]:
    """Key and identity of the row a cursor stands on.

    :param kind: the type the key must have.
    :param field: the argument the cursor came in, for the error.
    :raises InvalidInput: when it was not written by :func:`write_cursor` for this ordering.
    """
    try:
        name, plain, identity = json.loads(_body(text))
        key = datetime.fromisoformat(plain).astimezone(UTC) if kind is datetime else plain
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidInput(field, "Is not a cursor; pass one that this list gave.") from None
    if name != ordering:
        raise InvalidInput(field, "Belongs to another list or ordering; pass one that this list gave.")
    if type(key) is not kind or not isinstance(identity, str) or not _storable(key) or not _storable(identity):
        raise InvalidInput(field, "Is not a cursor; pass one that this list gave.")
    return key, identity


def _body(text: str) -> bytes:
    """The JSON inside, when the checksum is right and the text is the one way of writing it."""
    if len(text) > _LENGTH_MAX or _SHAPE.fullmatch(text) is None:
        raise ValueError("not base64url, or too long")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    checksum, body = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if checksum != _checksum(body) or base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("the checksum is wrong")
    return body


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"spacekey cursor\0" + body).digest()[:_CHECKSUM_BYTES]


def _storable(value: Key) -> bool:
    """Whether a database can be asked about it: no NUL, no half of a surrogate pair, no number over 64 bits."""
    if isinstance(value, int):
        return abs(value) <= _INTEGER_MAX
    if isinstance(value, str):
        return "\0" not in value and value.encode("utf-8", "ignore").decode() == value
    return True
