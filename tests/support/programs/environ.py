"""The environment of programs that a test starts: none of Spacekey's settings, and no variable of the suite."""

from __future__ import annotations

import os


def without_settings() -> dict[str, str]:
    """Return this process's environment without variables that begin with ``SPACEKEY_``."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SPACEKEY_")}
