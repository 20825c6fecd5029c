"""Budgets of work that is charged after it is done: the average holds whatever the work cost, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.middleware.limits.budget import DEBT_SECONDS_MAX, WorkBudget

LIMIT = Limit(per_minute=600, burst=2_000)  # 10 units a second


class Setting:
    def __init__(self, keys_max: int = 100) -> None:
        self.now = 1_000.0
        self.budget = WorkBudget(LIMIT, keys_max=keys_max, clock=lambda: self.now)


def test_an_account_may_be_overdrawn_and_the_next_work_waits_until_the_debt_is_paid() -> None:
    at = Setting()
    assert at.budget.wait_seconds("a") == 0.0
    at.budget.charge("a", 1_999)
    assert at.budget.wait_seconds("a") == 0.0
    at.budget.charge("a", 221)
    assert at.budget.wait_seconds("a") == pytest.approx(22.0)
    at.now += 21.9
    assert at.budget.wait_seconds("a") > 0.0
    at.now += 0.2
    assert at.budget.wait_seconds("a") == 0.0


def test_keys_do_not_pay_for_each_other() -> None:
    at = Setting()
    at.budget.charge("a", 5_000)
    assert at.budget.wait_seconds("a") > 0.0
    assert at.budget.wait_seconds("b") == 0.0


def test_a_known_cost_waits_until_the_account_holds_it_or_is_full() -> None:
    at = Setting()
    at.budget.charge("a", 1_500)
    assert at.budget.wait_seconds("a", 500) == 0.0
    assert at.budget.wait_seconds("a", 510) == pytest.approx(1.0)
    assert at.budget.wait_seconds("a", 1_000_000) == pytest.approx(150.0)
    assert at.budget.wait_seconds("b", 1_000_000) == 0.0


def test_a_wait_has_a_bound_whatever_the_work_cost() -> None:
    at = Setting()
    for _ in range(100):
        at.budget.charge("a", 1e9)
    assert at.budget.wait_seconds("a") == pytest.approx(DEBT_SECONDS_MAX)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine, anything is slow
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 400)), max_size=60))
def test_on_average_no_more_is_let_in_than_the_limit(steps: list[tuple[float, float]]) -> None:
    """Burst, rate and one request's overdraft: never more, in any order of pauses and costs."""
    at = Setting()
    began, done, largest = at.now, 0.0, 0.0
    for pause, units in steps:
        at.now += pause
        if at.budget.wait_seconds("a") == 0.0:
            at.budget.charge("a", units)
            done, largest = done + units, max(largest, units)
    assert done <= LIMIT.burst + (at.now - began) * LIMIT.per_minute / 60 + largest + 1


def test_memory_is_bounded_and_no_debt_is_forgotten() -> None:
    at = Setting(keys_max=10)
    at.budget.charge("debtor", 3_000)
    for number in range(1_000):
        at.budget.charge(f"k{number}", 1)
    assert len(at.budget) <= 10
    assert at.budget.wait_seconds("debtor") == pytest.approx(100.0 if DEBT_SECONDS_MAX >= 100 else DEBT_SECONDS_MAX)
    at.budget.charge("beyond", 3_000)
    assert at.budget.wait_seconds("also beyond") > 0.0  # those without an account share one
    at.now += 400.0
    for number in range(20):
        at.budget.charge(f"n{number}", 1)
        at.now += 1
    assert at.budget.wait_seconds("also beyond") == 0.0
    assert len(at.budget) <= 10


def test_a_budget_without_accounts_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="keys_max"):
        WorkBudget(LIMIT, keys_max=0)
