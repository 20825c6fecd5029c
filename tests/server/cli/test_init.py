"""``spacekey init``: what it writes passes ``spacekey check`` and serves, and nothing that exists is overwritten."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from spacekey.domain.product_file import load_product, parse_product
from spacekey.server.cli._init_files import product_file
from spacekey.server.cli.init import _name_of, _prefix_of
from support.cli import Cli
from support.processes import started
from support.programs.environ import without_settings

NOTHING = Cli({})
ANSWERS = {
    "--name": "tasks",
    "--title": 'Tasks of "Ada\'s" team',
    "--secret-prefix": "tk",
    "--database-url": "sqlite:///kept/keys.db",
    "--port": "8123",
    "--public-url": "https://keys.example.com",
}


def settings_in(folder: Path) -> dict[str, str]:
    """The settings as a shell reads them."""
    shell = ["/bin/sh", "-c", "set -a; . ./spacekey.env; env -0"]
    read = subprocess.run(shell, cwd=folder, env={}, capture_output=True, text=True, check=True, timeout=60).stdout
    return {name: value for name, _, value in (one.partition("=") for one in read.split("\0")) if "SPACEKEY" in name}


@pytest.mark.parametrize("deployment", ["none", "systemd", "compose"])
def test_the_result_passes_check_and_serves(tmp_path: Path, deployment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "keys"
    made = NOTHING.one("init", str(folder), "--yes", "--deploy", deployment)
    third = {"none": [], "systemd": ["spacekey.service"], "compose": ["compose.yaml"]}[deployment]
    assert made["files"] == ["product.toml", "spacekey.env", *third]
    assert sorted(one.name for one in folder.iterdir()) == sorted(made["files"])
    assert stat.S_IMODE((folder / "spacekey.env").stat().st_mode) == 0o600
    monkeypatch.chdir(folder)
    here = Cli(settings_in(folder))
    here("migrate")
    assert {one["result"] for one in here.lines("check")} == {"ok"}
    command = [sys.executable, "-c", "from spacekey.server.cli import main; main()", "serve", "--port", "0"]
    environ = {**without_settings(), **settings_in(folder)}
    with started(command, environ, tmp_path / "said", r"listens on (http://\S+)", cwd=folder) as url:
        assert httpx.get(f"{url}/readyz").json() == {"status": "ok"}


def test_every_question_has_an_option(tmp_path: Path) -> None:
    options = [word for pair in ANSWERS.items() for word in pair]
    scopes = ["--scope", "tasks:read=See tasks, all of them", "--scope", "tasks:write"]
    with patch("typer.prompt", side_effect=AssertionError("asked")), patch("sys.stdin.isatty", return_value=True):
        NOTHING("init", str(tmp_path), *options, *scopes, "--deploy", "compose")
    product = load_product(tmp_path / "product.toml")
    assert (product.name, product.title, product.secret_prefix) == ("tasks", ANSWERS["--title"], "tk")
    assert product.scopes == {"tasks:read": "See tasks, all of them", "tasks:write": "tasks:write"}
    assert settings_in(tmp_path) == {
        "SPACEKEY_PRODUCTS": "product.toml",
        "SPACEKEY_DATABASE_URL": "sqlite:///kept/keys.db",
        "SPACEKEY_PORT": "8123",
        "SPACEKEY_PUBLIC_URL": "https://keys.example.com",
    }


def test_without_a_terminal_and_without_yes_nothing_is_written(tmp_path: Path) -> None:
    assert "use --yes" in NOTHING.error("init", str(tmp_path / "new"), code=2)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["product.toml", "spacekey.env", "compose.yaml"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """Not even a link that leads nowhere, and the other files are not written either."""
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert f"{name}: already in" in NOTHING.error("init", str(tmp_path), "--yes", "--deploy", "compose")
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--name", "Two Words", "lower-case word"),
        ("--secret-prefix", "T", "2 to 16"),
        ("--title", " ", "must not be empty"),
        ("--scope", "two words", "not a scope name"),
        ("--scope", " ", "at least one scope"),
        ("--database-url", "mysql://root@host/db", "SPACEKEY_DATABASE_URL"),
        ("--database-url", "postgresql://u:it's@host/db", "without quotes"),
        ("--public-url", "keys.example.com", "SPACEKEY_PUBLIC_URL"),
        ("--port", "0", "--port"),
        ("--deploy", "nomad", "--deploy"),
    ],
)
def test_a_wrong_answer_is_refused_before_anything_is_written(
    tmp_path: Path, option: str, value: str, said: str
) -> None:
    assert said in NOTHING.error("init", str(tmp_path / "new"), "--yes", option, value, code=2)
    assert not (tmp_path / "new").exists()


def test_a_unit_is_not_written_for_a_path_that_systemd_reads_otherwise(tmp_path: Path) -> None:
    assert "without spaces" in NOTHING.error("init", str(tmp_path / "a b"), "--yes", "--deploy", "systemd", code=2)


@settings(max_examples=50)
@given(
    title=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=50), folder=st.text(max_size=30)
)
def test_any_title_and_folder_make_a_product(title: str, folder: str) -> None:
    name = _name_of(Path("/") / folder.replace("\0", ""))
    product = parse_product(product_file(name, title, _prefix_of(name), {"a:b": title}), "product.toml")
    assert (product.title, product.scopes["a:b"]) == (title, title)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="NO SYSTEMD: units are NOT CHECKED here; install systemd"
)
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    NOTHING("init", str(tmp_path), "--yes", "--deploy", "systemd", "--title", "100% Tasks")
    unit = tmp_path / "spacekey.service"
    text = unit.read_text()
    assert f"WorkingDirectory={tmp_path}\n" in text
    unit.write_text(re.sub(r"^(ExecStart|ExecStartPre)=\S+", r"\1=/bin/true", text, flags=re.MULTILINE))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert [line for line in done.stderr.splitlines() if "spacekey.service" in line] == []


def test_the_compose_file_keeps_the_database_in_a_volume(tmp_path: Path) -> None:
    NOTHING("init", str(tmp_path), "--yes", "--deploy", "compose", "--port", "8123")
    service = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]["spacekey"]
    assert service["environment"] == {
        "SPACEKEY_HOST": "0.0.0.0",
        "SPACEKEY_PRODUCTS": "/etc/spacekey/product.toml",
        "SPACEKEY_DATABASE_URL": "sqlite:////data/spacekey.db",
    }
    assert service["ports"] == ["127.0.0.1:8123:8123"]
    assert shlex.split(service["command"][2]) == ["spacekey", "migrate", "&&", "exec", "spacekey", "serve"]


def test_with_postgresql_the_compose_file_leaves_the_url_to_the_settings(tmp_path: Path) -> None:
    url = "postgresql://spacekey@db.example.com/keys?sslmode=require"
    NOTHING("init", str(tmp_path), "--yes", "--deploy", "compose", "--database-url", url)
    service = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]["spacekey"]
    assert "SPACEKEY_DATABASE_URL" not in service["environment"]
    assert service["env_file"] == ["spacekey.env"]
    assert settings_in(tmp_path)["SPACEKEY_DATABASE_URL"] == url


def test_what_to_do_next_is_said(tmp_path: Path) -> None:
    result = NOTHING("init", str(tmp_path), "--yes")
    assert "spacekey migrate" in result.stderr
    assert [Path(line).name for line in result.stdout.splitlines()] == ["product.toml", "spacekey.env"]
    assert json.loads(NOTHING("init", str(tmp_path / "two"), "--yes", "--json").stdout)["next"]
