"""GraphQL's own errors repeat what was sent. Ours do not: it may be a password in the wrong place."""

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
