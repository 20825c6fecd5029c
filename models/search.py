"""Looking for a piece of text that somebody typed."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import Mapped

from spacekey.domain.refusal import InvalidInput


def contains(field: str, text: str, *columns: Mapped[str]) -> ColumnElement[bool]:
    """Whether any of the columns holds ``text``, in either case; ``%`` and ``_`` mean themselves.

    SQLite folds the case of ASCII letters only.

    :param field: the argument the text came in, for the error.
    :raises InvalidInput: for text that no database could hold.
    """
    if "\0" in text or text.encode("utf-8", "ignore").decode() != text:
        raise InvalidInput(field, "Holds characters that no text can hold.")
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
