"""What every test may ask for: a database of each kind, fresh, migrated and empty.

PostgreSQL is real. When it cannot start, the tests that need it fail; nothing is skipped.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from support.databases import (
    EmptiedDatabases,
    folder_in_memory,
    migrate,
    migrate_postgres,
    postgres_database,
    sqlite_database,
)
from support.made_once import shared_certificates, shared_compiled_statements
from support.patience import wait_long
from support.postgres import PostgresServer
from support.processes import forking
from support.redis_server import RedisServer
from support.redis_server import found as redis_program
from support.turns import one_database_each, one_of_so_many, rest_run, whole_run
from support.volume import LONG_FORM

LONG_FOLDERS = frozenset({Path(__file__).with_name(name) for name in ("chaos", "docs", "e2e", "layout")})
"""Folders whose files take longest. They come first, so that no worker is left with one when the others are done."""


SHORTENED_FOLDERS = frozenset({Path(__file__).with_name(name) for name in ("e2e", "model_checking")})
LIMITS = Path(__file__).with_name("middleware") / "limits"
DASHBOARD = Path(__file__).with_name("e2e") / "dashboard"


def pytest_configure() -> None:
    """Keep temporary files, databases above all, in memory where there is room; let property tests take their time."""
    folder = folder_in_memory()
    if folder is not None:
        os.environ.setdefault("TMPDIR", str(folder))
        tempfile.tempdir = None  # so that it is looked up again
    patient = settings(settings.get_profile(settings.get_current_profile_name()), deadline=None)
    settings.register_profile("busy machine", patient, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy machine")
    gc.disable()  # until the tests are collected: what is made by then stays to the end


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through nine thousand tests again and again."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a short run, skip the long forms, saying so, take each test on one database, and sample large matrices.

    A rest run takes what a short run does not.

    A test that is named on the command line runs on both.
    """
    items.sort(key=lambda item: LONG_FOLDERS.isdisjoint(item.path.parents))
    if rest_run():
        done, other_databases = one_database_each(items)
        done, other_cases = one_of_so_many(done)
        again = (item for item in done if item.get_closest_marker("long") or _is_shortened(item))
        rest = {*other_databases, *other_cases, *again}
        config.hook.pytest_deselected(items=[item for item in items if item not in rest])
        items[:] = [item for item in items if item in rest]
        return
    if whole_run():
        return
    if config.option.markexpr != "long":  # as make faults and make guards ask
        for item in items:
            if item.get_closest_marker("long") is not None:
                item.add_marker(pytest.mark.skip(reason=LONG_FORM))
    if any("::" in argument for argument in config.args):
        return
    done, other_databases = one_database_each(items)
    items[:], other_cases = one_of_so_many(done)
    config.hook.pytest_deselected(items=[*other_databases, *other_cases])


def _is_shortened(item: pytest.Item) -> bool:
    """Return whether a short run has run less of the test: forked programs, or fewer cases."""
    if item.get_closest_marker("repeats") is not None:
        return True
    return not SHORTENED_FOLDERS.isdisjoint(item.path.parents) and DASHBOARD not in item.path.parents


@pytest.fixture(scope="session", autouse=True)
def _forked_programs() -> Iterator[None]:
    """In a short run, start the server and commands by forking, from the first that a test starts."""
    if whole_run():
        yield
        return
    with forking():
        yield


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """Make once for the process what a product makes once."""
    with shared_compiled_statements(), shared_certificates():
        yield


@pytest.fixture(scope="session", autouse=True)
def aging_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer | None]:
    """A Redis that starts with the session, since many tests of limits need one that has run for a while.

    None where there is no Redis, or no test that needs one.
    """
    if redis_program() is None or not any(LIMITS in item.path.parents for item in request.session.items):
        yield None
        return
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the session (with xdist: one for each worker), with a migrated template in it."""
    server = PostgresServer()
    try:
        server.start()
        migrate_postgres(server)
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def emptied_databases(postgres: PostgresServer) -> Iterator[EmptiedDatabases]:
    """Databases on the session's server, each emptied after a test."""
    with closing(EmptiedDatabases(postgres)) as databases:
        yield databases


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database file, to be copied."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each test that asks for a database, directly or not, runs once on each kind."""
    return str(request.param)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated, empty database."""
    if database_kind == SQLITE:
        yield sqlite_database(tmp_path, request.getfixturevalue("sqlite_template"))
        return
    emptied: EmptiedDatabases = request.getfixturevalue("emptied_databases")
    with emptied.database() as url:
        yield url


@pytest.fixture
def bare_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    if database_kind == SQLITE:
        yield sqlite_database(tmp_path, None)
        return
    with postgres_database(request.getfixturevalue("postgres"), "template0") as url:
        yield url


ASK_ABOUT_BOUNDS = frozenset(
    {"test_copied_scopes.py", "test_errors.py", "test_generated_pages.py", "test_hanging_database.py"}
)
"""Files whose tests wait for a bound of the product's to end something, or show what the bounds are."""


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything waits for a busy machine, instead of answering 503 as it should, unless a test asks about that."""
    if request.path.name not in ASK_ABOUT_BOUNDS:
        wait_long(monkeypatch)


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A store on a fresh, migrated, empty database."""
    opened = Store(database_url)
    yield opened
    await opened.aclose()
