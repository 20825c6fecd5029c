"""GraphQL's own errors repeat what was sent and have no code. Ours have one, and repeat no password."""

from __future__ import annotations

import pytest

from spacekey.models.engine.store import Store
from support.schema import spacekey_schema
from support.world import make_world

SCHEMA = spacekey_schema()
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
