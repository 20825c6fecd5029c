"""TLS to a real PostgreSQL: who is trusted, who is let in, and what is said of everything that goes wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio

from spacekey.domain.authentication import Authenticated, Rejected, Unavailable, Verdict
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import Secret, mint
from spacekey.models.engine.database_url import PostgresTarget, database_url, postgres_target
from spacekey.models.engine.store import Store
from spacekey.models.lookup.postgres import PostgresLookup
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products
from support.databases import TEMPLATE, migrate, postgres_database
from support.postgres import ADMIN, PostgresServer
from support.processes import Installation
from support.servers.pgbouncer import PgBouncer
from support.servers.tls import (
    CERTIFIED,
    KEY_PASSWORD,
    PASSWORD,
    Authority,
    DirectTls,
    TlsServer,
    free_port,
    tls_server,
)
from support.world import OPERATOR, make_world

pytestmark = pytest.mark.sampled(3)

DATABASE = "keys"
HIDDEN = (PASSWORD, KEY_PASSWORD, "other-word")
WRONG_HOST = "127.0.0.1"  # the certificate is for localhost


@dataclass(frozen=True)
class Files:
    """What the URLs name."""

    ours: Path
    foreign: Path
    certificate: tuple[Path, Path]
    sealed: tuple[Path, Path]
    foreign_certificate: tuple[Path, Path]
    other_certificate: tuple[Path, Path]
    revoking: Path
    revoking_others: Path
    no_pem: Path


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """The server, with a migrated database."""
    with tls_server(tmp_path_factory.mktemp("tls")) as server:
        server.postgres.execute(f"CREATE DATABASE {DATABASE}")
        migrate(server.url(DATABASE))
        yield server


@pytest.fixture(scope="module")
def files(tls: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates for clients, and lists of revoked ones."""
    no_pem = tmp_path_factory.mktemp("other") / "words"
    no_pem.write_text("no certificate\n")
    return Files(
        ours=tls.ours.file,
        foreign=tls.foreign.file,
        certificate=tls.ours.issue(CERTIFIED)[:2],
        sealed=tls.ours.issue(CERTIFIED, key_password=KEY_PASSWORD)[:2],
        foreign_certificate=tls.foreign.issue(CERTIFIED)[:2],
        other_certificate=tls.ours.issue("other")[:2],
        revoking=tls.ours.revoke(tls.serial),
        revoking_others=tls.ours.revoke(5),
        no_pem=no_pem,
    )


@pytest_asyncio.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    """The driver does not wait until the goodbye of TLS has been answered; a test does, or its loop ends before."""
    yield
    selector = getattr(asyncio.get_running_loop(), "_selector")  # noqa: B009 - its type does not tell of it
    async with asyncio.timeout(120):
        while len(selector.get_map()) > 1:  # noqa: ASYNC110 - the loop's own is always there
            await asyncio.sleep(0.01)
    await asyncio.sleep(0)


def written(query: str, files: Files) -> str:
    """The query with the files' names in it."""
    names = {
        "OURS": files.ours,
        "FOREIGN": files.foreign,
        "CERT": files.certificate[0],
        "KEY": files.certificate[1],
        "SEALED": files.sealed[0],
        "SEALEDKEY": files.sealed[1],
        "FOREIGNCERT": files.foreign_certificate[0],
        "FOREIGNKEY": files.foreign_certificate[1],
        "OTHER": files.other_certificate[0],
        "OTHERKEY": files.other_certificate[1],
        "REVOKING": files.revoking,
        "REVOKINGOTHERS": files.revoking_others,
        "NOPEM": files.no_pem,
    }
    for name, file in names.items():
        query = query.replace(f"<{name}>", str(file))
    return query


BY_CERTIFICATE = {"user": CERTIFIED, "password": ""}

