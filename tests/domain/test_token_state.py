"""A token's status and the reason it is refused, from its dates, at and around the very end."""

from datetime import UTC, datetime, timedelta, timezone
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.authentication import Reason
from spacekey.domain.token_state import Status, ended, refusal_reason, status_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
BEFORE, AFTER = NOW - TICK, NOW + TICK


class Dates(TypedDict):
    expires_at: datetime | None
    disabled_at: datetime | None
    revoked_at: datetime | None
    retires_at: datetime | None


def dates(
    *,
    expires: datetime | None = None,
    disabled: datetime | None = None,
    revoked: datetime | None = None,
    retires: datetime | None = None,
) -> Dates:
    return {"expires_at": expires, "disabled_at": disabled, "revoked_at": revoked, "retires_at": retires}


TABLE = [
    (dates(), Status.ACTIVE, None),
    (dates(expires=AFTER), Status.ACTIVE, None),
    (dates(expires=NOW), Status.EXPIRED, Reason.EXPIRED),
    (dates(expires=BEFORE), Status.EXPIRED, Reason.EXPIRED),
    (dates(retires=AFTER), Status.ACTIVE, None),
    (dates(retires=NOW), Status.EXPIRED, Reason.ROTATED),
    (dates(retires=BEFORE), Status.EXPIRED, Reason.ROTATED),
    (dates(expires=BEFORE, retires=AFTER), Status.EXPIRED, Reason.EXPIRED),
    (dates(expires=BEFORE, retires=BEFORE), Status.EXPIRED, Reason.ROTATED),
    (dates(disabled=BEFORE), Status.DISABLED, Reason.DISABLED),
    (dates(disabled=NOW), Status.DISABLED, Reason.DISABLED),
    (dates(disabled=AFTER), Status.DISABLED, Reason.DISABLED),  # a clock that runs ahead still disables at once
    (dates(disabled=BEFORE, expires=AFTER), Status.DISABLED, Reason.DISABLED),
    (dates(disabled=BEFORE, expires=NOW), Status.EXPIRED, Reason.EXPIRED),
    (dates(disabled=BEFORE, retires=NOW), Status.EXPIRED, Reason.ROTATED),
    (dates(revoked=BEFORE), Status.REVOKED, Reason.REVOKED),
    (dates(revoked=AFTER), Status.REVOKED, Reason.REVOKED),  # the same for revoking
    (dates(revoked=BEFORE, expires=BEFORE), Status.REVOKED, Reason.REVOKED),
    (dates(revoked=BEFORE, disabled=BEFORE), Status.REVOKED, Reason.REVOKED),
    (dates(revoked=NOW, retires=BEFORE), Status.REVOKED, Reason.REVOKED),
    (dates(revoked=NOW, disabled=NOW, expires=NOW, retires=NOW), Status.REVOKED, Reason.REVOKED),
]


@pytest.mark.parametrize(("given_dates", "status", "reason"), TABLE)
def test_status_and_reason(given_dates: Dates, status: Status, reason: Reason | None) -> None:
    assert status_of(NOW, **given_dates) is status
    assert refusal_reason(NOW, **given_dates, deleted_at=None) is reason


@pytest.mark.parametrize(("given_dates", "status", "reason"), TABLE)
@pytest.mark.parametrize("deleted", [BEFORE, NOW, AFTER])
def test_deleted_comes_before_everything(
    given_dates: Dates, status: Status, reason: Reason | None, deleted: datetime
) -> None:
    assert refusal_reason(NOW, **given_dates, deleted_at=deleted) is Reason.DELETED


some_dates = st.fixed_dictionaries(
    {
        name: st.none() | st.integers(-2, 2).map(lambda ticks: NOW + ticks * TICK)
        for name in ("expires_at", "disabled_at", "revoked_at", "retires_at")
    }
)


@given(some_dates)
def test_a_token_is_accepted_exactly_while_lists_show_it_active(chosen: Dates) -> None:
    assert (status_of(NOW, **chosen) is Status.ACTIVE) == (refusal_reason(NOW, **chosen, deleted_at=None) is None)


@given(some_dates)
def test_time_alone_never_brings_a_token_back(chosen: Dates) -> None:
    accepted = [refusal_reason(NOW + tick * TICK, **chosen, deleted_at=None) is None for tick in range(-4, 5)]
    assert accepted == sorted(accepted, reverse=True)


@pytest.mark.parametrize(("end", "over"), [(None, False), (AFTER, False), (NOW, True), (BEFORE, True)])
def test_a_token_is_good_strictly_before_its_end(end: datetime | None, over: bool) -> None:
    assert ended(NOW, end) is over


def test_the_zone_of_an_end_does_not_matter() -> None:
    elsewhere = timezone(timedelta(hours=9))
    assert ended(NOW, NOW.astimezone(elsewhere))
    assert not ended(NOW, AFTER.astimezone(elsewhere))


def test_a_time_without_a_zone_is_a_bug_and_not_a_guess() -> None:
    with pytest.raises(TypeError):
        ended(NOW, NOW.replace(tzinfo=None))


def test_status_words_are_stable() -> None:
    assert [str(status) for status in Status] == ["active", "disabled", "expired", "revoked"]
