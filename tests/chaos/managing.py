"""The managing process: takes access away from one token after the other, on many lanes at once.

Whatever it had begun when it was killed, its successor tries again.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from spacekey.domain.clock import boot_clock
from spacekey.server.build import build_system
from spacekey.server.settings import Settings

from .clients import HTTP_SECONDS_MAX, Client, HttpClient, ResolverClient, TryAgain
from .environment import VERIFIERS, Environment, read_environment
from .shared_counters import Managed, SharedCounters, Used

WARM_SECONDS_MAX = 1.0
LOOK_SECONDS = 0.02
TRY_AGAIN_SECONDS = 0.1


@asynccontextmanager
async def client_of(environment: Environment) -> AsyncIterator[Client]:
    """Return the client of this environment."""
    if environment.server_url is not None:
        headers = {"Authorization": f"Bearer {environment.manager_token}"}
        limits = httpx.Limits(max_connections=environment.lanes)
        async with httpx.AsyncClient(
            base_url=environment.server_url, headers=headers, timeout=HTTP_SECONDS_MAX, limits=limits, trust_env=False
        ) as client:
            yield HttpClient(environment, client)
    else:
        system = build_system(Settings(database_url=environment.database_url))
        try:
            yield ResolverClient(environment, system)
        finally:
            await system.store.aclose()


class Lanes:
    """Runner of takeaways in their order, several at a time."""

    def __init__(
        self, environment: Environment, client: Client, managed: SharedCounters, used: list[SharedCounters]
    ) -> None:
        self._environment = environment
        self._client = client
        self._managed = managed
        self._used = used
        self._turn = self._turns()

    def _turns(self) -> Iterator[int]:
        for number in range(self._managed.rows):
            if not self._managed.get(number, Managed.ANSWERED):
                yield number

    async def run(self) -> None:
        """Run all takeaways."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._environment.lanes):
                group.create_task(self._lane())

    async def _lane(self) -> None:
        for number in self._turn:
            await self._warm(number)
            self._managed.put(number, Managed.BEGAN, boot_clock())
            await self._take(number)

    async def _warm(self, number: int) -> None:
        """Until every verifier has accepted every token of it, or long enough."""
        tokens = self._environment.takeaways[number].tokens
        until = boot_clock() + WARM_SECONDS_MAX
        while boot_clock() < until:
            if all(counters.get(token, Used.ACCEPTED) for token in tokens for counters in self._used):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _take(self, number: int) -> None:
        takeaway = self._environment.takeaways[number]
        while True:
            try:
                effective_at = await self._client.take(takeaway)
            except TryAgain:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                answered = boot_clock()
                since_boot = boot_clock() - time.time()
                committed = effective_at.timestamp() - self._environment.staleness_seconds + since_boot
                self._managed.put(number, Managed.COMMITTED, committed)
                self._managed.put(number, Managed.ANSWERED, answered)
                return


async def _main(folder: Path) -> None:
    environment = read_environment(folder)
    managed = environment.managed(folder)
    used = [environment.used(folder, verifier) for verifier in range(VERIFIERS)]
    async with client_of(environment) as client:
        await Lanes(environment, client, managed, used).run()


def main() -> None:
    """Take everything away that is to be taken away, and end. The argument is the environment's folder."""
    asyncio.run(_main(Path(sys.argv[1])))
