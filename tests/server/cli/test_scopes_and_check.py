"""``spacekey scopes`` and ``spacekey check``: most of it needs no database."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.server.settings import Settings, packaged_products
from support.cli import Cli
from support.world import EXAMPLES

SCHEMA = """
import strawberry
from spacekey.middleware.graphql import requires_scopes

@strawberry.type
class Query:
    @strawberry.field(directives=[requires_scopes("jobs:read")])
    def jobs(self) -> list[str]:
        return []

    @strawberry.field
    def hello(self) -> str:
        return "hello"

schema = strawberry.Schema(Query)

def made() -> strawberry.Schema:
    return schema
"""


@pytest.fixture
def app_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with somebody's own schema in it, as the working directory; the module's name."""
    module = f"schema_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(SCHEMA)
    (tmp_path / "jobs.graphql").write_text("query A { jobs hello } query B { hello }")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return module


def test_a_product_is_shown_by_name_and_by_file(missing: Cli) -> None:
    by_name = missing.one("product", "show", "emit")
    assert by_name == missing.one("product", "show", str(EXAMPLES / "emit.toml"))
    assert [one["name"] for one in by_name["shorthands"]] == ["jobs:worker", "jobs:write"]
    assert len(by_name["scopes"]) == 10
    for word in ("jobs:read:progress", "Worker", "developer", "team"):
        assert word in missing("product", "show", "emit").stdout
    assert "Did you mean 'emit'" in missing.error("product", "show", "emitt")


@pytest.mark.parametrize("name", ["schema", "made"])
def test_the_least_scopes_of_an_operation_on_any_schema(missing: Cli, app_folder: str, name: str) -> None:
    args = ["scope", "needed", "jobs.graphql", "--schema", f"{app_folder}:{name}", "--operation"]
    assert missing(*args, "A").stdout == "jobs:read\n"
    assert missing.one(*args, "A") == {"operation": "A", "scopes": ["jobs:read"], "alternatives": [["jobs:read"]]}
    assert missing.one(*args, "B")["scopes"] == []
    assert missing(*args, "B").stdout == ""


def test_the_least_scopes_on_spacekeys_own_schema(missing: Cli) -> None:
    document = "{ workspaces { edges { node { tokens { edges { node { name } } } } } } }"
    assert "tokens:read" in missing.one("scope", "needed", "-", stdin=document)["scopes"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "MODULE:NAME"),
        ("nowhere_at_all:schema", "no module 'nowhere_at_all'"),
        ("json:dumps_it", "no Strawberry schema"),
    ],
)
def test_a_schema_that_is_not_there_is_wrong_usage(missing: Cli, app_folder: str, place: str, said: str) -> None:
    assert said in missing.error("scope", "needed", "jobs.graphql", "--schema", place, code=2)


def test_a_document_that_cannot_be_used_says_where(missing: Cli, app_folder: str) -> None:
    args = ["--schema", f"{app_folder}:schema"]
    assert "line 1, column 3" in missing.error("scope", "needed", "-", *args, code=2, stdin="{ jbos }")
    assert "cannot be used" in missing.error("scope", "needed", "jobs.graphql", *args, code=2)
    assert "cannot be read" in missing.error("scope", "needed", "none.graphql", *args, code=2)


def test_all_is_well_with_the_demo(filled: Cli) -> None:
    found = filled.lines("check")
    assert {one["result"] for one in found} == {"ok"}
    assert {"settings", "database", "workspaces", "clock", "product emit.toml"} <= {one["what"] for one in found}


