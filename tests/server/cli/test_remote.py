"""Commands on a server: the same nouns, JSON, words and exit codes as on its database."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema, parse, validate

from spacekey.domain.errors import SpacekeyError
from spacekey.domain.secret import Secret, mint
from spacekey.domain.usage import TokenUse
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.usage import add
from spacekey.server.cli.remote import documents
from spacekey.server.cli.remote.client import Client
from spacekey.server.cli.remote.login import Server
from spacekey.server.cli.remote.places import space_called
from spacekey.server.settings import Settings
from support.cli import Cli, leaves
from support.databases import sqlite_database
from support.programs.environ import without_settings
from support.server import on_a_socket

ROOT = Path(__file__).resolve().parents[3]
HOME = "spooled-demo"
CALLER = "Command line"
SCOPES = (
    "tokens:read,tokens:create,tokens:update,tokens:disable,tokens:revoke,tokens:delete,tokens:introspect,"
    "spaces:read,spaces:write,members:read,members:write,workspace:read,workspace:write,audit:read,usage:read"
)
SPACE_ID = "space_" + "0" * 26
PASSWORD = "seven wooden boats at noon\n"


@dataclass(frozen=True)
class Pair:
    """The same database for the command line, and through a server on a copy of it."""

    local: Cli
    remote: Cli
    same: Cli
    names: dict[str, str]
    url: str

    def call(self, words: tuple[str, ...]) -> list[str]:
        return [self.names.get(one, one) for one in words]


async def use(cli: Cli, token: str) -> None:
    store = Store(cli.settings["SPACEKEY_DATABASE_URL"])
    now = datetime.now(UTC)
    async with store.changing() as session:
        await add(session, [TokenUse(token, now, allowed=3, denied=2, limited=1)], now)
    await store.aclose()


@pytest.fixture(scope="module")
def base(demo_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    file = tmp_path_factory.mktemp("remote") / "base.db"
    shutil.copyfile(demo_template, file)
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{file}"})
    cli("workspace", "edit", HOME, "--plan", "enterprise", "--yes")
    cli("user", "create", "bob@example.com", "--password-stdin", stdin=PASSWORD)
    cli("member", "add", "bob@example.com", "-w", HOME, "--role", "admin")
    cli("member", "add", "invited@example.com", "-w", HOME, "--role", "member")
    caller = cli.one(
        "token",
        "create",
        "Command line",
        "-w",
        HOME,
        "-g",
        f"{SCOPES},jobs:read,jobs:write,queues:read,queues:write,dlq:read,dlq:write",
    )
    token = cli.one("token", "create", "One", "-w", HOME, "-g", "jobs:read", "--expires", "90d")
    spaced = cli.one("token", "create", "Spaced", "-w", HOME, "--space", "production", "-g", "jobs:read")
    weak = cli.one("token", "create", "Weak", "-w", HOME, "-g", "jobs:read,tokens:read,workspace:read")
    user = cli.lines("user", "list", "--email", "bob@example.com")[0]["id"]
    asyncio.run(use(cli, token["id"]))
    names = {"TOKEN": token["id"], "SPACED": spaced["id"], "USER": user, "WORKSPACE": token["workspace_id"]}
    return file, {**names, "CALLER": caller["secret"], "WEAK": weak["secret"], "SECRET": token["secret"]}


@contextmanager
def serving(base: tuple[Path, dict[str, str]], folder: Path) -> Iterator[Pair]:
    file, names = base
    local, there = (sqlite_database(folder, file) for _ in range(2))
    with on_a_socket(Settings(database_url=there, api_per_minute=100_000, api_burst=100_000)) as url:
        remote = Cli({"SPACEKEY_URL": url, "SPACEKEY_TOKEN": names["CALLER"]})
        yield Pair(Cli({"SPACEKEY_DATABASE_URL": local}), remote, Cli({"SPACEKEY_DATABASE_URL": there}), names, url)


@pytest.fixture(scope="module")
def pair(base: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """For what changes nothing."""
    with serving(base, tmp_path_factory.mktemp("pair")) as found:
        yield found


def options_of(words: str) -> set[str]:
    return {name for one in leaves()[words].params for name in one.opts}


READS: dict[str, tuple[str, ...]] = {
    "workspace list": (),
    "workspace show": (HOME,),
    "space list": ("-w", HOME),
    "space show": ("production", "-w", HOME),
    "member list": ("-w", HOME),
    "member show": ("bob@example.com", "-w", HOME),
    "invitation list": ("-w", HOME),
    "role list": ("-w", HOME),
    "token list": ("-w", HOME, "--status", "active", "--text", "o", "--scope", "jobs:read", "--expiring", "100"),
    "token inactive": ("--days", "0", "-w", HOME),
    "token count": ("-w", HOME, "--status", "active", "--scope", "jobs:read", "--space", "production"),
    "token quota": ("-w", HOME),
    "token whose": ("sp_live",),
    "token show": ("TOKEN",),
    "token verify": (),
    "audit list": ("-w", HOME, "--outcome", "success", "--since", "1d", "--action", "token.create"),
    "usage show": ("TOKEN",),
    "usage list": ("-w", HOME),
}

SAME_TABLES = {"space list", "space show", "invitation list", "role list", "token show", "audit list", "usage show"}
"""Commands whose table shows neither what only the database tells nor the token of the command line."""

WRITES: dict[str, tuple[str, ...]] = {
    "space create": ("third", "-w", HOME, "--name", "Third"),
    "space edit": ("third", "-w", HOME, "--slug", "fourth"),
    "space delete": ("fourth", "-w", HOME, "--yes"),
    "role set": ("reviewer", "-w", HOME, "-g", "jobs:read", "--title", "Reviewer"),
    "role delete": ("reviewer", "-w", HOME, "--yes"),
    "member add": ("new@example.com", "-w", HOME, "--role", "member", "--name", "New"),
    "invitation withdraw": ("new@example.com", "-w", HOME, "--yes"),
    "member set-role": ("bob@example.com", "-w", HOME, "--role", "member", "--yes"),
    "member remove": ("USER", "-w", HOME, "--yes"),
    "token create": ("Made", "-w", HOME, "--space", "production", "-g", "jobs:read", "--environment", "LIVE"),
    "token edit": ("TOKEN", "--name", "Two", "-g", "jobs:read,jobs:write", "--expires", "never", "--yes"),
    "token disable": ("TOKEN", "--yes"),
    "token enable": ("TOKEN",),
    "token rotate": ("TOKEN", "--grace", "0", "--yes"),
    "token revoke": ("SPACED", "--reason", "Lost", "--yes"),
    "token delete": ("SPACED", "--yes"),
    "workspace edit": (HOME, "--name", "Renamed", "--lifetime-max", "1y", "--allow", "jobs:read", "--yes"),
}

OTHERS = {
    "workspace create": "not available to tokens",
    "workspace delete": "not available to tokens",
    "workspace suspend": "the operator's",
    "workspace resume": "the operator's",
}
"""Commands of the same nouns that a token may not give."""

NEEDS_THE_DATABASE: dict[str, tuple[str, ...]] = {
    "migrate": (),
    "demo": (),
    "serve": ("--port", "0"),
    "check": (),
    "user list": (),
    "user create": ("ada@example.com", "--password-stdin"),
    "user prove": ("USER",),
    "user reset-password": ("USER", "--password-stdin"),
    "user erase": ("USER", "--yes"),
    "config get": (),
    "config set": ("--revocation-delay", "1", "--yes"),
    "service list": (),
    "service create": ("x", "--product", "emit"),
    "service rotate": ("x", "--yes"),
    "service revoke": ("x", "--yes"),
    "token import": ("-", "-w", HOME, "--format", "legacy"),
    "scope rename": ("a:b", "--to", "jobs:read", "--product", "emit", "--yes"),
    "audit verify": (),
    "audit heads": (),
    "audit checkpoint": (),
    "audit export": ("-w", HOME),
    "restore-check": (),
}
ANYWHERE = {"product list", "product show", "scope needed", "login", "logout", "init"}

DIFFERENT = {"created_by", "invited_by", "display_id", "actor"}
"""Facts that tell who it was: the operator, or the token of the command line."""

ON_THE_DATABASE = {"can_sign_in", "reason"}
"""Facts that only the database tells: whether a member has a password, and why a secret is not accepted."""

RANDOM = {"secret", "prefix", "invitation"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")
ID = re.compile(r"(ws|space|key|usr|inv)_[0-9a-z]{26}")


def comparable(value: Any, known: str, name: str = "") -> Any:
    """A document without what is random or of the moment; ids that were there before stay."""
    if isinstance(value, dict):
        return {
            key: comparable(one, known, key)
            for key, one in value.items()
            if key not in DIFFERENT and key not in ON_THE_DATABASE
        }
    if isinstance(value, list):
        return [comparable(one, known) for one in value]
    if name in RANDOM and value is not None:
        return "random"
    if isinstance(value, str):
        value = TIME.sub("time", value)
        return ID.sub(lambda found: found[0] if found[0] in known else "new", value)
    return value


def names_of(value: Any) -> Any:
    """The names in a document, whatever their values."""
    if isinstance(value, dict):
        return {key: names_of(one) for key, one in value.items() if key in DIFFERENT}
    return [names_of(one) for one in value[:1]] if isinstance(value, list) else None


def test_every_command_is_tried_or_needs_the_database() -> None:
    parts = [set(one) for one in (READS, WRITES, OTHERS, NEEDS_THE_DATABASE, ANYWHERE)]
    assert set().union(*parts) == set(leaves())
    assert sum(len(one) for one in parts) == len(leaves())


@pytest.mark.parametrize("words", READS)
def test_what_is_read_is_the_same_document(pair: Pair, words: str) -> None:
    args = [*words.split(), *pair.call(READS[words]), "--json"]
    local, remote = (json.loads(cli(*args, stdin=pair.names["SECRET"]).stdout) for cli in (pair.same, pair.remote))
    if words == "workspace list":
        local = [one for one in local if one["slug"] == HOME]  # a token sees its own workspace
    if words == "token whose":
        local = [one for one in local if one["workspace"] == HOME]
    local, remote = (without_the_caller(one) for one in (local, remote))
    assert local

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if key not in ON_THE_DATABASE}
        return [plain(one) for one in value] if isinstance(value, list) else value

    if words in ("workspace list", "workspace show"):
        for one in local if isinstance(local, list) else [local]:
            assert one.pop("deleted_at") is None  # a server shows none that is deleted
    assert plain(remote) == plain(local)
    tables = [cli(*args[:-1], stdin=pair.names["SECRET"]).stdout for cli in (pair.same, pair.remote)]
    if words in SAME_TABLES:
        assert tables[0] == tables[1]


def without_the_caller(found: Any) -> Any:
    """A list without the token of the command line, which is used while the test looks."""
    return [one for one in found if one.get("name") != CALLER] if isinstance(found, list) else found


@pytest.mark.long
def test_what_is_changed_is_the_same_document(base: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    known = json.dumps(base[1])
    with serving(base, tmp_path) as fresh:
        for words, args in WRITES.items():
            call = [*words.split(), *fresh.call(args), "--json"]
            local, remote = (json.loads(cli(*call).stdout) for cli in (fresh.local, fresh.remote))
            for one in (local, remote):
                one.pop("deleted_at", None)
            assert comparable(remote, known) == comparable(local, known), words
            assert names_of(remote) == names_of(local), words


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("token", "show", "key_" + "0" * 26), 1, "There is no such token. 'spacekey token list'"),
        (("token", "revoke", "key_" + "0" * 26, "--yes"), 1, "There is no such token. 'spacekey token list'"),
        (("token", "show", "nonsense"), 2, "TOKEN: write a token's id"),
        (("workspace", "show", "spooled-dmo"), 1, "There is no workspace 'spooled-dmo'. Did you mean 'spooled-demo'"),
        (("space", "show", "none", "-w", HOME), 1, "There is no space 'none' in the workspace 'spooled-demo'."),
        (("space", "show", "production"), 2, "name its workspace by -w"),
        (("space", "create", "production", "-w", HOME), 1, "taken"),
        (("space", "create", "Bad!", "-w", HOME), 2, "SLUG: "),
        (
            ("token", "create", "x", "-w", HOME, "-g", "jobs:raed"),
            2,
            "--grant: Unknown scope 'jobs:raed'. Did you mean",
        ),
        (("token", "create", "", "-w", HOME, "-g", "jobs:read"), 2, "NAME: "),
        (("token", "rotate", "TOKEN", "--grace", "-1", "--yes"), 2, "--grace: "),
        (("token", "list", "-w", HOME, "--scope", "jobs:raed"), 2, "--scope: Unknown scope"),
        (("token", "list", "-w", HOME, "--expiring", "-1"), 2, "--expiring: "),
        (("token", "whose", "sp_live_0123456"), 2, "PREFIX: "),
        (("member", "show", "invited@example.com", "-w", HOME), 1, "is no member yet: an invitation as 'member'"),
        (
            ("member", "set-role", "owner@example.com", "-w", HOME, "--role", "memer", "--yes"),
            2,
            "--role: Unknown role",
        ),
        (("invitation", "withdraw", "who@example.com", "-w", HOME, "--yes"), 1, "No invitation waits for"),
        (("role", "delete", "nonsense", "-w", HOME, "--yes"), 1, "There is no role 'nonsense'."),
        (("role", "set", "owner", "-w", HOME, "-g", "jobs:read", "--yes"), 2, "ROLE: The owner role"),
        (("workspace", "edit", HOME, "--plan", "fre", "--yes"), 2, "--plan: Unknown plan"),
        (("usage", "show", "-w", HOME, "--days", "0"), 2, "--days: "),
        (("token", "disable", "TOKEN"), 2, "use --yes to confirm"),
        (("space", "delete", "production", "-w", HOME), 2, "use --yes to confirm"),
    ],
)
def test_errors_have_the_same_words_and_codes(pair: Pair, args: tuple[str, ...], code: int, said: str) -> None:
    for cli in (pair.same, pair.remote):
        assert said in cli.error(*pair.call(args), code=code)


REHEARSED = {
    words: args
    for words, args in {**WRITES, **dict.fromkeys(("workspace suspend", "workspace delete"), (HOME,))}.items()
    if "--dry-run" in options_of(words)
}
"""Commands that the database can rehearse."""


@pytest.mark.parametrize("words", REHEARSED)
def test_a_server_rehearses_nothing_and_says_so(pair: Pair, words: str) -> None:
    before = pair.same.lines("audit", "heads")
    said = pair.remote.error(*words.split(), *pair.call(REHEARSED[words]), "--dry-run", code=2)
    assert "do it where its database is" in said or "with the command line where the database is" in said
    assert pair.same.lines("audit", "heads") == before


@pytest.mark.parametrize("words", NEEDS_THE_DATABASE)
def test_what_needs_the_database_says_so(pair: Pair, words: str) -> None:
    said = pair.remote.error(*words.split(), *pair.call(NEEDS_THE_DATABASE[words]), code=2, stdin=PASSWORD)
    needs = f"This command needs the database, and commands speak to {pair.url}."
    assert needs in said or "with the command line where the database is" in said


SPEAKS = """
import sys
from spacekey.server.cli import main

