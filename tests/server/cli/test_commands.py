"""What holds for every command there is."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from spacekey.domain.secret import mint
from spacekey.server.cli._options import WORKSPACE_VARIABLE
from spacekey.server.cli.app import SINGLES
from spacekey.server.cli.common.examples import EXAMPLES
from spacekey.server.cli.common.removed import COMMANDS as REMOVED
from spacekey.server.cli.common.removed import OPTIONS
from support.cli import Cli, leaves
from support.databases import postgres_database, sqlite_database
from support.postgres import PostgresServer
from support.programs.environ import without_settings

HEAVY = (
    "httpx",
    "sqlalchemy",
    "sqlmodel",
    "strawberry",
    "graphql",
    "starlette",
    "uvicorn",
    "alembic",
    "argon2",
    "asyncio",
)

WITHOUT_JSON = {"serve", "audit export"}
"""One prints no data, the other prints NDJSON always."""


COMMANDS = leaves()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", ["", *COMMANDS, *sorted({name.split()[0] for name in COMMANDS if " " in name})])
def test_every_command_explains_itself(cli: Cli, words: str) -> None:
    assert "Usage: root" in cli(*words.split(), "--help").stdout


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_parameter_has_help(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    assert [one.name for one in command.params if not one.help] == []


@pytest.mark.sampled(2)
def test_every_command_that_prints_data_has_json() -> None:
    without = {words for words, command in COMMANDS.items() if "--json" not in str([p.opts for p in command.params])}
    assert without == WITHOUT_JSON


@pytest.mark.sampled(2)
def test_the_exit_codes_are_in_the_help(cli: Cli) -> None:
    told = " ".join(cli("--help").stdout.split())
    assert "0 good; 1 refused, not found or something wrong; 2 wrong usage, value or setting; 3 unavailable" in told


LOGIN = {"login", "logout"}
"""Tried with a server, in ``test_remote``."""

JSON_CALLS: dict[str, list[str]] = {
    "migrate": [],
    "demo": [],
    "check": [],
    "init": ["new", "--yes"],
    "service list": [],
    "service create": ["jobs-api", "--product", "emit"],
    "service rotate": ["emit-api"],
    "service revoke": ["emit-api", "--yes"],
    "workspace list": [],
    "workspace create": ["acme", "--product", "emit"],
    "workspace show": ["emit-demo"],
    "workspace edit": ["emit-demo", "--plan", "team", "--per-minute", "5", "--burst", "2", "--yes"],
    "workspace suspend": ["emit-demo", "--yes"],
    "workspace resume": ["emit-demo"],
    "workspace delete": ["emit-demo", "--yes"],
    "space list": ["-w", "emit-demo"],
    "space show": ["staging", "-w", "emit-demo"],
    "space edit": ["staging", "-w", "emit-demo", "--name", "Stage"],
    "space create": ["third", "-w", "emit-demo"],
    "space delete": ["staging", "-w", "emit-demo", "--yes"],
    "member list": ["-w", "emit-demo"],
    "member show": ["bob@example.com", "-w", "emit-demo"],
    "member add": ["new@example.com", "-w", "emit-demo", "--role", "viewer"],
    "member set-role": ["bob@example.com", "-w", "emit-demo", "--role", "developer"],
    "member remove": ["bob@example.com", "-w", "emit-demo", "--yes"],
    "invitation list": ["-w", "emit-demo"],
    "invitation withdraw": ["invited@example.com", "-w", "emit-demo", "--yes"],
    "user list": [],
    "user prove": ["USER"],
    "user erase": ["USER", "--yes"],
    "user create": ["ada@example.com", "--password-stdin"],
    "user reset-password": ["bob@example.com", "--password-stdin"],
    "config get": [],
    "config set": ["--revocation-delay", "0.5", "--yes"],
    "token list": ["-w", "spooled-demo"],
    "token inactive": ["--days", "0"],
    "token create": ["one", "-w", "emit-demo", "--space", "staging", "-g", "jobs:read"],
    "token count": ["-w", "spooled-demo"],
    "token quota": ["-w", "spooled-demo"],
    "token whose": ["sp_live"],
    "token verify": [],
    "token show": ["TOKEN"],
    "token edit": ["TOKEN", "--name", "Two"],
    "token import": ["-", "-w", "emit-demo", "--format", "legacy"],
    "token rotate": ["TOKEN", "--grace", "0", "--yes"],
    "token disable": ["TOKEN", "--yes"],
    "token enable": ["TOKEN"],
    "token revoke": ["TOKEN", "--yes"],
    "token delete": ["TOKEN", "--yes"],
    "role list": ["-w", "emit-demo"],
    "role set": ["reviewer", "-w", "emit-demo", "-g", "jobs:read"],
    "role delete": ["developer", "-w", "emit-demo", "--yes"],
    "usage show": ["-w", "spooled-demo"],
    "usage list": ["-w", "spooled-demo"],
    "restore-check": ["--dry-run"],
    "audit list": ["-w", "emit-demo"],
    "audit verify": [],
    "audit heads": [],
    "audit checkpoint": [],
    "product list": [],
    "product show": ["emit"],
    "scope rename": ["jobs:gone", "--to", "jobs:read", "--product", "emit", "--yes"],
    "scope needed": ["-"],
}


OLD_KEY = f'{{{{"hash": "{"ab" * 32}", "name": "Old", "grants": ["jobs:read"], "space_id": "{{space}}"}}}}\n'
STDIN = {
    "scope needed": "{{ workspaces {{ edges {{ node {{ id }} }} }} }}",
    "token verify": "{secret}\n",
    "token import": OLD_KEY,
}
UNUSED = {"usage show", "usage list"}
"""Commands that have nothing to show, as no token of the demo is used."""


@pytest.mark.sampled(2)
def test_the_json_of_every_command_is_tried() -> None:
    assert set(JSON_CALLS) == set(COMMANDS) - WITHOUT_JSON - LOGIN


@dataclass(frozen=True)
class Populated:
    """A database file with the demo, a member, an invitation and a token in it, to be copied."""

    file: Path
    names: Mapping[str, str]
    secret: str


@pytest.fixture(scope="module")
def populated(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Populated:
    file = tmp_path_factory.mktemp("populated") / "populated.db"
    shutil.copyfile(demo_template, file)
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{file}"})
    cli("user", "create", "bob@example.com", "--password-stdin", stdin="seven wooden boats at noon\n")
    cli("member", "add", "bob@example.com", "-w", "emit-demo", "--role", "viewer")
    cli("member", "add", "invited@example.com", "-w", "emit-demo", "--role", "viewer")
    made = cli.one("token", "create", "One", "-w", "guard-demo", "-g", "full_access")
    cli("service", "create", "emit-api", "--product", "emit")
    user = cli.lines("user", "list", "--email", "bob@example.com")[0]["id"]
    space = cli.lines("space", "list", "-w", "emit-demo")[0]["id"]
    return Populated(file, {"TOKEN": made["id"], "USER": user, "SPACE": space}, made["secret"])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("words", JSON_CALLS)
def test_json_is_all_there_is_on_standard_output(
    populated: Populated, tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where init writes its files
    filled = Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, populated.file)})
    args = [populated.names.get(one, one) for one in JSON_CALLS[words]]
    stdin = STDIN.get(words, "seven wooden boats at noon\n").format(
        secret=populated.secret, space=populated.names["SPACE"]
    )
    printed = filled(*words.split(), *args, "--json", stdin=stdin).stdout
    documents = json.loads(printed)
    options = [name for one in COMMANDS[words].params for name in one.opts]
    assert isinstance(documents, list if "--jsonl" in options else dict)
    assert documents or words in UNUSED


LOADED = """
import sys
from spacekey.server.cli import main