LET_IN = {
    "no word of TLS": ("", {}),
    "allow": ("sslmode=allow", {}),
    "prefer": ("sslmode=prefer", {}),
    "require": ("sslmode=require", {}),
    "require, wrong host": ("sslmode=require", {"host": WRONG_HOST}),
    "require with a CA checks it": ("sslmode=require&sslrootcert=<OURS>", {"host": WRONG_HOST}),
    "verify-ca": ("sslmode=verify-ca&sslrootcert=<OURS>", {}),
    "verify-ca, wrong host": ("sslmode=verify-ca&sslrootcert=<OURS>", {"host": WRONG_HOST}),
    "verify-full": ("sslmode=verify-full&sslrootcert=<OURS>", {}),
    "not on the list of revoked": ("sslmode=verify-full&sslrootcert=<OURS>&sslcrl=<REVOKINGOTHERS>", {}),
    "client certificate": ("sslmode=require&sslcert=<CERT>&sslkey=<KEY>", BY_CERTIFICATE),
    "both sides": ("sslmode=verify-full&sslrootcert=<OURS>&sslcert=<CERT>&sslkey=<KEY>", BY_CERTIFICATE),
    "key behind a password": (
        f"sslmode=require&sslcert=<SEALED>&sslkey=<SEALEDKEY>&sslpassword={KEY_PASSWORD}",
        BY_CERTIFICATE,
    ),
    "TLS 1.3 or newer": ("sslmode=require&ssl_min_protocol_version=TLSv1.3", {}),
    "at most TLS 1.2": ("sslmode=require&ssl_max_protocol_version=TLSv1.2", {}),
}

KEPT_OUT = {
    "wrong host": ("sslmode=verify-full&sslrootcert=<OURS>", {"host": WRONG_HOST}, "for another host name.*sslmode"),
    "foreign CA": ("sslmode=verify-full&sslrootcert=<FOREIGN>", {}, "not signed.*sslrootcert"),
    "foreign CA, verify-ca": ("sslmode=verify-ca&sslrootcert=<FOREIGN>", {}, "not signed.*sslrootcert"),
    "require with a foreign CA": ("sslmode=require&sslrootcert=<FOREIGN>", {}, "not signed.*sslrootcert"),
    "revoked": ("sslmode=verify-full&sslrootcert=<OURS>&sslcrl=<REVOKING>", {}, "revoked"),
    "no TLS": ("sslmode=disable", {}, "pg_hba.conf.*sslmode=require"),
    "no client certificate": ("sslmode=require", BY_CERTIFICATE, "pg_hba.conf.*sslcert"),
    "foreign client certificate": (
        "sslmode=require&sslcert=<FOREIGNCERT>&sslkey=<FOREIGNKEY>",
        BY_CERTIFICATE,
        "client certificate.*sslcert",
    ),
    "foreign client certificate, TLS 1.2": (
        "sslmode=require&ssl_max_protocol_version=TLSv1.2&sslcert=<FOREIGNCERT>&sslkey=<FOREIGNKEY>",
        BY_CERTIFICATE,
        "client certificate.*sslcert",
    ),
    "another's client certificate": (
        "sslmode=require&sslcert=<OTHER>&sslkey=<OTHERKEY>",
        BY_CERTIFICATE,
        "pg_hba.conf",
    ),
    "wrong password": ("sslmode=require", {"password": "other-word"}, "user or password"),
}

WRONG = {
    "sslmode=verify-ca": "'sslrootcert': .*file",
    "sslmode=verify-full": "'sslrootcert': .*file",
    "sslmode=verify-full&sslrootcert=/nonexistent/ca.pem": "'sslrootcert': .*no file",
    "sslmode=verify-full&sslrootcert=/etc": "'sslrootcert': .*read",
    "sslmode=verify-full&sslrootcert=<NOPEM>": "'sslrootcert': .*certificate",
    "sslmode=verify-full&sslrootcert=<OURS>&sslcrl=/nonexistent/crl": "'sslcrl': .*no file",
    "sslmode=verify-full&sslrootcert=<OURS>&sslcrl=<NOPEM>": "'sslcrl': .*list",
    "sslmode=verify-full&sslrootcert=<OURS>&sslcrl=<CERT>": "'sslcrl': .*list",
    "sslrootcert=<OURS>": "'sslrootcert': .*verify-full",
    "sslmode=prefer&sslrootcert=<OURS>": "'sslrootcert': .*verify-full",
    "sslmode=allow&sslcrl=<REVOKING>": "'sslcrl': .*verify-full",
    "sslmode=require&sslcrl=<REVOKING>": "'sslcrl': .*sslrootcert",
    "sslmode=require&sslcert=/nonexistent/cert.pem&sslkey=<KEY>": "'sslcert': .*no file",
    "sslmode=require&sslcert=<NOPEM>&sslkey=<KEY>": "'sslcert': .*certificate",
    "sslmode=require&sslcert=<CERT>&sslkey=/nonexistent/key": "'sslkey': .*no file",
    "sslmode=require&sslcert=<CERT>&sslkey=<NOPEM>": "'sslkey': .*key",
    "sslmode=require&sslcert=<CERT>": "'sslkey': ",
    "sslmode=require&sslkey=<KEY>": "'sslkey': .*sslcert",
    "sslmode=require&sslcert=<CERT>&sslkey=<FOREIGNKEY>": "'sslkey': .*certificate",
    "sslmode=require&sslcert=<SEALED>&sslkey=<SEALEDKEY>": "'sslpassword': ",
    "sslmode=require&sslcert=<SEALED>&sslkey=<SEALEDKEY>&sslpassword=other-word": "'sslpassword': ",
    "sslnegotiation=direct": "'sslnegotiation': .*sslmode=require",
    "sslmode=prefer&sslnegotiation=direct": "'sslnegotiation': .*sslmode=require",
    "sslmode=require&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2": "'ssl_min_protocol_version'",
}
"""What can be seen to be wrong before anything connects."""


