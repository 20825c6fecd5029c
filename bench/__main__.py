"""Run every benchmark here and write ``RESULTS.md``: ``python -m bench`` or ``python -m bench all``.

Only some, whose sections replace the old ones in ``RESULTS.md``: ``python -m bench all served flood``. Printed and not
written: ``python -m bench flood over_http``. One with options of its own:
``python -m bench served --short --only page-graphql,me``.

Each runs in a process of its own, within a bound on its time and on that of all together.
"""

import importlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
ROWS, ALL, SECTION = "--rows", "all", "\n## "
FILE_SECONDS_MAX = 240.0
SECONDS_MAX = {"served": 900.0, "capacity": 480.0}
"""Those that get longer: two databases and every call."""

ALL_SECONDS_MAX = 3_000.0
END_SECONDS_MAX = 30.0
SPINS = 300
NOTES = """Ratios are within one run, of contestants that took turns, so that what else the machine did fell on all of
them. Where a row has two ratios, "ratio" compares the fastest rounds, which other processes can only make slower, and
"median ratio" is the median of the rounds' own ratios: the further apart the two, the noisier the machine was."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one file came to: its rows, or why there are none; how long it took, and how busy the machine was."""

    rows: list[Row] = field(default_factory=list)
    failure: str = ""
    seconds: float = 0.0
    load: float = 0.0


def names() -> list[str]:
    """The benchmarks: every file here that is not a part of others."""
    return sorted(file.stem for file in HERE.glob("*.py") if not file.stem.startswith("_"))


def noise() -> float:
    """How much longer than the fastest a middling run of one and the same loop takes: 1.0 on a silent machine."""
    took: list[float] = []
    for _ in range(SPINS):
        started = time.perf_counter()
        sum(range(20_000))
        took.append(time.perf_counter() - started)
    return median(took) / min(took)


def measured(name: str, seconds_max: float) -> Measured:
    """Run one benchmark in a process of its own; one that fails or takes too long does not take the others with it."""
    started, load = time.monotonic(), os.getloadavg()[0]
    command = [sys.executable, "-m", "bench", ROWS, name]
    failure, output = "", b""
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=seconds_max)
        except subprocess.TimeoutExpired:
            failure = f"it took longer than {seconds_max:.0f} s"
            _end(process)
    taken = time.monotonic() - started
    if failure or process.returncode:
        return Measured([], failure or f"it ended with {process.returncode}; run it alone to see why", taken, load)
    return Measured(json.loads(output.splitlines()[-1]), "", taken, load)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it, so that it can stop the servers it started; what does not end is killed with all it started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def table(rows: list[Row]) -> list[str]:
    """The rows as lines of a Markdown table, a column for each key that any row has."""
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if any(row.get(key) for row in rows)]
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = ("" if row.get(key) is None else str(row[key]) for key in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def missed(row: Row) -> bool:
    """Whether a row has a budget and is not within it."""
    ratio = float(str(row.get("ratio", 0)))
    most, least = row.get("budget"), row.get("budget_at_least")
    return (most is not None and ratio > float(str(most))) or (least is not None and ratio < float(str(least)))


def report(results: dict[str, Measured], noises: list[float], now: datetime) -> str:
    """The whole document."""
    machine = (
        f"{platform.system()} {platform.machine()}, {platform.python_implementation()} {platform.python_version()}"
    )
    spread = " and ".join(f"{one:.2f}" for one in noises)
    lines = [
        "# Measured",
        "",
        f"{now:%Y-%m-%d %H:%M} UTC · `make bench` · {machine}, {os.cpu_count()} CPUs",
        f"Noise: the middling round of one fixed loop took {spread} times as long as its fastest (before, after).",
        "",
        NOTES,
        "",
    ]
    for name, result in results.items():
        lines += [f"## {name}", "", _measured_how(name, result, now), ""]
        if result.failure:
            lines += [f"**Not measured:** {result.failure}", ""]
            continue
        lines += [*table(result.rows), ""]
        over = [f"**Over budget:** {row['name']}" for row in result.rows if missed(row)]
        lines += [*over, ""] if over else []
    return "\n".join(lines).rstrip() + "\n"


def _measured_how(name: str, result: Measured, now: datetime) -> str:
    return f"`python -m bench.{name}` · {now:%Y-%m-%d %H:%M} UTC · {result.seconds:.0f} s · load {result.load:.1f}"


def merged(old: str, new: str) -> str:
    """The new document, with the sections of the old one that it does not have, in the order of their names."""
    head, *sections = new.split(SECTION)
    _, *before = old.split(SECTION)
    found = {one.partition("\n")[0]: one.rstrip("\n") for one in (*before, *sections)}
    kept = [found[name] for name in sorted(found) if name in names()]
    return SECTION.join((head.rstrip("\n") + "\n", *(f"{one}\n" for one in kept)))


def main(chosen: list[str], *, write: bool) -> None:
    """Measure one file after the other; what is left of the time when one begins is its bound.

    :param chosen: only these.
    :param write: into ``RESULTS.md``, where other sections stay as they are; else the document is printed.
    """
    results: dict[str, Measured] = {}
    until, noises = time.monotonic() + ALL_SECONDS_MAX, [noise()]
    for name in chosen or names():
        left = until - time.monotonic()
        print(name, "…", flush=True)
        results[name] = (
            measured(name, min(left, SECONDS_MAX.get(name, FILE_SECONDS_MAX)))
            if left > 1
            else Measured(failure="no time was left")
        )
    noises.append(noise())
    document = report(results, noises, datetime.now(UTC))
    if not write:
        print(document)
        return
    file = HERE / "RESULTS.md"
    file.write_text(merged(file.read_text("utf-8"), document), encoding="utf-8")
    print(f"written: {file}")


if __name__ == "__main__":
    if sys.argv[1:2] == [ROWS]:
        print(json.dumps(importlib.import_module(f"bench.{sys.argv[2]}").measure()))
    elif any(argument.startswith("-") for argument in sys.argv[2:]):
        importlib.import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:])
    else:
        asked = [one for one in sys.argv[1:] if one != ALL]
        unknown = sorted(set(asked) - set(names()))
        if unknown:
            sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(names())}")
        main(asked, write=not asked or ALL in sys.argv)
