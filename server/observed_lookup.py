"""The hot lookup with somebody who is told how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

from spacekey.domain.clock import MonotonicClock, boot_clock
from spacekey.middleware.verifiers.cached import VerifierObserver
from spacekey.models.lookup.facts import TokenFacts, TokenLookup


class ObservedLookup:
    """Another lookup, whose reads are told. What is refused before a read, for its shape, is none.

    :param default_staleness_seconds: T where the database holds no other.
    """

    def __init__(
        self,
        inner: TokenLookup,
        observer: VerifierObserver,
        default_staleness_seconds: float,
        *,
        clock: MonotonicClock = boot_clock,
    ) -> None:
        self._inner = inner
        self._observer = observer
        self._default_staleness_seconds = default_staleness_seconds
        self._clock = clock

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`~spacekey.models.lookup.facts.TokenLookup`."""
        began = self._clock()
        answered = False
        staleness: float | None = None
        try:
            facts = await self._inner.by_digest(digest)
            answered = True
            if facts is not None:
                own = facts.max_staleness_seconds
                staleness = self._default_staleness_seconds if own is None else own
            return facts
        finally:
            self._observer.read(self._clock() - began, answered=answered, staleness_seconds=staleness)

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """See :class:`~spacekey.models.lookup.facts.TokenLookup`. A batch is one read."""
        began = self._clock()
        found: dict[bytes, TokenFacts] | None = None
        try:
            found = await self._inner.by_digests(digests)
            return found
        finally:
            own = next((facts.max_staleness_seconds for facts in (found or {}).values()), None)
            staleness = (self._default_staleness_seconds if own is None else own) if found else None
            self._observer.read(self._clock() - began, answered=found is not None, staleness_seconds=staleness)

    async def aclose(self) -> None:
        """Close the inner one."""
        await self._inner.aclose()
