"""Pages that are made from the code say what the code says now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import spacekey
import spacekey.middleware.graphql
from spacekey.server.http.routes import GRAPHQL, OPERATIONS
from support.pages import ROOT, blocks_of

DOCS = ROOT / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = _generator()


@pytest.mark.parametrize("name", [*generator.PAGES, *generator.PARTS])
def test_the_page_is_what_the_code_gives(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert page == generator.made(name), f"docs/{name} is out of date: run `make docs-reference` and commit it"


@pytest.mark.parametrize("name", ["reference/python.md", "reference/command-line.md", "reference/settings.md"])
def test_no_row_of_a_reference_is_without_a_meaning(name: str) -> None:
    rows = re.findall(r"^\| `(?!\*`).*$", (DOCS / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert rows
    assert [row for row in rows if not row.strip("| ").rpartition(" | ")[2].strip(" |")] == []
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


NOT_CALLED = {
    "Declaration",
    "OnDenied",
    "Rulebook",
    "Requirement",
    "RequestAuth",
    "RequiresScopes",
    "Denial",
    "DenialError",
    "RateLimitedError",
}
"""Public names that apps are given, or name in annotations, and do not call."""


@pytest.mark.parametrize("package", [spacekey.middleware.graphql], ids=lambda one: one.__name__)
def test_every_public_name_is_in_the_reference(package: ModuleType) -> None:
    shown = set(
        re.findall(r"^### `(\w+)`$", (DOCS / "reference" / "python.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    public = {name for name in package.__all__ if name.lower() != name or callable(getattr(package, name))}
    constants = {name for name in public if name.isupper()}
    assert public - constants - NOT_CALLED <= shown


def test_the_guide_shows_each_rest_call() -> None:
    shown = set()
    for block in blocks_of(DOCS / "how-to" / "rest-api.md"):
        for command in block.commands() if block.language == "console" else ():
            for url in re.findall(r"http://127\.0\.0\.1:8000([^\s\"?]+)", command.line):
                method = re.search(r"-X (\w+)", command.line)
                has_body = " -d " in command.line
                path = re.sub(r"\$\w+", "{id}", url)
                shown.add((method[1] if method else "POST" if has_body else "GET", path))
    assert {(one.method, one.path) for one in OPERATIONS if one.path != GRAPHQL} <= shown


@pytest.mark.parametrize("record", sorted((DOCS / "decisions").glob("[0-9]*.md")), ids=lambda record: record.stem)
def test_a_decision_has_its_four_parts_in_order(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^#+ (.+)$", text, re.MULTILINE)[1:] == ["Context", "Decision", "Consequences"]
    assert re.search(r"^- Status: (Accepted|Superseded by \[)", text, re.MULTILINE)


def test_no_two_decisions_have_one_number() -> None:
    numbers = [record.name[:4] for record in (DOCS / "decisions").glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers))
