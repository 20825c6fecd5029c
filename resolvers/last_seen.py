"""When members' sessions were last used: kept in memory and written off the request path, so that no read waits for it.

A use that was not written yet counts in this process all the same; what is lost when a process dies makes a session
end sooner for its idleness, never later.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Refusal
from spacekey.models.engine.store import Store
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.user import UserSession

log = logging.getLogger("spacekey.sessions")

WAITING_MAX = 1_000


class LastSeen:
    """Takes uses of sessions from the request path and writes them in a task of its own.

    What could not be written waits for the next use of any session; it is bounded, and keeps the moment of the use.

    :param waiting_max: how many sessions may wait to be written; the uses of more are dropped until there is room.
    """

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting: dict[bytes, datetime] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def of(self, session: UserSession) -> datetime:
        """The last use, written or not."""
        return max(session.last_seen_at, self._waiting.get(session.digest, session.last_seen_at))

    def note(self, session: UserSession, now: datetime) -> None:
        """Remember a use. Takes no time and never raises."""
        if session.digest in self._waiting or len(self._waiting) < self._waiting_max:
            self._waiting[session.digest] = now
        self._wake.set()

    async def run(self, store: Store) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush(store)

    async def flush(self, store: Store) -> None:
        """Try once to write everything that waits."""
        async with self._writing:
            waiting = dict(self._waiting)
            if not waiting:
                return
            try:
                # In one order, so that two processes cannot wait for each other.
                async with store.changing() as session:
                    for digest in sorted(waiting):
                        await user_queries.touch_session(session, digest, waiting[digest])
            except (Unavailable, Refusal) as error:
                log.warning("when sessions were last used was not written: %s", error)
                return
            except Exception:
                # A bug must not end the task; what it stumbled over must not be tried for ever.
                log.exception("when sessions were last used was not written")
            for digest, moment in waiting.items():
                if self._waiting.get(digest) == moment:
                    del self._waiting[digest]
