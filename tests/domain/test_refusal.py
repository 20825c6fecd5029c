"""What people read when something is refused, and the words machines switch on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from spacekey.domain.errors import ConfigurationError, ProductError, RuleError, ServiceUnavailable, SpacekeyError
from spacekey.domain.refusal import (
    CONFLICT_CURES,
    INPUT_CURES,
    Conflict,
    ConflictCode,
    Fault,
    Faults,
    Forbidden,
    InputCode,
    InvalidInput,
    NotFound,
    PlanLimit,
    ScopeNotAllowed,
    TooManyAttempts,
    UserError,
)
from support.pages import ROOT


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        (NotFound("token"), "NOT_FOUND", "There is no such token, or you have no access to it."),
        (Forbidden(["b", "a"]), "INSUFFICIENT_SCOPE", "This needs more scopes: a, b."),
        (Forbidden([]), "INSUFFICIENT_SCOPE", "No role may do this."),
        (InvalidInput("name", "must not be empty", InputCode.REQUIRED), "INVALID_INPUT", "name: must not be empty"),
        (
            ScopeNotAllowed({"jobs:write", "jobs:read"}),
            "SCOPE_NOT_ALLOWED",
            "You cannot grant scopes that you do not hold: jobs:read, jobs:write.",
        ),
        (PlanLimit("free", "The Free plan has no tokens."), "PLAN_LIMIT", "The Free plan has no tokens."),
        (Conflict("The token is revoked.", ConflictCode.TOKEN_REVOKED), "TOKEN_REVOKED", "The token is revoked."),
        (TooManyAttempts(1), "TOO_MANY_ATTEMPTS", "Too many attempts. Try again in 1 second."),
        (TooManyAttempts(30), "TOO_MANY_ATTEMPTS", "Too many attempts. Try again in 30 seconds."),
    ],
)
def test_code_and_message(refusal: UserError, code: str, message: str) -> None:
    assert refusal.code == code
    assert str(refusal) == message
    assert isinstance(refusal, SpacekeyError)


def test_refusals_carry_their_facts() -> None:
    assert NotFound("space").what == "space"
    assert Forbidden(iter(["b", "a"])).missing == ("a", "b")
    wrong = InvalidInput("name", "is long", InputCode.TOO_LONG)
    assert (wrong.field, wrong.reason) == ("name", "is long")
    assert wrong.faults == (Fault(("name",), InputCode.TOO_LONG, "is long"),)
    assert ScopeNotAllowed(iter(["b", "a"])).scopes == ("a", "b")
    assert PlanLimit("free", "no").plan == "free"
    assert Conflict("rotated", ConflictCode.ALREADY_ROTATED).successor_id is None
    assert Conflict("rotated", ConflictCode.ALREADY_ROTATED, successor_id="key_2").successor_id == "key_2"
    assert TooManyAttempts(7).retry_after_seconds == 7


def test_unknown_and_foreign_read_the_same() -> None:
    assert str(NotFound("token")) == str(NotFound("token"))
    assert vars(NotFound("token")) == {"what": "token"}


def test_each_refusal_has_its_own_code() -> None:
    kinds: list[type[UserError]] = [UserError, *UserError.__subclasses__()]
    assert len({kind.code for kind in kinds}) == len(kinds) >= 8


def test_an_outage_is_no_refusal() -> None:
    outage = ServiceUnavailable("the store is away", retry_after_seconds=3)
    assert not isinstance(outage, UserError)
    assert outage.retry_after_seconds == 3
    assert ServiceUnavailable("the store is away").retry_after_seconds == 1


def test_wrong_configuration_is_one_family() -> None:
    error = ProductError("a.toml", "roles.viewer.grants", "unknown scope 'x'.")
    assert isinstance(error, ConfigurationError)
    assert issubclass(RuleError, ConfigurationError)
    assert (error.file, error.key, error.remedy) == ("a.toml", "roles.viewer.grants", "unknown scope 'x'.")
    assert str(error) == "a.toml: roles.viewer.grants: unknown scope 'x'."


def test_all_faults_of_an_input_are_raised_together() -> None:
    faults = Faults()
    with faults:
        raise InvalidInput("name", "Is long.", InputCode.TOO_LONG)
    faults.add(Fault(("grants", "1"), InputCode.UNKNOWN_VALUE, "Unknown."))
    with pytest.raises(InvalidInput) as raised:
        faults.raise_found()
    assert [(one.path, one.code) for one in raised.value.faults] == [
        (("name",), InputCode.TOO_LONG),
        (("grants", "1"), InputCode.UNKNOWN_VALUE),
    ]
    assert (raised.value.field, str(raised.value)) == ("name", "name: Is long. grants: Unknown.")


def test_no_fault_raises_nothing_and_other_errors_pass() -> None:
    faults = Faults()
    with pytest.raises(NotFound), faults:
        raise NotFound("token")
    faults.raise_found()


def test_every_code_has_a_cure() -> None:
    assert set(INPUT_CURES) == set(InputCode)
    assert set(CONFLICT_CURES) == set(ConflictCode)
    assert all(cure.endswith(".") for cure in [*INPUT_CURES.values(), *CONFLICT_CURES.values()])


def _sources() -> Iterator[ast.Module]:
    for folder in ("domain", "models", "resolvers", "schema", "server"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file != ROOT / "domain" / "refusal.py":
                yield ast.parse(file.read_text(encoding="utf-8"))


def test_every_code_is_raised_somewhere() -> None:
    used = {
        f"{node.value.id}.{node.attr}"
        for tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert {f"InputCode.{code.name}" for code in InputCode} <= used
    assert {f"ConflictCode.{code.name}" for code in ConflictCode} <= used