sys.argv = ["spacekey", "token", "list"]
try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


def test_a_command_on_a_server_loads_no_database_and_no_schema(pair: Pair) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAKS],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**without_settings(), **pair.remote.settings},
    )
    assert CALLER in done.stdout, done.stderr
    loaded = set(done.stderr.splitlines()[-1].split())
    assert loaded & {"sqlalchemy", "sqlmodel", "strawberry", "graphql", "starlette", "uvicorn"} == set()


def test_usage_of_a_workspace_has_the_same_names(pair: Pair) -> None:
    days = [cli.lines("usage", "show", "-w", HOME) for cli in (pair.same, pair.remote)]
    assert [set(one) for found in days for one in found[:1]] == [{"day", "allowed", "denied", "rate_limited"}] * 2


def test_what_only_the_operator_may_do_is_refused(pair: Pair) -> None:
    for args in (
        ("workspace", "suspend", HOME, "--yes"),
        ("workspace", "resume", HOME),
        ("workspace", "edit", HOME, "--per-minute", "1", "--burst", "1", "--yes"),
        ("workspace", "create", "new", "--product", "emit", "--plan", "team"),
        ("audit", "list", "--system"),
    ):
        assert "only the operator may" in pair.remote.error(*args, code=2)
    pair.remote.error("workspace", "create", "new", "--product", "emit", code=1)
    pair.remote.error("workspace", "delete", HOME, "--yes", code=1)
    assert "accounts are added where" in pair.remote.error(
        "member", "add", pair.names["USER"], "-w", HOME, "--role", "member", code=2
    )


