"""Every promise about execution is kept by all three ways to execute."""

import pytest


@pytest.fixture(params=["execute", "execute_sync", "stream"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)
