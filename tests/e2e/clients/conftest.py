"""The real server with a workspace and a token, and the folders in which clients of other projects are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import venv
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from graphql import GraphQLInterfaceType, GraphQLUnionType

from spacekey.domain.clock import utc_now
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.schema.build import build_schema
from spacekey.schema.export import SCHEMA_FILE
from support.databases import sqlite_database
from support.npm import BUILD, INSTALL_SECONDS_MAX, NpmMissing
from support.npm import npm_folder as installed_by_npm
from support.processes import Installation
from support.world import OPERATOR, StoppedClock, make_world

HERE = Path(__file__).parent
ARIADNE = "ariadne-codegen==0.19.0"
"""In an environment of its own: it takes an older graphql-core than the server does."""
SCOPES = ("tokens:read", "tokens:create", "tokens:update", "tokens:revoke", "tokens:delete", "workspace:read")


@dataclass(frozen=True)
class Target:
    """What a client is given: where to ask, as whom, and about which workspace.

    :ivar reading: another token's secret, which holds ``tokens:read`` alone.
    """

    url: str
    secret: str
    workspace: str
    reading: str


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The programs on a fresh database."""
    folder = tmp_path_factory.mktemp("clients")
    return Installation(sqlite_database(folder, None), folder)


@pytest.fixture(scope="session")
def address(installation: Installation) -> Iterator[str]:
    """``spacekey serve``, as it is shipped."""
    with installation.serving() as url:
        yield url


@pytest.fixture
async def target(installation: Installation, address: str) -> AsyncIterator[Target]:
    """A workspace of the test's own, a token that may do all that the clients do, and one that may only read tokens."""
    store = Store(installation.database_url)
    world = make_world(store, clock=StoppedClock(utc_now()))
    try:
        workspace = await world.workspace("spooled")
        secrets = []
        for name, grants in (("zero", (*SCOPES, "jobs:read")), ("zero reads", ("tokens:read",))):
            made = await create_token(world.system, OPERATOR, NewToken(workspace.id, name, grants))
            secrets.append(made.secret.reveal())
        yield Target(f"{address}/graphql", secrets[0], workspace.id, secrets[1])
    finally:
        await store.aclose()


@pytest.fixture(scope="session")
def npm_folder() -> Path:
    """A folder with the clients of npm and this suite's scripts, installed once and kept between runs."""
    try:
        folder = installed_by_npm(HERE, "clients")
    except NpmMissing as missing:
        pytest.skip(f"CLIENTS NOT RUN: {missing}")
    shutil.copy(SCHEMA_FILE, folder / "schema.graphql")
    (folder / "possible-types.json").write_text(json.dumps(_possible_types()), "utf-8")
    return folder


def _possible_types() -> dict[str, list[str]]:
    """What Apollo's documentation has a client download once: the types behind interfaces and unions."""
    schema = build_schema()._schema
    return {
        name: [possible.name for possible in schema.get_possible_types(one)]
        for name, one in schema.type_map.items()
        if isinstance(one, GraphQLInterfaceType | GraphQLUnionType)
    }


@pytest.fixture(scope="session")
def ariadne_environment() -> Path:
    """A virtual environment with ariadne-codegen, installed once and kept between runs."""
    folder = BUILD / "clients-python"
    if not (folder / "bin" / "ariadne-codegen").is_file():
        venv.create(folder, with_pip=True)
        command = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", ARIADNE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False)
        if done.returncode != 0:
            pytest.skip(f"CLIENTS NOT RUN: pip could not install {ARIADNE}")
    return folder
