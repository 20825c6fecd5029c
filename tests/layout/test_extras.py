"""A part that is imported without its packages says what to install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spacekey.server.cli import PACKAGES
from support.programs.environ import without_settings

from .test_imports import FOLDERS, imported

PARTS = {
    "spacekey.middleware.verifiers.remote": ("httpx", "spacekey[remote]"),
    "spacekey.middleware.graphql": ("strawberry", "spacekey[graphql]"),
    "spacekey.middleware.limits.redis": ("redis", "spacekey[redis]"),
    "spacekey.middleware.mcp": ("mcp", "spacekey[mcp]"),
    "spacekey.middleware.observability.opentelemetry": ("opentelemetry", "spacekey[otel]"),
    "spacekey.middleware.fastapi": ("fastapi", "fastapi"),
    "spacekey.server.database_verifier": ("sqlalchemy", "spacekey[server]"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_without_its_package_says_what_to_install(part: str) -> None:
    package, requirement = PARTS[part]
    program = f"import sys; sys.modules['{package}'] = None; import {part}"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False)
    assert asked.returncode == 1
    assert asked.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: '{package}' is not installed, and this part needs it: pip install '{requirement}'"
    )


OPTIONAL = ("redis", "opentelemetry", "fastapi", "mcp", "authlib", "dotenv", "watchfiles", "yaml")
"""Packages that ``spacekey[server]`` does without."""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("redis_url", ["", "redis://127.0.0.1:1/0"])
def test_the_server_runs_without_what_its_extra_does_not_name(tmp_path: Path, redis_url: str) -> None:
    """A server is made, and its settings are checked; only Redis, where it is asked for, needs its own extra."""
    program = "\n".join(
        [
            "import os, sys",
            f"sys.modules.update(dict.fromkeys({OPTIONAL}))",
            "from spacekey.domain.errors import ConfigurationError",
            "from spacekey.server.app import build_app",
            "import spacekey.server.cli.check, spacekey.server.cli.app, spacekey.server.serving.serve",
            "from spacekey.server.settings import Settings",
            "try: build_app(Settings.from_environ(os.environ))",
            "except ConfigurationError as error: print(error)",
            "else: print('made')",
        ]
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPACEKEY_")}
    environ = kept | {"SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "SPACEKEY_REDIS_URL": redis_url}
    made = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    wanted = "SPACEKEY_REDIS_URL: this needs a client; pip install 'spacekey[redis]'" if redis_url else "made"
    assert made.stdout.strip() == wanted, made.stderr


ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (*FOLDERS, "examples")
CALLED = {
    "argon2-cffi": "argon2",
    "strawberry-graphql": "strawberry",
}
"""Packages whose import has another name."""
USED_BY = {
    "uvloop": "uvicorn's auto_loop_factory",
    "httptools": "uvicorn's HTTP protocol, which server/serving/connection.py extends",
    "websockets": "uvicorn, for the WebSockets of examples/jobs",
}
"""Packages that are named and never imported, with the reason."""


@pytest.mark.long
def test_the_server_requires_what_is_imported_and_nothing_else() -> None:
    """Requirements are named one by one: no package's own collection of extras, and none that nothing uses."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [re.split(r"[>=;\s]", one)[0] for one in extras["server"]]
    assert {one for one in named if "[" in one} == {"spacekey[graphql,postgres]", "sqlalchemy[asyncio]"}
    imports = {
        one
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*.py")
        for one in imported(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    }
    unused = {
        name
        for name in (one.partition("[")[0] for one in named)
        if CALLED.get(name, name.replace("-", "_")) not in imports and name not in ("spacekey", *USED_BY)
    }
    assert unused == set()
    assert not set(USED_BY) - set(named), "explained, but not required"
    assert not {one for one in USED_BY if one.replace("-", "_") in imports}, "explained as never imported, but imported"


COMMANDS = {"typer": "--help", "sqlmodel": "demo", "uvicorn": "serve", "alembic": "migrate", "strawberry": "serve"}
"""A package of the server's extra → a command that needs it."""


@pytest.mark.parametrize("package", COMMANDS)
def test_a_command_without_the_servers_packages_says_what_to_install(package: str, tmp_path: Path) -> None:
    """Not only if all are missing: other packages bring some of them, as FastAPI's command line brings typer."""
    program = f"import sys; sys.modules['{package}'] = None; from spacekey.server.cli import main; main()"
    command = [sys.executable, "-c", program, COMMANDS[package]]
    asked = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path, env=without_settings()
    )
    assert asked.returncode == 1
    said = f"The command line needs '{package}', which is not installed: pip install 'spacekey[server]'"
    assert asked.stderr.splitlines()[-1].partition(".")[0] == said.partition(".")[0]
    assert "Traceback" not in asked.stderr


def test_the_command_line_knows_the_packages_of_its_extra() -> None:
    """Those that another one is imported instead of, or only uvicorn loads, are left out."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [re.split(r"[\[>=;\s]", one)[0] for name in ("server", "graphql", "postgres") for one in extras[name]]
    modules = {CALLED.get(name, name.replace("-", "_")) for name in named} - {"spacekey", "uvloop", "websockets"}
    assert modules | {"click", "graphql"} == PACKAGES


def test_the_pages_list_each_extra_and_what_it_brings() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = re.findall(
        r"^\| `spacekey\[(\w+)\]` \| (.*?) \|", (ROOT / "docs/how-to/install.md").read_text(), re.MULTILINE
    )
    assert {name for name, _ in rows} == set(extras)
    for name, brought in rows:
        if name != "server":
            assert re.findall(r"`([\w-]+)`", brought) == [re.split(r"[\[>=;\s]", one)[0] for one in extras[name]]
    listed = re.findall(r"^\| `spacekey\[(\w+)\]` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(listed) == set(extras) - {"postgres"}
