"""No command ends a token without asking, and ``--dry-run`` says what would end and changes nothing."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.cli import Cli, leaves
from support.databases import sqlite_database
from support.programs.environ import without_settings

pytestmark = pytest.mark.sampled(3)

PASSWORD = "seven wooden boats at noon\n"
WAIT_SECONDS = 600

ENDS: dict[str, tuple[str, ...]] = {
    "token edit": ("TOKEN", "-g", "sessions:read"),
    "token rotate": ("TOKEN", "--grace", "0"),
    "token disable": ("TOKEN",),
    "token revoke": ("TOKEN",),
    "token delete": ("TOKEN",),
    "workspace edit": ("guard-demo", "--plan", "free"),
    "workspace suspend": ("guard-demo",),
    "workspace delete": ("guard-demo",),
    "space delete": ("staging", "-w", "emit-demo"),
    "role set": ("admin", "-w", "emit-demo", "-g", "jobs:read"),
    "role delete": ("developer", "-w", "emit-demo"),
    "member set-role": ("bob@example.com", "-w", "emit-demo", "--role", "viewer"),
    "member remove": ("bob@example.com", "-w", "emit-demo"),
    "user erase": ("USER",),
    "scope rename": ("jobs:gone", "--to", "jobs:read", "--product", "emit"),
    "config set": ("--revocation-delay", "5"),
    "service rotate": ("emit-api", "--grace", "none"),
    "service revoke": ("emit-api",),
    "restore-check": ("EXPORT",),
}
"""Commands that may end tokens or a member's access, or change how long ended ones work, with arguments that do."""

OTHERWISE: dict[str, tuple[str, ...]] = {
    "a lower limit": ("workspace", "edit", "guard-demo", "--per-minute", "1", "--burst", "1"),
    "a stricter policy": ("workspace", "edit", "guard-demo", "--allow", "sessions:read"),
}
"""Other ways in which a command of these takes something away."""

HARMLESS: dict[str, tuple[str, ...]] = {
    "migrate": (),
    "demo": (),
    "check": (),
    "service list": (),
    "service create": ("jobs-api", "--product", "emit"),
    "workspace list": (),
    "workspace create": ("acme", "--product", "emit"),
    "workspace show": ("emit-demo",),
    "workspace resume": ("emit-demo",),
    "space list": ("-w", "emit-demo"),
    "space show": ("staging", "-w", "emit-demo"),
    "space edit": ("staging", "-w", "emit-demo", "--slug", "stage"),
    "space create": ("third", "-w", "emit-demo"),
    "member list": ("-w", "emit-demo"),
    "member show": ("bob@example.com", "-w", "emit-demo"),
    "member add": ("new@example.com", "-w", "emit-demo", "--role", "viewer"),
    "invitation list": ("-w", "emit-demo"),
    "invitation withdraw": ("invited@example.com", "-w", "emit-demo", "--yes"),
    "user list": (),
    "user prove": ("USER",),
    "user create": ("ada@example.com", "--password-stdin"),
    "user reset-password": ("bob@example.com", "--password-stdin"),
    "config get": (),
    "token list": ("-w", "spooled-demo"),
    "token inactive": ("--days", "0"),
    "token create": ("one", "-w", "emit-demo", "--space", "staging", "-g", "jobs:read"),
    "token count": ("-w", "guard-demo"),
    "token quota": ("-w", "guard-demo"),
    "token whose": ("sp_live",),
    "token verify": (),
    "token show": ("TOKEN",),
    "token import": ("-", "-w", "emit-demo", "--format", "legacy"),
    "token enable": ("TOKEN",),
    "role list": ("-w", "emit-demo"),
    "usage show": ("TOKEN",),
    "usage list": ("-w", "guard-demo"),
    "audit list": ("-w", "emit-demo"),
    "audit verify": (),
    "audit heads": (),
    "audit checkpoint": (),
    "audit export": ("-w", "emit-demo"),
    "product list": (),
    "product show": ("emit",),
    "scope needed": ("-",),
}
"""Commands after which every token and member can do what they could before."""

SERVING = {"serve", "login", "logout", "init"}


def options(command: Any) -> set[str]:
    return {opt for one in command.params for opt in one.opts}


def test_every_command_is_one_or_the_other() -> None:
    assert set(ENDS) | set(HARMLESS) | SERVING == set(leaves())
    assert set(ENDS) & set(HARMLESS) == set()
    asking = {words for words, command in leaves().items() if {"--yes", "--dry-run"} <= options(command)}
    assert asking == set(ENDS)


