"""What stands before a race begins: T, workspaces and tokens, and for a race over HTTP the server's own facts."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

from spacekey.resolvers.access.caller import Operator, RequestFacts
from spacekey.resolvers.staleness import set_staleness
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.build import build_system
from spacekey.server.settings import Settings

from .clients import LEFT
from .environment import Environment
from .tokens import populate

OPERATOR = Operator(RequestFacts())
SERVER = "server"
MANAGER_GRANTS = (
    *("jobs:read", LEFT, "tokens:read", "tokens:create", "tokens:update", "tokens:disable", "tokens:revoke"),
    *("tokens:delete", "spaces:write"),
)


async def prepare_environment(
    database_url: str, staleness_seconds: float, lanes: int, takeaways: int, seed: int, *, over_http: bool
) -> Environment:
    """Fill an empty database and say what is in it."""
    system = build_system(Settings(database_url=database_url))
    try:
        await set_staleness(system, OPERATOR, staleness_seconds)
        environment = Environment(database_url, staleness_seconds, lanes, (), ())
        if not over_http:
            return await populate(system.store, environment, takeaways, seed)
        workspace = await create_workspace(
            system, OPERATOR, name="race", slug="race", product="spooled", plan="enterprise"
        )
        environment = replace(
            environment,
            server_url=f"http://127.0.0.1:{_free_port()}",
            app_token=await _token(system, workspace.id, ("tokens:introspect",)),
            manager_token=await _token(system, workspace.id, MANAGER_GRANTS),
        )
        return await populate(system.store, environment, takeaways, seed, one_workspace=workspace.id)
    finally:
        await system.store.aclose()


async def a_workspace(database_url: str) -> str:
    """A new workspace without a bound on tokens."""
    system = build_system(Settings(database_url=database_url))
    made = await create_workspace(system, OPERATOR, name="w", slug="w", product="spooled", plan="enterprise")
    await system.store.aclose()
    return made.id


def server_command(environment: Environment) -> list[str]:
    """Serve where the environment says."""
    port = (environment.server_url or "").rpartition(":")[2]
    return ["spacekey.server.cli:main", "serve", "--host", "127.0.0.1", "--port", port]


def server_environ(environment: Environment) -> Mapping[str, str]:
    """Return the server's environment variables."""
    return {"SPACEKEY_DATABASE_URL": environment.database_url, "SPACEKEY_LOG_LEVEL": "warning"}


async def _token(system: System, workspace_id: str, grants: tuple[str, ...]) -> str:
    issued = await create_token(system, OPERATOR, NewToken(workspace_id, "program", grants))
    return issued.secret.reveal()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
