"""teamspace, as its users live with it: roles, who may manage tokens, tokens that stand in for a password."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from spacekey.domain.product import Product
from spacekey.domain.product_file import load_product
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.settings import packaged_products
from support.apps.every_scope import PATIENCE_SECONDS, every_scope_app, opened_by
from support.apps.jobs_requests import bearer
from support.people import Person, accept_invitation
from support.processes import OWNER_EMAIL, Running
from support.running_app import running as running_app

pytestmark = pytest.mark.sampled(3)

ACTIONS = ("view", "create", "edit", "disable", "enable", "delete")

MAY = {
    "owner": set(ACTIONS),
    "administrator": set(ACTIONS),
    "manager": {"view", "create", "edit"},
    "member": {"view"},
    "viewer": {"view"},
}
"""Who may manage tokens, by the member's role, written out."""


@pytest.fixture(scope="module")
def workspace_id(running: Running) -> str:
    return str(running.workspace("teamspace")["id"])


@pytest.fixture(scope="module")
def people(running: Running, owner: Person, workspace_id: str) -> Iterator[dict[str, Person]]:
    """A member of each role, invited by the owner and signed in."""
    found = {"owner": owner}
    for role in MAY.keys() - {"owner"}:
        added = owner.change(
            "addMember",
            "AddMemberInput",
            "AddMemberSuccess { invitationCode }",
            workspaceId=workspace_id,
            email=f"{role}@example.com",
            role=role,
        )
        found[role] = accept_invitation(running.url, added["invitationCode"], f"seven {role} boats on a lake")
    yield found
    for role in MAY.keys() - {"owner"}:
        found[role].client.close()


@pytest.fixture(scope="module")
def product() -> Product:
    return load_product(next(path for path in packaged_products() if path.name == "teamspace.toml"))


