"""Each message on docs/how-to/troubleshooting.md is one that the program can show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from support.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "troubleshooting.md"
FOLDERS = ("domain", "middleware", "models", "resolvers", "schema", "server")


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%[sdg]", "…", node.value)


@cache
def _said() -> tuple[str, ...]:
    """Every text in the program, with … for what is filled in."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    return tuple(text for tree in trees for node in ast.walk(tree) for text in _texts(node))


def _messages() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    return [*rows, *re.findall(r"^- `([^`]+\.)`", text, re.MULTILINE)]


@pytest.mark.parametrize("message", _messages())
def test_the_message_is_in_the_program(message: str) -> None:
    pattern = re.compile(".*".join(re.escape(part) for part in message.split("…")), re.DOTALL)
    assert any(pattern.search(text) for text in _said())
