"""The code blocks of a Markdown page, as a reader meets them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"),
    ]
)
"""Every page that readers follow."""
RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
"""Decision records and their index: they tell what was so then, and nothing in them is run."""

SAVED = {"javascript", "python", "toml", "graphql", "js"}
"""Languages of blocks that "Save it as …" can mean."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVE = re.compile(r"[Ss]ave (?:it|this) as `([\w./]+)`")


@dataclass(slots=True)
class Command:
    """One line after ``$``, and what the page says it prints; nothing said is nothing compared."""

    line: str
    printed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the file the page tells the reader to save it as."""

    language: str
    text: str
    saved_as: str | None

    def commands(self) -> list[Command]:
        """The commands of a console block; a line that ends with a backslash goes on."""
        found: list[Command] = []
        going_on = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            elif going_on:
                found[-1].line += "\n" + line
            elif found:
                found[-1].printed.append(line)
            going_on = bool(found) and line.endswith("\\")
        return found


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page. "Save it as `app.py`" stands in the paragraph before or after its block."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()].rstrip().rpartition("\n\n")[2]
        after = text[match.end() :].lstrip().partition("\n\n")[0]
        saved = _SAVE.search(before) or (None if after.startswith("```") else _SAVE.search(after))
        found.append(Block(match[1], match[2], saved[1] if saved and match[1] in SAVED else None))
    return found


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    anchors: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in anchors:
            number += 1
        anchors.add(unique)
    return anchors


def matches(printed: list[str], shown: str) -> bool:
    """Whether what was printed is what the page shows, where ``…`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in "\n".join(printed).strip().split("…"))
    return re.fullmatch(pattern, shown.strip(), re.DOTALL) is not None
