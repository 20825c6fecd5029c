"""emit, as its users live with it: keys of a space, job scopes, a worker's shorthand and preset, rotation, deletion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_ws import WebSocketDisconnect, WebSocketUpgradeError

from spacekey.examples.jobs.rules import product_files
from spacekey.models.engine.store import POSTGRESQL, SQLITE
from support.apps.jobs_requests import ALL_EMIT_SCOPES, STREAMS, allowed_of, bearer, expected
from support.databases import sqlite_database
from support.people import Person, sign_in
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation, Running
from support.web_socket import web_socket

SECONDS_MAX = 120.0

WORKER = ALL_EMIT_SCOPES - {"jobs:create"}

RECOMMENDED = {
    "Producer": {"jobs:create"},
    "Worker": WORKER,
    "Monitor": {"jobs:read"},
    "Producer + monitor": {"jobs:create", "jobs:read"},
    "Third-party client": {"jobs:read:progress"},
    "Minimal worker": {"jobs:poll", "jobs:ack", "jobs:complete", "jobs:fail"},
}
"""What each recommended use may do, written out."""


@pytest.fixture(scope="module")
def workspace_id(running: Running) -> str:
    return str(running.workspace("emit")["id"])


@pytest.fixture(scope="module")
def space_id(owner: Person, workspace_id: str) -> str:
    """A new space, made as a user makes one."""
    document = """mutation C($input: CreateSpaceInput!) {
        createSpace(input: $input) { ... on CreateSpaceSuccess { space { id slug } } }
    }"""
    values = {"workspaceId": workspace_id, "name": "Mail room", "slug": "mail-room"}
    return str(owner.ask(document, input=values)["createSpace"]["space"]["id"])


@pytest.fixture(scope="module")
def app(running: Running, owner: Person, space_id: str) -> Iterator[httpx.Client]:
    """The example app, a process of its own that asks the server about each token."""
    own = owner.create_token(name="Jobs app", grants=["tokens:introspect"], spaceId=space_id)
    with (
        running.installation.jobs_app(remote=running.url, token=own["secret"]) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        yield client


@pytest.fixture
def job(app: httpx.Client, owner: Person, space_id: str) -> str:
    """The id of a new job."""
    producer = owner.create_token(name="Producer", grants=["jobs:create"], spaceId=space_id)["secret"]
    return str(app.post("/jobs", json={"queue": "mail"}, headers=bearer(producer)).json()["id"])


async def _opened_streams(app: httpx.Client, secret: str, job: str) -> set[str]:
    """The streams a token opens; the others must answer with 403."""
    status = {}
    for path in STREAMS:
        try:
            async with web_socket(str(app.base_url.join(path.format(job=job))), headers=bearer(secret)):
                status[path] = 101
        except WebSocketUpgradeError as denied:
            status[path] = denied.response.status_code
    assert set(status.values()) <= {101, 403}
    return {path for path, answer in status.items() if answer == 101}


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_a_key_is_shown_once_and_then_masked(owner: Person, workspace_id: str, space_id: str) -> None:
    answer = owner.post(
        """mutation C($input: CreateTokenInput!) {
            createToken(input: $input) { ... on CreateTokenSuccess { token { id maskedToken } secret } }
        }""",
        input={"ownerId": space_id, "name": "Shown once", "grants": ["jobs:create"]},
    )
    made = answer.json()["data"]["createToken"]
    assert answer.headers["cache-control"] == "no-store"
    assert made["secret"].startswith("em_live_")
    assert made["token"]["maskedToken"].startswith(made["secret"][:10])
    listed = owner.post(
        "query L($id: ID!) { workspace(id: $id) { tokens(first: 100) { nodes { id prefix maskedToken grants } } } }",
        id=workspace_id,
    )
    assert made["token"]["id"] in listed.text
    assert made["secret"][12:] not in listed.text


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
@pytest.mark.parametrize("title", RECOMMENDED)
async def test_a_recommended_key_does_what_its_row_says_and_nothing_else(
    owner: Person, app: httpx.Client, space_id: str, job: str, title: str
) -> None:
    cases = owner.ask('{ product(name: "emit") { useCases { title grants preset } } }')["product"]["useCases"]
    assert [case["title"] for case in cases] == list(RECOMMENDED)
    case = next(case for case in cases if case["title"] == title)
    made = owner.create_token(name=title, grants=case["grants"], preset=case["preset"], spaceId=space_id)
    assert set(made["token"]["scopes"]) == RECOMMENDED[title]
    assert allowed_of(app, made["secret"], job) == expected(RECOMMENDED[title], "emit")
    assert await _opened_streams(app, made["secret"], job) == {
        path for path, scope in STREAMS.items() if scope in RECOMMENDED[title]
    }


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_the_worker_preset_gives_single_scopes_and_the_shorthand_stays_a_shorthand(
    owner: Person, app: httpx.Client, space_id: str
) -> None:
    preset = owner.create_token(name="By preset", preset="worker", spaceId=space_id)
    shorthand = owner.create_token(name="By shorthand", grants=["jobs:worker"], spaceId=space_id)
    assert set(preset["token"]["grants"]) == WORKER
    assert shorthand["token"]["grants"] == ["jobs:worker"]
    assert set(preset["token"]["scopes"]) == set(shorthand["token"]["scopes"]) == WORKER
    assert allowed_of(app, preset["secret"]) == allowed_of(app, shorthand["secret"])


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_write_neither_creates_nor_claims(owner: Person, app: httpx.Client, space_id: str) -> None:
    made = owner.create_token(name="Writer", grants=["jobs:write"], spaceId=space_id)
    scopes = {"jobs:ack", "jobs:progress", "jobs:event", "jobs:complete", "jobs:fail", "jobs:keepalive"}
    assert set(made["token"]["scopes"]) == scopes
    assert allowed_of(app, made["secret"]) == expected(scopes, "emit")


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_a_key_of_another_space_is_unknown_to_this_spaces_app(
    running: Running, owner: Person, app: httpx.Client
) -> None:
    other = running.workspace("emit")["spaces"][0]["id"]
    made = owner.create_token(name="Elsewhere", grants=["jobs:read"], spaceId=other)
    assert app.get("/jobs", headers=bearer(made["secret"])).status_code == 401


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_an_emit_key_belongs_to_a_space_never_to_the_workspace(owner: Person, workspace_id: str) -> None:
    refused = owner.create_token(name="No space", grants=["jobs:read"], workspaceId=workspace_id)
    assert refused["__typename"] == "InvalidInput"


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_rotation_keeps_both_keys_until_the_grace_has_ended(owner: Person, app: httpx.Client, space_id: str) -> None:
    old = owner.create_token(name="Rotated", grants=["jobs:worker"], spaceId=space_id)
    new = owner.rotate_token(old["token"]["id"], graceSeconds=3600)
    assert new["token"]["grants"] == ["jobs:worker"]
    assert new["token"]["rotatedFrom"]["id"] == old["token"]["id"]
    for secret in (old["secret"], new["secret"]):
        assert app.get("/jobs", headers=bearer(secret)).status_code == 200
    again = owner.rotate_token(old["token"]["id"])
    assert (again["__typename"], again["successorId"]) == ("Conflict", new["token"]["id"])
    assert owner.delete_token(old["token"]["id"])["__typename"] == "DeleteTokenSuccess"
    assert app.get("/jobs", headers=bearer(old["secret"])).status_code == 401
    assert app.get("/jobs", headers=bearer(new["secret"])).status_code == 200


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_rotation_without_grace_ends_the_old_key_at_once(owner: Person, app: httpx.Client, space_id: str) -> None:
    old = owner.create_token(name="Leaked", grants=["jobs:read"], spaceId=space_id)
    assert app.get("/jobs", headers=bearer(old["secret"])).status_code == 200
    new = owner.rotate_token(old["token"]["id"], graceSeconds=0)
    assert app.get("/jobs", headers=bearer(old["secret"])).status_code == 401
    assert app.get("/jobs", headers=bearer(new["secret"])).status_code == 200


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_a_deleted_key_is_refused_at_once_and_gone_from_the_list(
    owner: Person, app: httpx.Client, workspace_id: str, space_id: str
) -> None:
    made = owner.create_token(name="Unused", grants=["jobs:read"], spaceId=space_id)
    assert app.get("/jobs", headers=bearer(made["secret"])).status_code == 200
    assert owner.delete_token(made["token"]["id"])["__typename"] == "DeleteTokenSuccess"
    assert app.get("/jobs", headers=bearer(made["secret"])).status_code == 401
    assert made["token"]["id"] not in {token["id"] for token in owner.tokens(workspace_id)}


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
async def test_an_open_stream_ends_when_its_key_is_revoked(
    owner: Person, app: httpx.Client, space_id: str, job: str
) -> None:
    made = owner.create_token(name="Watcher", grants=["jobs:read:progress"], spaceId=space_id)
    url = str(app.base_url.join(f"/jobs/{job}/stream"))
    async with web_socket(url, headers=bearer(made["secret"])) as stream:
        owner.change_token("revoke", made["token"]["id"])
        with pytest.raises(WebSocketDisconnect) as closed:
            await stream.receive(timeout=SECONDS_MAX)
    assert closed.value.code == 4401


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_graphql_fields_of_the_app_obey_the_same_scopes(owner: Person, app: httpx.Client, space_id: str) -> None:
    producer = owner.create_token(name="GraphQL producer", grants=["jobs:create"], spaceId=space_id)["secret"]

    def ask(document: str) -> dict[str, Any]:
        answer: dict[str, Any] = app.post("/graphql", json={"query": document}, headers=bearer(producer)).json()
        return answer

    assert ask("mutation { createJob { status } }")["data"] == {"createJob": {"status": "pending"}}
    assert ask("{ jobs { id } }")["errors"][0]["extensions"]["missingScopes"] == ["jobs:read"]


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_using_a_key_at_the_app_shows_in_the_keys_last_use(owner: Person, app: httpx.Client, space_id: str) -> None:
    made = owner.create_token(name="Seen", grants=["jobs:read"], spaceId=space_id)
    assert made["token"]["lastUsedAt"] is None
    assert app.get("/jobs", headers=bearer(made["secret"])).status_code == 200
    deadline = time.monotonic() + SECONDS_MAX
    # Last use is collected in memory and written in batches.
    while (owner.token(made["token"]["id"]) or {})["lastUsedAt"] is None:
        assert time.monotonic() < deadline, "it was never written"
        time.sleep(0.2)


@pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module")
@pytest.mark.sampled(2)
def test_what_was_never_used_can_be_found(running: Running, owner: Person, workspace_id: str, space_id: str) -> None:
    reporter = owner.create_token(name="Reporter", grants=["tokens:introspect"], spaceId=space_id)["secret"]
    used = owner.create_token(name="Used", grants=["jobs:read", "jobs:create"], spaceId=space_id)["token"]["id"]
    never = owner.create_token(name="Never used", grants=["jobs:read"], spaceId=space_id)["token"]["id"]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    report = {"uses": [{"token_id": used, "at": now, "allowed": 3, "scopes": ["jobs:read"]}]}
    before = owner.token(used)
    assert before is not None
    assert before["lastUsedAt"] is None
    answer = httpx.post(
        f"{running.url}/api/v1/usage", json=report, headers=bearer(reporter), trust_env=False, timeout=120
    )
    assert answer.json() == {"accepted": 1}
    oldest_use_first = """query L($id: ID!) { workspace(id: $id) {
        tokens(first: 100, orderBy: { field: LAST_USED_AT, direction: ASC }) { nodes { id lastUsedAt } }
    } }"""
    listed = owner.ask(oldest_use_first, id=workspace_id)["workspace"]["tokens"]["nodes"]
    last_used = {token["id"]: token["lastUsedAt"] for token in listed}
    assert last_used[never] is None
    assert list(last_used).index(never) < list(last_used).index(used)
    shown = owner.ask("query T($id: ID!) { token(id: $id) { lastUsedAt unusedScopes } }", id=used)["token"]
    assert shown["lastUsedAt"] is not None
    assert shown["unusedScopes"] == ["jobs:create"]


# emit's shorthands expand when a request is authorized: editing the product changes keys that exist.


def _allowed(installation: Installation, app_token: str, *secrets: str) -> list[set[str]]:
    """What each key may do in the example app, with the product as it is now."""
    with (
        installation.serving() as server,
        installation.jobs_app(remote=server, token=app_token) as app,
        httpx.Client(base_url=app, trust_env=False, timeout=120) as client,
    ):
        return [allowed_of(client, secret) for secret in secrets]


@pytest.mark.long
def test_editing_the_product_changes_keys_by_shorthand_and_leaves_keys_by_preset(tmp_path: Path) -> None:
    product = tmp_path / "emit.toml"
    product.write_text(next(path for path in product_files() if path.name == "emit.toml").read_text())
    installation = Installation(sqlite_database(tmp_path, None), tmp_path, [product])
    demo = installation.command("demo")
    space_id = demo["workspaces"][0]["spaces"][0]["id"]
    with installation.serving() as server, sign_in(server, OWNER_EMAIL, OWNER_PASSWORD) as owner:
        by_shorthand = owner.create_token(name="Shorthand", grants=["jobs:worker"], spaceId=space_id)["secret"]
        by_preset = owner.create_token(name="Preset", preset="worker", spaceId=space_id)["secret"]
        app_token = owner.create_token(name="App", grants=["tokens:introspect"], spaceId=space_id)["secret"]

    before = _allowed(installation, app_token, by_shorthand, by_preset)
    assert before == [expected(WORKER, "emit")] * 2

    head, shorthand, rest = product.read_text().partition('[shorthands."jobs:worker"]')
    changed = rest.replace('"jobs:fail",', '"jobs:create",', 1)
    assert changed != rest
    product.write_text(head + shorthand + changed)

    after = _allowed(installation, app_token, by_shorthand, by_preset)
    assert after == [expected(WORKER - {"jobs:fail"} | {"jobs:create"}, "emit"), expected(WORKER, "emit")]
