"""Importing from ``spacekey`` loads what is used: Starlette, the middleware's own modules, and nothing else."""

import subprocess
import sys

import pytest

APP = "from spacekey import TokenMiddleware, any_of, optional, public, requires"
STARLETTES = (
    "import asyncio, starlette.applications, starlette.authentication, starlette.endpoints, starlette.requests, "
    "starlette.responses, starlette.routing, starlette.websockets"
)
"""And asyncio, which every server has loaded; Starlette itself loads it on some versions of Python only."""
SMALL = {"_sha2", "_sha256", "starlette.middleware.cors"}
"""Besides what Starlette loads: Python's own SHA-256, and the middleware that guards are put inside of."""
MODULES_MAX = 51
HEAVY = (
    "sqlmodel",
    "sqlalchemy",
    "strawberry",
    "graphql",
    "httpx",
    "alembic",
    "fastapi",
    "mcp",
    "pydantic",
    "redis",
    "opentelemetry",
)
UNUSED = (
    "spacekey.middleware.fastapi",
    "spacekey.middleware.graphql",
    "spacekey.middleware.limits.flood",
    "spacekey.middleware.limits.redis",
    "spacekey.middleware.mcp",
    "spacekey.middleware.observability",
    "spacekey.middleware.testing",
    "spacekey.middleware.usage.collector",
    "spacekey.middleware.verifiers.cached",
    "spacekey.middleware.verifiers.memory",
    "spacekey.middleware.verifiers.remote",
    "spacekey.middleware.verifiers.verifier_chain",
    "spacekey.models",
    "spacekey.resolvers",
    "spacekey.schema",
    "spacekey.server",
    "spacekey.verifiers",
)
"""Parts of ours that an app with routes and rules does not use."""


WITH_THE_SERVER = ["ALL", "Actor", "Keys"]
"""Public names that need more than Starlette, and say so."""


def fresh(code: str) -> str:
    """What a new process prints."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


def loaded(code: str) -> set[str]:
    """The modules that a new process has loaded after ``code``."""
    return set(fresh(f"import sys; {code}; print(*sys.modules)").split())


@pytest.mark.parametrize("code", ["import spacekey", "import spacekey; dir(spacekey)", "import spacekey.verifiers"])
def test_importing_the_package_loads_nothing(code: str) -> None:
    ours = {name for name in loaded(code) if name.partition(".")[0] in ("spacekey", "starlette", *HEAVY)}
    assert ours <= {"spacekey", "spacekey.verifiers"}


def test_importing_the_middleware_loads_what_it_uses() -> None:
    names = loaded(APP)
    assert "spacekey.middleware.token_middleware" in names
    assert [name for name in HEAVY if name in names] == []
    assert [name for name in UNUSED if name in names] == []


def test_it_works_where_only_starlette_is_installed() -> None:
    """A process in which nothing but Starlette and what Starlette needs can be imported."""
    code = f"""
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(HEAVY)!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Only())
import spacekey
import spacekey.middleware.testing
from starlette.applications import Starlette
for name in spacekey.__all__:
    if name not in {WITH_THE_SERVER!r}:
        getattr(spacekey, name)
for name in {WITH_THE_SERVER!r}:
    try:
        getattr(spacekey, name)
    except ModuleNotFoundError as error:
        assert "spacekey[server]" in str(error), error
    else:
        raise AssertionError(name)
with spacekey.middleware.testing.issue_token(scopes=["a"]) as token:
    spacekey.TokenMiddleware(Starlette(), token.verifier)
print("works")
"""
    assert fresh(code) == "works"


def test_a_verifier_without_its_packages_says_what_to_install() -> None:
    code = """
import sys
sys.modules["httpx"] = None
from spacekey.verifiers import MemoryVerifier
try:
    from spacekey.verifiers import RemoteVerifier
except ImportError as error:
    print(error)
"""
    assert "pip install 'spacekey[remote]'" in fresh(code)


def test_it_loads_what_starlette_loads_and_nothing_but_its_own_files_besides() -> None:
    """What keeps the import cheap, without a clock; how long it takes is measured in ``bench/``."""
    ours, starlettes = loaded(APP), loaded(STARLETTES)
    besides = {name for name in ours - starlettes if name.partition(".")[0] != "spacekey"}
    assert besides <= SMALL
    assert len(ours - starlettes) <= MODULES_MAX
