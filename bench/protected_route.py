"""What protecting a route costs: one request in process, over the same app bare, beside what people use today.

Run it with ``python -m bench.protected_route``. The apps take turns in short rounds. ``ratio`` compares each
app's fastest round with its bare twin's (other processes only ever add time); ``median_ratio`` is the median of the
rounds' ratios, for how noisy the machine was. All that several times in new processes, since two processes of one and
the same app differ by a few hundredths, by where their memory happens to lie. Budgets: 1.35 for a warm
protected route, 1.6 with limits and usage. keyshield takes part where it is installed (``pip install --group bench``).
"""

import asyncio
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from fastapi import Depends
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message

from spacekey import TokenMiddleware, public, requires
from spacekey.middleware.fastapi import RequireScopes
from spacekey.verifiers import MemoryVerifier

from ._apps import (
    Contestant,
    counted,
    dict_dependency,
    fastapi_app,
    guarded,
    jobs,
    protected,
    public_jobs,
    starlette_app,
    theirs,
)
from ._stored import stored
from ._turns import ratios, show

ROUNDS = 80
PROCESSES = 4
BUDGET = 1.35
BUDGET_COUNTED = 1.6


def contestants() -> list[Contestant]:
    """Those that keep everything in memory; the bare ones first."""
    bare, bare_fastapi = "Starlette, bare", "FastAPI, bare"
    memory = MemoryVerifier()
    token = memory.issue("jobs:read", "jobs:create", space_id="space_1").reveal()
    settings = counted()
    return [
        Contestant(bare, starlette_app(), bare),
        Contestant("Spacekey, warm cache", protected(), bare, budget=BUDGET),
        Contestant(
            f"Spacekey, warm cache, {' and '.join(settings) or 'without limits yet'}",
            protected(**settings),
            bare,
            budget=BUDGET_COUNTED,
        ),
        Contestant("Spacekey, MemoryVerifier", _over(memory), bare, token),
        Contestant("Spacekey, public route", starlette_app(public(public_jobs), guarded()), bare),
        Contestant("Starlette AuthenticationMiddleware over a dict, @requires", theirs(), bare),
        Contestant(bare_fastapi, fastapi_app(), bare_fastapi),
        Contestant("Spacekey in FastAPI, warm cache", fastapi_app(RequireScopes("jobs:read"), guarded()), bare_fastapi),
        Contestant("FastAPI HTTPBearer over a dict", fastapi_app(Depends(dict_dependency)), bare_fastapi),
    ]


def _over(verifier: MemoryVerifier) -> ASGIApp:
    return starlette_app(requires("jobs:read")(jobs), Middleware(TokenMiddleware, verifier=verifier))


def _scope(token: str) -> dict[str, object]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
        "path": "/jobs",
        "raw_path": b"/jobs",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"user-agent", b"bench"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"connection", b"keep-alive"),
            (b"authorization", b"Bearer " + token.encode()),
        ],
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _round(one: Contestant) -> float:
    """Seconds a request; every answer is looked at."""
    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    # One after the other, as a server makes them and lets go of them: what lives on after a request then costs time.
    made = (_scope(one.token) for _ in range(one.requests))
    spent = 0.0
    for scope in made:
        started = time.perf_counter()
        await one.app(scope, _receive, send)
        spent += time.perf_counter() - started
    if statuses != [200] * one.requests:
        raise RuntimeError(f"a benchmark that measures refusals: {one.name}: {set(statuses)}")
    return spent / one.requests


@dataclass(slots=True)
class Times:
    """Seconds a request of one contestant, by round, and of its bare twin in the same rounds."""

    budget: float | None
    took: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)


async def _times(rounds: int) -> dict[str, Times]:
    in_memory = contestants()
    bare, bare_fastapi = in_memory[0].bare, in_memory[-1].bare
    with tempfile.TemporaryDirectory() as folder:
        async with stored(Path(folder), bare, bare_fastapi) as others:
            everybody = [*in_memory, *others]
            times = {one.name: Times(one.budget) for one in everybody}
            for one in everybody:
                await _round(one)
            for turn in range(rounds):
                this_turn: dict[str, float] = {}
                for one in everybody:
                    if turn % one.every == 0:
                        this_turn[one.name] = await _round(one)
                        times[one.name].took.append(this_turn[one.name])
                        times[one.name].beside.append(this_turn[one.bare])
    return times


def _in_a_process(rounds: int) -> dict[str, Times]:
    return asyncio.run(_times(rounds))


def measure(rounds: int = ROUNDS, processes: int = PROCESSES) -> list[dict[str, object]]:
    """One row an app: its name, the microseconds of a request, the ratios to its bare twin, the budget.

    :param rounds: in each of so many processes, one after the other.
    """
    times: dict[str, Times] = {}
    for _ in range(processes):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            for name, found in process.submit(_in_a_process, rounds).result().items():
                all_of_it = times.setdefault(name, Times(found.budget))
                all_of_it.took += found.took
                all_of_it.beside += found.beside
    rows: list[dict[str, object]] = [
        {
            "name": name,
            "microseconds": round(min(found.took) * 1e6, 1),
            **ratios(found.took, found.beside),
            "budget": found.budget,
        }
        for name, found in times.items()
    ]
    if not any(name.startswith("keyshield") for name in times):
        rows.append({"name": "keyshield", "note": "not installed: pip install --group bench"})
    return rows


if __name__ == "__main__":
    show(measure())
