"""TLS for PostgreSQL: checks of the files that a URL names, and explanations of failed connections.

The driver reads the files for every connection, so that renewed certificates need no restart. They are read here once
before that, because the driver's errors name neither the parameter nor the remedy.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import asyncpg

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERSIONS = ("TLSv1.2", "TLSv1.3")
FILES = ("sslrootcert", "sslcrl", "sslcert", "sslkey")

_HOST = (
    "PostgreSQL's certificate is for another host name",
    "write a host that the certificate names, or sslmode=verify-ca if its CA signs for this server only",
)
_DATE = ("PostgreSQL's certificate has expired or is not valid yet", "renew it, and check this machine's clock")
_ISSUER = (
    "PostgreSQL's certificate is not signed by a certificate of sslrootcert",
    "name the file of the CA that your provider gives as sslrootcert",
)
_VERDICTS: Mapping[int, tuple[str, str]] = {
    3: ("sslcrl has no list of the CA that signed PostgreSQL's certificate", "name a file with the lists of all CAs"),
    9: _DATE,
    10: _DATE,
    11: ("the list in sslcrl is not valid yet", "fetch it again, and check this machine's clock"),
    12: ("the list in sslcrl is out of date", "fetch it again"),
    23: ("PostgreSQL's certificate has been revoked", "do not connect; ask the database's administrator"),
    62: _HOST,
    64: _HOST,
}
"""OpenSSL's ``X509_V_ERR_…`` → the problem and the remedy; all others concern the issuer."""

_NO_TLS = ("PostgreSQL has TLS turned off", "turn it on there (ssl=on), or write sslmode=disable")
_CLIENT_CERTIFICATE = (
    "PostgreSQL closed the connection, probably because of the client certificate",
    "name one that its ssl_ca_file trusts as sslcert, and check its log",
)
_DIRECT = (
    "PostgreSQL closed the connection at once",
    "leave out sslnegotiation=direct, which needs PostgreSQL 17 or newer",
)
_CLOSED = (
    "PostgreSQL closed the connection while TLS began",
    "check its log: it may need a client certificate (sslcert, sslkey) or TLS from the start (sslnegotiation=direct)",
)
_FAILED = (
    "the TLS connection to PostgreSQL failed",
    "compare ssl_min_protocol_version and ssl_max_protocol_version with its settings, and check its log",
)
_SETTINGS = (
    "the database URL and the PG… variables contradict each other",
    "write everything into SPACEKEY_DATABASE_URL, and unset them",
)


def wrong_parameter(name: str, cure: str) -> ConfigurationError:
    """Return the error for a parameter of a database URL. It never contains the value, which may be a password."""
    return ConfigurationError(f"the database URL's parameter '{name}': {cure}")


def check_tls(given: Mapping[str, str]) -> None:
    """Check the TLS parameters and read the files that they name.

    :param given: the parameters of the URL that have a value.
    :raises ConfigurationError: with the name of the parameter.
    """
    mode = given.get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"  # as the driver reads it
    if mode not in MODES:
        raise wrong_parameter("sslmode", f"write one of {', '.join(MODES)}")
    checking = MODES.index(mode) >= MODES.index("require")
    negotiation = given.get("sslnegotiation", "postgres")
    if negotiation not in ("postgres", "direct"):
        raise wrong_parameter("sslnegotiation", "write postgres or direct")
    if negotiation == "direct" and not checking:
        raise wrong_parameter("sslnegotiation", "direct needs sslmode=require, verify-ca or verify-full")
    _check_versions(given)
    if mode != "disable":
        _check_server_files(given, mode, checking=checking)
        _check_client_files(given)


