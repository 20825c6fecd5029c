"""Command line ``spacekey``, by which the operator calls the resolvers. Heavy imports happen inside the commands."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the process was started with, and exit with one of the codes of :mod:`._run`."""
    try:
        from .app import build_app
    except ModuleNotFoundError as missing:
        sys.exit(f"The command line needs '{missing.name}', which is not installed: pip install 'spacekey[server]'")
    from ._run import decoded_arguments, prepare_streams

    prepare_streams()
    build_app()(decoded_arguments(sys.argv[1:]), prog_name="spacekey")