def test_missing_scopes_are_named(pair: Pair) -> None:
    weak = Cli({**pair.remote.settings, "SPACEKEY_TOKEN": pair.names["WEAK"]})
    for args, scope in (
        (("audit", "list", "-w", HOME), "audit:read"),
        (("member", "list", "-w", HOME), "members:read"),
        (("usage", "list", "-w", HOME), "usage:read"),
        (("space", "create", "x", "-w", HOME), "spaces:write"),
        (("token", "revoke", "TOKEN", "--yes"), "tokens:revoke"),
        (("token", "verify"), "tokens:introspect"),
    ):
        said = weak.error(*pair.call(args), code=1, stdin=pair.names["SECRET"])
        assert f"This needs more scopes: {scope}." in said


def test_a_token_that_is_not_accepted_and_a_server_that_is_gone(pair: Pair) -> None:
    unknown = mint("sk", "live", lambda size: b"\x09" * size).reveal()
    said = Cli({**pair.remote.settings, "SPACEKEY_TOKEN": unknown}).error("token", "list", code=1)
    assert f"{pair.url} does not accept the token." in said
    assert unknown not in said
    gone = Cli({**pair.remote.settings, "SPACEKEY_URL": "http://127.0.0.1:1"})
    assert "Unavailable: http://127.0.0.1:1 cannot be reached." in gone.error("token", "list", code=3)


