"""Last use of members' sessions, kept in memory and written off the request path so that no read waits for it.

A use counts in this process before it is written. If the process dies first, the session reaches its idle timeout
earlier, never later.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import UserError
from spacekey.models.engine.store import Store
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.user import UserSession

log = logging.getLogger("spacekey.sessions")

WAITING_MAX = 1_000


class LastSeen:
    """Collects uses of sessions on the request path and writes them in a task of its own.

    Uses that could not be written are kept, with their time, and tried again at the next use of any session.

    :param waiting_max: the number of sessions that may wait to be written; further uses are dropped until there is
        room.
    """

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting: dict[bytes, datetime] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def of(self, session: UserSession) -> datetime:
        """Return the last use, written or not."""
        return max(session.last_seen_at, self._waiting.get(session.digest, session.last_seen_at))

    def note(self, session: UserSession, now: datetime) -> None:
        """Queue a use to be written. Returns at once and never raises."""
        if session.digest in self._waiting or len(self._waiting) < self._waiting_max:
            self._waiting[session.digest] = now
        self._wake.set()

    async def run(self, store: Store) -> None:
        """Write queued uses until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush(store)

    async def flush(self, store: Store) -> None:
        """Try once to write everything that is queued."""
        async with self._writing:
            waiting = dict(self._waiting)
            if not waiting:
                return
            try:
                # In a fixed order, so that two processes cannot deadlock.
                async with store.changing() as session:
                    for digest in sorted(waiting):
                        await user_queries.touch_session(session, digest, waiting[digest])
            except (ServiceUnavailable, UserError) as error:
                log.warning("could not store when sessions were last used: %s", error)
                return
            except Exception:
                # A bug must not end the task, and the entry that triggers it must not be retried forever.
                log.exception("could not store when sessions were last used")
            for digest, moment in waiting.items():
                if self._waiting.get(digest) == moment:
                    del self._waiting[digest]
