"""Database URLs: parsing them as providers and libpq write them, and translating them for the drivers.

Every parameter that libpq knows (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS) is
translated for asyncpg, or refused by name with the remedy. A parameter may also come from libpq's service file, so that
the URL need not contain it. Engine, lookup, migrations and commands all get their connections from here, so that they
agree on the meaning of a URL.
"""

from __future__ import annotations

import configparser
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import asyncpg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.models.tables.base import POSTGRESQL, SQLITE

from .outage import outage_text
from .postgres_tls import FILES, check_tls, explain, wrong_parameter

CONNECT_SECONDS = 5.0
CONNECT_SECONDS_MAX = 60.0
PGBOUNCER = "pgbouncer"
"""Spacekey's own parameter: the pool mode of the PgBouncer in front of the database, ``session`` or ``transaction``."""

_IN_DSN = frozenset(
    {"sslmode", "sslnegotiation", "sslpassword", "ssl_min_protocol_version", "ssl_max_protocol_version", *FILES}
)
"""Parameters that asyncpg reads only from a URL of libpq's form."""

_ARGUMENTS = {
    "dbname": "database",
    "user": "user",
    "password": "password",
    "passfile": "passfile",
    "krbsrvname": "krbsrvname",
    "gsslib": "gsslib",
}
"""libpq's parameter → asyncpg's argument with the same meaning."""

_KEEPALIVES = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
"""libpq's parameter → the socket option. The last one is in milliseconds in both."""

_NO_CHOICE: Mapping[str, tuple[frozenset[str], str]] = {
    "channel_binding": (
        frozenset({"disable", "prefer"}),
        "the driver has no channel binding; leave it out, and use sslmode=verify-full to authenticate the server",
    ),
    "client_encoding": (frozenset({"utf8", "utf-8", "auto"}), "Spacekey uses UTF-8; leave it out"),
    "gssencmode": (frozenset({"disable", "prefer"}), "the driver has no GSS encryption; leave it out, and use sslmode"),
    "gssdelegation": (frozenset({"0"}), "the driver delegates no credentials; leave it out"),
    "load_balance_hosts": (frozenset({"disable"}), "there is one primary and nothing to balance; leave it out"),
    "max_protocol_version": (frozenset({"3.0", "latest"}), "the driver speaks version 3.0; leave it out"),
    "min_protocol_version": (frozenset({"3.0"}), "the driver speaks version 3.0; leave it out"),
    "sslcertmode": (frozenset({"allow"}), "leave it out; without sslcert no certificate is sent"),
    "sslcompression": (frozenset({"0"}), "TLS compression is not supported; leave it out"),
    "sslsni": (frozenset({"1"}), "the driver always sends the host's name; leave it out"),
}
"""Parameters of which the driver supports one value → the accepted values, and the remedy for the others."""

_REFUSED = {
    "hostaddr": "write the address as the host",
    "oauth_client_id": "the driver has no OAuth sign-in; use a password or a certificate",
    "oauth_client_secret": "the driver has no OAuth sign-in; use a password or a certificate",
    "oauth_issuer": "the driver has no OAuth sign-in; use a password or a certificate",
    "oauth_scope": "the driver has no OAuth sign-in; use a password or a certificate",
    "replication": "Spacekey needs an ordinary connection; leave it out",
    "require_auth": "the driver uses the method that the server requests; leave it out, and use sslmode=verify-full",
    "requirepeer": "the driver cannot check the owner of a socket; leave it out, and protect the socket's folder",
    "requiressl": "write sslmode=require",
    "scram_client_key": "write the password, or name a passfile",
    "scram_server_key": "write the password, or name a passfile",
    "sslcrldir": "write one file as sslcrl",
    "sslkeylogfile": "leave it out; it would let others decrypt the connection",
    # Names from other drivers and adapters, not libpq's.
    "command_timeout": "leave it out; every statement has a timeout already",
    "database": "write dbname, or the name in the path",
    "prepared_statement_cache_size": f"behind PgBouncer in transaction mode write {PGBOUNCER}=transaction",
    "schema": "leave it out, and set SPACEKEY_DATABASE_SCHEMA, or schema= in Python",
    "ssl": "write sslmode",
    "statement_cache_size": f"behind PgBouncer in transaction mode write {PGBOUNCER}=transaction",
    "timeout": "write connect_timeout",
}
"""Parameters that cannot be translated → the remedy."""

_TRANSLATED = frozenset(
    {"host", "port", "connect_timeout", "application_name", "fallback_application_name", "options", "keepalives"}
    | {"target_session_attrs", "service", "servicefile", PGBOUNCER, *_IN_DSN, *_ARGUMENTS, *_KEEPALIVES}
)
LIBPQ_PARAMETERS = (_TRANSLATED | set(_NO_CHOICE)) - {PGBOUNCER} | {
    name for name in _REFUSED if name not in {"command_timeout", "database", "schema", "ssl", "timeout"}
} - {"prepared_statement_cache_size", "statement_cache_size"}
"""All of libpq's parameters that are recognized here."""

