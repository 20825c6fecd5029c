"""Conversion of input fields that may be left out, from Strawberry's UNSET to Spacekey's."""

from __future__ import annotations

from typing import Protocol, TypeVar

import strawberry

from spacekey.domain.refusal import Faults, InputCode, InvalidInput
from spacekey.domain.unset import UNSET, Unset
from spacekey.resolvers.tokens.idempotency import IdempotentRequest, idempotent_request

T = TypeVar("T")

EFFECTIVE = "When the change is in effect on all servers."
WAIT = (
    "Whether to answer only once the change is in effect on all servers. If false, the answer comes immediately, and "
    "`effectiveAt` says when the change is in effect."
)
EXTERNAL_ID = (
    "The ID that your application has for {whose}, of 1 to 200 visible characters. It is compared exactly and given "
    "back as it is."
)
METADATA = (
    "A JSON object of your application's, which verification gives back: at most 4,096 bytes of compact JSON and 8 "
    "levels."
)
LIFETIME = "The lifetime of the token in seconds from now, by the server's clock. Use either this or `expiresAt`."
IDEMPOTENCY_KEY = (
    "A random key of the client's, such as a UUID, of at most 255 characters. If the mutation is repeated with it "
    "within 24 hours, nothing is created, and the answer is `TokenAlreadyCreated`."
)


class Idempotent(Protocol):
    """Input with an idempotency key."""

    @property
    def idempotency_key(self) -> str | None:
        """Key of the client's."""


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


def check_not_null(**fields: object) -> None:
    """Check the fields that cannot be cleared, all of them at once, by their names in Python.

    :raises InvalidInput: naming each field that is null.
    """
    faults = Faults()
    for name, value in fields.items():
        with faults:
            kept_whole(name, value)
    faults.raise_found()


def kept_tuple(value: list[str] | None) -> tuple[str, ...] | Unset | None:
    """Return a list as a tuple, null as None, and UNSET if the field was left out."""
    if value is strawberry.UNSET:
        return UNSET
    return None if value is None else tuple(value)


def once(asked: Idempotent) -> IdempotentRequest | None:
    """Return an input's idempotency key and content; None without a key.

    :raises InvalidInput: if the key is not usable.
    """
    if asked.idempotency_key is None:
        return None
    content = {name: repr(value) for name, value in vars(asked).items() if name not in ("idempotency_key", "wait")}
    return idempotent_request(asked.idempotency_key, {"input": type(asked).__name__, **content})
