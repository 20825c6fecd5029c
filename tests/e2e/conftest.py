"""Real processes for each module: a database of its own, the server on it, and the demo's workspaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from spacekey.models.engine.store import SQLITE
from support.databases import postgres_database, sqlite_database
from support.people import Person, sign_in
from support.postgres import PostgresServer
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation, Running
from support.programs.fleet import Fleet, fleet_on
from support.redis_server import RedisServer, found


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Programs on a fresh database: SQLite, or what the module's tests ask for by an indirect parameter."""
    folder = tmp_path_factory.mktemp("installation")
    with ExitStack() as stack:
        if getattr(request, "param", SQLITE) == SQLITE:
            url = sqlite_database(folder, None)
        else:
            url = stack.enter_context(postgres_database(request.getfixturevalue("postgres")))
        yield Installation(url, folder)


@pytest.fixture(scope="module")
def running(installation: Installation) -> Iterator[Running]:
    """The server with the demo in its database."""
    demo = installation.command("demo")
    with installation.serving() as url:
        yield Running(installation, url, demo)


@pytest.fixture(scope="module")
def owner(running: Running) -> Iterator[Person]:
    """The demo's owner, signed in."""
    with sign_in(running.url, OWNER_EMAIL, OWNER_PASSWORD) as person:
        yield person


@pytest.fixture(scope="package")
def fleet(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two servers and two apps on one PostgreSQL and, where there is one, one Redis."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres_database(postgres))
        redis = None
        if found() is not None:
            redis = RedisServer()
            stack.callback(redis.remove)
            redis.start()
        yield stack.enter_context(fleet_on(Installation(url, tmp_path_factory.mktemp("fleet")), redis))
