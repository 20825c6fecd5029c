"""What every resolver is handed: the store, the catalogs, and time, randomness and patience as arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from spacekey.domain.bounds import MemoryPlaces, Places
from spacekey.domain.catalog import Catalog
from spacekey.domain.clock import WallClock
from spacekey.domain.errors import Unavailable
from spacekey.domain.secret import Entropy
from spacekey.models.engine.store import Store
from spacekey.resolvers.passwords.hashing import Passwords

from .last_seen import LastSeen
from .throttle import Attempts


@dataclass(frozen=True, slots=True)
class WorkspaceCreation:
    """Who makes workspaces besides the operator. A plan's limits hold for one workspace, so a second one evades them.

    :param by_members: whether people with an account may make their own.
    :param owned_max: how many workspaces a person may own when making another.
    :param catalogs: the catalogs that people may make workspaces of; None for all that are loaded.
    """

    by_members: bool = False
    owned_max: int = 3
    catalogs: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class System:
    """The parts resolvers work with. ``default_staleness_seconds`` is T where the database holds no other.

    ``places`` bounds, by caller, the changes under way that take access away.
    """

    store: Store
    catalogs: Mapping[str, Catalog]
    clock: WallClock
    entropy: Entropy
    passwords: Passwords
    attempts: Attempts
    sleep: Callable[[float], Awaitable[None]]
    default_staleness_seconds: float
    last_seen: LastSeen = field(default_factory=LastSeen)
    workspace_creation: WorkspaceCreation = WorkspaceCreation()
    places: Places = field(default_factory=MemoryPlaces)

    def catalog(self, name: str) -> Catalog:
        """The catalog of a stored workspace.

        :raises Unavailable: when this process was started without it; its tokens can be neither judged nor edited.
        """
        catalog = self.catalogs.get(name)
        if catalog is None:
            raise Unavailable(f"the catalog '{name}' is not loaded here; add its file to SPACEKEY_CATALOGS")
        return catalog
