"""The verifiers' contract, over those that need a store: embedded on each database, and a remote server on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from spacekey.models.engine.store import Store
from support.verifiers.contract import VerifierContract, Workbench
from support.verifiers.stored import PRODUCT, STORED_BENCHES, OverStore

pytestmark = pytest.mark.sampled(2)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """The contract's product."""
    file = tmp_path / "contract.toml"
    file.write_text(PRODUCT)
    return file


@pytest_asyncio.fixture(params=STORED_BENCHES, ids=lambda kind: kind.__name__)
async def bench(request: pytest.FixtureRequest, store: Store, product: Path) -> AsyncIterator[Workbench]:
    """Each of them on each database."""
    with ExitStack() as servers:
        made: OverStore = request.param(store, product, servers)
        await made.prepare()
        yield made
        await made.verifier.aclose()


class TestEveryVerifierOverAStore(VerifierContract):
    """All promises, for each, on SQLite and PostgreSQL."""
