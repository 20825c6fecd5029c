"""The dashboard's texts: each stands in dashboard/texts/ under its name, is used, and can be replaced by a product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spacekey.server.http.dashboard import dashboard_files, packaged_dashboard
from spacekey.server.http.element import ENTRY
from spacekey.server.http.scripts import joined_modules
from support.dashboard.texts import TEXTS

DASHBOARD = Path(__file__).resolve().parents[3] / "dashboard"
MODULES = {
    str(file.relative_to(DASHBOARD)): file.read_text(encoding="utf-8")
    for file in sorted(DASHBOARD.rglob("*.js"))
    if file.parent.name != "texts"
}
CALLED = re.compile(r'\b(?:t|parts)\("([\w.]+)"')
COUNTED = re.compile(r'\bplural\("([\w.]+)"')
QUOTED = re.compile(r'"((?:audit|people|shared|tokens|usage|workspaces)\.[\w.]+)"')
SENTENCE = re.compile(r'"[^"\n]*[A-Z][a-z]+ [a-z]{2,}[^"\n]*"|`[^`\n]*[A-Z][a-z]+ [a-z]{2,}[^`\n]*`')
NOT_SHOWN = re.compile(
    r"TypeError|^export const PERSON|sessions \{ id|__typename|Input!|\$id|fragment |mutation|\bquery\b|console\.|^\s*(?://|\*|/\*)"
)


@pytest.mark.parametrize("module", MODULES)
def test_every_text_that_a_module_shows_exists(module: str) -> None:
    text = MODULES[module]
    names = {*CALLED.findall(text), *(one for one in QUOTED.findall(text) if one not in COUNTED.findall(text))}
    assert names - TEXTS.keys() == set()
    for name in COUNTED.findall(text):
        assert {f"{name}.one", f"{name}.other"} <= TEXTS.keys()


def test_each_script_has_the_texts_that_it_shows() -> None:
    """The pages of the second script bring theirs."""
    files = dashboard_files(packaged_dashboard())
    kinds = {"early": [], "app": ["early"], "later": ["early", "app"]}
    scripts = {name.partition(".")[0]: script.modules for name, script in files.scripts.items()}
    assert scripts.keys() == kinds.keys()
    scripts["element"] = joined_modules(DASHBOARD, ENTRY).modules
    for name, modules in scripts.items():
        loaded = {*modules, *(one for before in kinds.get(name, []) for one in scripts[before])}
        for module in modules:
            shown = QUOTED.findall(MODULES.get(module, ""))
            missing = {one for one in shown if f"texts/{one.partition('.')[0]}.js" not in loaded}
            assert missing == set(), f"{module} in {name}"


def test_every_text_is_shown_somewhere() -> None:
    whole = "\n".join(MODULES.values())
    used = {*QUOTED.findall(whole), *(f"{one}.{form}" for one in COUNTED.findall(whole) for form in ("one", "other"))}
    assert TEXTS.keys() - used == set()


@pytest.mark.parametrize("module", MODULES)
def test_no_module_holds_a_sentence_of_its_own(module: str) -> None:
    lines = [line for line in MODULES[module].splitlines() if not NOT_SHOWN.search(line)]
    assert [line for line in lines if SENTENCE.search(line)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_text_is_taken_while_a_module_is_loaded(module: str) -> None:
    """It would be Spacekey's, whatever product is shown later."""
    constant = False
    for line in MODULES[module].splitlines():
        if re.match(r"(?:export )?(?:const|let) ", line):
            constant = "=>" not in line
        elif re.match(r"\S", line) and not line.startswith(("}", "]", ")")):
            constant = False
        assert not (constant and re.search(r'\b(?:t|parts|plural)\("', line) and not line.startswith("      ")), line