@dataclass(frozen=True)
class Populated:
    file: Path
    names: Mapping[str, str]


@pytest.fixture(scope="module")
def populated(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Populated:
    """The demo with a token in each workspace, an administrator and an invitation, to be copied."""
    file = tmp_path_factory.mktemp("consent") / "populated.db"
    shutil.copyfile(demo_template, file)
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{file}"})
    cli("user", "create", "bob@example.com", "--password-stdin", stdin=PASSWORD)
    cli("member", "add", "bob@example.com", "-w", "emit-demo", "--role", "admin")
    cli("member", "add", "invited@example.com", "-w", "emit-demo", "--role", "viewer")
    made = cli.one("token", "create", "One", "-w", "guard-demo", "-g", "sessions:read", "-g", "sessions:write")
    cli("token", "create", "Two", "-w", "guard-demo", "-g", "sessions:read")
    cli("token", "create", "Staged", "-w", "emit-demo", "--space", "staging", "-g", "jobs:read")
    cli("service", "create", "emit-api", "--product", "emit")
    user = cli.lines("user", "list", "--email", "bob@example.com")[0]["id"]
    space = cli.lines("space", "list", "-w", "emit-demo")[0]["id"]
    export = file.with_name("export.ndjson")
    export.write_text(cli("audit", "export", "--all").stdout)
    names = {"TOKEN": made["id"], "USER": user, "SECRET": made["secret"], "SPACE": space, "EXPORT": str(export)}
    return Populated(file, names)


@pytest.fixture
def cli(populated: Populated, tmp_path: Path) -> Cli:
    return Cli({"SPACEKEY_DATABASE_URL": sqlite_database(tmp_path, populated.file)})


def call(populated: Populated, words: str, arguments: tuple[str, ...]) -> list[str]:
    return [*words.split(), *(populated.names.get(one, one) for one in arguments)]


def ending(populated: Populated, words: str) -> list[str]:
    return list(OTHERWISE[words]) if words in OTHERWISE else call(populated, words, ENDS[words])


def access(cli: Cli) -> dict[str, Any]:
    """What each token and each member can do, and how often."""
    found: dict[str, Any] = {}
    for home in cli.lines("workspace", "list"):
        working = home["status"] == "active"
        for token in cli.lines("token", "list", "-w", home["id"]):
            found[token["id"]] = set(token["scopes"]) if working and token["status"] == "active" else set()
        for member in cli.lines("member", "list", "-w", home["id"]):
            found[f"{home['slug']} {member['user_id']}"] = {member["role"]}
    return found


@pytest.mark.parametrize("words", ENDS)
def test_what_ends_access_is_not_done_without_consent(cli: Cli, populated: Populated, words: str) -> None:
    args, before = call(populated, words, ENDS[words]), cli.lines("audit", "heads")
    assert "--yes" in cli.error(*args, code=2)
    assert cli.lines("audit", "heads") == before
    dry = cli(*args, "--dry-run", "--json")
    facts = json.loads(dry.stdout)
    assert facts.get("dry_run", facts.get("changed") is False)
    cli(*args, "--dry-run")
    assert cli.lines("audit", "heads") == before, "a dry run changes nothing"
    cli(*args, "--yes")
    assert words == "scope rename" or cli.lines("audit", "heads") != before


@pytest.mark.parametrize("words", HARMLESS)
def test_all_others_take_nothing_away(cli: Cli, populated: Populated, words: str) -> None:
    before = access(cli)
    document = "{ workspaces { edges { node { id } } } }"
    old_key = json.dumps(
        {"hash": "ab" * 32, "name": "Old", "grants": ["jobs:read"], "space_id": populated.names["SPACE"]}
    )
    given = {"scope needed": document, "token verify": populated.names["SECRET"], "token import": old_key}
    stdin = given.get(words, PASSWORD)
    cli(*call(populated, words, HARMLESS[words]), stdin=stdin)
    after = access(cli)
    assert {one: has for one, has in before.items() if not has <= after.get(one, set())} == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("token edit", "1 token loses sessions:write."),
        ("token rotate", "1 token stops working. 'One' (key_"),
        ("token disable", "1 token stops working. The token is 'One'"),
        ("token delete", "1 token stops working. The token is 'One'"),
        ("workspace edit", "2 tokens stop working."),
        ("a lower limit", "to 1 requests a minute (1 at once)."),
        ("a stricter policy", "1 token loses sessions:write."),
        ("workspace suspend", "2 tokens stop working."),
        ("workspace delete", "2 tokens stop working. 1 member loses access."),
        ("space delete", "1 token stops working."),
        ("role set", "1 member loses "),
        ("member set-role", "1 member loses "),
        ("member remove", "1 member loses access."),
        ("config set", "for up to 5 s instead of 0 s"),
    ],
)
def test_the_question_counts_what_is_hit(cli: Cli, populated: Populated, words: str, said: str) -> None:
    assert said in cli.error(*ending(populated, words), code=2)


