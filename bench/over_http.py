"""What protecting a route costs over HTTP: requests a second of a protected app over those of the same app bare.

Run it with ``python -m bench.over_http``. Each app is served by ``uvicorn`` with its default settings, in a process of
its own, and asked in turns while the others are silent: over one kept-open connection, and as a busy server over eight
at once. In several such sets of processes one after the other, because two processes of one and the same app differ by
up to 8 %, by where their memory happens to lie. Client and server are not pinned to cores: that would measure how long
one core takes to wake the other. "ratio" compares the fastest rounds, "median ratio" is the median of the rounds' own.
Budgets: at least 0.93 with a warm cache and at least 0.45 with an embedded store on SQLite where nothing is cached,
both over one connection.
"""

import asyncio
import tempfile
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from statistics import median

from starlette.types import ASGIApp

from . import _apps, flood
from ._load import Load, load_on
from ._served import get, served
from ._turns import show

PROCESSES = 3
ROUNDS = 20
SECONDS = 0.15
AT_ONCE = 8


def bare() -> ASGIApp:
    """The app as it is."""
    return _apps.starlette_app()


def protected() -> ASGIApp:
    """The same app behind the middleware."""
    return _apps.protected()


def counted() -> ASGIApp:
    """The same with limits and usage."""
    return _apps.protected(**_apps.counted())


def theirs() -> ASGIApp:
    """The same behind Starlette's AuthenticationMiddleware over a dictionary."""
    return _apps.theirs()


BARE, PROTECTED, EMBEDDED = "bare", "protected, warm cache", "protected, embedded on SQLite, nothing cached"
FACTORIES = {
    BARE: "bench.over_http:bare",
    PROTECTED: "bench.over_http:protected",
    f"protected, {' and '.join(_apps.counted())}": "bench.over_http:counted",
    "Starlette AuthenticationMiddleware over a dict": "bench.over_http:theirs",
    EMBEDDED: "bench.flood:app",
}
BUDGETS_AT_LEAST = {PROTECTED: 0.93, EMBEDDED: 0.45}


def measure(rounds: int = ROUNDS, processes: int = PROCESSES, seconds: float = SECONDS) -> list[dict[str, object]]:
    """Rows with requests a second at their best, and the ratio to the bare app's. ``budget_at_least`` is a least.

    :param processes: how many serve each app, one after the other.
    :param seconds: of one round.
    """
    rates: dict[tuple[int, str], list[float]] = {(at_once, name): [] for at_once in (1, AT_ONCE) for name in FACTORIES}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'over_http.db'}"
        asyncio.run(flood.fill(url))
        for _ in range(processes):
            with ExitStack() as running:
                loads = {name: _load(running, name, factory, url) for name, factory in FACTORIES.items()}
                for load in loads.values():
                    load.spell(AT_ONCE, seconds)
                for turn in range(rounds):
                    for at_once in (1, AT_ONCE):
                        for name in list(loads)[:: 1 if turn % 2 else -1]:
                            rates[at_once, name].append(loads[name].spell(at_once, seconds).a_second)
    return [_row(name, at_once, found, rates[at_once, BARE]) for (at_once, name), found in rates.items()]


def _load(running: ExitStack, name: str, factory: str, url: str) -> Load:
    address = running.enter_context(served(factory, **{flood.URL: url, flood.BOUNDED: "no"}))
    secret = flood.SECRET if name == EMBEDDED else _apps.SECRET
    return running.enter_context(load_on(address, repeat(get("/jobs", secret.reveal()))))


def _row(name: str, at_once: int, found: list[float], base: list[float]) -> dict[str, object]:
    return {
        "name": f"over HTTP, {at_once} at once: {name}",
        "requests_a_second": round(max(found)),
        "ratio": round(max(found) / max(base), 3),
        "median_ratio": round(median(one / other for one, other in zip(found, base, strict=True)), 3),
        "budget_at_least": BUDGETS_AT_LEAST.get(name) if at_once == 1 else None,
    }


if __name__ == "__main__":
    show(measure())
