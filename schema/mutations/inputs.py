"""Conversion of input fields that may be left out, from Strawberry's UNSET to Spacekey's."""

from __future__ import annotations

from typing import TypeVar

import strawberry

from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.unset import UNSET, Unset

T = TypeVar("T")

EFFECTIVE = "When the change is in effect on all servers."
WAIT = (
    "Whether to answer only once the change is in effect on all servers. If false, the answer comes immediately, and "
    "`effectiveAt` says when the change is in effect."
)
LIFETIME = "The lifetime of the token in seconds from now, by the server's clock. Use either this or `expiresAt`."


def kept(value: T) -> T | Unset:
    """Return the value; UNSET if the client left the field out."""
    return UNSET if value is strawberry.UNSET else value


def kept_whole(field: str, value: T | None) -> T | Unset:
    """Return the same for a field that cannot be cleared. GraphQL has no type for "may be left out, but not null".

    :raises InvalidInput: for null.
    """
    if value is None:
        raise InvalidInput(field, "Cannot be null; leave it out to keep it as it is.", InputCode.REQUIRED)
    return kept(value)


def kept_tuple(value: list[str] | None) -> tuple[str, ...] | Unset | None:
    """Return a list as a tuple, null as None, and UNSET if the field was left out."""
    if value is strawberry.UNSET:
        return UNSET
    return None if value is None else tuple(value)
