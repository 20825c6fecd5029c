"""What the pages only show, and test_snippets.py does not run, is held to the program all the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from graphql import build_schema, parse, validate

from spacekey.server.http.routes import GRAPHQL
from support.cli import command_tree
from support.documents.openapi import api_document, resolved, validator
from support.pages import PAGES, ROOT, blocks_of

pytestmark = pytest.mark.sampled(2)

RUN = {"python", "console", "js"}
SHOWN = {"graphql", "html", "javascript", "json", "nginx", "sh", "text", "toml"}
"""tests/e2e runs the configurations of proxies, dashboard/test_element.py the page in HTML, adoption what needs
packages that are installed apart, and clients/test_front_ends.py JavaScript that needs packages of npm."""

_INLINE = re.compile(r"`(spacekey [a-z][^`]*)`")


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_block_is_found_and_says_what_it_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = blocks_of(page)
    assert text.count("```") == 2 * len(blocks), "a fence that stands inside something else is not run"
    assert {block.language for block in blocks} <= RUN | SHOWN
    assert all(block.saved_as is not None for block in blocks if block.language == "js"), "a command runs it"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_graphql_fits_the_schema(page: Path) -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    for block in blocks_of(page):
        if block.language == "graphql":
            assert validate(schema, parse(block.text)) == []


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_json_is_what_the_rest_api_takes_or_gives(page: Path) -> None:
    blocks = [json.loads(block.text) for block in blocks_of(page) if block.language == "json"]
    schemas = list(_schemas()) if blocks else []
    for block in blocks:
        assert any(validator(schema).is_valid(block) for schema in schemas), block


def _schemas() -> Iterator[dict[str, Any]]:
    """The schemas of all bodies and of all answers that are no refusals."""
    for path, item in api_document()["paths"].items():
        if path == GRAPHQL:  # its data may be anything
            continue
        for operation in item.values():
            answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            for described in (operation.get("requestBody", {}), *map(resolved, answers)):
                schemas = [media["schema"] for media in described.get("content", {}).values()]
                yield from (schema for schema in schemas if schema.get("additionalProperties") is not True)


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_files_of_shell_commands_are_there(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "sh":
            for file in re.findall(r"examples/[\w./-]+", block.text):
                assert (ROOT / file).exists() or (ROOT / f"{file}.example").exists() or file.endswith("/.env"), file


@pytest.mark.sampled(3)
@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_and_options_in_the_text_exist(page: Path) -> None:
    wrong = [line for line in _INLINE.findall(page.read_text(encoding="utf-8")) if list(_unknown(line))]
    assert wrong == []


def _unknown(line: str) -> Iterator[str]:
    """What the command line does not know of a command as the text names it."""
    command = command_tree()
    words = line.split()[1:]
    while words and isinstance(command, typer.core.TyperGroup) and not words[0].startswith("-"):
        name = words.pop(0)
        if name in ("…", "..."):
            return
        found = command.commands.get(name)
        if found is None:
            yield name
            return
        command = found
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help"}
    yield from (word for word in words if word.startswith("--") and word.partition("=")[0] not in options)
