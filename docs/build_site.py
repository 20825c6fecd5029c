"""Build the documentation site into ``build/site``: ``make docs``.

Links from a page to a file of the repository lead to a copy of it in the site, and links to folders become plain text.
Each page stands beside its HTML as Markdown, and ``llms.txt`` lists them. The site asks no other host for anything.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import spacekey
from spacekey import verifiers
from spacekey.server.http.openapi import document
from spacekey.server.http.routes import OPERATIONS

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
SOURCE = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"
NOT_PAGES = ("screenshots/take.py", "generate.py", "build_site.py", "mkdocs.yml")
REPOSITORY = "repository"
ABOUT = (
    "> API tokens for Python: a server that issues and manages them, and a middleware that verifies them, for "
    "Starlette, FastAPI and Strawberry."
)
BACKGROUND = "---\nsearch:\n  boost: 0.2\n---\n\n"
"""Before pages that are found last."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]+)?\)")
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def prepare() -> None:
    """Write all pages, and what they link to, where MkDocs reads them."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    for file in sorted(DOCS.rglob("*")):
        name = file.relative_to(DOCS).as_posix()
        if file.is_dir() or name in NOT_PAGES or "__pycache__" in name:
            continue
        target = SOURCE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            text = linked(file.read_text(encoding="utf-8"), file)
            target.write_text(BACKGROUND + text if name.startswith("decisions/") else text, encoding="utf-8")
        else:
            shutil.copyfile(file, target)
    changelog = ROOT / "CHANGELOG.md"
    (SOURCE / "CHANGELOG.md").write_text(linked(changelog.read_text(encoding="utf-8"), changelog), encoding="utf-8")
    (SOURCE / "reference" / "python-api.md").write_text(python_api(), encoding="utf-8")
    (SOURCE / "openapi.json").write_text(openapi(), encoding="utf-8")


def openapi() -> str:
    """Return the OpenAPI document as JSON."""
    import json

    return json.dumps(document(OPERATIONS), indent=1) + "\n"


def python_api() -> str:
    """Return the page on which mkdocstrings describes every public name."""
    names = {"spacekey": spacekey.__all__, "spacekey.verifiers": verifiers.__all__}
    parts = [
        "# Every public name of Python",
        "Made from the docstrings. [Python](python.md) has the same in the order in which you meet it.",
    ]
    for module, listed in names.items():
        parts.append(f"## From `{module}`")
        parts += [f"::: {_home(module, name)}" for name in sorted(listed)]
    return "\n\n".join(parts) + "\n"


def _home(module: str, name: str) -> str:
    """Return where a name is defined, which is where its docstring is found without importing anything."""
    found = getattr(sys.modules[module], name)
    home = getattr(found, "__module__", None)
    return f"{home}.{name}" if isinstance(home, str) and home.startswith("spacekey") else f"{module}.{name}"


def linked(text: str, page: Path) -> str:
    """Return the page's text with its links as the site has them."""
    place = page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT)

    def replaced(match: re.Match[str]) -> str:
        image, label, target, anchor = match[1], match[2], match[3], match[4] or ""
        file = (page.parent / target).resolve()
        if file.is_relative_to(DOCS) and page.is_relative_to(DOCS):
            return match[0]
        if file.is_relative_to(DOCS):
            return f"{image}[{label}]({file.relative_to(DOCS).as_posix()}{anchor})"
        if file.is_dir():
            return label
        there = Path("CHANGELOG.md") if file == ROOT / "CHANGELOG.md" else _copied(file)
        shown = Path(os.path.relpath(there, place.parent)).as_posix()
        return f"{image}[{label}]({shown}{anchor})"

    return "".join(part if is_code else _LINK.sub(replaced, part) for is_code, part in _by_fences(text))


def _by_fences(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a text, with whether each is a block of code."""
    at = 0
    for fence in _FENCE.finditer(text):
        yield False, text[at : fence.start()]
        yield True, fence[0]
        at = fence.end()
    yield False, text[at:]


def _copied(file: Path) -> Path:
    """Copy a file of the repository into the site, as text that browsers show, and return where it is."""
    there = Path(REPOSITORY) / f"{file.relative_to(ROOT).as_posix()}.txt"
    target = SOURCE / there
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    return there


def configuration() -> dict[str, Any]:
    """Return MkDocs' configuration."""
    from mkdocs.utils.yaml import yaml_load

    with (DOCS / "mkdocs.yml").open(encoding="utf-8") as file:
        config: dict[str, Any] = yaml_load(file)
    handler = next(one["mkdocstrings"] for one in config["plugins"] if isinstance(one, Mapping))["handlers"]["python"]
    handler["paths"] = [str(ROOT / "build" / "house")]
    return {**config, "docs_dir": str(SOURCE), "site_dir": str(SITE)}


def build() -> None:
    """Build the site.

    :raises SystemExit: if MkDocs warns of anything.
    """
    from markdown.blockprocessors import OListProcessor
    from mkdocs.commands.build import build as build_site
    from mkdocs.config.base import load_config

    OListProcessor.LAZY_OL = False  # steps go on counting after a block of code
    prepare()
    config = load_config(config_file=str(DOCS / "mkdocs.yml"), **configuration())
    config.plugins.on_startup(command="build", dirty=False)
    build_site(config)
    config.plugins.on_shutdown()
    beside()


def beside() -> None:
    """Write each page as Markdown beside its HTML, and ``llms.txt``."""
    lines = ["# Spacekey", "", ABOUT, ""]
    sections: dict[str, list[str]] = {"Tutorial": [], "How-to": [], "Reference": [], "Explanation": [], "Optional": []}
    kinds = {"tutorial": "Tutorial", "how-to": "How-to", "reference": "Reference", "explanation": "Explanation"}
    for page in sorted(SOURCE.rglob("*.md")):
        name = page.relative_to(SOURCE)
        text = page.read_text(encoding="utf-8").removeprefix(BACKGROUND)
        target = SITE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        title = _TITLE.search(text)
        if title is not None and name.as_posix() != "README.md":
            section = kinds.get(name.parts[0], "Optional")
            sections[section].append(f"- [{title[1]}]({name.as_posix()}): {_first_sentence(text)}")
    for section, listed in sections.items():
        lines += [f"## {section}", "", *listed, ""]
    (SITE / "llms.txt").write_text("\n".join(lines), encoding="utf-8")


def _first_sentence(text: str) -> str:
    """Return the first sentence of a page below its title."""
    for paragraph in _TITLE.sub("", text, count=1).split("\n\n"):
        plain = " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph).split())
        if plain and not plain.startswith(("#", "|", "```", "- Status", "<")):
            return re.split(r"(?<=[.:]) ", plain)[0]
    return ""


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    build()
