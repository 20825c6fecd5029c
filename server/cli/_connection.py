"""Connection of a command to what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ._run import run

if TYPE_CHECKING:
    from spacekey.resolvers.system import System

    from ._backend import Backend

T = TypeVar("T")


def connected(work: Callable[[Backend], Awaitable[T]], *, takes_away: bool = False) -> T:
    """Run ``work`` with the database that the settings name.

    :param takes_away: whether the work takes access away, so that "not found" is answered after T.
    :raises SpacekeyError: any that ``work`` raises.
    """

    async def within(system: System) -> T:
        from .local.backend import LocalBackend

        return await work(LocalBackend(system))

    return run(within, takes_away=takes_away)
