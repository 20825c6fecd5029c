"""Impact of a change on those who have access: the change is rehearsed, and what works before and after is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.ids import KEY, id_prefix
from spacekey.domain.principal import Kind, Limit
from spacekey.models.engine.store import Rehearsal
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.resolvers.access.entitlements import limit_of, plan_of, scopes_of
from spacekey.resolvers.system import System

Holders = tuple[str, tuple[str, ...]]
"""Kind and grants that a number of tokens or members have in common."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """Who has access to a workspace at a moment: how many hold the same grants, and the scopes that these come to."""

    counts: Mapping[Holders, int]
    scopes: Mapping[Holders, frozenset[str]]
    limit: Limit | None


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change takes away in one workspace.

    :param tokens_stopped: tokens that work before the change and not after it.
    :param tokens_losing: scope → tokens that lose it and go on working.
    :param members_stopped: members who are none after the change, or left without a scope.
    :param members_losing: scope → members who lose it.
    :param limit_before: the rate limit of each token before; None without one.
    :param limit_after: the same after the change.
    :param tokens_limited: the tokens that the limit applies to, if it is lower after the change; else 0.
    """

    tokens_stopped: int
    tokens_losing: Mapping[str, int]
    members_stopped: int
    members_losing: Mapping[str, int]
    limit_before: Limit | None
    limit_after: Limit | None
    tokens_limited: int

    @property
    def takes(self) -> bool:
        """Whether the change takes anything away."""
        return bool(
            self.tokens_stopped
            or self.tokens_losing
            or self.members_stopped
            or self.members_losing
            or self.tokens_limited
        )


async def rehearse(system: System, target_id: str, change: Callable[[System], Awaitable[T]]) -> tuple[Impact, T]:
    """Make a change in a transaction that is rolled back, and return what it takes away with what it returns.

    :param target_id: the workspace, or a token of it, in which to look.
    :param change: calls one resolver that makes its change in one transaction, and does not wait for T.
    :raises SpacekeyError: any that ``change`` raises: it makes all of its checks.
    """
    since = system.clock()

    async def measure(session: AsyncSession) -> Access | None:
        return await _access(session, system, target_id, since)

    store = Rehearsal(system.store, measure)
    returned = await change(replace(system, store=store))
    [(before, after)] = store.measured
    return _compare(before, after), returned


async def _access(session: AsyncSession, system: System, target_id: str, since: datetime) -> Access | None:
    if id_prefix(target_id) == KEY:
        token = await token_queries.token_by_id(session, target_id)
        workspace_id = None if token is None else token.workspace_id
    else:
        workspace_id = target_id
    workspace = None if workspace_id is None else await workspace_queries.workspace_by_id(session, workspace_id)
    if workspace is None or workspace.deleted_at is not None:
        return None
    product = system.product(workspace.product)
    counts: dict[Holders, int] = {}
    if workspace.suspended_at is None:
        counts.update(await token_queries.usable_holdings(session, workspace.id, system.clock(), since))
    for role, count in await workspace_queries.member_counts(session, workspace.id):
        counts[Kind.MEMBER.value, (role,)] = count
    scopes = {(kind, grants): scopes_of(product, workspace, grants, Kind(kind)) for kind, grants in counts}
    limit = limit_of(plan_of(product, workspace), workspace.per_minute, workspace.burst)
    return Access(counts, scopes, limit)


_NO_ACCESS = Access({}, {}, None)


def _compare(before: Access | None, after: Access | None) -> Impact:
    first, last = before or _NO_ACCESS, after or _NO_ACCESS
    tokens_stopped, tokens_losing = _losses(first, last, members=False)
    members_stopped, members_losing = _losses(first, last, members=True)
    lower = after is not None and _is_lower(first.limit, last.limit)
    working = sum(
        count for holders, count in last.counts.items() if last.scopes[holders] and holders[0] != Kind.MEMBER.value
    )
    return Impact(
        tokens_stopped=tokens_stopped,
        tokens_losing=tokens_losing,
        members_stopped=members_stopped,
        members_losing=members_losing,
        limit_before=first.limit,
        limit_after=last.limit,
        tokens_limited=working if lower else 0,
    )


def _losses(before: Access, after: Access, *, members: bool) -> tuple[int, dict[str, int]]:
    """Return how many stop, and scope → how many lose it and go on.

    Those with the same grants before and after are compared one by one. Of the others, those that left one group are
    taken to have joined another, as an edited token does; more that left than joined have stopped.
    """
    stopped, losing = 0, Counter[str]()
    left, joined = Counter[frozenset[str]](), Counter[frozenset[str]]()
    for holders in {*before.counts, *after.counts}:
        if (holders[0] == Kind.MEMBER.value) != members:
            continue
        had, has = before.scopes.get(holders, frozenset()), after.scopes.get(holders, frozenset())
        first, last = before.counts.get(holders, 0), after.counts.get(holders, 0)
        same = min(first, last)
        if had and not has:
            stopped += same
        else:
            losing.update(dict.fromkeys(had - has, same))
        if had:
            left[had] += first - same
        joined[has] += last - same
    moved = min(left.total(), joined.total())
    stopped += left.total() - moved
    if left.total() == joined.total():
        lost = _by_scope(left)
        lost.subtract(_by_scope(joined))
        losing.update({scope: count for scope, count in lost.items() if count > 0})
    return stopped, {scope: losing[scope] for scope in sorted(losing) if losing[scope] > 0}


def _by_scope(groups: Counter[frozenset[str]]) -> Counter[str]:
    found = Counter[str]()
    for scopes, count in groups.items():
        found.update(dict.fromkeys(scopes, count))
    return found


def _is_lower(before: Limit | None, after: Limit | None) -> bool:
    if after is None:
        return False
    return before is None or after.per_minute < before.per_minute or after.burst < before.burst
