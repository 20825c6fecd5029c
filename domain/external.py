"""External ids and metadata: what the host application attaches to workspaces, spaces and tokens.

An external id is the id that the host application has for its own tenant, project or user. It is compared exactly, as
text. Metadata is a JSON object of the host application's. Spacekey stores both, gives them back and searches for the
first; it looks into neither.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from .metadata import Json, written_metadata
from .refusal import Conflict, ConflictCode, Fault, InputCode, InvalidInput

EXTERNAL_ID_LENGTH_MAX = 200
METADATA_BYTES_MAX = 4_096
METADATA_DEPTH_MAX = 8
INTEGER_MAX = 2**53 - 1
"""Largest whole number that every JSON parser reads exactly (RFC 7493 §2.2)."""

FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks by category that are invisible: the grapheme joiner and the fillers of Hangul and Khmer."""

_BLANKS = FILLERS | frozenset("\u2800") | {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
_SHOWN_LENGTH_MAX = 60


def clean_external_id(field: str, value: object) -> str:
    """Return an external id: 1 to 200 visible characters, which may have plain spaces between them.

    It is returned as given. Text that is not in Unicode's normal form C is refused, because the host application would
    not find the changed text again.

    :raises InvalidInput: for anything else.
    """
    if not isinstance(value, str):
        raise InvalidInput(field, "Must be a string.", InputCode.INVALID_TYPE)
    if not value:
        raise InvalidInput(field, "Must not be empty; leave it out, or send null for none.", InputCode.REQUIRED)
    if len(value) > EXTERNAL_ID_LENGTH_MAX:
        reason = f"Must be at most {EXTERNAL_ID_LENGTH_MAX} characters; this has {len(value)}."
        raise InvalidInput(field, reason, InputCode.TOO_LONG)
    if not value.isprintable() or value.strip() != value or not _BLANKS.isdisjoint(value):
        reason = "Must be visible characters, without control characters and without spaces at either end."
        raise InvalidInput(field, reason, InputCode.INVALID_CHARACTERS)
    if not unicodedata.is_normalized("NFC", value):
        raise InvalidInput(field, "Must be in Unicode's normal form C (NFC).", InputCode.INVALID_CHARACTERS)
    return value


def external_id_taken() -> Conflict:
    """Return the refusal of an external id that another workspace of the product, or space of the workspace, has."""
    return Conflict(
        "The external id is taken; find the object that has it, or send another one.", ConflictCode.EXTERNAL_ID_TAKEN
    )


def clean_metadata(field: str, value: object) -> Json | None:
    """Return metadata as plain JSON values; None for an empty object, which is the same as none.

    It is at most 4,096 bytes of compact UTF-8, with at most 8 levels, the object itself being the first. Whole numbers
    must be within ±(2\\ :sup:`53` - 1), which every parser reads exactly (RFC 7493 §2.2).

    :raises InvalidInput: for anything but such an object, with the place of the fault.
    """
    if not isinstance(value, Mapping):
        raise InvalidInput(field, "Must be an object.", InputCode.INVALID_TYPE)
    metadata: Json = _plain(value, (field,), 1, _Budget())
    try:
        size = len(written_metadata(metadata).encode())
    except UnicodeEncodeError:  # every text was checked
        raise InvalidInput(field, "Must be Unicode text.", InputCode.INVALID_CHARACTERS) from None
    if size > METADATA_BYTES_MAX:
        raise _too_large(field, f"this has {size}")
    return metadata or None


def parsed_metadata(field: str, text: str) -> Json | None:
    """Return the metadata that a JSON text stands for.

    :raises InvalidInput: if it is not JSON (RFC 8259), names a member twice, or is refused by :func:`clean_metadata`.
    """
    if len(text) > 8 * METADATA_BYTES_MAX:
        raise _too_large(field, "this has more")
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        reason = 'Must be a JSON object that names no member twice, such as {"plan": "pro"}.'
        raise InvalidInput(field, reason, InputCode.INVALID_FORMAT) from None
    return clean_metadata(field, value)


class _Budget:
    """Number of values that metadata may still have. Each takes a byte at least."""

    def __init__(self) -> None:
        self._left = METADATA_BYTES_MAX

    def spend(self, field: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise _too_large(field, "this has more")


def _plain(value: object, path: tuple[str, ...], depth: int, budget: _Budget) -> Any:
    budget.spend(path[0])
    if isinstance(value, Mapping | list | tuple):
        if depth > METADATA_DEPTH_MAX:
            reason = f"Must be nested at most {METADATA_DEPTH_MAX} levels deep."
            raise InvalidInput.of([Fault(path[:1], InputCode.OUT_OF_RANGE, reason)])
        if isinstance(value, Mapping):
            return {name: _plain(one, (*path, shown), depth + 1, budget) for name, one, shown in _members(value, path)}
        return [_plain(one, (*path, str(place)), depth + 1, budget) for place, one in enumerate(value)]
    if isinstance(value, str):
        return _text(value, path)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            reason = f"Must be a whole number from -{INTEGER_MAX} to {INTEGER_MAX}; send larger ones as strings."
            raise InvalidInput.of([Fault(path, InputCode.OUT_OF_RANGE, reason)])
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput.of([Fault(path, InputCode.OUT_OF_RANGE, "Must be a finite number.")])
        return float(value)
    reason = "Must be a string, a number, true, false, null, a list or an object."
    raise InvalidInput.of([Fault(path, InputCode.INVALID_TYPE, reason)])


def _members(value: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any, str]]:
    """Yield the members of an object, with their names as faults show them."""
    for name, one in value.items():
        if not isinstance(name, str):
            raise InvalidInput.of([Fault(path, InputCode.INVALID_TYPE, "Names of members must be strings.")])
        _text(name, path)
        yield str(name), one, name if name.isprintable() and len(name) <= _SHOWN_LENGTH_MAX else "(name)"


def _text(text: str, path: tuple[str, ...]) -> str:
    if "\0" in text:
        raise InvalidInput.of([Fault(path, InputCode.INVALID_CHARACTERS, "Must not contain NUL.")])
    try:
        text.encode()
    except UnicodeEncodeError:
        reason = "Must not contain half of a surrogate pair."
        raise InvalidInput.of([Fault(path, InputCode.INVALID_CHARACTERS, reason)]) from None
    return str(text)


def _too_large(field: str, has: str) -> InvalidInput:
    reason = f"Must be at most {METADATA_BYTES_MAX} bytes of compact JSON; {has}."
    return InvalidInput(field, reason, InputCode.TOO_LONG)


def _distinct(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(_name: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")