@pytest.mark.parametrize("name", LET_IN)
async def test_engine_and_lookup_are_let_in_over_tls(tls: TlsServer, files: Files, name: str) -> None:
    query, who = LET_IN[name]
    url = f"{tls.url(DATABASE, **who)}?{written(query, files)}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    await store.ping()
    async with store.reading() as session:
        connection = await session.connection()
        row = (await connection.exec_driver_sql(_ABOUT_TLS)).one()
    assert row.ssl
    assert row.client_dn == (f"/CN={CERTIFIED}" if "sslcert" in query else None)
    if "TLSv" in query:
        assert row.version == query[-7:]
    assert await lookup.by_digest(bytes(32)) is None
    await store.aclose()
    await lookup.aclose()


async def asked_in_time(verifier: DatabaseVerifier, secret: Secret) -> Verdict:
    """The verdict, asked for again while it is only that a busy machine was too slow."""
    async with asyncio.timeout(120):
        while True:
            verdict = await verifier.verify(secret)
            if not isinstance(verdict, Unavailable) or "in time" not in verdict.why:
                return verdict


_ABOUT_TLS = "SELECT ssl, version, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize("name", KEPT_OUT)
async def test_who_is_kept_out_is_told_what_to_do(
    tls: TlsServer, files: Files, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    query, who, words = KEPT_OUT[name]
    url = f"{tls.url(DATABASE, **who)}?{written(query, files)}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    verifier = DatabaseVerifier(url, packaged_products(), collect_usage=False)
    said = []
    for asked in (store.ping(), lookup.by_digest(bytes(32))):
        with pytest.raises(ServiceUnavailable, match=words) as refused:
            await asked
        said.append(str(refused.value))
    verdict = await asked_in_time(verifier, mint("em", "live", lambda count: bytes(range(count))))
    assert isinstance(verdict, Unavailable)
    said.append(verdict.why)
    assert len(set(said)) == 1
    assert "; " in said[0]
    assert not any(word in text for word in HIDDEN for text in (said[0], caplog.text))
    for opened in (store, lookup, verifier):
        await opened.aclose()


@pytest.mark.parametrize("query", WRONG)
def test_what_is_wrong_with_the_files_is_said_by_name_before_anything_connects(
    tls: TlsServer, files: Files, query: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    url = f"{tls.url(DATABASE)}?{written(query, files)}"
    for refusing in (Store, PostgresLookup, lambda one: DatabaseVerifier(one, packaged_products())):
        with pytest.raises(ConfigurationError, match=WRONG[query]) as refused:
            refusing(url)
        assert not any(word in str(refused.value) for word in HIDDEN)


async def test_a_certificate_that_has_expired_is_named(tls: TlsServer, files: Files) -> None:
    url = f"{tls.url(DATABASE)}?sslmode=verify-ca&sslrootcert={files.ours}"
    old = tls.ours.issue("database", "localhost", expired=True)
    tls.present(*old[:2])
    tls.reload()
    try:
        store = Store(url)
        async with asyncio.timeout(120):  # reloading is asynchronous
            while True:
                try:
                    await store.ping()
                except ServiceUnavailable as error:
                    said = str(error)
                    break
                await store.engine.dispose()
        assert "expired" in said
        await store.aclose()
    finally:
        tls.present(*tls.certificate)
        tls.reload()


async def test_files_that_vanish_while_it_runs_are_named(tls: TlsServer, files: Files, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    shutil.copy(files.ours, authority)
    url = f"{tls.url(DATABASE)}?sslmode=verify-full&sslrootcert={authority}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    authority.unlink()
    for asked in (store.ping(), lookup.by_digest(bytes(32))):
        with pytest.raises(ServiceUnavailable, match=r"'sslrootcert': .*no file"):
            await asked
    shutil.copy(files.ours, authority)
    await store.ping()
    assert await lookup.by_digest(bytes(32)) is None
    await store.aclose()
    await lookup.aclose()


async def test_a_statement_is_ended_over_tls_when_its_time_is_over(tls: TlsServer, files: Files) -> None:
    target = postgres_target(database_url(f"{tls.url(DATABASE)}?sslmode=verify-full&sslrootcert={files.ours}"))
    watching = await asyncpg.connect(user=ADMIN, host=tls.postgres.host, port=tls.port, database=DATABASE)
    await assert_a_late_statement_is_ended(target, watching)
    await watching.close()


async def assert_a_late_statement_is_ended(target: PostgresTarget, watching: asyncpg.Connection) -> None:
    """Assert that the server does not go on with a statement whose time is over.

    A server ignores a request to end what it has not begun yet, so on a busy machine the statement is given more time.
    """
    for seconds in (0.2, 2, 20, 200):
        connection = await target.connect(seconds=200, command_timeout=seconds)
        sleeps = ("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1", connection.get_server_pid())
        running = asyncio.create_task(connection.fetchval("SELECT pg_sleep(600)"))
        begun = False
        while not (begun or running.done()):
            begun = bool(await watching.fetchval(*sleeps)) and not running.done()
        with pytest.raises(TimeoutError):
            await running
        try:
            async with asyncio.timeout(120):
                while begun and await watching.fetchval(*sleeps):
                    continue
        finally:
            connection.terminate()
        if begun:
            return
    raise AssertionError("the server never began the statement")


async def test_a_token_lives_and_dies_over_tls(tls: TlsServer, files: Files) -> None:
    url = f"{tls.url(DATABASE)}?sslmode=verify-full&sslrootcert={files.ours}"
    store = Store(url)
    world = make_world(store)
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "a token", ("jobs:read",)))
    verifier = DatabaseVerifier(url, packaged_products(), clock=world.clock, collect_usage=False)
    assert isinstance(await asked_in_time(verifier, issued.secret), Authenticated)
    await verifier.aclose()
    await revoke_token(world.system, OPERATOR, issued.view.token.id)
    verifier = DatabaseVerifier(url, packaged_products(), clock=world.clock, collect_usage=False)  # without a cache
    assert isinstance(await asked_in_time(verifier, issued.secret), Rejected)
    await verifier.aclose()
    await store.aclose()


@pytest.mark.long
def test_the_commands_and_the_server_work_over_tls(tls: TlsServer, files: Files, tmp_path: Path) -> None:
    tls.postgres.execute("CREATE DATABASE commands")
    query = f"sslmode=verify-full&sslrootcert={files.ours}&sslcert={files.certificate[0]}&sslkey={files.certificate[1]}"
    installation = Installation(f"{tls.url('commands', user=CERTIFIED, password='')}?{query}", tmp_path / "said")
    assert installation.run("migrate").returncode == 0
    found = {one["what"]: one["result"] for one in _findings(installation)}
    assert found["database"] == "ok"
    with installation.serving() as url:
        assert httpx.get(f"{url}/readyz", trust_env=False).json()["status"] == "ok"


@pytest.mark.parametrize("name", ["wrong host", "wrong password"])
def test_the_commands_say_what_to_do(tls: TlsServer, files: Files, tmp_path: Path, name: str) -> None:
    query, who, words = KEPT_OUT[name]
    installation = Installation(f"{tls.url(DATABASE, **who)}?{written(query, files)}", tmp_path)
    assert words.partition(".*")[0] in str(_findings(installation))
    for command in ("migrate", "serve"):
        done = installation.run(command)
        assert done.returncode != 0
        assert words.partition(".*")[0] in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stderr
        assert not any(word in done.stdout + done.stderr for word in HIDDEN)


async def test_a_server_without_tls_is_named(tmp_path: Path) -> None:
    server = PostgresServer(listen_addresses="127.0.0.1", port=str(port := free_port()))
    try:
        server.start()
        url = f"postgresql://{ADMIN}:{PASSWORD}@127.0.0.1:{port}/{ADMIN}"
        for mode in ("require", "verify-ca", "verify-full"):
            root = Authority(tmp_path, "any").file
            store = Store(f"{url}?sslmode={mode}&sslrootcert={root}")
            with pytest.raises(ServiceUnavailable, match=r"has TLS turned off.*; turn it on"):
                await store.ping()
            await store.aclose()
        store = Store(f"{url}?sslmode=prefer")
        await store.ping()
        await store.aclose()
        store = Store(f"{url}?sslmode=require&sslnegotiation=direct")
        with pytest.raises(ServiceUnavailable, match="PostgreSQL"):
            await store.ping()
        await store.aclose()
    finally:
        server.remove()


async def test_variables_that_do_not_fit_are_told_and_no_traceback(
    tls: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lookup = Store(tls.url(DATABASE)), PostgresLookup(tls.url(DATABASE), deadline_seconds=20)
    monkeypatch.setenv("PGSSLNEGOTIATION", "direct")
    for asked in (store.ping(), lookup.by_digest(bytes(32))):
        with pytest.raises(ServiceUnavailable, match="PG… variables"):
            await asked
    await store.aclose()
    await lookup.aclose()


@pytest.fixture(scope="module", params=["session", "transaction"])
def pooled(tls: TlsServer, request: pytest.FixtureRequest) -> Iterator[PgBouncer]:
    """A PgBouncer that is reached over TLS and reaches the server over TLS."""
    with _running(PgBouncer(tls.postgres, str(request.param), 3, tls=tls)) as bouncer:
        yield bouncer


@contextmanager
def _running(bouncer: PgBouncer) -> Iterator[PgBouncer]:
    bouncer.start()
    try:
        yield bouncer
    finally:
        bouncer.remove()


def _mode(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"pgbouncer": request.node.callspec.params["pooled"]}


async def test_a_token_lives_and_dies_behind_a_pooler_with_tls_on_both_sides(
    pooled: PgBouncer, files: Files, request: pytest.FixtureRequest
) -> None:
    url = pooled.url(DATABASE, sslmode="verify-full", sslrootcert=str(files.ours), **_mode(request))
    connection = await postgres_target(database_url(url)).connect(seconds=20)
    assert connection._transport.get_extra_info("ssl_object") is not None
    assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    await connection.close()
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    await store.ping()
    world = make_world(store)
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "a token", ("jobs:read",)))
    digest = issued.secret.digest()
    before = await lookup.by_digest(digest)
    await revoke_token(world.system, OPERATOR, issued.view.token.id)
    after = await lookup.by_digest(digest)
    assert before is not None
    assert after is not None
    assert (before.revoked_at, after.revoked_at is not None) == (None, True)
    await store.aclose()
    await lookup.aclose()


