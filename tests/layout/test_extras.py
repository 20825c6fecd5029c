"""A part that is imported without its packages says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

PARTS = {
    "spacekey.middleware.verifiers.remote": ("httpx", "spacekey[remote]"),
    "spacekey.middleware.graphql": ("strawberry", "spacekey[graphql]"),
    "spacekey.middleware.limits.redis": ("redis", "spacekey[redis]"),
    "spacekey.middleware.observability.opentelemetry": ("opentelemetry", "spacekey[otel]"),
    "spacekey.middleware.fastapi": ("fastapi", "fastapi"),
    "spacekey.server.embed": ("sqlalchemy", "spacekey[server]"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_without_its_package_says_what_to_install(part: str) -> None:
    package, requirement = PARTS[part]
    program = f"import sys; sys.modules['{package}'] = None; import {part}"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600, check=False)
    assert asked.returncode == 1
    assert asked.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: '{package}' is not installed, and this part needs it: pip install '{requirement}'"
    )
