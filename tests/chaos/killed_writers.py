"""Process that issues, rotates and revokes tokens, and is killed at one step.

A step is the moment before or after a statement or a commit. At steps below zero it is killed from the side, at some
moment while a commit runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from spacekey.models.engine.store import SQLITE, Store
from spacekey.resolvers.access.caller import Operator, RequestFacts
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.server.build import build_system
from spacekey.server.settings import Settings

from .event_log import EventLog

OPERATOR = Operator(RequestFacts())
GRACE_SECONDS = 3_600
LIVES = 2
"""Two, so that a kill in the second comes after a whole first one, revocation included, was acknowledged."""


class KillPoint:
    """Step at which the process is killed.

    :param step: at which, counted from 1; 0 is never. ``-n``: while the n-th commit runs.
    :param delay_seconds: then, how long after the commit has begun.
    """

    def __init__(self, step: int, delay_seconds: float) -> None:
        self._step = step
        self._delay_seconds = delay_seconds
        self.steps = 0
        self.commits = 0

    def watch(self, store: Store) -> None:
        """Follow every statement and commit, of sessions and of functions that change in one hop."""
        self._watch_sessions(store.engine)
        changes: Any = store._changes
        if store.dialect == SQLITE:
            opened = changes._opened
            changes._opened = lambda: _WatchedConnection(opened(), self)
        else:
            connect = changes._connect

            async def connected() -> object:
                return _WatchedDriverConnection(await connect(), self)

            changes._connect = connected

    def _watch_sessions(self, engine: AsyncEngine) -> None:
        event.listen(engine.sync_engine, "before_cursor_execute", self.at_a_step)
        event.listen(engine.sync_engine, "after_cursor_execute", self.at_a_step)
        dialect: Any = engine.sync_engine.dialect
        commit = dialect.do_commit

        def watched(connection: Any) -> None:
            self.at_a_step()
            self.begin_commit()
            commit(connection)
            self.at_a_step()

        dialect.do_commit = watched

    def begin_commit(self) -> None:
        """Count a commit that begins."""
        self.commits += 1
        if self.commits == -self._step:
            threading.Thread(target=self._later, daemon=True).start()

    def at_a_step(self, *_: object) -> None:
        """Count a step, and die at the one that was chosen."""
        self.steps += 1
        if self.steps == self._step:
            _kill_this_process()

    def _later(self) -> None:
        time.sleep(self._delay_seconds)
        _kill_this_process()


class _WatchedConnection:
    """SQLite's connection, with a step before and after each statement."""

    def __init__(self, connection: Any, kill_point: KillPoint) -> None:
        self._connection = connection
        self._kill_point = kill_point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *arguments: Any) -> object:
        """Run a statement."""
        self._before(statement)
        found: object = self._connection.execute(statement, *arguments)
        self._kill_point.at_a_step()
        return found

    def _before(self, statement: str) -> None:
        self._kill_point.at_a_step()
        if statement == "COMMIT":
            self._kill_point.begin_commit()


class _WatchedDriverConnection(_WatchedConnection):
    """The same for asyncpg."""

    async def execute(self, statement: str, *arguments: Any, **options: Any) -> object:
        """Run a statement."""
        return await self._run(self._connection.execute, statement, *arguments, **options)

    async def fetch(self, statement: str, *arguments: Any, **options: Any) -> object:
        """Run a statement that returns rows."""
        return await self._run(self._connection.fetch, statement, *arguments, **options)

    async def _run(
        self, run: Callable[..., Awaitable[object]], statement: str, *arguments: Any, **options: Any
    ) -> object:
        self._before(statement)
        found = await run(statement, *arguments, **options)
        self._kill_point.at_a_step()
        return found


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _a_life(system: System, workspace_id: str, event_log: EventLog) -> None:
    issued = await create_token(system, OPERATOR, NewToken(workspace_id, "a token", ("jobs:read",)))
    first, secret = issued.view.token.id, issued.secret.reveal()
    event_log.note("issued", first, secret)
    rotated = await rotate_token(system, OPERATOR, first, grace_seconds=GRACE_SECONDS, wait=False)
    event_log.note("rotated", first, secret)
    second, secret = rotated.view.token.id, rotated.secret.reveal()
    event_log.note("issued", second, secret)
    await revoke_token(system, OPERATOR, second, wait=False)
    event_log.note("revoked", second, secret)


async def _main(database_url: str, workspace_id: str, event_log: EventLog, kill_point: KillPoint) -> None:
    system = build_system(Settings(database_url=database_url))
    kill_point.watch(system.store)
    for _ in range(LIVES):
        await _a_life(system, workspace_id, event_log)
    await system.store.aclose()


def main() -> None:
    """Run with the arguments database, workspace, folder, step, delay; write the number of steps if not killed."""
    database_url, workspace_id, folder, step, delay_seconds = sys.argv[1:]
    kill_point = KillPoint(int(step), float(delay_seconds))
    asyncio.run(_main(database_url, workspace_id, EventLog(Path(folder) / "event_log"), kill_point))
    (Path(folder) / "steps").write_text(f"{kill_point.steps} {kill_point.commits}")
