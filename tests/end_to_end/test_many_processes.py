"""Two servers and two apps on one PostgreSQL: what one of them answers holds in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from spacekey.models.store import POSTGRESQL
from support.jobs_requests import bearer
from support.people import Person, sign_in
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation

pytestmark = pytest.mark.parametrize("installation", [POSTGRESQL], indirect=True, scope="module")


@dataclass(frozen=True)
class Fleet:
    """Servers A and B, an app on the database and one that asks server A, and somebody signed in at A."""

    installation: Installation
    a: str
    b: str
    apps: tuple[httpx.Client, ...]
    at_a: Person
    at_b: Person
    home: str

    def token(self, *grants: str) -> tuple[str, str]:
        """A new token, made at A: id and secret."""
        made = self.at_a.create_token(name="Service", grants=list(grants), workspaceId=self.home)
        return made["token"]["id"], made["secret"]

    def statuses(self, secret: str) -> set[int]:
        """What the apps say to the token, each asked three times, so that warm answers are among them."""
        return {app.get("/queues", headers=bearer(secret)).status_code for app in self.apps for _ in range(3)}


@pytest.fixture(scope="module")
def fleet(installation: Installation) -> Iterator[Fleet]:
    """Everything running, each in a process of its own."""
    demo = installation.command("demo")
    home = next(one["id"] for one in demo["workspaces"] if one["catalog"] == "spooled")
    with ExitStack() as stack:
        a, b = stack.enter_context(installation.serving()), stack.enter_context(installation.serving())
        at_a = stack.enter_context(sign_in(a, OWNER_EMAIL, OWNER_PASSWORD))
        at_b = stack.enter_context(Person(b, at_a.session))
        own = at_a.create_token(name="App", grants=["tokens:introspect"], workspaceId=home)["secret"]
        addresses = (
            stack.enter_context(installation.jobs_app()),
            stack.enter_context(installation.jobs_app(remote=a, token=own)),
        )
        apps = tuple(stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30)) for url in addresses)
        yield Fleet(installation, a, b, apps, at_a, at_b, home)


End = Callable[[Fleet, str], Any]
ENDS: dict[str, tuple[End, int]] = {
    "revoke": (lambda fleet, token: fleet.at_b.change_token("revoke", token), 401),
    "disable": (lambda fleet, token: fleet.at_b.change_token("disable", token), 401),
    "delete": (lambda fleet, token: fleet.at_b.delete_token(token), 401),
    "fewer grants": (lambda fleet, token: fleet.at_b.change_token("update", token, grants=["jobs:read"]), 403),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_is_made_at_one_server_and_ended_at_the_other_is_refused_by_every_app_at_once(
    fleet: Fleet, end: str
) -> None:
    token_id, secret = fleet.token("queues:read")
    assert fleet.statuses(secret) == {200}
    change, status = ENDS[end]
    change(fleet, token_id)
    assert fleet.statuses(secret) == {status}
