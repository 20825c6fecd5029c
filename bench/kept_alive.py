"""One kept-alive connection to the shipped server: ``GET /healthz`` of ``spacekey serve`` over plain Starlette.

Run it with ``python -m bench.kept_alive``. Both are started as users start them, each in a process of its own with its
own listener and its access log on: ``spacekey serve`` with default settings, and ``uvicorn`` with an app of one route
that gives the same answer. One client sends one request after the other over one connection to each; rounds take
turns. "ratio" compares the medians of the fastest rounds, "median ratio" is the median of the rounds' own ratios.
Budget: at most 1.5.
"""

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from socket import socket
from statistics import median, quantiles

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ._served import address_of, connection_to, status_of_response
from ._turns import ROOT, borrow_from_tests, ratios, show

ROUNDS = 30
REQUESTS_A_ROUND = 200
WARM_UP = 200
BUDGET = 1.5
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
BARE, SHIPPED = "Starlette on uvicorn, access log", "spacekey serve"
UVICORN = (sys.executable, "-m", "uvicorn", "--factory", "--host", "127.0.0.1", "--port", "0", "bench.kept_alive:bare")


async def healthz(_request: Request) -> JSONResponse:
    """What the shipped server answers."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


def bare() -> ASGIApp:
    """The app of one route."""
    return Starlette(routes=[Route("/healthz", healthz)])


def asked(connection: socket, requests: int) -> list[float]:
    """Seconds that each of so many requests took, one after the other."""
    took: list[float] = []
    for _ in range(requests):
        started = time.perf_counter()
        connection.sendall(REQUEST)
        if status_of_response(connection) != 200:
            raise RuntimeError("a benchmark that measures refusals")
        took.append(time.perf_counter() - started)
    return took


def measure(rounds: int = ROUNDS, requests: int = REQUESTS_A_ROUND) -> list[dict[str, object]]:
    """Rows with p50, p99 and requests a second on one connection; the shipped server's has the ratio of the p50."""
    borrow_from_tests()
    from support.processes import Installation, started

    took: dict[str, list[list[float]]] = {BARE: [], SHIPPED: []}
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        shipped = Installation(f"sqlite:///{folder / 'kept_alive.db'}", folder).serving()
        plain = started(UVICORN, os.environ, folder, r"running on (http://\S+)", cwd=ROOT)
        lines = {
            BARE: connection_to(address_of(running.enter_context(plain))),
            SHIPPED: connection_to(address_of(running.enter_context(shipped))),
        }
        for connection in lines.values():
            running.enter_context(connection)
            asked(connection, min(WARM_UP, requests))
        for turn in range(rounds):
            for one in list(lines)[:: 1 if turn % 2 else -1]:
                took[one].append(asked(lines[one], requests))
    medians = {one: [median(found) for found in spells] for one, spells in took.items()}
    return [
        _row(BARE, took[BARE]),
        {**_row(SHIPPED, took[SHIPPED]), **ratios(medians[SHIPPED], medians[BARE]), "budget": BUDGET},
    ]


def _row(name: str, spells: list[list[float]]) -> dict[str, object]:
    every = [seconds for spell in spells for seconds in spell]
    return {
        "name": f"kept-alive GET /healthz: {name}",
        "p50_microseconds": round(median(every) * 1e6),
        "p99_microseconds": round(quantiles(every, n=100)[98] * 1e6),
        "requests_a_second": round(len(every) / sum(every)),
        "ratio": 1.0,
    }


if __name__ == "__main__":
    show(measure())