async def answered(status: int, body: object, **headers: str) -> str:
    """What a command says when a server answers this to a change."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body, headers=headers)

    async with Client(Server("https://keys.example.com", Secret("x")), httpx.MockTransport(answer)) as client:
        with pytest.raises(SpacekeyError) as caught:
            await client.change(documents.DELETE_TOKEN, "token", {"id": "x"})
    return f"{type(caught.value).__name__} {caught.value}"


async def test_outages_and_limits_are_outages_and_other_servers_are_told_apart() -> None:
    limited = {"errors": [{"message": "m", "extensions": {"code": "RATE_LIMITED", "retryAfterSeconds": 7}}]}
    assert "ServiceUnavailable too many requests; try again in 7 s" in await answered(429, limited)
    assert "ServiceUnavailable too many requests" in await answered(429, "busy", **{"Retry-After": "9"})
    doubt = {"errors": [{"message": "m", "extensions": {"code": "UNAVAILABLE", "mayHaveChanged": True}}]}
    assert "ServiceUnavailable https://keys.example.com cannot answer" in await answered(503, doubt)
    assert "ServiceUnavailable https://keys.example.com answers 502" in await answered(502, "bad gateway")
    assert "check the address" in await answered(404, "not found")
    assert "does not answer as Spacekey does" in await answered(200, ["hello"])
    newer = {"data": {"deleteToken": {"__typename": "NewKindOfError", "message": "Not today.", "code": "NEW"}}}
    assert "Failure Not today." in await answered(200, newer)


@pytest.mark.parametrize("created", [False, True])
async def test_a_lost_answer_with_a_secret_is_asked_for_once_more(created: bool) -> None:
    keys = []
    token = {"__typename": "TokenAlreadyCreated", "message": "m", "code": "ALREADY_CREATED", "token": {"id": "key_1"}}
    answers: dict[bool, Any] = {True: token, False: {"__typename": "CreateTokenSuccess", "secret": "s"}}

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(json.loads(request.content)["variables"]["input"].get("idempotencyKey"))
        if len(keys) == 1:
            raise httpx.ReadError("lost", request=request)
        return httpx.Response(200, json={"data": {"createToken": answers[created]}})

    server = Server("https://keys.example.com", Secret("x"))
    async with Client(server, httpx.MockTransport(answer)) as client:
        if created:
            with pytest.raises(SpacekeyError, match=r"The token key_1 was created, .* spacekey token rotate key_1"):
                await client.create(documents.CREATE_TOKEN, "workspace", {"name": "x"})
        else:
            found = await client.create(documents.CREATE_TOKEN, "workspace", {"name": "x"})
            assert found["secret"] == "s"
        assert len(keys) == 2
        assert keys[0] is not None
        assert keys[0] == keys[1]
        keys.clear()
        with pytest.raises(SpacekeyError, match="does not answer"):
            await client.change(documents.DELETE_TOKEN, "token", {"id": "x"})
        assert keys == [None]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_no_proxy_reads_a_token_that_is_sent_unencrypted(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:1")  # where no proxy is
    assert pair.remote.one("workspace", "show", HOME)["slug"] == HOME


async def test_a_redirect_is_not_followed() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://other.example.com/graphql"})

    async with Client(Server("https://keys.example.com", Secret("x")), httpx.MockTransport(answer)) as client:
        with pytest.raises(SpacekeyError, match="check the address"):
            await client.query(documents.ME)
    assert asked == ["keys.example.com"]


async def test_a_space_whose_workspace_cannot_be_read_is_not_in_the_one_that_was_named() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": {"space": {"id": SPACE_ID, "slug": "s", "workspace": None}}})

    async with Client(Server("https://keys.example.com", Secret("x")), httpx.MockTransport(answer)) as client:
        with pytest.raises(SpacekeyError, match=f"There is no space '{SPACE_ID}' in the workspace 'a'"):
            await space_called(client, SPACE_ID, {"id": "ws_1", "slug": "a"})


def test_every_document_fits_the_schema() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text())
    texts = {name: text for name, text in vars(documents).items() if name.isupper() and isinstance(text, str)}
    whole = {name: text for name, text in texts.items() if text.lstrip().startswith(("query", "mutation"))}
    assert len(whole) > 30
    for name, text in whole.items():
        assert validate(schema, parse(text)) == [], name


# --- login ---


def test_a_login_is_kept_for_its_owner_alone_and_forgotten(pair: Pair, tmp_path: Path) -> None:
    cli = Cli({"XDG_CONFIG_HOME": str(tmp_path)})
    result = cli("login", pair.url, "--json", stdin=f"{pair.names['CALLER']}\n")
    assert pair.names["CALLER"] not in result.output + result.stderr
    assert json.loads(result.stdout)["url"] == pair.url
    assert "tokens:read" in json.loads(result.stdout)["scopes"]
    file = tmp_path / "spacekey" / "login.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert cli.one("workspace", "show", HOME)["slug"] == HOME
    assert [one.name for one in file.parent.iterdir()] == ["login.json"]
    database = Cli({**cli.settings, **pair.local.settings})
    assert len(database.lines("workspace", "list")) > 1, "a database that is named comes before the login"
    file.chmod(0o644)
    assert "chmod 600" in cli.error("workspace", "list", code=2)
    file.chmod(0o600)
    assert cli.one("logout") == {"logged_out": True}
    assert cli.one("logout") == {"logged_out": False}
    assert not file.exists()


def test_a_login_that_is_not_accepted_is_not_kept(pair: Pair, tmp_path: Path) -> None:
    cli = Cli({"XDG_CONFIG_HOME": str(tmp_path)})
    unknown = mint("sk", "live", lambda size: b"\x09" * size).reveal()
    assert "does not accept the token" in cli.error("login", pair.url, stdin=unknown)
    for url, said in (
        ("http://keys.example.com", "use https"),
        ("keys.example.com", "write the server's address"),
        ("https://me:pw@keys.example.com", "write the server's address"),
        ("https://:pw@keys.example.com", "write the server's address"),
        ("https://@keys.example.com", "write the server's address"),
        ("https://keys.exa\tmple.com", "write the server's address"),
        ("https://keys.example.com:x", "write the server's address"),
    ):
        assert f"URL: {said}" in cli.error("login", url, code=2, stdin=unknown)
    assert "the secret is empty" in cli.error("login", pair.url, code=2, stdin="\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SPACEKEY_URL": "https://a.example", "SPACEKEY_DATABASE_URL": "sqlite:///x.db"}, "are both set"),
        ({"SPACEKEY_TOKEN": "x"}, "SPACEKEY_TOKEN is set without SPACEKEY_URL"),
        ({"SPACEKEY_URL": "https://a.example"}, "SPACEKEY_URL needs SPACEKEY_TOKEN, or: spacekey login"),
        ({"SPACEKEY_URL": "http://a.example", "SPACEKEY_TOKEN": "x"}, "SPACEKEY_URL: use https"),
        ({"SPACEKEY_URL": "https://a.example", "SPACEKEY_TOKEN": "gehe\u00fcim"}, "SPACEKEY_TOKEN: the secret"),
        ({"SPACEKEY_URL": "https://a.example", "SPACEKEY_TOKEN": "a\nb"}, "SPACEKEY_TOKEN: the secret"),
    ],
)
def test_variables_that_contradict_each_other_are_refused(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    cli = Cli({"XDG_CONFIG_HOME": str(tmp_path), **variables})
    assert said in cli.error("token", "list", code=2)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"url": "ftp://x", "token": "y"}', '{"url": 1, "token": 2}', "\udc80"]
)
def test_a_broken_login_says_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spacekey" / "login.json"
    file.parent.mkdir()
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    file.chmod(0o600)
    said = Cli({"XDG_CONFIG_HOME": str(tmp_path)}).error("token", "list", code=2)
    assert "Log in again: spacekey login URL" in said or "write the server's address" in said


def test_workspaces_of_a_server_are_completed(pair: Pair) -> None:
    shell = {"_ROOT_COMPLETE": "complete_bash", "COMP_WORDS": "root token list -w sp", "COMP_CWORD": "4"}
    result = Cli({**pair.remote.settings, **shell})()
    assert (result.stdout.split(), result.stderr) == ([HOME], "")
