"""Usage of tokens in the database."""

from __future__ import annotations

from collections.abc import Iterable

from spacekey.domain.refusal import UserError
from spacekey.models.tables.usage import UsageDay
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.usage import checked_days, usage_by_day
from spacekey.resolvers.workspaces.figures import busiest_tokens, workspace_usage
from spacekey.server.cli.common.facts import token_facts
from spacekey.server.cli.common.lookup import workspace_called
from spacekey.server.cli.common.output import Facts
from spacekey.server.cli.common.run import operator


class LocalUsage:
    """See :class:`spacekey.server.cli.common.backend.Usage`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def of_token(self, token: str, days: int) -> list[Facts]:
        view = await token_view(self._system, operator(), token)
        return _days((await usage_by_day(self._system, [view.token.id], checked_days(days))).get(view.token.id, []))

    async def of_workspace(self, workspace: str, days: int) -> list[Facts]:
        home = await workspace_called(self._system, workspace)
        [usage] = await workspace_usage(self._system, operator(), [home.id], days)
        if isinstance(usage, UserError):
            raise usage
        return _days(usage)

    async def busiest(self, workspace: str, days: int, most: int) -> list[Facts]:
        home = await workspace_called(self._system, workspace)
        [found] = await busiest_tokens(self._system, operator(), [home.id], days, most)
        if isinstance(found, UserError):
            raise found
        return [
            {
                **token_facts(one.view),
                "requests": one.usage.requests,
                "allowed": one.usage.allowed,
                "denied": one.usage.denied,
                "rate_limited": one.usage.limited,
            }
            for one in found
        ]


def _days(days: Iterable[UsageDay]) -> list[Facts]:
    return [
        {"day": one.day.isoformat(), "allowed": one.allowed, "denied": one.denied, "rate_limited": one.limited}
        for one in days
    ]
