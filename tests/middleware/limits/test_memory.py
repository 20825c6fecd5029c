"""Limits in memory: exact for any sequence of arrivals, bounded, and nothing that is limited is ever forgotten."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spacekey import MemoryLimiter
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit

FREE = Limit(per_minute=100, burst=20)


class Clock:
    """Virtual time, in microseconds so that a sum of steps is exact."""

    def __init__(self, microseconds: int = 1_000_000) -> None:
        self.us = microseconds

    def __call__(self) -> float:
        return self.us / 1_000_000


def assert_bound(limit: Limit, admitted: list[tuple[int, int]]) -> None:
    """No window holds more than burst + rate × window: (microsecond, cost) in order; every pair is a window's ends."""
    for first, (start, _) in enumerate(admitted):
        total = 0
        for end, cost in admitted[first:]:
            total += cost
            assert total <= limit.burst + Fraction(limit.per_minute * (end - start), 60_000_000)


arrivals = some.lists(some.tuples(some.integers(0, 5_000_000), some.integers(1, 4)), max_size=120)
limits = some.builds(Limit, per_minute=some.integers(1, 5_000), burst=some.integers(1, 30))


@given(limits, arrivals)
def test_no_sequence_of_arrivals_gets_more_than_the_burst_and_the_rate(
    limit: Limit, steps: list[tuple[int, int]]
) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    admitted = []
    for step, cost in steps:
        clock.us += step
        if limiter.charge_at_once("key_1", limit, cost).allowed:
            admitted.append((clock.us, cost))
    assert_bound(limit, admitted)


@given(limits, arrivals)
def test_what_is_refused_is_admitted_exactly_when_it_was_told_and_not_before(
    limit: Limit, steps: list[tuple[int, int]]
) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for step, cost in steps:
        clock.us += step
        decision = limiter.charge_at_once("key_1", limit, cost)
        if decision.allowed:
            continue
        if decision.retry_after_seconds is None:
            assert cost > limit.burst
            continue
        clock.us += round(decision.retry_after_seconds * 1_000_000) - 1
        assert not limiter.charge_at_once("key_1", limit, cost).allowed
        clock.us += 1
        assert limiter.charge_at_once("key_1", limit, cost).allowed


@given(limits, arrivals)
def test_remaining_is_what_would_be_admitted_now_and_reset_is_when_it_is_one_more(
    limit: Limit, steps: list[tuple[int, int]]
) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for step, cost in steps:
        clock.us += step
        decision = limiter.charge_at_once("key_1", limit, cost)
        assert limiter.charge_at_once("key_1", limit, 0).remaining == decision.remaining
        if decision.remaining:
            assert limiter.charge_at_once("key_1", limit, decision.remaining + 1).allowed is False
        if decision.remaining < limit.burst:
            clock.us += round(decision.reset_seconds * 1_000_000) - 1
            assert limiter.charge_at_once("key_1", limit, 0).remaining == decision.remaining
            clock.us += 1
            assert limiter.charge_at_once("key_1", limit, 0).remaining == decision.remaining + 1


@given(limits, some.integers(1, 4), some.lists(some.tuples(some.integers(0, 2_000_000), some.integers(0, 12))))
def test_with_room_for_few_keys_each_of_many_is_held_to_its_limit(
    limit: Limit, room: int, steps: list[tuple[int, int]]
) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock, entries_max=room)
    admitted: dict[str, list[tuple[int, int]]] = {}
    for step, number in steps:
        clock.us += step
        if limiter.charge_at_once(f"key_{number}", limit).allowed:
            admitted.setdefault(f"key_{number}", []).append((clock.us, 1))
        assert len(limiter) <= room
    for each in admitted.values():
        assert_bound(limit, each)


@given(some.integers(1, 8), arrivals)
def test_a_share_that_begins_empty_admits_its_part_of_the_rate_alone(share: int, steps: list[tuple[int, int]]) -> None:
    """So all shares together admit no more than the rate since they began."""
    clock = Clock()
    began = clock.us
    limiter = MemoryLimiter(clock=clock, share=share, empty_at_seconds=clock())
    admitted = 0
    for step, cost in steps:
        clock.us += step
        admitted += cost if limiter.charge_at_once("key_1", FREE, cost).allowed else 0
        assert admitted <= Fraction(FREE.per_minute * (clock.us - began), 60_000_000 * share)


def test_ten_thousand_limited_keys_are_all_remembered() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    keys = [f"key_{number}" for number in range(10_000)]
    for key in keys:
        assert limiter.charge_at_once(key, FREE, FREE.burst).allowed
    assert not any(limiter.charge_at_once(key, FREE).allowed for key in keys)


def test_keys_whose_account_is_full_again_are_forgotten_as_others_come() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    sizes = []
    for number in range(5_000):
        clock.us += 60_000  # each account is full again after 0.6 s, so 10 are in use at a time
        limiter.charge_at_once(f"key_{number}", FREE)
        sizes.append(len(limiter))
    assert max(sizes) <= 30


def test_a_changed_limit_holds_from_the_next_charge_on() -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    slow, fast = Limit(1, 5), Limit(600, 5)
    assert limiter.charge_at_once("key_1", slow, 5).allowed
    refused = limiter.charge_at_once("key_1", fast)
    assert (refused.allowed, refused.retry_after_seconds) == (False, 0.1)  # and not after five minutes


def test_a_charge_above_the_burst_is_never_admitted_and_says_so() -> None:
    decision = MemoryLimiter(clock=Clock()).charge_at_once("key_1", FREE, 21)
    assert (decision.allowed, decision.remaining, decision.retry_after_seconds) == (False, 20, None)


def test_a_clock_at_any_value_will_do() -> None:
    for start in accumulate((0, 1, 10**6, 10**12, 10**15)):
        limiter = MemoryLimiter(clock=Clock(start))
        taken = [limiter.charge_at_once("key_1", FREE).allowed for _ in range(21)]
        assert taken == [True] * 20 + [False]


async def test_waiting_gives_the_same_answer() -> None:
    limiter = MemoryLimiter(clock=Clock())
    assert await limiter.charge("key_1", FREE) == MemoryLimiter(clock=Clock()).charge_at_once("key_1", FREE)
    await limiter.aclose()


@pytest.mark.parametrize("wrong", [{"entries_max": 0}, {"share": 0}])
def test_numbers_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="1 or more"):
        MemoryLimiter(entries_max=wrong.get("entries_max", 1), share=wrong.get("share", 1))
