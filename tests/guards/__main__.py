"""Remove every guard in turn and see a test fail.

``python -m guards resolvers --tests tests/resolvers tests/schema`` from ``tests/``, or with ``PYTHONPATH=tests``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .plugin import ROOT
from .removal import survey


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 when every guard that was tried is held by a test."""
    parser = argparse.ArgumentParser(prog="guards", description=__doc__)
    parser.add_argument("folders", nargs="+", help="such as resolvers or middleware/graphql, or single files")
    parser.add_argument("--tests", nargs="+", default=["tests/resolvers"], help="what to run")
    parser.add_argument("--select", default="not postgresql", help="pytest's -k")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3_600.0, help="no guard is begun after that")
    parser.add_argument("--guard-seconds", type=float, default=120.0, help="for one guard; too late counts as noticed")
    parser.add_argument("--tests-max", type=int, default=40, help="how many tests are asked about one guard")
    parser.add_argument("--root", type=Path, default=ROOT, help="what the folders lie in")
    parser.add_argument("--report", type=Path, help="write the findings as JSON")
    parser.add_argument("--record", type=Path, help="keep what the tests saw here, and begin with it where it is there")
    given = parser.parse_args(arguments)
    found = survey(
        given.folders,
        given.tests,
        select=given.select,
        jobs=given.jobs,
        seconds=given.seconds,
        guard_seconds=given.guard_seconds,
        tests_max=given.tests_max,
        root=given.root,
        record=given.record,
        tell=_tell,
    )
    if given.report is not None:
        given.report.write_text(found.json())
    _tell(str(found))
    return 0 if found.is_clean else 1


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
