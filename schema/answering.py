"""The door's frame: expected refusals become GraphQL errors in queries and values in mutations."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import NotFound, Refusal

from .errors import error_of

T = TypeVar("T")


@contextmanager
def answering() -> Iterator[None]:
    """Around a query's resolver call: refusals and outages become errors with a code.

    :raises GraphQLError: in their place.
    """
    try:
        yield
    except (Refusal, Unavailable) as error:
        raise error_of(error) from None


async def found(reading: Awaitable[T]) -> T | None:
    """What a reading found, None for what is unknown or foreign: nobody can tell which.

    :raises GraphQLError: for other refusals.
    """
    with answering():
        try:
            return await reading
        except NotFound:
            return None
