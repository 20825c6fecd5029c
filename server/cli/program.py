"""What to call this program by in a line to paste: its name where the shell finds it, else its path."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

NAME = "spacekey"


def program_now() -> str:
    """How the running program is called from the present folder."""
    return program_called(sys.argv[0], sys.executable, shutil.which(NAME), Path.cwd())


def program_called(argv0: str, executable: str, found: str | None, here: Path) -> str:
    """How a program that runs from a virtual environment is called, quoted for a shell.

    :param argv0: what it was started as.
    :param executable: the Python that runs it; the program lies beside it.
    :param found: what the shell would run by the bare name; None for nothing.
    :param here: the folder to call it from; what lies in it is named by its short path.
    """
    own = next((one for one in (here / argv0, Path(executable).with_name(NAME)) if _is_program(one)), None)
    if own is None or (found is not None and Path(found).resolve() == own.resolve()):
        return NAME
    return shlex.quote(str(own.relative_to(here) if own.is_relative_to(here) else own))


def _is_program(path: Path) -> bool:
    return path.name == NAME and path.is_file()
