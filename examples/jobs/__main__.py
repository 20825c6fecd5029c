"""Run the app against a Spacekey: ``python -m spacekey.examples.jobs --help``."""

from __future__ import annotations

import argparse
import os
import sys

import uvicorn

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.limits import Limiter, MemoryLimiter

from .rules import catalog_files

TOKEN_VARIABLE = "JOBS_SPACEKEY_TOKEN"  # noqa: S105 - a variable's name
"""The app's own token, which needs ``tokens:introspect``: in the environment, since anybody can read arguments."""


def main() -> None:
    """Read the arguments, choose a verifier, serve."""
    parser = argparse.ArgumentParser(prog="python -m spacekey.examples.jobs")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--environment", choices=["live", "test"], help="accept tokens of this environment only")
    parser.add_argument("--deadline", type=float, default=2.0, metavar="SECONDS", help="for one verification, then 503")
    parser.add_argument("--limits", metavar="WHERE", help="hold tokens to their plans: memory, or a Redis URL")
    parser.add_argument("--fastapi", action="store_true", help="the FastAPI version")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--remote", metavar="URL", help=f"a running Spacekey; the app's own token in {TOKEN_VARIABLE}")
    source.add_argument("--store", metavar="URL", help="a Spacekey database, such as sqlite:///data/spacekey.db")
    asked = parser.parse_args()
    try:
        verifier = (
            _remote(asked.remote, asked.environment, asked.deadline)
            if asked.remote
            else _embedded(asked.store, asked.environment)
        )
        limits = _limits(asked.limits)
    except ConfigurationError as error:
        sys.exit(str(error))
    if asked.fastapi:
        from .fastapi_app import make_app as make_fastapi_app

        uvicorn.run(make_fastapi_app(verifier, asked.environment, asked.deadline, limits), port=asked.port)
    else:
        from .starlette_app import make_app

        uvicorn.run(make_app(verifier, asked.environment, asked.deadline, limits), port=asked.port)


def _limits(where: str | None) -> Limiter | None:
    if where is None or where == "memory":
        return None if where is None else MemoryLimiter()
    from spacekey.middleware.limits.redis import RedisLimiter

    return RedisLimiter(where)


def _remote(url: str, environment: str | None, deadline_seconds: float) -> Verifier:
    from spacekey.middleware.remote import RemoteVerifier

    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise ConfigurationError(
            f"put this app's own token into {TOKEN_VARIABLE}; it needs the scope tokens:introspect"
        )
    return RemoteVerifier(url, Secret(token), environment=environment, deadline_seconds=deadline_seconds)


def _embedded(url: str, environment: str | None) -> Verifier:
    from spacekey.server.embed import store_verifier

    return store_verifier(url, catalog_files(), environment=environment)


if __name__ == "__main__":
    main()
