"""Every refusal has one problem document, made in one place."""

from __future__ import annotations

import json

import pytest
from starlette.responses import Response

from spacekey.domain import refusal
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import (
    Conflict,
    ConflictCode,
    CredentialNotAllowed,
    Fault,
    Forbidden,
    InputCode,
    InvalidInput,
    NotFound,
    PlanLimit,
    PreconditionFailed,
    ScopeNotAllowed,
    SignInFailed,
    TooManyAttempts,
    UserError,
)
from spacekey.server.http.errors import response_to
from spacekey.server.http.requests import BadBody

TABLE: list[tuple[UserError | ServiceUnavailable | BadBody, int, str, dict[str, object]]] = [
    (NotFound("token"), 404, "not_found", {"what": "token"}),
    (Forbidden(["b", "a"]), 403, "insufficient_scope", {"missing_scopes": ["a", "b"]}),
    (
        InvalidInput("grants", "Bad.", InputCode.REQUIRED),
        422,
        "invalid_input",
        {"errors": [{"pointer": "/permissions", "code": "required", "detail": "Bad."}]},
    ),
    (
        InvalidInput.of(
            [
                Fault(("name",), InputCode.TOO_LONG, "Long."),
                Fault(("grants", "1"), InputCode.UNKNOWN_VALUE, "Unknown."),
                Fault(("a/b~c",), InputCode.UNKNOWN_FIELD, "Unknown."),
            ]
        ),
        422,
        "invalid_input",
        {
            "detail": "name: Long. permissions.1: Unknown. a/b~c: Unknown.",
            "errors": [
                {"pointer": "/name", "code": "too_long", "detail": "Long."},
                {"pointer": "/permissions/1", "code": "unknown_value", "detail": "Unknown."},
                {"pointer": "/a~1b~0c", "code": "unknown_field", "detail": "Unknown."},
            ],
        },
    ),
    (ScopeNotAllowed(["x:y"]), 403, "scope_not_allowed", {"missing_scopes": ["x:y"]}),
    (CredentialNotAllowed("Sign in."), 403, "forbidden", {"detail": "Sign in."}),
    (PlanLimit("free", "Upgrade."), 403, "plan_limit", {"plan": "free", "detail": "Upgrade."}),
    (Conflict("Twice.", ConflictCode.SLUG_TAKEN), 409, "slug_taken", {"detail": "Twice."}),
    (Conflict("Twice.", ConflictCode.ALREADY_ROTATED, "key_2"), 409, "already_rotated", {"successor_id": "key_2"}),
    (PreconditionFailed("key"), 412, "precondition_failed", {}),
    (SignInFailed(), 401, "sign_in_failed", {}),
    (TooManyAttempts(30), 429, "too_many_attempts", {}),
    (ServiceUnavailable("the database at db.internal is gone", 5), 503, "unavailable", {}),
    (BadBody(413, "too_large", "Too large."), 413, "too_large", {"detail": "Too large."}),
    (BadBody(415, "unsupported_media_type", "JSON."), 415, "unsupported_media_type", {"detail": "JSON."}),
    (BadBody(400, "malformed_json", "Not JSON."), 400, "malformed_json", {"detail": "Not JSON."}),
]


@pytest.mark.parametrize(("error", "status", "code", "members"), TABLE)
def test_each_refusal_is_a_problem_with_its_status(
    error: UserError | ServiceUnavailable | BadBody, status: int, code: str, members: dict[str, object]
) -> None:
    response = response_to(error)
    document = _document(response)
    assert response.media_type == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert document["type"] == f"urn:spacekey:problem:{code}"
    assert members.items() <= document.items()


def test_the_table_names_every_refusal_there_is() -> None:
    assert {type(error) for error, *_ in TABLE if isinstance(error, UserError)} == {
        one
        for one in vars(refusal).values()
        if isinstance(one, type) and issubclass(one, UserError) and one is not UserError
    }


def test_an_outage_says_nothing_of_hosts_and_when_to_try_again() -> None:
    response = response_to(ServiceUnavailable("the database at db.internal is gone", 5))
    assert response.headers["retry-after"] == "5"
    assert b"db.internal" not in bytes(response.body)


def test_too_many_attempts_say_when_to_try_again() -> None:
    assert response_to(TooManyAttempts(30)).headers["retry-after"] == "30"


def test_a_missing_scope_carries_the_challenge_of_rfc_6750() -> None:
    header = response_to(Forbidden(["tokens:read"])).headers["www-authenticate"]
    assert 'error="insufficient_scope"' in header
    assert 'scope="tokens:read"' in header


def _document(response: Response) -> dict[str, object]:
    document: dict[str, object] = json.loads(bytes(response.body))
    return document