POOLER_KEPT_OUT = {
    "foreign CA": ({"sslmode": "verify-full", "sslrootcert": "<FOREIGN>"}, "not signed.*sslrootcert"),
    "wrong host": (
        {"sslmode": "verify-full", "sslrootcert": "<OURS>", "host": WRONG_HOST},
        "for another host name.*sslmode",
    ),
    "no TLS": ({"sslmode": "disable"}, "sslmode=require"),
    "wrong password": ({"sslmode": "require", "password": "other-word"}, "user or password"),
}


@pytest.mark.parametrize("name", POOLER_KEPT_OUT)
async def test_who_is_kept_out_by_a_pooler_is_told_what_to_do(
    pooled: PgBouncer, files: Files, request: pytest.FixtureRequest, name: str
) -> None:
    given, words = POOLER_KEPT_OUT[name]
    url = pooled.url(DATABASE, **{key: written(one, files) for key, one in given.items()}, **_mode(request))
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    for asked in (store.ping, partial(lookup.by_digest, bytes(32))):
        with pytest.raises(ServiceUnavailable, match=words) as refused:
            await asked()
        assert not any(word in str(refused.value) for word in HIDDEN)
    await store.aclose()
    await lookup.aclose()


async def test_a_pooler_may_ask_for_a_client_certificate(tls: TlsServer, files: Files) -> None:
    tls_files = {"sslcert": str(files.certificate[0]), "sslkey": str(files.certificate[1])}
    with _running(PgBouncer(tls.postgres, "session", tls=tls, certified=True)) as bouncer:
        checked = {"sslmode": "verify-full", "sslrootcert": str(files.ours)}
        store = Store(bouncer.url(DATABASE, **checked, **tls_files))
        await store.ping()
        await store.aclose()
        for more in ({}, {"sslcert": str(files.foreign_certificate[0]), "sslkey": str(files.foreign_certificate[1])}):
            store = Store(bouncer.url(DATABASE, **checked, **more))
            with pytest.raises(ServiceUnavailable, match=r"client certificate.*sslcert"):
                await store.ping()
            await store.aclose()


