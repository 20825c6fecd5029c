"""What must begin anew in the child of a fork: whatever would otherwise be there twice, once in each process.

A server that forks its workers after it made the app (gunicorn's ``--preload``) gives every worker a copy of it all.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Something that two processes must not both go on with."""

    def start_anew(self) -> None:
        """Called in the child, before anything else of it runs; only its one thread is left there."""
        ...


def in_forked_children(one: Forked) -> None:
    """From now on, ``one`` starts anew in every child of this process, for as long as somebody holds it."""
    _known().add(one)


@cache
def _known() -> WeakSet[Forked]:
    """All of this process, under one registration: those that Python keeps are never given back."""
    known: WeakSet[Forked] = WeakSet()

    def start_all_anew() -> None:
        for one in list(known):
            one.start_anew()

    if hasattr(os, "register_at_fork"):  # where there is none, nothing forks
        os.register_at_fork(after_in_child=start_all_anew)
    return known
