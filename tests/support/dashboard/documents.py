"""The GraphQL documents that the dashboard's modules send, read out of their text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from spacekey.schema import build

_CONSTANT = re.compile(r"""const (\w+) =\s*(?:`([^`]*)`|"([^"]*)")""")
_DOCUMENT = re.compile(r"""[`"]((?:query|mutation)\s*(?:\(|\{)[^`]*?)[`"]""")
_NAME = re.compile(r"\$\{(\w+)\}")
_NESTED_MAX = 6


def dashboard_documents() -> list[tuple[str, str]]:
    """Module and document, constants put in their places and the fragment for refusals added.

    What only a running page knows is called ``x``.
    """
    texts = {
        path.name: path.read_text("utf-8")
        for path in sorted((Path(build.__file__).parent.parent / "dashboard").rglob("*.js"))
    }
    shared = {name: text for one in texts.values() for name, text in _constants(one).items() if name.isupper()}
    return [
        (module, _filled(match[1], {**shared, **_constants(text)}))
        for module, text in texts.items()
        for match in _DOCUMENT.finditer(text)
    ]


def _constants(text: str) -> dict[str, str]:
    return {match[1]: match[2] or match[3] or "" for match in _CONSTANT.finditer(text)}


def _filled(document: str, constants: Mapping[str, str]) -> str:
    for _ in range(_NESTED_MAX):
        document = _NAME.sub(lambda match: constants.get(match[1], "x"), document)
    return f"{document} {constants['WHY']}" if "...Why" in document else document
