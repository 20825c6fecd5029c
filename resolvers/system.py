"""Dependencies of every resolver: the store, the products, and time, randomness and waiting as arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from spacekey.domain.bounds import MemoryPlaces, Places
from spacekey.domain.clock import WallClock
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.product import Product
from spacekey.domain.secret import Entropy
from spacekey.models.engine.store import Store
from spacekey.resolvers.passwords.hashing import Passwords

from .last_seen import LastSeen
from .outbox import Outbox
from .throttle import Attempts


@dataclass(frozen=True, slots=True)
class WorkspaceCreation:
    """Rules by which people may create workspaces. A plan's limits hold per workspace, so a second one evades them.

    :param by_members: whether people with an account may create workspaces.
    :param owned_max: the maximum number of workspaces a person may own when creating another.
    :param products: the products available to people; None for all that are loaded.
    """

    by_members: bool = False
    owned_max: int = 3
    products: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class System:
    """Dependencies of the resolvers. ``default_staleness_seconds`` is T if the database holds none.

    ``places`` bounds, by caller, the changes in progress that take access away. ``takes_passwords`` is false if all
    people come from outside. ``outbox`` is None if the server sends no mail.

    ``portal_origins`` are the origins of pages that may use a portal session, ``*`` among
    them for all; None if they are not known in this process.
    """

    store: Store
    products: Mapping[str, Product]
    clock: WallClock
    entropy: Entropy
    passwords: Passwords
    attempts: Attempts
    sleep: Callable[[float], Awaitable[None]]
    default_staleness_seconds: float
    last_seen: LastSeen = field(default_factory=LastSeen)
    workspace_creation: WorkspaceCreation = WorkspaceCreation()
    places: Places = field(default_factory=MemoryPlaces)
    takes_passwords: bool = True
    outbox: Outbox | None = None
    portal_origins: frozenset[str] | None = None

    def product(self, name: str) -> Product:
        """Return the product of a stored workspace.

        :raises ServiceUnavailable: if this process was started without it; its tokens can be neither verified nor
            edited.
        """
        product = self.products.get(name)
        if product is None:
            raise ServiceUnavailable(f"the product '{name}' is not loaded here; add its file to SPACEKEY_PRODUCTS")
        return product
