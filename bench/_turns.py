"""Contestants take turns; what is compared are rounds that stood side by side."""

import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]


def borrow_from_tests() -> None:
    """Make the tests' own rows, servers and processes importable, as ``support``."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)


def ratios(took: list[float], base: list[float]) -> dict[str, object]:
    """Two ratios of the same rounds: of the fastest, and the median of each round's own.

    Other processes only ever add time, so the first is the steadier; how far the two lie apart says how noisy the
    machine was.

    :param took: seconds by round.
    :param base: the seconds of what it is compared with, in the same rounds.
    """
    return {
        "ratio": round(min(took) / min(base), 3),
        "median_ratio": round(median(one / other for one, other in zip(took, base, strict=True)), 3),
    }


def show(rows: list[dict[str, object]]) -> None:
    """Print rows, one a line."""
    for row in rows:
        facts = (
            f"{key.replace('_', ' ')} {value}" for key, value in row.items() if key != "name" and value is not None
        )
        print(f"{row['name']:<72} {' · '.join(facts)}", flush=True)
