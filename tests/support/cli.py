"""The command line called as people call it, and its output read as machines read it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from typer import Typer, testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from spacekey.server.cli.app import build_app

NAMED = {"SPACEKEY_OPERATOR": "operator"}
"""Who runs commands, so that it is the same on every machine."""


@dataclass(frozen=True)
class Cli:
    """Runs commands with these settings, no other ``SPACEKEY_`` variable and, unless they set one, no width."""

    settings: Mapping[str, str]

    def __call__(self, *args: str, code: int = 0, stdin: str | None = None) -> Result:
        """Run one command and hold it to its exit code."""
        env: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith("SPACEKEY_") or name == "COLUMNS"
        }
        with _logging_as_it_was(), patch.object(testing, "_get_command", _commands):
            result = CliRunner().invoke(Typer(), list(args), input=stdin, env={**env, **NAMED, **self.settings})
        assert result.exit_code == code, f"{args} gave {result.exit_code}: {result.output} {result.exception!r}"
        return result

    def one(self, *args: str, stdin: str | None = None) -> dict[str, Any]:
        """The one JSON document a command prints."""
        found = json.loads(self(*args, "--json", stdin=stdin).stdout)
        assert isinstance(found, dict)
        return found

    def lines(self, *args: str) -> list[dict[str, Any]]:
        """The objects that a list prints as one JSON array."""
        found = json.loads(self(*args, "--json").stdout)
        assert isinstance(found, list)
        return found

    def error(self, *args: str, code: int = 1, stdin: str | None = None) -> str:
        """What a refused command says on standard error; it prints no data and no traceback."""
        result = self(*args, code=code, stdin=stdin)
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        return result.stderr


@cache
def command_tree() -> Any:
    """The tree of commands, which Typer would put together again for every call."""
    return get_command(build_app())


def leaves() -> dict[str, Any]:
    """Every command by its words, such as ``token create``."""
    found = {}
    for name, command in command_tree().commands.items():
        inner = getattr(command, "commands", None)
        found.update({name: command} if inner is None else {f"{name} {one}": leaf for one, leaf in inner.items()})
    return found


def _commands(_: object) -> Any:
    return command_tree()


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """``serve`` sends what is logged to its own standard error, which is closed when the command has ended here."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
