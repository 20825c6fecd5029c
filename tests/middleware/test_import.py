"""Importing the middleware loads Starlette and little else."""

import subprocess
import sys

OURS = "import spacekey.middleware"
STARLETTES = (
    "import asyncio, starlette.applications, starlette.authentication, starlette.endpoints, starlette.requests, "
    "starlette.responses, starlette.routing, starlette.websockets"
)
"""And asyncio, which every server has loaded; Starlette itself loads it on some versions of Python only."""
SMALL = {"_sha2", "_sha256"}
"""Of the standard library, besides what Starlette loads: Python's own SHA-256."""
MODULES_MAX = 62
HEAVY = (
    "sqlmodel",
    "sqlalchemy",
    "strawberry",
    "graphql",
    "httpx",
    "alembic",
    "fastapi",
    "pydantic",
    "redis",
    "opentelemetry",
)


def fresh(code: str) -> str:
    """What a new process prints."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


def test_nothing_heavy_is_loaded() -> None:
    loaded = fresh(f"import sys; {OURS}; print(*sys.modules)").split()
    assert "spacekey.middleware.token_middleware" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_it_works_where_only_starlette_is_installed() -> None:
    """A process in which nothing but Starlette and what Starlette needs can be imported."""
    code = f"""
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(HEAVY)!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Only())
import spacekey.middleware.testing
from spacekey.middleware import TokenMiddleware, requires
from starlette.applications import Starlette
with spacekey.middleware.testing.issue_token(scopes=["a"]) as token:
    TokenMiddleware(Starlette(), token.verifier)
print("works")
"""
    assert fresh(code) == "works"


def test_it_loads_what_starlette_loads_and_nothing_but_its_own_files_besides() -> None:
    """What keeps the import cheap, without a clock; how long it takes is measured in ``bench/``."""
    ours = set(fresh(f"import sys; {OURS}; print(*sys.modules)").split())
    starlettes = set(fresh(f"import sys; {STARLETTES}; print(*sys.modules)").split())
    besides = {name for name in ours - starlettes if name.partition(".")[0] != "spacekey"}
    assert besides <= SMALL
    assert len(ours - starlettes) <= MODULES_MAX
