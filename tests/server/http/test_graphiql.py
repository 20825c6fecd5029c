"""GraphiQL is nowhere unless it was asked for, and then pinned, under a policy of its own that reaches no further."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import httpx

from spacekey.server.app import build_app
from spacekey.server.settings import Settings


def client(tmp_path: Path, *, graphiql: bool) -> httpx.AsyncClient:
    app = build_app(Settings(database_url=f"sqlite:///{tmp_path}/x.db", graphiql=graphiql))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    """The policy's sources by directive."""
    parts = [part.split() for part in answer.headers["content-security-policy"].split("; ")]
    return {name: sources for name, *sources in parts}


async def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    assert not Settings().graphiql
    async with client(tmp_path, graphiql=False) as asking:
        assert (await asking.get("/graphiql")).status_code == 404
        assert "graphiql" not in (await asking.get("/")).text


async def test_the_dashboard_links_to_it_and_stays_as_strict(tmp_path: Path) -> None:
    async with client(tmp_path, graphiql=False) as asking:
        without = await asking.get("/")
    async with client(tmp_path, graphiql=True) as asking:
        page = await asking.get("/")
    assert '<meta name="graphiql" content="enabled">' in page.text
    assert policy_of(page) == policy_of(without)


async def test_what_it_loads_is_pinned_and_nothing_else_is_allowed(tmp_path: Path) -> None:
    async with client(tmp_path, graphiql=True) as asking:
        page = await asking.get("/graphiql")
    assert page.status_code == 200
    policy = policy_of(page)
    loaded = re.findall(r'<script crossorigin src="([^"]+)" integrity="sha384-[\w+/]{64}"></script>', page.text)
    (inline,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    assert policy["script-src"] == [f"'sha256-{digest}'", *loaded]
    assert page.text.count("<script") == len(loaded) + 1
    assert all(re.fullmatch(r"https://unpkg\.com/[\w-]+@\d+\.\d+\.\d+/[\w./-]+\.js", one) for one in loaded)
    assert policy["connect-src"] == ["'self'"]
    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"]