@pytest.mark.long
def test_a_dry_run_is_right(cli: Cli, populated: Populated) -> None:
    """What a dry run counts is what happens."""
    for words in ("token edit", "a stricter policy", "member set-role", "workspace edit"):
        args, before = ending(populated, words), access(cli)
        facts = json.loads(cli(*args, "--dry-run", "--json").stdout)
        cli(*args, "--yes")
        after = access(cli)
        stopped = [one for one in before if one.startswith("key_") and before[one] and not after[one]]
        lost = [scope for one in before if one.startswith("key_") and after[one] for scope in before[one] - after[one]]
        assert facts["tokens_stopped"] == len(stopped), words
        assert sum(facts["tokens_losing"].values()) == len(lost), words


@pytest.mark.parametrize(
    "args",
    [
        ("token", "edit", "TOKEN", "--name", "Other"),
        ("token", "edit", "TOKEN", "-g", "full_access"),
        ("token", "edit", "TOKEN", "--expires", "never"),
        ("token", "rotate", "TOKEN"),
        ("workspace", "edit", "emit-demo", "--plan", "team"),
        ("workspace", "edit", "guard-demo", "--lifetime-max", "90d"),
        ("workspace", "edit", "emit-demo", "--per-minute", "99999", "--burst", "99999"),
        ("member", "set-role", "bob@example.com", "-w", "emit-demo", "--role", "owner"),
        ("config", "set", "--revocation-delay", "0"),
    ],
    ids=" ".join,
)
def test_what_takes_nothing_away_is_not_asked_about(cli: Cli, populated: Populated, args: tuple[str, ...]) -> None:
    cli(*(populated.names.get(one, one) for one in args))


def test_a_nearer_expiry_is_asked_about(cli: Cli, populated: Populated) -> None:
    token = populated.names["TOKEN"]
    assert "instead of never" in cli.error("token", "edit", token, "--expires", "1d", code=2)
    cli("token", "edit", token, "--expires", "2d", "--yes")
    assert "instead of 20" in cli.error("token", "edit", token, "--expires", "1d", code=2)
    cli("token", "edit", token, "--expires", "3d")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("workspace", "edit", "guard-demo", "--plan", "fre"), 2, "Did you mean 'free'"),
        (("workspace", "edit", "guard-demo", "--allow", "nothing:here"), 2, "--allow: Unknown scope"),
        (("member", "set-role", "owner@example.com", "-w", "emit-demo", "--role", "viewer"), 1, "last owner"),
        (("token", "revoke", "key_" + "0" * 26), 1, "There is no such token"),
        (("token", "rotate", "TOKEN", "--grace", "-1"), 2, "--grace: "),
        (("config", "set", "--revocation-delay", "61"), 2, "--revocation-delay: "),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_question(
    cli: Cli, populated: Populated, args: tuple[str, ...], code: int, said: str
) -> None:
    words = [populated.names.get(one, one) for one in args]
    for flags in ((), ("--dry-run",)):
        assert said in cli.error(*words, *flags, code=code)


@pytest.mark.parametrize(("answer", "code", "status"), [("n", 1, "active"), ("y", 0, "disabled")])
def test_the_question_is_answered_on_a_terminal(
    cli: Cli, populated: Populated, answer: str, code: int, status: str
) -> None:
    token = populated.names["TOKEN"]
    leader, follower = pty.openpty()
    env = without_settings()
    program = [sys.executable, "-c", "from spacekey.server.cli import main; main()", "token", "disable", token]
    os.write(leader, f"{answer}\n".encode())
    done = subprocess.run(
        program, stdin=follower, capture_output=True, env={**env, **cli.settings}, timeout=WAIT_SECONDS, check=False
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == code, done.stderr
    assert b"1 token stops working." in done.stderr
    assert cli.one("token", "show", token)["status"] == status
