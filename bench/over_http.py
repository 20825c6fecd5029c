"""What protecting a route costs over HTTP: requests a second of a protected app over those of the same app bare.

Run it with ``python -m bench.over_http``. Each app is served by uvicorn in a process of its own on 127.0.0.1, and
asked over one kept-open connection after the other's turn, so that client and server never compete with the other
server. Budget (DESIGN §15): at least 0.93.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spacekey.domain.outcome import Valid
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret, mint
from spacekey.middleware import TokenMiddleware, requires
from spacekey.middleware.cached import CachedVerifier, Reading

ROOT = Path(__file__).parents[1]
ROUNDS = 40
REQUESTS_A_ROUND = 200
START_SECONDS_MAX = 30
BUDGET_AT_LEAST = 0.93
SECRET = mint("sk", "live", lambda length: bytes(range(length)))
REQUEST = (
    "GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    f"Authorization: Bearer {SECRET.reveal()}\r\n\r\n"
).encode()


async def jobs(request: Request) -> Response:
    """What both apps serve."""
    del request
    return PlainTextResponse("ok")


async def read_store(secret: Secret) -> Reading:
    """The store behind the cache."""
    del secret
    return Reading(Valid(Principal("key_1", Kind.SPACE, frozenset({"jobs:read"}), space_id="space_1")), 3_600.0)


def bare() -> Starlette:
    """The app as it is."""
    return Starlette(routes=[Route("/jobs", jobs)])


def protected() -> Starlette:
    """The same app behind the middleware."""
    guard = Middleware(TokenMiddleware, verifier=CachedVerifier(read_store))
    return Starlette(routes=[Route("/jobs", requires("jobs:read")(jobs))], middleware=[guard])


@contextmanager
def served(name: str) -> Iterator[socket.socket]:
    """A connection to the app of that name, in a process that ends with the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        # Handed over as a number, the server does not know it for TCP and would leave Nagle's delay on.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        command = [sys.executable, "-m", "uvicorn", f"bench.over_http:{name}", "--factory", "--no-access-log"]
        command += ["--log-level", "warning", "--timeout-keep-alive", "600", "--fd", str(listener.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()], env=dict(os.environ))
        try:
            # The listener queues the connection until the server is up.
            with socket.create_connection(listener.getsockname(), START_SECONDS_MAX) as connection:
                connection.settimeout(START_SECONDS_MAX)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield connection
        finally:
            process.terminate()
            process.wait(START_SECONDS_MAX)


def _ask(connection: socket.socket, times: int) -> float:
    """Requests a second; every answer is looked at."""
    started = time.perf_counter()
    for _ in range(times):
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"\r\n\r\nok"):
            chunk = connection.recv(4_096)
            if not chunk or (answer := answer + chunk)[9:12] != b"200":
                raise RuntimeError(f"a benchmark that measures refusals: {answer[:12]!r}")
    return times / (time.perf_counter() - started)


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """One row an app: requests a second at its best, and the ratio to the bare one's. ``budget`` is a least."""
    with ExitStack() as running:
        connections = {each.__name__: running.enter_context(served(each.__name__)) for each in (bare, protected)}
        rates: dict[str, list[float]] = {name: [] for name in connections}
        for connection in connections.values():
            _ask(connection, REQUESTS_A_ROUND)
        for turn in range(rounds):
            for name in list(connections)[:: 1 if turn % 2 else -1]:
                rates[name].append(_ask(connections[name], REQUESTS_A_ROUND))
    base = rates["bare"]
    return [
        {
            "name": f"over HTTP: {name}",
            "requests_a_second": round(max(rate)),
            "ratio": round(max(rate) / max(base), 3),
            "median_ratio": round(median(one / other for one, other in zip(rate, base, strict=True)), 3),
            "budget_at_least": BUDGET_AT_LEAST if name == "protected" else None,
        }
        for name, rate in rates.items()
    ]


def main() -> None:
    """Print the rows as a table."""
    for row in measure():
        budget = f"  (budget ≥ {row['budget_at_least']})" if row["budget_at_least"] else ""
        ratios = f"{row['ratio']:>6}×  median {row['median_ratio']:>6}×"
        print(f"{row['name']:<40} {row['requests_a_second']:>7} requests/s  {ratios}{budget}")


if __name__ == "__main__":
    main()
