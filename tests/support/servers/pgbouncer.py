"""A real PgBouncer in a temporary directory, on a Unix socket there, or on 127.0.0.1 with TLS on both sides."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from support.postgres import ADMIN, START_SECONDS_MAX, STOP_SECONDS_MAX, UNPRIVILEGED, PostgresServer, in_a_thread
from support.servers.tls import PASSWORD, TlsServer, free_port

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
    :param tls: the server as it is reached over TLS. PgBouncer then checks its certificate, and lets clients in only
        over TLS and with the server's own password.
    :param certified: whether clients need a certificate too.
    """

    def __init__(
        self,
        server: PostgresServer,
        pool_mode: str,
        pool_size: int = 20,
        *,
        tls: TlsServer | None = None,
        certified: bool = False,
    ) -> None:
        self._tls = tls
        self._port = 6432 if tls is None else free_port()
        self._program = program()
        self._home = Path(tempfile.mkdtemp(prefix="skpb"))
        self._user = UNPRIVILEGED if os.getuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        (self._home / "config").write_text(
            f"[databases]\n* = host={server.host} user={ADMIN}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n"
            f"unix_socket_dir = {self._home}\nauth_type = any\npool_mode = {pool_mode}\n"
            f"default_pool_size = {pool_size}\nserver_round_robin = 1\n"
            if tls is None
            else self._encrypted(tls, pool_mode, pool_size, "verify-full" if certified else "require")
        )
        self._home.chmod(0o755)
        if self._user is not None:
            for file in (self._home, *self._home.iterdir()):
                shutil.chown(file, self._user)

    def _encrypted(self, tls: TlsServer, pool_mode: str, pool_size: int, client_mode: str) -> str:
        certificate, key, _ = tls.ours.issue("pooler", "localhost")
        for name, file in (("ca.pem", tls.ours.file), ("pooler.pem", certificate), ("pooler.key", key)):
            (self._home / name).write_bytes(file.read_bytes())
        (self._home / "users").write_text(f'"{ADMIN}" "{PASSWORD}"\n')
        return (
            f"[databases]\n* = host=localhost port={tls.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self._port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
            f"auth_file = {self._home}/users\npool_mode = {pool_mode}\ndefault_pool_size = {pool_size}\n"
            f"server_round_robin = 1\nclient_tls_sslmode = {client_mode}\nclient_tls_ca_file = {self._home}/ca.pem\n"
            f"client_tls_cert_file = {self._home}/pooler.pem\nclient_tls_key_file = {self._home}/pooler.key\n"
            f"server_tls_sslmode = verify-full\nserver_tls_ca_file = {self._home}/ca.pem\n"
        )

    def url(self, database: str, **parameters: str) -> str:
        """The URL of a database behind it."""
        if self._tls is not None:
            host, password = parameters.pop("host", "localhost"), parameters.pop("password", PASSWORD)
            asked = "&".join(f"{name}={value}" for name, value in parameters.items())
            return f"postgresql://{ADMIN}:{password}@{host}:{self._port}/{database}?{asked}"
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
        if self._tls is not None:
            try:
                socket.create_connection(("127.0.0.1", self._port), STOP_SECONDS_MAX).close()
            except OSError:
                return False
            return True

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
