"""spooled's Free plan, 100 a minute and a burst of 20, over real HTTP: the example app and Spacekey's own API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.apps.jobs_requests import bearer
from support.people import Person
from support.processes import Running
from support.redis_server import RedisServer

pytestmark = pytest.mark.long

BURST = 20
INTERVAL_SECONDS = 0.6
SETTLED_SECONDS = 15.0
REQUESTS_MAX = 400


@pytest.fixture(scope="module")
def workspace_id(running: Running) -> str:
    return str(running.workspace("spooled")["id"])


@pytest.fixture(params=["memory", "redis", "fastapi"])
def app(request: pytest.FixtureRequest, running: Running, owner: Person, workspace_id: str) -> Iterator[httpx.Client]:
    """The example app, with limits."""
    made = owner.create_token(name="The app's own", grants=["tokens:introspect"], workspaceId=workspace_id)
    with ExitStack() as stack:
        limits = "memory"
        if request.param == "redis":
            server = RedisServer()
            stack.callback(server.remove)
            server.start()
            server.wait_until_it_has_run_for(SETTLED_SECONDS)  # so that what was before it started is past
            limits = server.url
        app = running.installation.jobs_app(
            remote=running.url, token=str(made["secret"]), limits=limits, fastapi=request.param == "fastapi"
        )
        with httpx.Client(base_url=stack.enter_context(app), trust_env=False, timeout=120) as client:
            yield client


def _until_limited(ask: Callable[[], httpx.Response]) -> tuple[int, float, httpx.Response]:
    """How many were admitted in how many seconds, and the first refusal."""
    started = time.monotonic()
    for admitted in range(REQUESTS_MAX):
        answer = ask()
        if answer.status_code == 429:
            return admitted, time.monotonic() - started, answer
        assert answer.status_code == 200, answer.text
        assert answer.headers["ratelimit-policy"] == '"default";q=100;w=60;spacekey-burst=20'
    raise AssertionError("nobody was limited")


def _assert_limited(admitted: int, seconds: float, refused: httpx.Response, pauses: bool = False) -> None:
    """Within the limit; where Redis may keep the app waiting on a busy machine, its share may come on top."""
    assert BURST <= admitted <= (BURST + seconds / INTERVAL_SECONDS) * (2 if pauses else 1)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"] == '"default";r=0;t=1'
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert refused.json()["code"] == "rate_limited"


def test_a_free_key_is_limited_in_an_app_and_admitted_again_when_told_to(
    app: httpx.Client, owner: Person, workspace_id: str, request: pytest.FixtureRequest
) -> None:
    made, other = (
        owner.create_token(name=name, grants=["jobs:read"], workspaceId=workspace_id)["secret"] for name in "ab"
    )
    pauses = "redis" in request.node.callspec.id
    _assert_limited(*_until_limited(lambda: app.get("/jobs", headers=bearer(made))), pauses)
    assert app.get("/jobs", headers=bearer(other)).status_code == 200
    time.sleep(1)  # what Retry-After said
    assert app.get("/jobs", headers=bearer(made)).status_code == 200


def test_spacekeys_own_api_has_a_limit_of_its_own(running: Running, owner: Person, workspace_id: str) -> None:
    made = owner.create_token(name="Busy", grants=["tokens:read"], workspaceId=workspace_id)["secret"]
    with httpx.Client(base_url=running.url, headers=bearer(made), trust_env=False, timeout=120) as client:
        for _ in range(BURST + 5):
            answer = client.get("/api/v1/api-keys")
            assert answer.status_code == 200, answer.text
            assert answer.headers["ratelimit-policy"] == '"default";q=600;w=60;spacekey-burst=100'
    metrics = httpx.get(f"{running.url}/metrics", trust_env=False).text
    assert 'spacekey_limit_decisions_total{decision="limited"} 0' in metrics
    assert "spacekey_limits_fallback 0" in metrics


def test_introspection_is_not_limited_by_the_plan_of_the_app_that_asks(
    running: Running, owner: Person, workspace_id: str
) -> None:
    made = owner.create_token(name="Asker", grants=["tokens:introspect"], workspaceId=workspace_id)["secret"]
    with httpx.Client(base_url=running.url, headers=bearer(made), trust_env=False, timeout=120) as client:
        answers = [client.post("/api/v1/introspect", data={"token": made}) for _ in range(3 * BURST)]
    assert {(answer.status_code, answer.json()["active"]) for answer in answers} == {(200, True)}
    assert answers[-1].json()["rate_limit"] == {"per_minute": 100, "burst": BURST}


def test_a_flood_of_made_up_secrets_is_cut_off_and_honest_work_goes_on(
    running: Running, owner: Person, workspace_id: str
) -> None:
    """From the very same address. The app that asks about made-up secrets by introspection is no flood of its own."""
    made = owner.create_token(name="Honest", grants=["tokens:introspect"], workspaceId=workspace_id)["secret"]
    with httpx.Client(base_url=running.url, trust_env=False, timeout=120) as client:
        assert client.post("/api/v1/introspect", data={"token": made}, headers=bearer(made)).json()["active"]
        answers = [client.get("/api/v1/self", headers=bearer(f"sp_live_{number}")) for number in range(200)]
        assert {answer.status_code for answer in answers} == {401, 429}
        assert answers[-1].status_code == 429
        assert answers[-1].json()["code"] == "too_many_refusals"
        assert int(answers[-1].headers["retry-after"]) >= 1
        for number in range(60):
            answer = client.post("/api/v1/introspect", data={"token": f"sp_live_{number}"}, headers=bearer(made))
            assert (answer.status_code, answer.json()) == (200, {"active": False})
