"""Searchable text, compared alike on both databases.

The searchable text of a row is stored with it in one folded form: SQLite folds the case of ASCII letters only, and
PostgreSQL's folding depends on the database's locale.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

SEPARATOR = "\x1f"
"""Separator between the fields of a row. No field can contain it, so no match spans two fields."""


def folded(text: str) -> str:
    """Return text in the form used for comparison: caseless (Unicode 15.0, D145) and NFC."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.strip()).casefold())


def search_text(*fields: str) -> str:
    """Return the searchable text of a row's values."""
    return SEPARATOR.join(folded(one) for one in fields)


def fields_of(row: object, names: Iterable[str]) -> str:
    """Return :func:`search_text` of a row's attributes."""
    return search_text(*(str(getattr(row, name)) for name in names))
