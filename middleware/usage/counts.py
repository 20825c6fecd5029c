"""Usage of tokens, counted in memory: a few dictionary operations a request, and a bound.

It belongs to one event loop: every request is counted there, and counting never waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from spacekey.domain.clock import WallClock
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.network import address_of
from spacekey.domain.usage import TokenUse, UsageCounter

ENTRIES_MAX = 100_000
ROW_SCOPES_MAX = 500
SCOPES_TAKEN_MAX = 2_000
"""Number of scopes after which no further entry is taken, so that a batch stays small on the wire."""

ENTRY_SETS_MAX = 32
"""How many sets of scopes an entry keeps as they are. Any further ones are merged into one, which loses nothing."""

_HOUR_SECONDS = 3_600.0
_NO_SCOPE: frozenset[str] = frozenset()

Client = tuple[str, int] | None
"""``scope["client"]`` as ASGI has it: address and port."""


class UsageCounts(UsageCounter):
    """Counts of each token in each hour, until they are taken.

    :param now: wall time, for the hour and the last use. None reads the machine's, which costs less as plain seconds.
    :param entries_max: how many (token, hour) entries are held; requests beyond that are only counted as lost.
    :param wake: called when there is something to take.
    :raises ConfigurationError: if ``entries_max`` is below 1.
    """

    def __init__(
        self, *, now: WallClock | None = None, entries_max: int = ENTRIES_MAX, wake: Callable[[], None]
    ) -> None:
        if entries_max < 1:
            raise ConfigurationError("entries_max: must be at least 1")
        self._now: Callable[[], float] = time.time if now is None else lambda: now().timestamp()
        self._entries_max = entries_max
        self._wake = wake
        self.forget()

    def forget(self) -> None:
        """Start from zero."""
        self.lost = 0
        """Requests that found no room, came too late or whose batch was given up. They are not counted anywhere."""
        self._entries: dict[str, _Entry] = {}
        self._past: deque[dict[str, _Entry]] = deque()
        self._past_entries = 0
        self._since = self._until = 0.0

    def __len__(self) -> int:
        """Return the number of (token, hour) entries that wait to be taken."""
        return len(self._entries) + self._past_entries

    def allowed(self, token_id: str, client: Client, scopes: frozenset[str] = _NO_SCOPE) -> None:
        """Count a request that was admitted by these scopes."""
        now = self._now()
        entry = self._entries.get(token_id) if self._since <= now < self._until else None
        if entry is None:
            entry = self._entry(token_id, now)
            if entry is None:
                return
        entry.allowed += 1
        entry.at = now
        entry.client = client
        entry.used = True
        if scopes is not entry.latest:
            entry.latest = scopes
            if scopes not in entry.scopes:
                if len(entry.scopes) < ENTRY_SETS_MAX:
                    entry.scopes.add(scopes)
                else:
                    entry.merge(scopes)

    def denied(self, token_id: str, client: Client) -> None:
        """Count a request whose token is valid but lacks a scope."""
        entry = self._noted(token_id, client)
        if entry is not None:
            entry.denied += 1

    def limited(self, token_id: str, client: Client) -> None:
        """Count a request whose token is valid but over its limit."""
        entry = self._noted(token_id, client)
        if entry is not None:
            entry.limited += 1

    def refused(self, token_id: str) -> None:
        """Count a request with a known token that is no longer valid: a denial, and not a use."""
        now = self._now()
        entry = self._entry(token_id, now)
        if entry is not None:
            entry.denied += 1
            entry.at = entry.at if entry.used else now

    def seen(self, token_id: str) -> None:
        """Record that the token was valid in a request that is counted elsewhere."""
        now = self._now()
        entry = self._entry(token_id, now, requests=0)
        if entry is not None:
            entry.at = now
            entry.used = True

    def take(self, entries_max: int) -> list[TokenUse]:
        """Remove and return up to ``entries_max`` (token, hour) entries, the oldest hours first.

        The caller must keep them: they are stored nowhere else.
        """
        rows: list[TokenUse] = []
        scopes = 0
        while entries_max > 0 and len(self) and scopes < SCOPES_TAKEN_MAX:
            token_id, entry = self._oldest().popitem()
            for row in _rows(token_id, entry):
                rows.append(row)
                scopes += len(row.scopes)
            entries_max -= 1
        return rows

    def _noted(self, token_id: str, client: Client) -> _Entry | None:
        now = self._now()
        entry = self._entry(token_id, now)
        if entry is not None:
            entry.at = now
            entry.client = client
            entry.used = True
        return entry

    def _entry(self, token_id: str, now: float, *, requests: int = 1) -> _Entry | None:
        """Return the token's entry in this hour; None if there is no room for one."""
        if not self._since <= now < self._until:
            self._start_hour(now)
        entry = self._entries.get(token_id)
        if entry is None:
            if len(self) >= self._entries_max:
                self.lost += requests
                return None
            entry = self._entries[token_id] = _Entry(now)
            self._wake()
        return entry

    def _oldest(self) -> dict[str, _Entry]:
        """Return the oldest hour that is not empty; the entry to be taken out of it is no longer counted."""
        if not self._past:
            return self._entries
        self._past_entries -= 1
        return self._past[0] if len(self._past[0]) > 1 else self._past.popleft()

    def _start_hour(self, now: float) -> None:
        """Start another hour: the next one, or an earlier one if the clock was set back."""
        if self._entries:
            self._past.append(self._entries)
            self._past_entries += len(self._entries)
            self._entries = {}
        self._since = now - now % _HOUR_SECONDS
        self._until = self._since + _HOUR_SECONDS


class _Entry:
    __slots__ = ("allowed", "at", "client", "denied", "latest", "limited", "others", "scopes", "used")

    def __init__(self, at: float) -> None:
        self.allowed = 0
        self.denied = 0
        self.limited = 0
        self.at = at
        self.client: Client = None
        self.used = False
        self.scopes: set[frozenset[str]] = set()
        """Sets as the rules have them: finding one of them again costs next to nothing, and the latest even less."""
        self.others: set[str] | None = None
        self.latest: frozenset[str] | None = None

    def merge(self, scopes: frozenset[str]) -> None:
        """Keep scopes for which there is no further set."""
        if self.others is None:
            self.others = set(scopes)
        else:
            self.others.update(scopes)


def _rows(token_id: str, entry: _Entry) -> Iterator[TokenUse]:
    """Yield one row, and more without counts if there are too many scopes for it."""
    at = datetime.fromtimestamp(entry.at, UTC)
    scopes = sorted(_NO_SCOPE.union(entry.others or (), *entry.scopes))
    yield TokenUse(
        token_id=token_id,
        at=at,
        ip=address_of(entry.client),
        allowed=entry.allowed,
        denied=entry.denied,
        limited=entry.limited,
        scopes=tuple(scopes[:ROW_SCOPES_MAX]),
        used=entry.used,
    )
    for start in range(ROW_SCOPES_MAX, len(scopes), ROW_SCOPES_MAX):
        yield TokenUse(token_id, at, scopes=tuple(scopes[start : start + ROW_SCOPES_MAX]), used=False)
