"""Whose turn a password takes: nothing that came over a network takes the command line's."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from spacekey import resolvers
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.network import network_of
from spacekey.resolvers.accounts.users import create_user, reset_password
from spacekey.resolvers.passwords.hashing import AT_ONCE, COMMAND_LINE, NETWORK_WAITING_MAX, Passwords, Turn

ROOT = Path(resolvers.__file__ or "").parent.parent
FOLDERS = ("resolvers", "schema", "server")
OPERATORS = {create_user.__name__, reset_password.__name__}
"""The functions that take the command line's turn. Each can be called by the operator only, as its types say."""


def names_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {one.id for one in ast.walk(function) if isinstance(one, ast.Name)}


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of what serves requests and commands, with its file."""
    return [
        (file.relative_to(ROOT).as_posix(), node)
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("method", [Passwords.hash, Passwords.matches])
def test_whose_turn_it_is_must_be_said(method: object) -> None:
    assert callable(method)
    assert inspect.signature(method).parameters["turn"].default is inspect.Parameter.empty
    assert inspect.signature(Turn).parameters["network"].default is inspect.Parameter.empty


def test_the_command_lines_turn_is_taken_for_the_operator_alone() -> None:
    taking = [(file, one) for file, one in functions() if "COMMAND_LINE" in names_in(one)]
    assert {one.name for _, one in taking} == OPERATORS
    for file, one in taking:
        caller = next(argument for argument in one.args.args if argument.arg == "caller")
        assert caller.annotation is not None, file
        assert ast.unparse(caller.annotation) == "Operator", f"{file}: {one.name} can be called by others"


def test_every_other_turn_says_which_network_it_is_for() -> None:
    """``Turn(network_of(…))``, or with a name that was given that."""
    made = [
        (file, one.name, call)
        for file, one in functions()
        for call in ast.walk(one)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == Turn.__name__
    ]
    assert made
    for file, name, call in made:
        said = ast.unparse(call.args[0]) if call.args else ""
        assert said == "network" or said.startswith(f"{network_of.__name__}("), f"{file}: {name}: {ast.unparse(call)}"


async def test_those_whose_network_is_not_known_share_one_bound_and_the_command_line_has_none() -> None:
    """A request over a Unix socket has no address."""
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for turn, refused in ((Turn(network_of(""), signed_in=True), 3), (COMMAND_LINE, 0)):
        together = AT_ONCE + NETWORK_WAITING_MAX + 3
        answers = await asyncio.gather(
            *(passwords.hash("a password", turn) for _ in range(together)), return_exceptions=True
        )
        assert sum(isinstance(one, ServiceUnavailable) for one in answers) == refused, turn
