"""The contract, over the verifiers that need no store; and the exact expiry of the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.verifiers import MemoryVerifier
from support.verifiers.contract import VerifierContract, Workbench
from support.verifiers.stateless import BENCHES


@pytest.fixture(params=BENCHES, ids=lambda kind: kind.__name__)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Workbench]:
    """Each verifier in turn."""
    made: Workbench = request.param()
    yield made
    await made.verifier.aclose()


class TestEveryVerifier(VerifierContract):
    """All promises, for each."""


async def test_expiry_in_memory_is_exact() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    verifier = MemoryVerifier(now=lambda: now[0])
    secret = verifier.issue("a", expires_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert isinstance(await verifier.verify(secret), Authenticated)
    now[0] = datetime(2026, 1, 2, tzinfo=UTC)
    assert await verifier.verify(secret) == Rejected(Reason.EXPIRED, "key_1")
