"""The fields of a request: typed, and no others than the known ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spacekey.domain.ids import id_prefix
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.domain.suggest import did_you_mean

NAMED_LENGTH_MAX = 60
STRINGS_MAX = 1_000


def only_known(given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse fields nobody reads: most are typing mistakes whose author believes they took effect.

    :raises InvalidInput: naming the first one, with near matches.
    """
    names = set(known)
    for name in given:
        if name not in names:
            shown = name[:NAMED_LENGTH_MAX] if name.isprintable() else "(unprintable)"
            raise InvalidInput(shown, f"There is no such field.{did_you_mean(name, names)}")


def text(given: Mapping[str, Any], name: str) -> str:
    """A field that must be there and be a string.

    :raises InvalidInput: otherwise.
    """
    if name not in given:
        raise InvalidInput(name, "Is required.")
    value = given[name]
    if not isinstance(value, str):
        raise InvalidInput(name, "Must be a string.")
    return value


def optional_text(given: Mapping[str, Any], name: str) -> str | None:
    """A string, or None when it is left out or null.

    :raises InvalidInput: for anything else.
    """
    return None if given.get(name) is None else text(given, name)


def strings(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings, empty when left out.

    :raises InvalidInput: for anything else, null included.
    """
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidInput(name, "Must be a list of strings.")
    if len(value) > STRINGS_MAX:
        raise InvalidInput(name, f"Has more than {STRINGS_MAX} entries.")
    return tuple(value)


def flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    """A boolean.

    :raises InvalidInput: for anything else, null included.
    """
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidInput(name, "Must be true or false.")
    return value


def whole(given: Mapping[str, Any], name: str, default: int | None = None, *, most: int = 2**31 - 1) -> int:
    """A whole number from 0 to ``most``; JSON's 1.0 is none.

    :raises InvalidInput: for anything else, or when it is left out and there is no default.
    """
    value = given.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise InvalidInput(name, f"Must be a whole number from 0 to {most}.")
    return value


def an_id(value: str, prefix: str, what: str) -> str:
    """The id as given, when it has an id's shape: no database is asked about anything else.

    :raises NotFound: otherwise; it looks like an unknown one.
    """
    if id_prefix(value) != prefix:
        raise NotFound(what)
    return value
