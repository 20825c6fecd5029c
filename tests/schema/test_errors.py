"""Errors of GraphQL: a code for programs, a sentence for people, nothing of what happened inside or of a password."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine.reading import Reading
from spacekey.models.engine.store import Store
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.rotate import rotate_token
from support.authorization.principals import principal_of
from support.schema import spacekey_schema
from support.world import OPERATOR, World, make_world

# Outages and bugs: a code for programs, a sentence for people, and nothing of what happened inside.


SCHEMA = spacekey_schema()
INNARDS = "secret innards of the server"


class Broken:
    """A store that raises whenever it is asked."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


EVERYWHERE = [
    "query($id: ID!) { token(id: $id) { name } }",
    "query($id: ID!) { node(id: $id) { id } }",
    "{ workspaces { nodes { name } } }",
    "query($w: ID!) { workspace(id: $w) { name tokens { nodes { name } } } }",
    "mutation($id: ID!) { revokeToken(input: {id: $id}) { __typename } }",
    'mutation($id: ID!) { updateToken(input: {id: $id, name: "x"}) { __typename } }',
    'mutation { createWorkspace(input: {name: "x", slug: "x", product: "emit"}) { __typename } }',
    'mutation { signIn(input: {email: "a@b.c", password: "x"}) { __typename } }',
]


async def ask_broken(store: Store, document: str, error: Exception) -> list[dict[str, Any]]:
    """The errors of an operation whose store breaks."""
    world = make_world(store)
    workspace = await world.workspace("spooled")
    principal = await principal_of(world, await world.member(workspace, "owner"))
    token = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",)))
    broken = World(replace(world.system, store=Broken(error)), world.clock)  # type: ignore[arg-type]
    variables = {"id": token.view.token.id, "w": workspace.id}
    used = {name: value for name, value in variables.items() if f"${name}:" in document}
    answer = await broken.ask(SCHEMA, document, principal=principal, variables=used)
    return list(answer["errors"])


@pytest.mark.parametrize("document", EVERYWHERE)
async def test_an_outage_is_unavailable_and_no_denial(store: Store, document: str) -> None:
    (error,) = await ask_broken(store, document, ServiceUnavailable("db-host-17 is down"))
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert error["message"] == "The server cannot answer right now. Try again."


@pytest.mark.parametrize("document", EVERYWHERE)
async def test_a_bug_is_masked_and_logged(store: Store, document: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        (error,) = await ask_broken(store, document, RuntimeError(INNARDS))
    assert error["extensions"] == {"code": "INTERNAL"}
    assert error["message"] == "Something went wrong here; it was logged."
    assert INNARDS in caplog.text


async def test_an_outage_below_a_list_is_unavailable_too(store: Store) -> None:
    """Loaders read for many fields at once, after the parent was read."""
    world = make_world(store)
    workspace = await world.workspace("spooled")
    principal = await principal_of(world, await world.member(workspace, "owner"))
    issued = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", ("jobs:read",)))
    await rotate_token(world.system, OPERATOR, issued.view.token.id)
    outer = world.system.store

    class FailsLater:
        """Good for the first reads, then gone."""

        def __init__(self) -> None:
            self.left = 2

        def reading(self) -> Any:
            self._spend()
            return outer.reading()

        async def read(self, function: Reading[object]) -> object:
            self._spend()
            return await outer.read(function)

        def _spend(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise ServiceUnavailable("gone")

    for field in ("rotatedTo { id }", "usage { day }", "unusedScopes"):
        failing = World(replace(world.system, store=FailsLater()), world.clock)  # type: ignore[arg-type]
        document = f"query($w: ID!) {{ workspace(id: $w) {{ tokens {{ nodes {{ id {field} }} }} }} }}"
        answer = await failing.ask(SCHEMA, document, principal=principal, variables={"w": workspace.id})
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}, field


# GraphQL's own errors repeat what was sent and have no code. Ours have one, and repeat no password.


CANARY = "sevenwoodenboatsatnoon"
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
CALL = "mutation {{ signIn(input: {}) {{ __typename }} }}"

SENT = [
    (SIGN_IN, {"input": {"email": "a@b.c", "passwrd": CANARY}}),
    (SIGN_IN, {"input": {"email": "a@b.c", "password": [CANARY]}}),
    (SIGN_IN, {"input": {"email": "a@b.c", "password": {"x": CANARY}}}),
    (SIGN_IN, {"input": {"email": "a@b.c", "password": "x", "code": CANARY}}),
    (SIGN_IN, {"input": CANARY}),
    (SIGN_IN, {"input": [CANARY]}),
    (CALL.format(f'{{email: "a@b.c", passwrd: "{CANARY}"}}'), {}),
    (CALL.format(f'{{email: "a@b.c", password: ["{CANARY}"]}}'), {}),
    (CALL.format(f'{{email: "a@b.c", password: "x", emial: "{CANARY}"}}'), {}),
    (CALL.format(f'"{CANARY}"'), {}),
    (f'mutation {{ "{CANARY}" }}', {}),
    (f'mutation {{ signIn(input: {{email: "a@b.c" "{CANARY}"}}) {{ __typename }} }}', {}),
    (f'mutation {{ signIn(input: {{email: "a@b.c", password: """{CANARY}""" "x"}}) {{ __typename }} }}', {}),
]


@pytest.mark.parametrize(("document", "variables"), SENT)
async def test_what_was_sent_is_in_no_error(store: Store, document: str, variables: dict[str, object]) -> None:
    answer = await make_world(store).ask(SCHEMA, document, variables=variables)
    assert answer["errors"]
    assert CANARY not in str([error["message"] for error in answer["errors"]])


CODES = [
    ("{", {}, "GRAPHQL_PARSE_FAILED"),
    ('{ me { kind "x" } }', {}, "GRAPHQL_PARSE_FAILED"),
    ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ("{ me }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ("{ token { name } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ("query($id: Int!) { workspace(id: $id) { name } }", {"id": 1}, "GRAPHQL_VALIDATION_FAILED"),
    ("mutation { signIn(input: {}) { __typename } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    (SIGN_IN, {}, "BAD_USER_INPUT"),
    (SIGN_IN, {"input": {"email": "a@b.c"}}, "BAD_USER_INPUT"),
    (SIGN_IN, {"input": {"email": 1, "password": "x"}}, "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("document", "variables", "code"), CODES)
async def test_a_request_that_cannot_be_run_says_why_with_a_code(
    store: Store, document: str, variables: dict[str, object], code: str
) -> None:
    """Twice: a document's errors are kept for the next caller."""
    world = make_world(store)
    for _ in range(2):
        answer = await world.ask(SCHEMA, document, variables=variables)
        assert answer["data"] is None
        assert {error["extensions"]["code"] for error in answer["errors"]} == {code}
