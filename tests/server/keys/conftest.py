"""Keys on both databases, which do not wait for other processes unless a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from spacekey import Keys
from spacekey.server import build
from support.world import EXAMPLES

KeysOf = Callable[..., Keys]


@pytest.fixture(autouse=True)
def _nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "default_staleness", lambda _store: 0.0)


@pytest_asyncio.fixture
async def keys_of(database_url: str) -> AsyncIterator[KeysOf]:
    """Makes keys on the test's database, of these example products, and closes them."""
    async with AsyncExitStack() as stack:

        def make(*products: str, url: str = database_url, **given: object) -> Keys:
            made = Keys(url, [EXAMPLES / f"{name}.toml" for name in products], **given)  # type: ignore[arg-type]
            stack.push_async_callback(made.aclose)
            return made

        yield make


@pytest_asyncio.fixture
async def keys(keys_of: KeysOf) -> Keys:
    """Keys of the product spooled."""
    return keys_of("spooled")
