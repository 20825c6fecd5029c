"""Inject a fault, and repair it again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping

from sqlalchemy import make_url

from support.postgres import PostgresServer

from .fault_schedule import close_connections, connected, hanging, slots_taken, suspended, tokens_locked
from .plan import Fault, Kind
from .processes import Processes

BACK_SECONDS_MAX = 15.0
LOOK_SECONDS = 0.05


class FaultInjector:
    """Injector of the faults of one race.

    :param url: of the race's database.
    :param verifiers: the verifying processes' names.
    :param manager: the name of the process that takes access away.
    :param progress: by process, a number that grows while it does what it is for.
    """

    def __init__(
        self,
        postgres: PostgresServer,
        processes: Processes,
        url: str,
        verifiers: list[str],
        manager: str,
        progress: Mapping[str, Callable[[], float]],
    ) -> None:
        self._postgres = postgres
        self._database = make_url(url).database or ""
        self._processes = processes
        self._verifiers = verifiers
        self._manager = manager
        self._progress = progress

    async def inject(self, fault: Fault) -> None:
        """Inject the fault, let it last, and repair it.

        :raises OSError, asyncpg.PostgresError: it could not happen, because another fault stood in its way.
        """
        victim = self._verifiers[int(fault.draw * len(self._verifiers))]
        match fault.kind:
            case Kind.STOP_POSTGRES:
                await asyncio.to_thread(self._postgres.stop, signal.SIGQUIT)
                await asyncio.sleep(fault.lasts_seconds)
                await asyncio.to_thread(self._postgres.start)
            case Kind.KILL_BACKEND:
                for pid in (await self._backends())[:1]:
                    os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(fault.lasts_seconds)
            case Kind.SUSPEND_BACKENDS:
                pids = await self._backends()
                with suspended(pids[: max(1, int(len(pids) * fault.draw))]):
                    await asyncio.sleep(fault.lasts_seconds)
            case Kind.SUSPEND_POSTGRES:
                with hanging(self._postgres):
                    await asyncio.sleep(fault.lasts_seconds)
            case Kind.CLOSE_CONNECTIONS:
                async with connected(self._postgres) as connection:
                    await close_connections(connection, self._database)
            case Kind.EXHAUST_SLOTS:
                async with slots_taken(self._postgres, self._database):
                    await asyncio.sleep(fault.lasts_seconds)
            case Kind.LOCK_TABLE:
                async with tokens_locked(self._postgres, self._database):
                    await asyncio.sleep(fault.lasts_seconds)
            case Kind.KILL_VERIFIER:
                await self._kill(victim, fault.lasts_seconds)
            case Kind.KILL_MANAGER:
                await self._kill(self._manager, fault.lasts_seconds)
            case Kind.SUSPEND_VERIFIER:
                await self._suspend(victim, fault.lasts_seconds)
            case Kind.SUSPEND_MANAGER:
                await self._suspend(self._manager, fault.lasts_seconds)
            case Kind.CROWD:
                self._processes.send(victim, signal.SIGURG)  # one that is ignored until it is handled

    async def _kill(self, name: str, seconds: float) -> None:
        """Kill it, start it again, and wait until it has worked, as the next kill could follow at once."""
        self._processes.kill(name)
        await asyncio.sleep(seconds)
        before, deadline = self._progress[name](), time.monotonic() + BACK_SECONDS_MAX
        self._processes.start(name)
        while self._progress[name]() == before and time.monotonic() < deadline:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_SECONDS)

    async def _suspend(self, name: str, seconds: float) -> None:
        self._processes.send(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._processes.send(name, signal.SIGCONT)

    async def _backends(self) -> list[int]:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() ORDER BY random()"
        async with connected(self._postgres) as connection:
            return [row[0] for row in await connection.fetch(asked, self._database)]
