"""Run the app against a Spacekey: ``python -m spacekey.examples.jobs --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.limits import Limiter, MemoryLimiter

from .rules import catalog_files

TOKEN_VARIABLE = "JOBS_SPACEKEY_TOKEN"  # noqa: S105 - a variable's name
"""The app's own token, which needs ``tokens:introspect``: in the environment, since anybody can read arguments."""


GRACEFUL_SECONDS = 10
"""For requests under way when the app is told to stop; then what it counted is written."""


def main() -> None:
    """Read the arguments, choose a verifier, serve."""
    asked = _arguments().parse_args()
    try:
        verifier = (
            _remote(asked.remote, asked.environment, asked.deadline)
            if asked.remote
            else _embedded(asked.store, asked.catalog or catalog_files(), asked.environment)
        )
        limits = _limits(asked.limits, asked.processes)
    except ConfigurationError as error:
        sys.exit(str(error))
    app: Starlette
    if asked.fastapi:
        from .fastapi_app import make_app as make_fastapi_app

        app = make_fastapi_app(verifier, asked.environment, asked.deadline, limits)
    else:
        from .starlette_app import make_app

        app = make_app(verifier, asked.environment, asked.deadline, limits)
    uvicorn.run(app, host=asked.host, port=asked.port, timeout_graceful_shutdown=GRACEFUL_SECONDS)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spacekey.examples.jobs")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--environment", choices=["live", "test"], help="accept tokens of this environment only")
    parser.add_argument("--deadline", type=float, default=2.0, metavar="SECONDS", help="for one verification, then 503")
    parser.add_argument("--limits", metavar="WHERE", help="hold tokens to their plans: memory, or a Redis URL")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="of this app, which share the limits")
    parser.add_argument("--fastapi", action="store_true", help="the FastAPI version")
    parser.add_argument(
        "--catalog", action="append", type=Path, metavar="FILE", help="of the store's workspaces; emit's and spooled's"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--remote", metavar="URL", help=f"a running Spacekey; the app's own token in {TOKEN_VARIABLE}")
    source.add_argument("--store", metavar="URL", help="a Spacekey database, such as sqlite:///data/spacekey.db")
    return parser


def _limits(where: str | None, processes: int) -> Limiter | None:
    if where is None or where == "memory":
        return None if where is None else MemoryLimiter(share=processes)
    from spacekey.middleware.limits.redis import RedisLimiter

    return RedisLimiter(where, processes=processes)


def _remote(url: str, environment: str | None, deadline_seconds: float) -> Verifier:
    from spacekey.middleware.remote import RemoteVerifier

    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise ConfigurationError(
            f"put this app's own token into {TOKEN_VARIABLE}; it needs the scope tokens:introspect"
        )
    return RemoteVerifier(url, Secret(token), environment=environment, deadline_seconds=deadline_seconds)


def _embedded(url: str, catalogs: list[Path], environment: str | None) -> Verifier:
    from spacekey.server.embed import store_verifier

    return store_verifier(url, catalogs, environment=environment)


if __name__ == "__main__":
    main()
