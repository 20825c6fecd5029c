"""Command line ``spacekey``, by which the operator calls the resolvers. Heavy imports happen inside the commands."""

from __future__ import annotations

import os
import sys

PACKAGES = frozenset(
    (
        *("aiosmtplib", "aiosqlite", "alembic", "argon2", "asyncpg", "authlib", "click", "email_validator", "graphql"),
        *("httptools", "httpx", "idna", "joserfc", "prometheus_client", "pydantic", "rich", "sqlalchemy", "sqlmodel"),
        *("strawberry", "typer", "uvicorn"),
    )
)
"""Modules of the packages that ``spacekey[server]`` brings and ``spacekey`` alone does not."""


def main() -> None:
    """Run the command that the process was started with, and exit with one of the codes of :mod:`._run`."""
    try:
        _main()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in PACKAGES:
            raise
        sys.exit(f"The command line needs '{missing.name}', which is not installed: pip install 'spacekey[server]'")


def _main() -> None:
    from .app import build_app
    from .common.run import decoded_arguments, prepare_streams

    prepare_streams()
    arguments = decoded_arguments(sys.argv[1:])
    # A shell that completes a line passes its words in a variable (typer, click).
    words = (
        arguments
        or os.environ.get("COMP_WORDS", "").split()[1:]
        or os.environ.get("_TYPER_COMPLETE_ARGS", "").split()[1:]
    )
    build_app(words)(arguments, prog_name="spacekey")
