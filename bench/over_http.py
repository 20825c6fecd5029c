"""What protecting a route costs over HTTP: requests a second of a protected app over those of the same app bare.

Run it with ``python -m bench.over_http``. All apps are served by uvicorn in one process, and asked in turns while the
others are silent: over one kept-open connection, and as a busy server over eight at once. In one process, because two
processes of one and the same app differ by up to 8 %, by where their memory happens to lie; in several such processes
one after the other, for the same reason. Client and server are not pinned to cores: that would measure how long one
core takes to wake the other. "ratio" compares the fastest rounds, "median ratio" is the median of the rounds' own.
Budget: at least 0.93, over one connection.
"""

from contextlib import ExitStack
from statistics import median

from starlette.types import ASGIApp

from . import _apps
from ._served import connected, get, requests_a_second, served_together
from ._turns import show

PROCESSES = 3
ROUNDS = 60
REQUESTS_A_ROUND = 200
AT_ONCE = 8
BUDGET_AT_LEAST = 0.93
REQUEST = get("/jobs", _apps.SECRET.reveal())
END = b"\r\n\r\nok"


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


NAMES = {
    bare: "bare",
    protected: "protected",
    counted: f"protected, {' and '.join(_apps.counted()) or 'without limits yet'}",
    theirs: "Starlette AuthenticationMiddleware over a dict",
}


def measure(rounds: int = ROUNDS, processes: int = PROCESSES) -> list[dict[str, object]]:
    """Rows with requests a second at their best, and the ratio to the bare app's. ``budget_at_least`` is a least.

    :param processes: how many serve, one after the other; each serves every app.
    """
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(processes):
        with served_together([f"bench.over_http:{app.__name__}" for app in NAMES]) as addresses, ExitStack() as running:
            lines = {
                name: running.enter_context(connected(address, AT_ONCE))
                for name, address in zip(NAMES.values(), addresses, strict=True)
            }
            for connections in lines.values():
                requests_a_second(connections, REQUEST, END, REQUESTS_A_ROUND)
            for turn in range(rounds):
                for at_once in (1, AT_ONCE):
                    for name in list(lines)[:: 1 if turn % 2 else -1]:
                        rate = requests_a_second(lines[name][:at_once], REQUEST, END, REQUESTS_A_ROUND)
                        rates.setdefault((name, at_once), []).append(rate)
    return [
        _row(name, at_once, found, rates["bare", at_once])
        for (name, at_once), found in sorted(rates.items(), key=_order)
    ]


def _order(item: tuple[tuple[str, int], object]) -> tuple[int, int]:
    (name, at_once), _ = item
    return at_once, list(NAMES.values()).index(name)


def _row(name: str, at_once: int, found: list[float], base: list[float]) -> dict[str, object]:
    return {
        "name": f"over HTTP, {at_once} at once: {name}",
        "requests_a_second": round(max(found)),
        "ratio": round(max(found) / max(base), 3),
        "median_ratio": round(median(one / other for one, other in zip(found, base, strict=True)), 3),
        "budget_at_least": BUDGET_AT_LEAST if name == "protected" and at_once == 1 else None,
    }


if __name__ == "__main__":
    show(measure())
