"""Once a revocation returns, nothing accepts the token, whatever goes wrong (docs/explanation/revocation.md)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.postgres import PostgresServer

from .plan import Kind
from .race import Result, Size, race
from .report import told

pytestmark = pytest.mark.long

SHORT = Size(tokens_min=40, faults_min=1, seconds_max=180)
LONG = Size(
    tried_part=0.8,
    tokens_min=10_000,
    faults_min=8,
    seconds_max=1_800,
    lanes=20,
    users=6,
    pause_tokens=200,
    pause_seconds_max=60,
)
SHORT_OVER_HTTP = replace(SHORT, tokens_min=20, lanes=4, users=2, staleness_seconds=1.0)
LONG_OVER_HTTP = replace(
    SHORT_OVER_HTTP,
    tokens_min=1_000,
    faults_min=4,
    seconds_max=600,
    lanes=8,
    pause_tokens=40,
    pause_seconds_max=20,
)
CONTROL = Size(tokens_min=20, faults_min=0, seconds_max=60, pause_tokens=None)


def check(title: str, result: Result) -> None:
    """Nothing was accepted after its answer, nothing is amiss in the database, and the race was one."""
    print(f"\n{told(title, result)}")
    outcome, aftermath = result.outcome, result.aftermath
    assert not outcome.violations
    assert not result.ended, "a process ended by itself; its log is in the test's folder"
    assert (aftermath.lost, aftermath.unaudited, aftermath.broken_chains) == ((), (), ())
    assert outcome.tokens >= result.size.tokens_min
    assert {kind: result.faults.get(kind, 0) for kind in Kind} == {
        kind: max(result.size.faults_min, result.faults.get(kind, 0)) for kind in Kind
    }
    # A refusal proves nothing about a token that was never accepted, or never tried afterwards.
    assert outcome.warm > result.size.tried_part * outcome.tokens
    assert outcome.asked_after > result.size.tried_part * outcome.tokens


async def test_no_use_is_accepted_after_the_answer(
    durable_postgres: PostgresServer, tmp_path: Path, seed: int, long: bool
) -> None:
    result = await race(durable_postgres, tmp_path, LONG if long else SHORT, seed)
    check("4 verifiers with a store, 1 manager", result)


async def test_remote_verifiers_accept_no_use_after_the_servers_answer(
    durable_postgres: PostgresServer, tmp_path: Path, seed: int, long: bool
) -> None:
    size = LONG_OVER_HTTP if long else SHORT_OVER_HTTP
    check("4 remote verifiers, 1 server", await race(durable_postgres, tmp_path, size, seed, over_http=True))


@pytest.mark.parametrize("flaw", ["verifiers keep answers for three times T", "takeaways answer before T has passed"])
async def test_the_check_finds_a_broken_promise(
    durable_postgres: PostgresServer, tmp_path: Path, seed: int, flaw: str
) -> None:
    stretch, wait = (3.0, True) if flaw.startswith("verifiers") else (1.0, False)
    result = await race(durable_postgres, tmp_path, CONTROL, seed, stretch=stretch, wait=wait)
    print(f"\n{told(flaw, result)}")
    assert result.outcome.tokens >= CONTROL.tokens_min
    assert result.outcome.violations
