"""One request's batches: what many fields ask for one by one is read in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from strawberry.dataloader import DataLoader

from spacekey.models.usage_queries import UsageDay
from spacekey.models.workspace import Space
from spacekey.resolvers.authorities import authorities
from spacekey.resolvers.authority import Authority
from spacekey.resolvers.caller import Caller
from spacekey.resolvers.list_others import spaces_seen
from spacekey.resolvers.list_tokens import token_views
from spacekey.resolvers.system import System
from spacekey.resolvers.token_usage import unused_scopes, usage_by_day
from spacekey.resolvers.token_view import TokenView


class Loaders:
    """Loaders for one request and one caller; never shared between requests."""

    def __init__(self, system: System, caller: Caller | None) -> None:
        self._system = system
        self._caller = caller
        self._usage: dict[int, DataLoader[str, list[UsageDay]]] = {}
        self._unused: dict[int, DataLoader[str, list[str]]] = {}
        self._views: dict[str, TokenView] = {}

    def forget(self) -> None:
        """Start anew: an operation may hold several mutations, and each shows what is true after it."""
        for name in ("authority", "token", "space"):
            self.__dict__.pop(name, None)
        self._usage.clear()
        self._unused.clear()
        self._views.clear()

    @cached_property
    def authority(self) -> DataLoader[str, Authority | None]:
        """Workspace id → the caller's authority there, None where the caller does not belong."""

        async def load(keys: Sequence[str]) -> list[Authority | None]:
            found = {} if self._caller is None else await authorities(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    @cached_property
    def token(self) -> DataLoader[str, TokenView | None]:
        """Token id → its view, None where the caller may not see it."""

        async def load(keys: Sequence[str]) -> list[TokenView | None]:
            found = {} if self._caller is None else await token_views(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    @cached_property
    def space(self) -> DataLoader[str, Space | None]:
        """Space id → the space, None where the caller may not see it."""

        async def load(keys: Sequence[str]) -> list[Space | None]:
            found = {} if self._caller is None else await spaces_seen(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    def usage(self, days: int) -> DataLoader[str, list[UsageDay]]:
        """Token id → its days with requests among the last ``days``."""
        if days not in self._usage:

            async def load(keys: Sequence[str]) -> list[list[UsageDay]]:
                found = await usage_by_day(self._system, keys, days)
                return [found.get(key, []) for key in keys]

            self._usage[days] = DataLoader(load)
        return self._usage[days]

    async def unused(self, view: TokenView, days: int) -> list[str]:
        """The token's scopes that no request of the last ``days`` needed."""
        self._views[view.token.id] = view
        if days not in self._unused:

            async def load(keys: Sequence[str]) -> list[list[str]]:
                found = await unused_scopes(self._system, [self._views[key] for key in keys], days)
                return [found[key] for key in keys]

            self._unused[days] = DataLoader(load)
        return await self._unused[days].load(view.token.id)