try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""

QUICK: dict[str, tuple[list[str], dict[str, str], str]] = {
    "help": (["--help"], {}, "Commands:"),
    "help of a group": (["token", "--help"], {}, "rotate"),
    "help of a command": (["token", "create", "--help"], {}, "--preset"),
    "version": (["--version"], {}, "spacekey 0"),
    "completion of a group": ([], {"COMP_WORDS": "spacekey tok", "COMP_CWORD": "1"}, "token"),
    "completion of a command": ([], {"COMP_WORDS": "spacekey token rot", "COMP_CWORD": "2"}, "rotate"),
    "completion of an option": ([], {"COMP_WORDS": "spacekey token list --st", "COMP_CWORD": "3"}, "--status"),
    "completion of the root's options": ([], {"COMP_WORDS": "spacekey --ver", "COMP_CWORD": "1"}, "--version"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("what", QUICK)
def test_a_first_answer_needs_nothing_heavy(what: str) -> None:
    """Modules are what costs time here: an answer of the program itself loads neither database nor Pydantic."""
    args, variables, said = QUICK[what]
    shell = {"_SPACEKEY_COMPLETE": "complete_bash", **variables} if variables else {}
    done = subprocess.run(
        [sys.executable, "-c", LOADED.replace("main()\n", "sys.argv[0] = 'spacekey'; main()\n", 1), *args],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**without_settings(), **shell},
    )
    assert said in done.stdout, done.stderr
    loaded = set(done.stderr.splitlines()[-1].split())
    assert loaded & {*HEAVY, "pydantic", "rich"} == set()
    assert [name for name in loaded if name.startswith("spacekey.models")] == []


@pytest.mark.sampled(2)
def test_every_command_has_examples_that_can_be_typed() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for words, examples in EXAMPLES.items():
        for example in examples:
            typed = re.search(r"spacekey [^|<>]+", example)
            assert typed is not None, example
            found = shlex.split(typed[0].removesuffix(")"))[1:]
            assert found[: words.count(" ") + 1] == words.split(), example
            COMMANDS[words].make_context(words, found[words.count(" ") + 1 :]).close()


@pytest.mark.sampled(2)
def test_help_begins_with_the_examples(cli: Cli) -> None:
    for words, examples in EXAMPLES.items():
        printed = cli(*words.split(), "--help").stdout
        assert printed.index(examples[0]) < printed.index(COMMANDS[words].help.split()[0])


@pytest.mark.sampled(2)
def test_what_the_root_says_of_commands_is_their_own_help() -> None:
    for name, single in SINGLES.items():
        assert single.about == COMMANDS[name].help.partition("\n\n")[0]


@pytest.mark.sampled(2)
def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").stdout == f"spacekey {version('spacekey')}\n"


# The grammar of commands: a noun and a verb, at most one thing without an option, and no earlier names.


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


# One pass through the commands on each kind of database.


def test_from_nothing_to_a_verified_audit_log(bare_database_url: str) -> None:
    cli = Cli({"SPACEKEY_DATABASE_URL": bare_database_url})
    assert cli.one("migrate")["before"] is None
    assert cli.one("demo")["changed"]
    assert not cli.one("demo")["changed"]
    token = cli.one("token", "create", "Worker", "-w", "emit-demo", "--space", "production", "-g", "jobs:worker")["id"]
    assert cli.one("token", "rotate", token)["rotated_from"] == token
    assert cli.one("token", "revoke", token, "--yes", "--no-wait")["status"] == "revoked"
    assert [one["status"] for one in cli.lines("token", "list", "-w", "emit-demo")] == ["active", "revoked"]
    assert len(cli.lines("token", "inactive", "--days", "0")) == 2
    assert {one["result"] for one in cli.lines("audit", "verify")} == {"ok"}
    assert {one["result"] for one in cli.lines("check")} == {"ok"}
    assert len(cli("audit", "export", "-w", "emit-demo").stdout.splitlines()) == 7


def test_commands_work_in_a_schema_of_their_own(postgres: PostgresServer) -> None:
    """Beside an installation in ``public``, which does not see what they do."""
    with postgres_database(postgres) as url:
        public = Cli({"SPACEKEY_DATABASE_URL": url})
        own = Cli({"SPACEKEY_DATABASE_URL": url, "SPACEKEY_DATABASE_SCHEMA": "keys"})
        assert "spacekey migrate" in own.error("workspace", "list", code=3)
        assert own.one("migrate")["before"] is None
        assert own.one("workspace", "create", "acme", "--product", "spooled")["slug"] == "acme"
        assert own.one("token", "create", "CI", "-w", "acme", "-g", "jobs:read")["status"] == "active"
        assert [one["slug"] for one in own.lines("workspace", "list")] == ["acme"]
        assert public.lines("workspace", "list") == []
        assert {one["result"] for one in own.lines("audit", "verify")} == {"ok"}
        assert {one["result"] for one in own.lines("check")} == {"ok"}


def test_commands_refuse_a_database_without_tables(bare_database_url: str) -> None:
    assert "spacekey migrate" in Cli({"SPACEKEY_DATABASE_URL": bare_database_url}).error("token", "inactive", code=3)
