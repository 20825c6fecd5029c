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

import pytest

from spacekey.server.cli._examples import EXAMPLES
from spacekey.server.cli.app import SINGLES
from support.cli import Cli, leaves
from support.databases import sqlite_database
from support.environ import without_settings

pytestmark = pytest.mark.sampled(2)

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


@pytest.mark.parametrize("words", ["", *COMMANDS, *sorted({name.split()[0] for name in COMMANDS if " " in name})])
def test_every_command_explains_itself(cli: Cli, words: str) -> None:
    assert "Usage: root" in cli(*words.split(), "--help").stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_parameter_has_help(words: str) -> None:
    command = COMMANDS[words]
    assert command.help
    assert [one.name for one in command.params if not one.help] == []


def test_every_command_that_prints_data_has_json() -> None:
    without = {words for words, command in COMMANDS.items() if "--json" not in str([p.opts for p in command.params])}
    assert without == WITHOUT_JSON


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


def test_every_command_has_examples_that_can_be_typed() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    for words, examples in EXAMPLES.items():
        for example in examples:
            typed = re.search(r"spacekey [^|<>]+", example)
            assert typed is not None, example
            found = shlex.split(typed[0].removesuffix(")"))[1:]
            assert found[: words.count(" ") + 1] == words.split(), example
            COMMANDS[words].make_context(words, found[words.count(" ") + 1 :]).close()


def test_help_begins_with_the_examples(cli: Cli) -> None:
    for words, examples in EXAMPLES.items():
        printed = cli(*words.split(), "--help").stdout
        assert printed.index(examples[0]) < printed.index(COMMANDS[words].help.split()[0])


def test_what_the_root_says_of_commands_is_their_own_help() -> None:
    for name, single in SINGLES.items():
        assert single.about == COMMANDS[name].help.partition("\n\n")[0]


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").stdout == f"spacekey {version('spacekey')}\n"
