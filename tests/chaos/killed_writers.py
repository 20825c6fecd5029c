"""A process that issues, rotates and revokes, and is killed at one step of it.

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

from .event_log import Ledger

OPERATOR = Operator(RequestFacts())
GRACE_SECONDS = 3_600
LIVES = 2
"""A death in the second comes when a whole first one, its revocation included, has been acknowledged."""


class Death:
    """Comes at one step.

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
            _die()

    def _later(self) -> None:
        time.sleep(self._delay_seconds)
        _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _a_life(system: System, workspace_id: str, ledger: Ledger) -> None:
    issued = await create_token(system, OPERATOR, NewToken(workspace_id, "a token", ("jobs:read",)))
    first, secret = issued.view.token.id, issued.secret.reveal()
    ledger.note("issued", first, secret)
    rotated = await rotate_token(system, OPERATOR, first, grace_seconds=GRACE_SECONDS, wait=False)
    ledger.note("rotated", first, secret)
    second, secret = rotated.view.token.id, rotated.secret.reveal()
    ledger.note("issued", second, secret)
    await revoke_token(system, OPERATOR, second, wait=False)
    ledger.note("revoked", second, secret)


async def _main(database_url: str, workspace_id: str, ledger: Ledger, death: Death) -> None:
    system = build_system(Settings(database_url=database_url))
    death.watch(system.store.engine)
    for _ in range(LIVES):
        await _a_life(system, workspace_id, ledger)
    await system.store.aclose()


def main() -> None:
    """The arguments: database, workspace, folder, step, delay. Without a death it writes how many steps there are."""
    database_url, workspace_id, folder, step, delay_seconds = sys.argv[1:]
    death = Death(int(step), float(delay_seconds))
    asyncio.run(_main(database_url, workspace_id, Ledger(Path(folder) / "ledger"), death))
    (Path(folder) / "steps").write_text(f"{death.steps} {death.commits}")
