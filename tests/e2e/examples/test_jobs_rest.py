"""Every REST request of the example app, in both frameworks, with every scope alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from spacekey.examples.jobs import fastapi_app, starlette_app
from spacekey.verifiers import MemoryVerifier
from support.apps.jobs_requests import ALL_EMIT_SCOPES, ALL_SPOOLED_PERMISSIONS, ASKS, GOES_THROUGH, bearer

pytestmark = pytest.mark.sampled(2)

MakeApp = Callable[[MemoryVerifier], Starlette]

both = pytest.mark.parametrize("make_app", [starlette_app.make_app, fastapi_app.make_app], ids=["starlette", "fastapi"])


@asynccontextmanager
async def client_of(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


@both
@pytest.mark.parametrize(
    ("product", "scope"),
    [("emit", scope) for scope in sorted(ALL_EMIT_SCOPES)]
    + [("spooled", scope) for scope in sorted(ALL_SPOOLED_PERMISSIONS)],
)
async def test_a_scope_alone_opens_what_it_names_and_nothing_else(make_app: MakeApp, product: str, scope: str) -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue(scope, space_id="space_1").reveal()
    async with client_of(make_app(verifier)) as client:
        opened = set()
        for ask in ASKS:
            path = ask.path.format(job="unknown")
            answer = await client.request(ask.method, path, json=ask.body, headers=bearer(secret))
            assert answer.status_code in {403, *GOES_THROUGH}, (ask.name, answer.text)
            if answer.status_code != 403:
                opened.add(ask.name)
    # A scope of one product opens what the other product gives the same name to: jobs:read reads in both.
    assert opened == {ask.name for ask in ASKS if scope in (ask.emit, ask.spooled)}, product


@both
async def test_a_job_lives_from_creation_to_the_dead_letter_queue_and_back(make_app: MakeApp) -> None:
    verifier = MemoryVerifier()
    everything = verifier.issue(*ALL_EMIT_SCOPES, *ALL_SPOOLED_PERMISSIONS, space_id="space_1").reveal()
    async with client_of(make_app(verifier)) as client:
        client.headers.update(bearer(everything))
        job = (await client.post("/jobs", json={"queue": "mail", "payload": {"to": "ada"}})).json()
        assert (await client.post("/jobs/poll", json={"queue": "mail"})).json()["id"] == job["id"]
        assert (await client.post("/jobs/poll", json={"queue": "mail"})).status_code == 204
        assert (await client.post(f"/jobs/{job['id']}/ack")).json()["status"] == "running"
        assert (await client.post(f"/jobs/{job['id']}/progress", json={"percent": 50})).json()["progress"] == 50
        assert (await client.post(f"/jobs/{job['id']}/keepalive")).status_code == 200
        assert (await client.post(f"/jobs/{job['id']}/fail")).json()["status"] == "failed"
        assert (await client.post(f"/jobs/{job['id']}/complete")).status_code == 409
        assert [dead["id"] for dead in (await client.get("/dlq")).json()] == [job["id"]]
        assert (await client.post(f"/dlq/{job['id']}/retry")).json()["status"] == "pending"
        assert (await client.post("/queues/mail/pause")).json() == {"mail": True}
        assert (await client.post("/jobs/poll", json={"queue": "mail"})).status_code == 204
        assert (await client.post("/queues/mail/resume")).json() == {"mail": False}
        assert (await client.post(f"/jobs/{job['id']}/complete")).json()["status"] == "completed"
        assert (await client.get(f"/jobs/{job['id']}/events")).json() == [
            "created",
            "claimed",
            "acknowledged",
            "progress 50",
            "failed",
            "retried",
            "completed",
        ]


@both
async def test_jobs_of_one_space_are_unknown_in_another(make_app: MakeApp) -> None:
    verifier = MemoryVerifier()
    one = bearer(verifier.issue("jobs:create", "jobs:read", space_id="space_1").reveal())
    two = bearer(verifier.issue("jobs:create", "jobs:read", space_id="space_2").reveal())
    async with client_of(make_app(verifier)) as client:
        job = (await client.post("/jobs", json={}, headers=one)).json()["id"]
        assert (await client.get(f"/jobs/{job}", headers=one)).status_code == 200
        assert (await client.get(f"/jobs/{job}", headers=two)).status_code == 404
        assert (await client.get("/jobs", headers=two)).json() == []
        assert len((await client.get("/spaces/space_1/jobs", headers=one)).json()) == 1
        assert (await client.get("/spaces/space_1/jobs", headers=two)).status_code == 403


@both
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/jobs/unknown/ack", None),
        ("POST", "/jobs/unknown/progress", {"percent": 101}),
        ("POST", "/jobs/unknown/progress", {"percent": "many"}),
        ("POST", "/dlq/unknown/retry", None),
    ],
)
async def test_what_the_board_refuses_is_a_4xx(
    make_app: MakeApp, method: str, path: str, body: dict[str, object] | None
) -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue(*ALL_EMIT_SCOPES, *ALL_SPOOLED_PERMISSIONS, space_id="space_1").reveal()
    async with client_of(make_app(verifier)) as client:
        answer = await client.request(method, path, json=body, headers=bearer(secret))
    assert answer.status_code in {404, 409, 422}


async def test_a_body_that_is_no_json_object_is_refused() -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:create").reveal()
    async with client_of(starlette_app.make_app(verifier)) as client:
        for content in ("{", "[]"):
            answer = await client.post("/jobs", content=content, headers=bearer(secret))
            assert answer.status_code == 409


@both
async def test_an_outage_is_503_and_public_routes_stay_open(make_app: MakeApp) -> None:
    verifier = MemoryVerifier()
    secret = verifier.issue("jobs:read").reveal()
    verifier.outage = "the store is down"
    async with client_of(make_app(verifier)) as client:
        answer = await client.get("/jobs", headers=bearer(secret))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert (await client.get("/health", headers=bearer(secret))).status_code == 200


async def test_the_openapi_document_names_the_scopes() -> None:
    async with client_of(fastapi_app.make_app(MemoryVerifier())) as client:
        document = (await client.get("/openapi.json")).json()
    shown = document["paths"]["/jobs/{job_id}/ack"]["post"]["security"]
    assert shown == [{"Spacekey": ["jobs:ack"]}]
