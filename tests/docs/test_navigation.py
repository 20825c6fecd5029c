"""The navigation of the documentation site names every page once. The build itself is the long form, in test_site."""

from __future__ import annotations

import re

from support.pages import ROOT

MADE_BY_THE_BUILD = {"CHANGELOG.md", "reference/python-api.md"}


def test_every_page_is_in_the_navigation() -> None:
    docs = ROOT / "docs"
    listed = re.findall(r"^ +- (?:[^:\n]+: )?([\w/-]+\.md)$", (docs / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {one.relative_to(docs).as_posix() for one in docs.rglob("*.md")}
    wanted = {one for one in pages if not re.match(r"decisions/\d", one)} | MADE_BY_THE_BUILD
    assert sorted(listed) == sorted(wanted), "docs/mkdocs.yml: add the page to nav"
