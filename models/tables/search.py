"""Searching for a piece of text, alike on both databases.

What can be searched is kept beside each row in one folded form: SQLite folds the case of ASCII letters only, and what
PostgreSQL folds depends on the database's locale.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

SEPARATOR = "\x1f"
"""Stands between the fields of a row; no field can hold it, so no match spans two of them."""


def folded(text: str) -> str:
    """Return text in the form in which texts are compared: caseless (Unicode 15.0, D145) and NFC."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.strip()).casefold())


def search_text(*fields: str) -> str:
    """Return what is kept of a row to be searched."""
    return SEPARATOR.join(folded(one) for one in fields)


def fields_of(row: object, names: Iterable[str]) -> str:
    """Return :func:`search_text` of a row's attributes."""
    return search_text(*(str(getattr(row, name)) for name in names))
