"""Write the pages that are made from the code: ``make docs-reference``, or ``python docs/generate.py``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parent


def decisions() -> str:
    """Return the index of the decision records, by topic."""
    topics: dict[str, list[str]] = defaultdict(list)
    for record in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        text = record.read_text(encoding="utf-8")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        status = re.search(r"^- Status: (.+)$", text, re.MULTILINE)
        topic = re.search(r"^- Topic: (.+)$", text, re.MULTILINE)
        if title is None or status is None or topic is None:
            raise ValueError(f"{record.name} needs a title, '- Status: …' and '- Topic: …'.")
        note = "" if status[1] == "Accepted" else f" – {status[1][0].lower()}{status[1][1:]}"
        topics[topic[1]].append(f"- {record.name[:4]} [{title[1]}]({record.name}){note}")
    head = """# Decisions

What was decided, why, and what follows from it, with the measurements. One file per decision, numbered in order. To add
one, copy the form of the newest, take the next number and run `make docs-reference`. A decision that no longer holds
stays, and its status names the one that took its place.
"""
    parts = [f"## {topic}\n\n" + "\n".join(lines) + "\n" for topic, lines in sorted(topics.items())]
    return "\n".join([head, *parts])


PAGES: dict[str, Callable[[], str]] = {
    "decisions/README.md": decisions,
}
"""Every generated page, by its path in ``docs/``."""


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
