"""Strawberry's word for "left out" and ours."""

from __future__ import annotations

from typing import TypeVar

import strawberry

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET, Unset

T = TypeVar("T")


def kept(value: T) -> T | Unset:
    """The value, or our UNSET where the client left the field out."""
    return UNSET if value is strawberry.UNSET else value


def kept_whole(field: str, value: T | None) -> T | Unset:
    """The same for what cannot be cleared. GraphQL has no word for "may be left out and not null".

    :raises InvalidInput: for null.
    """
    if value is None:
        raise InvalidInput(field, "Cannot be null; leave it out to keep it as it is.")
    return kept(value)


def kept_tuple(value: list[str] | None) -> tuple[str, ...] | Unset | None:
    """A list as a tuple, null as None, left out as UNSET."""
    if value is strawberry.UNSET:
        return UNSET
    return None if value is None else tuple(value)