_PRIMARY = {"any", "primary", "read-write"}


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """Connection settings for one PostgreSQL.

    :param arguments: asyncpg's, without timeouts.
    :param connect_seconds: how long connecting may take.
    :param socket_options: names of :mod:`socket` → values, for TCP connections.
    :param by_transaction: a pooler may use another server connection for each transaction, so nothing may be kept on
        one.
    :param tls: the URL's TLS parameters, as libpq names them.
    """

    arguments: Mapping[str, Any] = field(repr=False)
    connect_seconds: float = CONNECT_SECONDS
    socket_options: Mapping[str, int] = field(default_factory=dict)
    by_transaction: bool = False
    tls: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def connect(self, *, seconds: float | None = None, **more: Any) -> asyncpg.Connection:
        """Open a connection.

        :param seconds: how long it may take; by default as the URL says.
        :param more: further arguments of :func:`asyncpg.connect`.
        :raises ServiceUnavailable: if the TLS handshake fails or one of the TLS files is gone.
        :raises asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError: if it cannot be
            opened.
        """
        cache = {"statement_cache_size": 0} if self.by_transaction else {}
        bound = self.connect_seconds if seconds is None else seconds
        try:
            connection = await asyncpg.connect(**self.arguments, **cache, timeout=bound, **more)
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
            told = None if isinstance(error, TimeoutError) else explain(error, self.tls)
            if told is None:
                raise
            raise ServiceUnavailable(outage_text(told, error)) from None
        self._set_socket_options(connection)
        return connection

    def _set_socket_options(self, connection: asyncpg.Connection) -> None:
        held = connection._transport.get_extra_info("socket") if self.socket_options else None
        if held is None or held.family not in (socket.AF_INET, socket.AF_INET6):
            return
        for name, value in self.socket_options.items():
            level = socket.SOL_SOCKET if name == "SO_KEEPALIVE" else socket.IPPROTO_TCP
            option = getattr(socket, name, None)
            if option is not None:  # not every system has every option
                held.setsockopt(level, option, value)


def database_url(url: str) -> URL:
    """Return the URL with the async driver.

    :raises ConfigurationError: if it is neither an SQLite file nor PostgreSQL, or has a parameter that cannot be
        translated.
    """
    try:
        parsed = make_url(_hosts_in_query(url))
    except (SQLAlchemyError, ValueError):
        # The text may contain a password, so it is not repeated.
        raise ConfigurationError("the database URL is malformed; write sqlite:///file.db or postgresql://…") from None
    backend = parsed.get_backend_name()
    if backend == SQLITE:
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError("SQLite needs a file, like sqlite:///spacekey.db")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in {POSTGRESQL, "postgres"}:
        target = parsed.set(drivername="postgresql+asyncpg")
        postgres_target(target)
        return target
    raise ConfigurationError(f"no support for '{backend}' databases; use SQLite or PostgreSQL")


def postgres_target(url: URL) -> PostgresTarget:
    """Return the connection settings for the URL of a PostgreSQL.

    :raises ConfigurationError: with the name of a wrong parameter, never its value.
    """
    given = with_service(
        {name: ",".join(value) if isinstance(value, tuple) else value for name, value in url.query.items()}
    )
    for name, value in given.items():
        _check_known(name, value)
    arguments: dict[str, Any] = {_ARGUMENTS[name]: value for name, value in given.items() if name in _ARGUMENTS}
    settings = {}
    if application := given.get("application_name") or given.get("fallback_application_name"):
        settings["application_name"] = application
    if given.get("options"):
        settings["options"] = given["options"]
    if settings:
        arguments["server_settings"] = settings
    for argument, part in (("user", url.username), ("password", url.password), ("database", url.database)):
        if part:
            arguments[argument] = str(part)
    hosts = _hosts(url, given)
    if hosts:
        arguments["host"] = [host for host, _ in hosts]
        arguments["port"] = [port for _, port in hosts]
    tls = {name: value for name, value in given.items() if name in _IN_DSN}
    check_tls(tls)
    if tls:
        arguments["dsn"] = "postgresql://?" + urlencode(tls, quote_via=quote)
    attributes = given.get("target_session_attrs", "any")
    if attributes not in _PRIMARY:
        raise wrong_parameter("target_session_attrs", "Spacekey needs the primary; write primary, or read-write")
    if attributes != "any" or len(hosts) > 1:
        # The first host to answer may be a standby, which would be refused later.
        arguments["target_session_attrs"] = "primary" if attributes == "any" else attributes
    mode = given.get(PGBOUNCER, "session")
    if mode not in ("session", "transaction"):
        raise wrong_parameter(
            PGBOUNCER, "write session or transaction, as its pool_mode is; statement mode is not supported"
        )
    return PostgresTarget(arguments, _connect_seconds(given), _socket_options(given), mode == "transaction", tls)


