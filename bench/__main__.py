"""Run every benchmark here and write ``RESULTS.md``: ``python -m bench``."""

import importlib
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
NOTES = """Ratios are within one run, of apps that took turns, so that what else the machine did fell on all of them.
Where a row has two ratios, "ratio" compares the fastest rounds, which other processes can only make slower, and
"median" is the median of the rounds' own ratios: the further apart the two, the noisier the machine was."""


def table(rows: list[dict[str, object]]) -> list[str]:
    """The rows as lines of a Markdown table, a column for each key that any row has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = ("" if row.get(key) is None else str(row[key]) for key in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def missed(row: dict[str, object]) -> bool:
    """Whether a row has a budget and is not within it."""
    ratio = float(str(row.get("ratio", 0)))
    most, least = row.get("budget"), row.get("budget_at_least")
    return (most is not None and ratio > float(str(most))) or (least is not None and ratio < float(str(least)))


def report(results: dict[str, list[dict[str, object]] | str], now: datetime) -> str:
    """The whole document. A benchmark that failed is a string that says how."""
    lines = ["# Measured", ""]
    lines += [f"{now:%Y-%m-%d %H:%M} UTC · `python -m bench` · {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"]
    lines += [
        f"{platform.system()} {platform.machine()}, {platform.python_implementation()} {platform.python_version()}"
    ]
    lines += ["", NOTES, ""]
    for name, rows in results.items():
        lines += [f"## {name}", ""]
        if isinstance(rows, str):
            lines += [f"**Not measured:** {rows}", ""]
            continue
        lines += table(rows)
        lines += ["", *(f"**Over budget:** {row['name']}" for row in rows if missed(row)), ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Measure one file after the other; one that fails does not take the others with it."""
    results: dict[str, list[dict[str, object]] | str] = {}
    for file in sorted(HERE.glob("*.py")):
        if file.stem.startswith("_"):
            continue
        print(file.stem, "…", flush=True)
        try:
            results[file.stem] = importlib.import_module(f"bench.{file.stem}").measure()
        except Exception as error:  # noqa: BLE001 - said in the report
            results[file.stem] = f"{type(error).__name__}"
        (HERE / "RESULTS.md").write_text(report(results, datetime.now(UTC)), encoding="utf-8")
    print(f"written: {HERE / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
