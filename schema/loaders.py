"""Data loaders of one request, which read in one statement what many fields ask for one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from strawberry.dataloader import DataLoader

from spacekey.domain.page import AuditFilter, Page, PageRequest, TokenOrder
from spacekey.domain.refusal import NotFound, UserError
from spacekey.models.tables.records import AuditRecord, InvitationRecord, MemberRecord, SpaceRecord, UserRecord
from spacekey.models.tables.usage import UsageDay
from spacekey.resolvers.access.authority import Authority, authorities_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.list import TokenSearch, token_views
from spacekey.resolvers.tokens.usage import unused_scopes, usage_by_day
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.workspaces import figures
from spacekey.resolvers.workspaces.figures import BusyToken, TokenCount, TokenQuota
from spacekey.resolvers.workspaces.lists import (
    Place,
    audit_lists,
    invitation_lists,
    member_lists,
    space_lists,
    spaces_seen,
    token_lists,
)
from spacekey.resolvers.workspaces.nodes import invitations_seen, members_seen


@dataclass(frozen=True, slots=True)
class AskedTokens:
    """Arguments of a list of tokens. Lists with equal arguments are read together."""

    search: TokenSearch
    order: TokenOrder
    descending: bool
    request: PageRequest


@dataclass(frozen=True, slots=True)
class AskedCount:
    """Arguments of a number of tokens."""

    search: TokenSearch
    limit: int


@dataclass(frozen=True, slots=True)
class AskedEvents:
    """Arguments of an audit log."""

    request: PageRequest
    where: AuditFilter


@dataclass(frozen=True, slots=True)
class AskedSpaces:
    """Arguments of a list of spaces."""

    request: PageRequest
    text: str | None


class Loaders:
    """Loaders of one request and one caller, never shared between requests."""

    def __init__(self, system: System, caller: Caller | None) -> None:
        self._system = system
        self._caller = caller
        self._usage: dict[int, DataLoader[str, list[UsageDay]]] = {}
        self._unused: dict[int, DataLoader[str, list[str]]] = {}
        self._views: dict[str, TokenView] = {}
        self._tokens: dict[AskedTokens, DataLoader[tuple[str, str | None], Page[TokenView]]] = {}
        self._spaces: dict[AskedSpaces, DataLoader[str, Page[SpaceRecord]]] = {}
        self._members: dict[PageRequest, DataLoader[str, Page[tuple[MemberRecord, UserRecord]]]] = {}
        self._invitations: dict[PageRequest, DataLoader[str, Page[InvitationRecord]]] = {}
        self._events: dict[AskedEvents, DataLoader[str, Page[AuditRecord]]] = {}
        self._counts: dict[AskedCount, DataLoader[Place, TokenCount]] = {}
        self._workspace_usage: dict[int, DataLoader[str, list[UsageDay]]] = {}
        self._busiest: dict[tuple[int, int], DataLoader[str, list[BusyToken]]] = {}

    def forget(self) -> None:
        """Forget all that was read: each mutation of an operation shows the state after it."""
        for name in ("authority", "token", "space", "quota", "member", "invitation"):
            self.__dict__.pop(name, None)
        for kept in (
            self._usage,
            self._unused,
            self._views,
            self._tokens,
            self._spaces,
            self._members,
            self._invitations,
            self._events,
            self._counts,
            self._workspace_usage,
            self._busiest,
        ):
            kept.clear()

    @cached_property
    def authority(self) -> DataLoader[str, Authority | None]:
        """Return the caller's authority in a workspace; None if the caller does not belong to it."""

        async def load(keys: Sequence[str]) -> list[Authority | None]:
            found = {} if self._caller is None else await authorities_in(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    @cached_property
    def token(self) -> DataLoader[str, TokenView | None]:
        """Return a token's view by its id; None if the caller may not see it."""

        async def load(keys: Sequence[str]) -> list[TokenView | None]:
            found = {} if self._caller is None else await token_views(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    @cached_property
    def space(self) -> DataLoader[str, SpaceRecord | None]:
        """Return a space by its id; None if the caller may not see it."""

        async def load(keys: Sequence[str]) -> list[SpaceRecord | None]:
            found = {} if self._caller is None else await spaces_seen(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    @cached_property
    def member(self) -> DataLoader[tuple[str, str], tuple[MemberRecord, UserRecord] | None]:
        """Return a member by workspace and user; None if there is none or the caller may not see them."""

        async def load(keys: Sequence[tuple[str, str]]) -> list[tuple[MemberRecord, UserRecord] | None]:
            found = {} if self._caller is None else await members_seen(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    @cached_property
    def invitation(self) -> DataLoader[str, InvitationRecord | None]:
        """Return a pending invitation by its id; None if there is none or the caller may not see it."""

        async def load(keys: Sequence[str]) -> list[InvitationRecord | None]:
            found = {} if self._caller is None else await invitations_seen(self._system, self._caller, keys)
            return [found.get(key) for key in keys]

        return DataLoader(load)

    def tokens(self, asked: AskedTokens) -> DataLoader[tuple[str, str | None], Page[TokenView]]:
        """Return a page of the tokens of a workspace, or of its space. A refusal is raised when the page is awaited."""

        async def load(places: list[tuple[str, str | None]]) -> Sequence[Page[TokenView] | UserError]:
            return await token_lists(
                self._system,
                self._known,
                places,
                search=asked.search,
                order=asked.order,
                descending=asked.descending,
                request=asked.request,
                held=await self._held([workspace_id for workspace_id, _ in places]),
            )

        return self._tokens.setdefault(asked, DataLoader(load))

    def counts(self, asked: AskedCount) -> DataLoader[Place, TokenCount]:
        """Return the number of tokens of a workspace, or of its space."""

        async def load(places: list[Place]) -> Sequence[TokenCount | UserError]:
            held = await self._held([workspace_id for workspace_id, _ in places])
            return await figures.token_counts(self._system, self._known, places, asked.search, asked.limit, held)

        return self._counts.setdefault(asked, DataLoader(load))

    @cached_property
    def quota(self) -> DataLoader[str, TokenQuota]:
        """Return how many tokens of a workspace count towards its plan."""

        async def load(keys: list[str]) -> Sequence[TokenQuota | UserError]:
            return await figures.token_quotas(self._system, self._known, keys, await self._held(keys))

        return DataLoader(load)

    def workspace_usage(self, days: int) -> DataLoader[str, list[UsageDay]]:
        """Return the days with requests of a workspace, among the last ``days``."""

        async def load(keys: list[str]) -> Sequence[list[UsageDay] | UserError]:
            return await figures.workspace_usage(self._system, self._known, keys, days, await self._held(keys))

        return self._workspace_usage.setdefault(days, DataLoader(load))

    def busiest(self, asked: tuple[int, int]) -> DataLoader[str, list[BusyToken]]:
        """Return the tokens of a workspace with the most requests.

        :param asked: the number of days to look back, and the number of tokens.
        """
        days, most = asked

        async def load(keys: list[str]) -> Sequence[list[BusyToken] | UserError]:
            return await figures.busiest_tokens(self._system, self._known, keys, days, most, await self._held(keys))

        return self._busiest.setdefault(asked, DataLoader(load))

    def spaces(self, asked: AskedSpaces) -> DataLoader[str, Page[SpaceRecord]]:
        """Return a page of a workspace's spaces."""

        async def load(keys: list[str]) -> Sequence[Page[SpaceRecord] | UserError]:
            return await space_lists(self._system, self._known, keys, asked.request, asked.text, await self._held(keys))

        return self._spaces.setdefault(asked, DataLoader(load))

    def members(self, request: PageRequest) -> DataLoader[str, Page[tuple[MemberRecord, UserRecord]]]:
        """Return a page of a workspace's members."""

        async def load(keys: list[str]) -> Sequence[Page[tuple[MemberRecord, UserRecord]] | UserError]:
            return await member_lists(self._system, self._known, keys, request, await self._held(keys))

        return self._members.setdefault(request, DataLoader(load))

    def invitations(self, request: PageRequest) -> DataLoader[str, Page[InvitationRecord]]:
        """Return a page of a workspace's invitations."""

        async def load(keys: list[str]) -> Sequence[Page[InvitationRecord] | UserError]:
            return await invitation_lists(self._system, self._known, keys, request, await self._held(keys))

        return self._invitations.setdefault(request, DataLoader(load))

    def events(self, asked: AskedEvents) -> DataLoader[str, Page[AuditRecord]]:
        """Return a page of a workspace's audit log."""

        async def load(keys: list[str]) -> Sequence[Page[AuditRecord] | UserError]:
            return await audit_lists(
                self._system, self._known, keys, asked.request, asked.where, await self._held(keys)
            )

        return self._events.setdefault(asked, DataLoader(load))

    def knows(self, authority: Authority) -> None:
        """Keep an authority that was read, so that fields below its workspace do not read it again."""
        self.authority.prime(authority.workspace.id, authority)

    async def _held(self, workspace_ids: Iterable[str]) -> dict[str, Authority | None]:
        ids = sorted(set(workspace_ids))
        return dict(zip(ids, await self.authority.load_many(ids), strict=True))

    @property
    def _known(self) -> Caller:
        """Return the caller of a field whose rule admits no anonymous caller."""
        if self._caller is None:
            raise NotFound("workspace")
        return self._caller

    def usage(self, days: int) -> DataLoader[str, list[UsageDay]]:
        """Return the days with requests of a token, among the last ``days``."""
        if days not in self._usage:

            async def load(keys: Sequence[str]) -> list[list[UsageDay]]:
                found = await usage_by_day(self._system, keys, days)
                return [found.get(key, []) for key in keys]

            self._usage[days] = DataLoader(load)
        return self._usage[days]

    async def unused(self, view: TokenView, days: int) -> list[str]:
        """Return the token's scopes that no request of the last ``days`` needed."""
        self._views[view.token.id] = view
        if days not in self._unused:

            async def load(keys: Sequence[str]) -> list[list[str]]:
                found = await unused_scopes(self._system, [self._views[key] for key in keys], days)
                return [found[key] for key in keys]

            self._unused[days] = DataLoader(load)
        return await self._unused[days].load(view.token.id)
