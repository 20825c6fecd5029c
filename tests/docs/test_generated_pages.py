"""Pages that are made from the code say what the code says now."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pydoc
import re
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import spacekey
from spacekey.server.http.routes import GRAPHQL, OPERATIONS
from support.pages import ROOT, blocks_of

FOLDERS = ("spacekey", "domain", "middleware", "schema", "server")
"""The folders that apps may import from."""

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


def _public_modules() -> dict[str, list[str]]:
    """Every module of the package that has an ``__all__``, which is what makes it public, with its names."""
    found: dict[str, list[str]] = {}
    for folder in (*FOLDERS, "examples"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts if parts[0] == "spacekey" else ("spacekey", *parts)).removesuffix(".__init__")
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                    found[name] = ast.literal_eval(node.value)
    return found


def test_the_reference_lists_exactly_the_public_names() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    shown: dict[str, list[str]] = {}
    for name, module in re.findall(r"^### `(\w+)`\n\nFrom `([\w.]+)`\.$", page, re.MULTILINE):
        shown.setdefault(module, []).append(name)
    assert len(re.findall(r"^### ", page, re.MULTILINE)) == sum(map(len, shown.values()))
    public = _public_modules()
    assert {module: sorted(names) for module, names in shown.items()} == {
        module: sorted(names) for module, names in public.items()
    }
    assert "spacekey" in public


@pytest.mark.parametrize("module", ["spacekey", "spacekey.verifiers"])
def test_a_name_that_is_loaded_late_is_the_one_that_type_checkers_see(module: str) -> None:
    loaded = importlib.import_module(module)
    body = ast.parse(Path(str(loaded.__file__)).read_text(encoding="utf-8")).body
    (checked,) = (node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        one.name: getattr(importlib.import_module(str(node.module)), one.name)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
    }
    assert sorted(seen) == sorted(loaded.__all__)
    assert {name: getattr(loaded, name) for name in loaded.__all__} == seen
    assert set(loaded.__all__) <= {*dir(loaded)}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = loaded.nonsense


def test_the_version_is_that_of_the_installed_package() -> None:
    assert spacekey.__version__ == metadata.version("spacekey")


@pytest.mark.parametrize(("name", "says"), [("public", "nothing is verified"), ("optional", "if they are sent")])
def test_help_describes_a_declaration_and_not_its_class(name: str, says: str) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(spacekey, name)))
    assert says in text
    assert "endpoint" in str(inspect.signature(getattr(spacekey, name)))
    assert "Methods defined here" not in text


@pytest.mark.parametrize("name", ["TokenMiddleware", "protect"])
def test_a_signature_names_its_types(name: str) -> None:
    signature = str(inspect.signature(getattr(spacekey, name)))
    assert "ASGIApp" in signature
    assert "MutableMapping" not in signature


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
