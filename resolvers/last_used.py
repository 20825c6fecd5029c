"""When each token was last used, and from where: collected in memory, written in batches off the request path."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from spacekey.domain.clock import Clock
from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Refusal
from spacekey.models import token_queries
from spacekey.models.store import Store

log = logging.getLogger("spacekey.last_used")

FLUSH_SECONDS = 5.0
TOKENS_MAX = 100_000


class LastUsed:
    """Notes uses on the request path and writes them in a task of its own. What a crash loses is one interval."""

    def __init__(self, store: Store, clock: Clock, *, tokens_max: int = TOKENS_MAX) -> None:
        self._store = store
        self._clock = clock
        self._tokens_max = tokens_max
        self._uses: dict[str, tuple[datetime, str]] = {}

    def note(self, token_id: str, ip: str = "") -> None:
        """The token was used now. Takes no time and never raises; beyond the bound new tokens wait for the flush."""
        if token_id in self._uses or len(self._uses) < self._tokens_max:
            self._uses[token_id] = (self._clock(), ip[:64])

    async def flush(self) -> None:
        """Write what was noted. A store that does not answer costs the batch, never a request."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            async with self._store.changing() as session:
                await token_queries.touch_last_used(session, uses)
        except (Unavailable, Refusal) as error:
            log.warning("the last use of %d tokens was not written: %s", len(uses), error)

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Flush every few seconds until cancelled."""
        while True:
            await sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception:
                log.exception("a flush failed")
