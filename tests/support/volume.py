"""How often a test repeats what it promises, in a short run and in a whole one."""

from __future__ import annotations

from .turns import whole_run

LONG_FORM = "a long form: run make test-all"


def volume(*, short: int, long: int) -> int:
    """Return ``long`` in a whole run (``make test-all``), else ``short``."""
    return long if whole_run() else short
