"""The page of a list that holds one row at most: what a token may see of its workspace's spaces, or of workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from spacekey.domain.page import Page, PageRequest
from spacekey.models.cursor import read_cursor, write_cursor

T = TypeVar("T")

ORDERING = "one"


def page_of_one(rows: Sequence[tuple[str, T]], request: PageRequest) -> Page[T]:
    """The page of one (id, row) or none, by the same arguments as any other list.

    :raises InvalidInput: for a cursor this list did not give.
    """
    shown = list(rows)
    for field, cursor in (("after", request.after), ("before", request.before)):
        if cursor is not None:
            read_cursor(ORDERING, str, field, cursor)
            # The one row stands on neither side of itself.
            shown = []
    cut = len(shown) > request.size
    page = shown[: request.size]
    return Page(
        rows=[row for _, row in page],
        cursors=[write_cursor(ORDERING, identity, identity) for identity, _ in page],
        has_next=(cut and not request.backward) or (request.before is not None and request.backward and bool(rows)),
        has_previous=(cut and request.backward) or (request.after is not None and not request.backward and bool(rows)),
    )
