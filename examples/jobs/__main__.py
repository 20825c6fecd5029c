"""Run the app against a Spacekey: ``python -m spacekey.examples.jobs --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from spacekey import ConfigurationError, Limiter, MemoryLimiter, Secret
from spacekey.domain.verifier import TIMEOUT_SECONDS, Verifier

from .rules import product_files

TOKEN_VARIABLE = "JOBS_SPACEKEY_TOKEN"  # noqa: S105 - a variable's name
"""Variable with the app's own credential, which may introspect. Arguments would be visible to other users."""

STORE_VARIABLE = "SPACEKEY_DATABASE_URL"
"""For ``--store`` without a value: the URL may hold a password. Without either it is the server's default."""

GRACEFUL_SECONDS = 10
"""For requests under way when the app is told to stop; then what it counted is written."""


def main() -> None:
    """Read the arguments, choose a verifier and serve."""
    asked = arguments().parse_args()
    try:
        verifier = chosen_verifier(asked)
        limits = chosen_limits(asked)
    except ConfigurationError as error:
        sys.exit(str(error))
    app: Starlette
    if asked.fastapi:
        from .fastapi_app import make_app as make_fastapi_app

        app = make_fastapi_app(verifier, asked.environment, asked.timeout, limits)
    else:
        from .starlette_app import make_app

        app = make_app(verifier, asked.environment, asked.timeout, limits)
    uvicorn.run(app, host=asked.host, port=asked.port, timeout_graceful_shutdown=GRACEFUL_SECONDS)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    parser = argparse.ArgumentParser(prog="python -m spacekey.examples.jobs")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--environment", choices=["live", "test"], help="accept tokens of this environment only")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_SECONDS, metavar="SECONDS", help="for one verification, then 503"
    )
    parser.add_argument("--limits", metavar="WHERE", help="hold tokens to their plans: memory, or a Redis URL")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="of this app, which share the limits")
    parser.add_argument("--fastapi", action="store_true", help="the FastAPI version")
    parser.add_argument(
        "--product", action="append", type=Path, metavar="FILE", help="of the store's workspaces; emit's and spooled's"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--remote", metavar="URL", help=f"a running Spacekey; the app's credential in {TOKEN_VARIABLE}")
    source.add_argument(
        "--store", nargs="?", const="", metavar="URL", help=f"a Spacekey database; the one in {STORE_VARIABLE} without"
    )
    parser.add_argument("--allow-plain-http", action="store_true", help="to another machine, in a network of your own")
    return parser


def chosen_verifier(asked: argparse.Namespace) -> Verifier:
    """Return the verifier that the arguments choose.

    :raises ConfigurationError: an argument is invalid or missing.
    """
    return _embedded(asked) if asked.remote is None else _remote(asked)


def chosen_limits(asked: argparse.Namespace) -> Limiter | None:
    """Return the limiter of tokens; None without limits.

    :raises ConfigurationError: the Redis URL or a number is invalid.
    """
    if asked.limits is None or asked.limits == "memory":
        return None if asked.limits is None else MemoryLimiter(share=asked.processes)
    from spacekey.middleware.limits.redis import RedisLimiter

    return RedisLimiter(asked.limits, processes=asked.processes)


def _remote(asked: argparse.Namespace) -> Verifier:
    from spacekey.verifiers import RemoteVerifier

    return RemoteVerifier(
        asked.remote,
        Secret(_variable(TOKEN_VARIABLE, "this app's own credential; docs/how-to/remote.md says where it comes from")),
        environment=asked.environment,
        timeout=asked.timeout,
        allow_plain_http=asked.allow_plain_http,
    )


def _embedded(asked: argparse.Namespace) -> Verifier:
    from spacekey.server.settings import Settings
    from spacekey.verifiers import DatabaseVerifier

    url = asked.store or os.environ.get(STORE_VARIABLE) or Settings().database_url
    return DatabaseVerifier(url, asked.product or product_files(), environment=asked.environment)


def _variable(name: str, meaning: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"{name} is not set; put {meaning} into it")
    return value


if __name__ == "__main__":
    main()
