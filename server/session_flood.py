"""A bound on made-up session cookies by the address they come from, so that a flood of them costs no reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import Scope

from spacekey.domain.bounds import MemoryRemembered, Remembered
from spacekey.domain.outcome import Outcome, Reason, Refused
from spacekey.domain.secret import Secret
from spacekey.middleware.limits.flood import RefusalFlood

UNKNOWN_MAX = 10_000
"""How many unknown cookies are remembered, by their digests."""


class SessionFlood:
    """Looks sessions up, each unknown one once, and only so many unknown ones for an address.

    An unknown cookie stays unknown, because no secret of a session is made twice. So one that a browser goes on sending
    after its session ended is looked up once and counted once, and keeps no one behind the same address from signing
    in.

    :param flood: the accounts of the addresses, apart from those of tokens.
    :param unknown_max: how many unknown cookies are remembered.
    :param unknown: the unknown cookies, for several processes that share them; it takes the place of ``unknown_max``.
    """

    def __init__(
        self,
        flood: RefusalFlood | None = None,
        *,
        unknown_max: int = UNKNOWN_MAX,
        unknown: Remembered | None = None,
    ) -> None:
        self._flood = flood or RefusalFlood()
        self._unknown = MemoryRemembered(unknown_max) if unknown is None else unknown

    async def outcome(self, scope: Scope, secret: Secret, look_up: Callable[[Secret], Awaitable[Outcome]]) -> Outcome:
        """Return what a session's secret stands for; ``Flooded`` where it may not be looked up now.

        :raises Unavailable: the store does not answer.
        """
        digest = secret.digest()
        if digest in self._unknown:
            self._unknown.add(digest)
            return Refused(Reason.UNKNOWN)
        rate_limited = self._flood.rate_limited(scope, secret)
        if rate_limited is not None:
            return rate_limited
        found = await look_up(secret)
        self._flood.note(scope, secret, found)
        if isinstance(found, Refused) and found.reason is Reason.UNKNOWN:
            self._unknown.add(digest)
        return found