@pytest_asyncio.fixture
async def direct(postgres: PostgresServer, files: Files, tls: TlsServer) -> AsyncIterator[tuple[DirectTls, str]]:
    """Direct TLS before a server without TLS of its own, and the name of a migrated database there."""
    with postgres_database(postgres, TEMPLATE) as url:
        async with DirectTls(postgres, tls.ours) as proxy:
            yield proxy, url.split("/")[3].partition("?")[0]


DIRECT = "sslmode=verify-full&sslrootcert=<OURS>&sslnegotiation=direct"


@pytest.mark.long
async def test_a_token_lives_and_dies_over_direct_tls(direct: tuple[DirectTls, str], files: Files) -> None:
    proxy, name = direct
    url = f"{proxy.url(name)}?{written(DIRECT, files)}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    await store.ping()
    world = make_world(store)
    workspace = await world.workspace("spooled")
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "a token", ("jobs:read",)))
    assert await lookup.by_digest(issued.secret.digest()) is not None
    await revoke_token(world.system, OPERATOR, issued.view.token.id)
    found = await lookup.by_digest(issued.secret.digest())
    assert found is not None
    assert found.revoked_at is not None
    assert set(proxy.negotiated) == {"postgresql"}
    await store.aclose()
    await lookup.aclose()


async def test_a_statement_is_ended_over_direct_tls_when_its_time_is_over(
    direct: tuple[DirectTls, str], files: Files, postgres: PostgresServer
) -> None:
    proxy, name = direct
    target = postgres_target(database_url(f"{proxy.url(name)}?{written(DIRECT, files)}"))
    watching = await asyncpg.connect(user=ADMIN, host=postgres.host, database=name)
    await assert_a_late_statement_is_ended(target, watching)
    await watching.close()


