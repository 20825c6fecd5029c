"""The promise of docs/explanation/revocation.md in virtual time, in random interleavings of the real code.

A whole run takes 2,000 interleavings, a short one 500; ``INTERLEAVINGS=100000`` makes it longer. Each depends on its
seed alone: ``run_scenario(seed, under_test)`` repeats it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import chain

import pytest

from support.turns import whole_run
from support.volume import volume

from .invariants import faults
from .safeguards import SAFEGUARDS, Missing
from .scenario_plan import run_scenario
from .system_under_test import SystemUnderTest, system_under_test

INTERLEAVINGS = int(os.environ.get("INTERLEAVINGS") or volume(short=500, long=2000))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
AT_LEAST = 20_000
"""How many interleavings each missing safeguard gets to be noticed in, when fewer are asked for."""


def _found(inside: SystemUnderTest, count: int, first: int | None = None) -> Iterator[tuple[int, str]]:
    for seed in chain(() if first is None else (first,), range(FIRST_SEED, FIRST_SEED + count)):
        for fault in faults(run_scenario(seed, inside)):
            yield seed, fault


def test_no_use_that_begins_after_the_answer_is_accepted_and_no_good_token_is_refused() -> None:
    sys.stdout.write(f"seeds {FIRST_SEED} to {FIRST_SEED + INTERLEAVINGS - 1}\n")
    with system_under_test() as inside:
        assert next(_found(inside, INTERLEAVINGS), None) is None


def test_interleavings_are_no_idle_talk() -> None:
    """Uses are accepted and refused, promises made and waited for, and reads fail, in most of them."""
    with system_under_test() as inside:
        scenarios = [run_scenario(seed, inside) for seed in range(FIRST_SEED, FIRST_SEED + 200)]
    uses = [use for scenario in scenarios for use in scenario.uses]
    assert len(uses) > 200 * 8
    assert 0.1 < sum(use.accepted for use in uses) / len(uses) < 0.9
    assert sum(bool(scenario.promises) for scenario in scenarios) > 100
    reads = sum(len(verifying.reads) for scenario in scenarios for verifying in scenario.verifying)
    assert 0.1 < reads / len(uses) < 0.9, "some come from memory, some do not"


def test_a_seed_runs_the_same_scenario_twice() -> None:
    def told(seed: int) -> list[object]:
        scenario = run_scenario(seed, inside)
        return [(use.token, use.tick, use.ended, repr(use.verdict)) for use in scenario.uses] + [
            scenario.machines.sequence
        ]

    with system_under_test() as inside:
        assert [told(seed) for seed in range(50)] == [told(seed) for seed in range(50)]


@pytest.mark.parametrize("missing", SAFEGUARDS, ids=lambda missing: missing.name)
def test_the_check_notices_a_missing_safeguard(missing: Missing) -> None:
    with system_under_test(*missing.cuts, surroundings=missing.surroundings) as inside:
        first = None if whole_run() else missing.seed
        found = next(_found(inside, max(INTERLEAVINGS, AT_LEAST), first), None)
    assert found is not None, f"without '{missing.name}' nothing went wrong"
    sys.stdout.write(f"seed {found[0]}: {found[1]}\n")