def explain(error: Exception, given: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the problem and the remedy for a failed connection, or None if TLS is not the cause.

    :raises ServiceUnavailable: if a file that the URL names is gone or can no longer be used.
    """
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError | OSError):
        try:
            check_tls(given)
        except ConfigurationError as wrong:
            raise ServiceUnavailable(f"{wrong}; correct it, or restore the file") from None
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERDICTS.get(error.verify_code, _ISSUER)
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return _SETTINGS
    if isinstance(error, ssl.SSLError):
        refused = "ALERT" in (error.reason or "") and "PROTOCOL_VERSION" not in (error.reason or "")
        return _CLIENT_CERTIFICATE if refused and given.get("sslcert") else _FAILED
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):
        return _NO_TLS
    if isinstance(error, ConnectionResetError | asyncpg.ConnectionDoesNotExistError | EOFError) or _lost(error):
        if given.get("sslnegotiation") == "direct":
            return _DIRECT
        if given.get("sslcert"):
            return _CLIENT_CERTIFICATE
        if given.get("sslmode") in MODES[MODES.index("require") :]:
            return _CLOSED
    return None


def _lost(error: Exception) -> bool:
    """Return whether the server closed the connection instead of answering the request for TLS."""
    return isinstance(error, ConnectionError) and "connection_lost" in str(error)


def _check_versions(given: Mapping[str, str]) -> None:
    for name in ("ssl_min_protocol_version", "ssl_max_protocol_version"):
        if given.get(name, VERSIONS[0]) not in VERSIONS:
            raise wrong_parameter(name, f"write {' or '.join(VERSIONS)}")
    if given.get("ssl_min_protocol_version", VERSIONS[0]) > given.get("ssl_max_protocol_version", VERSIONS[-1]):
        raise wrong_parameter("ssl_min_protocol_version", "it is above ssl_max_protocol_version")


def _check_server_files(given: Mapping[str, str], mode: str, *, checking: bool) -> None:
    root, revoked = given.get("sslrootcert"), given.get("sslcrl")
    if root == "system":
        raise wrong_parameter("sslrootcert", "name a file, such as /etc/ssl/certs/ca-certificates.crt")
    for name, value in (("sslrootcert", root), ("sslcrl", revoked)):
        if value and not checking:
            raise wrong_parameter(name, f"sslmode={mode} checks no certificate; write sslmode=verify-full")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if root:
        _read("sslrootcert", root)
        try:
            context.load_verify_locations(cafile=root)
        except ssl.SSLError:
            raise wrong_parameter("sslrootcert", "the file has no certificate in PEM form") from None
    elif checking and not _default("PGSSLROOTCERT", "root.crt"):
        if mode != "require":
            raise wrong_parameter("sslrootcert", f"sslmode={mode} needs it; name the file of the CA's certificate")
        if revoked:
            raise wrong_parameter("sslcrl", "name the file of the CA's certificate as sslrootcert too")
    if revoked:
        _read("sslcrl", revoked)
        before = context.cert_store_stats()["crl"]
        try:
            context.load_verify_locations(cafile=revoked)
        except ssl.SSLError:
            raise wrong_parameter("sslcrl", "the file has no list of revoked certificates in PEM form") from None
        if context.cert_store_stats()["crl"] == before:
            raise wrong_parameter("sslcrl", "the file has no list of revoked certificates in PEM form")


def _check_client_files(given: Mapping[str, str]) -> None:
    certificate, key = given.get("sslcert"), given.get("sslkey")
    if not certificate:
        if key and not _default("PGSSLCERT", "postgresql.crt"):
            raise wrong_parameter("sslkey", "it requires sslcert; name the certificate's file")
        return
    key = key or _default("PGSSLKEY", "postgresql.key")
    for name, file in (("sslcert", certificate), ("sslkey", key)):
        if file:
            _read(name, file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=certificate)
    except ssl.SSLError:
        raise wrong_parameter("sslcert", "the file has no certificate in PEM form") from None
    text = Path(key or certificate).read_bytes()
    if b"PRIVATE KEY-----" not in text:
        cure = "the file has no key in PEM form" if given.get("sslkey") else "name the file of the certificate's key"
        raise wrong_parameter("sslkey", cure)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            certificate, key or None, password=lambda: given.get("sslpassword", "")
        )
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            raise wrong_parameter("sslkey", "the key does not belong to the certificate in sslcert") from None
        if b"ENCRYPTED" in text:
            raise wrong_parameter("sslpassword", "the password does not decrypt the key; correct it") from None
        raise wrong_parameter("sslkey", "the key cannot be used") from None


def _read(name: str, file: str) -> None:
    """Read a file that a TLS parameter names.

    :raises ConfigurationError: if it cannot be read.
    """
    try:
        with Path(file).open("rb") as opened:
            opened.read(1)
    except FileNotFoundError:
        _unreadable(name, "there is no file of this name")
    except OSError:
        _unreadable(name, "the file cannot be read; let this user read it")


def _unreadable(name: str, cure: str) -> NoReturn:
    raise wrong_parameter(name, cure) from None


def _default(variable: str, file: str) -> str:
    """Return the driver's default for a parameter: libpq's variable, else libpq's file; empty without either."""
    if named := os.environ.get(variable):
        return named
    try:
        default = Path.home() / ".postgresql" / file
    except RuntimeError:
        return ""
    return str(default) if default.exists() else ""