def test_a_wrong_product_is_found_with_key_and_remedy(missing: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text((EXAMPLES / "emit.toml").read_text().replace('default_plan = "free"', 'default_plan = "fre"'))
    result = missing("check", str(EXAMPLES / "emit.toml"), str(bad), code=1)
    assert "default_plan" in result.stdout
    assert "1 of 2" in result.stderr


def test_two_products_one_secret_prefix_are_found(missing: Cli, tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text((EXAMPLES / "emit.toml").read_text().replace('name = "emit"', 'name = "other"'))
    assert "secret_prefix" in missing("check", str(EXAMPLES / "emit.toml"), str(twin), code=1).stdout


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "spacekey migrate"),
        ({"SPACEKEY_PORT": "many"}, "SPACEKEY_PORT"),
        ({"SPACEKEY_PROT": "1"}, "SPACEKEY_PORT"),
        ({"SPACEKEY_PRODUCTS": "/nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_what_is_wrong_is_found_with_a_remedy(missing: Cli, settings: dict[str, str], what: str) -> None:
    assert what in Cli({**missing.settings, **settings, "COLUMNS": "250"})("check", code=1).stdout


def test_everything_that_is_wrong_is_found_at_once(missing: Cli, tmp_path: Path) -> None:
    """Settings, each key of each product, and the database, which is checked though other things are wrong."""
    product = tmp_path / "bad.toml"
    text = (EXAMPLES / "guard.toml").read_text(encoding="utf-8")
    product.write_text(text.replace('title = "Guard"', "title = 1", 1).replace("[roles.owner]", "[roles.boss]", 1))
    settings = {"SPACEKEY_PORT": "many", "SPACEKEY_HOST": "a b", "SPACEKEY_PRODUCTS": f"{product},/nowhere.toml"}
    result = Cli({**missing.settings, **settings})("check", "--json", code=1)
    found = [(one["what"], one["result"]) for one in json.loads(result.stdout)]
    assert found == [
        ("settings", "wrong"),
        ("settings", "wrong"),
        ("product bad.toml", "wrong"),
        ("product bad.toml", "wrong"),
        ("product nowhere.toml", "wrong"),
        ("database", "wrong"),
    ]


def test_a_database_is_checked_though_a_product_is_wrong(filled: Cli, tmp_path: Path) -> None:
    result = Cli({**filled.settings, "SPACEKEY_PRODUCTS": "/nowhere.toml", "SPACEKEY_PORT": "x"})(
        "check", "--json", code=1
    )
    found = {one["what"]: one["result"] for one in json.loads(result.stdout)}
    assert found == {
        "settings": "wrong",
        "product nowhere.toml": "wrong",
        "database": "ok",
        "workspaces": "skipped",
        "clock": "ok",
    }


def test_a_product_that_is_not_loaded_is_a_wrong_setting_and_no_wrong_database(filled: Cli) -> None:
    result = Cli({**filled.settings, "SPACEKEY_WORKSPACE_PRODUCTS": "emitt"})("check", "--json", code=1)
    wrong = [one for one in json.loads(result.stdout) if one["result"] == "wrong"]
    assert [one["what"] for one in wrong] == ["settings"]
    assert "Did you mean 'emit'" in wrong[0]["detail"]


def test_a_workspace_whose_product_is_not_loaded_is_found(filled: Cli) -> None:
    only = Cli({**filled.settings, "SPACEKEY_PRODUCTS": str(EXAMPLES / "emit.toml"), "COLUMNS": "250"})
    assert "guard, spooled, teamspace" in only("check", code=1).stdout


def test_a_renamed_scope_is_found_by_check_and_moved_by_rename(filled: Cli, tmp_path: Path) -> None:
    edited = tmp_path / "emit.toml"
    text = (EXAMPLES / "emit.toml").read_text(encoding="utf-8")
    edited.write_text(text.replace('"jobs:poll"', '"jobs:claim"'), encoding="utf-8")
    others = [str(EXAMPLES / f"{name}.toml") for name in ("spooled", "teamspace", "guard")]
    cli = Cli({**filled.settings, "SPACEKEY_PRODUCTS": ",".join([str(edited), *others])})
    cli("token", "create", "Claims", "-w", "emit-demo", "--space", "production", "-g", "jobs:claim")
    filled("token", "create", "Polls", "-w", "emit-demo", "--space", "production", "-g", "jobs:poll")

    found = {one["what"]: one for one in json.loads(cli("check", "--json", code=1).stdout)}["grants"]
    assert found["result"] == "wrong"
    assert "'jobs:poll' of emit: 1 token" in found["detail"]
    assert "spacekey scope rename" in found["remedy"]

    rename = ("scope", "rename", "jobs:poll", "--to", "jobs:claim", "--product", "emit")
    assert "--yes" in cli.error(*rename, code=2)
    assert (cli.one(*rename, "--dry-run")["tokens"], cli.one(*rename, "--yes")["tokens"]) == (1, 1)
    assert {one["result"] for one in cli.lines("check")} == {"ok"}
    held = {one["name"]: one["grants"] for one in cli.lines("token", "list", "-w", "emit-demo")}
    assert held["Polls"] == ["jobs:claim"]


def test_names_that_may_mislead_are_a_warning_and_no_error(missing: Cli, tmp_path: Path) -> None:
    odd = tmp_path / "odd.toml"
    text = (EXAMPLES / "spooled.toml").read_text(encoding="utf-8")
    assert "[scopes]\n" in text
    odd.write_text(text.replace("[scopes]\n", '[scopes]\n"User.Read" = "x"\n"jobs:*" = "y"\n', 1))
    product, scopes = json.loads(missing("check", str(odd), "--json").stdout)
    assert (product["result"], scopes["result"]) == ("ok", "warning")
    assert scopes["detail"] == (
        "'User.Read' is not of lower-case words joined by colons, like 'jobs:read'. "
        "'jobs:*' stands for itself alone: no scope includes another."
    )
    assert "docs/reference/scopes.md" in scopes["remedy"]


# ``spacekey service``, and what ``spacekey check`` says of services.


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("emitt", "Did you mean 'emit'?"),
        ("nope", "There are 'emit', 'guard', 'spooled' and 'teamspace'."),
    ],
)
def test_a_service_for_a_product_that_is_not_loaded_is_refused(filled: Cli, product: str, said: str) -> None:
    refused = filled.error("service", "create", "jobs-api", "--product", product, code=2)
    assert f"--product: Unknown product '{product}'. {said}" in refused
    assert filled.lines("service", "list") == []


@pytest.mark.parametrize("name", ["", "Emit", "a b", "a=b", "a_b", "x" * 41, "-a"])
def test_a_name_that_a_client_id_cannot_be_is_refused(filled: Cli, name: str) -> None:
    assert "lower case letters" in filled.error("service", "create", "--product", "emit", "--", name, code=2)


def test_the_secret_is_alone_on_standard_output_and_shown_once(filled: Cli) -> None:
    printed = filled("service", "create", "emit-api", "--product", "emit")
    secret = printed.stdout.strip()
    assert secret.startswith("spk_live_")
    assert secret not in printed.stderr
    for args in (("service", "list", "--json"), ("audit", "list", "--system", "--json")):
        assert secret not in filled(*args).stdout


def test_a_name_is_free_again_once_its_service_is_revoked(filled: Cli) -> None:
    first = filled.one("service", "create", "emit-api", "--product", "emit")
    assert "Rotate its secret, or choose another name." in filled.error(
        "service", "create", "emit-api", "--product", "emit"
    )
    revoked = filled.one("service", "revoke", "emit-api", "--yes")
    assert (revoked["id"], revoked["status"]) == (first["id"], "revoked")
    assert "spacekey service list" in filled.error("service", "revoke", "emit-api", "--yes")
    second = filled.one("service", "create", "emit-api", "--product", "emit")
    assert second["id"] != first["id"]
    listed = [(one["id"], one["status"]) for one in filled.lines("service", "list")]
    assert listed == [(first["id"], "revoked"), (second["id"], "active")]


def test_a_service_has_the_scopes_that_were_named_and_else_verifies_tokens(filled: Cli) -> None:
    scopes = ["workspace:read", "operator:workspaces:create"]
    named = [word for scope in scopes for word in ("--scope", scope)]
    host = filled.one("service", "create", "host", "--product", "emit", *named)
    app = filled.one("service", "create", "app", "--product", "emit")
    assert [one["scopes"] for one in (host, app)] == [sorted(scopes), ["tokens:introspect"]]
    assert [one["scopes"] for one in filled.lines("service", "list")] == [sorted(scopes), ["tokens:introspect"]]
    wrong = filled.error("service", "create", "x", "--product", "emit", "--scope", "operator:workspace:create", code=2)
    assert "Did you mean 'operator:workspaces:create'" in wrong
    assert "members:read" in filled.error(
        "service", "create", "x", "--product", "emit", "--scope", "members:read", code=2
    )


def test_each_change_is_in_the_audit_log_of_the_operator(filled: Cli) -> None:
    made = filled.one("service", "create", "emit-api", "--product", "emit")
    filled.one("service", "rotate", made["id"])
    filled.one("service", "revoke", made["id"], "--yes")
    events = [one["action"] for one in filled.lines("audit", "list", "--system") if one["target_id"] == made["id"]]
    assert sorted(events) == ["service.create", "service.revoke", "service.rotate"]


def test_an_earlier_secret_ends_when_the_rotation_says(filled: Cli) -> None:
    filled.one("service", "create", "emit-api", "--product", "emit")
    assert "ends at once" in filled.error("service", "rotate", "emit-api", "--grace", "none", code=2)
    assert filled.one("service", "rotate", "emit-api")["earlier_ends_at"] is not None
    assert "0 seconds to 30 days" in filled.error("service", "rotate", "emit-api", "--grace", "31d", code=2)


def _without(name: str) -> Mapping[str, str]:
    files = [str(one) for one in packaged_products() if one.stem != name]
    return {"SPACEKEY_PRODUCTS": ",".join(files)}


def test_check_finds_services_whose_product_is_not_loaded(filled: Cli) -> None:
    filled.one("service", "create", "emit-api", "--product", "emit")
    [found] = [one for one in filled.lines("check") if one["what"] == "services"]
    assert (found["result"], found["detail"]) == ("ok", "1, each for a loaded product")
    lacking = Cli({**filled.settings, **_without("emit")})
    found = next(one for one in json.loads(lacking("check", "--json", code=1).stdout) if one["what"] == "services")
    assert (found["result"], found["detail"]) == (
        "wrong",
        "some are for products that are not loaded: emit",
    )
    filled.one("service", "revoke", "emit-api", "--yes")
    assert all(one["what"] != "services" for one in json.loads(lacking("check", "--json", code=1).stdout))


def test_the_setting_that_it_replaces_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="spacekey service create NAME --product PRODUCT"):
        Settings.from_environ({"SPACEKEY_INTROSPECTORS": "nonsense"})