def with_service(given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters with those of the named service added; the URL's own take precedence.

    The driver reads the service file only for some URLs, and passes on parameters it does not know, so it is read here.

    :raises ConfigurationError: if the file or service does not exist.
    """
    own = {name: value for name, value in given.items() if value and name not in ("service", "servicefile")}
    service = given.get("service")
    if not service:
        return own
    return {**_parameters(service, _file(given.get("servicefile", ""))), **own}


def _hosts_in_query(url: str) -> str:
    """Move the hosts of libpq's ``//user@one:5432,two:5432/name`` to the query, where SQLAlchemy reads them."""
    found = re.fullmatch(r"(postgres(?:ql)?(?:\+\w+)?)://(?:([^/?#]*)@)?([^/?#@]*,[^/?#@]*)(/[^?]*)?(?:\?(.*))?", url)
    if found is None:
        return url
    scheme, user, hosts, path, query = found.groups()
    asked = "&".join(one for one in (query, f"host={quote(unquote(hosts), safe=':,[]/')}") if one)
    return f"{scheme}://{f'{user}@' if user else ''}{path or '/'}?{asked}"


def _hosts(url: URL, given: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return hosts with their ports, from the authority, else from the query.

    The query may be ``host=a:5432,b`` or ``host=a,b&port=1,2``.
    """
    hosts = [url.host] if url.host else [one.strip() for one in given.get("host", "").split(",") if one.strip()]
    ports = [str(url.port)] if url.port else [one.strip() for one in given.get("port", "").split(",") if one.strip()]
    if ports and len(ports) not in (1, len(hosts) or 1):
        raise wrong_parameter("port", "give one port, or one for each host")
    if not hosts and ports:
        hosts = ["localhost"]
    found = []
    for number, host in enumerate(hosts):
        port = ports[min(number, len(ports) - 1)] if ports else "5432"
        name = host
        if not host.startswith("/") and (split := re.fullmatch(r"(\[[^]]*\]|[^:]*):(\d+)", host)):
            name, port = split[1], split[2]
        if not port.isdigit() or not 0 < int(port) < 65_536:
            raise wrong_parameter("port", "write a number from 1 to 65535")
        found.append((name.strip("[]"), int(port)))
    return found


def _check_known(name: str, value: str) -> None:
    if name in _REFUSED:
        raise wrong_parameter(name, _REFUSED[name])
    if name in _NO_CHOICE:
        accepted, cure = _NO_CHOICE[name]
        if value.lower() not in accepted:
            raise wrong_parameter(name, cure)
        return
    if name not in _TRANSLATED:
        raise wrong_parameter(
            name[:40] if name.isprintable() else "?", "PostgreSQL's libpq has no such parameter; leave it out"
        )


def _connect_seconds(given: Mapping[str, str]) -> float:
    seconds = _number(given, "connect_timeout")
    # libpq waits forever for 0, but every wait here is bounded
    return CONNECT_SECONDS if not seconds else min(float(seconds), CONNECT_SECONDS_MAX)


def _socket_options(given: Mapping[str, str]) -> dict[str, int]:
    wanted = {}
    keep = _number(given, "keepalives")
    if keep is not None:
        wanted["SO_KEEPALIVE"] = min(keep, 1)
    for name, option in _KEEPALIVES.items():
        value = _number(given, name)
        if value:  # 0 is the system's default
            wanted[option] = value
            if name != "tcp_user_timeout" and keep != 0:
                wanted["SO_KEEPALIVE"] = 1
    return wanted


def _number(given: Mapping[str, str], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 7:
        raise wrong_parameter(name, "write a whole number")
    return int(value)


def _file(named: str) -> Path:
    """Return the service file where libpq looks for it: the named one, the user's own, or the system's.

    :raises ConfigurationError: if none of them exists.
    """
    if named:
        if not Path(named).is_file():
            raise wrong_parameter("servicefile", "there is no file of this name")
        return Path(named)
    places = []
    if variable := os.environ.get("PGSERVICEFILE"):
        places.append(Path(variable))
    else:
        places.append(Path(os.environ.get("HOME", "/")) / ".pg_service.conf")
    if folder := os.environ.get("PGSYSCONFDIR"):
        places.append(Path(folder) / "pg_service.conf")
    for place in places:
        if place.is_file():
            return place
    raise wrong_parameter("service", "there is no service file; name it as servicefile")


def _parameters(service: str, file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#", strict=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names are told apart by case
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        # The text may contain a password, so it is not repeated.
        raise wrong_parameter("servicefile", "the service file cannot be read") from None
    if not parser.has_section(service):
        raise wrong_parameter("service", "the service file has no service of this name")
    return {name: value for name, value in parser.items(service) if value}
