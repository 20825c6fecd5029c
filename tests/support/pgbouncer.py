"""A real PgBouncer in a temporary directory, on a Unix socket there."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from .postgres import ADMIN, START_SECONDS_MAX, STOP_SECONDS_MAX, UNPRIVILEGED, PostgresServer, in_a_thread

MISSING = "NO PGBOUNCER: connection pooling is NOT TESTED here; install pgbouncer"


def program() -> str:
    """Where PgBouncer is; skips the test, loudly, where there is none."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(MISSING)
    return found


class PgBouncer:
    """One PgBouncer with its defaults, in front of a server.

    :param pool_mode: ``session`` or ``transaction``.
    :param pool_size: how many server connections it opens for a database.
    """

    def __init__(self, server: PostgresServer, pool_mode: str, pool_size: int = 20) -> None:
        self._program = program()
        self._home = Path(tempfile.mkdtemp(prefix="skpb"))
        self._user = UNPRIVILEGED if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        (self._home / "config").write_text(
            f"[databases]\n* = host={server.host} user={ADMIN}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n"
            f"unix_socket_dir = {self._home}\nauth_type = any\npool_mode = {pool_mode}\n"
            f"default_pool_size = {pool_size}\nserver_round_robin = 1\n"
        )
        self._home.chmod(0o755)
        if self._user is not None:
            shutil.chown(self._home, self._user)

    def url(self, database: str, **parameters: str) -> str:
        """The URL of a database behind it."""
        more = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"postgresql://{ADMIN}@/{database}?host={self._home}&port=6432{more}"

    def start(self) -> None:
        """Start it and wait until it answers.

        :raises RuntimeError: it does not; its own words are in the message.
        """
        log = self._home / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._program, str(self._home / "config")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._home,
                user=self._user,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = log.read_text(errors="replace")
                self.remove()
                raise RuntimeError(f"PgBouncer did not start:\n{words}")
            time.sleep(0.02)

    def remove(self) -> None:
        """Stop it and delete its files."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_SECONDS_MAX)
        shutil.rmtree(self._home, ignore_errors=True)

    def _answers(self) -> bool:
        async def look() -> None:
            connection = await asyncpg.connect(
                user=ADMIN, host=str(self._home), port=6432, database=ADMIN, timeout=STOP_SECONDS_MAX
            )
            await asyncio.wait_for(connection.close(), STOP_SECONDS_MAX)

        try:
            in_a_thread(look)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True
