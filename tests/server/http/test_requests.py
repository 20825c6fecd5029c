"""What clients send is taken as it is or refused by field: nothing coerced, nothing echoed, every fault bounded."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET
from spacekey.server.http.request_models import (
    ChangeApiKey,
    CreateApiKey,
    IntrospectionBatch,
    ListApiKeys,
    NoQuery,
    RotateApiKey,
    Usage,
    Waiting,
)
from spacekey.server.http.requests import NAMED_LENGTH_MAX, RequestModel, validated

AT = "2026-06-01T11:30:00Z"
STRINGS = "Must be a list of at most 100 strings."
USE = {"token_id": "key_1", "at": AT}

REFUSED: list[tuple[type[RequestModel], dict[str, Any], str, str]] = [
    (CreateApiKey, {}, "name", "Is required."),
    (CreateApiKey, {"name": None}, "name", "Must be a string."),
    (CreateApiKey, {"name": 7}, "name", "Must be a string."),
    (CreateApiKey, {"nme": "k"}, "nme", "There is no such field. Did you mean 'name'?"),
    (CreateApiKey, {"zzzzz\n": "k"}, "(unprintable)", "There is no such field."),
    (CreateApiKey, {"permissions": 1, "unheard": 2}, "unheard", "There is no such field."),
    (CreateApiKey, {"name": "k", "permissions": "jobs:read"}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "permissions": None}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "permissions": ["a", 1]}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "permissions": ["a"] * 101}, "permissions", STRINGS),
    (CreateApiKey, {"name": "k", "environment": 1}, "environment", "Must be a string."),
    (
        CreateApiKey,
        {"name": "k", "environment": "{prod}"},
        "environment",
        "Unknown environment '{prod}'. There are 'live' and 'test'.",
    ),
    (
        CreateApiKey,
        {"name": "k", "expires_at": 5},
        "expires_at",
        f"Is not a time; write '{EXAMPLE_MOMENT}'.",
    ),
    (CreateApiKey, {"name": "k", "expires_in": 0}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "expires_in": 60.0}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "expires_in": True}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "expires_in": 10**40}, "expires_in", "Must be a whole number from 1 to 2147483647."),
    (CreateApiKey, {"name": "k", "space_id": []}, "space_id", "Must be a string."),
    (ChangeApiKey, {"name": None}, "name", "Must be a string."),
    (ChangeApiKey, {"disabled": None}, "disabled", "Must be true or false."),
    (ChangeApiKey, {"disabled": 1}, "disabled", "Must be true or false."),
    (RotateApiKey, {"grace_seconds": -1}, "grace_seconds", "Must be a whole number from 0 to 604800."),
    (RotateApiKey, {"retire_on_first_use": "yes"}, "retire_on_first_use", "Must be true or false."),
    (ListApiKeys, {"limit": "101"}, "limit", "Write a whole number from 1 to 100."),
    (ListApiKeys, {"limit": "٣"}, "limit", "Write a whole number from 1 to 100."),
    (ListApiKeys, {"limit": "9" * 5_000}, "limit", "Write a whole number from 1 to 100."),
    (ListApiKeys, {"status": ""}, "status", "Write any of active, disabled, expired, revoked."),
    (Waiting, {"wait": "True"}, "wait", "Write true or false."),
    (NoQuery, {"wait": "true"}, "wait", "There is no such field."),
    (Usage, {}, "uses", "Is required."),
    (Usage, {"uses": {}}, "uses", "Must be a list of objects."),
    (Usage, {"uses": [USE, 1]}, "uses.1", "Must be an object."),
    (Usage, {"uses": [USE] * 1_001}, "uses", "Send at most 1000 at once."),
    (Usage, {"uses": [USE, {"at": AT}]}, "uses.1.token_id", "Is required."),
    (Usage, {"uses": [USE, USE | {"alowed": 1}]}, "uses.1.alowed", "There is no such field. Did you mean 'allowed'?"),
    (Usage, {"uses": [USE | {"scopes": None}]}, "uses.0.scopes", "Must be a list of at most 1000 strings."),
    (IntrospectionBatch, {"tokens": []}, "tokens", "Send at least 1."),
    (Usage, {"uses": [], "number": None}, "number", "Must be a whole number from 1 to 9007199254740991."),
]


@pytest.mark.parametrize(("model", "given", "field", "reason"), REFUSED)
def test_a_fault_is_named_with_what_to_do(
    model: type[RequestModel], given: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(model, given)
    assert (".".join(refused.value.faults[0].path), refused.value.reason) == (field, reason)


def test_null_and_what_is_left_out_are_two_things() -> None:
    left_out, null = validated(ChangeApiKey, {}), validated(ChangeApiKey, {"description": None, "expires_at": None})
    assert (left_out.name, left_out.description, left_out.expires_at, left_out.disabled) == (UNSET,) * 4
    assert (null.description, null.expires_at) == (None, None)


def test_no_message_and_no_repr_of_an_error_repeats_what_was_sent() -> None:
    secret = "sp_live_" + "S" * 38
    for given in ({"name": [secret]}, {"name": "k", "environment": [secret]}, {"name": "k", "expires_at": secret}):
        with pytest.raises(ValidationError) as refused:
            CreateApiKey.model_validate(given)
        assert secret not in str(refused.value) + repr(refused.value)
        with pytest.raises(InvalidInput) as shown:
            validated(CreateApiKey, given)
        assert secret not in str(shown.value)
        assert shown.value.__cause__ is None


def test_a_body_of_unknown_fields_costs_one_error() -> None:
    flood = {f"field{number}": 1 for number in range(100_000)}
    for model, given in ((CreateApiKey, flood), (Usage, {"uses": [USE | flood]}), (Usage, {"uses": [1] * 100_000})):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(given)
        assert refused.value.error_count() == 1


def test_the_name_of_an_unknown_field_is_cut() -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(CreateApiKey, {"x" * 10_000: 1})
    assert refused.value.field == "x" * NAMED_LENGTH_MAX
