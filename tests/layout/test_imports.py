"""What each folder may import besides the standard library and the house itself, as a whitelist.

import-linter holds which folder may know which; this holds which packages. A name that is not here fails, wherever it
stands: at the top, inside a function, or under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN = "spacekey"
DYNAMIC = "an import by a computed name"
COMPUTED = ("import_module", "__import__")

PACKAGES: dict[str, frozenset[str]] = {
    "spacekey": frozenset({DYNAMIC}),  # the public names, each loaded from its module at its first use
    "domain": frozenset(),
    "domain/digest.py": frozenset({DYNAMIC}),  # Python's own SHA-256, under the name that this version has for it
    "middleware": frozenset({"starlette"}),
    "middleware/routing/endpoints.py": frozenset({"anyio"}),  # comes with Starlette
    "middleware/fastapi.py": frozenset({"fastapi"}),
    "middleware/graphql": frozenset({"graphql", "strawberry", "typing_extensions"}),  # the last comes with Strawberry
    "middleware/limits/redis.py": frozenset({"redis"}),
    "middleware/mcp": frozenset({"mcp", "pydantic"}),  # the last comes with mcp
    "middleware/observability/opentelemetry.py": frozenset({"opentelemetry"}),
    "middleware/verifiers/remote.py": frozenset({"httpx"}),
    "models": frozenset({"sqlalchemy", "sqlmodel"}),
    "models/engine/database_url.py": frozenset({"asyncpg"}),
    "models/migrations/run.py": frozenset({"alembic"}),
    "models/migrations": frozenset({"alembic"}),
    "models/engine/outage.py": frozenset({"asyncpg"}),
    "models/engine/postgres.py": frozenset({"asyncpg"}),
    "models/lookup/postgres.py": frozenset({"asyncpg"}),
    "models/engine/postgres_changes.py": frozenset({"asyncpg"}),
    "models/engine/postgres_reads.py": frozenset({"asyncpg"}),
    "models/engine/postgres_tls.py": frozenset({"asyncpg"}),
    "models/engine/sqlite.py": frozenset({"aiosqlite"}),
    "resolvers": frozenset({"sqlmodel"}),  # the type of a session, which they hand on
    "resolvers/addresses.py": frozenset({"email_validator", "idna"}),
    "resolvers/passwords/hashing.py": frozenset({"argon2"}),
    "schema": frozenset({"graphql", "strawberry"}),
    "server": frozenset({"graphql", "rich", "starlette", "strawberry", "typer", "uvicorn"}),
    "server/http/openapi.py": frozenset({"pydantic", "pydantic_core"}),
    "server/http/request_models.py": frozenset({"pydantic"}),
    "server/http/requests.py": frozenset({"pydantic", "pydantic_core"}),
    "server/mail.py": frozenset({"aiosmtplib"}),
    "server/smtp.py": frozenset({"aiosmtplib"}),
    "server/identity/openid.py": frozenset({"authlib", "httpx", "joserfc"}),  # joserfc comes with authlib
    "server/metrics.py": frozenset({"prometheus_client"}),
    "server/http/response_models.py": frozenset({"pydantic", "typing_extensions"}),  # the last comes with pydantic
    "server/cli/remote/client.py": frozenset({"httpx"}),
    "server/cli/scope.py": frozenset({DYNAMIC}),  # the schema that is named on the command line
}
"""A folder or file → the packages it may import; a file has those of the folders around it as well."""

FOLDERS = sorted(where for where in PACKAGES if "/" not in where)
KNOWN = sys.stdlib_module_names | {f"{OWN}.{folder}" for folder in FOLDERS}


def imported(path: str, source: str) -> Iterator[str]:
    """The top-level package of every import; of our own, with the folder."""
    package = (OWN, *path.split("/")[:-1])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (_package(one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = [*package[: len(package) + 1 - node.level]] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (_package(f"{module}.{one.name}") for one in node.names)
        elif isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).endswith(COMPUTED):
            yield DYNAMIC


def _package(name: str) -> str:
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if first == OWN and rest else first


def around(path: str) -> Iterator[str]:
    """The path and every folder around it."""
    parts = path.split("/")
    yield from ("/".join(parts[:length]) for length in range(1, len(parts) + 1))


def sources(folder: str) -> list[str]:
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found, folder
    return found


def strangers(path: str, source: str) -> set[str]:
    """What a file imports and may not."""
    allowed = KNOWN.union(*(PACKAGES.get(where, frozenset()) for where in around(path)))
    return set(imported(path, source)) - allowed


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_the_packages_it_is_allowed_and_no_others(folder: str) -> None:
    wrong = {path: names for path in sources(folder) if (names := strangers(path, (ROOT / path).read_text()))}
    assert not wrong


def test_what_is_allowed_is_used() -> None:
    used = {
        (where, package)
        for folder in FOLDERS
        for path in sources(folder)
        for package in imported(path, (ROOT / path).read_text())
        for where in around(path)
    }
    assert [(where, one) for where, names in PACKAGES.items() for one in names if (where, one) not in used] == []


WRONG = [
    ("domain/rule.py", "import argon2", "argon2"),
    ("domain/rule.py", "from pydantic import BaseModel", "pydantic"),
    ("domain/rule.py", "import importlib\nimportlib.import_module('typer')", DYNAMIC),
    ("resolvers/workspaces/roles.py", "def late():\n    from fastapi import Depends", "fastapi"),
    ("middleware/responses.py", "from pydantic import BaseModel", "pydantic"),
    ("resolvers/workspaces/roles.py", "from pydantic_core import to_json", "pydantic_core"),
    ("schema/types/relay.py", "from starlette.requests import Request", "starlette"),
    ("middleware/request_auth.py", "if TYPE_CHECKING:\n    import strawberry", "strawberry"),
    ("middleware/request_auth.py", "import asyncio, httpx.URL", "httpx"),
    ("middleware/limits/memory.py", "from redis.asyncio import Redis", "redis"),
    ("models/tables/token.py", "from alembic import op", "alembic"),
    ("server/app.py", "from spacekey.examples import jobs", "spacekey.examples"),
    ("server/app.py", "from spacekey import examples", "spacekey.examples"),
    ("middleware/limits/memory.py", "from ...examples import jobs", "spacekey.examples"),
    ("server/app.py", "from .. import examples", "spacekey.examples"),
    ("resolvers/workspaces/roles.py", "from support.world import World", "support"),
]


@pytest.mark.parametrize(("path", "source", "stranger"), WRONG)
def test_what_is_not_allowed_is_seen(path: str, source: str, stranger: str) -> None:
    assert strangers(path, source) == {stranger}
