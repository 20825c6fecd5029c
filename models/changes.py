"""Whether a commit has been sent since a request or command began: only then may it have changed something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class _Changes:
    """Shared by all tasks of one request, which copy the context but not what is in it."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


_changes: ContextVar[_Changes | None] = ContextVar("spacekey_changes", default=None)


@contextmanager
def watched_changes() -> Iterator[None]:
    """Around one request or command: what fails in it later knows whether a change was begun before."""
    token = _changes.set(_Changes())
    try:
        yield
    finally:
        _changes.reset(token)


def note_change() -> None:
    """A commit is about to be sent. Without one, nothing is ever written."""
    changes = _changes.get()
    if changes is not None:
        changes.begun = True


def change_begun() -> bool:
    """Whether a commit has been sent in this request or command."""
    changes = _changes.get()
    return changes is not None and changes.begun