DIRECT_KEPT_OUT = {
    "foreign CA": (DIRECT.replace("OURS", "FOREIGN"), {}, "not signed.*sslrootcert"),
    "wrong host": (DIRECT, {"host": WRONG_HOST}, "for another host name.*sslmode"),
}


async def test_a_server_that_takes_tls_from_the_first_byte_only_is_named(
    direct: tuple[DirectTls, str], files: Files
) -> None:
    proxy, database = direct
    proxy.upgrades = False
    url = f"{proxy.url(database)}?{written(DIRECT.partition('&sslnegotiation')[0], files)}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    for asked in (store.ping, partial(lookup.by_digest, bytes(32))):
        with pytest.raises(ServiceUnavailable, match="sslnegotiation=direct"):
            await asked()
    await store.aclose()
    await lookup.aclose()


@pytest.mark.parametrize("name", DIRECT_KEPT_OUT)
async def test_who_is_kept_out_of_direct_tls_is_told_what_to_do(
    direct: tuple[DirectTls, str], files: Files, name: str
) -> None:
    proxy, database = direct
    query, who, words = DIRECT_KEPT_OUT[name]
    url = f"{proxy.url(database, **who)}?{written(query, files)}"
    store, lookup = Store(url), PostgresLookup(url, deadline_seconds=20)
    for asked in (store.ping, partial(lookup.by_digest, bytes(32))):
        with pytest.raises(ServiceUnavailable, match=words):
            await asked()
    await store.aclose()
    await lookup.aclose()


def _findings(installation: Installation) -> list[dict[str, str]]:
    done = installation.run("check", "--json")
    assert not any(word in done.stdout + done.stderr for word in HIDDEN)
    assert "Traceback" not in done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found
