"""The dashboard's texts, read out of its modules."""

from __future__ import annotations

import json
import re
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[3] / "dashboard" / "texts"
_ENTRY = re.compile(r'^  "([\w.]+)":\s*((?:\s*"(?:[^"\\]|\\.)*"\s*\+?)+),$', re.MULTILINE)
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"')


def _read() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(_FOLDER.glob("*.js")):
        for name, text in _ENTRY.findall(file.read_text(encoding="utf-8")):
            if name in found or not name.startswith(f"{file.stem}."):
                raise ValueError(f"{file}: {name} stands there twice, or in the wrong file")
            found[name] = "".join(json.loads(piece) for piece in _PIECE.findall(text))
    return found


TEXTS = _read()
"""Texts by name."""
