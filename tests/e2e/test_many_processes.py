"""Two servers and two apps on one PostgreSQL and one Redis: what one of them answers holds in all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.apps.jobs_requests import bearer
from support.people import Person, sign_in
from support.processes import OWNER_EMAIL, OWNER_PASSWORD
from support.programs.fleet import Fleet
from support.programs.waiting import until

pytestmark = pytest.mark.long

Change = Callable[[Fleet, str], Any]
ENDS: dict[str, tuple[Change, int]] = {
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


def _set_role(fleet: Fleet, grants: list[str]) -> None:
    fields = "SetRoleSuccess { workspace { id } }"
    fleet.at_b.change("setRole", "SetRoleInput", fields, workspaceId=fleet.home, name="member", grants=grants)


NARROWED: dict[str, tuple[Callable[[Fleet], Any], Callable[[Fleet], Any], int]] = {
    "plan": (lambda fleet: fleet.update_home(plan="lapsed"), lambda fleet: fleet.update_home(plan="free"), 403),
    "policy": (
        lambda fleet: fleet.update_home(policy={"scopesAllowed": ["jobs:read"]}),
        lambda fleet: fleet.update_home(policy={"scopesAllowed": None}),
        403,
    ),
    "role": (
        lambda fleet: _set_role(fleet, ["jobs:read"]),
        lambda fleet: _set_role(fleet, ["jobs:read", "queues:read"]),
        403,
    ),
    "suspension": (
        lambda fleet: fleet.installation.command("workspace", "suspend", fleet.slug, "--yes"),
        lambda fleet: fleet.installation.command("workspace", "resume", fleet.slug),
        401,
    ),
}
"""What takes access away from tokens that nobody touched, what gives it back, and the answer between. Suspending is
the operator's alone, on the command line: a process of a third kind."""


@pytest.mark.parametrize("what", NARROWED)
def test_a_workspace_that_may_less_has_tokens_that_may_less_in_every_app_at_once(fleet: Fleet, what: str) -> None:
    narrow, widen, status = NARROWED[what]
    _, secret = fleet.token("member")
    assert fleet.statuses(secret) == {200}
    narrow(fleet)
    try:
        assert fleet.statuses(secret) == {status}
    finally:
        widen(fleet)
    until(lambda: fleet.statuses(secret) == {200})


def test_a_member_demoted_at_one_server_makes_no_token_at_the_other(fleet: Fleet) -> None:
    user_id, admin = fleet.member("admin")
    make = {"name": "Theirs", "grants": ["queues:read"]}
    document = "mutation M($input: CreateTokenInput!) { createToken(input: $input) { __typename } }"
    with admin:
        assert admin.create_token(**make, workspaceId=fleet.home)["__typename"] == "CreateTokenSuccess"
        fields, role = (
            "ChangeMemberRoleSuccess { effectiveAt }",
            {"workspaceId": fleet.home, "userId": user_id, "role": "member"},
        )
        demoted = fleet.at_b.change("changeMemberRole", "ChangeMemberRoleInput", fields, **role)
        assert demoted["__typename"] == "ChangeMemberRoleSuccess"
        assert (
            admin.post(document, input={**make, "ownerId": fleet.home}).json()["errors"][0]["extensions"]["code"]
            == "INSUFFICIENT_SCOPE"
        )


def test_a_session_from_one_server_is_good_at_the_other_until_it_ends_at_either(fleet: Fleet) -> None:
    mine = "{ workspaces { nodes { id } } }"
    with sign_in(fleet.a, OWNER_EMAIL, OWNER_PASSWORD) as here, Person(fleet.b, here.session) as there:
        assert there.ask(mine) == here.ask(mine)
        there.ask("mutation { signOut { __typename } }")
        again = here.post(mine).json()
        assert again["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_an_app_with_the_operators_credential_serves_keys_of_every_workspace_of_its_product(fleet: Fleet) -> None:
    """Of emit's. A key of another product is unknown to it."""
    keys = [_key_of_a_new_emit_workspace(fleet, slug) for slug in ("first-tenant", "second-tenant")]
    _, foreign = fleet.token("jobs:read")
    with (
        fleet.installation.jobs_app(remote=fleet.b, token=fleet.credentials["emit"]) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        for _, secret in keys:
            assert client.post("/jobs", json={"queue": "mail"}, headers=bearer(secret)).status_code == 201
        assert [len(client.get("/jobs", headers=bearer(secret)).json()) for _, secret in keys] == [1, 1]
        assert client.get("/jobs", headers=bearer(foreign)).status_code == 401
        fleet.at_a.change_token("revoke", keys[0][0])
        assert [client.get("/jobs", headers=bearer(secret)).status_code for _, secret in keys] == [401, 200]


def _key_of_a_new_emit_workspace(fleet: Fleet, slug: str) -> tuple[str, str]:
    names = {"name": slug, "slug": slug}
    fields = "CreateWorkspaceSuccess { workspace { id } }"
    home = fleet.at_a.change("createWorkspace", "CreateWorkspaceInput", fields, **names, product="emit")["workspace"]
    fields = "CreateSpaceSuccess { space { id } }"
    space = fleet.at_a.change("createSpace", "CreateSpaceInput", fields, **names, workspaceId=home["id"])["space"]
    made = fleet.at_a.create_token(name="Producer", grants=["jobs:create", "jobs:read"], spaceId=space["id"])
    return made["token"]["id"], made["secret"]
