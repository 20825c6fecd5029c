"""Requests to a protected app come back as numbers: over real HTTP, embedded and remote, on both databases."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from spacekey.models.engine.store import POSTGRESQL, SQLITE
from support.apps.jobs_requests import bearer
from support.people import Person
from support.processes import Running, started

SECONDS_MAX = 120.0
TOKEN = """query T($id: ID!) {
    token(id: $id) { lastUsedAt usage(days: 2) { allowed denied rateLimited } unusedScopes(days: 2) }
}"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module"),
]


def _counts(owner: Person, token_id: str) -> tuple[int, int]:
    days = owner.ask(TOKEN, id=token_id)["token"]["usage"]
    return sum(day["allowed"] for day in days), sum(day["denied"] for day in days)


def _until(owner: Person, token_id: str, wanted: tuple[int, int]) -> dict[str, Any]:
    """The token, once its counts are these; whatever else they become fails."""
    deadline = time.monotonic() + SECONDS_MAX
    while (found := _counts(owner, token_id)) != wanted:
        assert found[0] <= wanted[0] and found[1] <= wanted[1], f"{found} is more than was asked"  # noqa: PT018
        assert time.monotonic() < deadline, f"{found} and never {wanted}"
        time.sleep(0.2)
    shown: dict[str, Any] = owner.ask(TOKEN, id=token_id)["token"]
    return shown


@pytest.mark.parametrize("embedded", [False, True], ids=["remote", "embedded"])
def test_what_a_key_did_in_the_app_is_told_to_its_owner(running: Running, owner: Person, embedded: bool) -> None:
    home = running.workspace("spooled")["id"]
    own = owner.create_token(name="App", grants=["tokens:introspect"], workspaceId=home)["secret"]
    made = owner.create_token(name="Service", grants=["jobs:write", "queues:read", "dlq:write"], workspaceId=home)
    token_id, who = made["token"]["id"], bearer(made["secret"])
    remote = None if embedded else running.url
    with (
        running.installation.jobs_app(remote=remote, token=own) as url,
        httpx.Client(base_url=url, headers=who, trust_env=False, timeout=120) as client,
    ):
        assert [client.get("/queues").status_code for _ in range(3)] == [200, 200, 200]
        assert [client.get("/dlq").status_code for _ in range(2)] == [403, 403]
        assert client.get("/health").status_code == 200  # public: nobody's request
        made_job = client.post("/graphql", json={"query": "mutation { createJob { id } }"})
        assert "errors" not in made_job.json()
        denied = client.post("/graphql", json={"query": "{ jobs { id } }"})
        assert denied.json()["errors"]
        shown = _until(owner, token_id, (4, 3))
        assert shown["lastUsedAt"] is not None
        assert shown["unusedScopes"] == ["dlq:write"]
        owner.change_token("revoke", token_id)
        assert client.get("/queues").status_code == 401
    _until(owner, token_id, (4, 4))


def test_spacekeys_own_api_is_metered_too(running: Running, owner: Person) -> None:
    home = running.workspace("spooled")["id"]
    made = owner.create_token(name="Manager", grants=["tokens:read", "workspace:read", "audit:read"], workspaceId=home)
    token_id = made["token"]["id"]
    with httpx.Client(base_url=running.url, headers=bearer(made["secret"]), trust_env=False, timeout=120) as client:
        assert client.get("/api/v1/api-keys").status_code == 200
        query = {"query": "query W($id: ID!) { workspace(id: $id) { tokens(first: 1) { nodes { name } } } }"}
        assert "errors" not in client.post("/graphql", json={**query, "variables": {"id": home}}).json()
        assert client.post("/api/v1/introspect", data={"token": "x"}).status_code == 403
    assert _until(owner, token_id, (2, 1))["unusedScopes"] == ["audit:read"]


def test_a_killed_app_loses_what_was_not_flushed_and_nothing_else(
    running: Running, owner: Person, tmp_path: Path
) -> None:
    home = running.workspace("spooled")["id"]
    made = owner.create_token(name="Killed", grants=["queues:read"], workspaceId=home)
    token_id, who = made["token"]["id"], bearer(made["secret"])
    kept = tmp_path / "pid"
    jobs = shlex.join(
        [sys.executable, "-m", "spacekey.examples.jobs", "--port", "0", "--store", running.installation.database_url]
    )
    shell = ["/bin/sh", "-c", f"echo $$ > {shlex.quote(str(kept))}; exec {jobs} --timeout 20"]
    with started(shell, running.installation.environ, tmp_path, r"running on (http://\S+)") as url:
        for _ in range(5):
            assert httpx.get(f"{url}/queues", headers=who, trust_env=False, timeout=120).status_code == 200
        _until(owner, token_id, (5, 0))
        for _ in range(3):
            assert httpx.get(f"{url}/queues", headers=who, trust_env=False, timeout=120).status_code == 200
        os.kill(int(kept.read_text()), signal.SIGKILL)
    with running.installation.jobs_app() as url:
        for _ in range(2):
            assert httpx.get(f"{url}/queues", headers=who, trust_env=False, timeout=120).status_code == 200
    # What was asked after the flush is lost with the process, unless the next flush came before the kill.
    allowed, denied = _counts(owner, token_id)
    assert 5 + 2 <= allowed <= 5 + 3 + 2
    assert denied == 0
    assert owner.ask(TOKEN, id=token_id)["token"]["lastUsedAt"] is not None
