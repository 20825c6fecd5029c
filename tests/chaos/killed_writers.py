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
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

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

    def watch(self, engine: AsyncEngine) -> None:
        """Follow every statement and commit of the engine."""
        event.listen(engine.sync_engine, "before_cursor_execute", self._at_a_step)
        event.listen(engine.sync_engine, "after_cursor_execute", self._at_a_step)
        dialect: Any = engine.sync_engine.dialect
        commit = dialect.do_commit

        def watched(connection: Any) -> None:
            self._at_a_step()
            self.commits += 1
            if self.commits == -self._step:
                threading.Thread(target=self._later, daemon=True).start()
            commit(connection)
            self._at_a_step()

        dialect.do_commit = watched

    def _at_a_step(self, *_: object) -> None:
        self.steps += 1
        if self.steps == self._step:
            _kill_this_process()

    def _later(self) -> None:
        time.sleep(self._delay_seconds)
        _kill_this_process()


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
    kill_point.watch(system.store.engine)
    for _ in range(LIVES):
        await _a_life(system, workspace_id, event_log)
    await system.store.aclose()


def main() -> None:
    """Run with the arguments database, workspace, folder, step, delay; write the number of steps if not killed."""
    database_url, workspace_id, folder, step, delay_seconds = sys.argv[1:]
    kill_point = KillPoint(int(step), float(delay_seconds))
    asyncio.run(_main(database_url, workspace_id, EventLog(Path(folder) / "event_log"), kill_point))
    (Path(folder) / "steps").write_text(f"{kill_point.steps} {kill_point.commits}")
