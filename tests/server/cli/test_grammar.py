"""The grammar of commands: a noun and a verb, at most one thing without an option, and no earlier names."""

from __future__ import annotations

from typing import Any

import pytest

from spacekey.domain.secret import mint
from spacekey.server.cli._options import WORKSPACE_VARIABLE
from spacekey.server.cli._removed import COMMANDS as REMOVED
from spacekey.server.cli._removed import OPTIONS
from spacekey.server.cli.app import SINGLES
from support.cli import Cli, leaves

VERBS = {
    *(
        "add",
        "count",
        "create",
        "delete",
        "disable",
        "edit",
        "enable",
        "erase",
        "export",
        "get",
        "import",
        "list",
        "prove",
        "remove",
    ),
    *("rename", "reset-password", "resume", "revoke", "rotate", "set", "set-role", "show", "suspend", "verify"),
    "withdraw",
}

QUESTIONS = {"audit checkpoint", "audit heads", "scope needed", "token inactive", "token quota", "token whose"}
"""Commands that are called by what they answer."""

SEVERAL = {"check", "audit verify", "restore-check"}
"""Commands that take several things of one kind."""

SECRET = mint("sp", "live", lambda size: b"\x07" * size).reveal()


LEAVES = leaves()


def arguments(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "argument"]


def options(command: Any) -> dict[str, Any]:
    return {name: one for one in command.params if one.param_type_name == "option" for name in one.opts}


def test_a_command_is_a_noun_and_a_verb() -> None:
    for words in set(LEAVES) - set(SINGLES) - QUESTIONS:
        noun, verb = words.split()
        assert verb in VERBS, words
        assert not noun.endswith("s"), words


def test_at_most_one_thing_stands_without_an_option() -> None:
    for words, command in LEAVES.items():
        assert len(arguments(command)) <= 1, words
        assert {one.nargs for one in arguments(command)} <= {-1 if words in SEVERAL else 1}, words


def test_a_workspace_is_an_argument_only_where_it_is_the_thing_itself() -> None:
    for words, command in LEAVES.items():
        named = {str(one.metavar) for one in arguments(command)}
        assert ("WORKSPACE" in named) <= words.startswith("workspace "), words
        inside = options(command).get("--workspace")
        if inside is not None:
            assert (inside.opts, inside.envvar) == (["--workspace", "-w"], WORKSPACE_VARIABLE), words
            assert inside.metavar == "WORKSPACE", words


def test_an_option_has_one_meaning_and_one_short_form() -> None:
    short: dict[str, set[str]] = {}
    for command in LEAVES.values():
        for one in command.params:
            for name in one.opts if one.param_type_name == "option" else ():
                if not name.startswith("--"):
                    short.setdefault(name, set()).add(max(one.opts, key=len))
    assert short == {"-w": {"--workspace"}, "-g": {"--grant"}, "-y": {"--yes"}}


@pytest.mark.parametrize("words", REMOVED)
def test_a_removed_command_is_refused_with_its_name_now(missing: Cli, words: str) -> None:
    assert words not in LEAVES
    now = REMOVED[words].split(",")[0]
    said = missing.error(*words.split(), "acme", "x", code=2)
    assert said == f"spacekey: '{words}' is called 'spacekey {REMOVED[words]}' now.\n"
    command = LEAVES.get(" ".join(now.split()[:2]))
    assert command is not None or any(name.startswith(f"{now} ") for name in LEAVES)
    if command is not None:
        assert {word for word in now.split() if word.startswith("-")} <= set(options(command))


def test_a_removed_option_is_refused_with_its_name_now(missing: Cli) -> None:
    tried = set()
    for words, command in LEAVES.items():
        for old, names in OPTIONS.items():
            for now in set(names) & set(options(command)) if old not in options(command) else ():
                assert f"{old} is called {now} now." in missing.error(*words.split(), old, "x", code=2)
                assert f"{old} is called {now} now." in missing.error(
                    *words.split(), f"{old}=x" if old.startswith("--") else f"{old}x", code=2
                )
                tried.add((old, now))
    assert {old for old, _ in tried} == set(OPTIONS)
    assert {now for _, now in tried} == {now for names in OPTIONS.values() for now in names}


@pytest.mark.parametrize("words", LEAVES)
def test_no_command_takes_a_secret_as_an_argument_or_repeats_it(missing: Cli, words: str) -> None:
    command = LEAVES[words]
    valued = [name for name, one in options(command).items() if not one.is_flag]
    tries = [[SECRET], [f" {SECRET} "], ["x", SECRET]]
    tries += [[name, SECRET] for name in valued]
    tries += [[f"{name}={SECRET}" if name.startswith("--") else f"{name}{SECRET}"] for name in valued]
    for args in tries:
        result = missing(*words.split(), *args, code=2)
        assert SECRET not in result.output + result.stderr
        assert "That is a token's secret" in result.stderr


@pytest.mark.parametrize("args", [("token", "list", "acme"), ("space", "create", "main", "acme")])
def test_a_second_thing_is_refused_with_where_the_workspace_goes(missing: Cli, args: tuple[str, ...]) -> None:
    named = Cli({**missing.settings, WORKSPACE_VARIABLE: "acme"})
    assert "acme: the command takes" in named.error(*args, code=2)
    assert "Name the workspace by -w or SPACEKEY_WORKSPACE." in named.error(*args, code=2)


def test_the_variable_stands_for_the_option_which_is_used_before_it(filled: Cli) -> None:
    named = Cli({**filled.settings, WORKSPACE_VARIABLE: "spooled-demo"})
    of_spooled = filled.lines("token", "list", "-w", "spooled-demo")
    assert named.lines("token", "list") == of_spooled
    assert named.lines("token", "list", "-w", "emit-demo") == []
    assert {one["workspace"] for one in filled.lines("token", "list")} >= {"spooled-demo"}
    assert "SPACEKEY_WORKSPACE" in filled("space", "list", code=2).stderr
