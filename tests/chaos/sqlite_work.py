"""One of several processes that write to one SQLite file and verify on it, all at the same time.

SQLite is read at every verification, so here the promise has no T: what was answered holds in every process.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import TypeVar

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable
from spacekey.domain.clock import boot_clock
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.server.build import build_system
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import Settings, packaged_products

from .event_log import EventLog, entries
from .killed_writers import GRACE_SECONDS, OPERATOR

Result = TypeVar("Result")


class Worker:
    """Issues, rotates and revokes tokens of its own, and verifies them and its neighbour's.

    :param number: which of them; its neighbour is the next.
    """

    def __init__(self, folder: Path, number: int, workers: int, workspace_id: str, system: System) -> None:
        self._system = system
        self._workspace_id = workspace_id
        self._random = Random(number)
        self._event_log = EventLog(folder / f"event_log-{number}")
        self._neighbour = folder / f"event_log-{(number + 1) % workers}"
        self._read_up_to = 0
        self.counted: Counter[str] = Counter()

    async def round(self, verifier: DatabaseVerifier) -> None:
        """One token's life, and a look at what the neighbour was told meanwhile."""
        issued = await self._told("issued", self._issue)
        await self._see(verifier, issued, Authenticated)
        if self._random.random() < 0.5:
            old, issued = issued, await self._told("rotated", lambda: self._rotate(issued))
            await self._see(verifier, old, Authenticated)
            await self._see(verifier, issued, Authenticated)
        if self._random.random() < 0.7:
            token = issued
            await self._told("revoked", lambda: revoke_token(self._system, OPERATOR, token.view.token.id))
            self._event_log.note("revoked", token.view.token.id, token.secret.reveal())
            await self._see(verifier, token, Rejected)
        await self._look_next_door(verifier)

    async def _issue(self) -> Issued:
        issued = await create_token(self._system, OPERATOR, NewToken(self._workspace_id, "one", ("jobs:read",)))
        self._event_log.note("issued", issued.view.token.id, issued.secret.reveal())
        return issued

    async def _rotate(self, old: Issued) -> Issued:
        rotated = await rotate_token(self._system, OPERATOR, old.view.token.id, grace_seconds=GRACE_SECONDS)
        self._event_log.note("rotated", old.view.token.id, old.secret.reveal())
        self._event_log.note("issued", rotated.view.token.id, rotated.secret.reveal())
        return rotated

    async def _told(self, what: str, change: Callable[[], Awaitable[Result]]) -> Result:
        """Until it is acknowledged. "Busy" is an answer; any other way to fail is not, and ends the process."""
        while True:
            try:
                done = await change()
            except ServiceUnavailable:
                self.counted["busy"] += 1
            else:
                self.counted[what] += 1
                return done

    async def _see(
        self, verifier: DatabaseVerifier, token: Issued, expected: type[Authenticated] | type[Rejected]
    ) -> None:
        self.counted["verified"] += 1
        verdict = await verifier.verify(token.secret)
        if isinstance(verdict, Unavailable):
            self.counted["cannot tell"] += 1
        elif not isinstance(verdict, expected):
            raise RuntimeError(f"{token.view.token.id}: {verdict}, and it was to be {expected}")

    async def _look_next_door(self, verifier: DatabaseVerifier) -> None:
        """What was answered to another process before this look holds here, too."""
        told, self._read_up_to = entries(self._neighbour, self._read_up_to)
        for entry in told:
            if entry["what"] == "revoked":
                self.counted["verified next client"] += 1
                verdict = await verifier.verify(Secret(entry["secret"]))
                if not (isinstance(verdict, Unavailable) or verdict == Rejected(Reason.REVOKED, entry["id"])):
                    raise RuntimeError(f"{entry['id']}: {verdict}, and its revocation was answered")


async def _main(database_url: str, workspace_id: str, folder: Path, number: int, workers: int, seconds: float) -> None:
    system = build_system(Settings(database_url=database_url))
    verifier = DatabaseVerifier(database_url, packaged_products())
    worker = Worker(folder, number, workers, workspace_id, system)
    until = boot_clock() + seconds
    while boot_clock() < until:
        await worker.round(verifier)
    await verifier.aclose()
    await system.store.aclose()
    (folder / f"counted-{number}").write_text(json.dumps(worker.counted))


def main() -> None:
    """The arguments: database, workspace, folder, seconds, how many work, and which of them this is."""
    database_url, workspace_id, folder, seconds, workers, number = sys.argv[1:]
    asyncio.run(_main(database_url, workspace_id, Path(folder), int(number), int(workers), float(seconds)))
