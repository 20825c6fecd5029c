"""Waiting for what must come, within a bound."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_MAX = 300.0
LOOK_AGAIN_SECONDS = 0.05


def until(holds: Callable[[], bool]) -> None:
    """Look until it holds.

    :raises AssertionError: it did not within five minutes.
    """
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(LOOK_AGAIN_SECONDS)
