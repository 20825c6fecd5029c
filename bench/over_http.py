"""What protecting a route costs over HTTP: requests a second of a protected app over those of the same app bare.

Run it with ``python -m bench.over_http``. Each app is served by uvicorn, and asked while the others are silent: over
one kept-open connection, and as a busy server over eight at once. Two processes of one and the same app differ by up
to 8 %, by where their memory happens to lie, so each app has several and its fastest round of all counts. Client and
server are not pinned to cores: that would measure how long one core takes to wake the other.
Budget (DESIGN §15): at least 0.93, over one connection.
"""

import socket
from contextlib import ExitStack

from starlette.types import ASGIApp

from . import _apps
from ._served import connected, get, requests_a_second, served
from ._turns import show

PROCESSES_EACH = 3
ROUNDS = 24
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


def measure(rounds: int = ROUNDS, processes: int = PROCESSES_EACH) -> list[dict[str, object]]:
    """Rows with requests a second at their best, and the ratio to the bare app's. ``budget_at_least`` is a least.

    :param processes: how many serve each app.
    """
    rates: dict[tuple[str, int], list[list[float]]] = {}
    with ExitStack() as running:
        lines: list[tuple[str, list[socket.socket]]] = []
        for _ in range(processes):
            for app, name in NAMES.items():
                address = running.enter_context(served(f"bench.over_http:{app.__name__}"))
                lines.append((name, running.enter_context(connected(address, AT_ONCE))))
        for _, connections in lines:
            requests_a_second(connections, REQUEST, END, REQUESTS_A_ROUND)
        for turn in range(rounds):
            for at_once in (1, AT_ONCE):
                this_turn: dict[str, list[float]] = {}
                for name, connections in lines[:: 1 if turn % 2 else -1]:
                    rate = requests_a_second(connections[:at_once], REQUEST, END, REQUESTS_A_ROUND)
                    this_turn.setdefault(name, []).append(rate)
                for name, found in this_turn.items():
                    rates.setdefault((name, at_once), []).append(found)
    return [
        _row(name, at_once, found, rates["bare", at_once])
        for (name, at_once), found in sorted(rates.items(), key=_order)
    ]


def _order(item: tuple[tuple[str, int], object]) -> tuple[int, int]:
    (name, at_once), _ = item
    return at_once, list(NAMES.values()).index(name)


def _row(name: str, at_once: int, found: list[list[float]], base: list[list[float]]) -> dict[str, object]:
    best, best_base = max(map(max, found)), max(map(max, base))
    middle = sorted(max(one) / max(other) for one, other in zip(found, base, strict=True))
    return {
        "name": f"over HTTP, {at_once} at once: {name}",
        "requests_a_second": round(best),
        "ratio": round(best / best_base, 3),
        "median_ratio": round(middle[len(middle) // 2], 3),
        "budget_at_least": BUDGET_AT_LEAST if name == "protected" and at_once == 1 else None,
    }


if __name__ == "__main__":
    show(measure())
