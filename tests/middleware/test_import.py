"""Importing the middleware loads Starlette and little else."""

import subprocess
import sys
from statistics import median

OURS = "import spacekey.middleware"
STARLETTES = (
    "import starlette.applications, starlette.authentication, starlette.endpoints, starlette.requests, "
    "starlette.responses, starlette.routing, starlette.websockets"
)
RATIO_MAX = 1.5
HEAVY = ("sqlmodel", "sqlalchemy", "strawberry", "graphql", "httpx", "alembic", "fastapi", "pydantic", "redis")


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
with spacekey.middleware.testing.tokens(scopes=["a"]) as token:
    TokenMiddleware(Starlette(), token.verifier)
print("works")
"""
    assert fresh(code) == "works"


def test_importing_takes_little_more_than_starlettes_own_parts() -> None:
    """The ratio of two imports in fresh processes, taken in turns; the median of several bears a busy machine."""
    ratios = [_microseconds(OURS) / _microseconds(STARLETTES) for _ in range(7)]
    assert median(ratios) <= RATIO_MAX


def _microseconds(imports: str) -> float:
    timed = f"import time; before = time.process_time(); {imports}; print(time.process_time() - before)"
    return float(fresh(timed))
