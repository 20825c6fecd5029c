"""docs/how-to/audit.md lists every action that the audit log can have, and no other."""

from __future__ import annotations

import ast
import re

from spacekey.resolvers.audit.log import ACTIONS
from support.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "audit.md"
ACTION = re.compile(
    r"(?:token|workspace|space|role|member|user|session|service|portal_session|settings|audit)\.[a-z_]+"
)


def _recorded() -> set[str]:
    """The actions that stand in the resolvers as texts, outside of the list of all of them."""
    found = set()
    for file in (ROOT / "resolvers").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name == "log.py":
            text = text.partition("ACTIONS = ")[0] + text.partition('"""All actions that an event can have."""')[2]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value):
                found.add(node.value)
    return found


def test_the_list_of_all_actions_is_whole() -> None:
    assert _recorded() == ACTIONS


def test_every_action_is_listed() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Actions")[2].partition("\n## ")[0]
    listed = [
        name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == _recorded()
