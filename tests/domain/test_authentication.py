"""The four answers stay four types, and a verifier is a protocol anybody can satisfy."""

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from spacekey.domain.authentication import (
    Anonymous,
    Authenticated,
    AuthenticationResult,
    Reason,
    Rejected,
    Unavailable,
    Verdict,
)
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret, parse
from spacekey.domain.verifier import VerifiesSecrets

CALLER = Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset({"jobs:read"}))
ANSWERS: list[AuthenticationResult] = [
    Anonymous(),
    Rejected(Reason.UNKNOWN),
    Authenticated(CALLER),
    Unavailable("no database"),
]


class Known:
    """The smallest verifier there is."""

    async def verify(self, secret: Secret) -> Verdict:
        return Rejected(Reason.MALFORMED) if parse(secret) is None else Rejected(Reason.UNKNOWN)


def test_the_four_answers_are_four_types() -> None:
    assert set(get_args(AuthenticationResult)) == {Anonymous, Rejected, Authenticated, Unavailable}
    assert len({type(answer) for answer in ANSWERS}) == 4
    assert all(one != two for one in ANSWERS for two in ANSWERS if one is not two)


def test_a_verifier_cannot_answer_absent() -> None:
    assert set(get_args(Verdict)) == {Rejected, Authenticated, Unavailable}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_cannot_be_changed_into_another(answer: AuthenticationResult) -> None:
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        answer.reason = Reason.REVOKED  # type: ignore[misc, union-attr]  # the mistake under test


def test_reasons_are_words_logs_and_metrics_can_keep() -> None:
    assert {reason.value for reason in Reason} == {
        "malformed", "unknown", "expired", "disabled", "revoked", "deleted", "rotated", "suspended", "environment",
        "cross_origin",
    }  # fmt: skip
    assert f"{Reason.REVOKED}" == "revoked"
    assert Reason("revoked") is Reason.REVOKED


def test_a_refusal_may_not_know_the_token() -> None:
    assert Rejected(Reason.UNKNOWN).token_id is None
    assert Rejected(Reason.EXPIRED, "key_1").token_id == "key_1"


def test_cannot_tell_asks_for_a_retry() -> None:
    assert Unavailable("timeout").retry_after_seconds == 1


async def test_any_object_with_verify_is_a_verifier() -> None:
    verifier: VerifiesSecrets = Known()
    assert await verifier.verify(Secret("password")) == Rejected(Reason.MALFORMED)


def test_a_principal_is_a_starlette_user_by_shape() -> None:
    assert CALLER.is_authenticated
    assert CALLER.identity == CALLER.display_name == "key_1"
    assert Principal(id="usr_1", kind=Kind.MEMBER, scopes=frozenset(), name="Ada").display_name == "Ada"


def test_a_principal_cannot_be_given_more_scopes() -> None:
    with pytest.raises(FrozenInstanceError):
        CALLER.scopes = frozenset({"jobs:write"})  # type: ignore[misc]  # the mistake under test
