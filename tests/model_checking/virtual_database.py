"""The primary database as the rule sees it: tokens, the two numbers of T, row locks and the lock on T.

A statement sees what is committed at the moment it runs; a transaction's changes are there for all, at once, when it
commits; what it holds, it gives back then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spacekey.models.lookup.facts import TokenFacts
from spacekey.models.tables.setting import MAX_STALENESS

from .virtual_machines import NOON, Machines, Process

STALENESS_LOCK = "T"
WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Row:
    """What a token's row says, with what its workspace's says: all that decides whether it may be used.

    ``ends_at`` is a tick: an expiry date, or the end of a rotation's grace.
    """

    exists: bool = True
    disabled: bool = False
    revoked: bool = False
    deleted: bool = False
    scope_granted: bool = True
    scope_allowed: bool = True
    suspended: bool = False
    ends_at: int | None = None

    def accepts(self, tick: int) -> bool:
        """Whether a use at this tick is right, by this row."""
        ended = self.disabled or self.revoked or self.deleted or self.suspended
        dated = self.ends_at is not None and self.ends_at <= tick
        return self.exists and self.scope_granted and self.scope_allowed and not ended and not dated

    def facts(self, name: str, staleness: float | None) -> TokenFacts | None:
        """The same, as the hot lookup answers it."""
        if not self.exists:
            return None
        return TokenFacts(
            id=f"key_{name}",
            name=name,
            kind="workspace",
            environment="live",
            workspace_id="ws_1",
            space_id=None,
            chain_id=None,
            external_id=None,
            metadata_json=None,
            grants_json='["jobs:read"]' if self.scope_granted else "[]",
            expires_at=_moment(self.ends_at),
            disabled_at=NOON if self.disabled else None,
            revoked_at=NOON if self.revoked else None,
            deleted_at=NOON if self.deleted else None,
            retires_at=None,
            first_use_retires=False,
            first_used=False,
            product="spooled",
            plan="free",
            roles_json="{}",
            scopes_allowed_json=None if self.scope_allowed else "[]",
            per_minute=None,
            burst=None,
            suspended_at=NOON if self.suspended else None,
            space_deleted_at=None,
            max_staleness_seconds=staleness,
        )


@dataclass(frozen=True, slots=True)
class Version:
    """A row as it was from a moment on; ``moment`` orders it among everything that happened."""

    moment: int
    tick: int
    row: Row


@dataclass
class _Lock:
    """Held by many who share it or by one who does not; the others wait in line."""

    shared_by: list[object]
    alone: object | None
    waiting: deque[tuple[object, bool, asyncio.Future[None]]]


class Database:
    """Primary that never stops, although a connection to it may be too slow."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.process = Process(machines, "database")
        self.settings: dict[str, float] = {}
        self.history: dict[str, list[Version]] = {}
        self._locks: dict[str, _Lock] = defaultdict(lambda: _Lock([], None, deque()))

    def row(self, token: str, *, lag: int = 0) -> Row:
        """A token's row as it is, or as it was ``lag`` ticks ago."""
        versions = self.history[token]
        if lag:
            then = self.machines.now - lag
            return next((one.row for one in reversed(versions) if one.tick <= then), versions[0].row)
        return versions[-1].row

    def facts(self, token: str, *, lag: int = 0) -> TokenFacts | None:
        """What one statement of the hot lookup finds: the row and T, of one moment."""
        return self.row(token, lag=lag).facts(token, self.settings.get(MAX_STALENESS))

    def write(self, token: str, change: Callable[[Row], Row]) -> None:
        """A new version of a row, for all to see from now on."""
        row = change(self.history[token][-1].row)
        self.history[token].append(Version(self.machines.moment(), self.machines.now, row))

    def lock(self, name: str, owner: object, *, shared: bool) -> asyncio.Future[None]:
        """Done when the owner holds the lock."""
        lock, granted = self._locks[name], self.process.loop.create_future()
        lock.waiting.append((owner, shared, granted))
        self._grant(lock)
        return granted

    def release(self, owner: object) -> None:
        """Give back everything the owner holds."""
        for lock in self._locks.values():
            lock.shared_by = [one for one in lock.shared_by if one is not owner]
            if lock.alone is owner:
                lock.alone = None
            self._grant(lock)

    def _grant(self, lock: _Lock) -> None:
        while lock.waiting:
            owner, shared, granted = lock.waiting[0]
            if lock.alone is not None or (lock.shared_by and not shared):
                return
            lock.waiting.popleft()
            if shared:
                lock.shared_by.append(owner)
            else:
                lock.alone = owner
            granted.set_result(None)


