"""The command line ``spacekey``: the operator's door to the resolvers. Heavy imports happen inside the commands."""

from __future__ import annotations


def main() -> None:
    """Run the command the process was started with, and exit with one of the codes of :mod:`.codes`."""
    from .app import build_app

    build_app()(prog_name="spacekey")
