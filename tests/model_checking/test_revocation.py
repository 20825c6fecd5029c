"""The promise of docs/explanation/revocation.md in virtual time: real cache, real acknowledgement, interleaved by lot.

A whole run takes 2,000 interleavings, a short one 500; ``INTERLEAVINGS=100000`` makes it longer. Each depends on its
seed alone: ``tell(seed, house)`` repeats it.
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
from .scenario_plan import tell
from .system_under_test import House, house

INTERLEAVINGS = int(os.environ.get("INTERLEAVINGS") or volume(short=500, long=2000))
FIRST_SEED = int(os.environ.get("FIRST_SEED", "0"))
AT_LEAST = 20_000
"""How many interleavings each missing safeguard gets to be noticed in, when fewer are asked for."""


def _found(inside: House, count: int, first: int | None = None) -> Iterator[tuple[int, str]]:
    for seed in chain(() if first is None else (first,), range(FIRST_SEED, FIRST_SEED + count)):
        for fault in faults(tell(seed, inside)):
            yield seed, fault


def test_no_use_that_begins_after_the_answer_is_accepted_and_no_good_token_is_refused() -> None:
    sys.stdout.write(f"seeds {FIRST_SEED} to {FIRST_SEED + INTERLEAVINGS - 1}\n")
    with house() as inside:
        assert next(_found(inside, INTERLEAVINGS), None) is None


def test_interleavings_are_no_idle_talk() -> None:
    """Uses are accepted and refused, promises made and waited for, and reads fail, in most of them."""
    with house() as inside:
        stories = [tell(seed, inside) for seed in range(FIRST_SEED, FIRST_SEED + 200)]
    uses = [use for story in stories for use in story.uses]
    assert len(uses) > 200 * 8
    assert 0.1 < sum(use.accepted for use in uses) / len(uses) < 0.9
    assert sum(bool(story.promises) for story in stories) > 100
    reads = sum(len(verifying.reads) for story in stories for verifying in story.verifying)
    assert 0.1 < reads / len(uses) < 0.9, "some come from memory, some do not"


def test_a_seed_tells_the_same_story_twice() -> None:
    def told(seed: int) -> list[object]:
        story = tell(seed, inside)
        return [(use.token, use.tick, use.ended, repr(use.verdict)) for use in story.uses] + [story.machines.sequence]

    with house() as inside:
        assert [told(seed) for seed in range(50)] == [told(seed) for seed in range(50)]


@pytest.mark.parametrize("missing", SAFEGUARDS, ids=lambda missing: missing.name)
def test_the_check_notices_a_missing_safeguard(missing: Missing) -> None:
    with house(*missing.cuts, surroundings=missing.surroundings) as inside:
        first = None if whole_run() else missing.seed
        found = next(_found(inside, max(INTERLEAVINGS, AT_LEAST), first), None)
    assert found is not None, f"without '{missing.name}' nothing went wrong"
    sys.stdout.write(f"seed {found[0]}: {found[1]}\n")
