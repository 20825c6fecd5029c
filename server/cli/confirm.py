"""Ask before something is taken away."""

from __future__ import annotations

import sys

import typer

from .codes import USAGE, Failure


def confirmed(question: str, *, yes: bool) -> None:
    """Go on when the person agrees, or ``--yes`` was given.

    :raises Failure: nobody can be asked, since standard input is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody is there to answer; say --yes to do it without asking.", USAGE)
    typer.confirm(question, abort=True, err=True)
