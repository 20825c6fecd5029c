"""A user who has gone: once ``revoke_all`` returns, none of their keys is accepted anywhere.

Several verifiers, each with a cache of its own as in a process of its own, are asked without a pause while the keys are
revoked. What began after the answer must be refused. The same check with ``wait=False`` finds accepted uses, so it can
fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from spacekey import ALL, Keys, Secret
from spacekey.domain.authentication import Authenticated, Unavailable
from spacekey.domain.clock import boot_clock
from spacekey.keys import Workspace
from spacekey.resolvers.staleness import set_staleness
from spacekey.server import build
from spacekey.verifiers import DatabaseVerifier
from support.world import EXAMPLES, OPERATOR

from .conftest import KeysOf

VERIFIERS = 3
KEYS = 103
"""More than one transaction revokes."""
USES_AFTER = 20


@pytest.fixture(autouse=True)
def _every_process_caches(monkeypatch: pytest.MonkeyPatch, _nothing_is_waited_for: None) -> None:
    monkeypatch.setattr(build, "default_staleness", lambda store: 0.0 if store.dialect == "sqlite" else 1.0)


@dataclass
class Uses:
    """Uses of keys: when each began, and whether it was accepted."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    one_more: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, began: float, *, accepted: bool) -> None:
        """Keep one use."""
        (self.accepted if accepted else self.refused).append(began)
        self.one_more.set()

    async def more(self, count: int) -> None:
        """Wait for so many more."""
        enough = len(self.accepted) + len(self.refused) + count
        while len(self.accepted) + len(self.refused) < enough:
            self.one_more.clear()
            await self.one_more.wait()

    def after(self, answer: float) -> tuple[int, int]:
        """How many that began after the answer were accepted, and how many were refused."""
        return sum(one > answer for one in self.accepted), sum(one > answer for one in self.refused)


@asynccontextmanager
async def used_all_the_time(database_url: str, secrets: Sequence[Secret]) -> AsyncIterator[Uses]:
    """Within the context, every key is used by several verifiers, one use after the other."""
    uses, ended = Uses(), asyncio.Event()

    async def use(verifier: DatabaseVerifier) -> None:
        while not ended.is_set():
            for secret in secrets:
                began = boot_clock()
                verdict = await verifier.verify(secret)
                if not isinstance(verdict, Unavailable):
                    uses.note(began, accepted=isinstance(verdict, Authenticated))
                await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        verifiers = [DatabaseVerifier(database_url, [EXAMPLES / "spooled.toml"]) for _ in range(VERIFIERS)]
        for verifier in verifiers:
            stack.push_async_callback(verifier.aclose)
        async with asyncio.TaskGroup() as group:
            for verifier in verifiers:
                group.create_task(use(verifier))
            try:
                # Each verifier has read each key, and keeps it where there is a cache.
                await uses.more(2 * VERIFIERS * len(secrets))
                yield uses
            finally:
                ended.set()


async def leaver(keys: Keys, home: Workspace, count: int) -> list[Secret]:
    """The keys of a user, of each kind: some were rotated and are in their grace, some are disabled."""
    made = []
    for number in range(count):
        issued = await keys.tokens.create(home, name=str(number), grants=["jobs:read"], external_id="user-7")
        made.append(issued.secret)
        if number % 10 == 1:
            made.append((await keys.tokens.rotate(home, issued.token)).secret)
        if number % 10 == 2:
            await keys.tokens.disable(home, issued.token, wait=False)
    return made


@pytest.mark.parametrize("everywhere", [False, True])
async def test_no_use_is_accepted_after_the_answer(keys_of: KeysOf, database_url: str, everywhere: bool) -> None:
    keys = keys_of("spooled")
    home = await keys.workspaces.ensure(external_id="t", plan="enterprise")
    secrets = await leaver(keys, home, KEYS)
    other = await keys.tokens.create(home, name="stays", grants=["jobs:read"], external_id="user-8")
    async with used_all_the_time(database_url, secrets[:USES_AFTER]) as uses:
        gone = await keys.tokens.revoke_all(ALL if everywhere else home, external_id="user-7")
        answer = boot_clock()
        await uses.more(USES_AFTER * VERIFIERS)
    accepted, refused = uses.after(answer)
    assert (gone.count, accepted) == (len(secrets), 0)
    assert refused
    assert isinstance(await keys.verifier.verify(other.secret), Authenticated)
    again = await keys.tokens.revoke_all(home, external_id="user-7")
    assert again.count == 0


async def test_the_check_finds_a_use_that_is_accepted_too_late(keys_of: KeysOf, database_url: str) -> None:
    """Without the wait an answer comes too early, where verdicts are cached: on PostgreSQL."""
    if database_url.startswith("sqlite"):
        return
    keys = keys_of("spooled")
    home = await keys.workspaces.ensure(external_id="t")
    await set_staleness(keys._inside.unprepared, OPERATOR, 60)
    secrets = await leaver(keys, home, 2)
    async with used_all_the_time(database_url, secrets[:2]) as uses:
        await keys.tokens.revoke_all(home, external_id="user-7", wait=False)
        answer = boot_clock()
        await uses.more(USES_AFTER * VERIFIERS)
    accepted, _ = uses.after(answer)
    assert accepted


async def test_a_repeated_call_waits_as_long_as_the_first(
    keys_of: KeysOf, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer may have been lost. So does one for a user without keys, and one for an unknown workspace."""
    keys = keys_of("spooled")
    home = await keys.workspaces.ensure(external_id="t")
    await leaver(keys, home, 2)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    object.__setattr__(keys._inside.unprepared, "sleep", sleep)
    for _ in range(2):
        await keys.tokens.revoke_all(home, external_id="user-7")
    await keys.tokens.revoke_all(home, external_id="nobody-7")
    await keys.tokens.revoke_all(ALL, external_id="nobody-7")
    assert waited == ([] if database_url.startswith("sqlite") else [1.0] * 4)


async def test_a_key_created_meanwhile_is_revoked_or_comes_after(keys_of: KeysOf) -> None:
    """Creating and revoking hold the workspace: no key of the user is left that was created before the answer began."""
    keys, elsewhere = keys_of("spooled"), keys_of("spooled")
    home = await keys.workspaces.ensure(external_id="t", plan="enterprise")
    created = asyncio.gather(
        *(elsewhere.tokens.create(home, name="x", grants=["jobs:read"], external_id="user-7") for _ in range(5))
    )
    gone = await keys.tokens.revoke_all(home, external_id="user-7", wait=False)
    await created
    left = [one async for one in keys.tokens.list(home, external_id="user-7", statuses=["active"])]
    assert gone.count + len(left) == 5
    assert (await keys.tokens.revoke_all(home, external_id="user-7", wait=False)).count == len(left)
