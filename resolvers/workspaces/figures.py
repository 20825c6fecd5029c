"""Figures of a workspace: how many tokens it has, how many its plan includes, and how much they are used.

As in :mod:`spacekey.resolvers.workspaces.lists`, a function takes several workspaces, and a refusal for one of them is
the answer for that one only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from spacekey.domain.refusal import InputCode, InvalidInput, NotFound, UserError
from spacekey.models.engine.reading import Reader
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.usage import TokenUsage, UsageDay
from spacekey.resolvers.access.authority import Authority
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.access.entitlements import plan_of
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.list import TokenSearch, check_search, search_filter, views_of
from spacekey.resolvers.tokens.usage import checked_days, first_day
from spacekey.resolvers.tokens.view import TokenView

from .lists import Held, Place, known_authorities, readable_places

T = TypeVar("T")
Figure: TypeAlias = T | UserError

COUNT_MAX = 10_000
"""Number up to which tokens are counted."""

BUSIEST_MAX = 100
"""Maximum number of tokens in a list of the busiest."""


class CountPrecision(StrEnum):
    """How exact a count is."""

    EXACT = "exact"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Number of tokens, or the limit of the count if there are more."""

    count: int
    precision: CountPrecision


@dataclass(frozen=True, slots=True)
class TokenQuota:
    """Number of tokens that count towards the plan of a workspace.

    :param used: tokens that are neither revoked nor expired; a token and its successor count once.
    :param most: the plan's maximum; None if it has none, 0 if it includes no tokens or the plan no longer exists.
    """

    used: int
    most: int | None


@dataclass(frozen=True, slots=True)
class BusyToken:
    """Token with its requests in a period."""

    view: TokenView
    usage: TokenUsage


def checked_limit(limit: int) -> int:
    """Return the number at which counting stops.

    :raises InvalidInput: unless it is 1 to 10,000.
    """
    if not 1 <= limit <= COUNT_MAX:
        raise InvalidInput("limit", f"Must be 1 to {COUNT_MAX}.", InputCode.OUT_OF_RANGE)
    return limit


async def token_counts(
    system: System,
    caller: Caller,
    places: Sequence[Place],
    search: TokenSearch,
    limit: int = COUNT_MAX,
    held: Held | None = None,
) -> list[Figure[TokenCount]]:
    """Return how many tokens of each workspace, or of one of its spaces, match a search. They require ``tokens:read``.

    :param limit: the number at which counting stops.
    :param held: the caller's authority by workspace id, if it was read already; also in the functions below.
    :raises InvalidInput: for an invalid search or limit.
    """
    limit = checked_limit(limit)
    check_search(system, search)
    now = system.clock()
    held = await known_authorities(system, caller, places, held)
    answers: list[Figure[TokenCount]]
    answers, allowed = _readable(held, places, "tokens:read")
    wheres = [search_filter(system, search, authority, space_id, now) for authority, space_id in allowed.values()]

    async def read(reader: Reader) -> list[int]:
        return await token_queries.token_counts(reader, wheres, limit + 1, now)

    counts = await system.store.read(read) if wheres else []
    for number, count in zip(allowed, counts, strict=True):
        precision = CountPrecision.EXACT if count <= limit else CountPrecision.AT_LEAST
        answers[number] = TokenCount(min(count, limit), precision)
    return answers


async def token_quotas(
    system: System, caller: Caller, workspace_ids: Sequence[str], held: Held | None = None
) -> list[Figure[TokenQuota]]:
    """Return how many tokens of each workspace count towards its plan. They require ``tokens:read``.

    A space token does not see the whole workspace, and so not its quota.
    """
    places: list[Place] = [(one, None) for one in workspace_ids]
    held = await known_authorities(system, caller, places, held)
    answers: list[Figure[TokenQuota]]
    answers, allowed = _readable(held, places, "tokens:read", whole=True)
    async with system.store.reading() as session:
        used = await token_queries.live_token_counts(session, [places[one][0] for one in allowed], system.clock())
    for number, (authority, _) in allowed.items():
        plan = plan_of(authority.product, authority.workspace)
        most = 0 if plan is None else plan.tokens_max
        answers[number] = TokenQuota(used[authority.workspace.id], most)
    return answers


async def workspace_usage(
    system: System, caller: Caller, workspace_ids: Sequence[str], days: int, held: Held | None = None
) -> list[Figure[list[UsageDay]]]:
    """Return the requests of each workspace by day, oldest first, among the last ``days``. They require ``usage:read``.

    Days without requests are left out. Requests made with tokens that were deleted since count too. A space token sees
    the requests of its space.

    :raises InvalidInput: if the number of days is out of range.
    """
    since = first_day(system, checked_days(days))
    places: list[Place] = [(one, None) for one in workspace_ids]
    held = await known_authorities(system, caller, places, held)
    answers: list[Figure[list[UsageDay]]]
    answers, allowed = _readable(held, places, "usage:read", mixed=True)
    asked = [(authority.workspace.id, space_id) for authority, space_id in allowed.values()]
    found = await system.store.read(lambda reader: usage_queries.usage_of_places(reader, asked, since))
    for number, usage in zip(allowed, found, strict=True):
        answers[number] = usage
    return answers


async def busiest_tokens(
    system: System, caller: Caller, workspace_ids: Sequence[str], days: int, most: int, held: Held | None = None
) -> list[Figure[list[BusyToken]]]:
    """Return the tokens of each workspace with the most requests in the last ``days``, the busiest first.

    They require ``usage:read`` and ``tokens:read``. Tokens without requests and deleted tokens are left out. A space
    token sees the tokens of its space.

    :raises InvalidInput: if a number is out of range.
    """
    since = first_day(system, checked_days(days))
    if not 0 <= most <= BUSIEST_MAX:
        raise InvalidInput("first", f"Must be 0 to {BUSIEST_MAX}.", InputCode.OUT_OF_RANGE)
    places: list[Place] = [(one, None) for one in workspace_ids]
    held = await known_authorities(system, caller, places, held)
    answers: list[Figure[list[BusyToken]]]
    answers, allowed = _readable(held, places, "usage:read", "tokens:read", mixed=True)
    asked = [(authority.workspace.id, space_id) for authority, space_id in allowed.values()]
    now = system.clock()

    async def read(reader: Reader) -> list[list[BusyToken]]:
        counted = await usage_queries.busiest_tokens(reader, asked, since, most)
        records = await token_queries.token_records(reader, [one.token_id for counts in counted for one in counts])
        tokens = {token.id: token for token in records}
        found = []
        for (authority, _), counts in zip(allowed.values(), counted, strict=True):
            # A token that was deleted between the two statements is left out.
            listed = [one for one in counts if one.token_id in tokens]
            views = views_of([(authority, tokens[one.token_id]) for one in listed], now)
            found.append([BusyToken(view, one) for view, one in zip(views, listed, strict=True)])
        return found

    found = await system.store.read(read) if asked else []
    for number, busiest in zip(allowed, found, strict=True):
        answers[number] = busiest
    return answers


def _readable(
    held: Held, places: Sequence[Place], *scopes: str, whole: bool = False, mixed: bool = False
) -> tuple[list[Figure[T]], dict[int, tuple[Authority, str | None]]]:
    """Return answers in which only the refusals are filled in, and the places that are left to read."""
    refusals, allowed = readable_places(held, places, *scopes, whole=whole, mixed=mixed)
    answers: list[Figure[T]] = [refusals.get(number, NotFound("workspace")) for number in range(len(places))]
    return answers, allowed
