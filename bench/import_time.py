"""What importing ``spacekey.middleware`` costs, over importing those parts of Starlette that such an app needs anyway.

Run it with ``python -m bench.import_time``. Processor seconds of the import alone, in fresh processes that take turns;
the fastest of many counts. Budget: 1.5.
"""

import os
import subprocess
import sys
import tempfile

from ._turns import ROOT, ratios, show

ROUNDS = 25
PROCESS_SECONDS_MAX = 60
BUDGET = 1.5
STARLETTES = (
    "import starlette.applications, starlette.authentication, starlette.endpoints, starlette.requests, "
    "starlette.responses, starlette.routing, starlette.websockets"
)
IMPORTS = {
    "starlette": STARLETTES,
    "spacekey.middleware, Starlette included": "import spacekey.middleware",
    "fastapi": "import fastapi",
}


def import_seconds(code: str, compiled: str) -> float:
    """Processor seconds that the imports take in a new process, with its compiled files in a folder of their own.

    Packages are compiled when they are installed; a checkout is not, nor where the environment forbids it.
    """
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = compiled
    timed = f"import time; started = time.process_time(); {code}; print(time.process_time() - started)"
    run = subprocess.run(
        [sys.executable, "-c", timed],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=PROCESS_SECONDS_MAX,
    )
    return float(run.stdout)


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Rows with the milliseconds of each import, and its ratio to Starlette's."""
    took: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as compiled:
        for turn in range(rounds + 1):
            for name, code in IMPORTS.items():
                seconds = import_seconds(code, compiled)
                if turn:  # the first round compiles
                    took[name].append(seconds)
    base = took["starlette"]
    return [
        {
            "name": f"import {name}",
            "milliseconds": round(min(seconds) * 1_000, 1),
            **ratios(seconds, base),
            "budget": BUDGET if name.startswith("spacekey") else None,
        }
        for name, seconds in took.items()
    ]


if __name__ == "__main__":
    show(measure())
