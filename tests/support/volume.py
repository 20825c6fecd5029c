"""How often a test repeats what it promises, in a short run and in a whole one."""

from __future__ import annotations

from typing import TypeVar

from .turns import whole_run

T = TypeVar("T")

LONG_FORM = "a long form: run make test-all"


def volume(*, short: T, long: T) -> T:
    """Return ``long`` in a whole run (``make test-all``), else ``short``.

    A test that asks has the mark ``repeats``, so that ``make test-rest`` runs it again.
    """
    return long if whole_run() else short
