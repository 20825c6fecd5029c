"""The example app in both frameworks, against a remote server and against the server's own database."""

from __future__ import annotations

import sys

import httpx
import pytest

from spacekey.models.engine.store import POSTGRESQL, SQLITE
from support.apps.jobs_requests import allowed_of, bearer, expected
from support.people import Person
from support.processes import Running

pytestmark = [
    pytest.mark.parametrize("installation", [SQLITE, POSTGRESQL], indirect=True, scope="module"),
    pytest.mark.sampled(4),
]


@pytest.mark.parametrize("fastapi", [False, True], ids=["starlette", "fastapi"])
@pytest.mark.parametrize("embedded", [False, True], ids=["remote", "embedded"])
def test_a_key_does_what_it_may_until_it_is_revoked(
    running: Running, owner: Person, fastapi: bool, embedded: bool
) -> None:
    home = running.workspace("spooled")["id"]
    own = owner.create_token(name="App", grants=["tokens:introspect"], workspaceId=home)["secret"]
    made = owner.create_token(name="Service", grants=["jobs:write", "queues:read"], workspaceId=home)
    remote = None if embedded else running.url
    with (
        running.installation.jobs_app(remote=remote, token=own, fastapi=fastapi) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        assert allowed_of(client, made["secret"]) == expected({"jobs:write", "queues:read"}, "spooled")
        owner.change_token("update", made["token"]["id"], grants=["queues:read"])
        assert allowed_of(client, made["secret"]) == expected({"queues:read"}, "spooled")
        owner.change_token("revoke", made["token"]["id"])
        assert client.get("/queues", headers=bearer(made["secret"])).status_code == 401


def test_an_app_whose_server_is_gone_answers_503_and_never_401(running: Running, owner: Person) -> None:
    home = running.workspace("spooled")["id"]
    made = owner.create_token(name="Service", grants=["queues:read", "tokens:introspect"], workspaceId=home)["secret"]
    nobody = "http://127.0.0.1:9"
    with running.installation.jobs_app(remote=nobody, token=made) as url:
        answer = httpx.get(f"{url}/queues", headers=bearer(made), trust_env=False, timeout=120)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
def test_the_app_listens_where_it_is_told_to(running: Running) -> None:
    with running.installation.jobs_app(host="127.0.0.2") as url:
        assert url.startswith("http://127.0.0.2:")
        with pytest.raises(httpx.ConnectError):
            httpx.get(url.replace("127.0.0.2", "127.0.0.1"), trust_env=False)
