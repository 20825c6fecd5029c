"""An existing server takes Spacekey in with the lines that the docs mark, and works without them as before."""

from __future__ import annotations

import runpy
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from spacekey.middleware.testing import issue_token
from support.apps.notes import HEADERS, RULES, modern, modern_headers, notes_server
from support.pages import ROOT, blocks_of
from support.running_app import running

pytest.importorskip("mcp")

from spacekey.middleware.mcp import protect_mcp, resource_metadata
from spacekey.verifiers import MemoryVerifier

LINES_MAX = 5
MARK = "# added"


def listed(url: str, headers: dict[str, str]) -> tuple[int, list[str]]:
    """The status and the tools of a list."""
    sent = HEADERS | modern_headers("tools/list") | headers
    answer = httpx2.post(f"{url}/mcp", json=modern("tools/list"), headers=sent, trust_env=False)
    return answer.status_code, [one["name"] for one in answer.json().get("result", {}).get("tools", [])]


def test_five_lines_protect_the_server_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = blocks_of(ROOT / "docs" / "how-to" / "protect-mcp.md")[0].text
    lines = first.splitlines()
    assert 0 < sum(line.endswith(MARK) for line in lines) <= LINES_MAX
    monkeypatch.chdir(ROOT)
    for name, kept in (("before", [line for line in lines if not line.endswith(MARK)]), ("after", lines)):
        (tmp_path / f"{name}.py").write_text("\n".join(kept))
    before: Any = runpy.run_path(str(tmp_path / "before.py"))
    with running(before["app"]) as url:
        assert listed(url, {}) == (200, ["list_jobs", "purge_failed_jobs"])
    after: Any = runpy.run_path(str(tmp_path / "after.py"))
    with issue_token(after["app"], scopes=["jobs:read"]) as token, running(after["app"]) as url:
        assert listed(url, {}) == (401, [])
        assert listed(url, token.headers) == (200, ["list_jobs"])


def test_it_can_be_mounted_in_an_app_that_exists() -> None:
    mcp, verifier = notes_server([]), MemoryVerifier()
    resource = "https://api.example.com/tools/mcp"
    guarded = protect_mcp(mcp.streamable_http_app(), mcp, verifier=verifier, resource=resource, **RULES)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> Any:
        async with mcp.session_manager.run():
            yield

    async def home(_request: Any) -> JSONResponse:
        return JSONResponse("as before")

    routes = [Route("/", home), resource_metadata(resource), Mount("/tools", app=guarded)]
    with running(Starlette(routes=routes, lifespan=lifespan)) as url:
        token = {"Authorization": f"Bearer {verifier.issue('notes:read').reveal()}"}
        assert listed(f"{url}/tools", {}) == (401, [])
        assert listed(f"{url}/tools", token) == (200, ["read_note"])
        assert httpx2.get(url, trust_env=False).json() == "as before"
        metadata = f"{url}/.well-known/oauth-protected-resource/tools/mcp"
        assert httpx2.get(metadata, trust_env=False).json()["resource"] == resource
