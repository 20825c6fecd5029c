"""Memory of the shipped server after many requests of each kind: resident before and after, which must not grow.

Run it with ``python -m bench memory``; by default each kind gets as many of 100,000 requests as fit into some seconds,
``--seconds 600`` gives them longer. On SQLite, with default settings, over eight connections. What is measured first
comes after a warm-up, in which caches fill. Budget: at most 1.1 times the memory before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ._load import load_on, resident_bytes
from ._served import address_of
from ._turns import borrow_from_tests, show
from ._world import fill
from .served import CALLS, Turns, requests_of

REQUESTS = 100_000
SECONDS, WARM_UP_SECONDS, STEP_SECONDS = 15.0, 4.0, 1.0
AT_ONCE = 8
BUDGET = 1.1


def rows_of(seconds: float = SECONDS, warm_up_seconds: float = WARM_UP_SECONDS) -> Iterator[dict[str, object]]:
    """A row for each kind of request, as soon as it is there.

    :param seconds: the most that one kind gets.
    """
    borrow_from_tests()
    from support.processes import Installation, serving_process

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite+aiosqlite:///{folder / 'memory.db'}"
        world = asyncio.run(fill(url))
        turns: Turns = {}
        with serving_process(Installation(url, folder)) as (address, process):
            for call in CALLS.values():
                asked = requests_of(call, call.request, world, "ours", turns)
                with load_on(address_of(address), asked) as load:
                    load.spell(AT_ONCE, warm_up_seconds)
                    before, made, spent = resident_bytes(process.pid), 0, 0.0
                    while made < REQUESTS and spent < seconds:
                        spell = load.spell(AT_ONCE, min(STEP_SECONDS, seconds))
                        made, spent = made + len(spell.latencies), spent + spell.seconds
                    after = resident_bytes(process.pid)
                yield {
                    "name": f"memory, {call.name.partition(',')[0]}",
                    "requests": made,
                    "megabytes_before": round(before / 1e6, 1),
                    "megabytes_after": round(after / 1e6, 1),
                    "ratio": round(after / before, 3),
                    "budget": BUDGET,
                }


def measure(seconds: float = SECONDS, warm_up_seconds: float = WARM_UP_SECONDS) -> list[dict[str, object]]:
    """A row for each kind of request."""
    return list(rows_of(seconds, warm_up_seconds))


def main(arguments: list[str]) -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench memory", description="Memory after many requests.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the most that one kind of request gets")
    given = parser.parse_args(arguments)
    print(f"load {os.getloadavg()[0]:.1f}")
    for row in rows_of(given.seconds):
        show([row])


if __name__ == "__main__":
    main(sys.argv[1:])
