"""What people read when something is refused, and the words machines switch on."""

import pytest

from spacekey.domain.errors import CatalogError, ConfigurationError, RuleError, SpacekeyError, Unavailable
from spacekey.domain.refusal import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PlanLimit,
    Refusal,
    ScopeNotAllowed,
    TooManyAttempts,
)


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        (NotFound("token"), "NOT_FOUND", "There is no such token, or you have no access to it."),
        (Forbidden(["b", "a"]), "INSUFFICIENT_SCOPE", "This needs more scopes: a, b."),
        (Forbidden([]), "INSUFFICIENT_SCOPE", "No role may do this."),
        (InvalidInput("name", "must not be empty"), "INVALID_INPUT", "name: must not be empty"),
        (
            ScopeNotAllowed({"jobs:write", "jobs:read"}),
            "SCOPE_NOT_ALLOWED",
            "You cannot grant scopes that you do not hold: jobs:read, jobs:write.",
        ),
        (PlanLimit("free", "The Free plan has no tokens."), "PLAN_LIMIT", "The Free plan has no tokens."),
        (Conflict("The token is revoked."), "CONFLICT", "The token is revoked."),
        (TooManyAttempts(1), "TOO_MANY_ATTEMPTS", "Too many attempts. Try again in 1 second."),
        (TooManyAttempts(30), "TOO_MANY_ATTEMPTS", "Too many attempts. Try again in 30 seconds."),
    ],
)
def test_code_and_message(refusal: Refusal, code: str, message: str) -> None:
    assert refusal.code == code
    assert str(refusal) == message
    assert isinstance(refusal, SpacekeyError)


def test_refusals_carry_their_facts() -> None:
    assert NotFound("space").what == "space"
    assert Forbidden(iter(["b", "a"])).missing == ("a", "b")
    assert (InvalidInput("name", "is long").field, InvalidInput("name", "is long").reason) == ("name", "is long")
    assert ScopeNotAllowed(iter(["b", "a"])).scopes == ("a", "b")
    assert PlanLimit("free", "no").plan == "free"
    assert Conflict("rotated").successor_id is None
    assert Conflict("rotated", successor_id="key_2").successor_id == "key_2"
    assert TooManyAttempts(7).retry_after_seconds == 7


def test_unknown_and_foreign_read_the_same() -> None:
    assert str(NotFound("token")) == str(NotFound("token"))
    assert vars(NotFound("token")) == {"what": "token"}


def test_each_refusal_has_its_own_code() -> None:
    kinds: list[type[Refusal]] = [Refusal, *Refusal.__subclasses__()]
    assert len({kind.code for kind in kinds}) == len(kinds) >= 8


def test_an_outage_is_no_refusal() -> None:
    outage = Unavailable("the store is away", retry_after_seconds=3)
    assert not isinstance(outage, Refusal)
    assert outage.retry_after_seconds == 3
    assert Unavailable("the store is away").retry_after_seconds == 1


def test_wrong_configuration_is_one_family() -> None:
    error = CatalogError("a.toml", "roles.viewer.grants", "unknown scope 'x'.")
    assert isinstance(error, ConfigurationError)
    assert issubclass(RuleError, ConfigurationError)
    assert (error.file, error.key, error.remedy) == ("a.toml", "roles.viewer.grants", "unknown scope 'x'.")
    assert str(error) == "a.toml: roles.viewer.grants: unknown scope 'x'."