@pytest.fixture(scope="module")
def app(running: Running, owner: Person, workspace_id: str, product: Product) -> Iterator[httpx.Client]:
    """An app with a route for each scope, which asks the server about each token."""
    role = {"workspaceId": workspace_id, "name": "app", "grants": ["tokens:introspect"]}
    owner.change("setRole", "SetRoleInput", "SetRoleSuccess { effectiveAt }", **role)
    own = owner.create_token(name="App", grants=["app"], workspaceId=workspace_id)["secret"]
    with (
        running_app(every_scope_app(product, RemoteVerifier(running.url, own, timeout=PATIENCE_SECONDS))) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        yield client


@pytest.fixture
def token(owner: Person, workspace_id: str) -> dict[str, Any]:
    """A token with the viewer role."""
    return owner.create_token(name="Nightly report", grants=["viewer"], workspaceId=workspace_id)


def _attempt(person: Person, action: str, token_id: str, workspace_id: str) -> httpx.Response:
    """One of the six actions, as the dashboard asks for it."""
    if action == "view":
        return person.post(
            "query V($id: ID!) { workspace(id: $id) { tokens(first: 100) { nodes { id status } } } }", id=workspace_id
        )
    if action == "create":
        return person.post(
            """mutation C($input: CreateTokenInput!) {
                createToken(input: $input) { __typename ... on CreateTokenSuccess { token { id } } }
            }""",
            input={"ownerId": workspace_id, "name": "Made by a member", "grants": ["viewer"]},
        )
    mutation, type_name = {
        "edit": ("updateToken", "UpdateTokenInput"),
        "disable": ("disableToken", "DisableTokenInput"),
        "enable": ("enableToken", "EnableTokenInput"),
        "delete": ("deleteToken", "DeleteTokenInput"),
    }[action]
    values = {"id": token_id, **({"name": "Edited"} if action == "edit" else {})}
    document = f"mutation M($input: {type_name}!) {{ {mutation}(input: $input) {{ __typename }} }}"
    return person.post(document, input=values)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", MAY)
def test_a_member_manages_tokens_as_far_as_their_role_goes(
    people: dict[str, Person], workspace_id: str, token: dict[str, Any], role: str, action: str
) -> None:
    owner, token_id = people["owner"], token["token"]["id"]
    if action == "enable":
        owner.change_token("disable", token_id)
    before = owner.token(token_id)
    answer = _attempt(people[role], action, token_id, workspace_id)
    result = answer.json()
    if action not in MAY[role]:
        assert {error["extensions"]["code"] for error in result["errors"]} == {"INSUFFICIENT_SCOPE"}
        assert owner.token(token_id) == before
        return
    assert "errors" not in result, result
    if action == "view":
        assert token_id in answer.text
        return
    if action == "create":
        assert owner.token(result["data"]["createToken"]["token"]["id"]) is not None
        return
    assert result["data"].popitem()[1]["__typename"] == {"edit": "UpdateTokenSuccess"}.get(
        action, f"{action.capitalize()}TokenSuccess"
    )
    after = owner.token(token_id)
    expected = {"edit": "Edited", "disable": "DISABLED", "enable": "ACTIVE", "delete": None}[action]
    shown = None if after is None else after["name" if action == "edit" else "status"]
    assert shown == expected


def test_a_token_shows_its_first_ten_characters_its_role_and_who_made_it(
    people: dict[str, Person], workspace_id: str
) -> None:
    made = people["administrator"].create_token(name="CI", grants=["member"], workspaceId=workspace_id)
    token = made["token"]
    assert made["secret"].startswith("ts_live_")
    assert token["maskedToken"][:10] == made["secret"][:10]
    assert made["secret"][10] not in set(token["maskedToken"][10:])
    assert token["displayId"] == f"administrator@example.com_{token['id']}"
    assert (token["createdBy"]["name"], token["createdBy"]["unproven"]) == ("administrator@example.com", True)
    assert token["role"] == "member"
    assert token["expiresAt"] is None
    assert token["lastUsedAt"] is None
    assert token["status"] == "ACTIVE"


@pytest.mark.parametrize("role", MAY)
def test_a_token_with_a_role_opens_what_the_role_grants(
    owner: Person, app: httpx.Client, workspace_id: str, product: Product, role: str
) -> None:
    made = owner.create_token(name=role, grants=[role], workspaceId=workspace_id)
    granted = set(product.roles[role].grants) if role != "owner" else set(product.known_scopes)
    assert opened_by(app, product, made["secret"]) == granted


def test_a_changed_role_changes_tokens_that_exist_at_once(
    owner: Person, app: httpx.Client, workspace_id: str, product: Product
) -> None:
    made = owner.create_token(name="By role", grants=["member"], workspaceId=workspace_id)
    before = set(product.roles["member"].grants)
    assert opened_by(app, product, made["secret"]) == before

    def configure(grants: list[str]) -> None:
        fields = "SetRoleSuccess { effectiveAt }"
        values = {"workspaceId": workspace_id, "name": "member", "grants": grants}
        assert owner.change("setRole", "SetRoleInput", fields, **values)["__typename"] == "SetRoleSuccess"

    try:
        configure(["documents:read"])
        assert opened_by(app, product, made["secret"]) == {"documents:read"}
        shown = owner.token(made["token"]["id"])
        assert shown is not None
        assert (shown["grants"], shown["scopes"]) == (["member"], ["documents:read"])
    finally:
        configure(sorted(before))
    assert opened_by(app, product, made["secret"]) == before


def test_a_disabled_token_is_refused_until_it_is_enabled(
    owner: Person, app: httpx.Client, token: dict[str, Any]
) -> None:
    token_id, headers = token["token"]["id"], bearer(token["secret"])
    assert app.get("/", headers=headers).status_code == 200
    owner.change_token("disable", token_id)
    assert app.get("/", headers=headers).status_code == 401
    owner.change_token("enable", token_id)
    assert app.get("/", headers=headers).status_code == 200
    assert owner.delete_token(token_id)["__typename"] == "DeleteTokenSuccess"
    assert app.get("/", headers=headers).status_code == 401


def test_an_edited_role_is_the_tokens_role_at_once(
    owner: Person, app: httpx.Client, token: dict[str, Any], product: Product
) -> None:
    owner.change_token("update", token["token"]["id"], grants=["member"])
    assert opened_by(app, product, token["secret"]) == set(product.roles["member"].grants)
    owner.change_token("update", token["token"]["id"], grants=["viewer"])
    assert opened_by(app, product, token["secret"]) == set(product.roles["viewer"].grants)


def test_a_token_signs_nobody_in(running: Running, owner: Person, workspace_id: str) -> None:
    secret = owner.create_token(name="Strong", grants=["owner"], workspaceId=workspace_id)["secret"]
    sign_in = """mutation S($input: SignInInput!) {
        signIn(input: $input) { __typename ... on UserError { message } }
    }"""
    body = {"query": sign_in, "variables": {"input": {"email": OWNER_EMAIL, "password": secret}}}
    answer = httpx.post(f"{running.url}/graphql", json=body, trust_env=False, timeout=120)
    assert answer.json()["data"]["signIn"] == {
        "__typename": "InvalidInput",
        "message": "password: This is an API token. Tokens are for programs and cannot sign in.",
    }
    assert "set-cookie" not in answer.headers
    with Person(running.url, secret) as with_token_as_cookie:
        assert with_token_as_cookie.ask("{ me { kind } }")["me"] is None
    body = {"query": "{ me { kind user { id } } }"}
    me = httpx.post(f"{running.url}/graphql", json=body, headers=bearer(secret), trust_env=False, timeout=120)
    assert me.json()["data"]["me"] == {"kind": "WORKSPACE", "user": None}
    assert "set-cookie" not in me.headers
    both = {**bearer(secret), "Cookie": f"{COOKIE}={'a' * 43}"}
    assert httpx.post(f"{running.url}/graphql", json=body, headers=both, trust_env=False).status_code == 400