class Session:
    """One transaction of one process."""

    def __init__(self, process: Process, database: Database) -> None:
        self._process = process
        self._database = database
        self._changes: list[Callable[[], None]] = []
        self._mine: dict[str, float] = {}
        self.committed_at: int = 0

    async def hold(self, lock: str, *, shared: bool = False) -> None:
        """Take a lock, to the transaction's end."""
        await self._process.ask(lambda: self._database.lock(lock, self, shared=shared))

    async def number(self, name: str, default: float) -> float:
        """A setting as it is committed now, or as this transaction has written it."""
        if name in self._mine:
            return self._mine[name]
        value: float = await self._process.ask(lambda: self._database.settings.get(name, default))
        return value

    async def set_number(self, name: str, value: float) -> None:
        """Write a setting."""
        self._mine[name] = value
        await self._process.ask(lambda: None)

    async def change(self, tokens: list[str], change: Callable[[Row], Row], *, lock: str) -> None:
        """Change rows, locked until this transaction's end."""
        await self.hold(lock)
        for token in tokens:
            self._changes.append(lambda token=token: self._database.write(token, change))  # type: ignore[misc]

    async def commit(self) -> None:
        """Make it all seen."""

        def act() -> None:
            self._database.settings.update(self._mine)
            for change in self._changes:
                change()
            self.committed_at = self._database.machines.moment()
            self._database.release(self)

        await self._process.ask(act)

    async def roll_back(self) -> None:
        """Nothing happened."""
        await self._process.ask(lambda: self._database.release(self))


class VirtualStore:
    """What resolvers know as the store."""

    def __init__(self, process: Process, database: Database) -> None:
        self._process = process
        self._database = database

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Session]:
        """A transaction, or nothing."""
        session = Session(self._process, self._database)
        try:
            yield session
        except BaseException:
            await session.roll_back()
            raise
        await session.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """A session that writes nothing."""
        yield Session(self._process, self._database)


class VirtualLookup:
    """The hot lookup of one process. ``lag`` makes it a replica's; ``two_statements`` asks for T after the row."""

    def __init__(
        self, process: Process, database: Database, names: dict[bytes, str], failure: Callable[[], Exception]
    ) -> None:
        self._process = process
        self._database = database
        self._names = names
        self._failure = failure
        self.lag = 0
        self.two_statements = False

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """See :class:`spacekey.models.lookup.facts.TokenLookup`."""
        name = self._names[digest]
        facts: TokenFacts | None = await self._process.ask(
            lambda: self._database.facts(name, lag=self.lag), broken=self._failure
        )
        if self.two_statements and facts is not None:
            later: Any = await self._process.ask(lambda: self._database.settings.get(MAX_STALENESS))
            return facts._replace(max_staleness_seconds=later)
        return facts

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """See :class:`spacekey.models.lookup.facts.TokenLookup`."""
        found = {digest: await self.by_digest(digest) for digest in digests}
        return {digest: facts for digest, facts in found.items() if facts is not None}

    async def aclose(self) -> None:
        """Nothing to give back."""


def _moment(tick: int | None) -> datetime | None:
    return None if tick is None else NOON + timedelta(seconds=tick)
