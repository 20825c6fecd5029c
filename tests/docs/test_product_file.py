"""docs/reference/product-file.md has every key that the parser knows, with its limits, and its examples parse."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from spacekey.domain import product_file, product_table
from spacekey.domain.errors import ProductError
from spacekey.domain.product_file import parse_product
from spacekey.domain.product_table import Table
from spacekey.domain.scope import SCOPE_LENGTH_MAX
from support.pages import ROOT, blocks_of

PAGE = ROOT / "docs" / "reference" / "product-file.md"
QUICKSTART = ROOT / "docs" / "tutorial" / "quickstart.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = [block.text for block in blocks_of(PAGE) if block.language == "toml"]
NAMED = ("shorthands", "presets", "roles", "plans", "key_formats")
"""Sections whose tables have names of the author's."""


def _sections() -> Iterator[tuple[str, set[str]]]:
    """The keys that the page lists in each section."""
    for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL):
        name = "" if title == "Top level" else title.strip("`[]").partition(".")[0]
        keys = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
        if name == "" or title.startswith("`["):
            yield name, keys


def _read_keys(monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, set[str]]:
    """The keys that the parser asks for in each section of a file; it asks for those that are left out too."""
    asked: dict[str, set[str]] = {}
    get = Table._get

    def recording(table: Table, key: str, default: Any) -> Any:
        section = re.sub(r"\[\d+\]$", "", table._path).partition(".")[0]
        if table._path not in (
            *NAMED,
            "scopes",
            "presentation.scopes",
            "presentation.texts",
        ):  # their keys are names, not words of the format
            asked.setdefault(section, set()).add(key)
        return get(table, key, default)

    with monkeypatch.context() as patched:
        patched.setattr(Table, "_get", recording)
        parse_product(text, "product.toml")
    return asked


def test_each_section_lists_the_keys_that_the_parser_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {name: keys for name, keys in _sections() if name != "scopes"}
    assert listed == _read_keys(monkeypatch, EXAMPLES[0])


def test_the_first_example_has_every_section_and_key() -> None:
    whole = tomllib.loads(EXAMPLES[0])
    for name, keys in _sections():
        if name in NAMED:
            used = {key for table in whole[name].values() for key in table}
        elif name == "use_cases":
            used = {key for table in whole[name] for key in table}
        elif name == "presentation":
            shown = whole[name]
            parts = [shown, shown["navigation"], *shown["scopes"].values(), *shown["links"]]
            used = {key for part in parts for key in part}
        else:
            used = set(whole if name == "" else whole[name])
        assert keys <= used, name


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_parses_by_itself_or_as_a_part_of_the_first(example: str) -> None:
    whole = EXAMPLES[0]
    if "name" not in tomllib.loads(example):
        header, _, body = example.partition("\n")
        added = [line for line in body.splitlines() if line not in whole]
        assert added
        example = whole.replace(f"{header}\n", "\n".join([header, *added, ""]))
    parse_product(example, "product.toml")


def test_the_limits_are_those_of_the_code() -> None:
    for number, what in (
        (product_table.TEXT_LENGTH_MAX, "characters"),
        (product_table.ENTRIES_MAX, "entries"),
        (product_file.PRODUCT_BYTES_MAX, "bytes"),
        (product_file.PRODUCTS_MAX, "files"),
        (SCOPE_LENGTH_MAX, "characters"),
    ):
        assert f"at most {number:,} {what}" in TEXT


def test_required_means_required() -> None:
    top = TEXT.partition("## `[tokens]`")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", top, re.MULTILINE))
    required = {key for key, default in said.items() if default == "required"}
    smallest = next(block.text for block in blocks_of(QUICKSTART) if block.language == "toml")
    parse_product(smallest, "product.toml")
    assert set(tomllib.loads(smallest)) == required
    for key in required:
        with pytest.raises(ProductError) as caught:
            parse_product(_without(smallest, key), "product.toml")
        assert caught.value.key == key


def _without(text: str, key: str) -> str:
    """The file without a key or table at its top level."""
    parts = re.split(r"(?=^\[)", text, flags=re.MULTILINE)
    kept = [part for part in parts if re.match(rf"\[{key}[].]", part) is None]
    return re.sub(rf"^{key} = .*$", "", "".join(kept), count=1, flags=re.MULTILINE)
